# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Training on data that do not fit into the memory that is allowed: resumed, streamed, on two processes."""

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from script_runs import distil, distil_on_two_processes, distillation_options, load_script, run_script


SAMPLES = 4096 * 2
# Of 24 clips of half a second, 16 KB each, about seven are in memory at a time.
LITTLE = {"clip_memory_mb": 0.24, "seconds_per_batch": 1.024, "mixture_share": 0.0}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    time = np.arange(SAMPLES) / 16000
    lines = ["file_name,caption"]
    for index in range(24):
        soundfile.write(folder / f"{index}.wav", 0.5 * np.sin(2 * np.pi * (200 + 50 * index) * time), 16000)
        lines.append(f"{index}.wav,a tone {'abcdefgh'[index % 8]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_run_on_parts_is_resumed_bit_for_bit(trained, tones, tmp_path, capsys):
    whole = distil(trained, tones, tmp_path / "whole", max_train_steps=8, checkpointing_steps=5, **LITTLE)
    assert "takes more than 0.24 MB of memory: parts of about 7 clips" in capsys.readouterr().out
    assert len(set(whole[0])) == 8
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        **distillation_options(trained, tones, tmp_path / "resumed"),
        **LITTLE,
        max_train_steps=8,
        resume_from_checkpoint=tmp_path / "whole/checkpoint-5",
    )
    lines = (tmp_path / "resumed/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == whole[0][5:]
    name = "model/transformer/diffusion_pytorch_model.safetensors"
    ends = [load_file(tmp_path / run / name) for run in ("whole", "resumed")]
    assert all(torch.equal(ends[1][key], weight) for key, weight in ends[0].items())
    # All in memory, a run draws otherwise.
    held = distil(trained, tones, tmp_path / "held", max_train_steps=8, **{**LITTLE, "clip_memory_mb": 4000})
    assert held[0] != whole[0]


def test_a_stream_is_not_read_to_its_end_before_the_first_step(trained, tones, tmp_path, monkeypatch):
    from datasets import Dataset

    from audiolcm_diffusers.data.hub_dataset import HubDataset

    (tmp_path / "parquet").mkdir()
    rows = [
        {"audio": (tones / f"{index}.wav").read_bytes(), "caption": f"a tone {'abcdefgh'[index % 8]}"}
        for index in range(24)
    ]
    for shard in range(4):
        Dataset.from_list(rows[6 * shard : 6 * shard + 6]).to_parquet(tmp_path / f"parquet/train-{shard}.parquet")
    read = []
    row_of = HubDataset.row_of

    def counted(self, number, row):
        read.append(number)
        return row_of(self, number, row)

    monkeypatch.setattr(HubDataset, "row_of", counted)
    options = {**LITTLE, "dataset_name": str(tmp_path / "parquet"), "streaming": True, "max_train_steps": 8}
    common = {name: value for name, value in distillation_options(trained, None, None).items() if value is not None}

    def stream(output_dir, **more):
        run_script(
            "train_audiolcm_distill",
            "DistillationConfig",
            **{**common, **options, "output_dir": tmp_path / output_dir, **more},
        )
        lines = (tmp_path / output_dir / "log.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines]

    stream("short", max_train_steps=1)
    # What showed that they do not fit, a part, and the next one ahead.
    assert len(read) <= 16 + 7 + 7
    whole = stream("whole", checkpointing_steps=5)
    assert (tmp_path / "whole/checkpoint-5/data_0_of_1.json").is_file()
    assert stream("resumed", resume_from_checkpoint=tmp_path / "whole/checkpoint-5") == whole[5:]


def test_two_processes_have_each_a_share(trained, tones, tmp_path):
    options = {
        **distillation_options(trained, tones, tmp_path / "run"),
        **LITTLE,
        "max_train_steps": 6,
        "clip_memory_mb": 0.1,
    }
    notes = distil_on_two_processes(tmp_path, options)
    drawn = [{name for names in own[0]["names"].values() for name in names} for own in notes]
    number = {name: int(name.split(".")[0]) for names in drawn for name in names}
    assert [{number[name] % 2 for name in names} for names in drawn] == [{0}, {1}]
    assert all(len(names) > 3 for names in drawn)


def test_an_autoencoder_and_a_vocoder_are_trained_on_parts(trained, tones, tmp_path, capsys):
    common = {
        "data_dir": tones,
        "max_train_steps": 3,
        "batch_size": 4,
        "clip_memory_mb": 0.24,
        "report_to": "none",
    }
    run_script(
        "train_vocoder",
        "VocoderConfig",
        output_dir=tmp_path / "vocoder",
        vocoder_config=json.dumps({"upsample_initial_channel": 64}),
        crop_frames=8,
        **common,
    )
    assert "parts of about 7 clips" in capsys.readouterr().out
    assert (tmp_path / "vocoder/model/config.json").is_file()


def test_a_cache_of_data_that_do_not_fit_is_the_same(trained, tones, tmp_path):
    caches = []
    for name, memory_mb in (("held", 4000), ("spooled", 0.1)):
        run_script(
            "cache_latents",
            "CacheConfig",
            data_dir=tones,
            output_dir=tmp_path / name,
            pipeline_dir=trained / "teacher/model",
            durations_s="0.256",
            duration_shares="1",
            clip_memory_mb=memory_mb,
            examples_per_clip=1,
        )
        caches.append(tmp_path / name)
    names = [sorted(path.name for path in folder.iterdir()) for folder in caches]
    assert names[0] == names[1] and "bucket-0-shard-00000.safetensors" in names[0]
    assert (caches[0] / "cache.json").read_bytes() == (caches[1] / "cache.json").read_bytes()
    for name in names[0]:
        if name.endswith(".safetensors"):
            held, spooled = (load_file(folder / name) for folder in caches)
            assert held.keys() == spooled.keys() and all(torch.equal(spooled[key], held[key]) for key in held)


def test_memory_of_nothing_is_refused():
    config_class = load_script("train_audiolcm_distill").DistillationConfig
    with pytest.raises(ValueError, match="clip_memory_mb > 0, got 0"):
        config_class(data_dir="data", output_dir="run", clip_memory_mb=0.0)

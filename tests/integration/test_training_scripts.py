# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The training scripts one after the other, from two recordings to sound in two steps, at the smallest sizes."""

import csv
import dataclasses
import importlib.util
import json
import math
import re
import shutil
import time
from pathlib import Path

import datasets
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from script_runs import (
    TEXT_ENCODER,
    TRAINING,
    cache,
    distil,
    distillation_options,
    forbid,
    load_script,
    losses_and_weights,
    run_script,
    start_script,
    teacher_options,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import T5Config, T5EncoderModel

from audiolcm_diffusers import (
    AudioLCMPipeline,
    AutoencoderKLMel1D,
    BigVGANVocoder,
    GriffinLimVocoder,
    LCMAudioScheduler,
    VocosVocoder,
)
from audiolcm_diffusers.audio.io import read_audio, write_audio
from audiolcm_diffusers.evaluation.networks import load_classifier
from audiolcm_diffusers.trainer import parse_config


def test_every_script_logs_numbers(trained):
    for name, values in {
        "vae": {"l1", "mel", "kl", "discriminator"},
        "vocoder": {"mel", "spectral", "discriminator"},
        "teacher": {"loss"},
        "student": {"loss"},
    }.items():
        lines = [json.loads(line) for line in (trained / name / "log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2, 3]
        assert values <= lines[-1].keys()
        assert all(math.isfinite(value) for line in lines for value in line.values())


def test_validation_reaches_disk_and_tensorboard(trained):
    assert sorted(path.name for path in (trained / "student/validation").iterdir()) == ["step-2", "step-3"]
    for step in (2, 3):
        folder = trained / f"student/validation/step-{step}"
        assert sorted(path.name for path in folder.iterdir()) == ["00.wav", "01.wav", "mels.png"]
        assert read_audio(folder / "00.wav").shape == (8192,)
    events = EventAccumulator(str(trained / "student/audiolcm")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3]
    assert [event.step for event in events.Audio("a tone")] == [2, 3]
    assert [event.step for event in events.Images("mels")] == [2, 3]


def test_the_card_tells_settings_losses_and_samples(trained):
    folder = trained / "student/model"
    card = (folder / "README.md").read_text()
    assert ModelCard(card).data.tags == ["audiolcm", "audiolcm_diffusers", "text-to-audio"]
    assert "| num_solver_timesteps | 50 |" in card and "AudioLCMPipeline.from_pretrained('student')" in card
    losses = [json.loads(line)["loss"] for line in (trained / "student/log.jsonl").read_text().splitlines()]
    assert all(f"| {step} | {loss} |" in card for step, loss in enumerate(losses, start=1))
    assert "- [a noise](samples/01.wav)" in card
    assert sorted(path.name for path in (folder / "samples").iterdir()) == ["00.wav", "01.wav", "mels.png"]
    assert "| data_dir | data0 |" in card and str(trained) not in card
    assert "Samples" not in (trained / "vocoder/model/README.md").read_text()


def test_an_exported_pipeline_is_half_as_large_and_keeps_its_card(trained, tmp_path):
    run_script("export_pipeline", "ExportConfig", pipeline_dir=trained / "student/model", output_dir=tmp_path / "mini")
    for name in ("README.md", "samples/00.wav"):
        assert (tmp_path / "mini" / name).read_bytes() == (trained / "student/model" / name).read_bytes()
    whole, half = (
        load_file(folder / "transformer/diffusion_pytorch_model.safetensors")
        for folder in (trained / "student/model", tmp_path / "mini")
    )
    assert {weight.dtype for weight in half.values()} == {torch.float16}
    assert all(torch.equal(half[name], weight.half()) for name, weight in whole.items())


def test_credits_are_those_of_all_folders_but_for_licences_left_out(tmp_path):
    header = "file_name,caption,source_set,licence,author,source\n"
    rows = {
        "one": "a.wav,a,Set,CC0,Ann,x\nb.wav,b,Set,CC0,Ann,x\n",
        "two": "c.wav,c,Set,?,Bob,y\nd.wav,d,Set,CC BY,Cy,z\n",
    }
    for name, lines in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.csv").write_text(header + lines)
    credits = load_script("export_pipeline").credits
    folders = [tmp_path / name for name in rows]
    assert credits(folders) == [("Set", "?", "Bob", "y"), ("Set", "CC BY", "Cy", "z"), ("Set", "CC0", "Ann", "x")]
    assert credits(folders, ["?"]) == [("Set", "CC BY", "Cy", "z"), ("Set", "CC0", "Ann", "x")]


def test_the_student_makes_sound_in_two_steps(trained):
    pipe = AudioLCMPipeline.from_pretrained(trained / "student/model")
    pipe.set_progress_bar_config(disable=True)
    assert pipe.is_student and isinstance(pipe.scheduler, LCMAudioScheduler)
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    audio = pipe("a tone", audio_length_in_s=0.5, generator=torch.Generator().manual_seed(0)).audios
    assert audio.shape == (1, 8000) and math.isfinite(float(abs(audio).max())) and abs(audio).max() > 0


def test_the_teacher_is_guided_and_asks_for_a_vocoder(trained):
    pipe = AudioLCMPipeline.from_pretrained(trained / "teacher/model", vocoder=None)
    pipe.set_progress_bar_config(disable=True)
    assert not pipe.is_student
    mel = pipe("a tone", audio_length_in_s=0.512, num_inference_steps=3, output_type="mel").audios
    assert mel.shape == (1, 80, 32)
    with pytest.raises(ValueError, match="vocoder"):
        pipe("a tone", audio_length_in_s=0.5)


def test_the_latents_have_unit_scale_and_the_vocoder_plain_weights(trained):
    vae_config = json.loads((trained / "vae/model/config.json").read_text())
    assert vae_config["scaling_factor"] != 1.0
    from safetensors import safe_open

    with safe_open(trained / "vocoder/model/diffusion_pytorch_model.safetensors", "pt") as file:
        assert not any("parametrizations" in name for name in file.keys())


def test_a_student_is_no_teacher(trained, data_dir, tmp_path):
    with pytest.raises(ValueError, match="holds a student"):
        run_script(
            "train_audiolcm_distill",
            "DistillationConfig",
            data_dir=data_dir,
            output_dir=tmp_path / "run",
            teacher_dir=trained / "student/model",
        )


def test_a_teacher_goes_on_from_a_student(trained, data_dir, tmp_path, monkeypatch):
    # A backend that is chosen for one model becomes the default of all: diffusers' default is put back after the test.
    monkeypatch.setattr(_AttentionBackendRegistry, "_active_backend", _AttentionBackendRegistry._active_backend)
    # At a learning rate of next to nothing, the teacher keeps the student's weights, all but the guidance embedding.
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        data_dir=data_dir,
        output_dir=tmp_path / "run",
        vae_dir=trained / "vae/model",
        pipeline_dir=trained / "student/model",
        attention_backend="_native_math",
        gradient_checkpointing=True,
        snr_gamma=5.0,
        max_train_steps=1,
        learning_rate=1e-12,
        text_learning_rate=1e-12,
        durations_s="0.256",
        duration_shares="1",
        seconds_per_batch=0.512,
    )
    teacher = AudioLCMPipeline.from_pretrained(tmp_path / "run/model", vocoder=None)
    student = AudioLCMPipeline.from_pretrained(trained / "student/model")
    assert student.is_student and not teacher.is_student
    weights = student.transformer.state_dict()
    del weights["time_embedding.cond_proj.weight"]
    assert weights.keys() == teacher.transformer.state_dict().keys()
    for name, weight in teacher.transformer.state_dict().items():
        torch.testing.assert_close(weight, weights[name], msg=name)
    assert teacher.tokenizer_2.get_vocab() == student.tokenizer_2.get_vocab()


def test_a_teacher_with_other_latents_is_refused(trained, data_dir, tmp_path):
    AutoencoderKLMel1D(base_channels=32, latent_channels=6, channel_multipliers=(1, 1)).save_pretrained(
        tmp_path / "vae"
    )
    with pytest.raises(ValueError, match="takes 4 latent channels.*has 6"):
        run_script(
            "train_text_to_audio",
            "TextToAudioConfig",
            data_dir=data_dir,
            output_dir=tmp_path / "run",
            vae_dir=tmp_path / "vae",
            pipeline_dir=trained / "student/model",
        )


def test_the_whitened_convolution_is_the_plain_one():
    WhitenedConv1d = load_script("train_vocoder").WhitenedConv1d
    conv = torch.nn.Conv1d(80, 3, 7, padding=3)
    generator = torch.Generator().manual_seed(0)
    # Neighbouring bins that move together, as in a mel.
    mels = [torch.randn(80, 500, generator=generator).cumsum(0) * 0.1 - 3.0]
    whitened = WhitenedConv1d(conv, mels, lowest_std=1e-4)
    mel = mels[0][None, :, :20]
    torch.testing.assert_close(whitened(mel), conv(mel), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whitened.plain()(mel), conv(mel), atol=1e-4, rtol=1e-4)
    # What it reads is of unit variance in every direction.
    read = whitened.whitening @ (mels[0] - whitened.mean)
    torch.testing.assert_close(torch.cov(read), torch.eye(80), atol=0.01, rtol=0.01)


def test_a_vocoder_goes_on_from_a_trained_one(trained, data_dir, tmp_path):
    run_script(
        "train_vocoder",
        "VocoderConfig",
        data_dir=data_dir,
        output_dir=tmp_path / "run",
        vocoder_dir=trained / "vocoder/model",
        crop_frames=16,
        context_frames=4,
        batch_size=2,
        max_train_steps=1,
        learning_rate=1e-12,
    )
    before, after = (
        BigVGANVocoder.from_pretrained(folder) for folder in (trained / "vocoder/model", tmp_path / "run/model")
    )
    mel = torch.randn(1, 80, 8, generator=torch.Generator().manual_seed(0)) - 3
    torch.testing.assert_close(after(mel), before(mel), atol=1e-5, rtol=1e-4)


def test_vocos_learns_and_goes_on_from_what_it_learnt(trained, data_dir, tmp_path):
    options = {
        "data_dir": data_dir,
        "vae_dir": trained / "vae/model",
        "crop_frames": 16,
        "context_frames": 4,
        "batch_size": 2,
        "warmup_steps": 1,
    }
    sizes = {"hidden_channels": 8, "intermediate_channels": 16, "num_layers": 2}
    first, second = tmp_path / "first", tmp_path / "second"
    run_script(
        "train_vocoder",
        "VocoderConfig",
        output_dir=first,
        vocoder="vocos",
        vocoder_config=json.dumps(sizes),
        discriminator_start=1,
        max_train_steps=3,
        **options,
    )
    run_script(
        "train_vocoder",
        "VocoderConfig",
        output_dir=second,
        vocoder_dir=first / "model",
        max_train_steps=1,
        learning_rate=1e-12,
        **options,
    )
    before, after = (VocosVocoder.from_pretrained(folder / "model") for folder in (first, second))
    assert sizes.items() <= dict(after.config).items()
    assert after.state_dict().keys() == VocosVocoder(**sizes).state_dict().keys()
    mel = torch.randn(1, 80, 8, generator=torch.Generator().manual_seed(0)) - 3
    torch.testing.assert_close(after(mel), before(mel), atol=1e-5, rtol=1e-4)


def test_a_vocoder_of_other_frames_is_refused(data_dir, tmp_path):
    with pytest.raises(ValueError, match="a vocoder of 256 samples a mel frame, got 512"):
        run_script(
            "train_vocoder",
            "VocoderConfig",
            data_dir=data_dir,
            output_dir=tmp_path / "run",
            vocoder="vocos",
            vocoder_config='{"hop_length": 512}',
        )


def learning_rates(num_steps):
    """A step of warm-up, then a cosine: the schedule counts steps, whatever the number of processes and batches."""
    rates = [0.0] + [1e-3 * (1 + math.cos(math.pi * step / (num_steps - 1))) / 2 for step in range(num_steps - 1)]
    return [float(f"{rate:.6g}") for rate in rates[:num_steps]]


def assert_the_same_training(first, second):
    assert first[2] == second[2] == learning_rates(len(first[2]))
    torch.testing.assert_close(first[0], second[0], atol=2e-5, rtol=0)  # logged with five digits
    # Sums in another order; where a gradient is next to nothing, Adam makes a step of the difference.
    assert float(torch.linalg.vector_norm(first[1] - second[1]) / torch.linalg.vector_norm(first[1])) < 1e-4


@pytest.mark.parametrize("with_vocoder", [True, False])
def test_a_student_takes_over_the_vocoder_of_its_teacher(trained, data_dir, tmp_path, with_vocoder):
    vocoder = BigVGANVocoder.from_pretrained(trained / "vocoder/model") if with_vocoder else None
    teacher = AudioLCMPipeline.from_pretrained(trained / "teacher/model", vocoder=vocoder)
    teacher.save_pretrained(tmp_path / "teacher")
    options = distillation_options(trained, data_dir, tmp_path / "run")
    del options["vocoder_dir"]
    options.update(teacher_dir=tmp_path / "teacher", max_train_steps=1, seconds_per_batch=0.512)
    run_script("train_audiolcm_distill", "DistillationConfig", **options)
    index = json.loads((tmp_path / "run/model/model_index.json").read_text())
    assert (index["vocoder"][1] == "BigVGANVocoder") == with_vocoder


def test_training_from_a_cache_runs_neither_autoencoder_nor_text_encoder(trained, data_dir, tmp_path, monkeypatch):
    folder = cache(trained, data_dir, tmp_path / "cache", pipeline_dir=trained / "teacher/model")
    options = {
        **distillation_options(trained, data_dir, tmp_path / "run"),
        "cache_dir": folder,
        "seconds_per_batch": 0.512,
        "max_train_steps": 2,
    }
    for name in ("data_dir", "durations_s", "duration_shares"):
        options.pop(name, None)
    forbid(monkeypatch, (AutoencoderKLMel1D, "encode"), (T5EncoderModel, "forward"))
    run_script("train_audiolcm_distill", "DistillationConfig", **options)
    first = losses_and_weights(tmp_path / "run")
    run_script("train_audiolcm_distill", "DistillationConfig", **{**options, "output_dir": tmp_path / "again"})
    assert losses_and_weights(tmp_path / "again")[0] == first[0]
    card = (tmp_path / "run/model/README.md").read_text()
    assert "on `cache` for 2 steps" in card and "durations_s" not in card and "caption_column" not in card

    # What was decided when the cache was made cannot be decided again.
    with pytest.raises(ValueError, match=r"made with durations_s='0.256'; got '0.512'"):
        run_script(
            "train_audiolcm_distill",
            "DistillationConfig",
            **{**options, "output_dir": tmp_path / "other", "durations_s": "0.512"},
        )
    with pytest.raises(ValueError, match="Expected one of data_dir, .*cache_dir, got data_dir=.*, cache_dir="):
        run_script("train_audiolcm_distill", "DistillationConfig", **options, data_dir=data_dir)


def test_a_cache_of_another_teacher_is_refused(trained, data_dir, tmp_path):
    folder = cache(trained, data_dir, tmp_path / "cache", pipeline_dir=trained / "teacher/model")
    other = AudioLCMPipeline.from_pretrained(trained / "teacher/model", vocoder=None)
    with torch.no_grad():
        other.text_encoder_2.shared.weight[0, 0] += 1.0
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="made with another text: make it anew"):
        run_script(
            "train_audiolcm_distill",
            "DistillationConfig",
            cache_dir=folder,
            output_dir=tmp_path / "run",
            teacher_dir=tmp_path / "other",
        )


def test_a_text_encoder_learns_on_cached_latents(trained, data_dir, tmp_path, monkeypatch):
    folder = cache(trained, data_dir, tmp_path / "cache", vae_dir=trained / "vae/model", mixture_share=0.0)
    forbid(monkeypatch, (AutoencoderKLMel1D, "encode"))
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        cache_dir=folder,
        output_dir=tmp_path / "run",
        **teacher_options(trained / "vae/model"),
        seconds_per_batch=0.512,
        max_train_steps=1,
        mixture_share=0.0,
    )
    pipe = AudioLCMPipeline.from_pretrained(tmp_path / "run/model", vocoder=None)
    assert pipe.config.default_audio_length_in_s == 0.256
    # The words of the captions, as the cache holds them.
    assert "tone" in "".join(pipe.tokenizer_2.convert_ids_to_tokens(pipe.tokenizer_2("a tone").input_ids))


def test_two_processes_write_one_cache(trained, data_dir, tmp_path):
    alone = cache(trained, data_dir, tmp_path / "alone", vae_dir=trained / "vae/model", shard_size=1)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    options = {"durations_s": "0.256", "duration_shares": "1", "examples_per_clip": 2, "shard_size": 1}
    process = start_script(
        "cache_latents",
        launch,
        data_dir=data_dir,
        output_dir=tmp_path / "pair",
        vae_dir=trained / "vae/model",
        **options,
    )
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    assert output.count("of this process's 2 shards") == 2  # told by the first process, which has half of the four
    names, of_pair = (sorted(path.name for path in folder.glob("[!.]*")) for folder in (alone, tmp_path / "pair"))
    assert names == of_pair and len(names) == 5
    for name in names[:-1]:
        for key, tensor in load_file(alone / name).items():
            torch.testing.assert_close(load_file(tmp_path / "pair" / name)[key], tensor, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "one of pipeline_dir and vae_dir, got pipeline_dir=None, vae_dir=None"),
        ({"pipeline_dir": "a", "vae_dir": "b"}, "got pipeline_dir='a', vae_dir='b'"),
        ({"vae_dir": "b", "dtype": "int8"}, "dtype .* got 'int8'"),
        ({"vae_dir": "b", "shard_size": 0}, "shard_size >= 1, got 0"),
        ({"vae_dir": "b", "mixture_share": 2.0}, "mixture_share <= 1, got 2.0"),
    ],
)
def test_impossible_caches_are_refused_when_options_are_read(options, told):
    with pytest.raises(ValueError, match=told):
        load_script("cache_latents").CacheConfig(data_dir="data", output_dir="cache", **options)


def test_an_adapter_brings_the_teacher_nearer_to_what_it_makes_in_many_steps(trained, data_dir, tmp_path):
    """LCM-LoRA (arXiv:2311.05556): with it, one step and two end nearer to where 100 of the teacher's lead."""
    common = {
        "data_dir": data_dir,
        "warmup_steps": 1,
        "learning_rate": 1e-2,
        "ema_decay": 0.9,
        "mixture_share": 0.0,
        "durations_s": "0.256",
        "duration_shares": "1",
        "seconds_per_batch": 8.192,
    }
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        output_dir=tmp_path / "teacher",
        **teacher_options(trained / "vae/model"),
        text_learning_rate=1e-2,
        max_train_steps=200,
        **common,
    )
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        output_dir=tmp_path / "adapter",
        teacher_dir=tmp_path / "teacher/model",
        lora_rank=32,
        w_min=4.0,
        w_max=4.001,
        num_solver_timesteps=10,
        num_solver_steps=2,
        solver="dpmsolver++",
        loss_type="l2",
        max_train_steps=100,
        target_decay=0.8,
        validation_steps=100,
        validation_prompts="a tone",
        **{**common, "learning_rate": 5e-3},
    )
    folder = tmp_path / "adapter/model"
    weights = "pytorch_lora_weights.safetensors"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", weights, "samples"]
    card = ModelCard((folder / "README.md").read_text())
    assert "lora" in card.data.tags and "'teacher/model' there" in card.content
    assert "pipe.load_lora_weights('adapter')" in card.content and "original_inference_steps=10" in card.content

    pipe = AudioLCMPipeline.from_pretrained(tmp_path / "teacher/model", vocoder=None)
    pipe.set_progress_bar_config(disable=True)
    many = latents_of(pipe, 100, guidance_scale=5.0)
    before = [latents_of(pipe, steps, guidance_scale=5.0) for steps in (1, 2)]
    pipe.load_lora_weights(folder)
    # Without fresh noise between the steps, which would lead to another sound than the teacher's from the same noise.
    pipe.scheduler = LCMAudioScheduler.from_config(pipe.scheduler.config, original_inference_steps=10, eta=0.0)
    adapted = [latents_of(pipe, steps, guidance_scale=1.0) for steps in (1, 2)]
    for few, with_adapter in zip(before, adapted):
        assert (with_adapter - many).square().mean() < 0.7 * (few - many).square().mean()


def latents_of(pipe, num_inference_steps, guidance_scale):
    return pipe(
        ["a tone", "a noise"] * 8,
        audio_length_in_s=0.256,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        generator=torch.Generator().manual_seed(0),
        output_type="latent",
    ).audios


def test_an_adapter_of_a_student_keeps_its_two_steps(trained, data_dir, tmp_path):
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        data_dir=data_dir,
        output_dir=tmp_path / "adapter",
        pipeline_dir=trained / "student/model",
        lora_rank=2,
        lora_target_modules="to_q,ff.net.2",
        max_train_steps=2,
        learning_rate=1e-2,
        warmup_steps=1,
        durations_s="0.256",
        duration_shares="1",
        seconds_per_batch=0.512,
    )
    pipe = AudioLCMPipeline.from_pretrained(trained / "student/model")
    pipe.set_progress_bar_config(disable=True)
    before = latents_of(pipe, 2, 5.0)
    pipe.load_lora_weights(tmp_path / "adapter/model")
    assert pipe.is_student and not torch.equal(latents_of(pipe, 2, 5.0), before)
    weights = load_file(tmp_path / "adapter/model/pytorch_lora_weights.safetensors")
    assert {name.split(".lora_")[0].split(".", 3)[3] for name in weights} == {"attn.to_q", "ff.net.2"}
    # The base itself is as it was.
    pipe.unload_lora_weights()
    torch.testing.assert_close(latents_of(pipe, 2, 5.0), before)


def test_a_teacher_is_adapted_and_goes_on_from_a_checkpoint(trained, data_dir, tmp_path):
    options = {
        "data_dir": data_dir,
        "pipeline_dir": trained / "teacher/model",
        "lora_rank": 2,
        "max_train_steps": 4,
        "checkpointing_steps": 2,
        "warmup_steps": 1,
        "durations_s": "0.256",
        "duration_shares": "1",
        "seconds_per_batch": 0.512,
    }
    run_script("train_text_to_audio", "TextToAudioConfig", output_dir=tmp_path / "whole", **options)
    checkpoint = tmp_path / "whole/checkpoint-2"
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        output_dir=tmp_path / "resumed",
        resume_from_checkpoint=checkpoint,
        **options,
    )
    whole, resumed = (
        load_file(tmp_path / name / "model/pytorch_lora_weights.safetensors") for name in ("whole", "resumed")
    )
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items()) and whole.keys() == resumed.keys()
    teacher = AudioLCMPipeline.from_pretrained(trained / "teacher/model", vocoder=None)
    teacher.load_lora_weights(tmp_path / "whole/model")
    assert not teacher.is_student


@pytest.mark.parametrize(
    ("script", "config_class", "options", "told"),
    [
        (
            "train_text_to_audio",
            "TextToAudioConfig",
            {"vae_dir": "v", "lora_rank": 4},
            "lora_rank=4 needs pipeline_dir",
        ),
        ("train_text_to_audio", "TextToAudioConfig", {}, "Expected vae_dir, .* or pipeline_dir"),
        (
            "train_text_to_audio",
            "TextToAudioConfig",
            {"pipeline_dir": "p", "lora_alpha": 4},
            "lora_alpha=4 needs lora_r",
        ),
        ("train_audiolcm_distill", "DistillationConfig", {"lora_rank": 0}, "lora_rank >= 1, got 0"),
        (
            "train_audiolcm_distill",
            "DistillationConfig",
            {"lora_rank": 2, "lora_alpha": -1.0},
            "lora_alpha > 0, got -1",
        ),
        (
            "train_audiolcm_distill",
            "DistillationConfig",
            {"lora_rank": 2, "student_dir": "s"},
            "got 's' with lora_rank=2",
        ),
        (
            "train_audiolcm_distill",
            "DistillationConfig",
            {"lora_rank": 2, "timestep_power": 0.5},
            "got 0.5 with lora_rank=2",
        ),
        ("train_audiolcm_distill", "DistillationConfig", {"timestep_power": 0.0}, "timestep_power above 0, got 0"),
        ("train_audiolcm_distill", "DistillationConfig", {"num_solver_timesteps": 30}, "divide .* 1000 .*, got 30"),
        ("train_audiolcm_distill", "DistillationConfig", {"w_min": 3.0, "w_max": 3.0}, "w_min=3.0, w_max=3.0"),
        ("train_audiolcm_distill", "DistillationConfig", {"ema_decay": 1.1}, "ema_decay <= 1, got 1.1"),
    ],
)
def test_impossible_settings_are_refused_when_options_are_read(script, config_class, options, told):
    with pytest.raises(ValueError, match=told):
        getattr(load_script(script), config_class)(data_dir="data", output_dir="run", **options)


def test_what_is_no_teacher_or_no_student_is_refused_when_options_are_read(trained, tmp_path):
    config_class = load_script("train_audiolcm_distill").DistillationConfig
    teacher, student = str(trained / "teacher/model"), str(trained / "student/model")
    common = {"data_dir": "data", "output_dir": str(tmp_path / "run")}
    with pytest.raises(ValueError, match="student/model' holds a student, its network has a guidance embedding"):
        config_class(teacher_dir=student, **common)
    with pytest.raises(ValueError, match="guidance_embedding_dim=256, got None"):
        config_class(teacher_dir=teacher, student_dir=teacher, **common)
    with pytest.raises(ValueError, match="guidance_embedding_dim=128, got 256"):
        config_class(teacher_dir=teacher, student_dir=student, guidance_embedding_dim=128, **common)
    assert not (tmp_path / "run").exists()


def test_a_student_goes_on_from_a_student(trained, data_dir, tmp_path):
    _, weights, _ = distil(
        trained,
        data_dir,
        tmp_path / "run",
        student_dir=trained / "student/model",
        learning_rate=1e-12,
        max_train_steps=1,
        timestep_power=0.5,
    )
    assert LCMAudioScheduler.from_pretrained(tmp_path / "run/model/scheduler").config.timestep_power == 0.5
    start = load_file(trained / "student/model/transformer/diffusion_pytorch_model.safetensors")
    torch.testing.assert_close(weights, torch.cat([start[name].flatten() for name in sorted(start)]))

    # Spaced as it was, where nothing else is said.
    distil(trained, data_dir, tmp_path / "next", student_dir=tmp_path / "run/model", max_train_steps=1)
    assert LCMAudioScheduler.from_pretrained(tmp_path / "next/model/scheduler").config.timestep_power == 0.5


def test_a_student_has_the_parts_of_its_teacher(trained, data_dir, tmp_path):
    """0.512 s are 16 latent frames of 512 samples, as many as there are positions."""
    parts = {"position_embedding": "learned", "num_positions": 16, "activation_fn": "gelu", "norm_type": "layer_norm"}
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        output_dir=tmp_path / "teacher",
        **teacher_options(trained / "vae/model", **parts),
        gradient_checkpointing=True,
        data_dir=data_dir,
        max_train_steps=2,
        durations_s="0.512",
        duration_shares="1",
    )
    distil(trained, data_dir, tmp_path / "student", teacher_dir=tmp_path / "teacher/model", max_train_steps=2)
    pipe = AudioLCMPipeline.from_pretrained(tmp_path / "student/model")
    assert pipe.is_student
    assert parts.items() <= dict(pipe.transformer.config).items()
    assert pipe("a tone", output_type="latent").audios.shape == (1, 4, 16)
    # Longer sounds are seen in windows of what was trained, as many frames as there are positions.
    assert (pipe.config.window_length_in_s, pipe.config.window_overlap_in_s) == (0.512, 0.2 * 0.512)
    assert pipe("a tone", audio_length_in_s=0.8, output_type="latent").audios.shape == (1, 4, 25)


def test_a_vocoder_that_cannot_be_trained_is_refused(data_dir, tmp_path):
    GriffinLimVocoder().save_pretrained(tmp_path / "vocoder")
    with pytest.raises(
        ValueError,
        match="BigVGANVocoder or a VocosVocoder .* got a GriffinLimVocoder, which has nothing",
    ):
        run_script(
            "train_vocoder",
            "VocoderConfig",
            data_dir=data_dir,
            output_dir=tmp_path / "run",
            vocoder_dir=tmp_path / "vocoder",
        )


def test_no_layer_of_that_name_is_told_with_those_there_are(trained, data_dir, tmp_path):
    with pytest.raises(ValueError, match=r"ends of proj_in, .*attn.to_q.*, got 'to_q,query'"):
        distil(trained, data_dir, tmp_path / "run", lora_rank=2, lora_target_modules="to_q,query")


def test_accumulated_batches_train_as_one_of_their_size(trained, data_dir, tmp_path):
    whole = distil(trained, data_dir, tmp_path / "whole", seconds_per_batch=1.024)
    halves = distil(trained, data_dir, tmp_path / "halves", seconds_per_batch=0.512, gradient_accumulation_steps=2)
    other = distil(trained, data_dir, tmp_path / "other", seconds_per_batch=1.024, seed=1)
    assert_the_same_training(whole, halves)
    with pytest.raises(AssertionError):
        assert_the_same_training(whole, other)


def test_two_processes_train_as_one_with_twice_the_batch(trained, data_dir, tmp_path):
    whole = distil(trained, data_dir, tmp_path / "whole", seconds_per_batch=1.024)
    pair = distil(trained, data_dir, tmp_path / "pair", processes=2, seconds_per_batch=0.512)
    assert_the_same_training(whole, pair)


def launch_environment(name):
    """What `accelerate launch --config_file` tells the processes that it starts."""
    path = TRAINING / f"accelerate_configs/{name}.yaml"
    args, _, _ = _validate_launch_command(
        launch_command_parser().parse_args(["--config_file", str(path), "script.py"])
    )
    if args.use_deepspeed:
        args.deepspeed_fields_from_accelerate_config = ""
        _, environment = prepare_deepspeed_cmd_env(args)
    else:
        environment = prepare_multi_gpu_env(args)
    names = ("FSDP_", "ACCELERATE_USE_", "ACCELERATE_DEEPSPEED_")
    return {name: value for name, value in environment.items() if name.startswith(names)}


def run_sharded(script, config, output_dir, **options):
    """
    Run two processes of a script on CPUs as a configuration of accelerate says.

    Now and then threads of gloo take a process down with them (torch 2.13, SIGABRT or SIGSEGV, one run in ten). What
    is tested is what a run computes: one that a signal ended is run again, once.
    """
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    launch.append(str(Path(__file__).with_name("sharded_on_cpus.py")))
    environment = {**launch_environment(config), "DS_ACCELERATOR": "cpu", "DS_BUILD_OPS": "0"}
    process = start_script(script, launch, environment, output_dir=output_dir, **options)
    errors = process.communicate(timeout=300)[1]
    if process.returncode != 0 and re.search(r"exitcode: -(6|11)\b", errors):
        shutil.rmtree(output_dir, ignore_errors=True)
        process = start_script(script, launch, environment, output_dir=output_dir, **options)
        errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors[-3000:]


SHARDED = [
    "fsdp",
    pytest.param(
        "deepspeed_zero2",
        marks=pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="needs deepspeed"),
    ),
]


@pytest.mark.parametrize("config", SHARDED)
def test_shards_train_as_one_process_with_twice_the_batch_and_go_on(trained, data_dir, tmp_path, config):
    whole = distil(trained, data_dir, tmp_path / "whole", seconds_per_batch=1.024)
    options = {
        **distillation_options(trained, data_dir, tmp_path / "pair"),
        "seconds_per_batch": 0.512,
        "max_train_steps": 3,
        "checkpointing_steps": 2,
        "validation_steps": 3,
        "validation_prompts": "a tone",
    }
    run_sharded("train_audiolcm_distill", config, **options)
    assert_the_same_training(whole, losses_and_weights(tmp_path / "pair"))
    assert read_audio(tmp_path / "pair/model/samples/00.wav").shape == (8192,)
    # As on one process: what is saved is one folder of `diffusers`, without a trace of shards.
    transformer_config = json.loads((tmp_path / "pair/model/transformer/config.json").read_text())
    assert transformer_config["_class_name"] == "LLaMATransformer1DModel"

    options["resume_from_checkpoint"] = tmp_path / "pair/checkpoint-2"
    options["output_dir"] = tmp_path / "resumed"
    run_sharded("train_audiolcm_distill", config, **options)
    (line,) = (tmp_path / "resumed/log.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 3 and json.loads(line)["loss"] == pytest.approx(whole[0][2], abs=2e-5)
    names = [f"{run}/model/transformer/diffusion_pytorch_model.safetensors" for run in ("pair", "resumed")]
    pair, resumed = (load_file(tmp_path / name) for name in names)
    assert all(torch.equal(resumed[name], weight) for name, weight in pair.items())


@pytest.mark.parametrize("config", SHARDED)
def test_a_text_encoder_and_a_transformer_are_sharded_as_one(trained, data_dir, tmp_path, config):
    # A teacher of the first steps hardly listens, and Adam makes steps of rounding errors: here everything matters.
    # The encoder's dropout is not drawn from the step.
    teacher = AudioLCMPipeline.from_pretrained(trained / "teacher/model", vocoder=None)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in teacher.transformer.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    teacher.text_encoder_2.config.dropout_rate = 0.0
    teacher.save_pretrained(tmp_path / "teacher")
    options = {
        "data_dir": data_dir,
        "pipeline_dir": tmp_path / "teacher",
        "durations_s": "0.256",
        "duration_shares": "1",
        "max_train_steps": 2,
        "warmup_steps": 1,
        "learning_rate": 1e-3,
        "text_learning_rate": 1e-3,
    }
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        output_dir=tmp_path / "whole",
        seconds_per_batch=1.024,
        **options,
    )
    options.update(output_dir=tmp_path / "pair", seconds_per_batch=0.512, gradient_checkpointing=True)
    run_sharded("train_text_to_audio", config, **options)
    for name in ("transformer/diffusion_pytorch_model", "text_encoder_2/model"):
        start, whole, pair = (
            load_file(folder / f"{name}.safetensors")
            for folder in (tmp_path / "teacher", tmp_path / "whole/model", tmp_path / "pair/model")
        )
        assert start.keys() == whole.keys() == pair.keys()
        moved, apart = (
            torch.cat([(whole[key] - other[key]).flatten() for key in whole]).norm() for other in (start, pair)
        )
        assert apart < 0.01 * moved


def test_a_judge_hears_recordings_and_tells_how_well(tmp_path):
    seconds = torch.arange(16000) / 16000
    generator = torch.Generator().manual_seed(0)
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "caption"])
        for index in range(4):
            write_audio(tmp_path / f"tone{index}.wav", 0.3 * torch.sin(2 * math.pi * (400 + 100 * index) * seconds))
            write_audio(tmp_path / f"noise{index}.wav", 0.1 * torch.randn(16000, generator=generator))
            writer.writerows([[f"tone{index}.wav", "a tone"], [f"noise{index}.wav", "a noise"]])
        write_audio(tmp_path / "click.wav", torch.eye(1, 16000)[0])
        writer.writerow(["click.wav", "a click"])
    run_script(
        "train_judge",
        "JudgeConfig",
        data_dir=tmp_path,
        eval_dir=tmp_path,
        output_dir=tmp_path / "run",
        min_clips=4,
        num_frames=48,
        batch_size=8,
        background_share=0.0,
        masked_frames=8,
        max_train_steps=20,
        warmup_steps=2,
        learning_rate=3e-3,
    )
    accuracy = json.loads((tmp_path / "run/model/accuracy.json").read_text())
    assert {name: group["clips"] for name, group in accuracy.items()} == {
        "a noise": 4,
        "a tone": 4,
        "other": 1,
        "all": 9,
        "all but other": 8,
    }
    judge = load_classifier(str(tmp_path / "run/model"), "cpu")
    assert judge.labels == ["a noise", "a tone", "other"]
    assert "from transformers import ResNetForImageClassification" in (tmp_path / "run/model/README.md").read_text()


def test_configurations_are_what_accelerate_reads():
    known = vars(launch_command_parser().parse_args(["script.py"]))
    for path in (TRAINING / "accelerate_configs").glob("*.yaml"):
        config = load_config_from_file(str(path))
        assert {*config.fsdp_config, *config.deepspeed_config} <= known.keys(), path
    environment = launch_environment("fsdp")
    assert (environment["ACCELERATE_USE_FSDP"], environment["FSDP_VERSION"]) == ("true", "2")
    environment = launch_environment("deepspeed_zero2")
    assert environment["ACCELERATE_USE_DEEPSPEED"] == "true" and environment["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == "2"


def test_fsdp_shards_block_by_block(make_llama_transformer, make_concat_transformer):
    llama, concat = make_llama_transformer(), make_concat_transformer()
    text_encoder = T5EncoderModel(T5Config(vocab_size=8, **TEXT_ENCODER))
    both = load_script("train_text_to_audio").TextToAudio(llama, text_encoder)
    for network, blocks in (
        (llama, [llama.transformer_blocks[0]]),
        (concat, [concat.transformer_blocks[0]]),
        (both, [llama.transformer_blocks[0], text_encoder.encoder.block[0]]),
    ):
        plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="TRANSFORMER_BASED_WRAP")
        plugin.set_auto_wrap_policy(network)
        assert plugin.auto_wrap_policy.keywords["transformer_layer_cls"] == {type(block) for block in blocks}


def test_a_killed_run_goes_on_as_if_it_had_not_been(trained, data_dir, tmp_path):
    options = {
        "seconds_per_batch": 0.512,
        "gradient_accumulation_steps": 2,
        "checkpointing_steps": 2,
        "max_train_steps": 40,
    }
    whole = distil(trained, data_dir, tmp_path / "whole", **options)
    process = start_script(
        "train_audiolcm_distill",
        **distillation_options(trained, data_dir, tmp_path / "killed"),
        **options,
    )
    while not list((tmp_path / "killed").glob("checkpoint-[4-9]")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed/model").exists()
    resumed = distil(trained, data_dir, tmp_path / "killed", resume_from_checkpoint="latest", **options)
    assert resumed[0] == whole[0] and len(whole[0]) == 40
    assert torch.equal(resumed[1], whole[1])


@pytest.mark.parametrize(
    ("scale", "recipe", "script", "config_class"),
    [
        (scale, *row)
        for scale in ("mini", "audiocaps")
        for row in (
            ("autoencoder", "train_autoencoder", "AutoencoderConfig"),
            ("vocoder", "train_vocoder", "VocoderConfig"),
            ("teacher", "train_text_to_audio", "TextToAudioConfig"),
            ("student", "train_audiolcm_distill", "DistillationConfig"),
        )
    ]
    + [
        ("mini", "vocoder_bigvgan", "train_vocoder", "VocoderConfig"),
    ],
)
def test_recipes_are_options_that_flags_override(scale, recipe, script, config_class):
    path = TRAINING / f"recipes/{scale}/{recipe}.json"
    flags = ["--data_dir", "data", "--output_dir", "run", *(["--vae_dir", "vae"] if recipe == "teacher" else [])]
    config_class = getattr(load_script(script), config_class)
    config, fewer = (
        parse_config(config_class, [str(path), *flags, *more]) for more in ([], ["--max_train_steps", "7"])
    )
    options = json.loads(path.read_text())
    assert {name: getattr(config, name) for name in options} == options
    assert fewer == dataclasses.replace(config, max_train_steps=7)


@pytest.mark.parametrize(("name", "value"), [("num_solver_steps", 0), ("solver", "euler"), ("loss_type", "l1")])
def test_unknown_ways_to_distil_are_refused_when_options_are_read(name, value):
    config_class = load_script("train_audiolcm_distill").DistillationConfig
    with pytest.raises(ValueError, match=f"{name}.*got .?{value}"):
        config_class(data_dir="data", output_dir="run", **{name: value})


@pytest.mark.parametrize(
    ("script", "config_class", "options", "message"),
    [
        ("train_autoencoder", "AutoencoderConfig", {"mel_loss_scales": "1,3"}, "80 bins and 128 frames, got '1,3'"),
        ("train_autoencoder", "AutoencoderConfig", {"mel_loss_scales": "1,0"}, "mel_loss_scales .* got '1,0'"),
        ("train_autoencoder", "AutoencoderConfig", {"mel_loss_scales": ""}, "mel_loss_scales .* got ''"),
        ("train_autoencoder", "AutoencoderConfig", {"crop_frames": 100}, "100 frames, got '1,2,4,8'"),
        ("train_autoencoder", "AutoencoderConfig", {"channel_multipliers": "1,2"}, "one width.*got '1,2'"),
        # 192 channels in 32 groups of 6: two constants and two pairs in each.
        ("train_autoencoder", "AutoencoderConfig", {"latent_channels": 65}, "192 channels carry 64 .* got 65"),
        ("train_vocoder", "VocoderConfig", {"discriminators": "large"}, "discriminators .* got 'large'"),
        ("train_vocoder", "VocoderConfig", {"feature_matching": "l2"}, "feature_matching .* got 'l2'"),
        ("train_vocoder", "VocoderConfig", {"vocoder": "hifigan"}, "vocoder .*'vocos'.* got 'hifigan'"),
    ],
)
def test_losses_that_cannot_be_computed_are_refused_when_options_are_read(script, config_class, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(load_script(script), config_class)(data_dir="data", output_dir="run", **options)


def test_an_autoencoder_of_several_widths_learns_from_random_weights(data_dir, tmp_path):
    run_script(
        "train_autoencoder",
        "AutoencoderConfig",
        data_dir=data_dir,
        output_dir=tmp_path / "run",
        channels=128,
        channel_multipliers="1,1,2",
        principal_start=False,
        train_encoder=True,
        latent_channels=4,
        crop_frames=16,
        batch_size=1,
        max_train_steps=1,
    )
    vae = AutoencoderKLMel1D.from_pretrained(tmp_path / "run/model")
    assert tuple(vae.config.channel_multipliers) == (1, 1, 2)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_dataset_trains_as_the_folder_with_its_sounds(trained, data_dir, tmp_path, monkeypatch, streaming):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = distil(trained, data_dir, tmp_path / "folder", seconds_per_batch=0.512, max_train_steps=2)
    with (data_dir / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        "sound": [{"bytes": (data_dir / row["file_name"]).read_bytes(), "path": row["file_name"]} for row in rows],
        "text": [[row["caption"]] for row in rows],
    }
    dataset = datasets.Dataset.from_dict(columns).cast_column("sound", datasets.Audio(decode=False))
    dataset.to_parquet(tmp_path / "parquet" / "train.parquet")
    options = {
        **distillation_options(trained, data_dir, tmp_path / "dataset"),
        "dataset_name": tmp_path / "parquet",
        "streaming": streaming,
        "audio_column": "sound",
        "caption_column": "text",
        "seconds_per_batch": 0.512,
        "max_train_steps": 2,
    }
    del options["data_dir"]
    run_script("train_audiolcm_distill", "DistillationConfig", **options)
    losses, weights, _ = losses_and_weights(tmp_path / "dataset")
    assert losses == folder[0] and torch.equal(weights, folder[1])

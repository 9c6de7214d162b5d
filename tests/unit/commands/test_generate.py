# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from diffusers import DDIMScheduler
from PIL import Image
from safetensors.torch import load_file, save_file

from audiolcm_diffusers import AudioLCMPipeline, writable
from audiolcm_diffusers.audio.tags import read_settings
from audiolcm_diffusers.commands import generate, main
from audiolcm_diffusers.generation import planning
from audiolcm_diffusers.generation.requests import of_prompts


@pytest.fixture
def model(make_pipeline, tmp_path_factory):
    """Folder of a tiny student, whose vocoder is sensitive enough for 16 bits to show another seed or prompt."""
    folder = tmp_path_factory.mktemp("model")
    pipe = make_pipeline()
    with torch.no_grad():
        pipe.vocoder.conv_in.weight.mul_(3000.0)
    pipe.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """`run(*options)`: the document that `audiolcm generate … --json` prints, for sounds of 0.2 s in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def run(*options):
        assert main(["generate", "--model", model, "--device", "cpu", "--duration", "0.2", "--json", *options]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return json.loads(shown.out)

    return run


def samples(path):
    return soundfile.read(path, dtype="int16")[0].astype(int)


def paths(report):
    return [sound["path"] for sound in report["sounds"]]


def test_lines_for_people(model, tmp_path, capsys):
    output = tmp_path / "dog.wav"
    capsys.readouterr()
    assert main(["generate", "a dog barking", "--model", model, "--device", "cpu", "--output", str(output)]) == 0
    shown = capsys.readouterr()
    # The tiny pipeline names no length: 10 s is the default of the class.
    sound, total = shown.out.splitlines()
    assert sound == f"{output}: 10.00 s of sound, 'a dog barking', seed 0"
    times = re.fullmatch(
        rf"10\.00 s of sound made in (\d+\.\d\d) s \(RTF (\d+\.\d{{3}})\) with {model} on cpu, float32; "
        r"loaded in (\d+\.\d\d) s, first sound after (\d+\.\d\d) s",
        total,
    )
    made_s, rtf, load_s, first_sound_s = map(float, times.groups())
    assert rtf == pytest.approx(made_s / 10, abs=2e-3)
    assert first_sound_s == pytest.approx(load_s + made_s, abs=0.05)
    assert "sound 1 of 1" in shown.err

    info = soundfile.info(output)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", 16000, 1)
    assert info.frames == 160000


def test_quiet_shows_no_progress(model, tmp_path, capsys):
    options = ["--model", model, "--device", "cpu", "--duration", "0.2", "--output", str(tmp_path)]
    capsys.readouterr()
    assert main(["generate", "rain", "--quiet", *options]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(f"{tmp_path / 'rain.wav'}: 0.20 s of sound")


def test_json_document(run, model):
    report = run("a dog barking", "Rain!", "--num-waveforms", "2", "--output", "new/folder", "--seed", "5")
    assert paths(report) == [
        f"new/folder/{name}.wav" for name in ("a-dog-barking-1", "a-dog-barking-2", "rain-1", "rain-2")
    ]
    assert [sound["prompt"] for sound in report["sounds"]] == ["a dog barking"] * 2 + ["Rain!"] * 2
    assert [sound["seed"] for sound in report["sounds"]] == [5, 6, 5, 6]
    assert all(len(samples(path)) == 3200 for path in paths(report))
    assert report["audio_s"] == pytest.approx(0.8)
    assert (report["model"], report["device"], report["dtype"]) == (model, "cpu", "float32")
    assert report["sampling_rate"] == 16000
    assert report["load_s"] < report["time_to_first_sound_s"] < report["load_s"] + report["generation_s"]
    assert report["rtf"] == pytest.approx(report["generation_s"] / 0.8, rel=0.01)


def test_the_same_command_makes_the_same_sound(run):
    first, second, other = (samples(*paths(run("rain", *seed))) for seed in ([], ["--seed", "0"], ["--seed", "1"]))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_sound_does_not_depend_on_its_neighbours(run):
    alone = [
        samples(*paths(run(prompt, "--seed", seed, "--output", "alone/")))
        for prompt, seed in (("rain", "3"), ("rain", "4"), ("a dog", "3"), ("a dog", "4"))
    ]
    together = paths(run("rain", "a dog", "--num-waveforms", "2", "--seed", "3", "--batch-size", "3"))
    # Sums in another order differ in the last bits, which 16-bit samples show as one step at most.
    for path, expected in zip(together, alone):
        assert np.abs(samples(path) - expected).max() <= 1
    assert all(np.abs(one - other).max() > 5 for one, other in zip(alone, alone[1:]))


def test_a_prompt_given_twice_is_two_sounds(run):
    report = run("rain", "rain", "--output", "rain.flac")
    assert paths(report) == ["rain-1.flac", "rain-2.flac"]
    assert [sound["seed"] for sound in report["sounds"]] == [0, 1]
    assert soundfile.info("rain-1.flac").format == "FLAC"
    assert soundfile.info("rain-1.flac").subtype == "PCM_16"


def test_prompts_file(run, tmp_path):
    (tmp_path / "prompts.txt").write_text("\ufeffa dog\n\n  rain \r\n", encoding="utf-8")
    report = run("thunder", "--prompts-file", "prompts.txt")
    assert [sound["prompt"] for sound in report["sounds"]] == ["thunder", "a dog", "rain"]
    assert paths(report) == ["thunder.wav", "a-dog.wav", "rain.wav"]


def test_spectrogram_is_next_to_the_sound(run):
    report = run("rain", "--output", "sounds/storm.flac", "--spectrogram")
    assert report["sounds"][0]["spectrogram"] == "sounds/storm.png"
    with Image.open("sounds/storm.png") as picture:
        picture.verify()
    assert sorted(path.name for path in Path("sounds").iterdir()) == ["storm.flac", "storm.png"]


def test_options_reach_the_pipeline(run):
    plain = samples(*paths(run("rain")))
    for options in (["--num-inference-steps", "3"], ["--guidance-scale", "2.5"], ["--dtype", "bfloat16"]):
        assert not np.array_equal(samples(*paths(run("rain", *options))), plain), options
    for options in (["--num-inference-steps", "2"], ["--guidance-scale", "5"], ["--dtype", "float32"]):
        assert np.array_equal(samples(*paths(run("rain", *options))), plain), options


def test_teacher_takes_a_negative_prompt(make_pipeline, make_llama_transformer, tmp_path, capsys):
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    make_pipeline(transformer=transformer, scheduler=DDIMScheduler()).save_pretrained(tmp_path / "teacher")
    options = ["--model", str(tmp_path / "teacher"), "--device", "cpu", "--duration", "0.2", "--quiet"]
    made = []
    for negative_prompt in ([], ["--negative-prompt", "wind"]):
        output = tmp_path / f"{len(made)}.wav"
        assert main(["generate", "rain", "--output", str(output), *options, *negative_prompt]) == 0
        made.append(samples(output))
    assert not np.array_equal(*made)


@pytest.fixture
def refuse(tmp_path, monkeypatch, capsys):
    """`refuse(*options)`: the one line that `audiolcm generate` ends with, having loaded no model, written no file."""
    monkeypatch.chdir(tmp_path)

    def load_pipeline(*args, **kwargs):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(generate, "load_pipeline", load_pipeline)

    def refuse(*options):
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        try:
            status = main(["generate", *options])
        except SystemExit as stop:
            status = stop.code
        shown = capsys.readouterr()
        assert status == 2
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return shown.err

    return refuse


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Expected a prompt"),
        ([""], "got ''"),
        (["rain", "<>"], "got '<>'"),
        (["<rain& whenever>"], "whenever"),
        (["rain", "--prompts-file", "missing.txt"], "missing.txt"),
        (["rain", "--prompts-file", "empty.txt"], "'empty.txt' holds no prompt"),
        (["rain", "--prompts-file", "latin.txt"], "latin.txt, line 1, holds bytes that are no UTF-8"),
        (["rain", "--prompts-file", "."], "--prompts-file"),
        (["rain", "--output", "rain.mp3"], "'rain.mp3'"),
        (["rain", "--output", "empty.txt/rain.wav"], "empty.txt' is no folder"),
        (["rain", "--output", "empty.txt/"], "empty.txt' is no folder"),
        (["rain", "--output", "taken/"], "rain.wav' is a folder"),
        (["rain", "--output", "pictures/", "--spectrogram"], "rain.png' is a folder"),
        (["rain", "--duration", "0"], "'0'"),
        (["rain", "--duration", "-1"], "'-1'"),
        (["rain", "--duration", "nan"], "'nan'"),
        (["rain", "--duration", "inf"], "'inf'"),
        (["rain", "--duration", "long"], "'long'"),
        (["rain", "--num-inference-steps", "0"], "'0'"),
        (["rain", "--num-inference-steps", "1.5"], "'1.5'"),
        (["rain", "--num-waveforms", "0"], "'0'"),
        (["rain", "--batch-size", "-2"], "'-2'"),
        (["rain", "--guidance-scale", "nan"], "'nan'"),
        (["rain", "--seed", "-1"], "'-1'"),
        (["rain", "--seed", "4294967296"], "'4294967296'"),
        (["rain", "--dtype", "int8"], "'int8'"),
        (["rain", "--device", "toaster"], "'toaster'"),
        (["rain", "--model", "./nowhere"], "'./nowhere'"),
        (["rain", "--model", "no\0where"], "zero byte"),
        (["caf\udce9"], "got 'caf\\udce9'"),
        (["rain", "--prompts-file", "caf\udce9.txt"], "caf\\udce9.txt"),
        (["rain", "--negative-prompt", "caf\udce9"], "got 'caf\\udce9'"),
        (["rain", "--output", "zero\0byte.wav"], "zero byte"),
        (["rain", "--output", "zero\0byte/"], "zero byte"),
        (["rain", "--output", f"{'x' * 252}.wav"], "File name too long"),
        (["rain", "--output", "link.wav"], "link.wav' is a link"),
        (["rain", "--output", "pipe.wav"], "pipe.wav' is no file"),
        (["rain", "--output", "kept.wav"], "kept.wav' is read-only"),
        (["rain", "--output", "kept/", "--spectrogram"], "rain.png' is read-only"),
        (["rain", "--revision", "main"], "'main' belongs to a model on the Hub"),
        (["rain", "--variant", "fp16"], "no weights of --variant 'fp16'"),
        (["rain", "--token", "\n"], "expected a token"),
    ],
)
def test_refused_before_the_model_is_loaded(options, told, refuse, model, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "taken" / "rain.wav").mkdir(parents=True)
    (tmp_path / "pictures" / "rain.png").mkdir(parents=True)
    (tmp_path / "link.wav").symlink_to("target.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "kept").mkdir()
    for name in ("kept.wav", "kept/rain.png"):
        (tmp_path / name).touch(mode=0o444)
    assert told in refuse("--model", model, *options)


def test_read_only_folder_is_refused(refuse, model, tmp_path, monkeypatch):
    monkeypatch.setattr(writable.os, "access", lambda path, mode: False)
    assert f"no permission to write to '{tmp_path}'" in refuse("rain", "--model", model)


def test_folder_that_refuses_new_files_is_refused_before_the_sound_is_made(refuse, model, monkeypatch):
    # What permissions do not tell: quotas, folders that are kept from changes, file systems mounted for reading.
    def quota_is_used_up(*args):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(writable.os, "open", quota_is_used_up)
    assert "Disk quota exceeded" in refuse("rain", "--model", model)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--duration", "3601"], "at most 3600 s"),
        (["--num-inference-steps", "51"], "got 51"),
        (["--negative-prompt", "wind"], "negative prompt"),
    ],
)
def test_what_only_the_model_knows_is_refused_before_it_runs(options, told, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["generate", "rain", "--model", model, "--device", "cpu", "--output", "new/", *options]) == 2
    shown = capsys.readouterr()
    assert told in shown.err and shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_checkpoint_is_named(refuse, model):
    weights = Path(model) / "vocoder" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert str(weights) in refuse("rain", "--model", model)


def test_failure_leaves_the_file_that_was_there(make_pipeline, make_vocoder, tmp_path, capsys):
    vocoder = make_vocoder()
    for parameter in vocoder.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    make_pipeline(vocoder=vocoder).save_pretrained(tmp_path / "model")
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "rain.wav"
    output.write_bytes(b"an older sound")
    options = ["--model", str(tmp_path / "model"), "--device", "cpu", "--output", str(output), "--quiet"]
    capsys.readouterr()
    assert main(["generate", "rain", "--spectrogram", *options]) == 2
    assert "NaN" in capsys.readouterr().err
    assert [path.name for path in output.parent.iterdir()] == ["rain.wav"]
    assert output.read_bytes() == b"an older sound"


def test_interruption_has_its_own_status(model, monkeypatch, capsys):
    def load_pipeline(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "load_pipeline", load_pipeline)
    capsys.readouterr()
    assert main(["generate", "rain", "--model", model]) == 130
    assert capsys.readouterr().err == "audiolcm: interrupted\n"


def test_numbers_leave_out_names_that_are_taken():
    assert planning.number_repeated(["dog", "dog-1", "dog", "rain"]) == ["dog-2", "dog-1", "dog-3", "rain"]
    assert planning.number_repeated(["dog", "dog-1", "dog", "dog-1"]) == ["dog-1", "dog-1-1", "dog-2", "dog-1-2"]


def test_names_of_many_equal_prompts():
    # With a search from 1 for each, this takes some 50 s.
    sounds = planning.plan_sounds(of_prompts(["rain"] * 30000), "")
    assert (sounds[0].path.name, sounds[-1].path.name) == ("rain-1.wav", "rain-30000.wav")
    assert sounds[-1].seed == 29999


def test_output_that_is_not_unicode(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="cp1252"))
    options = ["--model", model, "--device", "cpu", "--duration", "0.2", "--quiet", "--output", "sounds/"]
    assert main(["generate", "дождь", "café ↓", "rain", *options]) == 0
    shown = content.getvalue().decode("cp1252")
    assert "'caf\xe9 \\u2193'" in shown and r"sounds/\u0434\u043e\u0436\u0434\u044c.wav" in shown
    assert sorted(path.name for path in Path("sounds").iterdir()) == ["café.wav", "rain.wav", "дождь.wav"]


def test_output_that_cannot_be_written(model, tmp_path, monkeypatch, capsys):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", Full())
    options = ["--model", model, "--device", "cpu", "--duration", "0.2", "--quiet"]
    assert main(["generate", "rain", "wind", *options]) == 2
    assert capsys.readouterr().err == (
        "audiolcm: error: standard output cannot be written: [Errno 28] No space left on device\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rain.wav", "wind.wav"]


def test_file_names_that_are_no_utf8(run):
    # What the command line gives for the bytes caf\xe9, Latin-1.
    report = run("rain", "--output", "caf\udce9.wav")
    assert os.listdir(os.fsencode(".")) == [b"caf\xe9.wav"]
    assert paths(report) == ["caf\udce9.wav"]


def test_half_precision_on_a_cpu_gives_no_warning(run, caplog):
    for dtype in ("float16", "bfloat16"):
        assert run("rain", "--dtype", dtype)["dtype"] == dtype
    assert caplog.text == ""


def test_variant(model, run):
    folder = Path(model) / "vocoder"
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    other = {name: value * 0.5 if name == "conv_in.weight" else value for name, value in weights.items()}
    save_file(other, folder / "diffusion_pytorch_model.quiet.safetensors", metadata={"format": "pt"})
    plain, quiet = (samples(*paths(run("rain", *variant))) for variant in ([], ["--variant", "quiet"]))
    assert not np.array_equal(plain, quiet)


def test_hub_options_reach_the_loading_of_a_model(monkeypatch, capsys):
    seen = {}

    def from_pretrained(name, **options):
        seen.update(options, name=name, token=os.environ.get("HF_TOKEN"))
        raise ValueError("no network here")

    monkeypatch.setenv("HF_TOKEN", "hf_before")
    monkeypatch.setattr(AudioLCMPipeline, "from_pretrained", from_pretrained)
    options = ["--revision", "v2", "--variant", "fp16", "--token", "hf_given"]
    assert main(["generate", "rain", "--model", "owner/name", *options]) == 2
    assert "no network here" in capsys.readouterr().err
    named = ("name", "revision", "variant", "token")
    assert [seen[name] for name in named] == ["owner/name", "v2", "fp16", "hf_given"]
    assert os.environ["HF_TOKEN"] == "hf_before"


def test_output_is_a_folder_or_a_file(tmp_path):
    def planned(output, prompts=("a dog",)):
        return [str(sound.path) for sound in planning.plan_sounds(of_prompts(prompts), output)]

    (tmp_path / "v1.2").mkdir()
    assert planned("") == ["a-dog.wav"]
    assert planned(f"{tmp_path}/v1.2") == [f"{tmp_path}/v1.2/a-dog.wav"]
    assert planned("v1.3/") == ["v1.3/a-dog.wav"]
    assert planned("x/loud.OGG") == ["x/loud.OGG"]
    assert planned("x.wav", ("a", "b")) == ["x-1.wav", "x-2.wav"]
    with pytest.raises(ValueError, match="'v1.3'"):
        planned("v1.3")


class TestLists:
    def test_of_a_table_are_kept_and_gone_on_with(self, run, tmp_path):
        (tmp_path / "p.csv").write_text("prompt,id,seed,duration,scale\nrain,r1,7,0.1,\nwind,,,,3\nhail,,,,\n")
        options = ["--prompts-file", "p.csv", "--output", "out/"]
        report = run(*options)
        assert paths(report) == ["out/r1.wav", "out/wind.wav", "out/hail.wav"] and report["num_skipped"] == 0
        lines = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
        assert [(line["file"], line["seed"], line["audio_length_in_s"], line["guidance_scale"]) for line in lines] == [
            ("r1.wav", 7, 0.1, 5.0),
            ("wind.wav", 0, 0.2, 3.0),
            ("hail.wav", 0, 0.2, 5.0),
        ]
        assert len({line["model_hash"] for line in lines}) == 1 and lines[0]["id"] == "r1"
        before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in map(Path, paths(report))}
        Path("out/wind.wav").unlink()
        again = run(*options)
        assert paths(again) == ["out/wind.wav"] and again["num_skipped"] == 2
        after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}
        assert [path.name for path in before if before[path][0] != after[path][0]] == ["wind.wav"]
        assert all(before[path][1] == after[path][1] for path in before)
        assert run(*options)["sounds"] == []

    def test_of_another_model_or_other_settings_are_refused(self, run, tmp_path, model, capsys, make_pipeline):
        (tmp_path / "p.txt").write_text("rain\n")
        run("--prompts-file", "p.txt")
        options = ["generate", "--device", "cpu", "--quiet", "--prompts-file", "p.txt"]
        assert main([*options, "--model", model, "--duration", "0.3"]) == 2
        assert "with audio_length_in_s=0.2, which is to be made with 0.3" in capsys.readouterr().err
        other = make_pipeline()
        with torch.no_grad():
            other.vocoder.conv_in.weight.mul_(2.0)
        other.save_pretrained(tmp_path / "other")
        assert main([*options, "--model", "other", "--duration", "0.2"]) == 2
        assert "'rain.wav' with model_hash=" in capsys.readouterr().err

    def test_are_left_out_or_kept_elsewhere(self, run, tmp_path):
        (tmp_path / "p.txt").write_text("rain\n")
        run("--prompts-file", "p.txt", "--no-manifest")
        assert not list(tmp_path.glob("**/*.jsonl"))
        run("rain", "--manifest", "lists/all.jsonl", "--output", "sounds/")
        assert json.loads(Path("lists/all.jsonl").read_text())["file"] == "rain.wav"

    def test_processes_share_the_work(self, run, tmp_path, monkeypatch):
        (tmp_path / "p.txt").write_text("a\nb\nc\nd\ne\n")
        made = []
        for rank in range(2):
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", "2")
            made.append(paths(run("--prompts-file", "p.txt")))
        assert made == [["a.wav", "c.wav", "e.wav"], ["b.wav", "d.wav"]]


class TestMetadata:
    def test_says_how_a_sound_was_made(self, run, model):
        run("rain", "--seed", "3", "--output", "rain.flac", "--num-inference-steps", "1")
        settings = read_settings("rain.flac")
        assert settings == {
            "command": "generate",
            "prompt": "rain",
            "seed": 3,
            "audio_length_in_s": 0.2,
            "num_inference_steps": 1,
            "guidance_scale": 5.0,
            "negative_prompt": None,
            "model": model,
            "variant": None,
            "revision": None,
            "model_hash": settings["model_hash"],
            "licence": settings["licence"],
        }

    def test_like_repeats_a_sound(self, run, capsys):
        for output in ("one.wav", "one.flac"):
            run(
                "rain, heavy", "--seed", "3", "--num-inference-steps", "3", "--guidance-scale", "2", "--output", output
            )
            again = output.replace("one", "again")
            assert main(["generate", "--like", output, "--device", "cpu", "--quiet", "--output", again]) == 0
            assert np.array_equal(samples(again), samples(output))
            capsys.readouterr()
        assert main(["generate", "--like", "one.wav", "--seed", "4", "--quiet", "--output", "other.wav"]) == 0
        assert not np.array_equal(samples("other.wav"), samples("one.wav")) and len(samples("other.wav")) == 3200
        assert main(["generate", "wind", "--like", "one.wav", "--quiet"]) == 0
        assert read_settings("wind.wav")["num_inference_steps"] == 3

    def test_like_refuses_what_it_cannot_repeat(self, run, model, make_pipeline, capsys, tmp_path):
        run("rain", "--no-metadata")
        assert main(["generate", "--like", "rain.wav"]) == 2
        assert "'rain.wav' does not say how it was made" in capsys.readouterr().err
        run("rain")
        other = make_pipeline()
        with torch.no_grad():
            other.vocoder.conv_in.weight.mul_(2.0)
        other.save_pretrained(model)
        assert main(["generate", "--like", "rain.wav", "--output", "again.wav"]) == 2
        assert f"'rain.wav' was made with '{model}' of hash" in capsys.readouterr().err
        assert main(["generate", "--like", "rain.wav", "--model", model, "--quiet", "--output", "again.wav"]) == 0


class TestStreams:
    def test_make_the_same_files(self, run):
        run("rain", "--output", "whole.wav", "--duration", "25")
        run("rain", "--output", "pieces.wav", "--duration", "25", "--stream")
        assert np.array_equal(samples("whole.wav"), samples("pieces.wav"))
        assert read_settings("whole.wav") == read_settings("pieces.wav")

    def test_to_standard_output_are_wav_files(self, run, model, monkeypatch, capsys):
        run("rain", "--output", "rain.wav", "--no-metadata")
        out = io.BytesIO()
        monkeypatch.setattr(generate, "standard_output", lambda: out)
        options = ["--model", model, "--device", "cpu", "--duration", "0.2", "--quiet"]
        assert main(["generate", "rain", *options, "--output", "-"]) == 0
        assert out.getvalue() == Path("rain.wav").read_bytes() and capsys.readouterr().out == ""

    def test_are_not_written_to_a_terminal(self, run, model, monkeypatch, capsys):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        options = ["--model", model, "--device", "cpu", "--duration", "0.2", "--quiet"]
        assert main(["generate", "rain", *options, "--output", "-"]) == 2
        assert "lead it into a file or a player" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["rain", "wind", "--output", "-"], "--output - is for one sound, got 2"),
            (["rain", "--output", "-", "--json"], "--json does not go with --output -"),
            (["rain", "--stream", "--batch-size", "2"], "--stream makes one sound at a time, got --batch-size 2"),
            (["rain", "--split", "test"], "--split belongs to --prompts-dataset"),
            (["rain", "--no-manifest", "--manifest", "a"], "--manifest and --no-manifest contradict"),
            (["rain", "--loop", "--duration", "0.1"], "a loop of at least"),
        ],
    )
    def test_options_that_contradict_each_other(self, run, model, capsys, options, told):
        assert main(["generate", *options, "--model", model, "--device", "cpu"]) == 2
        assert told in capsys.readouterr().err

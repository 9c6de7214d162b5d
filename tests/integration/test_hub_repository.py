# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Repositories that bring their code, where diffusers is installed and this package is not."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from audiolcm_diffusers import MINI_TEACHER_CHECKPOINT, AudioLCMPipeline
from audiolcm_diffusers.commands import main

from .bare_environment import make_bare_environment
from .hub_stand_in import hub_stand_in


TONE = "0.3 * torch.sin(torch.arange(16000) / 16000 * 2 * torch.pi * 440)"

CHECKS = """
import importlib.util, json, sys
import numpy as np, torch
for name in ("audiolcm_diffusers", "soundfile", "scipy", "peft"):
    assert importlib.util.find_spec(name) is None, name
from diffusers import DiffusionPipeline, ModularPipeline
where, out = sys.argv[1:3]
def seeded():
    return torch.Generator().manual_seed(0)
"""

OWN = """
import sys
import numpy as np, torch
from audiolcm_diffusers import (
    MINI_CHECKPOINT, AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline, AudioLCMPipeline
)
pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
tone = TONE
masks = {"mask_start_seconds": 0.2, "mask_end_seconds": 0.6}
def sound(pipeline_class, prompt, **call):
    own = pipeline_class.from_pipe(pipe)
    return own(prompt, generator=torch.Generator().manual_seed(0), **call).audios[0]
np.savez(
    sys.argv[2],
    plain=sound(AudioLCMPipeline, "a dog barking", audio_length_in_s=1.0),
    restyled=sound(AudioLCMAudio2AudioPipeline, "rain", audio=tone, strength=0.7),
    mended=sound(AudioLCMInpaintPipeline, "rain", audio=tone, **masks),
    continued=sound(AudioLCMInpaintPipeline, "rain", audio=tone, extend_s=0.5),
)
"""

PLAIN = """
try:
    DiffusionPipeline.from_pretrained(where)
except ValueError as error:
    assert "trust_remote_code" in str(error), error
else:
    raise AssertionError("code was run without trust")
pipe = DiffusionPipeline.from_pretrained(where, trust_remote_code=True)
pipe.set_progress_bar_config(disable=True)
sounds = {"plain": pipe("a dog barking", audio_length_in_s=1.0, generator=seeded()).audios[0]}
# Editing lies in the same code.
import audiolcm_diffusers
mend = audiolcm_diffusers.AudioLCMInpaintPipeline.from_pipe(pipe)
tone = TONE
sounds["mended"] = mend("rain", audio=tone, mask_start_seconds=0.2, mask_end_seconds=0.6, generator=seeded()).audios[0]
try:
    import audiolcm_diffusers.commands
except ModuleNotFoundError as error:
    assert "pip install audiolcm-diffusers" in str(error), error
# Tracebacks show the source.
import inspect
assert "def __call__" in inspect.getsource(type(pipe))
np.savez(out, **sounds)
pipe.save_pretrained(out + "-saved", with_code=True)
again = DiffusionPipeline.from_pretrained(out + "-saved", trust_remote_code=True)
again.set_progress_bar_config(disable=True)
assert np.array_equal(again("a dog barking", audio_length_in_s=1.0, generator=seeded()).audios[0], sounds["plain"])
"""

MODULAR = """
pipe = ModularPipeline.from_pretrained(where, trust_remote_code=True)
pipe.load_components(trust_remote_code=True)
assert type(pipe.transformer).__module__.startswith("audiolcm_diffusers."), type(pipe.transformer)
pipe.set_progress_bar_config(disable=True)
tone = TONE
def sound(**call):
    return pipe(prompt=call.pop("prompt", "rain"), generator=seeded(), output="audios", **call)[0]
np.savez(
    out,
    plain=sound(prompt="a dog barking", audio_length_in_s=1.0),
    restyled=sound(audio=tone, strength=0.7),
    mended=sound(audio=tone, mask_start_seconds=0.2, mask_end_seconds=0.6),
    continued=sound(audio=tone, extend_s=0.5),
)
state = pipe(prompt="rain", audio_length_in_s=1.0, generator=seeded())
assert state.get("sampling_rate") == 16000 and state.get("latents").ndim == 3
"""


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    return make_bare_environment(tmp_path_factory.mktemp("bare") / "venv", ["diffusers", "transformers", "torch"])


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "mini"
    assert main(["export-hub", str(folder)]) == 0
    return folder


def run(python, script, where, out, bare=True, **environment):
    """Run a script in a process of its own, whose caches are its own; a `bare` one has diffusers alone."""
    caches = {"HF_HOME": str(out.parent / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    done = subprocess.run(
        [python, "-c", CHECKS + script.replace("TONE", TONE) if bare else script, str(where), str(out)],
        env={**plain, "HF_HUB_OFFLINE": "1", **caches, **environment},
        cwd=out.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(f"{out}.npz"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What this package makes, in a process that is as fresh as the others."""
    return run(sys.executable, OWN.replace("TONE", TONE), "", tmp_path_factory.mktemp("own") / "sounds", bare=False)


@pytest.mark.parametrize("script", [PLAIN, MODULAR], ids=["plain", "modular"])
def test_a_folder_is_loaded_by_diffusers_alone(bare_python, repository, expected, tmp_path, script):
    sounds = run(bare_python, script, repository, tmp_path / "sounds")
    assert len(sounds) == (2 if script is PLAIN else 4)
    for name, sound in sounds.items():
        assert np.array_equal(sound, expected[name]), name


def test_this_package_needs_no_trust(repository, expected, tmp_path, monkeypatch):
    # Nothing in it is run: code that would fail is not noticed.
    for file in repository.rglob("*.py"):
        assert compile(file.read_text(), file.name, "exec")
    before = {file: file.read_text() for file in repository.rglob("*.py")}
    try:
        for file in before:
            file.write_text("raise SystemExit('this was run')")
        pipe = AudioLCMPipeline.from_pretrained(repository)
        pipe.set_progress_bar_config(disable=True)
        sound = pipe("a dog barking", audio_length_in_s=1.0, generator=torch.Generator().manual_seed(0)).audios[0]
        assert np.abs(sound - expected["plain"]).max() < 1e-4
        output = tmp_path / "dog.wav"
        command = ["generate", "a dog barking", "--model", str(repository), "--output", str(output), "--quiet"]
        assert main(command) == 0
        # And what is saved again is a plain pipeline.
        pipe.save_pretrained(tmp_path / "plain")
        index = json.loads((tmp_path / "plain/model_index.json").read_text())
        assert index["_class_name"] == "AudioLCMPipeline"
        assert index["transformer"][0] == "audiolcm_diffusers"
        assert not list((tmp_path / "plain").rglob("*.py"))
    finally:
        for file, text in before.items():
            file.write_text(text)


def test_pushed_and_loaded_back(bare_python, expected, tmp_path):
    with hub_stand_in() as hub:
        ours = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **ours, "HF_HOME": str(tmp_path / "own")}
        push = """
from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline
pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
pipe.push_to_hub("me/mini", with_code=True)

import sys
from audiolcm_diffusers.commands import main
assert main(["export-hub", sys.argv[1], "--repo-id", "me/other", "--push"]) == 0
"""
        command = [sys.executable, "-c", push, str(tmp_path / "out")]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
        assert {"pipeline.py", "modular_model_index.json", "CREDITS.csv"} <= set(hub.files("me/mini"))
        assert set(hub.files("me/other")) == set(hub.files("me/mini"))
        card = hub.files("me/mini")["README.md"].decode()
        assert "DiffusionPipeline.from_pretrained('me/mini', trust_remote_code=True)" in card
        online = {name: value for name, value in ours.items() if name != "HF_TOKEN"}
        (tmp_path / "bare").mkdir()
        # In one process, which takes its time to start; folders are loaded by one of each.
        script = f"{PLAIN}\nout += '-modular'\n{MODULAR}"
        made = {"plain": run(bare_python, script, "me/mini", tmp_path / "bare/sounds", **online)}
        made["modular"] = np.load(tmp_path / "bare/sounds-modular.npz")
        for name, sounds in made.items():
            for key, sound in sounds.items():
                assert np.array_equal(sound, expected[key]), (name, key)

        # This package reads it from the Hub, too, without asking for trust, and has no code of it where code is run.
        again = """
import sys
import torch, numpy as np
from audiolcm_diffusers import AudioLCMPipeline
pipe = AudioLCMPipeline.from_pretrained("me/mini")
pipe.set_progress_bar_config(disable=True)
np.savez(sys.argv[2], plain=pipe("a dog barking", audio_length_in_s=1.0, generator=torch.manual_seed(0)).audios[0])
"""
        (tmp_path / "package").mkdir()
        sounds = run(sys.executable, again, "me/mini", tmp_path / "package/sounds", bare=False, **online)
        assert np.array_equal(sounds["plain"], expected["plain"])
        assert (tmp_path / "bare/hf/modules").is_dir()
        assert not (tmp_path / "package/hf/modules").exists()


def test_shared_parts_are_written(tmp_path):
    assert main(["export-hub", str(tmp_path / "teacher"), "--model", "mini-teacher"]) == 0
    index = json.loads((tmp_path / "teacher/model_index.json").read_text())
    assert "_shared_with" not in index
    assert (tmp_path / "teacher/vae/config.json").is_file()
    assert json.loads((MINI_TEACHER_CHECKPOINT / "model_index.json").read_text())["_shared_with"] == "mini"


def test_errors_of_the_command(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    for options, told in [
        ([str(tmp_path / "full")], "FOLDER"),
        ([str(tmp_path / "new"), "--push"], "--push needs --repo-id"),
        ([str(tmp_path / "new"), "--private"], "--private belongs to --push"),
        ([str(tmp_path / "new"), "--repo-id", "a/b/c"], "a/b/c"),
        ([str(tmp_path / "new"), "--model", "nothing"], "'nothing'"),
    ]:
        assert main(["export-hub", *options]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

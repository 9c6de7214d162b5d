# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The nodes, called as ComfyUI calls them, without it."""

import importlib.util
import inspect
import sys
import types
from pathlib import Path

import pytest
import torch

from audiolcm_diffusers import AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline


FOLDER = Path(__file__).parents[3] / "comfyui_audiolcm"


@pytest.fixture
def nodes(monkeypatch):
    """The folder, imported as ComfyUI does: by its path, under a name of its own."""
    spec = importlib.util.spec_from_file_location("custom_nodes_audiolcm", FOLDER / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.NODE_CLASS_MAPPINGS


@pytest.fixture
def call(nodes):
    """`call(name, **inputs)`: what a node gives, with the defaults of what is left out."""

    def run(name, **inputs):
        node = nodes[name]
        types_ = node.INPUT_TYPES()
        defaults = {
            key: kind[1]["default"]
            for group in types_.values()
            for key, kind in group.items()
            if len(kind) > 1 and "default" in kind[1]
        }
        (result,) = getattr(node(), node.FUNCTION)(**{**defaults, **inputs})
        return result

    return run


def seeded(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_what_comfyui_reads(nodes):
    assert list(nodes) == ["AudioLCMLoad", "AudioLCMGenerate", "AudioLCMEdit"]
    for node in nodes.values():
        groups = node.INPUT_TYPES()
        names = [name for group in groups.values() for name in group]
        # Every input is an argument, and every argument an input.
        parameters = list(inspect.signature(getattr(node, node.FUNCTION)).parameters)[1:]
        assert set(names) == set(parameters)
        assert node.CATEGORY == "audio/AudioLCM"
        assert len(node.RETURN_TYPES) == 1


def test_loading(call):
    pipe = call("AudioLCMLoad", device="cpu", dtype="auto")
    assert pipe.transformer.dtype == torch.float32
    with pytest.raises(ValueError, match="'nothing'"):
        call("AudioLCMLoad", model="nothing", device="cpu", dtype="auto")


def test_text_to_sound(call, make_pipeline):
    pipe = make_pipeline()
    sound = call("AudioLCMGenerate", model=pipe, prompt="rain", seconds=0.5, seed=3, takes=2)
    expected = pipe("rain", audio_length_in_s=0.5, num_waveforms_per_prompt=2, generator=seeded(3, 4)).audios
    assert sound["sample_rate"] == 16000
    assert sound["waveform"].shape == (2, 1, 8000)
    assert torch.equal(sound["waveform"][:, 0], torch.from_numpy(expected))
    # What is 0 is the model's.
    own = call("AudioLCMGenerate", model=pipe, prompt="rain")
    assert own["waveform"].shape[-1] == round(pipe.config.default_audio_length_in_s * 16000)
    with pytest.raises(ValueError, match="what is to be heard"):
        call("AudioLCMGenerate", model=pipe, prompt=" ")
    with pytest.raises(ValueError, match="student"):
        call("AudioLCMGenerate", model=pipe, prompt="rain", negative_prompt="wind")


def test_edits(call, make_pipeline):
    pipe = make_pipeline()
    tone = 0.3 * torch.sin(torch.arange(16000) / 32000 * 2 * torch.pi * 440)
    # Stereo, at twice the model's rate.
    audio = {"waveform": tone.expand(2, 2, -1), "sample_rate": 32000}
    restyle, mend = AudioLCMAudio2AudioPipeline.from_pipe(pipe), AudioLCMInpaintPipeline.from_pipe(pipe)
    given = {"audio": audio["waveform"], "sampling_rate": 32000}

    sound = call("AudioLCMEdit", model=pipe, audio=audio, prompt="rain", seed=1)
    expected = restyle(["rain"] * 2, strength=0.6, generator=seeded(1, 2), **given).audios
    assert torch.equal(sound["waveform"][:, 0], torch.from_numpy(expected))

    sound = call("AudioLCMEdit", model=pipe, audio=audio, prompt="rain", masks="0.1:0.2, 0.3:0.4", seconds_behind=0.25)
    masks = {"mask_start_seconds": [0.1, 0.3], "mask_end_seconds": [0.2, 0.4], "extend_s": (0.0, 0.25)}
    expected = mend(["rain"] * 2, generator=seeded(0, 1), **masks, **given).audios
    assert sound["waveform"].shape == (2, 1, 12000)
    assert torch.equal(sound["waveform"][:, 0], torch.from_numpy(expected))

    sound = call("AudioLCMEdit", model=pipe, audio=audio, prompt="rain", masks="0.1:0.2", strength=0.5)
    masks = {"mask_start_seconds": 0.1, "mask_end_seconds": 0.2}
    expected = mend(["rain"] * 2, strength=0.5, generator=seeded(0, 1), **masks, **given).audios
    assert torch.equal(sound["waveform"][:, 0], torch.from_numpy(expected))

    with pytest.raises(ValueError, match="a start and an end"):
        call("AudioLCMEdit", model=pipe, audio=audio, prompt="rain", masks="x")
    with pytest.raises(ValueError, match="shape"):
        call("AudioLCMEdit", model=pipe, audio={"waveform": tone, "sample_rate": 32000}, prompt="rain")


def test_progress_and_interruption(call, make_pipeline, monkeypatch):
    class Stopped(Exception):
        pass

    state = {"steps": 0, "stop": False}

    class ProgressBar:
        def __init__(self, total):
            assert total == 2

        def update(self, number):
            state["steps"] += number

    def throw_if_stopped():
        if state["stop"]:
            raise Stopped

    management, utils = types.ModuleType("comfy.model_management"), types.ModuleType("comfy.utils")
    management.throw_exception_if_processing_interrupted = throw_if_stopped
    utils.ProgressBar = ProgressBar
    for name, module in (
        ("comfy", types.ModuleType("comfy")),
        ("comfy.model_management", management),
        ("comfy.utils", utils),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    pipe = make_pipeline()
    call("AudioLCMGenerate", model=pipe, prompt="rain", seconds=0.5, steps=2)
    assert state["steps"] == 2
    state["stop"] = True
    with pytest.raises(Stopped):
        call("AudioLCMGenerate", model=pipe, prompt="rain", seconds=0.5, steps=2)
    # And the pipeline is free again.
    state["stop"] = False
    call("AudioLCMGenerate", model=pipe, prompt="rain", seconds=0.5, steps=2)

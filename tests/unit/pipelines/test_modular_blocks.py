# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from audiolcm_diffusers import AudioLCMAudio2AudioPipeline, AudioLCMBlocks, AudioLCMInpaintPipeline
from audiolcm_diffusers.pipelines.model_options import ModelOptions


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def tone():
    return 0.3 * torch.sin(torch.arange(8000) / 16000 * 2 * torch.pi * 440)


@pytest.fixture
def make_modular():
    """`make_modular(pipe)`: a modular pipeline of its parts."""

    def make(pipe):
        modular = AudioLCMBlocks().init_pipeline()
        modular.update_components(**{name: part for name, part in pipe.components.items() if part is not None})
        modular.set_progress_bar_config(disable=True)
        return modular

    return make


def test_sounds_are_those_of_the_pipelines(make_pipeline, make_modular, tone):
    pipe = make_pipeline()
    modular = make_modular(pipe)
    restyle, mend = AudioLCMAudio2AudioPipeline.from_pipe(pipe), AudioLCMInpaintPipeline.from_pipe(pipe)
    masks = {"mask_start_seconds": 0.1, "mask_end_seconds": 0.2, "crossfade_s": 0.01}
    for own, call in [
        (pipe, {"audio_length_in_s": 0.5, "num_waveforms_per_prompt": 2}),
        (pipe, {"audio_length_in_s": 2.5, "loop": True}),
        (restyle, {"audio": tone, "strength": 0.5}),
        (mend, {"audio": tone, **masks}),
        (mend, {"audio": tone, "extend_s": (0.1, 0.25)}),
        (mend, {"audio": tone.repeat(5), "loop": True}),
    ]:
        own.set_progress_bar_config(disable=True)
        expected = own("rain", generator=seeded(), **call).audios
        assert np.array_equal(modular(prompt="rain", generator=seeded(), output="audios", **call), expected), call


def test_events_and_prompts(make_pipeline, make_modular):
    pipe = make_pipeline()
    modular = make_modular(pipe)
    events = [("rain", "start"), ("wind", "end")]
    call = {"events": events, "audio_length_in_s": 0.5}
    expected = pipe(generator=seeded(), **call).audios
    assert np.array_equal(modular(generator=seeded(), output="audios", **call), expected)


def test_teachers_are_guided(make_pipeline, make_modular, make_llama_transformer):
    pipe = make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler())
    modular = make_modular(pipe)
    for call in ({"guidance_scale": 3.0, "negative_prompt": "wind"}, {"guidance_scale": 1.0}, {}):
        call |= {"audio_length_in_s": 0.5, "num_inference_steps": 3}
        expected = pipe("rain", generator=seeded(), **call).audios
        assert np.array_equal(modular(prompt="rain", generator=seeded(), output="audios", **call), expected), call


def test_what_lies_between(make_pipeline, make_modular):
    pipe = make_pipeline()
    state = make_modular(pipe)(prompt="rain", audio_length_in_s=0.5, generator=seeded())
    with torch.no_grad():
        assert torch.equal(state.get("prompt_embeds"), pipe.encode_prompt("rain")[0])
    latents = pipe("rain", audio_length_in_s=0.5, generator=seeded(), output_type="latent").audios
    assert torch.equal(state.get("latents"), latents)
    assert state.get("sampling_rate") == 16000


def test_workflows():
    blocks = AudioLCMBlocks()
    assert blocks.available_workflows == ["text2audio", "audio2audio", "inpainting", "continuation"]
    chosen = {
        name: type(blocks.get_workflow(name).sub_blocks["denoise"]).__name__ for name in blocks.available_workflows
    }
    assert chosen == {
        "text2audio": "AudioLCMDenoiseStep",
        "audio2audio": "AudioLCMAudio2AudioDenoiseStep",
        "inpainting": "AudioLCMInpaintDenoiseStep",
        "continuation": "AudioLCMInpaintDenoiseStep",
    }
    assert {"prompt", "audio", "strength", "mask_start_seconds", "extend_s", "generator"} <= set(blocks.input_names)
    assert blocks.output_names == ["audios", "sampling_rate"]
    assert {spec.name for spec in blocks.expected_configs} == set(ModelOptions.__dataclass_fields__)
    assert "strength" in blocks.doc

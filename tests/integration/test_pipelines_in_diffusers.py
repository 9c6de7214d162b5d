# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What diffusers' testers of pipelines ask of each class, asked of those that edit."""

import numpy as np
import pytest
import torch

from audiolcm_diffusers import AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline, AudioLCMPipeline


PROMPT = "a dog barking at a bird in the rain"
OWN = {
    AudioLCMAudio2AudioPipeline: {"strength": 0.6},
    AudioLCMInpaintPipeline: {"mask_start_seconds": 0.05, "mask_end_seconds": 0.1},
}


@pytest.fixture(params=list(OWN))
def pipe(request, make_components):
    pipe = request.param(**make_components())
    pipe.set_progress_bar_config(disable=True)
    return pipe


def seed(value=0):
    return torch.Generator().manual_seed(value)


def inputs(pipe, **changes):
    call = {
        "prompt": PROMPT,
        "audio": 0.2 * torch.randn(1, 1, 4096, generator=seed(5)),
        "generator": seed(),
        "num_inference_steps": 2,
        "guidance_scale": 3.0,
        **OWN[type(pipe)],
    }
    return {**call, **changes}


def is_same(one, other):
    return np.abs(one - other).max() < 1e-4


@pytest.mark.parametrize("each_has_a_sound", [False, True])
@pytest.mark.parametrize("batch_size", [2, 3])
def test_of_a_batch_the_first_is_as_alone(pipe, batch_size, each_has_a_sound):
    """The others have shorter prompts, and one that is cut."""
    call = inputs(pipe)
    prompts = [PROMPT[: len(PROMPT) // number] for number in range(1, batch_size)]
    batch = {
        **call,
        "prompt": [*prompts, 100 * "very long"],
        "generator": [seed(index) for index in range(batch_size)],
        "audio": [call["audio"]] * batch_size if each_has_a_sound else call["audio"],
    }
    made = pipe(**batch)[0]
    assert len(made) == batch_size and is_same(made[0], pipe(**call)[0][0])


@pytest.mark.parametrize("num_prompts", [1, 2])
@pytest.mark.parametrize("num_waveforms", [1, 3])
def test_takes_of_prompts(pipe, num_prompts, num_waveforms):
    call = inputs(pipe, prompt=[PROMPT] * num_prompts, num_waveforms_per_prompt=num_waveforms)
    assert len(pipe(**call)[0]) == num_prompts * num_waveforms


def test_embeddings_in_place_of_the_prompt(pipe):
    embeds = pipe.encode_prompt(prompt=PROMPT, device=torch.device("cpu"))
    names = dict(zip(("prompt_embeds", "negative_prompt_embeds"), embeds))
    call = inputs(pipe, prompt=None, **{name: value for name, value in names.items() if value is not None})
    assert is_same(pipe(**call)[0], pipe(**inputs(pipe))[0])


def test_saved_and_loaded_with_a_variant(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "plain")
    pipe.save_pretrained(tmp_path / "half", variant="fp16")
    expected = pipe(**inputs(pipe))[0]
    for folder, options in (("plain", {}), ("half", {"variant": "fp16"})):
        loaded = type(pipe).from_pretrained(tmp_path / folder, **options)
        assert np.abs(loaded(**inputs(pipe))[0] - expected).max() < 5e-4
    with pytest.raises((OSError, ValueError), match="no file named"):
        type(pipe).from_pretrained(tmp_path / "half")


def test_cast_to_half_precision(pipe):
    expected = pipe(**inputs(pipe))[0]
    pipe.to("cpu").to(dtype=torch.float16)
    assert {part.dtype for part in pipe.components.values() if isinstance(part, torch.nn.Module)} == {torch.float16}
    assert np.abs(pipe(**inputs(pipe))[0] - expected).max() < 5e-2


def test_a_callback_that_ends_with_other_latents(pipe):
    def set_to_zero(pipe, index, timestep, tensors):
        is_last = index == pipe.num_timesteps - 1
        return {**tensors, "latents": torch.zeros_like(tensors["latents"])} if is_last else tensors

    call = inputs(pipe, callback_on_step_end=set_to_zero, output_type="latent")
    call["callback_on_step_end_tensor_inputs"] = pipe._callback_tensor_inputs
    assert not pipe(**call)[0].any()


def test_made_from_another_kind_and_back(pipe, make_components):
    plain = AudioLCMPipeline(**make_components())
    edits = type(pipe).from_pipe(plain)
    assert set(edits.components) == set(plain.components)
    assert all(getattr(edits, name) is part for name, part in plain.components.items())
    assert dict(AudioLCMPipeline.from_pipe(edits).config) == dict(plain.config)

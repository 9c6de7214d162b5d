# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A seed means one sound in every precision: pipelines and schedulers draw noise in float32."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, LCMScheduler

from audiolcm_diffusers import LCMAudioScheduler
from audiolcm_diffusers.distillation import draw_step


HALVES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("length_s", [0.1, 0.7])
@pytest.mark.parametrize("scheduler", [None, DDIMScheduler, EulerAncestralDiscreteScheduler, LCMScheduler])
def test_half_precision_makes_the_same_sound(make_pipeline, make_llama_transformer, scheduler, length_s, dtype):
    parts = {}
    if scheduler is not None:
        parts = {"transformer": make_llama_transformer(time_cond_proj_dim=None), "scheduler": scheduler()}
    pipe = make_pipeline(**parts)
    latents = []
    for precision in (torch.float32, dtype):
        latents.append(
            pipe.to(precision)(
                "rain",
                audio_length_in_s=length_s,
                num_inference_steps=3,
                generator=torch.Generator().manual_seed(3),
                output_type="latent",
            ).audios
        )
        assert latents[-1].dtype == precision
    whole, half = (states.float().flatten().numpy() for states in latents)
    # Of noise drawn apart it would be some 0.4.
    assert np.corrcoef(whole, half)[0, 1] > 0.97


@pytest.mark.parametrize("dtype", HALVES)
def test_a_schedulers_noise_is_rounded_not_drawn_anew(dtype):
    sample = torch.zeros(2, 4, 5)
    scheduler = LCMAudioScheduler()
    steps = []
    for precision in (torch.float32, dtype):
        scheduler.set_timesteps(2)
        states = sample.to(precision)
        stepped = scheduler.step(
            states, scheduler.timesteps[0], states, generator=torch.Generator().manual_seed(0), return_dict=False
        )[0]
        steps.append(stepped)
    # Of zeros, a step leaves the noise times sigma, which is rounded once.
    assert torch.equal(steps[0].to(dtype), steps[1]) and steps[0].std() > 0.3


@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
def test_the_noise_of_training_is_drawn_in_float32(dtype):
    latents = torch.zeros(3, 4, 5)
    whole = draw_step(latents, 50, 4.0, 12.0, torch.Generator().manual_seed(1))
    drawn = draw_step(latents.to(dtype), 50, 4.0, 12.0, torch.Generator().manual_seed(1))
    assert torch.equal(drawn.noise, whole.noise.to(dtype))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        again = draw_step(latents, 50, 4.0, 12.0, torch.Generator().manual_seed(1))
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(again.noise, whole.noise) and torch.equal(again.w, whole.w)

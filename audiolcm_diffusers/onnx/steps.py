# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
A scheduler's steps as numbers: each is linear, `a * latents + b * prediction + c * noise`, and the scheduler itself is
asked for `a`, `b` and `c`, so that nothing of its equations stands twice.
"""

from typing import Any

import torch
from diffusers import DDIMScheduler

from ..pipelines.schedules import set_timesteps
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler


def check_linear(scheduler: Any) -> None:
    r"""
    Refuse a scheduler whose steps are not linear, or depend on earlier ones.

    Raises:
        ValueError: Naming it, or the option.
    """
    if not isinstance(scheduler, (LCMAudioScheduler, DDIMScheduler)):
        raise ValueError(
            "Expected a scheduler whose steps are linear and know nothing of earlier ones, LCMAudioScheduler or "
            f"DDIMScheduler, got {type(scheduler).__name__}."
        )
    for option in ("clip_sample", "thresholding"):
        if scheduler.config.get(option):
            raise ValueError(f"{option}=True is not linear, and cannot be exported: set it to False.")


def steps_of(scheduler: Any, num_inference_steps: int) -> list[dict[str, float]]:
    r"""
    The steps of a run.

    Args:
        scheduler ([`LCMAudioScheduler`] or [`~diffusers.DDIMScheduler`]): The scheduler, which begins a new run.
        num_inference_steps (`int`): How many.

    Returns:
        `list[dict]`: For each step its `timestep` and `of_latents`, `of_prediction` and `of_noise`, with which these
        are multiplied before they are added.
    """
    check_linear(scheduler)
    timesteps = set_timesteps(scheduler, num_inference_steps, None, None, torch.device("cpu"))
    return [
        {
            "timestep": float(timestep),
            "of_latents": _result(scheduler, timestep, 1.0, 0.0, 0.0),
            "of_prediction": _result(scheduler, timestep, 0.0, 1.0, 0.0),
            "of_noise": _result(scheduler, timestep, 0.0, 0.0, 1.0),
        }
        for timestep in timesteps
    ]


def _result(scheduler, timestep, latents, prediction, noise):
    """Where a step arrives from numbers."""
    latents, prediction, noise = (
        torch.full((1, 1), value, dtype=torch.float64) for value in (latents, prediction, noise)
    )
    further = {"variance_noise": noise} if isinstance(scheduler, LCMAudioScheduler) else {}
    return float(scheduler.step(prediction, timestep, latents, **further, return_dict=False)[0])

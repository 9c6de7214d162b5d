# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The scheduler's part of a call: which steps it can be asked for, and what its own methods take."""

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from diffusers import SchedulerMixin

from .arguments import is_count, is_number


def _accepts(function: Callable, argument: str) -> bool:
    return argument in inspect.signature(function).parameters


def check_eta(scheduler: SchedulerMixin, eta: float | None) -> None:
    r"""Refuse an `eta` that is no share, or that the scheduler's steps do not take."""
    if eta is None:
        return
    if not is_number(eta) or not 0 <= eta <= 1:
        raise ValueError(f"Expected `eta` to be a number from 0 to 1, got {eta!r}.")
    if not _accepts(scheduler.step, "eta"):
        raise ValueError(f"{scheduler.__class__.__name__} has no `eta` in its steps, got {eta}.")


def check_steps(
    scheduler: SchedulerMixin,
    num_inference_steps: int,
    original_inference_steps: int | None,
    timesteps: Sequence[float] | None,
) -> None:
    r"""
    Refuse steps that the scheduler cannot do. Arguments as in [`~AudioLCMPipeline.__call__`].

    Raises:
        ValueError: Quoting the value that does not fit and saying what does.
    """
    num_original_steps = _num_original_steps(scheduler, original_inference_steps)
    if timesteps is not None:
        _check_timesteps(scheduler, timesteps, num_original_steps)
    elif not is_count(num_inference_steps) or num_inference_steps > num_original_steps:
        raise ValueError(
            f"Expected `num_inference_steps` to be a whole number from 1 to {num_original_steps}, the original "
            f"steps, got {num_inference_steps!r}."
        )


def _num_original_steps(scheduler: SchedulerMixin, original_inference_steps: int | None) -> int:
    """The number of steps that those of a call are picked from."""
    num_train_timesteps = scheduler.config.num_train_timesteps
    knows_original_steps = _accepts(scheduler.set_timesteps, "original_inference_steps")
    if original_inference_steps is None:
        return scheduler.config.original_inference_steps if knows_original_steps else num_train_timesteps
    if not knows_original_steps:
        raise ValueError(
            f"{scheduler.__class__.__name__} has no `original_inference_steps`, got {original_inference_steps!r}."
        )
    if not is_count(original_inference_steps) or original_inference_steps > num_train_timesteps:
        raise ValueError(
            f"Expected `original_inference_steps` to be a whole number from 1 to {num_train_timesteps}, got "
            f"{original_inference_steps!r}."
        )
    return original_inference_steps


def _listed(values: Sequence[float]) -> Sequence[float]:
    return values.tolist() if isinstance(values, (torch.Tensor, np.ndarray)) else values


def _check_timesteps(scheduler: SchedulerMixin, timesteps: Sequence[float], num_original_steps: int) -> None:
    num_train_timesteps = scheduler.config.num_train_timesteps
    if not _accepts(scheduler.set_timesteps, "timesteps"):
        raise ValueError(f"{scheduler.__class__.__name__} takes no custom `timesteps`, got {timesteps!r}.")
    values = _listed(timesteps)
    if not isinstance(values, Sequence) or len(values) == 0 or not all(is_number(t) for t in values):
        raise ValueError(f"Expected `timesteps` to be a list of at least one number, got {timesteps!r}.")
    if any(later >= earlier for earlier, later in pairwise(values)):
        raise ValueError(f"Expected `timesteps` to be descending, got {values}.")
    if not 0 <= values[-1] <= values[0] < num_train_timesteps:
        raise ValueError(f"Expected `timesteps` in 0…{num_train_timesteps - 1}, got {values}.")
    if len(values) > num_original_steps:
        raise ValueError(f"Expected at most {num_original_steps} `timesteps`, the original steps, got {len(values)}.")


def set_timesteps(
    scheduler: SchedulerMixin,
    num_inference_steps: int,
    original_inference_steps: int | None,
    timesteps: Sequence[float] | None,
    device: torch.device,
) -> torch.Tensor:
    r"""Begin a run of the scheduler with steps that [`check_steps`] has passed, and return its timesteps."""
    kwargs = {}
    if original_inference_steps is not None:
        kwargs["original_inference_steps"] = original_inference_steps
    if timesteps is None:
        kwargs["num_inference_steps"] = num_inference_steps
    else:
        kwargs["timesteps"] = list(_listed(timesteps))
    scheduler.set_timesteps(device=device, **kwargs)
    return scheduler.timesteps


def step_arguments(
    scheduler: SchedulerMixin, generator: torch.Generator | list[torch.Generator] | None, eta: float | None
) -> dict[str, Any]:
    r"""What the scheduler's `step` takes beside prediction, timestep and latents."""
    kwargs = {"return_dict": False}
    if _accepts(scheduler.step, "generator"):
        kwargs["generator"] = generator
    if eta is not None:
        kwargs["eta"] = eta
    return kwargs

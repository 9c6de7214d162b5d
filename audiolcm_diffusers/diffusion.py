# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
The loss that teachers are trained with: a network's error at one random point of its path a sample (DDPM,
arXiv:2006.11239, eq. 14; flow matching, arXiv:2210.02747, eq. 23).

[`draw_points`] holds all randomness of a training step, [`diffusion_errors`] none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.utils.torch_utils import randn_tensor

from .paths import NoisePath, add_noise, training_target


@dataclass(frozen=True)
class PointDraw:
    r"""
    Everything random in a step.

    Args:
        indices (`torch.Tensor` of shape `(batch_size,)`): Which of the path's timesteps, on the CPU.
        noise (`torch.Tensor` of the shape of the latents): Standard normal, float32.
    """

    indices: torch.Tensor
    noise: torch.Tensor


def draw_points(latents: torch.Tensor, path: NoisePath, generators: list[torch.Generator]) -> PointDraw:
    r"""
    Draw all that is random in one step; all timesteps are equally likely.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, …)`): Give shape and device.
        path ([`~audiolcm_diffusers.paths.NoisePath`]): Has the timesteps.
        generators (`list[torch.Generator]`): One a sample, on the CPU.
    """
    indices = torch.stack([torch.randint(len(path), (), generator=own) for own in generators])
    noise = randn_tensor(tuple(latents.shape), generators, dtype=torch.float32)
    return PointDraw(indices, noise.to(latents.device))


def diffusion_errors(
    network: Callable,
    latents: torch.Tensor,
    conditions,
    draw: PointDraw,
    path: NoisePath,
    prediction_type: str,
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    r"""
    Mean squared error of each sample, a function of its draws.

    Args:
        network (`Callable`): Called with noisy latents, timesteps and conditions.
        latents (`torch.Tensor` of shape `(batch_size, …)`): Clean.
        conditions (`torch.Tensor` or [`~teachers.base.Conditions`]): What it is told.
        draw ([`PointDraw`]): From [`draw_points`].
        path ([`~audiolcm_diffusers.paths.NoisePath`]): Of the network, on the device of the latents.
        prediction_type (`str`): What it predicts.

    Returns:
        `tuple`: The errors, shape `(batch_size,)`, and the levels of data and noise at the points.
    """
    timesteps = path.timesteps[draw.indices.to(latents.device)]
    levels = path.at(timesteps)
    prediction = network(add_noise(latents, draw.noise, *levels), timesteps, conditions, return_dict=False)[0]
    target = training_target(latents, draw.noise, *levels, prediction_type)
    return (prediction - target).square().mean(dim=tuple(range(1, latents.ndim))), levels

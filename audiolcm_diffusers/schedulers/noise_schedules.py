# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""The variances of a diffusion process by the names that diffusers gives them."""

import math
from collections.abc import Sequence

import torch


BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")


def betas_of(
    beta_schedule: str,
    beta_start: float,
    beta_end: float,
    num_train_timesteps: int,
    trained_betas: Sequence[float] | None = None,
) -> torch.Tensor:
    r"""
    The variances of the diffusion process.

    Args:
        beta_schedule (`str`):
            `"linear"`, `"scaled_linear"` (linear in the square root of the variance) or `"squaredcos_cap_v2"`
            (Nichol and Dhariwal, arXiv:2102.09672, eq. 17).
        beta_start, beta_end (`float`): Variances of the first and the last step; without effect on the last schedule.
        num_train_timesteps (`int`): Number of steps.
        trained_betas (`np.ndarray` or `list[float]`, *optional*): The variances themselves, instead of all others.

    Returns:
        `torch.Tensor` of shape `(num_train_timesteps,)` or that of `trained_betas`: float64 on the CPU, where
        cumulative products are taken, too.

    Raises:
        ValueError: If `beta_schedule` is unknown, or `trained_betas` is no list of numbers.
    """
    if trained_betas is not None:
        betas = torch.as_tensor(trained_betas, dtype=torch.float64, device="cpu")
        if betas.ndim != 1 or len(betas) == 0:
            raise ValueError(f"Expected trained_betas to be a list of numbers, got shape {tuple(betas.shape)}.")
        return betas
    if beta_schedule == "linear":
        return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64, device="cpu")
    if beta_schedule == "scaled_linear":
        roots = torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps, dtype=torch.float64, device="cpu")
        return roots**2
    if beta_schedule == "squaredcos_cap_v2":
        # alpha_bar falls like a squared cosine, beta stays below 0.999.
        steps = torch.arange(num_train_timesteps + 1, dtype=torch.float64, device="cpu") / num_train_timesteps
        alpha_bars = torch.cos((steps + 0.008) / 1.008 * (math.pi / 2)) ** 2
        return (1 - alpha_bars[1:] / alpha_bars[:-1]).clamp(max=0.999)
    raise ValueError(f"Expected beta_schedule to be one of {BETA_SCHEDULES}, got {beta_schedule!r}.")


def zero_terminal_snr(betas: torch.Tensor) -> torch.Tensor:
    r"""
    Shift and scale `sqrt(alpha_bar)` so that it keeps its first value and ends in 0 (Lin et al., arXiv:2305.08891,
    algorithm 1).

    Args:
        betas (`torch.Tensor` of shape `(num_train_timesteps,)`): Variances.

    Returns:
        `torch.Tensor` of the shape of `betas`.
    """
    roots = (1 - betas).cumprod(0) ** 0.5
    first, last = roots[0], roots[-1]
    alpha_bars = ((roots - last) * first / (first - last)) ** 2
    alphas = torch.cat([alpha_bars[:1], alpha_bars[1:] / alpha_bars[:-1]])
    return 1 - alphas

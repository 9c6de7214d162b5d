# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Guided latent consistency distillation (AudioLCM, arXiv:2406.00356, algorithm 1; LCM, arXiv:2310.04378, section 4).

[`draw_step`] holds all randomness of a training step, [`distillation_loss`] none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .consistency import (
    add_noise,
    boundary_scalings,
    consistency_function,
    ddim_step,
    guidance_embedding,
    guide,
    predicted_noise,
    predicted_original_sample,
    pseudo_huber_loss,
    solver_timesteps,
)


@dataclass(frozen=True)
class SolverSchedule:
    r"""
    The points of the noise schedule between which the solver steps.

    Args:
        alphas_cumprod (`torch.Tensor` of shape `(num_train_timesteps,)`): Cumulative products of `1 - beta`.
        timesteps (`torch.Tensor` of shape `(num_solver_timesteps,)`): Where a step starts, ascending.
        timesteps_prev (`torch.Tensor` of shape `(num_solver_timesteps,)`): Where it arrives: one skip nearer to 0.
        prediction_type (`str`): What teacher and student predict: `"epsilon"`, `"sample"` or `"v_prediction"`.
        timestep_scaling (`float`): See [`~audiolcm_diffusers.consistency.boundary_scalings`].
        sigma_data (`float`): The same.
    """

    alphas_cumprod: torch.Tensor
    timesteps: torch.Tensor
    timesteps_prev: torch.Tensor
    prediction_type: str = "epsilon"
    timestep_scaling: float = 10.0
    sigma_data: float = 0.5

    @classmethod
    def from_scheduler(cls, scheduler, num_solver_timesteps=50, timestep_scaling=10.0, device=None):
        r"""
        The schedule of a teacher's scheduler.

        Args:
            scheduler (`SchedulerMixin`): Any scheduler of diffusers with `alphas_cumprod`.
            num_solver_timesteps (`int`, defaults to 50):
                Points of the solver; with 1000 training timesteps a step skips k = 20 of them.
            timestep_scaling (`float`, defaults to 10.0): Factor on the timesteps in the boundary scalings.
            device (`torch.device`, *optional*): Where the tensors go.

        Raises:
            ValueError: If `num_solver_timesteps` is not in `[1, num_train_timesteps]`.
        """
        alphas_cumprod = scheduler.alphas_cumprod.to(device)
        timesteps = solver_timesteps(len(alphas_cumprod), num_solver_timesteps).to(device)
        skip = len(alphas_cumprod) // num_solver_timesteps
        # As published, the first step arrives at timestep 0, which still has a little noise, not at clean latents.
        timesteps_prev = (timesteps - skip).clamp(min=0)
        return cls(alphas_cumprod, timesteps, timesteps_prev, scheduler.config.prediction_type, timestep_scaling)


@dataclass(frozen=True)
class DistillationDraw:
    r"""
    Everything random in a step.

    Args:
        solver_index (`torch.Tensor` of shape `(batch_size,)`): Point of the solver schedule, from 0 for the nearest.
        noise (`torch.Tensor` of the shape of the latents): Standard normal.
        w (`torch.Tensor` of shape `(batch_size,)`): Guidance strength, `guidance_scale - 1`.
    """

    solver_index: torch.Tensor
    noise: torch.Tensor
    w: torch.Tensor


@dataclass(frozen=True)
class DistillationBatch:
    r"""
    What a step trains on.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, channels, frames)`): Scaled clean latents.
        prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): Encoded captions.
        uncond_prompt_embeds (`torch.Tensor` of the same shape): The encoded empty caption.
    """

    latents: torch.Tensor
    prompt_embeds: torch.Tensor
    uncond_prompt_embeds: torch.Tensor


@dataclass(frozen=True)
class DistillationStep:
    r"""
    What a step computes on the way to its loss; all but the loss of the shape of the latents.

    Args:
        noisy_latents (`torch.Tensor`): `x_t`.
        x_prev (`torch.Tensor`): Where the guided teacher's solver arrives from `x_t`.
        student_pred (`torch.Tensor`): Student's consistency function at `x_t`.
        target_pred (`torch.Tensor`): Target's at `x_prev`.
        loss (`torch.Tensor` without dimensions): Pseudo-Huber distance of the last two.
    """

    noisy_latents: torch.Tensor
    x_prev: torch.Tensor
    student_pred: torch.Tensor
    target_pred: torch.Tensor
    loss: torch.Tensor


def draw_step(latents, num_solver_timesteps, w_min, w_max, generator):
    r"""
    Draw all that is random in one step.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, channels, frames)`): Gives shape and device.
        num_solver_timesteps (`int`): Points of the solver schedule.
        w_min, w_max (`float`): Range of the guidance strength; the paper draws from [4, 12].
        generator (`torch.Generator`): On the CPU, so that the draws are those of any device.

    Returns:
        [`DistillationDraw`].

    Raises:
        ValueError: If not `0 <= w_min < w_max`.
    """
    if not 0 <= w_min < w_max:
        raise ValueError(f"Expected 0 <= w_min < w_max, got w_min={w_min}, w_max={w_max}.")
    batch_size = latents.shape[0]
    solver_index = torch.randint(num_solver_timesteps, (batch_size,), generator=generator)
    w = w_min + (w_max - w_min) * torch.rand(batch_size, generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    return DistillationDraw(solver_index.to(latents.device), noise.to(latents), w.to(latents.device))


def consistency_prediction(
    model: Callable, sample, timesteps, prompt_embeds, timestep_cond, schedule: SolverSchedule
) -> torch.Tensor:
    r"""
    A student's consistency function `f(x_t, w, c, t)` (LCM, arXiv:2310.04378, eq. 9).

    Args:
        model (`Callable`): Transformer with a guidance embedding.
        sample (`torch.Tensor` of shape `(batch_size, channels, frames)`): `x_t`.
        timesteps (`torch.Tensor` of shape `(batch_size,)`): `t`.
        prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): `c`.
        timestep_cond (`torch.Tensor` of shape `(batch_size, time_cond_proj_dim)`): `w`, embedded.
        schedule ([`SolverSchedule`]): Noise schedule and prediction type.

    Returns:
        `torch.Tensor` of the shape of `sample`.
    """
    output = model(sample, timesteps, prompt_embeds, timestep_cond=timestep_cond, return_dict=False)[0]
    x0_hat = predicted_original_sample(output, sample, schedule.alphas_cumprod[timesteps], schedule.prediction_type)
    c_skip, c_out = boundary_scalings(timesteps, schedule.timestep_scaling, schedule.sigma_data)
    return consistency_function(sample, x0_hat, c_skip, c_out)


@torch.no_grad()
def guided_solver_step(teacher: Callable, noisy_latents, timesteps, timesteps_prev, batch, w, schedule):
    r"""
    One DDIM step of the guided teacher over a whole skip (AudioLCM, arXiv:2406.00356, algorithm 1).

    Args:
        teacher (`Callable`): Transformer without guidance embedding; runs with and without caption in one batch.
        noisy_latents (`torch.Tensor` of shape `(batch_size, channels, frames)`): `x_t`.
        timesteps, timesteps_prev (`torch.Tensor` of shape `(batch_size,)`): From where to where.
        batch ([`DistillationBatch`]): Captions with and without text.
        w (`torch.Tensor` of shape `(batch_size,)`): Guidance strength.
        schedule ([`SolverSchedule`]): Noise schedule and prediction type.

    Returns:
        `torch.Tensor` of the shape of `noisy_latents`.
    """
    output = teacher(
        torch.cat([noisy_latents, noisy_latents]),
        torch.cat([timesteps, timesteps]),
        torch.cat([batch.prompt_embeds, batch.uncond_prompt_embeds]),
        return_dict=False,
    )[0]
    alpha_prod_t = schedule.alphas_cumprod[timesteps]
    cond, uncond = output.chunk(2)
    x0_hat, eps_hat = (
        guide(
            predict(cond, noisy_latents, alpha_prod_t, schedule.prediction_type),
            predict(uncond, noisy_latents, alpha_prod_t, schedule.prediction_type),
            w,
        )
        for predict in (predicted_original_sample, predicted_noise)
    )
    return ddim_step(x0_hat, eps_hat, schedule.alphas_cumprod[timesteps_prev])


def distillation_step(student, target, teacher, batch, draw, schedule, huber_c=0.001, guidance_embedding_dim=256):
    r"""
    One step of guided latent consistency distillation, a function of its draws (AudioLCM, arXiv:2406.00356,
    algorithm 1 with the multi-step solver).

    Args:
        student (`Callable`): Transformer with a guidance embedding, to be trained.
        target (`Callable`): The same with averaged weights; gets no gradient.
        teacher (`Callable`): Frozen transformer without guidance embedding.
        batch ([`DistillationBatch`]): Latents and captions.
        draw ([`DistillationDraw`]): From [`draw_step`].
        schedule ([`SolverSchedule`]): Noise schedule and solver points.
        huber_c (`float`, defaults to 0.001): See [`~audiolcm_diffusers.consistency.pseudo_huber_loss`].
        guidance_embedding_dim (`int`, defaults to 256): Width of the embedded guidance strength.

    Returns:
        [`DistillationStep`].
    """
    timesteps, timesteps_prev = schedule.timesteps[draw.solver_index], schedule.timesteps_prev[draw.solver_index]
    noisy_latents = add_noise(batch.latents, draw.noise, schedule.alphas_cumprod[timesteps])
    x_prev = guided_solver_step(teacher, noisy_latents, timesteps, timesteps_prev, batch, draw.w, schedule)
    timestep_cond = guidance_embedding(draw.w, guidance_embedding_dim).to(batch.latents.dtype)
    student_pred = consistency_prediction(
        student, noisy_latents, timesteps, batch.prompt_embeds, timestep_cond, schedule
    )
    with torch.no_grad():
        target_pred = consistency_prediction(
            target, x_prev, timesteps_prev, batch.prompt_embeds, timestep_cond, schedule
        )
    loss = pseudo_huber_loss(student_pred, target_pred, huber_c)
    return DistillationStep(noisy_latents, x_prev, student_pred, target_pred, loss)


def distillation_loss(student, target, teacher, batch, draw, schedule, huber_c=0.001, guidance_embedding_dim=256):
    r"""The loss of [`distillation_step`], which has the arguments."""
    return distillation_step(student, target, teacher, batch, draw, schedule, huber_c, guidance_embedding_dim).loss

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Average velocities on the straight path, for students of one step (MeanFlow, arXiv:2505.13447), of a guided teacher or
from data.

A student `u(z_t, r, t)` tells by how much `z` changes from `t` to `r`, over `t - r`: `z_r = z_t - (t - r) u`. Where it
is right, `u = v - (t - r) du/dt` along the path (eq. 6), of which the right side, held fixed, is what it learns (eq.
10). Times are shares of noise, from 0, data, to 1.

[`draw_interval`] holds all randomness of a training step, [`meanflow_loss`] none, as in `distillation.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from .consistency import interval_embedding
from .distillation import SolverSchedule, guided_prediction
from .paths import add_noise, align


DERIVATIVES = ("jvp", "difference")


@dataclass(frozen=True)
class IntervalDraw:
    r"""
    Everything random in a step.

    Args:
        noise (`torch.Tensor` of the shape of the latents): Standard normal.
        t, r (`torch.Tensor` of shape `(batch_size,)`): From where to where, `0 <= r <= t <= 1`.
        w (`torch.Tensor` of shape `(batch_size,)`): Guidance strength, `guidance_scale - 1`.
    """

    noise: torch.Tensor
    t: torch.Tensor
    r: torch.Tensor
    w: torch.Tensor


def draw_interval(latents, w_min, w_max, generator, interval_share=0.25, mean=-0.4, std=1.0):
    r"""
    Draw all that is random in one step. Both times are logistic functions of normal numbers (arXiv:2505.13447, section
    4.3).

    Args:
        latents (`torch.Tensor` of shape `(batch_size, …)`): Gives shape and device.
        w_min, w_max (`float`): Range of the guidance strength; may be one number.
        generator (`torch.Generator` or a list of one a sample):
            On the CPU. With a list, a sample's draws do not depend on the others in the batch.
        interval_share (`float`, defaults to 0.25): Share of samples with `r < t`; the others learn velocities.
        mean, std (`float`, defaults to -0.4 and 1.0): Of the normal numbers.

    Returns:
        [`IntervalDraw`].

    Raises:
        ValueError: If not `0 <= w_min <= w_max` or `0 <= interval_share <= 1`, or there are not as many generators as
            samples.
    """
    if not 0 <= w_min <= w_max:
        raise ValueError(f"Expected 0 <= w_min <= w_max, got w_min={w_min}, w_max={w_max}.")
    if not 0 <= interval_share <= 1:
        raise ValueError(f"Expected 0 <= interval_share <= 1, got {interval_share}.")
    rows = latents.shape[0]
    if isinstance(generator, list):
        if len(generator) != rows:
            raise ValueError(f"Expected a generator a sample, got {len(generator)} for {rows} samples.")
        how = (interval_share, mean, std)
        draws = [draw_interval(one[None], w_min, w_max, own, *how) for one, own in zip(latents, generator)]
        return IntervalDraw(
            *(torch.cat([getattr(draw, field.name) for draw in draws]) for field in fields(IntervalDraw))
        )
    times = (mean + std * torch.randn(2, rows, generator=generator)).sigmoid()
    is_interval = torch.rand(rows, generator=generator) < interval_share
    w = w_min + (w_max - w_min) * torch.rand(rows, generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    t = times.amax(dim=0)
    r = torch.where(is_interval, times.amin(dim=0), t)
    return IntervalDraw(noise.to(latents), *(value.to(latents.device) for value in (t, r, w)))


def average_velocity(
    student: Callable, sample, t, r, encoder_hidden_states, schedule: SolverSchedule, interval_embedding_dim=256
) -> torch.Tensor:
    r"""
    A student's `u(z_t, r, t)`.

    Args:
        student (`Callable`): Transformer, which is told the timestep and, as an embedding, the interval.
        sample (`torch.Tensor` of shape `(batch_size, …)`): `z_t`.
        t, r (`torch.Tensor` of shape `(batch_size,)`): Shares of noise.
        encoder_hidden_states: What it is told of captions.
        schedule ([`~audiolcm_diffusers.distillation.SolverSchedule`]): Of the straight path.
        interval_embedding_dim (`int`, defaults to 256): Width of the embedding.

    Returns:
        `torch.Tensor` of the shape of `sample`, float32.
    """
    interval = interval_embedding(t - r, interval_embedding_dim).to(sample.dtype)
    timesteps = t * len(schedule.path)
    return student(sample, timesteps, encoder_hidden_states, timestep_cond=interval, return_dict=False)[0].float()


@dataclass(frozen=True)
class MeanFlowOutput:
    r"""
    A step's loss and what it computes on the way there; all but the loss of the shape of the latents.

    Args:
        loss (`torch.Tensor` without dimensions): Weighed squared distance of the last two.
        velocity (`torch.Tensor`): `v` at `z_t`, the teacher's or that of the data.
        student_pred (`torch.Tensor`): `u(z_t, r, t)`.
        target (`torch.Tensor`): What it learns, `v - (t - r) du/dt`.
    """

    loss: torch.Tensor
    velocity: torch.Tensor
    student_pred: torch.Tensor
    target: torch.Tensor


def meanflow_loss(
    student,
    teacher,
    latents,
    encoder_hidden_states,
    uncond_encoder_hidden_states,
    draw,
    schedule,
    *,
    derivative="jvp",
    step=0.005,
    power=1.0,
    constant=1e-3,
    interval_embedding_dim=256,
):
    r"""
    One step of learning average velocities, a function of its draws (arXiv:2505.13447, algorithm 1 and eq. 22).

    Args:
        student (`Callable`): Transformer that is told intervals, to be trained.
        teacher (`Callable` or `None`):
            Frozen transformer, whose guided velocity is what is averaged. `None` trains from data, without guidance:
            the velocity is `noise - x_0`.
        latents (`torch.Tensor` of shape `(batch_size, …)`): Scaled clean latents.
        encoder_hidden_states, uncond_encoder_hidden_states:
            See [`~audiolcm_diffusers.distillation.distillation_loss`].
        draw ([`IntervalDraw`]): From [`draw_interval`].
        schedule ([`~audiolcm_diffusers.distillation.SolverSchedule`]): Of the straight path.
        derivative (`"jvp"` or `"difference"`, defaults to `"jvp"`):
            How `du/dt` is found: exactly, by forward-mode differentiation, or by two more runs a little before and
            after, for networks whose kernels have no such mode. Of attention on a CPU `"_native_math"` has it.
        step (`float`, defaults to 0.005): How far that is.
        power, constant (`float`, defaults to 1.0 and 1e-3):
            Each sample's squared error `e` counts `e / (e + constant) ** power`, the denominator held fixed.
        interval_embedding_dim (`int`, defaults to 256): See [`average_velocity`].

    Returns:
        [`MeanFlowOutput`].

    Raises:
        ValueError: If the path is not straight, or `derivative` is unknown.
    """
    if not schedule.path.is_straight:
        raise ValueError("Expected the schedule of a straight path: average velocities have no other.")
    if derivative not in DERIVATIVES:
        raise ValueError(f"Expected derivative to be one of {DERIVATIVES}, got {derivative!r}.")
    timesteps = draw.t * len(schedule.path)
    noisy_latents = add_noise(latents, draw.noise, *schedule.path.at(timesteps))
    if teacher is None:
        velocity = draw.noise - latents
    else:
        with torch.no_grad():
            x0_hat, eps_hat = guided_prediction(
                teacher,
                noisy_latents,
                timesteps,
                encoder_hidden_states,
                uncond_encoder_hidden_states,
                draw.w,
                schedule,
            )
        velocity = eps_hat - x0_hat

    def u(sample, t):
        return average_velocity(student, sample, t, draw.r, encoder_hidden_states, schedule, interval_embedding_dim)

    student_pred = u(noisy_latents, draw.t)
    with torch.no_grad():
        # Half precision would round away what so near points differ by.
        with torch.autocast(noisy_latents.device.type, enabled=False):
            if derivative == "jvp":
                _, change = torch.func.jvp(u, (noisy_latents, draw.t), (velocity, torch.ones_like(draw.t)))
            else:
                before, after = (u(noisy_latents + way * step * velocity, draw.t + way * step) for way in (-1, 1))
                change = (after - before) / (2 * step)
        target = velocity - align(draw.t - draw.r, velocity) * change
    error = (student_pred - target).square().flatten(1).mean(dim=1)
    loss = (error / (error.detach() + constant) ** power).mean()
    return MeanFlowOutput(loss, velocity, student_pred, target)


@torch.no_grad()
def meanflow_sample(
    student, noise, encoder_hidden_states, num_steps, schedule: SolverSchedule, interval_embedding_dim=256
) -> torch.Tensor:
    r"""
    Go from noise to data in even steps, as diffusers' `FlowMapEulerDiscreteScheduler` does (arXiv:2505.13447,
    algorithm 2).

    Args:
        student (`Callable`): See [`average_velocity`].
        noise (`torch.Tensor` of shape `(batch_size, …)`): Standard normal.
        encoder_hidden_states: What it is told of captions.
        num_steps (`int`): Steps, at least 1.
        schedule, interval_embedding_dim: See [`average_velocity`].

    Returns:
        `torch.Tensor` of the shape of `noise`.
    """
    sample = noise
    for index in range(num_steps):
        t, r = (sample.new_full((len(sample),), 1 - done / num_steps) for done in (index, index + 1))
        u = average_velocity(student, sample, t, r, encoder_hidden_states, schedule, interval_embedding_dim)
        sample = sample - align(t - r, sample) * u
    return sample

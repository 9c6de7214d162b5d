# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Guided latent consistency distillation (AudioLCM, arXiv:2406.00356, algorithm 1; LCM, arXiv:2310.04378, section 4).

[`draw_step`] holds all randomness of a training step, [`distillation_loss`] none.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from .consistency import (
    consistency_function,
    guidance_embedding,
    guide,
    path_scalings,
    pseudo_huber_loss,
)
from .paths import (
    NoisePath,
    add_noise,
    ddim_step,
    dpm_solver_multistep_step,
    predicted_noise,
    predicted_original_sample,
    prediction_type_of,
)


SOLVERS = ("ddim", "dpmsolver++")
LOSS_TYPES = ("pseudo_huber", "l2")


@dataclass(frozen=True)
class SolverSchedule:
    r"""
    The points of the noise path between which the solver steps.

    Args:
        path ([`~audiolcm_diffusers.paths.NoisePath`]): How much data and noise a timestep holds.
        timesteps (`torch.Tensor` of shape `(num_solver_timesteps,)`): Where a step starts, ascending.
        timesteps_prev (`torch.Tensor` of shape `(num_solver_timesteps,)`): Where it arrives: one skip nearer to 0.
        prediction_type (`str`):
            What teacher and student predict: `"epsilon"`, `"sample"`, `"v_prediction"` or `"flow_prediction"`.
        timestep_scaling (`float`):
            See [`~audiolcm_diffusers.consistency.boundary_scalings`]; without effect on the straight path.
        sigma_data (`float`): The same.
    """

    path: NoisePath
    timesteps: torch.Tensor
    timesteps_prev: torch.Tensor
    prediction_type: str = "epsilon"
    timestep_scaling: float = 10.0
    sigma_data: float = 0.5

    @property
    def alphas_cumprod(self) -> torch.Tensor | None:
        r"""`torch.Tensor`: Cumulative products of `1 - beta`; `None` on the straight path."""
        return self.path.alphas_cumprod

    @classmethod
    def from_scheduler(cls, scheduler, num_solver_timesteps=50, timestep_scaling=10.0, device=None):
        r"""
        The schedule of a teacher's scheduler.

        On the straight path the points are `tau = shift_time(i / num_solver_timesteps, shift)`, evenly spaced in the
        scheduler's own time, and the last step arrives at clean latents.

        Args:
            scheduler (`SchedulerMixin`):
                A scheduler of diffusers with `alphas_cumprod` or for flow matching, or one of ours: see
                [`~audiolcm_diffusers.paths.NoisePath.from_scheduler`].
            num_solver_timesteps (`int`, defaults to 50):
                Points of the solver; with 1000 training timesteps a step skips k = 20 of them.
            timestep_scaling (`float`, defaults to 10.0): Factor on the timesteps in the boundary scalings.
            device (`torch.device`, *optional*): Where the tensors go.

        Raises:
            ValueError:
                If the scheduler's path is not known, or `num_solver_timesteps` is not in `[1, num_train_timesteps]` or
                does not divide it: the noisiest timesteps would then never be trained.
        """
        path = NoisePath.from_scheduler(scheduler).to(device)
        if num_solver_timesteps > 0 and len(path) % num_solver_timesteps:
            raise ValueError(
                f"Expected num_solver_timesteps to divide the schedule's {len(path)} timesteps, got "
                f"{num_solver_timesteps}."
            )
        return cls.on_path(path, num_solver_timesteps, prediction_type_of(scheduler), timestep_scaling)

    @classmethod
    def on_path(cls, path, num_solver_timesteps, prediction_type, timestep_scaling=10.0):
        r"""
        A schedule of evenly spaced points, see [`~audiolcm_diffusers.paths.NoisePath.spread`].

        Args:
            path ([`~audiolcm_diffusers.paths.NoisePath`]), num_solver_timesteps (`int`): Where, and how many.
            prediction_type (`str`), timestep_scaling (`float`, defaults to 10.0): See above.

        Raises:
            ValueError: If the path has no such points.
        """
        timesteps = path.spread(num_solver_timesteps)
        # At 0 there is still a little noise on the variance-preserving path, as published.
        timesteps_prev = torch.cat([torch.zeros_like(timesteps[:1]), timesteps[:-1]])
        return cls(path, timesteps, timesteps_prev, prediction_type, timestep_scaling)


@dataclass(frozen=True)
class StepDraw:
    r"""
    Everything random in a step.

    Args:
        noise (`torch.Tensor` of the shape of the latents): Standard normal.
        solver_index (`torch.Tensor` of shape `(batch_size,)`): Point of the solver schedule, from 0 for the nearest.
        w (`torch.Tensor` of shape `(batch_size,)`): Guidance strength, `guidance_scale - 1`.
    """

    noise: torch.Tensor
    solver_index: torch.Tensor
    w: torch.Tensor


@dataclass(frozen=True)
class DistillationOutput:
    r"""
    A step's loss and what it computes on the way there; all but the loss of the shape of the latents.

    Args:
        loss (`torch.Tensor` without dimensions): Distance of the last two.
        noisy_latents (`torch.Tensor`): `x_t`.
        x_prev (`torch.Tensor`): Where the guided teacher's solver arrives from `x_t`.
        student_pred (`torch.Tensor`): Student's consistency function at `x_t`.
        target_pred (`torch.Tensor`): Target's at `x_prev`.
    """

    loss: torch.Tensor
    noisy_latents: torch.Tensor
    x_prev: torch.Tensor
    student_pred: torch.Tensor
    target_pred: torch.Tensor


def draw_step(latents, num_solver_timesteps, w_min, w_max, generator):
    r"""
    Draw all that is random in one step.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, channels, frames)`): Gives shape and device.
        num_solver_timesteps (`int`): Points of the solver schedule.
        w_min, w_max (`float`): Range of the guidance strength; the paper draws from [4, 12]. It may be one number.
        generator (`torch.Generator` or a list of one a sample):
            On the CPU, so that the draws are those of any device. With a list, a sample's draws do not depend on the
            others in the batch, which may then be split over processes and accumulation steps without changing them.

    Returns:
        [`StepDraw`].

    Raises:
        ValueError: If not `0 <= w_min <= w_max`, or there are not as many generators as samples.
    """
    if not 0 <= w_min <= w_max:
        raise ValueError(f"Expected 0 <= w_min <= w_max, got w_min={w_min}, w_max={w_max}.")
    batch_size = latents.shape[0]
    if isinstance(generator, list):
        if len(generator) != batch_size:
            raise ValueError(f"Expected a generator a sample, got {len(generator)} for {batch_size} samples.")
        draws = [
            draw_step(sample[None], num_solver_timesteps, w_min, w_max, own) for sample, own in zip(latents, generator)
        ]
        return StepDraw(*(torch.cat([getattr(draw, field.name) for draw in draws]) for field in fields(StepDraw)))
    solver_index = torch.randint(num_solver_timesteps, (batch_size,), generator=generator)
    w = w_min + (w_max - w_min) * torch.rand(batch_size, generator=generator, dtype=torch.float32)
    noise = torch.randn(latents.shape, generator=generator, dtype=torch.float32)
    return StepDraw(noise.to(latents), solver_index.to(latents.device), w.to(latents.device))


def consistency_prediction(
    model: Callable, sample, timesteps, encoder_hidden_states, timestep_cond, schedule: SolverSchedule
) -> torch.Tensor:
    r"""
    A student's consistency function `f(x_t, w, c, t)` (LCM, arXiv:2310.04378, eq. 9).

    Args:
        model (`Callable`): Transformer, as a rule with a guidance embedding.
        sample (`torch.Tensor` of shape `(batch_size, channels, frames)`): `x_t`.
        timesteps (`torch.Tensor` of shape `(batch_size,)`): `t`.
        encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): `c`.
        timestep_cond (`torch.Tensor` of shape `(batch_size, time_cond_proj_dim)`, or `None`): `w`, embedded.
        schedule ([`SolverSchedule`]): Noise path and prediction type.

    Returns:
        `torch.Tensor` of the shape of `sample`.
    """
    output = model(sample, timesteps, encoder_hidden_states, timestep_cond=timestep_cond, return_dict=False)[0].float()
    x0_hat = predicted_original_sample(output, sample, *schedule.path.at(timesteps), schedule.prediction_type)
    c_skip, c_out = path_scalings(schedule.path, timesteps, schedule.timestep_scaling, schedule.sigma_data)
    return consistency_function(sample, x0_hat, c_skip, c_out)


def guided_prediction(
    teacher, sample, timesteps, encoder_hidden_states, uncond_encoder_hidden_states, w, schedule
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""
    Clean latents and noise that a teacher predicts under classifier-free guidance, from one run with both captions.

    Args: see [`guided_solver`].

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: `x0_hat` and `eps_hat`, of the shape of `sample`.
    """
    if isinstance(encoder_hidden_states, torch.Tensor):
        both = torch.cat([encoder_hidden_states, uncond_encoder_hidden_states])
    else:
        both = encoder_hidden_states.cat(uncond_encoder_hidden_states)
    output = teacher(torch.cat([sample, sample]), torch.cat([timesteps, timesteps]), both, return_dict=False)[0]
    levels = schedule.path.at(timesteps)
    cond, uncond = output.float().chunk(2)
    guide_output = getattr(teacher, "guide", None)
    if guide_output is not None:  # a family's own way
        guided = guide_output(cond, uncond, w)
        return tuple(
            predict(guided, sample, *levels, schedule.prediction_type)
            for predict in (predicted_original_sample, predicted_noise)
        )
    return tuple(
        guide(
            predict(cond, sample, *levels, schedule.prediction_type),
            predict(uncond, sample, *levels, schedule.prediction_type),
            w,
        )
        for predict in (predicted_original_sample, predicted_noise)
    )


@torch.no_grad()
def guided_solver(
    teacher: Callable,
    noisy_latents,
    timesteps,
    timesteps_prev,
    encoder_hidden_states,
    uncond_encoder_hidden_states,
    w,
    schedule,
    num_solver_steps=1,
    solver="ddim",
):
    r"""
    Walk over a whole skip with the guided teacher (AudioLCM, arXiv:2406.00356, algorithm 1 and its multi-step solver).

    Args:
        teacher (`Callable`): Transformer without guidance embedding; runs with and without caption in one batch.
        noisy_latents (`torch.Tensor` of shape `(batch_size, channels, frames)`): `x_t`.
        timesteps, timesteps_prev (`torch.Tensor` of shape `(batch_size,)`): From where to where.
        encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`):
            Captions; or [`~teachers.base.Conditions`] of another family.
        uncond_encoder_hidden_states (`torch.Tensor` of the same shape): The empty caption.
        w (`torch.Tensor` of shape `(batch_size,)`): Guidance strength.
        schedule ([`SolverSchedule`]): Noise path and prediction type.
        num_solver_steps (`int`, defaults to 1): Steps of the solver, see [`~audiolcm_diffusers.paths.NoisePath.walk`].
        solver (`"ddim"` or `"dpmsolver++"`, defaults to `"ddim"`):
            DDIM, or DPM-Solver++(2M), whose first step is DDIM's, so that they differ from two steps on.

    Returns:
        `torch.Tensor` of the shape of `noisy_latents`.
    """
    sample, current, before = noisy_latents, timesteps, None
    for following in schedule.path.walk(timesteps, timesteps_prev, num_solver_steps):
        x0_hat, eps_hat = guided_prediction(
            teacher, sample, current, encoder_hidden_states, uncond_encoder_hidden_states, w, schedule
        )
        if solver == "ddim" or before is None:
            sample = ddim_step(x0_hat, eps_hat, *schedule.path.at(following))
        else:
            levels = (schedule.path.at(timestep) for timestep in (before[1], current, following))
            sample = dpm_solver_multistep_step(x0_hat, before[0], sample, *levels)
        before, current = (x0_hat, current), following
    return sample


def distillation_loss(
    student,
    target,
    teacher,
    latents,
    encoder_hidden_states,
    uncond_encoder_hidden_states,
    draw,
    schedule,
    *,
    huber_c=0.001,
    num_solver_steps=1,
    solver="ddim",
    loss_type="pseudo_huber",
    guidance_embedding_dim=256,
):
    r"""
    One step of guided latent consistency distillation, a function of its draws (AudioLCM, arXiv:2406.00356,
    algorithm 1).

    Args:
        student (`Callable`): Transformer with a guidance embedding, to be trained.
        target (`Callable`): The same with averaged weights; gets no gradient.
        teacher (`Callable` or `None`):
            Frozen transformer without guidance embedding. `None` is consistency training (arXiv:2303.01469, algorithm
            3): `x_prev` has the latents and noise of `x_t`, so that data stand in for a teacher, without guidance.
        latents (`torch.Tensor` of shape `(batch_size, channels, frames)`): Scaled clean latents.
        encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`):
            Encoded captions.
        uncond_encoder_hidden_states (`torch.Tensor` of the same shape, or `None` without teacher):
            The encoded empty caption.
        draw ([`StepDraw`]): From [`draw_step`].
        schedule ([`SolverSchedule`]): Noise path and solver points.
        huber_c (`float`, defaults to 0.001): See [`~audiolcm_diffusers.consistency.pseudo_huber_loss`].
        num_solver_steps (`int`, defaults to 1): Teacher steps in which a skip is walked, see [`guided_solver`].
        solver (`"ddim"` or `"dpmsolver++"`, defaults to `"ddim"`): See [`guided_solver`].
        loss_type (`"pseudo_huber"` or `"l2"`, defaults to `"pseudo_huber"`): `"l2"` is the mean squared error.
        guidance_embedding_dim (`int` or `None`, defaults to 256):
            Width of the embedded guidance strength. `None` for a student without embedding, as an adapter of its
            teacher is: it learns one answer for the whole range of strengths.

    Returns:
        [`DistillationOutput`].

    Raises:
        ValueError: If `num_solver_steps` is below 1, or `solver` or `loss_type` is unknown.
    """
    if num_solver_steps < 1:
        raise ValueError(f"Expected num_solver_steps >= 1, got {num_solver_steps}.")
    if solver not in SOLVERS:
        raise ValueError(f"Expected solver to be one of {SOLVERS}, got {solver!r}.")
    if loss_type not in LOSS_TYPES:
        raise ValueError(f"Expected loss_type to be one of {LOSS_TYPES}, got {loss_type!r}.")
    timesteps, timesteps_prev = schedule.timesteps[draw.solver_index], schedule.timesteps_prev[draw.solver_index]
    noisy_latents = add_noise(latents, draw.noise, *schedule.path.at(timesteps))
    if teacher is None:
        x_prev = add_noise(latents, draw.noise, *schedule.path.at(timesteps_prev))
    else:
        x_prev = guided_solver(
            teacher,
            noisy_latents,
            timesteps,
            timesteps_prev,
            encoder_hidden_states,
            uncond_encoder_hidden_states,
            draw.w,
            schedule,
            num_solver_steps,
            solver,
        )
    timestep_cond = None
    if guidance_embedding_dim is not None:
        timestep_cond = guidance_embedding(draw.w, guidance_embedding_dim).to(latents.dtype)
    student_pred = consistency_prediction(
        student, noisy_latents, timesteps, encoder_hidden_states, timestep_cond, schedule
    )
    with torch.no_grad():
        target_pred = consistency_prediction(
            target, x_prev, timesteps_prev, encoder_hidden_states, timestep_cond, schedule
        )
    if loss_type == "l2":
        loss = torch.nn.functional.mse_loss(student_pred.float(), target_pred.float())
    else:
        loss = pseudo_huber_loss(student_pred, target_pred, huber_c)
    return DistillationOutput(loss, noisy_latents, x_prev, student_pred, target_pred)

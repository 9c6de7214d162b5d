# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Distillation of a teacher whose probability-flow ODE has a closed form.

Clean latents under caption `c` are normal around `m_c` with standard deviation `s`, so the teacher's exact noise
prediction is linear in `x_t` and in the mean. Guidance with strength `w` therefore moves the mean to
`m = m_c + w (m_c - m_u)`, and the flow from `t` to 0 keeps `(x - sqrt(alpha) m) / sqrt(alpha s^2 + 1 - alpha)` as it
is.
"""

import copy

import torch
from diffusers import DDIMScheduler

from audiolcm_diffusers.consistency import guidance_embedding, update_ema
from audiolcm_diffusers.distillation import SolverSchedule, consistency_prediction, distillation_loss, draw_step


STD, COND_MEAN, UNCOND_MEAN = 0.5, 0.4, 0.2
NUM_SOLVER_TIMESTEPS = 10


class ExactTeacher(torch.nn.Module):
    def __init__(self, alphas_cumprod):
        super().__init__()
        self.alphas_cumprod = alphas_cumprod

    def forward(self, hidden_states, timestep, encoder_hidden_states, return_dict=True):
        alpha = self.alphas_cumprod[timestep][:, None, None]
        residual = hidden_states - alpha.sqrt() * encoder_hidden_states
        return ((1 - alpha).sqrt() * residual / (alpha * STD**2 + 1 - alpha),)


class TabularStudent(torch.nn.Module):
    """A linear function of `x_t` and `w` at every timestep: as much as the exact map needs, and no more."""

    def __init__(self, num_timesteps):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(num_timesteps))
        self.offset = torch.nn.Parameter(torch.zeros(num_timesteps))
        self.guidance = torch.nn.Parameter(torch.zeros(num_timesteps))

    def forward(self, hidden_states, timestep, encoder_hidden_states, timestep_cond=None, return_dict=True):
        # The slowest sine of the embedding is that of 1000 w / 10000.
        w = 10 * torch.asin(timestep_cond[:, 127])
        slope, offset, guidance = (table[timestep] for table in (self.slope, self.offset, self.guidance))
        return (slope[:, None, None] * hidden_states + (offset + guidance * w)[:, None, None],)


def exact_map(sample, timestep, w, alphas_cumprod):
    """Where the flow of the guided teacher arrives at timestep 0."""
    mean = COND_MEAN + w * (COND_MEAN - UNCOND_MEAN)
    alpha, alpha_0 = alphas_cumprod[timestep], alphas_cumprod[0]
    spread, spread_0 = ((value * STD**2 + 1 - value).sqrt() for value in (alpha, alpha_0))
    return alpha_0.sqrt() * mean + (sample - alpha.sqrt() * mean) / spread * spread_0


def one_step_errors(num_train_steps, num_solver_steps, solver="ddim"):
    """Root mean squared error of the student's one-step map at the noisiest timestep, before and after training."""
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    schedule = SolverSchedule.from_scheduler(scheduler, NUM_SOLVER_TIMESTEPS)
    generator = torch.Generator().manual_seed(0)
    teacher, student = ExactTeacher(schedule.alphas_cumprod), TabularStudent(1000)
    target = copy.deepcopy(student)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / num_train_steps)
    captions = torch.full((256, 1, 1), COND_MEAN), torch.full((256, 1, 1), UNCOND_MEAN)

    @torch.no_grad()
    def error():
        x_t, w = torch.randn(256, 1, 4, generator=torch.Generator().manual_seed(1)), torch.full((256,), 3.0)
        timestep = torch.full((256,), 999)
        cond = guidance_embedding(w, 256)
        mapped = consistency_prediction(target, x_t, timestep, captions[0], cond, schedule)
        return float((mapped - exact_map(x_t, 999, 3.0, schedule.alphas_cumprod)).square().mean().sqrt())

    start = error()
    for _ in range(num_train_steps):
        latents = COND_MEAN + STD * torch.randn(256, 1, 4, generator=generator)
        draw = draw_step(latents, NUM_SOLVER_TIMESTEPS, 2.0, 4.0, generator)
        loss = distillation_loss(
            student,
            target,
            teacher,
            latents,
            *captions,
            draw,
            schedule,
            num_solver_steps=num_solver_steps,
            solver=solver,
            loss_type="l2",
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        decay.step()
        update_ema(list(target.parameters()), list(student.parameters()), 0.95)
    return start, error()


def test_the_one_step_map_converges_to_the_exact_flow():
    start, end = one_step_errors(num_train_steps=800, num_solver_steps=20)
    # The flow arrives with a spread of 0.5, of which this is a fiftieth.
    assert start > 1.0
    assert end < 0.01


def test_a_skip_walked_in_more_or_better_steps_ends_nearer():
    coarse, four, dpm = (one_step_errors(800, *solver)[1] for solver in ((1, "ddim"), (4, "ddim"), (4, "dpmsolver++")))
    assert dpm < four < 0.4 * coarse

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Distil a teacher whose probability-flow ODE has a closed form, and draw how near the student comes to it.

    python training/toy_distillation.py --output docs/toy_distillation.png

Clean latents under caption `c` are normal around `m_c` with standard deviation `s`, so the teacher's exact noise
prediction is linear in `x_t` and in the mean. Guidance with strength `w` therefore moves the mean to
`m = m_c + w (m_c - m_u)`, and the flow from `t` to 0 keeps `(x - sqrt(alpha) m) / sqrt(alpha s^2 + 1 - alpha)` as it
is.
"""

import argparse
import copy

import torch
from diffusers import DDIMScheduler

from audiolcm_diffusers.audio.io import replacing
from audiolcm_diffusers.consistency import guidance_embedding, update_ema
from audiolcm_diffusers.distillation import SolverSchedule, consistency_prediction, distillation_loss, draw_step


STD, COND_MEAN, UNCOND_MEAN = 0.5, 0.4, 0.2
NUM_SOLVER_TIMESTEPS = 10
SHOWN_W = 3.0


class ExactTeacher(torch.nn.Module):
    """Predicts the noise that is to be expected in `x_t`, given that clean latents are normal."""

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


def one_step_map(student, sample, schedule, w=SHOWN_W):
    """What a student makes of the noisiest timestep in one step."""
    batch_size = len(sample)
    return consistency_prediction(
        student,
        sample,
        torch.full((batch_size,), 999),
        torch.full((batch_size, 1, 1), COND_MEAN),
        guidance_embedding(torch.full((batch_size,), w), 256),
        schedule,
    )


def distil(num_train_steps, num_solver_steps, solver="ddim", every=100):
    """
    Train a student.

    Returns:
        `tuple`: The averaged student, its schedule, and the root mean squared error of its one-step map as pairs of
        step and error, the first before training.
    """
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    schedule = SolverSchedule.from_scheduler(scheduler, NUM_SOLVER_TIMESTEPS)
    generator = torch.Generator().manual_seed(0)
    teacher, student = ExactTeacher(schedule.alphas_cumprod), TabularStudent(1000)
    target = copy.deepcopy(student)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / num_train_steps)
    captions = torch.full((256, 1, 1), COND_MEAN), torch.full((256, 1, 1), UNCOND_MEAN)
    noise = torch.randn(256, 1, 4, generator=torch.Generator().manual_seed(1))
    exact = exact_map(noise, 999, SHOWN_W, schedule.alphas_cumprod)

    @torch.no_grad()
    def error():
        return float((one_step_map(target, noise, schedule) - exact).square().mean().sqrt())

    errors = [(0, error())]
    for step in range(1, num_train_steps + 1):
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
        if step % every == 0:
            errors.append((step, error()))
    return target, schedule, errors


def main(path):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    sample = torch.linspace(-3, 3, 61)[:, None, None]
    for num_solver_steps, solver, name in (
        (1, "ddim", "DDIM"),
        (4, "ddim", "DDIM"),
        (4, "dpmsolver++", "DPM-Solver++"),
    ):
        student, schedule, errors = distil(800, num_solver_steps, solver, every=20)
        label = f"{num_solver_steps} {name} step{'s' if num_solver_steps > 1 else ''} a skip"
        with torch.no_grad():
            left.plot(sample.flatten(), one_step_map(student, sample, schedule).flatten(), label=label)
        right.semilogy(*zip(*errors), label=label)
        print(f"{label}: rms error {errors[-1][1]:.4f}")
    exact = exact_map(sample, 999, SHOWN_W, schedule.alphas_cumprod)
    left.plot(sample.flatten(), exact.flatten(), "k:", label="the teacher's flow")
    left.set(xlabel="noise", ylabel="clean", title="What one step makes of noise")
    right.set(xlabel="step of training", ylabel="rms error", title="Distance to the teacher's flow")
    left.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--output", default="toy_distillation.png", help="PNG file")
    main(parser.parse_args().output)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Distil a teacher whose probability-flow ODE has a closed form, and draw how near the student comes to it.

    python training/toy_distillation.py --output docs/toy_distillation.png

Clean latents under caption `c` are normal around `m_c` with standard deviation `s`, so the teacher's exact prediction
is linear in `x_t` and in the mean. Guidance with strength `w` therefore moves the mean to `m = m_c + w (m_c - m_u)`,
and the flow from `t` to 0 keeps `(x - alpha m) / sqrt(alpha^2 s^2 + sigma^2)` as it is, on every noise path.
"""

import argparse
import copy

import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from audiolcm_diffusers.consistency import guidance_embedding, update_ema
from audiolcm_diffusers.distillation import SolverSchedule, consistency_prediction, distillation_loss, draw_step
from audiolcm_diffusers.files import replacing
from audiolcm_diffusers.paths import align, training_target


STD, COND_MEAN, UNCOND_MEAN = 0.5, 0.4, 0.2
NUM_SOLVER_TIMESTEPS = 10
SHOWN_W = 3.0


class ExactTeacher(torch.nn.Module):
    """Predicts what is to be expected of `x_t`, given that clean latents are normal."""

    def __init__(self, path, prediction_type):
        super().__init__()
        self.path, self.prediction_type = path, prediction_type

    def forward(self, hidden_states, timestep, encoder_hidden_states, return_dict=True):
        alpha, sigma = (align(level, hidden_states) for level in self.path.at(timestep))
        mean = encoder_hidden_states
        residual = (hidden_states - alpha * mean) / (alpha**2 * STD**2 + sigma**2)
        x0_hat, eps_hat = mean + alpha * STD**2 * residual, sigma * residual
        # Every prediction is linear in latents and noise, and so are expectations.
        return (training_target(x0_hat, eps_hat, alpha, sigma, self.prediction_type),)


class TabularStudent(torch.nn.Module):
    """A linear function of `x_t` and `w` at every timestep: as much as the exact map needs, and no more."""

    def __init__(self, timesteps):
        super().__init__()
        self.timesteps = timesteps
        self.slope = torch.nn.Parameter(torch.zeros(len(timesteps)))
        self.offset = torch.nn.Parameter(torch.zeros(len(timesteps)))
        self.guidance = torch.nn.Parameter(torch.zeros(len(timesteps)))

    def forward(self, hidden_states, timestep, encoder_hidden_states, timestep_cond=None, return_dict=True):
        # The slowest sine of the embedding is that of 1000 w / 10000.
        w = 10 * torch.asin(timestep_cond[:, 127])
        row = torch.searchsorted(self.timesteps, timestep)
        slope, offset, guidance = (table[row] for table in (self.slope, self.offset, self.guidance))
        return (slope[:, None, None] * hidden_states + (offset + guidance * w)[:, None, None],)


def exact_map(sample, w, schedule):
    """Where the flow of the guided teacher arrives from the noisiest timestep."""
    mean = COND_MEAN + w * (COND_MEAN - UNCOND_MEAN)
    (alpha, sigma), (alpha_0, sigma_0) = (
        schedule.path.at(timestep) for timestep in (schedule.timesteps[-1], schedule.timesteps_prev[0])
    )
    spread, spread_0 = ((a**2 * STD**2 + s**2).sqrt() for a, s in ((alpha, sigma), (alpha_0, sigma_0)))
    return alpha_0 * mean + (sample - alpha * mean) / spread * spread_0


def one_step_map(student, sample, schedule, w=SHOWN_W):
    """What a student makes of the noisiest timestep in one step."""
    batch_size = len(sample)
    return consistency_prediction(
        student,
        sample,
        schedule.timesteps[-1].repeat(batch_size),
        torch.full((batch_size, 1, 1), COND_MEAN),
        guidance_embedding(torch.full((batch_size,), w), 256),
        schedule,
    )


def distil(num_train_steps, num_solver_steps, solver="ddim", every=100, flow_shift=None):
    """
    Train a student: of a variance-preserving noise predictor, or with a `flow_shift` of a flow model.

    Returns:
        `tuple`: The averaged student, its schedule, and the root mean squared error of its one-step map as pairs of
        step and error, the first before training.
    """
    if flow_shift is None:
        scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    else:
        scheduler = FlowMatchEulerDiscreteScheduler(shift=flow_shift)
    schedule = SolverSchedule.from_scheduler(scheduler, NUM_SOLVER_TIMESTEPS)
    generator = torch.Generator().manual_seed(0)
    teacher = ExactTeacher(schedule.path, schedule.prediction_type)
    student = TabularStudent(torch.cat([schedule.timesteps_prev[:1], schedule.timesteps]))
    target = copy.deepcopy(student)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / num_train_steps)
    captions = torch.full((256, 1, 1), COND_MEAN), torch.full((256, 1, 1), UNCOND_MEAN)
    noise = torch.randn(256, 1, 4, generator=torch.Generator().manual_seed(1))
    exact = exact_map(noise, SHOWN_W, schedule)

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


def main(path, flow_shift=None):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    sample = torch.linspace(-3, 3, 61)[:, None, None]
    for num_solver_steps, solver, name in (
        (1, "ddim", "DDIM"),
        (4, "ddim", "DDIM"),
        (4, "dpmsolver++", "DPM-Solver++"),
    ):
        student, schedule, errors = distil(800, num_solver_steps, solver, every=20, flow_shift=flow_shift)
        label = f"{num_solver_steps} {name} step{'s' if num_solver_steps > 1 else ''} a skip"
        with torch.no_grad():
            left.plot(sample.flatten(), one_step_map(student, sample, schedule).flatten(), label=label)
        right.semilogy(*zip(*errors), label=label)
        print(f"{label}: rms error {errors[-1][1]:.4f}")
    exact = exact_map(sample, SHOWN_W, schedule)
    left.plot(sample.flatten(), exact.flatten(), "k:", label="the teacher's flow")
    left.set(xlabel="noise", ylabel="clean", title="What one step makes of noise")
    right.set(xlabel="step of training", ylabel="rms error", title="Distance to the teacher's flow")
    left.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--output", default="toy_distillation.png", help="PNG file")
    parser.add_argument(
        "--flow-shift", type=float, help="a flow teacher with this shift, instead of a noise predictor"
    )
    arguments = parser.parse_args()
    main(arguments.output, arguments.flow_shift)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Average velocities: on normal latents, whose flow has a closed form, the identity that is learnt, and a student that
learns it.
"""

import pytest
import torch
from diffusers import DDIMScheduler, FlowMapEulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

from audiolcm_diffusers.consistency import INTERVAL_SCALE
from audiolcm_diffusers.distillation import SolverSchedule
from audiolcm_diffusers.meanflow import IntervalDraw, draw_interval, meanflow_loss, meanflow_sample


STD, MEAN = 0.5, 0.4
SCHEDULE = SolverSchedule.from_scheduler(FlowMatchEulerDiscreteScheduler(), 10)


def spread(t):
    return ((1 - t) ** 2 * STD**2 + t**2).sqrt()


def flow(sample, t, r):
    """Where the flow of normal latents leads from `t` to `r`."""
    return (1 - r) * MEAN + (sample - (1 - t) * MEAN) / spread(t) * spread(r)


def interval_of(timestep_cond):
    """What was embedded: the slowest sine is that of 1000 w / 10000."""
    return 10 * torch.asin(timestep_cond[:, 127]) / INTERVAL_SCALE


def exact_velocity(sample, t):
    mean, variance = (1 - t) * MEAN, spread(t) ** 2
    x0 = MEAN + (1 - t) * STD**2 * (sample - mean) / variance
    return (sample - x0) / t


class Exact(torch.nn.Module):
    """The average velocity itself."""

    def forward(self, sample, timesteps, captions, timestep_cond=None, return_dict=True):
        t = (timesteps / len(SCHEDULE.path))[:, None]
        interval = interval_of(timestep_cond)[:, None]
        r = t - interval
        return ((sample - flow(sample, t, r)) / interval,)


class Teacher(torch.nn.Module):
    def forward(self, sample, timesteps, captions, return_dict=True):
        # The caption moves nothing, so that guidance of any strength leaves it as it is.
        return (exact_velocity(sample, (timesteps / len(SCHEDULE.path))[:, None]),)


def chebyshev(time, degree):
    """Chebyshev's polynomials on [0, 1], shape `(degree + 1, batch_size)`."""
    x = 2 * time - 1
    found = [torch.ones_like(x), x]
    for _ in range(degree - 1):
        found.append(2 * x * found[-1] - found[-2])
    return torch.stack(found)


class Smooth(torch.nn.Module):
    """Linear in `z`, its slope and offset polynomials of both times."""

    def __init__(self, degree=4):
        super().__init__()
        self.degree = degree
        self.table = torch.nn.Parameter(torch.zeros(2, degree + 1, degree + 1))

    def forward(self, sample, timesteps, captions, timestep_cond=None, return_dict=True):
        t = timesteps / len(SCHEDULE.path)
        by_t, by_r = (chebyshev(time, self.degree) for time in (t, t - interval_of(timestep_cond)))
        slope, offset = torch.einsum("knm,nb,mb->kb", self.table, by_t, by_r)
        return (slope[:, None] * sample + offset[:, None],)


def draw_of(rows, seed=0, **options):
    latents = MEAN + STD * torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))
    return latents, draw_interval(latents, 1.0, 3.0, torch.Generator().manual_seed(seed + 1), **options)


@pytest.mark.parametrize(("derivative", "tolerance"), [("jvp", 2e-3), ("difference", 2e-3)])
def test_the_exact_average_velocity_is_its_own_target(derivative, tolerance):
    latents, draw = draw_of(64, interval_share=1.0)
    # Shorter intervals are read off their embedding with too few digits.
    far = (draw.t - draw.r > 0.1) & (draw.t < 0.98)
    latents, draw = latents[far], IntervalDraw(draw.noise[far], draw.t[far], draw.r[far], draw.w[far])
    captions = torch.zeros(len(latents), 1, 1)
    output = meanflow_loss(Exact(), Teacher(), latents, captions, captions, draw, SCHEDULE, derivative=derivative)
    assert len(latents) > 20
    assert (output.student_pred - output.target).abs().max() < tolerance * output.target.abs().max()
    t = draw.t[:, None]
    assert torch.allclose(output.velocity, exact_velocity((1 - t) * latents + t * draw.noise, t), atol=1e-4)
    # It is no velocity.
    assert (output.student_pred - output.velocity).abs().max() > 0.1


def test_without_a_teacher_velocities_are_those_of_data():
    latents, draw = draw_of(8)
    output = meanflow_loss(Smooth(), None, latents, None, None, draw, SCHEDULE)
    assert torch.equal(output.velocity, draw.noise - latents)


def test_a_student_learns_the_exact_flow():
    student = Smooth()
    optimizer = torch.optim.Adam(student.parameters(), lr=0.02)
    steps = 800
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 - step / steps) ** 2)
    generator = torch.Generator().manual_seed(0)
    captions = torch.zeros(256, 1, 1)
    for _ in range(steps):
        latents = MEAN + STD * torch.randn(256, 4, generator=generator)
        draw = draw_interval(latents, 2.0, 2.0, generator, interval_share=0.75, mean=0.0, std=2.5)
        loss = meanflow_loss(student, Teacher(), latents, captions, captions, draw, SCHEDULE, power=0.0).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        decay.step()
    noise = torch.randn(256, 4, generator=torch.Generator().manual_seed(1))
    one, zero = torch.ones(1), torch.zeros(1)
    exact = flow(noise, one, zero)
    # Of short ways near data such polynomials are too few.
    for num_steps, bound in ((1, 0.01), (2, 0.02), (4, 0.05)):
        sample = meanflow_sample(student, noise, captions, num_steps, SCHEDULE)
        assert (sample - exact).square().mean().sqrt() < bound, num_steps


def test_steps_are_those_of_diffusers():
    class Any(torch.nn.Module):
        def forward(self, sample, timesteps, captions, timestep_cond=None, return_dict=True):
            return (torch.tanh(sample) + timesteps[:, None] / 1000 + interval_of(timestep_cond)[:, None],)

    scheduler, noise = FlowMapEulerDiscreteScheduler(), torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(4)
    sample = noise
    for t, r in zip(scheduler.timesteps, [*scheduler.timesteps[1:], torch.tensor(0.0)]):
        velocity = torch.tanh(sample) + t / 1000 + (t - r) / 1000
        sample = scheduler.step(velocity, t, sample, r_timestep=r).prev_sample
    assert torch.allclose(meanflow_sample(Any(), noise, None, 4, SCHEDULE), sample, atol=1e-5)


def test_draws():
    latents = torch.zeros(4000, 2)
    draw = draw_interval(latents, 1.0, 3.0, torch.Generator().manual_seed(0))
    assert ((draw.r <= draw.t) & (draw.r >= 0) & (draw.t <= 1)).all()
    # A quarter of them are intervals; 0.007 is the standard deviation of that share.
    assert (draw.r < draw.t).float().mean() == pytest.approx(0.25, abs=0.03)
    assert draw.w.min() >= 1 and draw.w.max() <= 3
    # What a sample draws is its own.
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    alone = draw_interval(latents[:1], 1.0, 3.0, [torch.Generator().manual_seed(2)])
    assert torch.equal(draw_interval(latents[:3], 1.0, 3.0, generators).t[2:], alone.t)
    for arguments, told in (
        ((2.0, 1.0, torch.Generator()), "w_min=2.0, w_max=1.0"),
        ((1.0, 1.0, [torch.Generator()]), "got 1 for 4000 samples"),
        ((1.0, 1.0, torch.Generator(), 1.5), "interval_share <= 1, got 1.5"),
    ):
        with pytest.raises(ValueError, match=told):
            draw_interval(latents, *arguments)


def test_what_has_no_average_velocity_is_refused():
    latents, draw = draw_of(2)
    with pytest.raises(ValueError, match="of a straight path"):
        meanflow_loss(Smooth(), None, latents, None, None, draw, SolverSchedule.from_scheduler(DDIMScheduler(), 10))
    with pytest.raises(ValueError, match=r"one of \('jvp', 'difference'\), got 'guess'"):
        meanflow_loss(Smooth(), None, latents, None, None, draw, SCHEDULE, derivative="guess")


def test_our_transformer_is_differentiated(make_llama_transformer):
    # Both ways agree on the network that there is.
    transformer = make_llama_transformer(time_cond_proj_dim=256)
    # Faster kernels of attention have no forward mode.
    transformer.set_attention_backend("_native_math")
    latents = torch.randn(2, transformer.config.in_channels, 4, generator=torch.Generator().manual_seed(0))
    embeds = torch.randn(2, 3, transformer.config.cross_attention_dim, generator=torch.Generator().manual_seed(1))
    draw = draw_interval(latents, 1.0, 1.0, torch.Generator().manual_seed(2), interval_share=1.0)
    exact, near = (
        meanflow_loss(transformer, None, latents, embeds, None, draw, SCHEDULE, derivative=derivative, step=1e-4)
        for derivative in ("jvp", "difference")
    )
    assert (exact.target - near.target).abs().max() < 0.05 * exact.target.abs().max()
    exact.loss.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in transformer.parameters() if weight.grad is not None)

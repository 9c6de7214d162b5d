# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from safetensors import safe_open

from audiolcm_diffusers.conversion import concat_transformer_from_original
from audiolcm_diffusers.distillation import (
    SolverSchedule,
    StepDraw,
    consistency_prediction,
    distillation_loss,
    draw_step,
    guided_solver,
)


PUBLISHED_SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


class Recorder(torch.nn.Module):
    """A transformer of one weight: predicts `weight * x_t`, and remembers what it was called with."""

    def __init__(self, weight=0.5):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))
        self.calls = []

    def forward(self, hidden_states, timestep, encoder_hidden_states, timestep_cond=None, return_dict=True):
        self.calls.append((hidden_states.shape[0], timestep.tolist(), timestep_cond))
        return (self.weight * hidden_states + encoder_hidden_states.mean(dim=(1, 2))[:, None, None],)


@pytest.fixture(scope="module")
def published(references):
    with safe_open(references / "distillation_loss.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["config"])


def relative_error(output, reference):
    return float(torch.linalg.vector_norm(output.detach() - reference) / torch.linalg.vector_norm(reference))


def test_a_step_agrees_with_the_published_one(published):
    tensors, config = published

    def network(prefix):
        weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        return concat_transformer_from_original(weights, config)

    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), config["num_ddim_timesteps"])
    draw = StepDraw(tensors["noise"], tensors["solver_index"], tensors["w"])
    step = distillation_loss(
        network("student."),
        network("target."),
        network("teacher."),
        tensors["latents"],
        tensors["encoder_hidden_states"],
        tensors["uncond_encoder_hidden_states"],
        draw,
        schedule,
        huber_c=config["huber_c"],
    )

    assert torch.equal(schedule.timesteps[draw.solver_index], tensors["timestep"])
    assert torch.equal(schedule.timesteps_prev[draw.solver_index], tensors["timestep_prev"])
    for name in ("noisy_latents", "x_prev", "student_pred", "target_pred", "loss"):
        assert relative_error(getattr(step, name), tensors[name]) < 1e-5, name


def test_the_solver_grid_of_the_paper():
    # k = 1000 / 50 = 20: steps start at 19, 39, …, 999 and arrive 20 earlier, the first at 0 as published.
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 50)
    assert schedule.timesteps[:2].tolist() == [19, 39] and int(schedule.timesteps[-1]) == 999
    assert schedule.timesteps_prev[:2].tolist() == [0, 19] and int(schedule.timesteps_prev[-1]) == 979


def test_solver_points_divide_the_schedule():
    with pytest.raises(ValueError, match="divide the schedule's 1000 timesteps, got 30"):
        SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 30)


def test_a_step_is_a_function_of_its_draws():
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 50)
    latents = torch.linspace(-1, 1, 2 * 3 * 4).view(2, 3, 4)
    captions = torch.ones(2, 1, 1), torch.zeros(2, 1, 1)
    draws = [draw_step(latents, 50, 4.0, 12.0, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    losses = [
        distillation_loss(Recorder(0.3), Recorder(0.4), Recorder(0.5), latents, *captions, draw, schedule).loss.item()
        for draw in draws
    ]
    assert losses[0] == losses[1] != losses[2]


def test_the_teacher_runs_once_with_both_captions_and_only_the_student_learns():
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 50)
    latents = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    draw = StepDraw(torch.randn_like(latents), torch.tensor([0, 49]), torch.tensor([4.0, 12.0]))
    student, target, teacher = Recorder(0.3), Recorder(0.4), Recorder(0.5)
    captions = torch.ones(2, 1, 1), torch.zeros(2, 1, 1)
    distillation_loss(student, target, teacher, latents, *captions, draw, schedule).loss.backward()

    [(teacher_batch, teacher_timesteps, teacher_cond)] = teacher.calls
    assert (teacher_batch, teacher_timesteps, teacher_cond) == (4, [19, 999, 19, 999], None)
    assert [call[1] for call in student.calls + target.calls] == [[19, 999], [0, 979]]
    assert torch.equal(student.calls[0][2], target.calls[0][2]) and student.calls[0][2].shape == (2, 256)
    assert student.weight.grad is not None and target.weight.grad is None and teacher.weight.grad is None


def test_draws_lie_in_their_ranges():
    draw = draw_step(torch.zeros(4000, 1, 2), 50, 4.0, 12.0, torch.Generator().manual_seed(0))
    assert int(draw.solver_index.min()) == 0 and int(draw.solver_index.max()) == 49
    assert 4.0 <= float(draw.w.min()) < 4.1 and 11.9 < float(draw.w.max()) < 12.0
    # The standard error of the mean of 8000 standard normals is 0.011.
    assert abs(float(draw.noise.mean())) < 0.05 and abs(float(draw.noise.std()) - 1.0) < 0.05


def test_with_a_generator_a_sample_no_draw_depends_on_the_others():
    def generators(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    latents = torch.zeros(2, 3, 4)
    together = draw_step(latents, 50, 4.0, 12.0, generators(1, 2))
    first, second = (draw_step(latents[:1], 50, 4.0, 12.0, generators(seed)) for seed in (1, 2))
    for name in ("noise", "solver_index", "w"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(first, name), getattr(second, name)]))
    with pytest.raises(ValueError, match="got 1 for 2 samples"):
        draw_step(latents, 50, 4.0, 12.0, generators(1))


@pytest.mark.parametrize(("w_min", "w_max"), [(9.0, 4.0), (-1.0, 4.0)])
def test_an_impossible_range_of_guidance_is_refused(w_min, w_max):
    with pytest.raises(ValueError, match=f"got w_min={w_min}, w_max={w_max}"):
        draw_step(torch.zeros(1, 1, 1), 50, w_min, w_max, torch.Generator())


class GaussianTeacher(torch.nn.Module):
    """The exact noise prediction where clean latents are normal around a caption's value: a linear function of x_t."""

    def __init__(self, alphas_cumprod, std=0.5):
        super().__init__()
        self.alphas_cumprod, self.variance = alphas_cumprod, std**2

    def forward(self, hidden_states, timestep, encoder_hidden_states, return_dict=True):
        alpha = self.alphas_cumprod[timestep].view(-1, 1, 1)
        mean = encoder_hidden_states.mean(dim=(1, 2)).view(-1, 1, 1)
        # E[eps | x] = sqrt(1 - alpha) (x - sqrt(alpha) m) / (alpha s^2 + 1 - alpha)
        return ((1 - alpha).sqrt() * (hidden_states - alpha.sqrt() * mean) / (alpha * self.variance + 1 - alpha),)


def gaussian_walk(num_solver_steps, solver):
    """How far the solver arrives from the exact solution of the probability-flow ODE, and how far it had to go."""
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 2)
    teacher = GaussianTeacher(schedule.alphas_cumprod)
    sample = torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(0))
    captions = torch.full((1, 3, 4), 0.7), torch.full((1, 3, 4), 0.7)
    timesteps, timesteps_prev = schedule.timesteps[[1]], schedule.timesteps_prev[[1]]
    arrived = guided_solver(
        teacher, sample, timesteps, timesteps_prev, *captions, torch.tensor([4.0]), schedule, num_solver_steps, solver
    )
    # The flow carries x along its quantile: (x - sqrt(alpha) m) / sqrt(alpha s^2 + 1 - alpha) stays as it is.
    alpha, alpha_prev = schedule.alphas_cumprod[timesteps], schedule.alphas_cumprod[timesteps_prev]
    spread, spread_prev = ((value * 0.25 + 1 - value).sqrt() for value in (alpha, alpha_prev))
    exact = alpha_prev.sqrt() * 0.7 + (sample - alpha.sqrt() * 0.7) / spread * spread_prev
    return float((arrived - exact).abs().max()), float((exact - sample).abs().max())


def test_more_solver_steps_come_closer_to_the_exact_solution():
    errors = [gaussian_walk(num_solver_steps, "ddim")[0] for num_solver_steps in (1, 2, 4, 8, 100)]
    assert errors == sorted(errors, reverse=True)
    # First order: half the steps, twice the error; a hundred leave less than a hundredth of the way.
    assert 1.6 < errors[2] / errors[3] < 2.4
    assert errors[4] < 0.01 * gaussian_walk(100, "ddim")[1]


def test_dpm_solver_starts_as_ddim_and_gains_more_from_steps():
    assert gaussian_walk(1, "dpmsolver++") == gaussian_walk(1, "ddim")
    assert gaussian_walk(8, "dpmsolver++")[0] < 0.5 * gaussian_walk(8, "ddim")[0]


def test_the_l2_loss_is_the_mean_square():
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 50)
    latents = torch.linspace(-1, 1, 2 * 3 * 4).view(2, 3, 4)
    draw = draw_step(latents, 50, 4.0, 12.0, torch.Generator().manual_seed(0))
    networks = Recorder(0.3), Recorder(0.4), Recorder(0.5)
    captions = torch.ones(2, 1, 1), torch.zeros(2, 1, 1)
    output = distillation_loss(*networks, latents, *captions, draw, schedule, loss_type="l2")
    assert torch.allclose(output.loss, (output.student_pred - output.target_pred).square().mean())


@pytest.mark.parametrize(("name", "value"), [("num_solver_steps", 0), ("solver", "euler"), ("loss_type", "l1")])
def test_unknown_ways_to_distil_are_quoted(name, value):
    with pytest.raises(ValueError, match=f"{name}.*got .?{value}"):
        distillation_loss(None, None, None, None, None, None, None, None, **{name: value})


# The straight path


def test_the_solver_grid_of_a_flow_model():
    # u = 1/4, 1/2, 3/4, 1 with shift 3 are tau = .5, .75, .9, 1; the first step arrives at clean latents.
    schedule = SolverSchedule.from_scheduler(FlowMatchEulerDiscreteScheduler(shift=3.0), 4)
    assert schedule.timesteps.tolist() == pytest.approx([500, 750, 900, 1000])
    assert schedule.timesteps_prev.tolist() == pytest.approx([0, 500, 750, 900])
    assert schedule.prediction_type == "flow_prediction" and schedule.alphas_cumprod is None


def test_the_consistency_function_of_a_flow_student_is_x_minus_tau_v():
    schedule = SolverSchedule.from_scheduler(FlowMatchEulerDiscreteScheduler(), 4)
    student, sample = Recorder(2.0), torch.randn(3, 2, 4)
    text, timesteps = torch.full((3, 1, 1), 0.5), torch.tensor([1000.0, 250.0, 0.0])
    prediction = consistency_prediction(student, sample, timesteps, text, None, schedule)
    # v = 2 x + .5; at tau = 0 the identity, without boundary scalings.
    tau = torch.tensor([1.0, 0.25, 0.0])[:, None, None]
    torch.testing.assert_close(prediction, sample - tau * (2 * sample + 0.5))
    assert torch.equal(prediction[2], sample[2])


def test_a_step_of_a_flow_teacher_is_guided_and_euler():
    schedule = SolverSchedule.from_scheduler(FlowMatchEulerDiscreteScheduler(), 4)
    teacher, sample = Recorder(0.0), torch.randn(1, 2, 4)
    text, uncond = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 1.0)
    x_prev = guided_solver(
        teacher, sample, torch.tensor([1000.0]), torch.tensor([750.0]), text, uncond, torch.tensor([2.0]), schedule
    )
    # v is 3 with the caption, 1 without, and 3 + 2 * (3 - 1) = 7 with w = 2; from tau 1 to .75.
    torch.testing.assert_close(x_prev, sample - 0.25 * 7)
    assert teacher.calls[0][1] == [1000.0, 1000.0]


@pytest.mark.parametrize("solver", ["ddim", "dpmsolver++"])
def test_a_flow_skip_is_walked_to_clean_latents(solver):
    # A teacher that knows the latents: v = (x - x_0) / tau is constant along the way, whatever the steps.
    schedule = SolverSchedule.from_scheduler(FlowMatchEulerDiscreteScheduler(shift=2.0), 4)
    latents, noise = torch.randn(2, 2, 4), torch.randn(2, 2, 4)

    def teacher(hidden_states, timestep, encoder_hidden_states, return_dict=True):
        tau = (timestep / 1000).view(-1, 1, 1)
        return ((hidden_states - torch.cat([latents, latents])) / tau,)

    start, end = schedule.timesteps[[0, 3]], schedule.timesteps_prev[[0, 3]]
    tau, tau_prev = (values.view(-1, 1, 1) / 1000 for values in (start, end))
    sample = (1 - tau) * latents + tau * noise
    text = torch.zeros(2, 1, 1)
    x_prev = guided_solver(teacher, sample, start, end, text, text, torch.ones(2), schedule, 3, solver)
    torch.testing.assert_close(x_prev, (1 - tau_prev) * latents + tau_prev * noise, atol=1e-4, rtol=1e-4)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
import torch
from diffusers import DDIMScheduler
from safetensors import safe_open

from audiolcm_diffusers.conversion import concat_transformer_from_original
from audiolcm_diffusers.distillation import (
    DistillationBatch,
    DistillationDraw,
    SolverSchedule,
    distillation_loss,
    distillation_step,
    draw_step,
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
    batch = DistillationBatch(
        tensors["latents"], tensors["encoder_hidden_states"], tensors["uncond_encoder_hidden_states"]
    )
    draw = DistillationDraw(tensors["solver_index"], tensors["noise"], tensors["w"])
    step = distillation_step(
        network("student."), network("target."), network("teacher."), batch, draw, schedule, config["huber_c"]
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


def test_a_step_is_a_function_of_its_draws():
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 50)
    latents = torch.linspace(-1, 1, 2 * 3 * 4).view(2, 3, 4)
    batch = DistillationBatch(latents, torch.ones(2, 1, 1), torch.zeros(2, 1, 1))
    draws = [draw_step(latents, 50, 4.0, 12.0, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    losses = [
        distillation_loss(Recorder(0.3), Recorder(0.4), Recorder(0.5), batch, draw, schedule).item() for draw in draws
    ]
    assert losses[0] == losses[1] != losses[2]


def test_the_teacher_runs_once_with_both_captions_and_only_the_student_learns():
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(**PUBLISHED_SCHEDULE), 50)
    latents = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    batch = DistillationBatch(latents, torch.ones(2, 1, 1), torch.zeros(2, 1, 1))
    draw = DistillationDraw(torch.tensor([0, 49]), torch.randn_like(latents), torch.tensor([4.0, 12.0]))
    student, target, teacher = Recorder(0.3), Recorder(0.4), Recorder(0.5)
    distillation_loss(student, target, teacher, batch, draw, schedule).backward()

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


@pytest.mark.parametrize(("w_min", "w_max"), [(9.0, 4.0), (4.0, 4.0), (-1.0, 4.0)])
def test_an_impossible_range_of_guidance_is_refused(w_min, w_max):
    with pytest.raises(ValueError, match=f"got w_min={w_min}, w_max={w_max}"):
        draw_step(torch.zeros(1, 1, 1), 50, w_min, w_max, torch.Generator())

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Distillation of the teacher with a known flow, `training/toy_distillation.py`."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def toy():
    path = Path(__file__).parents[2] / "training/toy_distillation.py"
    spec = importlib.util.spec_from_file_location("toy_distillation", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_one_step_map_converges_to_the_exact_flow(toy):
    _, _, errors = toy.distil(num_train_steps=800, num_solver_steps=20)
    # The flow arrives with a spread of 0.5, of which this is a fiftieth.
    assert errors[0][1] > 1.0
    assert errors[-1][0] == 800 and errors[-1][1] < 0.01


def test_a_skip_walked_in_more_or_better_steps_ends_nearer(toy):
    coarse, four, dpm = (
        toy.distil(800, *solver)[2][-1][1] for solver in ((1, "ddim"), (4, "ddim"), (4, "dpmsolver++"))
    )
    assert dpm < four < 0.4 * coarse


@pytest.mark.parametrize(("num_solver_steps", "solver"), [(20, "ddim"), (4, "dpmsolver++")])
def test_the_one_step_map_of_a_flow_model_converges_to_the_exact_flow(toy, num_solver_steps, solver):
    _, schedule, errors = toy.distil(800, num_solver_steps, solver, flow_shift=1.0)
    assert schedule.path.is_straight
    assert errors[0][1] > 1.0
    assert errors[-1][0] == 800 and errors[-1][1] < 0.01

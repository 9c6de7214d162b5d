# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
)

from audiolcm_diffusers import LCMAudioScheduler
from audiolcm_diffusers.paths import (
    PREDICTION_TYPES,
    NoisePath,
    add_noise,
    ddim_step,
    dpm_solver_multistep_step,
    min_snr_weights,
    predicted_noise,
    predicted_original_sample,
    prediction_type_of,
    shift_time,
    training_target,
    variance_preserving,
)


# Two numbers of each path that are exact in binary or nearly so: (alpha, sigma).
LEVELS = {"variance-preserving": (0.8, 0.6), "straight": (0.75, 0.25), "neither": (0.5, 2.0)}


def one(value):
    return torch.tensor([[value]])


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# The straight path by hand: tau = 1/4, x_0 = 2, noise = -2.


def test_the_straight_path_by_hand():
    alpha, sigma = NoisePath.straight().at(torch.tensor([250.0]))
    assert (alpha.tolist(), sigma.tolist()) == ([0.75], [0.25])
    # .75 * 2 - .25 * 2 = 1, and v = -2 - 2 = -4.
    assert add_noise(one(2.0), one(-2.0), alpha, sigma).item() == 1.0
    assert training_target(one(2.0), one(-2.0), alpha, sigma, "flow_prediction").item() == -4.0
    # x_0 = x - tau v = 1 + .25 * 4, noise = x + (1 - tau) v = 1 - .75 * 4.
    assert predicted_original_sample(one(-4.0), one(1.0), alpha, sigma, "flow_prediction").item() == 2.0
    assert predicted_noise(one(-4.0), one(1.0), alpha, sigma, "flow_prediction").item() == -2.0


def test_a_ddim_step_on_the_straight_path_is_the_euler_step():
    prev = NoisePath.straight().at(torch.tensor(125.0))
    # From tau .25 to .125: 1 - (.25 - .125) * -4 = 1.5.
    assert ddim_step(one(2.0), one(-2.0), *prev).item() == 1.5
    x_0, noise = draw(0, 3, 2, 5), draw(1, 3, 2, 5)
    sample = add_noise(x_0, noise, 0.3, 0.7)
    torch.testing.assert_close(ddim_step(x_0, noise, 0.5, 0.5), sample - (0.7 - 0.5) * (noise - x_0))


def test_shift_by_hand():
    # 3 * .5 / (1 + 2 * .5) = .75.
    assert shift_time(0.5, 3.0) == 0.75
    assert shift_time(0.75, 1 / 3) == pytest.approx(0.5)
    tau = torch.linspace(0, 1, 11)
    assert torch.equal(shift_time(tau, 1.0), tau)
    assert shift_time(tau, 5.0)[[0, -1]].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("shift", [0.0, -1.0, math.inf, math.nan, "3", True, None])
def test_a_shift_that_is_no_positive_number_is_refused(shift):
    with pytest.raises(ValueError, match="Expected shift to be a positive finite number, got"):
        NoisePath.straight(shift=shift)


def test_timesteps_of_the_straight_path():
    # u = 1/4, 1/2, 3/4, 1 with shift 3: .75 / 1.5, 1.5 / 2, 2.25 / 2.5, 3 / 3.
    path = NoisePath.straight(4, shift=3.0)
    assert path.timesteps.tolist() == pytest.approx([2.0, 3.0, 3.6, 4.0])
    assert path.at(path.timesteps)[1].tolist() == pytest.approx([0.5, 0.75, 0.9, 1.0])
    assert len(path) == 4 and path.is_straight


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_timesteps_are_those_of_diffusers(shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    path = NoisePath.from_scheduler(scheduler)
    torch.testing.assert_close(path.timesteps.flip(0), scheduler.timesteps)
    torch.testing.assert_close(path.at(path.timesteps)[1].flip(0), scheduler.sigmas)


def test_the_ends_of_the_straight_path_are_exact():
    alpha, sigma = NoisePath.straight().at(torch.tensor([0.0, 1000.0]))
    assert (alpha.tolist(), sigma.tolist()) == ([1.0, 0.0], [0.0, 1.0])


def test_the_variance_preserving_path_by_hand():
    path = NoisePath.variance_preserving(torch.tensor([0.81, 0.64]))
    alpha, sigma = path.at(torch.tensor([1, 0]))
    torch.testing.assert_close(alpha, torch.tensor([0.8, 0.9]))
    torch.testing.assert_close(sigma, torch.tensor([0.6, 0.19**0.5]))
    assert path.timesteps.tolist() == [0, 1] and not path.is_straight


# Conversions


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_the_target_of_every_prediction_gives_back_latents_and_noise(levels, prediction_type):
    x_0, noise = draw(0, 3, 2, 5), draw(1, 3, 2, 5)
    for alpha, sigma in (levels, tuple(torch.tensor([value] * 3) for value in levels)):
        sample = add_noise(x_0, noise, alpha, sigma)
        target = training_target(x_0, noise, alpha, sigma, prediction_type)
        torch.testing.assert_close(predicted_original_sample(target, sample, alpha, sigma, prediction_type), x_0)
        torch.testing.assert_close(predicted_noise(target, sample, alpha, sigma, prediction_type), noise)


def test_the_divisor_of_the_velocity_is_exactly_one_on_the_variance_preserving_path():
    # Rounded, alpha^2 + sigma^2 is not: what was trained with one bit must not be sampled with another.
    alphas_cumprod = torch.linspace(0.9991, 0.0047, 1000)
    alpha, sigma = variance_preserving(alphas_cumprod)
    assert (alpha**2 + sigma**2 != 1).any()
    sample, output = draw(0, 1000, 2), draw(1, 1000, 2)
    expected = alpha[:, None] * sample - sigma[:, None] * output
    assert torch.equal(predicted_original_sample(output, sample, alpha, sigma, "v_prediction"), expected)


@pytest.mark.parametrize("function", [training_target, predicted_original_sample, predicted_noise])
def test_an_unknown_prediction_is_refused(function):
    with pytest.raises(ValueError, match="one of .*'flow_prediction'.*, got 'velocity'"):
        function(one(1.0), one(1.0), 0.8, 0.6, "velocity")


# Steps


def test_dpm_solver_on_the_straight_path_by_hand():
    # alpha / sigma 1/3, 1 and 3, so that both steps are log 3 long and r = 1: D = 1.5 * 2 - .5 * 4 = 1.
    # The result is sigma_prev / sigma * x - alpha_prev (exp(-h) - 1) D = .25 / .5 * 3 + .75 * (2 / 3) * 1 = 2.
    levels = [tuple(torch.tensor([value]) for value in (alpha, 1 - alpha)) for alpha in (0.25, 0.5, 0.75)]
    result = dpm_solver_multistep_step(one(2.0), one(4.0), one(3.0), *levels)
    torch.testing.assert_close(result, one(2.0))


@pytest.mark.parametrize(
    ("before", "current", "prev"),
    [((0.0, 1.0), (0.5, 0.5), (0.75, 0.25)), ((0.25, 0.75), (0.5, 0.5), (1.0, 0.0))],
    ids=["behind pure noise", "to clean latents"],
)
def test_dpm_solver_is_ddim_at_the_ends_of_the_path(before, current, prev):
    levels = [tuple(torch.tensor([value]) for value in pair) for pair in (before, current, prev)]
    x0_hat, sample = one(2.0), one(3.0)
    eps_hat = (sample - current[0] * x0_hat) / current[1]
    result = dpm_solver_multistep_step(x0_hat, one(5.0), sample, *levels)
    torch.testing.assert_close(result, ddim_step(x0_hat, eps_hat, *prev))


def test_a_walk_on_the_variance_preserving_path_is_in_whole_timesteps():
    path = NoisePath.variance_preserving(torch.linspace(0.99, 0.01, 1000))
    walk = path.walk(torch.tensor([19, 999]), torch.tensor([0, 979]), 3)
    # 19 - floor(19 / 3), 19 - floor(38 / 3), 0.
    assert [step.tolist() for step in walk] == [[13, 993], [7, 986], [0, 979]]


def test_a_walk_on_the_straight_path_is_even_before_the_shift():
    path = NoisePath.straight(1000, shift=3.0)
    start, end = torch.tensor([750.0, 500.0]), torch.tensor([500.0, 0.0])
    walk = path.walk(start, end, 2)
    # u = 1/2 and 1/4, half way 3/8: 3 * .375 / 1.75; u = 1/4 and 0, half way 1/8: .375 / 1.25.
    assert walk[0].tolist() == pytest.approx([1000 * 1.125 / 1.75, 300.0])
    assert walk[1] is end


def test_min_snr_weights_by_hand():
    # snr = 9 at alpha .75, sigma .25. gamma 5: latents 5; noise 5 / 9; velocity 5 / (.625 / .25)^2 = .8; flow 5 / 16.
    levels = torch.tensor([0.75]), torch.tensor([0.25])
    expected = {"sample": 5.0, "epsilon": 5 / 9, "v_prediction": 0.8, "flow_prediction": 5 / 16}
    for prediction_type, weight in expected.items():
        torch.testing.assert_close(min_snr_weights(*levels, 5.0, prediction_type), torch.tensor([weight]))


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_min_snr_weights_are_finite_at_pure_noise(prediction_type):
    weights = min_snr_weights(torch.tensor([0.0]), torch.tensor([1.0]), 5.0, prediction_type)
    assert weights.tolist() == ([1.0] if prediction_type == "epsilon" else [0.0])


# Schedulers


@pytest.mark.parametrize(
    ("scheduler", "shift", "prediction_type"),
    [
        (DDIMScheduler(prediction_type="v_prediction"), None, "v_prediction"),
        (LCMAudioScheduler(), None, "epsilon"),
        (LCMAudioScheduler(prediction_type="flow_prediction", shift=2.0), 2.0, "flow_prediction"),
        (FlowMatchEulerDiscreteScheduler(shift=3.0), 3.0, "flow_prediction"),
        (FlowMatchHeunDiscreteScheduler(shift=3.0), 3.0, "flow_prediction"),
        (
            DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=2.0),
            2.0,
            "flow_prediction",
        ),
    ],
)
def test_the_path_of_a_scheduler(scheduler, shift, prediction_type):
    path = NoisePath.from_scheduler(scheduler)
    assert prediction_type_of(scheduler) == prediction_type
    if shift is None:
        assert torch.equal(path.alphas_cumprod, scheduler.alphas_cumprod)
    else:
        assert (path.is_straight, path.shift, len(path)) == (True, shift, 1000)


def test_the_shift_is_the_schedulers_own():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_shift(2.0)
    assert NoisePath.from_scheduler(scheduler).shift == 2.0
    multistep = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=2.0)
    assert NoisePath.from_scheduler(FlowMatchEulerDiscreteScheduler.from_config(multistep.config)).shift == 1.0


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (EDMEulerScheduler(), "one for flow matching, .* got a EDMEulerScheduler"),
        (FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), "use_dynamic_shifting=False, got a FlowMatchEul"),
        (FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "invert_sigmas=False, got a FlowMatchEuler"),
        (DPMSolverMultistepScheduler(prediction_type="flow_prediction"), "to have use_flow_sigmas=True, got False"),
        (
            DPMSolverMultistepScheduler(prediction_type="v_prediction", use_flow_sigmas=True),
            "path of DPMSolverMultistepScheduler, got 'v_prediction'",
        ),
        (
            FlowMatchEulerDiscreteScheduler.from_config(DDIMScheduler(prediction_type="v_prediction").config),
            "path of FlowMatchEulerDiscreteScheduler, got 'v_prediction'",
        ),
        (
            FlowMatchEulerDiscreteScheduler.from_config(DDIMScheduler(beta_start=0.00085).config),
            "path of FlowMatchEulerDiscreteScheduler, got 'epsilon'",
        ),
    ],
)
def test_a_scheduler_of_another_path_is_refused(scheduler, message):
    with pytest.raises(ValueError, match=message):
        NoisePath.from_scheduler(scheduler)

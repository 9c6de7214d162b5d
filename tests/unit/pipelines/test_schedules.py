# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Runs that begin part-way, and clean latents that are put into them."""

import warnings

import diffusers
import pytest
import torch

from audiolcm_diffusers import LCMAudioScheduler
from audiolcm_diffusers.paths import NoisePath, training_target
from audiolcm_diffusers.pipelines.schedules import (
    SCHEDULERS,
    check_strength,
    most_steps,
    noised,
    scale_model_input,
    set_timesteps,
    step_arguments,
)


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")

CASES = [(name, prediction) for name, predictions in SCHEDULERS.items() for prediction in predictions]
# Their timesteps are whole numbers, of 1000, where the shares of noise are none.
ROUNDED = 6e-3


def make(name, prediction_type, **options):
    cls = LCMAudioScheduler if name == "LCMAudioScheduler" else getattr(diffusers, name)
    if prediction_type != "flow_prediction" or not name.startswith("Flow"):
        options = {"prediction_type": prediction_type, **options}
    if prediction_type == "flow_prediction" and name != "LCMAudioScheduler" and not name.startswith("Flow"):
        options["use_flow_sigmas"] = True
    if name == "PNDMScheduler":
        options["skip_prk_steps"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls(**options)


def begin(scheduler, num_steps=10, strength=1.0, timesteps=None, original=None):
    return set_timesteps(scheduler, num_steps, original, timesteps, torch.device("cpu"), strength)


def numbers_at(path, timestep):
    """Alpha and sigma at a timestep, which some schedulers put between two of the noise schedule."""
    if path.is_straight:
        return path.at(timestep.reshape(1))
    low = timestep.reshape(1).long()
    share = (timestep.double() - low).float()
    pairs = zip(path.at(low), path.at((low + 1).clamp(max=len(path) - 1)))
    return tuple(torch.lerp(first, second, share) for first, second in pairs)


@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize(("name", "prediction_type"), CASES)
def test_what_the_network_sees_of_noised_latents_is_on_its_path(name, prediction_type, strength):
    """`alpha x_0 + sigma eps`, at the beginning and after each step, however the scheduler scales latents."""
    scheduler = make(name, prediction_type)
    timesteps, path = begin(scheduler, strength=strength), NoisePath.from_scheduler(scheduler)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(2, 4, 50, generator=generator) for _ in range(2))
    latents = noised(scheduler, clean, noise, timesteps[0])
    for index, timestep in enumerate(timesteps):
        alpha, sigma = numbers_at(path, timestep)
        seen = scale_model_input(scheduler, latents, timestep)
        if index % scheduler.order == 0:
            tolerance = ROUNDED * 4 if path.is_straight else 1e-4
            torch.testing.assert_close(seen, alpha * clean + sigma * noise, atol=tolerance, rtol=0)
        exact = training_target(clean, noise, alpha, sigma, prediction_type)
        latents = scheduler.step(exact, timestep, latents, **step_arguments(scheduler, generator, None))[0]
        if index + 1 < len(timesteps) and (index + 1) % scheduler.order == 0:
            latents = noised(scheduler, clean, noise, timesteps[index + 1])


@pytest.mark.parametrize(
    ("name", "num_timesteps"),
    [
        # int(0.6 * 10) steps are left; of second order, two timesteps each but for the last.
        ("DDIMScheduler", 6),
        ("EulerDiscreteScheduler", 6),
        ("FlowMatchEulerDiscreteScheduler", 6),
        ("HeunDiscreteScheduler", 11),
        ("FlowMatchHeunDiscreteScheduler", 11),
        # All steps, spread over 30 of 50.
        ("LCMAudioScheduler", 10),
        ("LCMScheduler", 10),
    ],
)
def test_a_strength_leaves_steps_out_or_spreads_them(name, num_timesteps):
    prediction_type = SCHEDULERS[name][0]
    whole, part = begin(make(name, prediction_type)), begin(make(name, prediction_type), strength=0.6)
    assert len(part) == num_timesteps
    if name.startswith("LCM"):
        assert part[0] == 20 * 30 - 1
    else:
        assert torch.equal(part, whole[-num_timesteps:])


def test_at_least_one_step_is_left():
    scheduler = make("LCMAudioScheduler", "epsilon")
    assert begin(scheduler, 1, strength=0.001).tolist() == [19]
    assert most_steps(scheduler, 0.001, None) == 1 and most_steps(scheduler, 0.5, None) == 25
    for original in range(1, 60):
        assert len(begin(make("LCMAudioScheduler", "epsilon"), 1, strength=1e-3, original=original)) == 1
    assert most_steps(make("DDIMScheduler", "epsilon"), 0.5, None) is None


def test_given_timesteps_lose_the_first_ones():
    for name in ("LCMAudioScheduler", "DDPMScheduler"):
        scheduler = make(name, "epsilon")
        assert begin(scheduler, 10, strength=0.5, timesteps=[999, 699, 399, 99]).tolist() == [399, 99]
        latents = torch.zeros(1, 4, 5)
        scheduler.step(latents, scheduler.timesteps[2], latents)


@pytest.mark.parametrize("strength", [0, -0.5, 1.01, float("nan"), "0.5", True, None])
def test_strengths_that_are_none(strength):
    with pytest.raises(ValueError, match=f"`strength` to be above 0 and at most 1, got {strength!r}"):
        check_strength(make("DDIMScheduler", "epsilon"), strength, 10, None, None)


def test_steps_that_a_strength_does_not_leave():
    scheduler = make("LCMAudioScheduler", "epsilon")
    check_strength(scheduler, 0.1, 5, None, None)
    with pytest.raises(ValueError, match=r"at most 5 `num_inference_steps`, which strength=0\.1 .* 50 .*, got 6"):
        check_strength(scheduler, 0.1, 6, None, None)


def test_others_do_not_begin_above_a_strength():
    """One step of one is all of the way."""
    scheduler = make("DDIMScheduler", "epsilon")
    check_strength(scheduler, 0.1, 10, None, None)
    with pytest.raises(ValueError, match=r"at least 0\.1, which leaves one step of num_inference_steps=10, got 0\.09"):
        check_strength(scheduler, 0.09, 10, None, None)
    with pytest.raises(ValueError, match=r"at least 0\.5, which leaves one step of 2 timesteps, got 0\.4"):
        check_strength(make("LCMAudioScheduler", "epsilon"), 0.4, 2, None, [999, 499])


def test_runge_kutta_steps_cannot_be_left_out():
    scheduler = diffusers.PNDMScheduler()
    check_strength(scheduler, 1.0, 10, None, None)
    with pytest.raises(ValueError, match=r"give it skip_prk_steps=True for strength=0\.5"):
        check_strength(scheduler, 0.5, 10, None, None)

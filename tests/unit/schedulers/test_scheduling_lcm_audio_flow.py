# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`LCMAudioScheduler` on the straight path, for students of flow models."""

import logging

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    FlowMatchLCMScheduler,
    LCMScheduler,
)

from audiolcm_diffusers import LCMAudioScheduler


def flow_scheduler(**options):
    return LCMAudioScheduler(prediction_type="flow_prediction", **options)


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("shift", "num_inference_steps", "expected"),
    [(1.0, 2, [1000, 500]), (3.0, 2, [1000, 750]), (3.0, 1, [1000]), (1.0, 5, [1000, 800, 600, 400, 200])],
)
def test_timesteps_are_even_before_the_shift(shift, num_inference_steps, expected):
    scheduler = flow_scheduler(shift=shift)
    scheduler.set_timesteps(num_inference_steps)
    # u = 1/2 with shift 3: 1.5 / 2 = .75.
    assert scheduler.timesteps.tolist() == expected
    assert scheduler.timesteps.dtype == torch.float32


def test_two_steps_by_hand():
    scheduler = flow_scheduler()
    scheduler.set_timesteps(2)
    noise, fresh = torch.tensor([[3.0]]), torch.tensor([[-1.0]])
    # At tau 1: f = 3 - 1 * 2 = 1, then noised to tau 1/2: .5 * 1 + .5 * -1 = 0.
    sample, denoised = scheduler.step(
        torch.tensor([[2.0]]), scheduler.timesteps[0], noise, variance_noise=fresh, return_dict=False
    )
    assert (denoised.item(), sample.item()) == (1.0, 0.0)
    # At tau 1/2: f = 0 - .5 * -4 = 2, and the last step returns f.
    sample = scheduler.step(torch.tensor([[-4.0]]), scheduler.timesteps[1], sample).prev_sample
    assert sample.item() == 2.0


def test_without_fresh_noise_it_is_the_euler_method():
    ours, euler = flow_scheduler(eta=0.0), FlowMatchEulerDiscreteScheduler()
    timesteps = [1000.0, 700.0, 200.0]
    ours.set_timesteps(timesteps=timesteps)
    euler.set_timesteps(sigmas=[1.0, 0.7, 0.2])
    sample = other = draw(0, 2, 3, 4)
    for index, (timestep, same) in enumerate(zip(ours.timesteps, euler.timesteps)):
        assert timestep == same
        output = draw(index + 1, 2, 3, 4)
        sample = ours.step(output, timestep, sample).prev_sample
        other = euler.step(output, same, other).prev_sample
    torch.testing.assert_close(sample, other)


def test_with_fresh_noise_it_is_the_stochastic_euler_method_of_diffusers():
    ours, euler = flow_scheduler(shift=3.0), FlowMatchEulerDiscreteScheduler(stochastic_sampling=True)
    ours.set_timesteps(2)
    euler.set_timesteps(sigmas=[1.0, 0.75])
    sample = other = draw(0, 2, 3, 4)
    generators = torch.Generator().manual_seed(9), torch.Generator().manual_seed(9)
    for index in range(2):
        output = draw(index + 1, 2, 3, 4)
        sample = ours.step(output, ours.timesteps[index], sample, generator=generators[0]).prev_sample
        other = euler.step(output, euler.timesteps[index], other, generator=generators[1]).prev_sample
    torch.testing.assert_close(sample, other)


def test_noising_and_its_velocity_by_hand():
    scheduler = flow_scheduler()
    x_0, noise, timesteps = torch.tensor([[2.0], [2.0]]), torch.tensor([[-2.0], [-2.0]]), torch.tensor([250.0, 0.0])
    # tau 1/4: .75 * 2 - .25 * 2; at 0 the latents themselves.
    assert scheduler.add_noise(x_0, noise, timesteps).tolist() == [[1.0], [2.0]]
    assert scheduler.get_velocity(x_0, noise, timesteps).tolist() == [[-4.0], [-4.0]]


def test_the_step_after_the_last_is_clean():
    scheduler = flow_scheduler()
    scheduler.set_timesteps(2)
    assert scheduler.previous_timestep(1000.0) == 500
    assert scheduler.previous_timestep(scheduler.timesteps[1]) == 0


@pytest.mark.parametrize("strength", [0.5, 0.25])
def test_strength_begins_part_way(strength):
    scheduler = flow_scheduler()
    scheduler.set_timesteps(2, strength=strength)
    assert scheduler.timesteps[0] == pytest.approx(1000 * int(50 * strength) / 50)


def test_it_compiles_without_a_graph_break():
    scheduler = flow_scheduler()
    scheduler.set_timesteps(2)
    sample, output, noise = draw(0, 1, 2, 3), draw(1, 1, 2, 3), draw(2, 1, 2, 3)

    def step(output, sample, noise):
        scheduler._step_index = None
        return scheduler.step(output, 1000.0, sample, variance_noise=noise, return_dict=False)[0]

    torch._dynamo.reset()
    scheduler.set_begin_index(0)
    compiled = torch.compile(step, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(output, sample, noise), step(output, sample, noise))


@pytest.mark.parametrize(
    "kind", [FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler, FlowMatchLCMScheduler]
)
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_it_is_made_of_a_flow_teachers_scheduler(kind, shift, tmp_path):
    kind(shift=shift).save_pretrained(tmp_path)
    for made in (LCMAudioScheduler.from_config(kind(shift=shift).config), LCMAudioScheduler.from_pretrained(tmp_path)):
        assert (made.config.prediction_type, made.config.shift) == ("flow_prediction", shift)


def test_it_is_made_of_a_scheduler_with_flow_sigmas():
    config = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=2.0, num_train_timesteps=500
    ).config
    made = LCMAudioScheduler.from_config(config, original_inference_steps=10)
    made.set_timesteps(10)
    # u = 1/10 with shift 2: .2 / 1.1.
    assert (made.config.shift, len(made)) == (2.0, 500)
    assert float(made.timesteps[-1]) == pytest.approx(500 * 0.2 / 1.1)


def test_it_is_saved_and_loaded(tmp_path):
    flow_scheduler(shift=2.5, timestep_power=0.5).save_pretrained(tmp_path)
    loaded = LCMAudioScheduler.from_pretrained(tmp_path)
    assert (loaded.config.shift, loaded.config.timestep_power) == (2.5, 0.5)
    assert loaded.path.is_straight


@pytest.mark.parametrize("kind", [DDIMScheduler, LCMScheduler])
def test_the_config_of_another_path_is_taken_as_before(kind):
    made = LCMAudioScheduler.from_config(kind(prediction_type="v_prediction").config)
    assert made.config.prediction_type == "v_prediction" and not made.path.is_straight


def test_there_are_no_alphas_cumprod():
    assert not hasattr(flow_scheduler(), "alphas_cumprod")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 3.0}, "shift=3.0 belongs to prediction_type='flow_prediction', got 'epsilon'"),
        ({"shift": 3.0, "prediction_type": "v_prediction"}, "shift=3.0 belongs .*, got 'v_prediction'"),
        ({"shift": 0.0, "prediction_type": "flow_prediction"}, "positive finite number, got 0.0"),
        ({"trained_betas": [0.1], "prediction_type": "flow_prediction"}, r"leave out trained_betas=\[0.1\]"),
        ({"rescale_betas_zero_snr": True, "prediction_type": "flow_prediction"}, "leave out rescale_betas_zero_snr=T"),
    ],
)
def test_options_of_the_other_path_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LCMAudioScheduler(**options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timesteps": [1000.5, 500]}, r"above 0 and up to 1000, got \[1000.5, 500.0\]"),
        ({"timesteps": [500.0, 0.0]}, r"above 0 and up to 1000, got \[500.0, 0.0\]"),
        ({"timesteps": [500.0, 600.0]}, "descending, got"),
        ({"timesteps": [float("nan")]}, "at least one number, got"),
        ({"timesteps": ["500"]}, "at least one number, got"),
        ({"num_inference_steps": 2, "original_inference_steps": 30}, "divide num_train_timesteps=1000, .* got 30"),
    ],
)
def test_timesteps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        flow_scheduler().set_timesteps(**arguments)


def test_timesteps_that_no_student_has_seen_are_told(caplog):
    scheduler = flow_scheduler()
    with caplog.at_level(logging.WARNING):
        scheduler.set_timesteps(timesteps=[1000.0, 980.0])
        assert not caplog.text
        scheduler.set_timesteps(timesteps=[1000.0, 123.4])
    assert "[123.4]" in caplog.text

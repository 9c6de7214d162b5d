# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import copy
import json
import logging
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, LCMScheduler
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode

from audiolcm_diffusers import LCMAudioScheduler
from audiolcm_diffusers.consistency import add_noise, velocity


REFERENCE = Path(__file__).parents[2] / "references" / "sampler.safetensors"
with safe_open(REFERENCE, "pt") as file:
    PUBLISHED_CONFIG = json.loads(file.metadata()["config"])

SHAPE = (3, 4, 6)


@pytest.fixture(scope="module")
def reference():
    with safe_open(REFERENCE, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def draw(seed, shape=SHAPE, **kwargs):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), **kwargs)


def relative_error(actual, expected):
    return ((actual - expected).norm() / expected.norm()).item()


def model(sample, timestep):
    return 0.6 * sample + 0.1 * torch.cos(5 * sample)


def sample_with(scheduler, step=None, **step_kwargs):
    step = step if step is not None else scheduler.step
    sample, samples, denoised = draw(0), [], []
    for timestep in scheduler.timesteps:
        output = step(model(sample, timestep), timestep, sample, **step_kwargs)
        sample = output.prev_sample
        samples.append(sample)
        denoised.append(output.denoised)
    return torch.stack(samples), torch.stack(denoised)


# the published sampler


def test_the_noise_schedule_is_the_published_one_to_the_bit(reference):
    scheduler = LCMAudioScheduler()
    assert torch.equal(scheduler.betas, reference["betas"])
    assert torch.equal(scheduler.alphas_cumprod, reference["alphas_cumprod"])


def test_the_defaults_are_the_published_ones():
    config = LCMAudioScheduler().config
    for name in ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "timestep_scaling"):
        assert config[name] == PUBLISHED_CONFIG[name]
    assert config.prediction_type == PUBLISHED_CONFIG["prediction_type"]


@pytest.mark.parametrize(("num_steps", "num_original"), PUBLISHED_CONFIG["combos"])
def test_the_sampler_is_the_published_one(reference, num_steps, num_original):
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(num_steps, original_inference_steps=num_original)
    case = {
        name.split(".")[0]: tensor for name, tensor in reference.items() if f".{num_steps}_of_{num_original}" in name
    }
    assert torch.equal(scheduler.timesteps, case["timesteps"])
    sample = case["start"]
    for index, timestep in enumerate(scheduler.timesteps):
        sample, denoised = scheduler.step(
            case["model_outputs"][index],
            timestep,
            sample,
            variance_noise=case["noises"][index],
            return_dict=False,
        )
        assert relative_error(sample, case["prev_samples"][index]) < 1e-6
        assert relative_error(denoised, case["denoised"][index]) < 1e-6


# diffusers' LCMScheduler


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"prediction_type": "sample"},
        {"prediction_type": "v_prediction"},
        {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"trained_betas": np.linspace(1e-4, 0.01, 1000)},
        {"trained_betas": [0.001] * 200, "num_train_timesteps": 200},
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        {"clip_sample": True, "clip_sample_range": 0.7},
        {"thresholding": True},
        {
            "thresholding": True,
            "clip_sample": True,
            "clip_sample_range": 0.5,
            "sample_max_value": 1.5,
            "dynamic_thresholding_ratio": 0.8,
        },
        {"timestep_scaling": 0.01},
        {"set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "trailing"},
        {"num_train_timesteps": 500, "original_inference_steps": 30},
    ],
    ids=str,
)
@pytest.mark.parametrize("num_steps", [1, 4])
def test_it_computes_what_lcmscheduler_computes(config, num_steps):
    scheduler, other = LCMAudioScheduler(**config), LCMScheduler(**config)
    torch.testing.assert_close(scheduler.betas, other.betas, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(scheduler.alphas_cumprod, other.alphas_cumprod, rtol=1e-4, atol=1e-6)
    assert scheduler.final_alpha_cumprod == pytest.approx(float(other.final_alpha_cumprod))
    # The schedule in float32 is all that may differ.
    other.alphas_cumprod = scheduler.alphas_cumprod
    for each in (scheduler, other):
        each.set_timesteps(num_steps)
    assert torch.equal(scheduler.timesteps, other.timesteps)
    for actual, expected in zip(
        sample_with(scheduler, generator=torch.Generator().manual_seed(1)),
        sample_with(other, generator=torch.Generator().manual_seed(1)),
    ):
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("strength", [1.0, 0.58, 0.5, 0.07])
@pytest.mark.parametrize("num_original", [1, 7, 30, 50, 100, 333, 1000])
def test_it_picks_the_timesteps_that_lcmscheduler_picks(num_original, strength):
    scheduler, other = LCMAudioScheduler(), LCMScheduler()
    num_left = int(num_original * strength)
    for num_steps in {1, 2, 3, 4, 6, 7, 11, 13, 25, 49, 50, num_left - 1, num_left}:
        if not 1 <= num_steps <= num_left:
            continue
        for each in (scheduler, other):
            each.set_timesteps(num_steps, original_inference_steps=num_original, strength=strength)
        assert torch.equal(scheduler.timesteps, other.timesteps)
        assert scheduler.num_inference_steps == other.num_inference_steps == num_steps


def test_noising_and_velocity_are_those_of_lcmscheduler():
    scheduler, other = LCMAudioScheduler(), LCMScheduler()
    timesteps = torch.tensor([0, 499, 999])
    for method in ("add_noise", "get_velocity"):
        actual = getattr(scheduler, method)(draw(1), draw(2), timesteps)
        torch.testing.assert_close(actual, getattr(other, method)(draw(1), draw(2), timesteps), rtol=1e-5, atol=1e-5)
    # One timestep for all samples, with and without a dimension.
    for timestep in (torch.tensor([499]), torch.tensor(499)):
        torch.testing.assert_close(
            scheduler.add_noise(draw(1), draw(2), timestep), add_noise(draw(1), draw(2), scheduler.alphas_cumprod[499])
        )


@pytest.mark.parametrize("other_class", [LCMScheduler, DDIMScheduler, DPMSolverMultistepScheduler])
def test_configs_pass_to_other_schedulers_and_back(other_class):
    config = {
        "num_train_timesteps": 500,
        "beta_start": 0.001,
        "beta_schedule": "linear",
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "steps_offset": 1,
    }
    scheduler = LCMAudioScheduler(**config, original_inference_steps=25, eta=0.25)
    other = other_class.from_config(scheduler.config)
    for name, value in config.items():
        assert other.config[name] == value
    back = LCMAudioScheduler.from_config(other.config)
    assert dict(back.config) == dict(scheduler.config)
    assert other_class in scheduler.compatibles
    assert dict(LCMAudioScheduler.from_config(other_class(**config).config).config).items() >= config.items()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_every_compatible_scheduler_takes_its_config():
    scheduler = LCMAudioScheduler()
    assert {compatible.__name__ for compatible in scheduler.compatibles} == {
        "LCMAudioScheduler",
        *LCMAudioScheduler._compatibles,
    }
    for compatible in scheduler.compatibles:
        other = compatible.from_config(scheduler.config)
        assert dict(LCMAudioScheduler.from_config(other.config).config) == dict(scheduler.config)


# choice of timesteps


def test_timesteps_of_the_default_run():
    # The grid is 19, 39, ..., 999; of its descending order the places floor(0, 25) are 999 and 999 - 25 * 20.
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2)
    assert scheduler.timesteps.tolist() == [999, 499]
    assert scheduler.timesteps.dtype == torch.int64


def test_a_power_below_1_begins_later_steps_with_less_noise():
    # Places floor(50 sqrt(i / 4)) = 0, 25, 35, 43.
    scheduler = LCMAudioScheduler(timestep_power=0.5)
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 999 - 25 * 20, 999 - 35 * 20, 999 - 43 * 20]
    with pytest.raises(ValueError, match="timestep_power to be a finite number above 0, got 0"):
        LCMAudioScheduler(timestep_power=0.0)


def test_strength_starts_part_way():
    # The lower half of the grid ends at 25 * 20 - 1 = 499; places floor(0, 6.25, 12.5, 18.75) below it.
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(4, strength=0.5)
    assert scheduler.timesteps.tolist() == [499, 499 - 6 * 20, 499 - 12 * 20, 499 - 18 * 20]


def test_strength_keeps_the_end_of_given_timesteps_and_ends_without_noise():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(timesteps=[999, 759, 519, 279], strength=0.5)
    assert scheduler.timesteps.tolist() == [519, 279]
    samples, denoised = sample_with(scheduler)
    assert not torch.equal(samples[0], denoised[0])
    assert torch.equal(samples[1], denoised[1])


@pytest.mark.parametrize("make", [list, tuple, np.array, torch.tensor])
def test_timesteps_may_be_given(make, caplog):
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(timesteps=make([999, 499, 19]))
    assert scheduler.timesteps.tolist() == [999, 499, 19]
    assert scheduler.num_inference_steps == 3
    assert not caplog.records


def test_timesteps_that_no_student_was_distilled_on_are_warned_of(caplog):
    scheduler = LCMAudioScheduler()
    with caplog.at_level(logging.WARNING):
        scheduler.set_timesteps(timesteps=[999, 500, 19])
    assert "[500] are none of the 50" in caplog.text


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_timesteps_live_on_the_device_asked_for(beta_schedule):
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2, device="meta")
    assert scheduler.timesteps.device.type == "meta"
    with torch.device("meta"):
        # A default device is not asked for.
        scheduler = LCMAudioScheduler(beta_schedule=beta_schedule)
        scheduler.set_timesteps(2)
    assert scheduler.timesteps.device.type == scheduler.alphas_cumprod.device.type == "cpu"
    assert scheduler.timesteps.tolist() == [999, 499]


def test_previous_timestep_is_the_next_one_of_the_run():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(3)
    assert [scheduler.previous_timestep(t).item() for t in scheduler.timesteps] == [679, 339, -1]


# steps


def test_a_step_by_hand():
    # alpha_prod is .64 at timestep 1 and .9^2 = .81 at 0. From x = 5, eps = 2: x0 = (5 - .6 * 2) / .8 = 4.75. With
    # s = 4/3 * 1 and sigma 1/2, s : sigma = 8 : 3: c_skip = 9/73, c_out = 8/sqrt(73).
    scheduler = LCMAudioScheduler(trained_betas=[0.19, 1 - 0.64 / 0.81], num_train_timesteps=2, timestep_scaling=4 / 3)
    scheduler.set_timesteps(timesteps=[1, 0], original_inference_steps=2)
    prev_sample, denoised = scheduler.step(
        torch.tensor([2.0]), 1, torch.tensor([5.0]), variance_noise=torch.tensor([7.0]), return_dict=False
    )
    f = 9 / 73 * 5 + 8 / math.sqrt(73) * 4.75
    torch.testing.assert_close(denoised, torch.tensor([f]))
    torch.testing.assert_close(prev_sample, torch.tensor([0.9 * f + math.sqrt(0.19) * 7]))


def test_the_last_step_returns_the_clean_latents_and_draws_nothing():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(1)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    output = scheduler.step(draw(1), 999, draw(2), generator=generator)
    assert torch.equal(output.prev_sample, output.denoised)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_without_fresh_noise_a_perfect_model_stays_on_its_trajectory(prediction_type):
    # A factor of 1e4 on the timesteps makes c_skip less than 1e-10.
    scheduler = LCMAudioScheduler(prediction_type=prediction_type, eta=0.0, timestep_scaling=1e4)
    scheduler.set_timesteps(5)
    x0, noise = draw(1), draw(2)
    sample = scheduler.add_noise(x0, noise, scheduler.timesteps[:1])
    for index, timestep in enumerate(scheduler.timesteps):
        alpha_prod = scheduler.alphas_cumprod[timestep]
        perfect = {"epsilon": noise, "sample": x0, "v_prediction": velocity(x0, noise, alpha_prod)}[prediction_type]
        sample = scheduler.step(perfect, timestep, sample).prev_sample
        following = scheduler.timesteps[index + 1 :][:1]
        expected = scheduler.add_noise(x0, noise, following) if len(following) else x0
        torch.testing.assert_close(sample, expected, rtol=1e-4, atol=1e-4)


def test_eta_mixes_fresh_and_predicted_noise():
    # Between the two ends, sqrt(1 - .36) = .8 of the one and .6 of the other; the clean part is the same in all.
    runs = {}
    for eta in (0.0, 0.6, 1.0):
        scheduler = LCMAudioScheduler()
        scheduler.set_timesteps(2)
        runs[eta] = scheduler.step(draw(1), 999, draw(2), variance_noise=draw(3), eta=eta)
        alpha_prod = scheduler.alphas_cumprod[499]
    denoised = runs[1.0].denoised
    assert torch.equal(denoised, runs[0.0].denoised)
    clean = alpha_prod**0.5 * denoised
    torch.testing.assert_close(runs[0.0].prev_sample, clean + (1 - alpha_prod) ** 0.5 * draw(1))
    torch.testing.assert_close(runs[1.0].prev_sample, clean + (1 - alpha_prod) ** 0.5 * draw(3))
    expected = 0.8 * (runs[0.0].prev_sample - clean) + 0.6 * (runs[1.0].prev_sample - clean)
    torch.testing.assert_close(runs[0.6].prev_sample - clean, expected, rtol=1e-5, atol=1e-5)


def test_eta_of_the_config_holds_unless_a_step_says_otherwise():
    scheduler = LCMAudioScheduler(eta=0.0)
    scheduler.set_timesteps(3)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    sample_with(scheduler, generator=generator)
    assert torch.equal(generator.get_state(), before)
    sample_with(scheduler, generator=generator, eta=1.0)
    assert not torch.equal(generator.get_state(), before)


def test_fresh_noise_restores_the_variance_whatever_eta():
    # A batch of noise through a model that sees it is noise: x0 = 0 is denoised, and the noise that is added has the
    # variance 1 - alpha_prod at every eta. Of 2^16 samples the standard error of a variance is sqrt(2 / 2^16) < 0.6 %.
    noise = draw(1, (1, 2**16))
    for eta in (0.0, 0.5, 1.0):
        scheduler = LCMAudioScheduler(prediction_type="sample", timestep_scaling=1e4)
        scheduler.set_timesteps(2)
        output = scheduler.step(
            torch.zeros_like(noise), 999, noise, generator=torch.Generator().manual_seed(2), eta=eta
        )
        expected = 1 - scheduler.alphas_cumprod[499]
        # At timestep 999 the noise implied by x0 = 0 is x / sqrt(1 - alpha_prod), a little over 1 in variance.
        assert output.prev_sample.var().item() == pytest.approx(expected.item(), rel=0.03)


def test_each_sample_may_have_its_own_generator():
    def run(seeds, rows):
        scheduler = LCMAudioScheduler()
        scheduler.set_timesteps(3)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        sample = draw(0)[rows]
        for timestep in scheduler.timesteps:
            sample = scheduler.step(0.5 * sample, timestep, sample, generator=generators).prev_sample
        return sample

    together = run([7, 8, 9], slice(None))
    for row, seed in enumerate([7, 8, 9]):
        assert torch.equal(together[row], run([seed], slice(row, row + 1))[0])


def test_steps_may_be_named_by_numbers_and_tensors_and_repeated():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(4)
    sample, noise = draw(1), draw(2)
    first = [scheduler.step(0.5 * sample, t, sample, variance_noise=noise).prev_sample for t in scheduler.timesteps]
    for index, timestep in reversed(list(enumerate(scheduler.timesteps.tolist()))):
        for form in (timestep, float(timestep), np.int64(timestep), torch.tensor(timestep), torch.tensor([timestep])):
            output = scheduler.step(0.5 * sample, form, sample, variance_noise=noise)
            assert torch.equal(output.prev_sample, first[index])
            assert scheduler.step_index == index + 1


def test_timesteps_may_be_cut_or_replaced_after_setting_them():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(4)
    sample, noise, third = draw(1), draw(2), scheduler.timesteps[2].item()
    expected = scheduler.step(0.5 * sample, third, sample, variance_noise=noise).prev_sample
    for timesteps in (scheduler.timesteps[2:], torch.tensor([third, 0])):
        scheduler.timesteps = timesteps
        actual = scheduler.step(0.5 * sample, scheduler.timesteps[0], sample, variance_noise=noise).prev_sample
        assert torch.equal(actual, expected)
    with pytest.raises(ValueError, match="got timestep=0"):
        scheduler.step(0.5 * sample, scheduler.timesteps[1], sample)


def test_steps_are_counted_where_a_timestep_cannot_be_told_without_waiting():
    # A tensor on the meta device has no value, and is no element of `timesteps`.
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(4)
    sample, noise, unknown = draw(1), draw(2), torch.tensor(0, device="meta")
    looked_up = [scheduler.step(0.5 * sample, t, sample, variance_noise=noise) for t in scheduler.timesteps[2:]]
    scheduler.set_timesteps(4)
    scheduler.set_begin_index(2)
    assert (scheduler.begin_index, scheduler.step_index) == (2, None)
    for expected in looked_up:
        counted = scheduler.step(0.5 * sample, unknown, sample, variance_noise=noise)
        assert torch.equal(counted.prev_sample, expected.prev_sample)
    with pytest.raises(ValueError, match="no more than 4 steps after set_timesteps, got a step at index 4"):
        scheduler.step(0.5 * sample, unknown, sample, variance_noise=noise)
    scheduler.set_timesteps(4)
    assert (scheduler.begin_index, scheduler.step_index) == (None, None)


class _Waits(TorchDispatchMode):
    """
    Refuses what waits for a device: reading a value, results whose shape depends on values, copies between devices.
    """

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        # Not "equal", by which some versions of torch check the quantiles that a CPU is asked for; meta has none.
        assert name not in ("item", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select"), name
        result = function(*args, **(kwargs or {}))
        assert not (name in ("to", "_to_copy", "copy_") and result.device != args[-1 if name == "copy_" else 0].device)
        return result


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("inference_mode", [True, False])
@pytest.mark.parametrize("config", [{}, {"thresholding": True}, {"eta": 0.5, "prediction_type": "v_prediction"}])
def test_no_step_waits_for_the_device(device, inference_mode, config):
    # A tensor on the meta device has no values that could be read at all.
    scheduler = LCMAudioScheduler(**config)
    with torch.inference_mode(inference_mode):
        scheduler.set_timesteps(3, device=device)
        sample = torch.ones(SHAPE, device=device)
        for index, timestep in enumerate(scheduler.timesteps):
            with _Waits():
                sample = scheduler.step(0.5 * sample, timestep, sample).prev_sample
            assert scheduler.step_index == index + 1
    assert sample.device.type == device


def test_the_check_for_waiting_finds_what_lcmscheduler_does():
    scheduler = LCMScheduler()
    scheduler.set_timesteps(2)
    with _Waits(), pytest.raises(AssertionError):
        scheduler.step(draw(1), scheduler.timesteps[0], draw(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_steps_are_computed_in_float32(dtype):
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2)
    model_output, sample, noise = (draw(seed).to(dtype) for seed in (1, 2, 3))
    actual = scheduler.step(model_output, 999, sample, variance_noise=noise)
    expected = scheduler.step(model_output.float(), 999, sample.float(), variance_noise=noise.float())
    for name in ("prev_sample", "denoised"):
        assert actual[name].dtype == dtype
        assert torch.equal(actual[name], expected[name].to(dtype))


def test_noise_is_drawn_in_float32_whatever_the_samples_dtype():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2)
    model_output, sample = draw(1).half(), draw(2).half()
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))
    drawn = scheduler.step(model_output, 999, sample, generator=torch.Generator().manual_seed(5))
    given = scheduler.step(model_output, 999, sample, variance_noise=noise)
    assert torch.equal(drawn.prev_sample, given.prev_sample)


def test_gradients_flow_through_a_step():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2)
    model_output = draw(1).requires_grad_()
    scheduler.step(model_output, 999, draw(2)).prev_sample.sum().backward()
    # d prev / d eps = -sqrt(alpha_prod') c_out sqrt(1 - alpha_prod) / sqrt(alpha_prod), the same everywhere.
    alpha_prod, alpha_prod_prev = scheduler.alphas_cumprod[[999, 499]].tolist()
    expected = -math.sqrt(alpha_prod_prev) * math.sqrt(1 - alpha_prod) / math.sqrt(alpha_prod)
    torch.testing.assert_close(model_output.grad, torch.full(SHAPE, expected), rtol=1e-5, atol=0)


@pytest.mark.parametrize("return_dict", [True, False])
@pytest.mark.parametrize("eta", [None, 0.0, 0.5])
def test_steps_compile_without_graph_breaks(eta, return_dict):
    torch._dynamo.reset()
    scheduler = LCMAudioScheduler()
    step = torch.compile(scheduler.step, fullgraph=True, backend="eager")
    # More steps than dynamo is willing to compile anew.
    for num_steps in (2, 12):
        runs = []
        for each in (step, scheduler.step):
            scheduler.set_timesteps(num_steps)
            sample = draw(0)
            for index, timestep in enumerate(scheduler.timesteps):
                kwargs = {"variance_noise": draw(index), "eta": eta, "return_dict": return_dict}
                sample = each(model(sample, timestep), timestep, sample, **kwargs)[0]
            runs.append(sample)
        torch.testing.assert_close(*runs)


def test_compiled_steps_count_from_where_a_run_begins():
    torch._dynamo.reset()
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(4)
    sample, noise = draw(1), draw(2)
    expected = scheduler.step(0.5 * sample, scheduler.timesteps[2], sample, variance_noise=noise).prev_sample
    step = torch.compile(scheduler.step, fullgraph=True, backend="eager")
    scheduler.set_timesteps(4)
    scheduler.set_begin_index(2)
    actual = step(0.5 * sample, scheduler.timesteps[2], sample, variance_noise=noise).prev_sample
    torch.testing.assert_close(actual, expected)
    assert scheduler.step_index == 3


def test_a_compiled_step_draws_its_own_noise():
    torch._dynamo.reset()
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2)
    step = torch.compile(scheduler.step, fullgraph=True, backend="eager")
    torch.manual_seed(0)
    compiled = step(draw(1), 999, draw(2)).prev_sample
    scheduler.set_timesteps(2)
    torch.manual_seed(0)
    torch.testing.assert_close(compiled, scheduler.step(draw(1), 999, draw(2)).prev_sample)


# a component of pipelines


def test_the_model_sees_samples_as_they_are():
    scheduler, sample = LCMAudioScheduler(), draw(1)
    assert scheduler.scale_model_input(sample, 999) is sample
    assert scheduler.scale_model_input(sample) is sample
    assert scheduler.init_noise_sigma == 1.0
    assert scheduler.order == 1
    assert len(scheduler) == 1000
    assert len(LCMAudioScheduler(num_train_timesteps=20)) == 20


def test_saving_and_loading_keeps_every_option(tmp_path):
    scheduler = LCMAudioScheduler(trained_betas=np.array([0.1, 0.3]), num_train_timesteps=2, eta=0.5, clip_sample=True)
    scheduler.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert saved["_class_name"] == "LCMAudioScheduler"
    loaded = LCMAudioScheduler.from_pretrained(tmp_path)
    assert torch.equal(loaded.alphas_cumprod, scheduler.alphas_cumprod)
    assert loaded.config.eta == 0.5
    assert loaded.config.clip_sample is True
    assert LCMScheduler.from_pretrained(tmp_path).config.clip_sample is True


def test_copies_are_independent():
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(4)
    for copied in (copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        expected = sample_with(scheduler, generator=torch.Generator().manual_seed(1))
        actual = sample_with(copied, generator=torch.Generator().manual_seed(1))
        assert torch.equal(expected[0], actual[0])
        copied.set_timesteps(2)
        assert len(scheduler.timesteps) == 4


def test_the_import_is_light():
    # diffusers' lazy modules, and no model or pipeline.
    command = "import sys, audiolcm_diffusers.schedulers; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "diffusers.schedulers.scheduling_lcm" in modules
    assert not [name for name in modules if name.startswith(("diffusers.models", "diffusers.pipelines"))]
    assert not {"transformers", "accelerate", "scipy.signal"} & set(modules)


# errors


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"prediction_type": "flow"}, "one of .*epsilon.*, got 'flow'"),
        ({"beta_schedule": "sigmoid"}, "one of .*scaled_linear.*, got 'sigmoid'"),
        ({"num_train_timesteps": 0}, "positive whole number, got 0"),
        ({"num_train_timesteps": 10.5}, "positive whole number, got 10.5"),
        ({"trained_betas": []}, r"list of numbers, got shape \(0,\)"),
        ({"eta": 1.5}, "0 <= eta <= 1, got eta=1.5"),
        ({"eta": math.nan}, "0 <= eta <= 1, got eta=nan"),
    ],
)
def test_options_that_make_no_scheduler_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        LCMAudioScheduler(**config)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "either num_inference_steps or timesteps, got num_inference_steps=None, timesteps=None"),
        ({"num_inference_steps": 2, "timesteps": [9]}, r"got num_inference_steps=2, timesteps=\[9\]"),
        ({"num_inference_steps": 0}, "from 1 to 50, .*got num_inference_steps=0"),
        ({"num_inference_steps": -1}, "from 1 to 50, .*got num_inference_steps=-1"),
        ({"num_inference_steps": 51}, "from 1 to 50, .*got num_inference_steps=51"),
        ({"num_inference_steps": 2.5}, "from 1 to 50, .*got num_inference_steps=2.5"),
        ({"num_inference_steps": True}, "from 1 to 50, .*got num_inference_steps=True"),
        ({"num_inference_steps": "2"}, "from 1 to 50, .*got num_inference_steps='2'"),
        ({"num_inference_steps": 26, "strength": 0.5}, "from 1 to 25, .*num_inference_steps=26 .*strength=0.5"),
        ({"num_inference_steps": 1, "strength": 0.01}, "from 1 to 0, .*num_inference_steps=1 .*strength=0.01"),
        ({"num_inference_steps": 2, "strength": 0}, "0 < strength <= 1, got strength=0"),
        ({"num_inference_steps": 2, "strength": 1.1}, "0 < strength <= 1, got strength=1.1"),
        ({"num_inference_steps": 2, "original_inference_steps": 1001}, "1 to 1000, .*steps=1001"),
        ({"num_inference_steps": 2, "original_inference_steps": 0}, "1 to 1000, .*steps=0"),
        ({"timesteps": []}, r"at least one whole number, got \[\]"),
        ({"timesteps": 999}, "at least one whole number, got 999"),
        ({"timesteps": [499.5]}, r"at least one whole number, got \[499.5\]"),
        ({"timesteps": [19, 499]}, r"descending, got \[19, 499\]"),
        ({"timesteps": [499, 499]}, r"descending, got \[499, 499\]"),
        ({"timesteps": [1000, 499]}, r"from 0 to 999, got \[1000, 499\]"),
        ({"timesteps": [499, -1]}, r"from 0 to 999, got \[499, -1\]"),
        ({"timesteps": [999, 499], "strength": 0.3}, r"strength=0.3, got timesteps=\[999, 499\]"),
    ],
)
def test_impossible_runs_are_refused_and_leave_the_scheduler_as_it_was(kwargs, message):
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(3)
    with pytest.raises(ValueError, match=message):
        scheduler.set_timesteps(**kwargs)
    assert scheduler.timesteps.tolist() == [999, 679, 339]
    assert scheduler.num_inference_steps == 3


def test_timesteps_beyond_the_trained_betas_are_refused():
    scheduler = LCMAudioScheduler(trained_betas=[0.1, 0.3])
    with pytest.raises(ValueError, match=r"below 2, the number of trained_betas, got \[999, 499\]"):
        scheduler.set_timesteps(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestep": 998}, r"one of the timesteps \[999, 499\], got timestep=998"),
        ({"timestep": torch.tensor(998)}, r"one of the timesteps \[999, 499\], got timestep=998"),
        ({"timestep": torch.tensor([999, 999, 999])}, r"one timestep for all samples, got shape \(3,\)"),
        ({"model_output": torch.zeros(3, 4, 5)}, r"shape of sample, \(3, 4, 6\), got \(3, 4, 5\)"),
        ({"variance_noise": torch.zeros(1, 4, 6)}, r"shape of sample, \(3, 4, 6\), got \(1, 4, 6\)"),
        ({"generator": [torch.Generator()] * 2}, "each of the 3 samples, got 2 generators"),
        ({"generator": [torch.Generator()]}, "each of the 3 samples, got 1 generators"),
        ({"generator": torch.Generator(), "variance_noise": torch.zeros(SHAPE)}, "got both"),
        ({"eta": -0.1}, "0 <= eta <= 1, got eta=-0.1"),
    ],
)
def test_impossible_steps_are_refused(changes, message):
    scheduler = LCMAudioScheduler()
    scheduler.set_timesteps(2)
    arguments = {"model_output": draw(1), "timestep": 999, "sample": draw(2), **changes}
    with pytest.raises(ValueError, match=message):
        scheduler.step(**arguments)
    assert scheduler.step_index is None


def test_steps_without_timesteps_are_refused():
    with pytest.raises(ValueError, match="set_timesteps to be called first, got num_inference_steps=None"):
        LCMAudioScheduler().step(draw(1), 999, draw(2))


@pytest.mark.parametrize("begin_index", [-1, 1.5, None])
def test_begin_indices_that_are_none_are_refused(begin_index):
    with pytest.raises(ValueError, match=f"at least 0, got {begin_index}"):
        LCMAudioScheduler().set_begin_index(begin_index)


def test_predicting_noise_from_pure_noise_is_warned_of(caplog):
    scheduler = LCMAudioScheduler(rescale_betas_zero_snr=True)
    assert scheduler.alphas_cumprod[-1] == 0
    with caplog.at_level(logging.WARNING):
        scheduler.set_timesteps(timesteps=[979])
        assert not caplog.records
        scheduler.set_timesteps(2)
    assert "alphas_cumprod is 0 at timestep 999" in caplog.text

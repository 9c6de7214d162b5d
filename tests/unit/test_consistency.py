# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from audiolcm_diffusers.consistency import (
    add_noise,
    boundary_scalings,
    consistency_function,
    ddim_step,
    dpm_solver_multistep_step,
    dynamic_threshold,
    guidance_embedding,
    guide,
    inference_timesteps,
    min_snr_weights,
    mix_noise,
    predicted_noise,
    predicted_original_sample,
    pseudo_huber_loss,
    solver_timesteps,
    update_ema,
    velocity,
)


REFERENCES = Path(__file__).parents[1] / "references"


def assert_exact(actual, expected):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=0, atol=0)


# boundary_scalings


def test_boundary_scalings_on_the_3_4_5_triangle():
    # s = 1 * 4, sigma 3: s^2 + sigma^2 = 25, so c_skip = 9/25 and c_out = 4/5.
    c_skip, c_out = boundary_scalings(torch.tensor([4]), timestep_scaling=1.0, sigma_data=3.0)
    torch.testing.assert_close(c_skip, torch.tensor([9 / 25]))
    torch.testing.assert_close(c_out, torch.tensor([4 / 5]))


def test_boundary_scalings_are_exactly_the_identity_at_zero():
    c_skip, c_out = boundary_scalings(torch.tensor([0, 0]))
    assert c_skip.tolist() == [1.0, 1.0]
    assert c_out.tolist() == [0.0, 0.0]


def test_boundary_scalings_preserve_the_variance_of_uncorrelated_data():
    # c_skip + c_out^2 = sigma^2 / (s^2 + sigma^2) + s^2 / (s^2 + sigma^2) = 1.
    c_skip, c_out = boundary_scalings(torch.arange(1000), timestep_scaling=0.01)
    torch.testing.assert_close(c_skip + c_out**2, torch.ones(1000))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float16, torch.bfloat16])
def test_boundary_scalings_are_computed_in_float32(dtype):
    # 10 * 256 squared is 6553600, beyond float16.
    c_skip, c_out = boundary_scalings(torch.tensor([256], dtype=dtype))
    assert c_skip.dtype == c_out.dtype == torch.float32
    torch.testing.assert_close(c_skip, torch.tensor([0.25 / 6553600.25]))
    torch.testing.assert_close(c_out, torch.tensor([1.0]))


@pytest.mark.parametrize("sigma_data", [0.0, -1.0, math.nan])
def test_boundary_scalings_refuse_a_deviation_that_is_not_positive(sigma_data):
    with pytest.raises(ValueError, match=f"sigma_data > 0, got sigma_data={sigma_data}"):
        boundary_scalings(torch.tensor([1]), sigma_data=sigma_data)


def test_consistency_function_mixes_with_the_scalings_of_each_sample():
    # 1/4 * 8 + 1/2 * 2 = 3 and 1 * 8 + 0 * 2 = 8.
    sample, x0_hat = torch.full((2, 3, 5), 8.0), torch.full((2, 3, 5), 2.0)
    output = consistency_function(sample, x0_hat, torch.tensor([0.25, 1.0]), torch.tensor([0.5, 0.0]))
    assert_exact(output, torch.tensor([3.0, 8.0])[:, None, None].expand(2, 3, 5))


# guidance


def test_guidance_embedding_by_hand():
    # 1000 w = pi / 2; frequencies 1 and 1/10000, so [sin(pi/2), sin(pi/20000), cos(pi/2), cos(pi/20000)].
    # sin(x) = x - x^3/6 and x^3/6 < 1e-12; cos(x) = 1 - x^2/2 = 1 - 1.2e-8.
    embedding = guidance_embedding(torch.tensor([math.pi / 2000]), 4)
    torch.testing.assert_close(embedding, torch.tensor([[1.0, math.pi / 20000, 0.0, 1.0]]), rtol=1e-6, atol=1e-6)


def test_guidance_embedding_equals_the_published_one():
    reference = load_file(REFERENCES / "sampler_guidance_embedding.safetensors")
    actual = guidance_embedding(reference["guidance_scale_minus_one"], 256)
    error = (actual - reference["guidance_embedding"]).abs()
    # Processors disagree in the last bit of a few float32 exponentials. Of a frequency in [1/2, 1) that bit is 2^-24,
    # so at w = 4 an angle moves by 4000 * 2^-24 = 2.4e-4 at most. Rounding in another order (frequencies from float64,
    # or the factor 1000 on their side) moves a third of all entries instead of a few.
    assert error.max() < 2.5e-4
    assert (error > 1e-6).float().mean() < 0.05


def test_guidance_embedding_of_zero_is_not_zero():
    assert_exact(guidance_embedding(torch.zeros(2), 6), [[0, 0, 0, 1, 1, 1]] * 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_guidance_embedding_is_float32_whatever_it_is_given(dtype):
    # 4 is exact in every dtype; 1000 * 4 is not in bfloat16.
    assert_exact(guidance_embedding(torch.tensor([4], dtype=dtype)), guidance_embedding(torch.tensor([4.0])))
    assert guidance_embedding(torch.tensor([4], dtype=dtype)).dtype == torch.float32


def test_guidance_embedding_appends_one_dimension():
    assert guidance_embedding(torch.tensor(4.0), 8).shape == (8,)
    assert guidance_embedding(torch.zeros(2, 3), 8).shape == (2, 3, 8)


@pytest.mark.parametrize("embedding_dim", [0, 2, 3, 255, -4])
def test_guidance_embedding_refuses_a_width_without_frequencies(embedding_dim):
    with pytest.raises(ValueError, match=f"even and at least 4, got embedding_dim={embedding_dim}"):
        guidance_embedding(torch.tensor([1.0]), embedding_dim)


def test_guide_then_ddim_step_by_hand():
    # x0 = 1 + 1 (1 - 0) = 2; eps = 1 + 1 (1 - 1) = 1; sqrt(.64) 2 + sqrt(.36) 1 = 2.2.
    x0_hat = guide(torch.tensor([1.0]), torch.tensor([0.0]), 1.0)
    eps_hat = guide(torch.tensor([1.0]), torch.tensor([1.0]), 1.0)
    assert_exact(x0_hat, [2.0])
    assert_exact(eps_hat, [1.0])
    torch.testing.assert_close(ddim_step(x0_hat, eps_hat, 0.64), torch.tensor([2.2]))


def test_guide_takes_one_strength_a_sample():
    # 3 + 0 (3 - 1) = 3 and 3 + 4 (3 - 1) = 11.
    cond, uncond = torch.full((2, 3, 5), 3.0), torch.ones(2, 3, 5)
    output = guide(cond, uncond, torch.tensor([0.0, 4.0]))
    assert_exact(output, torch.tensor([3.0, 11.0])[:, None, None].expand(2, 3, 5))


# the diffusion process


def test_solver_timesteps_of_the_published_model():
    # k = 1000 / 50 = 20: 19, 39, ..., 999.
    assert solver_timesteps(1000, 50).tolist() == list(range(19, 1000, 20))


def test_solver_timesteps_floor_the_skip():
    # k = floor(10 / 4) = 2: 2 - 1, 4 - 1, 6 - 1, 8 - 1.
    assert solver_timesteps(10, 4).tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize("num_solver_timesteps", [0, -1, 11])
def test_solver_timesteps_refuse_a_number_out_of_range(num_solver_timesteps):
    with pytest.raises(ValueError, match=f"num_solver_timesteps={num_solver_timesteps}, num_train_timesteps=10"):
        solver_timesteps(10, num_solver_timesteps)


def test_inference_timesteps_of_the_published_model():
    # Places floor(i 50 / 3) = 0, 16, 33 below 999.
    actual = inference_timesteps(solver_timesteps(1000, 50), 3)
    assert_exact(actual, [999, 999 - 16 * 20, 999 - 33 * 20])


def test_inference_timesteps_take_all_or_the_highest():
    grid = solver_timesteps(10, 5)
    assert inference_timesteps(grid, 5).tolist() == [9, 7, 5, 3, 1]
    assert inference_timesteps(grid, 1).tolist() == [9]


def test_inference_timesteps_round_as_the_published_sampler_does():
    # There, the places are a float64 linspace rounded down. In exact arithmetic i N / num_inference_steps is sometimes
    # a whole number that float64 misses from below, as 11 * (30 / 22) = 15: the published place is then 14.
    assert inference_timesteps(torch.arange(30), 22)[11] == 29 - 14
    for num_solver_timesteps in range(1, 61):
        places = torch.arange(num_solver_timesteps)
        for num_inference_steps in range(1, num_solver_timesteps + 1):
            expected = np.floor(np.linspace(0, num_solver_timesteps, num_inference_steps, endpoint=False))
            actual = inference_timesteps(places, num_inference_steps)
            assert (num_solver_timesteps - 1 - actual).tolist() == expected.tolist()


def test_inference_timesteps_below_the_first_with_a_power():
    grid = solver_timesteps(1000, 10)
    # Places floor(10 sqrt(i / 4)) = 0, 5, 7, 8 below 999; floor(10 (i / 4)^2) = 0, 0, 2, 5, of which the second moves.
    assert inference_timesteps(grid, 4, power=0.5).tolist() == [999, 499, 299, 199]
    assert inference_timesteps(grid, 4, power=2.0).tolist() == [999, 899, 799, 499]
    assert inference_timesteps(grid, 1, power=0.5).tolist() == [999]
    for power in (0.1, 0.5, 1.0, 3.0):
        for num_inference_steps in range(1, 11):
            timesteps = inference_timesteps(grid, num_inference_steps, power)
            assert timesteps[0] == 999 and (timesteps.diff() < 0).all()
        assert torch.equal(timesteps, grid.flip(0))


@pytest.mark.parametrize("power", [0.0, -1.0, float("inf"), float("nan")])
def test_inference_timesteps_refuse_a_power(power):
    with pytest.raises(ValueError, match=f"power above 0, got power={power}"):
        inference_timesteps(solver_timesteps(10, 5), 2, power)


@pytest.mark.parametrize("num_inference_steps", [0, -1, 6])
def test_inference_timesteps_refuse_a_number_out_of_range(num_inference_steps):
    with pytest.raises(ValueError, match=f"<= 5, .*got num_inference_steps={num_inference_steps}"):
        inference_timesteps(solver_timesteps(10, 5), num_inference_steps)


def test_timesteps_are_on_the_cpu_whatever_the_default_device():
    with torch.device("meta"):
        assert solver_timesteps(10, 5).device.type == "cpu"


def test_mix_noise_by_hand():
    # sqrt(1 - .6^2) = .8: .8 * 10 + .6 * 5 = 11.
    eps_hat, noise = torch.tensor([10.0]), torch.tensor([5.0])
    torch.testing.assert_close(mix_noise(eps_hat, noise, 0.6), torch.tensor([11.0]))
    assert_exact(mix_noise(eps_hat, noise, 0.0), eps_hat)
    assert_exact(mix_noise(eps_hat, noise, 1.0), noise)


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_mix_noise_refuses_a_share_out_of_range(eta):
    with pytest.raises(ValueError, match=f"0 <= eta <= 1, got eta={eta}"):
        mix_noise(torch.zeros(1), torch.zeros(1), eta)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dynamic_threshold_by_hand(dtype):
    # The magnitudes sorted are 0 0 1 2 3 4: 3 lies at 4 / 5 of the way, so 4 is clipped to 3 and all are divided by 3.
    # The other sample has no magnitude above 1 and stays as it is.
    x0_hat = torch.tensor([[[0, -1, 2], [-3, 4, 0]], [[0.5, -1, 0.25], [0, 1, 0]]], dtype=dtype)
    expected = torch.tensor([[[0, -1 / 3, 2 / 3], [-1, 1, 0]], [[0.5, -1, 0.25], [0, 1, 0]]], dtype=dtype)
    actual = dynamic_threshold(x0_hat, 0.8, 10.0)
    torch.testing.assert_close(actual, expected)


def test_dynamic_threshold_is_bounded():
    # The quantile 1 of 0, 2, 8 is 8, bounded by 4; a bound below 1 holds as well.
    x0_hat = torch.tensor([[0.0, 2.0, -8.0]])
    torch.testing.assert_close(dynamic_threshold(x0_hat, 1.0, 4.0), torch.tensor([[0.0, 0.5, -1.0]]))
    torch.testing.assert_close(dynamic_threshold(0.1 * x0_hat, 1.0, 0.4), torch.tensor([[0.0, 0.5, -1.0]]))


def test_add_noise_and_velocity_by_hand():
    # sqrt(.64) = .8, sqrt(.36) = .6: .8 * 5 + .6 * 10 = 10 and .8 * 10 - .6 * 5 = 5.
    x0, noise = torch.tensor([5.0]), torch.tensor([10.0])
    torch.testing.assert_close(add_noise(x0, noise, 0.64), torch.tensor([10.0]))
    torch.testing.assert_close(velocity(x0, noise, 0.64), torch.tensor([5.0]))


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("alpha_prod_t", [0.5, torch.tensor(0.5), torch.tensor([0.1, 0.9])])
def test_a_perfect_prediction_gives_back_what_was_mixed(prediction_type, alpha_prod_t):
    x0, noise = torch.randn(2, 2, 20, 6, generator=torch.Generator().manual_seed(0))
    sample = add_noise(x0, noise, alpha_prod_t)
    perfect = {"epsilon": noise, "sample": x0, "v_prediction": velocity(x0, noise, alpha_prod_t)}[prediction_type]
    x0_hat = predicted_original_sample(perfect, sample, alpha_prod_t, prediction_type)
    eps_hat = predicted_noise(perfect, sample, alpha_prod_t, prediction_type)
    torch.testing.assert_close(x0_hat, x0, rtol=0, atol=2e-6)
    torch.testing.assert_close(eps_hat, noise, rtol=0, atol=2e-6)
    # A DDIM step with the perfect prediction lands on the same trajectory at another noise level.
    torch.testing.assert_close(ddim_step(x0_hat, eps_hat, 0.7), add_noise(x0, noise, 0.7), rtol=0, atol=4e-6)


@pytest.mark.parametrize("function", [predicted_original_sample, predicted_noise])
def test_predictions_refuse_an_unknown_type(function):
    with pytest.raises(ValueError, match="'flow'"):
        function(torch.zeros(1), torch.zeros(1), 0.5, "flow")


def test_velocity_works_at_both_ends_of_the_process():
    # At alpha_prod 0 (zero terminal SNR) v = -x0 and x_t = noise; at 1, v = noise and x_t = x0.
    x0, noise = torch.tensor([3.0, 3.0]), torch.tensor([7.0, 7.0])
    alpha_prod = torch.tensor([0.0, 1.0])
    sample, v = add_noise(x0, noise, alpha_prod), velocity(x0, noise, alpha_prod)
    assert_exact(predicted_original_sample(v, sample, alpha_prod, "v_prediction"), x0)
    assert_exact(predicted_noise(v, sample, alpha_prod, "v_prediction"), noise)


def test_the_samples_dtype_is_kept():
    half, single = torch.ones(2, 3, 4, dtype=torch.bfloat16), torch.ones(2, 3, 4)
    alphas = torch.tensor([0.5, 0.6])
    for a, b, dtype in [(half, half, torch.bfloat16), (half, single, torch.float32), (single, half, torch.float32)]:
        assert add_noise(a, b, alphas).dtype == dtype
        assert velocity(a, b, alphas).dtype == dtype
        assert guide(a, b, alphas).dtype == dtype
        assert consistency_function(a, b, alphas, alphas).dtype == dtype
        assert predicted_original_sample(a, b, alphas, "epsilon").dtype == dtype
        assert predicted_noise(a, b, alphas, "v_prediction").dtype == dtype


def test_a_distillation_target_of_the_published_model():
    # Noising and boundary scalings of four samples; all from the published model's own code.
    reference = load_file(REFERENCES / "sampler_distillation_schedule.safetensors")
    alphas_cumprod = load_file(REFERENCES / "sampler.safetensors")["alphas_cumprod"]
    grid = solver_timesteps(1000, 50)
    timesteps = grid[reference["solver_index"]]
    assert_exact(timesteps, reference["timestep"])
    noisy = add_noise(reference["latents"], reference["noise"], alphas_cumprod[timesteps])
    torch.testing.assert_close(noisy, reference["noisy_latents"], rtol=1e-6, atol=1e-6)
    for name, t in (("start", reference["timestep"]), ("end", reference["timestep_prev"])):
        c_skip, c_out = boundary_scalings(t)
        torch.testing.assert_close(c_skip, reference[f"c_skip_{name}"], rtol=1e-6, atol=0)
        torch.testing.assert_close(c_out, reference[f"c_out_{name}"], rtol=1e-6, atol=0)


# training


def test_dpm_solver_multistep_step_by_hand():
    # alpha / sigma is 1/2, 1 and 2 at the three timesteps, so h = ln 2 = h_before, and D = 1.5 * 2 - 0.5 * 1 = 2.5.
    # keep = sqrt(0.2 / 0.5), exp(-h) - 1 = -1/2: sqrt(0.4) * 1 + sqrt(0.8) / 2 * 2.5.
    before, now, then = (torch.tensor([value]) for value in (0.2, 0.5, 0.8))
    ones = torch.ones(1, 2, 3)
    arrived = dpm_solver_multistep_step(2 * ones, ones, ones, before, now, then)
    torch.testing.assert_close(arrived, ones * (math.sqrt(0.4) + 1.25 * math.sqrt(0.8)))


def test_dpm_solver_multistep_step_without_a_change_is_ddim():
    generator = torch.Generator().manual_seed(0)
    x0_hat, eps_hat = torch.randn(2, 2, 3, 4, generator=generator)
    now, then = torch.tensor([0.3, 0.5]), torch.tensor([0.6, 0.9])
    sample = add_noise(x0_hat, eps_hat, now)
    expected = ddim_step(x0_hat, eps_hat, then)
    torch.testing.assert_close(dpm_solver_multistep_step(x0_hat, x0_hat, sample, now / 2, now, then), expected)
    # Nor is there anything to extrapolate where the step before led nowhere.
    torch.testing.assert_close(dpm_solver_multistep_step(x0_hat, eps_hat, sample, now, now, then), expected)


def test_min_snr_weights_by_hand():
    # Signal-to-noise ratios 1/4, 4 and 9; with gamma 5, the last one counts as 5.
    alphas = torch.tensor([0.2, 0.8, 0.9])
    torch.testing.assert_close(min_snr_weights(alphas, 5.0, "sample"), torch.tensor([0.25, 4.0, 5.0]))
    torch.testing.assert_close(min_snr_weights(alphas, 5.0), torch.tensor([1.0, 1.0, 5 / 9]))
    torch.testing.assert_close(min_snr_weights(alphas, 5.0, "v_prediction"), torch.tensor([0.2, 0.8, 0.5]))
    with pytest.raises(ValueError, match="gamma=0"):
        min_snr_weights(alphas, 0)


def test_pseudo_huber_loss_by_hand():
    # sqrt(4^2 + 3^2) - 3 = 2; and the mean of 2 and sqrt(0 + 9) - 3 = 0 is 1.
    assert_exact(pseudo_huber_loss(torch.tensor([4.0]), torch.tensor([0.0]), 3.0), 2.0)
    assert_exact(pseudo_huber_loss(torch.tensor([4.0, 5.0]), torch.tensor([0.0, 5.0]), 3.0), 1.0)


def test_pseudo_huber_loss_resolves_c_in_half_precision():
    # d = 0 gives exactly 0, d = c gives (sqrt 2 - 1) c; in bfloat16 1 + 1e-6 would have lost the term.
    pred = torch.tensor([1.0], dtype=torch.bfloat16)
    assert pseudo_huber_loss(pred, pred).item() == pytest.approx(0.0, abs=1e-9)
    pred = torch.tensor([2.0**-10], dtype=torch.bfloat16)
    loss = pseudo_huber_loss(pred, torch.zeros_like(pred), c=2.0**-10)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((math.sqrt(2) - 1) * 2**-10, rel=1e-5)


def test_pseudo_huber_loss_has_a_finite_gradient_at_zero():
    pred = torch.zeros(3, requires_grad=True)
    pseudo_huber_loss(pred, torch.zeros(3)).backward()
    assert pred.grad.tolist() == [0.0, 0.0, 0.0]


def test_pseudo_huber_loss_refuses_bad_input():
    with pytest.raises(ValueError, match="c > 0, got c=0.0"):
        pseudo_huber_loss(torch.zeros(1), torch.zeros(1), c=0.0)
    with pytest.raises(ValueError, match=r"pred of \(2, 1\), target of \(2,\)"):
        pseudo_huber_loss(torch.zeros(2, 1), torch.zeros(2))


def test_update_ema_by_hand():
    # 3/4 * 8 + 1/4 * 4 = 7, exact in binary.
    target, source = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    for module, value in ((target, 8.0), (source, 4.0)):
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, value)
    update_ema(target.parameters(), source.parameters(), 0.75)
    assert all((parameter == 7.0).all() for parameter in target.parameters())
    assert all((parameter == 4.0).all() for parameter in source.parameters())
    assert all(parameter.grad_fn is None and parameter.requires_grad for parameter in target.parameters())


def test_update_ema_at_its_ends():
    target, source = [torch.tensor([1.0, 2.0])], [torch.tensor([3.0, 5.0])]
    update_ema(target, source, 1.0)
    assert target[0].tolist() == [1.0, 2.0]
    update_ema(target, source, 0.0)
    assert target[0].tolist() == [3.0, 5.0]


def test_update_ema_of_a_float32_target_from_a_half_precision_source():
    target = [torch.zeros(2), torch.zeros(3)]
    source = [torch.ones(2, dtype=torch.bfloat16), torch.ones(3)]
    update_ema(target, source, 0.5)
    assert [parameter.tolist() for parameter in target] == [[0.5] * 2, [0.5] * 3]
    assert all(parameter.dtype == torch.float32 for parameter in target)


def test_update_ema_refuses_what_does_not_match():
    target = [torch.zeros(2)]
    before = copy.deepcopy(target)
    with pytest.raises(ValueError, match="got 2 and 1"):
        update_ema(target, [torch.ones(2)] * 2, 0.5)
    with pytest.raises(ValueError, match=r"target \(2,\) and source \(1,\) at position 0"):
        update_ema(target, [torch.ones(1)], 0.5)
    with pytest.raises(ValueError, match="decay=1.5"):
        update_ema(target, [torch.ones(2)], 1.5)
    assert_exact(target[0], before[0])


def test_the_equations_compile_without_a_graph_break():
    def step(model_output, sample, alpha_prod_t, timesteps, w):
        c_skip, c_out = boundary_scalings(timesteps)
        x0_hat = predicted_original_sample(model_output, sample, alpha_prod_t, "epsilon")
        guided = guide(x0_hat, sample, w)
        return consistency_function(sample, guided, c_skip, c_out), guidance_embedding(w, 8)

    compiled = torch.compile(step, fullgraph=True, backend="eager")
    arguments = (
        torch.ones(2, 3, 4),
        torch.zeros(2, 3, 4),
        torch.tensor([0.3, 0.6]),
        torch.tensor([9, 3]),
        torch.rand(2),
    )
    for actual, expected in zip(compiled(*arguments), step(*arguments)):
        assert_exact(actual, expected)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch

from audiolcm_diffusers.evaluation.bootstrap import bootstrap, mean_over_prompts, ratio_over_prompts
from audiolcm_diffusers.evaluation.frechet import frechet_distance_of_features


def mean_of(values):
    return lambda indices: float(values[indices].mean())


def test_interval_contains_the_mean_and_is_reproducible():
    values = np.random.default_rng(0).standard_normal(50)
    value, low, high = bootstrap(mean_of(values), 50, 100, seed=3)
    assert value == values.mean()
    assert low < value < high
    assert bootstrap(mean_of(values), 50, 100, seed=3) == (value, low, high)
    assert bootstrap(mean_of(values), 50, 100, seed=4) != (value, low, high)


def test_width_is_that_of_a_normal_distribution():
    # The mean of n values is spread by their deviation over sqrt(n), and 95 % of it lie within 1.96 times that.
    values = np.random.default_rng(0).standard_normal(400)
    value, low, high = bootstrap(mean_of(values), 400, 2000, seed=0)
    half_width = 1.96 * values.std() / 20
    assert (value - low, high - value) == (pytest.approx(half_width, rel=0.1), pytest.approx(half_width, rel=0.1))
    _, low_half, high_half = bootstrap(mean_of(values), 400, 2000, seed=0, confidence=0.5)
    assert high_half - low_half == pytest.approx((high - low) * 0.6745 / 1.96, rel=0.1)


def test_constant_clips_have_no_width():
    assert bootstrap(mean_of(np.full(5, 2.0)), 5, 10, seed=0) == (2.0, 2.0, 2.0)


def test_interval_of_a_biased_statistic_contains_it():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(30, 8, generator=generator) for _ in range(2))

    def distance(indices):
        return frechet_distance_of_features(one[indices], other[indices])

    draws = np.random.default_rng(0).integers(30, size=(50, 30))
    value, low, high = bootstrap(distance, 30, 50, seed=0)
    # Nearly all draws lie above the distance itself: the bias that is taken off.
    assert np.mean([distance(indices) > value for indices in draws]) > 0.9
    assert low <= value <= high


@pytest.mark.parametrize(("options", "told"), [((0, 5), "0 clips"), ((5, 0), "0 draws")])
def test_nothing_to_draw_is_refused(options, told):
    with pytest.raises(ValueError, match=told):
        bootstrap(mean_of(np.ones(5)), *options, seed=0)
    with pytest.raises(ValueError, match="got 1.0"):
        bootstrap(mean_of(np.ones(5)), 5, 5, seed=0, confidence=1.0)


def test_means_over_prompts():
    estimate = mean_over_prompts([1.0, 2.0, 6.0], num_resamples=50, seed=0)
    assert estimate["value"] == pytest.approx(3.0) and estimate["num_prompts"] == 3
    assert estimate["low"] <= 3.0 <= estimate["high"]


def test_a_ratio_of_means_draws_both_values_of_a_prompt():
    # Each prompt's ratio is 2: so is that of every draw, however different the prompts are.
    estimate = ratio_over_prompts([2.0, 20.0, 6.0], [1.0, 10.0, 3.0], num_resamples=50, seed=0)
    assert [estimate[name] for name in ("low", "value", "high")] == pytest.approx([2.0] * 3)
    # Of means, (1 + 3) / (1 + 1), not the mean of ratios.
    assert ratio_over_prompts([1.0, 3.0], [0.5, 1.5], 10, 0)["value"] == pytest.approx(2.0)
    with pytest.raises(ValueError, match="positive denominators, got 0"):
        ratio_over_prompts([1.0], [0.0], 10, 0)
    with pytest.raises(ValueError, match="got 2 and 1 values"):
        ratio_over_prompts([1.0, 2.0], [1.0], 10, 0)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import numpy as np
import pytest
import torch

from audiolcm_diffusers.evaluation.kernel_distance import (
    SCALE,
    KernelAudioDistance,
    gaussian_kernel,
    kernel_audio_distance,
    median_distance,
)


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def normal(rng, mean, deviation, num, dim=1):
    return torch.from_numpy(rng.normal(mean, deviation, size=(num, dim)))


def test_the_bandwidth_is_the_median_distance_of_two_references():
    # Distances 1, 4, 5.
    assert median_distance(column(0, 1, 5)) == 4.0
    # Distances 1, 2, 3, 4, 6, 7: half way between 3 and 4. Distances to oneself, 0, do not count.
    assert median_distance(column(0, 1, 3, 7)) == 3.5
    # Sides 3, 4 and 5 of a triangle.
    assert median_distance(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])) == 4.0


def test_kernel():
    kernel = gaussian_kernel(column(0, 3), column(0, 1, 5), bandwidth=2.0)
    expected = [[math.exp(-(d**2) / 8) for d in row] for row in ((0, 1, 5), (3, 2, 2))]
    assert kernel.tolist() == [pytest.approx(row) for row in expected]


def test_sets_of_a_few_points():
    # Within {0, 2} and {1, 3} one pair each, 2 apart; across, distances 1, 3, 1 and 1.
    expected = 2 * math.exp(-2) - 2 * (3 * math.exp(-1 / 2) + math.exp(-9 / 2)) / 4
    assert kernel_audio_distance(column(0, 2), column(1, 3), bandwidth=1.0) == pytest.approx(SCALE * expected)
    # Of {0, 0, 2} three pairs, 0, 2 and 2 apart; of {1, 1} one, 0 apart; across, all are 1 apart.
    expected = (1 + 2 * math.exp(-2)) / 3 + 1 - 2 * math.exp(-1 / 2)
    assert kernel_audio_distance(column(0, 0, 2), column(1, 1), bandwidth=1.0) == pytest.approx(SCALE * expected)
    # The bandwidth is of the first set, 2: pairs are 1 and 2 bandwidths apart, and those across too far to count.
    expected = math.exp(-1 / 2) + math.exp(-2)
    assert kernel_audio_distance(column(0, 2), column(100, 104)) == pytest.approx(SCALE * expected)
    assert SCALE == 100.0


@pytest.mark.parametrize(
    ("mean", "deviation", "dim"), [(0.0, 1.0, 1), (1.0, 1.0, 1), (0.0, 2.0, 1), (0.5, 1.5, 3)], ids=str
)
def test_the_estimate_is_unbiased(mean, deviation, dim):
    # For x - y normal with mean D and variance v in each of d dimensions, E exp(-|x - y|^2 / 2 s^2) is
    # (s^2 / (s^2 + v))^(d/2) exp(-d D^2 / (2 (s^2 + v))).
    bandwidth, num_clips, num_sets = 1.5, 12, 1500

    def expected_kernel(difference, variance):
        total = bandwidth**2 + variance
        return (bandwidth**2 / total) ** (dim / 2) * math.exp(-dim * difference**2 / (2 * total))

    exact = (
        expected_kernel(0.0, 2.0)
        + expected_kernel(0.0, 2 * deviation**2)
        - 2 * expected_kernel(mean, 1 + deviation**2)
    )
    rng = np.random.default_rng(0)
    estimates = [
        kernel_audio_distance(
            normal(rng, 0.0, 1.0, num_clips, dim), normal(rng, mean, deviation, num_clips, dim), bandwidth
        )
        for _ in range(num_sets)
    ]
    error = np.std(estimates) / math.sqrt(num_sets)
    assert np.mean(estimates) == pytest.approx(SCALE * exact, abs=3 * error)
    # A sum that counted each clip as a pair with itself would be off by more: (2 - E k(x, x') - E k(y, y')) / n.
    bias = SCALE * (2 - expected_kernel(0.0, 2.0) - expected_kernel(0.0, 2 * deviation**2)) / num_clips
    assert bias > 6 * error
    if mean == 0.0 and deviation == 1.0:
        assert min(estimates) < 0.0 < max(estimates)


def test_a_set_is_below_0_from_itself():
    # Distances 1, 3 and 4, of median 3. Of the nine pairs across, three are of a clip and its copy.
    within = sum(math.exp(-((d / 3) ** 2) / 2) for d in (1, 3, 4)) / 3
    assert kernel_audio_distance(column(0, 1, 4), column(0, 1, 4)) == pytest.approx(-SCALE * 2 / 3 * (1 - within))


def test_what_does_not_change_it():
    rng = np.random.default_rng(1)
    a, b = normal(rng, 0.0, 1.0, 9, dim=4), normal(rng, 0.5, 1.0, 7, dim=4)
    distance = kernel_audio_distance(a, b)
    rotation = torch.linalg.qr(normal(rng, 0.0, 1.0, 4, dim=4)).Q
    for one, other in (
        (a.flip(0), b[torch.randperm(7, generator=torch.Generator().manual_seed(0))]),  # the order of clips
        (a + 3.0, b + 3.0),
        (a @ rotation, b @ rotation),
        (a * 10.0, b * 10.0),  # the bandwidth grows with them
    ):
        assert kernel_audio_distance(one, other) == pytest.approx(distance, rel=1e-9)
    bandwidth = median_distance(a)
    assert kernel_audio_distance(b, a, bandwidth) == pytest.approx(distance)
    assert kernel_audio_distance(b, a) != pytest.approx(distance)


def test_draws_are_sets_with_repeated_clips():
    rng = np.random.default_rng(2)
    a, b = normal(rng, 0.0, 1.0, 6, dim=3), normal(rng, 1.0, 1.0, 6, dim=3)
    distance = KernelAudioDistance(a, b)
    drawn = torch.tensor([5, 0, 0, 3, 3, 3])
    expected = kernel_audio_distance(a[drawn], b[drawn], bandwidth=median_distance(a))
    assert distance(drawn) == pytest.approx(expected)
    assert distance(torch.arange(6)) == pytest.approx(distance())


@pytest.mark.parametrize(
    ("references", "sounds", "told"),
    [
        (column(0), column(0, 1), r"two references or more, got shape \(1, 1\)"),
        (column(0, 1), column(0), r"two sounds or more, got shape \(1, 1\)"),
        (column(0, math.nan), column(0, 1), "finite features of references"),
        (column(0, 1), column(0, math.inf), "finite features of sounds"),
        (torch.zeros(2, 3), torch.zeros(2, 4), r"one dimension, got shapes \(2, 3\) and \(2, 4\)"),
        (
            column(2, 2, 2, 2),
            column(0, 1),
            "whose features differ, got a median distance of 0 over 6 pairs",
        ),
        # One clip of five is another: six of the ten distances are 0.
        (column(2, 2, 2, 2, 3), column(0, 1), "median distance of 0 over 10 pairs"),
    ],
)
def test_what_has_no_distance_is_refused(references, sounds, told):
    with pytest.raises(ValueError, match=told):
        kernel_audio_distance(references, sounds)


def test_a_bandwidth_is_positive():
    with pytest.raises(ValueError, match="bandwidth above 0, got 0.0"):
        kernel_audio_distance(column(0, 1), column(0, 1), bandwidth=0.0)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from audiolcm_diffusers.evaluation.frechet import (
    check_num_clips,
    frechet_distance,
    frechet_distance_of_features,
    gaussian_of,
)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def random_covariance(dim, generator):
    factor = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    return factor @ factor.T / dim


def test_distance_of_independent_dimensions():
    # Each dimension adds (m - m')^2 + (s - s')^2: (1 + 4) + (0 + 9) + (4 + 0).
    means = torch.tensor([0.0, 5.0, 1.0]), torch.tensor([1.0, 5.0, 3.0])
    deviations = torch.tensor([1.0, 4.0, 2.0]), torch.tensor([3.0, 1.0, 2.0])
    covs = [torch.diag(deviation.square()) for deviation in deviations]
    assert frechet_distance(means[0], covs[0], means[1], covs[1]) == pytest.approx(18.0, abs=1e-10)


def test_distance_of_commuting_covariances_is_that_of_their_eigenvalues(generator):
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    covs = [rotation @ torch.diag(torch.tensor(v, dtype=torch.float64)) @ rotation.T for v in ([1, 16, 4], [9, 1, 4])]
    mean = torch.zeros(3)
    # (1 - 3)^2 + (4 - 1)^2 + 0.
    assert frechet_distance(mean, covs[0], mean, covs[1]) == pytest.approx(13.0, abs=1e-10)


def test_distance_agrees_with_the_square_root_of_the_product(generator):
    covs = [random_covariance(12, generator) for _ in range(2)]
    means = [torch.randn(12, generator=generator, dtype=torch.float64) for _ in range(2)]
    root = np.real(sqrtm((covs[0] @ covs[1]).numpy()))
    expected = float((means[0] - means[1]).square().sum() + covs[0].trace() + covs[1].trace()) - 2 * np.trace(root)
    assert frechet_distance(means[0], covs[0], means[1], covs[1]) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(means[1], covs[1], means[0], covs[0]) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances():
    # Along one line each, at right angles: nothing of the product is left, and the traces add up. Then the same line.
    line, other = torch.diag(torch.tensor([4.0, 0.0])), torch.diag(torch.tensor([0.0, 9.0]))
    mean = torch.zeros(2)
    assert frechet_distance(mean, line, mean, other) == pytest.approx(13.0, abs=1e-12)
    assert frechet_distance(mean, line, mean, 4 * line) == pytest.approx((2.0 - 4.0) ** 2, abs=1e-12)
    assert frechet_distance(mean, line, mean, torch.zeros(2, 2)) == pytest.approx(4.0, abs=1e-12)
    assert frechet_distance(mean, line, mean, line) == pytest.approx(0.0, abs=1e-12)


def test_gaussian_of_features():
    # 0 and 2 have the mean 1 and the unbiased variance 2; 4 and 4 have 4 and 0: 9 + 2 + 0.
    one, other = torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [4.0]])
    mean, cov = gaussian_of(one)
    assert (mean.item(), cov.item()) == (1.0, pytest.approx(2.0))
    assert frechet_distance_of_features(one, other) == pytest.approx(11.0)


@pytest.mark.parametrize("num_clips", [5, 8, 40])
def test_distance_of_features_is_that_of_their_gaussians(num_clips, generator):
    one = torch.randn(num_clips, 8, generator=generator)
    other = torch.randn(num_clips + 3, 8, generator=generator) * 2.0 + 1.0
    expected = frechet_distance(*gaussian_of(one), *gaussian_of(other))
    assert torch.allclose(gaussian_of(one)[1], torch.cov(one.double().T))
    assert frechet_distance_of_features(one, other) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance_of_features(one, one) == pytest.approx(0.0, abs=1e-12)


def test_too_few_clips_are_told_how_many_are_needed():
    check_num_clips(17, 16)
    with pytest.raises(ValueError, match="16 dimensions need at least 17 clips .* got 16"):
        check_num_clips(16, 16)


def test_what_is_no_gaussian_is_refused():
    mean, cov = torch.zeros(2), torch.eye(2)
    with pytest.raises(ValueError, match=r"shape \(2, 2\), got \(2,\) and \(3, 3\)"):
        frechet_distance(mean, cov, mean, torch.eye(3))
    with pytest.raises(ValueError, match="symmetric"):
        frechet_distance(mean, cov, mean, torch.tensor([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="got one of -1"):
        frechet_distance(mean, cov, mean, torch.diag(torch.tensor([1.0, -1.0])))
    with pytest.raises(ValueError, match="two clips or more"):
        gaussian_of(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="NaN"):
        gaussian_of(torch.tensor([[0.0], [torch.nan]]))
    with pytest.raises(ValueError, match="one dimension"):
        frechet_distance_of_features(torch.zeros(2, 2), torch.zeros(2, 3))

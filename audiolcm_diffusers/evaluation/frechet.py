# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Fréchet distance of Gaussians (Heusel et al., arXiv:1706.08500), of audio features the FAD of arXiv:1812.08466:

`d^2 = |mean_a - mean_b|^2 + tr(cov_a) + tr(cov_b) - 2 tr((cov_a cov_b)^(1/2))`

The last trace is computed without a matrix square root of the product, which is ill-conditioned where a covariance is
singular: with `cov_a = root_a^T root_a` and `cov_b = root_b^T root_b`, the eigenvalues of `cov_a cov_b` are the
squared singular values of `root_a root_b^T`, so that the trace is the sum of these singular values.
"""

import torch


def gaussian_of(features):
    r"""
    Fit a Gaussian.

    Args:
        features (`torch.Tensor` of shape `(num_clips, dim)`): A row a clip.

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: Mean of shape `(dim,)` and unbiased covariance of shape `(dim, dim)`,
        float64.

    Raises:
        ValueError: If there are fewer than two clips, or features are not finite.
    """
    mean, root = _mean_and_root(features)
    return mean, root.T @ root


def frechet_distance(mean_a, cov_a, mean_b, cov_b):
    r"""
    Squared Fréchet distance of two Gaussians, which is what FID and FAD report.

    Args:
        mean_a, mean_b (`torch.Tensor` of shape `(dim,)`): Means.
        cov_a, cov_b (`torch.Tensor` of shape `(dim, dim)`): Covariances, symmetric; they may be singular.

    Returns:
        `float`: At least 0 but for rounding.

    Raises:
        ValueError: If shapes do not fit, or a covariance is not symmetric or has a negative eigenvalue.
    """
    mean_a, mean_b = mean_a.double(), mean_b.double()
    dim = mean_a.shape[0]
    for mean, cov in ((mean_a, cov_a), (mean_b, cov_b)):
        if mean.shape != (dim,) or cov.shape != (dim, dim):
            raise ValueError(
                f"Expected means of shape ({dim},) and covariances of shape ({dim}, {dim}), got {tuple(mean.shape)} "
                f"and {tuple(cov.shape)}."
            )
    return _distance(mean_a, _root_of(cov_a), mean_b, _root_of(cov_b))


def frechet_distance_of_features(features_a, features_b):
    r"""
    [`frechet_distance`] of the Gaussians fitted to two sets of features, without forming their covariances.

    With no more clips than dimensions it is still the distance of the two fitted Gaussians, but these say little about
    where the features come from: see [`check_num_clips`].

    Args:
        features_a (`torch.Tensor` of shape `(num_clips_a, dim)`): A row a clip.
        features_b (`torch.Tensor` of shape `(num_clips_b, dim)`): The other set.

    Returns:
        `float`: At least 0 but for rounding.

    Raises:
        ValueError: If a set has fewer than two clips or features that are not finite, or if dimensions differ.
    """
    if features_a.shape[1:] != features_b.shape[1:]:
        raise ValueError(
            f"Expected features of one dimension, got shapes {tuple(features_a.shape)} and {tuple(features_b.shape)}."
        )
    return _distance(*_mean_and_root(features_a), *_mean_and_root(features_b))


def check_num_clips(num_clips, dim, what="clips"):
    r"""
    Refuse fewer clips than a covariance of full rank needs: `n` clips span at most `n - 1` dimensions around their
    mean, and what lies outside of them would count as distance zero or as all of it, by chance.

    Args:
        num_clips (`int`): Clips that a Gaussian is fitted to.
        dim (`int`): Dimension of the features.
        what (`str`, defaults to `"clips"`): What the error calls them.

    Raises:
        ValueError: If `num_clips <= dim`; the message says how many are needed.
    """
    if num_clips <= dim:
        raise ValueError(
            f"Features of {dim} dimensions need at least {dim + 1} {what} for a covariance of full rank, got "
            f"{num_clips}."
        )


def _mean_and_root(features):
    """Mean, and a matrix of at most `dim` rows whose product with itself is the covariance."""
    features = features.double()
    if features.ndim != 2 or features.shape[0] < 2:
        raise ValueError(f"Expected features of two clips or more, got shape {tuple(features.shape)}.")
    if not torch.isfinite(features).all():
        raise ValueError("Expected finite features, got NaN or infinite values.")
    mean = features.mean(dim=0)
    centred = (features - mean) / (features.shape[0] - 1) ** 0.5
    # X^T X = R^T R, with fewer rows where there are more clips than dimensions.
    return mean, torch.linalg.qr(centred, mode="r").R if centred.shape[0] > centred.shape[1] else centred


def _root_of(cov):
    cov = cov.double()
    scale = cov.diagonal().abs().max()
    if not torch.allclose(cov, cov.T, rtol=0.0, atol=1e-8 * float(scale)):
        raise ValueError("Expected a symmetric covariance.")
    values, vectors = torch.linalg.eigh(cov)
    if values[0] < -1e-8 * scale:
        raise ValueError(f"Expected a covariance without negative eigenvalues, got one of {values[0].item():.3g}.")
    # What is below zero now is rounding.
    return (vectors * values.clamp(min=0.0).sqrt()).T


def _distance(mean_a, root_a, mean_b, root_b):
    trace = torch.linalg.svdvals(root_a @ root_b.T).sum()
    return float((mean_a - mean_b).square().sum() + root_a.square().sum() + root_b.square().sum() - 2.0 * trace)

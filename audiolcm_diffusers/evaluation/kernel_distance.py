# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Kernel audio distance (KAD, arXiv:2502.15602): the squared maximum mean discrepancy (Gretton et al., JMLR 13, 2012) of
two sets of features, by its unbiased estimator

`MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)`

with the Gaussian kernel `k(x, y) = exp(-|x - y|^2 / (2 sigma^2))`, whose bandwidth `sigma` is the median distance of
two references. It fits no Gaussian and needs no covariance, so that fewer sounds suffice than for a Fréchet distance.
Being unbiased, it is 0 in the mean, and often negative, where both sets come independently from one distribution.
Copies are not independent: a set of `n` is at `-(2 / n) (1 - mean_{i != j} k(x_i, x_j))` from itself, below 0.
"""

import numpy as np
import torch


# For people to read: as the paper's toolkit reports it.
SCALE = 100.0


def median_distance(features):
    r"""
    The bandwidth: the median Euclidean distance of two different rows.

    Args:
        features (`torch.Tensor` of shape `(num_clips, dim)`): A row a reference.

    Returns:
        `float`: Positive. Of an even number of pairs, the mean of the middle two.

    Raises:
        ValueError: If there are fewer than two rows, they are not finite, or half of the pairs or more are equal.
    """
    distances = torch.pdist(_checked(features, "references")).numpy()
    median = float(np.median(distances))
    if median <= 0.0:
        raise ValueError(
            f"Expected references whose features differ, got a median distance of {median:g} over {len(distances)} "
            "pairs: a kernel of that bandwidth tells nothing apart, so that there is no KAD."
        )
    return median


def gaussian_kernel(features_a, features_b, bandwidth):
    r"""
    `exp(-|a - b|^2 / (2 bandwidth^2))` of every pair of rows.

    Args:
        features_a (`torch.Tensor` of shape `(num_a, dim)`): A row a clip.
        features_b (`torch.Tensor` of shape `(num_b, dim)`): The other set.
        bandwidth (`float`): Positive.

    Returns:
        `torch.Tensor` of shape `(num_a, num_b)`: float64, in `[0, 1]`.
    """
    distances = torch.cdist(features_a.double(), features_b.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return torch.exp(-distances.square() / (2.0 * bandwidth**2))


class KernelAudioDistance:
    r"""
    KAD of two sets of features, and of draws from them: the kernel of all pairs is computed once.

    Args:
        references (`torch.Tensor` of shape `(num_references, dim)`): A row a reference.
        sounds (`torch.Tensor` of shape `(num_sounds, dim)`): A row a sound.
        bandwidth (`float`, *optional*): Of the kernel; by default [`median_distance`] of the references.

    Raises:
        ValueError:
            If either has fewer than two rows or some that are not finite, dimensions differ, or the bandwidth is not
            positive.
    """

    def __init__(self, references, sounds, bandwidth=None):
        references, sounds = _checked(references, "references"), _checked(sounds, "sounds")
        if references.shape[1] != sounds.shape[1]:
            raise ValueError(
                f"Expected features of one dimension, got shapes {tuple(references.shape)} and {tuple(sounds.shape)}."
            )
        self.bandwidth = median_distance(references) if bandwidth is None else bandwidth
        if not self.bandwidth > 0.0:
            raise ValueError(f"Expected a bandwidth above 0, got {self.bandwidth}.")
        self._references = gaussian_kernel(references, references, self.bandwidth)
        self._sounds = gaussian_kernel(sounds, sounds, self.bandwidth)
        self._across = gaussian_kernel(references, sounds, self.bandwidth)

    def __call__(self, drawn=None):
        r"""
        The distance.

        Args:
            drawn (`torch.Tensor`, *optional*):
                Numbers of rows, the same of references and sounds; they may repeat. By default each row once.

        Returns:
            `float`: `SCALE` times the unbiased estimate of MMD^2.
        """
        times_a, times_b = (
            torch.ones(size, dtype=torch.float64) if drawn is None else torch.bincount(drawn, minlength=size).double()
            for size in self._across.shape
        )
        across = times_a @ self._across @ times_b / (times_a.sum() * times_b.sum())
        return SCALE * float(
            _mean_of_pairs(self._references, times_a) + _mean_of_pairs(self._sounds, times_b) - 2.0 * across
        )


def kernel_audio_distance(references, sounds, bandwidth=None):
    r"""
    KAD of two sets of features.

    Args:
        references, sounds, bandwidth: See [`KernelAudioDistance`].

    Returns:
        `float`: `SCALE`, that is 100, times the unbiased estimate of MMD^2. It may be negative.

    Example:

    ```python
    >>> import torch
    >>> from audiolcm_diffusers.evaluation.kernel_distance import kernel_audio_distance
    >>> near, far = torch.tensor([[0.0], [1.0]]), torch.tensor([[100.0], [101.0]])
    >>> round(kernel_audio_distance(near, far), 2)  # both pairs are 1 = sigma apart: 100 * 2 exp(-1 / 2)
    121.31
    ```
    """
    return KernelAudioDistance(references, sounds, bandwidth)()


def _mean_of_pairs(kernel, times):
    """Mean over pairs of two different draws; what was drawn twice is a pair of equal ones."""
    number = times.sum()
    return (times @ kernel @ times - times @ kernel.diagonal()) / (number * (number - 1.0))


def _checked(features, what):
    features = features.double()
    if features.ndim != 2 or features.shape[0] < 2:
        raise ValueError(f"KAD needs features of two {what} or more, got shape {tuple(features.shape)}.")
    if not torch.isfinite(features).all():
        raise ValueError(f"Expected finite features of {what}, got NaN or infinite values.")
    return features

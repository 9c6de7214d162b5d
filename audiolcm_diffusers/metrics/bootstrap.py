# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Bootstrap confidence intervals over clips."""

import numpy as np


def bootstrap(statistic, num_clips, num_resamples, seed, confidence=0.95):
    r"""
    A statistic of clips, and the interval in which that of as many other clips would lie.

    Clips are drawn with replacement, and the statistic is computed of each draw. Draws repeat clips, which biases
    Fréchet distances upwards and inception scores downwards; so the draws are shifted until their median lies on the
    statistic of the clips themselves, and only their spread counts.

    Args:
        statistic (`Callable[[numpy.ndarray], float]`): The statistic of the clips of given numbers.
        num_clips (`int`): Clips in all.
        num_resamples (`int`): Draws.
        seed (`int`): Seed of the draws. Statistics of as many clips see the same draws.
        confidence (`float`, defaults to 0.95): Share of the draws within the interval.

    Returns:
        `tuple[float, float, float]`: The statistic, and the lower and upper end of its interval.

    Raises:
        ValueError: If there is no clip or draw, or the confidence is not between 0 and 1.
    """
    if num_clips < 1 or num_resamples < 1:
        raise ValueError(f"Expected a clip and a draw at least, got {num_clips} clips and {num_resamples} draws.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"Expected 0 < confidence < 1, got {confidence}.")
    generator = np.random.default_rng(seed)
    draws = [statistic(generator.integers(num_clips, size=num_clips)) for _ in range(num_resamples)]
    low, median, high = np.quantile(draws, [(1 - confidence) / 2, 0.5, (1 + confidence) / 2])
    value = statistic(np.arange(num_clips))
    return float(value), float(value + low - median), float(value + high - median)

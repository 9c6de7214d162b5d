# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Bootstrap confidence intervals over clips and over prompts."""

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


def mean_over_prompts(values, num_resamples, seed, confidence=0.95):
    r"""
    A mean over prompts with its bootstrap interval: takes of one prompt are not independent, so prompts are drawn.

    Args:
        values (`Sequence[float]`): One a prompt.
        num_resamples, seed, confidence: See [`bootstrap`].

    Returns:
        `dict`: `value`, `low` and `high` end of its interval, and `num_prompts`.
    """
    values = np.asarray(values, dtype=np.float64)
    return _estimate(lambda drawn: float(values[drawn].mean()), len(values), num_resamples, seed, confidence)


def ratio_over_prompts(numerators, denominators, num_resamples, seed, confidence=0.95):
    r"""
    Ratio of two means over the same prompts, with its bootstrap interval: a prompt's two values are drawn together.

    Args:
        numerators, denominators (`Sequence[float]`): One a prompt.
        num_resamples, seed, confidence: See [`bootstrap`].

    Returns:
        `dict`: As of [`mean_over_prompts`].

    Raises:
        ValueError: If there are more of one than of the other, or a denominator is not positive.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if above.shape != below.shape:
        raise ValueError(f"Expected two values of each prompt, got {len(above)} and {len(below)} values.")
    if not (below > 0).all():
        raise ValueError(f"Expected positive denominators, got {below.min():g}.")

    def ratio(drawn):
        return float(above[drawn].mean() / below[drawn].mean())

    return _estimate(ratio, len(above), num_resamples, seed, confidence)


def _estimate(statistic, num_prompts, num_resamples, seed, confidence):
    value, low, high = bootstrap(statistic, num_prompts, num_resamples, seed, confidence)
    return {"value": value, "low": low, "high": high, "num_prompts": num_prompts}

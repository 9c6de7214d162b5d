# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How loud sounds are, and how they begin and end."""

import math

import numpy as np

from .options import END_S, NEXT_S, min_samples_of_ends


# Digital silence has no level. What lies below this is less than one sample in ten thousand of the lowest bit of 16.
LOWEST_LEVEL_DB = -130.0
# Nearer to full scale than half a step of 16 bits cannot be told from being cut there.
CLIPPED = 1.0 - 1.0 / 32768


def level_db(waveform):
    r"""
    Level of a sound.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float, full scale is 1.

    Returns:
        `float`: Root mean square in decibels of full scale, at least `LOWEST_LEVEL_DB`.
    """
    power = float(waveform.double().square().mean())
    return max(LOWEST_LEVEL_DB, 10.0 * math.log10(power)) if power > 0 else LOWEST_LEVEL_DB


def loudest_db(waveform, sampling_rate):
    r"""
    Level of the loudest 100 ms, which does not depend on how much silence follows a short sound.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float, full scale is 1. A shorter one counts as a whole.
        sampling_rate (`int`): Samples per second.

    Returns:
        `float`: As of [`level_db`].
    """
    window = min(round(NEXT_S * sampling_rate), waveform.shape[0])
    return max(map(level_db, waveform.unfold(0, window, max(1, window // 10))))


def level_difference_db(levels, real_levels):
    r"""
    How much louder sounds are than recordings of the same: the median over prompts of the difference between the
    median level of a prompt's sounds and the median level of its recordings.

    Args:
        levels (`dict[str, Sequence[float]]`): Of each prompt, levels of its sounds in dB.
        real_levels (`dict[str, Sequence[float]]`): Of each prompt, levels of its recordings in dB.

    Returns:
        `float`: dB, positive where sounds are louder.

    Raises:
        KeyError: If a prompt has no recording.
    """
    return float(np.median([np.median(levels[prompt]) - np.median(real_levels[prompt]) for prompt in levels]))


def clipped_share(waveform):
    r"""`float`: Share of a sound's samples at full scale, `|x| >= 1 - 1/32768`."""
    return float((waveform.abs() >= CLIPPED).double().mean())


def ends(waveform, sampling_rate):
    r"""
    Whether a sound begins or stops with a click.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float, full scale is 1.
        sampling_rate (`int`): Samples per second.

    Returns:
        `dict[str, float]`: `first_db`, the level of the first 10 ms less that of the 100 ms after them, and `last_db`,
        the level of the last 10 ms less that of the 100 ms before them, in dB, see [`level_db`]; `first_step` and
        `last_step`, the first and the last sample's magnitude: the step from silence and to it.

    Raises:
        ValueError: If the sound is shorter than 110 ms.
    """
    end, needed = round(END_S * sampling_rate), min_samples_of_ends(sampling_rate)
    if waveform.shape[0] < needed:
        raise ValueError(f"Expected a sound of at least {needed} samples, got {waveform.shape[0]}.")
    reverse = waveform.flip(0)
    first, last = (level_db(way[:end]) - level_db(way[end:needed]) for way in (waveform, reverse))
    return {
        "first_db": first,
        "last_db": last,
        "first_step": float(waveform[0].abs()),
        "last_step": float(reverse[0].abs()),
    }

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
What a table of metrics does not show: how far takes of one prompt differ, how near sounds come to training clips, and
how sounds begin, end and are levelled. `audiolcm inspect` runs it.
"""

import math

import numpy as np
import torch

from .bootstrap import bootstrap
from .controls import to_length


# An end is held against what is next to it.
END_S, NEXT_S = 0.01, 0.1
# How far below its loudest part a sound is silent.
FLOOR_DB = 50.0
# Digital silence has no level. What lies below this is less than one sample in ten thousand of the lowest bit of 16.
LOWEST_LEVEL_DB = -130.0
# Nearer to full scale than half a step of 16 bits cannot be told from being cut there.
CLIPPED = 1.0 - 1.0 / 32768


def mean_pairwise_distance(features):
    r"""
    Mean Euclidean distance of all pairs of rows.

    Args:
        features (`torch.Tensor` of shape `(num_sounds, dim)`): A row a sound.

    Returns:
        `float`: Its expectation does not depend on the number of sounds.

    Raises:
        ValueError: If there are fewer than two sounds.
    """
    if features.ndim != 2 or features.shape[0] < 2:
        raise ValueError(f"Expected features of two sounds or more, got shape {tuple(features.shape)}.")
    return float(torch.pdist(features.double()).mean())


def mean_over_prompts(values, num_resamples, seed, confidence=0.95):
    r"""
    A mean over prompts with its bootstrap interval: takes of one prompt are not independent, so prompts are drawn.

    Args:
        values (`Sequence[float]`): One a prompt.
        num_resamples, seed, confidence: See [`~audiolcm_diffusers.metrics.bootstrap.bootstrap`].

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
        num_resamples, seed, confidence: See [`~audiolcm_diffusers.metrics.bootstrap.bootstrap`].

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


def pieces(waveform, num_samples):
    r"""
    A clip as sounds of one length: the beginning, and where the clip is longer, pieces that begin half a length apart
    up to its end.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): int16.
        num_samples (`int`): Length of a piece. A shorter clip is followed by zeros.

    Returns:
        `list[torch.Tensor]`: int16, at least one.
    """
    spare = max(0, waveform.shape[0] - num_samples)
    num_pieces = 1 + math.ceil(2 * spare / num_samples)
    starts = np.linspace(0, spare, num_pieces).round().astype(int)
    return [to_length(waveform[start:], num_samples) for start in starts]


def nearest_clips(features, pool, clip_of, num_neighbours):
    r"""
    The clips that a sound is nearest to.

    Args:
        features (`torch.Tensor` of shape `(num_sounds, dim)`): A row a sound.
        pool (`torch.Tensor` of shape `(num_pieces, dim)`): A row a piece of a clip.
        clip_of (`Sequence[int]`): Clip that each piece is of.
        num_neighbours (`int`): Clips to find of each sound, or all where there are fewer.

    Returns:
        `list[list[tuple[float, int]]]`: Of each sound, Euclidean distances and clips, the nearest first. A clip is as
        near as the nearest of its pieces.
    """
    found = []
    for distances in torch.cdist(features.double(), pool.double(), compute_mode="donot_use_mm_for_euclid_dist"):
        neighbours = {}
        for piece in distances.argsort(stable=True).tolist():
            neighbours.setdefault(clip_of[piece], float(distances[piece]))
            if len(neighbours) == num_neighbours:
                break
        found.append([(distance, clip) for clip, distance in neighbours.items()])
    return found


def pattern_similarity(mel, other):
    r"""
    How alike two sounds go, wherever in time: the highest normalised cross-correlation of their log-mel spectrograms.

    What lies 50 dB below a sound's loudest bin counts as silence. At each shift, those frames of the overlap are
    correlated in which either sounds. Every frame is centred, and every bin over these frames: level, envelope and
    colour do not count, but which bin rises when. Of two slams or two recordings of steady rain, only a copy is alike.

    Args:
        mel (`torch.Tensor` of shape `(num_mel_bins, frames)`): Log-mel spectrogram, in powers of ten of magnitude.
        other (`torch.Tensor` of shape `(num_mel_bins, other_frames)`): Another. At least half of the frames in which
            the first one sounds must overlap it: few frames are like any others.

    Returns:
        `float`: At most 1, which a shifted copy reaches. Where a sound does not change, its correlation is 0.

    Raises:
        ValueError: If bins differ in number.
    """
    if mel.ndim != 2 or other.ndim != 2 or mel.shape[0] != other.shape[0]:
        raise ValueError(
            f"Expected spectrograms of as many bins, got shapes {tuple(mel.shape)} and {tuple(other.shape)}."
        )
    (a, sounds_a), (b, sounds_b) = _patterns(mel), _patterns(other)
    frames, other_frames = a.shape[1], b.shape[1]
    shifts = np.arange(1 - frames, other_frames)
    begin_a, begin_b = np.maximum(0, -shifts), np.maximum(0, shifts)
    overlap = np.minimum(frames - begin_a, other_frames - begin_b)
    num_sounding, num_sounding_other = (
        _window_sums(sounds, begin, overlap) for sounds, begin in ((sounds_a, begin_a), (sounds_b, begin_b))
    )
    # In frames in which neither sounds both are 0, so that they change sums by their number alone.
    counted = num_sounding + num_sounding_other - _products(sounds_a[None], sounds_b[None], shifts).round()
    sums_a, sums_b = _window_sums(a, begin_a, overlap), _window_sums(b, begin_b, overlap)
    number = np.maximum(counted, 1.0)
    covariance = _products(a, b, shifts) - (sums_a * sums_b).sum(axis=0) / number
    power_a, power_b = (
        _window_sums(np.square(values).sum(axis=0), begin, overlap) - np.square(sums).sum(axis=0) / number
        for values, begin, sums in ((a, begin_a, sums_a), (b, begin_b, sums_b))
    )
    # What is left of steady sounds is rounding.
    changes = np.minimum(power_a, power_b) > 1e-9 * number * a.shape[0]
    allowed = changes & (num_sounding * 2 >= sounds_a.sum())
    if not allowed.any():
        return 0.0
    return float((covariance[allowed] / np.sqrt(power_a[allowed] * power_b[allowed])).max())


def _patterns(mel):
    """A spectrogram from its floor up, each frame centred; and in which frames it sounds, 0 or 1."""
    mel = mel.double().numpy()
    above = np.maximum(mel - (mel.max() - FLOOR_DB / 20), 0.0)
    return above - above.mean(axis=0), (above.max(axis=0) > 0).astype(np.float64)


def _products(a, b, shifts):
    """Sums of products over all bins and the frames that overlap: frame `t` of `a` with frame `t + shift` of `b`."""
    size = a.shape[1] + b.shape[1]
    return np.fft.irfft((np.fft.rfft(a, size).conj() * np.fft.rfft(b, size)).sum(axis=0), size)[shifts % size]


def _window_sums(values, begin, length):
    """Sums over windows of the last dimension."""
    zero = np.zeros((*values.shape[:-1], 1))
    totals = np.concatenate([zero, values.cumsum(axis=-1)], axis=-1)
    return totals[..., begin + length] - totals[..., begin]


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


def min_samples_of_ends(sampling_rate):
    r"""`int`: Samples that [`ends`] needs."""
    return round(END_S * sampling_rate) + round(NEXT_S * sampling_rate)


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

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What metrics are held against: sounds and pairings whose worth is known beforehand."""

from collections import Counter

import numpy as np
import torch

from ..data.captioned_audio import INT16_SCALE, crop_or_pad, unit


def to_length(waveform, num_samples):
    r"""
    The door that all sound passes through before it is judged: one length, 16 bits.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`):
            float32, where what lies outside of `[-1, 1]` is clipped, as in a file; or int16.
        num_samples (`int`): Samples of the result: the first ones, followed by zeros where there are fewer.

    Returns:
        `torch.Tensor` of shape `(num_samples,)`: int16.
    """
    if waveform.is_floating_point():
        waveform = (waveform.clamp(-1.0, 1.0) * INT16_SCALE).round().to(torch.int16)
    return crop_or_pad(waveform, num_samples, 0, 0)


def to_lengths(waveforms, num_samples):
    r"""`list[torch.Tensor]`: Sounds of one length in 16 bits, see [`to_length`]."""
    return [to_length(waveform, num_samples) for waveform in waveforms]


def clip_seed(seed, index):
    r"""
    Seed of one clip's random numbers: a function of the run's seed and the clip's number alone.

    Args:
        seed (`int`): Of the run.
        index (`int`): Of the clip among those chosen.

    Returns:
        `int`: In `[0, 2^32)`.
    """
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def choose(num_available, num_wanted, seed):
    r"""
    Draw which clips are judged, without replacement.

    Args:
        num_available (`int`): Clips that there are.
        num_wanted (`int`, *optional*): Clips to take, `None` for all.
        seed (`int`): Seed of the draw.

    Returns:
        `list[int]`: Their numbers, ascending.

    Raises:
        ValueError: If there are not as many.
    """
    if num_wanted is None:
        return list(range(num_available))
    if not 1 <= num_wanted <= num_available:
        raise ValueError(
            f"Expected `num_clips` between 1 and the {num_available} clips that there are, got {num_wanted}."
        )
    return sorted(np.random.default_rng(seed).permutation(num_available)[:num_wanted].tolist())


def white_noise(waveforms, seed):
    r"""
    Gaussian noise that is as loud as each waveform: of its root mean square.

    Args:
        waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): int16.
        seed (`int`): Of the run, see [`clip_seed`].

    Returns:
        `list[torch.Tensor]`: int16, of the same shapes. Peaks are clipped where the waveform is close to full scale.
    """
    noises = []
    for index, waveform in enumerate(waveforms):
        level = unit(waveform).square().mean().sqrt()
        generator = torch.Generator().manual_seed(clip_seed(seed, index))
        noises.append(to_length(torch.randn(waveform.shape, generator=generator) * level, waveform.shape[0]))
    return noises


def halves(captions, seed):
    r"""
    Divide clips into two halves with the same captions in both, as far as captions occur more than once.

    Args:
        captions (`Sequence[str]`): Of each clip.
        seed (`int`): Seed of the draw.

    Returns:
        `tuple[list[int], list[int], list[tuple[int, int]]]`: Clips of the first and the second half, which differ in
        number by one at most; and pairs of a clip of each with the same caption.
    """
    order, groups = _grouped(captions, seed)
    first, second = order[0::2], order[1::2]
    pairs = []
    for start, size in groups:
        # Neighbours are in different halves. Those at even places are in the first.
        for place in range(start, start + size - 1, 2):
            pair = order[place], order[place + 1]
            pairs.append(pair if place % 2 == 0 else pair[::-1])
    return first, second, pairs


def other_captions(captions, seed):
    r"""
    Permute clips so that none meets its own caption.

    Args:
        captions (`Sequence[str]`): Of each clip.
        seed (`int`): Seed of the draw.

    Returns:
        `list[int]`: A permutation with `captions[result[i]] != captions[i]` for all `i`; `None` where there is none,
        because more than half of the captions are the same.
    """
    order, groups = _grouped(captions, seed)
    shift = max(size for _, size in groups)
    if 2 * shift > len(captions):
        return None
    # Clips of one caption stand together, in groups no larger than the shift.
    permutation = [0] * len(captions)
    for place, index in enumerate(order):
        permutation[index] = order[(place + shift) % len(order)]
    return permutation


def _grouped(captions, seed):
    """Clips in random order but those of one caption together; and each group's first place and size."""
    generator = np.random.default_rng(seed)
    names = sorted(set(captions))
    rank = dict(zip(names, generator.permutation(len(names)).tolist()))
    shuffled = generator.permutation(len(captions)).tolist()
    order = sorted(shuffled, key=lambda index: rank[captions[index]])
    sizes = Counter(captions)
    groups, start = [], 0
    for name in sorted(names, key=rank.get):
        groups.append((start, sizes[name]))
        start += sizes[name]
    return order, groups

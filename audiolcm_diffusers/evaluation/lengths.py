# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds of several lengths: whether they are named as asked, their levels, and how they begin and end."""

import numpy as np

from ..data.captioned_audio import unit
from .controls import to_lengths
from .levels import clipped_share, ends, level_db, level_difference_db, loudest_db
from .options import min_samples_of_ends
from .protocol import SAMPLING_RATE
from .sounds import count_silent


def lengths_section(takes):
    r"""
    Sounds of several lengths: whether they are named as asked, their levels, and how they begin and end.

    Args:
        takes ([`~audiolcm_diffusers.evaluation.takes.Takes`]): Prompts, real clips and the lengths.

    Returns:
        `dict`: Of each length, and of real clips as they are.
    """
    found = {}
    for duration_s in takes.options.durations:
        found[f"{duration_s:g}"] = _of_length(takes, round(duration_s * SAMPLING_RATE))
        takes.say(f"{len(takes.prompts) * takes.options.takes} sounds of {duration_s:g} s")
    return {"durations": found, "real clips": real_ends([clip.waveform for clip in takes.real])}


def _of_length(takes, num_samples):
    sounds = takes.make("model", takes.prompts, num_samples)
    stored = to_lengths(sounds, num_samples)
    by_prompt, beginnings = takes.takes_of(stored), {prompt: [] for prompt in takes.prompts}
    for clip in takes.real:
        beginnings[clip.caption].append(clip.waveform[:num_samples])

    def difference(level):
        levels, real_levels = (
            {prompt: [level(unit(waveform)) for waveform in waveforms] for prompt, waveforms in sounds.items()}
            for sounds in (by_prompt, beginnings)
        )
        return level_difference_db(levels, real_levels)

    found = {
        "level_difference_db": difference(level_db),
        "loudest_difference_db": difference(lambda waveform: loudest_db(waveform, SAMPLING_RATE)),
        "clipped": sum(map(clipped_share, sounds)) / len(sounds),
        "silent": count_silent(stored) / len(stored),
        **ends_of(sounds),
    }
    if takes.nameable:
        found["named"] = takes.named_by_prompt(by_prompt)
        found["named_real"] = takes.named_by_prompt(
            {prompt: to_lengths(waveforms, num_samples) for prompt, waveforms in beginnings.items()}
        )
    return found


def ends_of(sounds):
    r"""
    How sounds begin and end.

    Args:
        sounds (`Sequence[torch.Tensor]` of shape `(samples,)`): float. They are long enough.

    Returns:
        `dict[str, dict]`: Median and 95 % quantile of each measure of [`~audiolcm_diffusers.evaluation.levels.ends`].
    """
    measured = [ends(sound, SAMPLING_RATE) for sound in sounds]
    quantiles = {name: np.quantile([sound[name] for sound in measured], (0.5, 0.95)).tolist() for name in measured[0]}
    return {name: {"median": median, "high": high} for name, (median, high) in quantiles.items()}


def real_ends(waveforms):
    r"""
    What [`ends_of`] says of real clips as they are, and their share of clipped samples.

    Args:
        waveforms (`Sequence[torch.Tensor]`): int16, of any lengths.

    Returns:
        `dict`: Without the ends where no clip is long enough; `num_clips` says how many are.
    """
    sounds = [unit(waveform) for waveform in waveforms]
    long_enough = [sound for sound in sounds if sound.shape[0] >= min_samples_of_ends(SAMPLING_RATE)]
    return {
        "num_clips": len(long_enough),
        "clipped": sum(map(clipped_share, sounds)) / len(sounds),
        "silent": count_silent(waveforms) / len(waveforms),
        **(ends_of(long_enough) if long_enough else {}),
    }

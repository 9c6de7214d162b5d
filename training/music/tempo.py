# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How fast music is, by what its onsets repeat after."""

import math

import torch
import torch.nn.functional as F


SAMPLING_RATE, WINDOW, HOP = 16000, 512, 160
FRAMES_PER_S = SAMPLING_RATE / HOP
# Beats that a tempo is asked to agree with. Four are a bar, after which a groove repeats.
MAX_BEATS = 4
HALF_AN_OCTAVE = math.sqrt(2)


def onset_strength(waveform):
    r"""
    How much louder each frame is than the one before, over all frequencies.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): At 16 kHz.

    Returns:
        `torch.Tensor` of shape `(frames,)`: A hundred frames a second, with a mean of zero.
    """
    waveform = F.pad(waveform, (WINDOW, WINDOW))
    spectrum = torch.stft(waveform, WINDOW, HOP, window=torch.hann_window(WINDOW), center=False, return_complex=True)
    rise = torch.log1p(100 * spectrum.abs()).diff(dim=1).clamp(min=0).sum(dim=0)
    return rise - rise.mean()


def repetition(waveform):
    r"""
    Autocorrelation of the onsets, each lag by the frames that it has.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): At 16 kHz.

    Returns:
        `torch.Tensor` of shape `(frames,)`: 1 at lag 0.
    """
    onsets = onset_strength(waveform)
    frames = len(onsets)
    power = torch.fft.rfft(onsets, 2 * frames).abs().square()
    correlation = torch.fft.irfft(power)[:frames] / torch.arange(frames, 0, -1)
    return correlation / correlation[0].clamp(min=1e-12)


def tempo_near(waveform, asked_bpm, reach=HALF_AN_OCTAVE):
    r"""
    The tempo that a sound repeats at, of those near to one that was asked for.

    A groove repeats after two beats, and after half a beat, as well: which of these is its tempo is a matter of
    convention. Within half an octave to each side there is one of them.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): At 16 kHz.
        asked_bpm (`float`): Beats a minute.
        reach (`float`, defaults to the root of 2): Largest factor by which the tempo may be missed.

    Returns:
        `float`: Beats a minute, to a quarter per cent.

    Raises:
        ValueError: If the sound is shorter than three beats of the slowest of these tempos.
    """
    correlation = repetition(waveform)
    # Beyond two thirds of the sound, what repeats is too short to tell.
    last = len(correlation) * 2 / 3
    slowest = 60 * FRAMES_PER_S / asked_bpm * reach
    if 2 * slowest > last:
        raise ValueError(
            f"Expected three beats of {asked_bpm / reach:.0f} bpm, got {len(waveform) / SAMPLING_RATE:.1f} s of sound."
        )
    num_beats = min(MAX_BEATS, int(last / slowest))

    def agreement(bpm):
        lags = [60 * FRAMES_PER_S / bpm * beats for beats in range(1, num_beats + 1)]
        return sum(_at(correlation, lag) for lag in lags) / num_beats

    count = round(math.log(reach) / 0.0025)
    tempos = [asked_bpm * math.exp(0.0025 * step) for step in range(-count, count + 1)]
    return max(tempos, key=agreement)


def _at(values, position):
    """A value between two frames, on a straight line."""
    left = int(position)
    share = position - left
    return float(values[left] * (1 - share) + values[left + 1] * share)

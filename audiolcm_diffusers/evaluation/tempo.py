# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
How fast a sound beats, by the autocorrelation of its onsets.

Beats of one period repeat at its multiples, too, and often at its half; which of these is *the* tempo, onsets alone
do not say. As usual (Ellis, 2007), peaks count by how near they lie to 120 beats a minute: a Gaussian over octaves, of
a standard deviation of one. A peak at half or double of what was asked for is an error; how many there are is told
apart.
"""

import math

import torch


SAMPLING_RATE = 16000
WINDOW, HOP = 512, 80  # samples: frames of 32 ms, every 5 ms
MIN_BPM, MAX_BPM, CENTRE_BPM = 30.0, 300.0, 120.0
TOLERANCE = 0.08


def onset_strength(waveform):
    r"""
    How much louder a sound becomes, summed over frequencies.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32 at 16 kHz. Its level does not matter.

    Returns:
        `torch.Tensor` of shape `(1 + samples // 80,)`: 200 a second; the first is 0.
    """
    window = torch.hann_window(WINDOW)
    spectrum = torch.stft(waveform, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True).abs()
    loudness = torch.log1p(1000.0 * spectrum / spectrum.max().clamp(min=1e-5))
    return torch.nn.functional.pad(loudness.diff(dim=1).clamp(min=0.0).sum(dim=0), (1, 0))


def tempo_bpm(waveform):
    r"""
    The tempo of a sound: where the autocorrelation of its onsets peaks between 30 and 300 beats a minute.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32 at 16 kHz.

    Returns:
        `float`: Beats a minute; 0 where nothing repeats, as in silence, or where a sound is shorter than two periods
        of the fastest tempo.
    """
    onsets = onset_strength(waveform)
    onsets = onsets - onsets.mean()
    power = torch.fft.rfft(onsets.double(), 2 * len(onsets)).abs().square()
    correlation = torch.fft.irfft(power)[: len(onsets)]
    frames_a_minute = 60.0 * SAMPLING_RATE / HOP
    first, last = math.ceil(frames_a_minute / MAX_BPM), math.floor(frames_a_minute / MIN_BPM)
    lags = torch.arange(first, min(last, len(onsets) - 2) + 1)
    if not len(lags) or correlation[0] <= 0:
        return 0.0
    weight = torch.exp(-0.5 * torch.log2(frames_a_minute / lags / CENTRE_BPM).square())
    # The ends of the range are no peaks because the range ends there.
    peaks = (correlation[lags] > correlation[lags - 1]) & (correlation[lags] >= correlation[lags + 1])
    peaks &= correlation[lags] > 0
    if not peaks.any():
        return 0.0
    lag = int(lags[peaks][(correlation[lags] * weight)[peaks].argmax()])
    before, at, after = correlation[lag - 1 : lag + 2].tolist()
    # Between the frames: the vertex of the parabola through three of them.
    shift = 0.5 * (before - after) / (before - 2 * at + after)
    return frames_a_minute / (lag + shift)


def is_in_tempo(bpm, wanted_bpm, factors=(1.0,)):
    r"""
    Whether a tempo is within 8 % of the one that was asked for.

    Args:
        bpm (`float`): From [`tempo_bpm`].
        wanted_bpm (`float`): What was asked for.
        factors (`Sequence[float]`, defaults to `(1.0,)`): Of what was asked for, what counts, too.

    Returns:
        `bool`.
    """
    return any(abs(bpm - factor * wanted_bpm) <= TOLERANCE * factor * wanted_bpm for factor in factors)

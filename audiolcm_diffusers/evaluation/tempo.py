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
FRAMES_A_MINUTE = 60.0 * SAMPLING_RATE / HOP
# Beats that a tempo near to the one asked for is to agree with. Four are a bar, after which a groove repeats.
MAX_BEATS = 4
HALF_AN_OCTAVE = math.sqrt(2)


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


def onset_autocorrelation(waveform):
    r"""
    How alike onsets are to themselves some frames later.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32 at 16 kHz.

    Returns:
        `torch.Tensor` of shape `(1 + samples // 80,)`: float64, by the lag in frames; 0 of silence.
    """
    onsets = onset_strength(waveform)
    onsets = onsets - onsets.mean()
    power = torch.fft.rfft(onsets.double(), 2 * len(onsets)).abs().square()
    return torch.fft.irfft(power)[: len(onsets)]


def tempo_bpm(waveform):
    r"""
    The tempo of a sound: where the autocorrelation of its onsets peaks between 30 and 300 beats a minute.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32 at 16 kHz.

    Returns:
        `float`: Beats a minute; 0 where nothing repeats, as in silence, or where a sound is shorter than two periods
        of the fastest tempo.
    """
    correlation = onset_autocorrelation(waveform)
    first, last = math.ceil(FRAMES_A_MINUTE / MAX_BPM), math.floor(FRAMES_A_MINUTE / MIN_BPM)
    lags = torch.arange(first, min(last, len(correlation) - 2) + 1)
    if not len(lags) or correlation[0] <= 0:
        return 0.0
    weight = torch.exp(-0.5 * torch.log2(FRAMES_A_MINUTE / lags / CENTRE_BPM).square())
    # The ends of the range are no peaks because the range ends there.
    peaks = (correlation[lags] > correlation[lags - 1]) & (correlation[lags] >= correlation[lags + 1])
    peaks &= correlation[lags] > 0
    if not peaks.any():
        return 0.0
    lag = int(lags[peaks][(correlation[lags] * weight)[peaks].argmax()])
    before, at, after = correlation[lag - 1 : lag + 2].tolist()
    # Between the frames: the vertex of the parabola through three of them.
    shift = 0.5 * (before - after) / (before - 2 * at + after)
    return FRAMES_A_MINUTE / (lag + shift)


def tempo_near(waveform, asked_bpm, reach=HALF_AN_OCTAVE):
    r"""
    The tempo that a sound repeats at, of those near to one that was asked for.

    A groove repeats after two beats, and after half a beat, as well: which of these is its tempo is a matter of
    convention. Within half an octave to each side there is one of them.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32 at 16 kHz.
        asked_bpm (`float`): Beats a minute.
        reach (`float`, defaults to the root of 2): Largest factor by which the tempo may be missed.

    Returns:
        `float`: Beats a minute, to a quarter per cent.

    Raises:
        ValueError: If the sound is shorter than three beats of the slowest of these tempos.
    """
    correlation = onset_autocorrelation(waveform)
    # Each lag by the frames that it has.
    correlation = correlation / torch.arange(len(correlation), 0, -1)
    # Beyond two thirds of the sound, what repeats is too short to tell.
    last = len(correlation) * 2 / 3
    slowest = FRAMES_A_MINUTE / asked_bpm * reach
    if 2 * slowest > last:
        raise ValueError(
            f"Expected three beats of {asked_bpm / reach:.0f} bpm, got {len(waveform) / SAMPLING_RATE:.1f} s of sound."
        )
    num_beats = min(MAX_BEATS, int(last / slowest))

    def agreement(bpm):
        lags = [FRAMES_A_MINUTE / bpm * beats for beats in range(1, num_beats + 1)]
        return sum(_at(correlation, lag) for lag in lags) / num_beats

    count = round(math.log(reach) / 0.0025)
    tempos = [asked_bpm * math.exp(0.0025 * step) for step in range(-count, count + 1)]
    return max(tempos, key=agreement)


def _at(values, position):
    """A value between two frames, on a straight line."""
    left = int(position)
    share = position - left
    return float(values[left] * (1 - share) + values[left + 1] * share)


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

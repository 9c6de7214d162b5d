# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The log-mel spectrogram that every AudioLCM model sees, and a distance between two."""

from functools import lru_cache

import torch
import torch.nn.functional as F


# Where the magnitude is zero its gradient is not finite; the published extractor adds this under the square root.
MAGNITUDE_EPS = 1e-9
LOG_FLOOR = 1e-5
HOP_LENGTH = 256  # samples a frame


@torch.compiler.assume_constant_result
def mel_filters(sampling_rate, n_fft, num_mel_bins, min_frequency, max_frequency):
    r"""
    Slaney-normalised triangular filters on the Slaney mel scale (librosa's defaults).

    Returns:
        `torch.Tensor` of shape `(num_mel_bins, n_fft // 2 + 1)`, float32 on the CPU.
    """
    return torch.from_numpy(_mel_filters(sampling_rate, n_fft, num_mel_bins, min_frequency, max_frequency).copy())


# Behind a function that compilers take for a constant: they would follow NumPy's steps. An array and no tensor,
# because a tensor that is made in an export has no values, and would be kept.
@lru_cache(maxsize=8)
def _mel_filters(sampling_rate, n_fft, num_mel_bins, min_frequency, max_frequency):
    from transformers.audio_utils import mel_filter_bank  # imported late: only whoever extracts mels pays for it

    filters = mel_filter_bank(
        num_frequency_bins=n_fft // 2 + 1,
        num_mel_filters=num_mel_bins,
        min_frequency=float(min_frequency),
        max_frequency=float(max_frequency),
        sampling_rate=sampling_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.T.astype("float32")


def log_mel_spectrogram(
    waveform,
    sampling_rate=16000,
    n_fft=1024,
    hop_length=HOP_LENGTH,
    win_length=1024,
    num_mel_bins=80,
    min_frequency=0.0,
    max_frequency=8000.0,
):
    r"""
    Log-mel spectrogram with the published model's settings: 62.5 frames a second at 16 kHz.

    The waveform is clamped to `[-1, 1]`, reflect-padded by `(n_fft - hop_length) / 2` on both sides, and analysed with
    a periodic Hann window without centring, so that `samples // hop_length` frames come out. Magnitudes are
    `sqrt(re^2 + im^2 + 1e-9)`; the result is `log10(max(mel, 1e-5))`, so digital silence is -5.

    Args:
        waveform (`torch.Tensor` of shape `(batch_size, samples)`):
            Mono audio, nominally in `[-1, 1]`. At least 385 samples with the default settings (the reflect padding
            needs more samples than it adds).
        sampling_rate (`int`, defaults to 16000): Samples per second of `waveform`.
        n_fft (`int`, defaults to 1024): Length of the Fourier transform.
        hop_length (`int`, defaults to 256): Samples between frames.
        win_length (`int`, defaults to 1024): Length of the Hann window.
        num_mel_bins (`int`, defaults to 80): Mel filters.
        min_frequency (`float`, defaults to 0.0): Lower edge of the lowest filter in Hz.
        max_frequency (`float`, defaults to 8000.0): Upper edge of the highest filter in Hz.

    Returns:
        `torch.Tensor` of shape `(batch_size, num_mel_bins, samples // hop_length)`: float32 log10 magnitudes, `>= -5`.

    Raises:
        ValueError: If `waveform` is not two-dimensional floating point, or shorter than the padding allows.
    """
    if not isinstance(waveform, torch.Tensor) or waveform.ndim != 2 or not waveform.is_floating_point():
        got = tuple(waveform.shape) if isinstance(waveform, torch.Tensor) else type(waveform).__name__
        raise ValueError(f"Expected a floating-point waveform of shape (batch_size, samples), got {got}.")
    padding = (n_fft - hop_length) // 2
    if waveform.shape[-1] <= padding:
        raise ValueError(
            f"Expected more than {padding} samples (the reflect padding), got a waveform of {waveform.shape[-1]}."
        )
    waveform = waveform.float().clamp(-1.0, 1.0)
    waveform = F.pad(waveform[:, None], (padding, padding), mode="reflect")[:, 0]
    window = torch.hann_window(win_length, device=waveform.device, dtype=torch.float32)
    spectrum = torch.stft(
        waveform, n_fft, hop_length=hop_length, win_length=win_length, window=window, center=False, return_complex=True
    )
    magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + MAGNITUDE_EPS)
    filters = mel_filters(sampling_rate, n_fft, num_mel_bins, min_frequency, max_frequency).to(waveform.device)
    return torch.log10(torch.clamp(filters @ magnitude, min=LOG_FLOOR))


def check_mel(mel, num_mel_bins):
    r"""
    Refuse what is no batch of log-mel spectrograms with so many bins, or has no frames.

    Args:
        mel (`torch.Tensor`): Should be `(batch_size, num_mel_bins, frames)`.
        num_mel_bins (`int`): Mel bins that a model takes.

    Raises:
        ValueError: If it is of another shape.
    """
    if mel.ndim != 3 or mel.shape[1] != num_mel_bins or mel.shape[-1] == 0:
        raise ValueError(f"Expected a mel of shape (batch_size, {num_mel_bins}, frames), got {tuple(mel.shape)}.")


def multi_resolution_l1(mel, target, scales=(1, 2, 4, 8)):
    r"""
    L1 distance of two log-mel spectrograms at several resolutions.

    `mean over s in scales of mean |P_s(mel) - P_s(target)|`, where `P_s` averages patches of `s` bins by `s` frames.
    Errors that cancel within a patch weigh less the coarser the resolution; an error of level or envelope weighs the
    same at every one.

    Args:
        mel (`torch.Tensor` of shape `(batch_size, num_mel_bins, frames)`): Log magnitudes.
        target (`torch.Tensor` of the same shape): What `mel` is compared with.
        scales (`Sequence[int]`, defaults to `(1, 2, 4, 8)`): Edges of the patches; 1 is the spectrogram itself.

    Returns:
        `torch.Tensor`: A scalar, in the unit of the spectrograms.

    Raises:
        ValueError: If the shapes differ, or a scale does not divide bins and frames.
    """
    if mel.shape != target.shape:
        raise ValueError(f"Expected mels of one shape, got {tuple(mel.shape)} and {tuple(target.shape)}.")
    if any(scale < 1 or mel.shape[-2] % scale or mel.shape[-1] % scale for scale in scales):
        raise ValueError(f"Expected scales that divide bins and frames, got {tuple(scales)} for {tuple(mel.shape)}.")
    difference = mel - target
    # Averaging is linear: the difference of the averages is the average of the difference.
    return sum(F.avg_pool2d(difference, scale).abs().mean() for scale in scales) / len(scales)

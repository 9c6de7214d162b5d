# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Fourier transforms of vocoders: PyTorch's, of complex numbers; and one by real matrices, for graphs that know neither.
"""

import math
from dataclasses import dataclass

import torch


class ComplexFourier:
    r"""Transforms by PyTorch; spectra are complex tensors of shape `(batch_size, n_fft // 2 + 1, frames)`."""

    @staticmethod
    def polar(magnitudes: torch.Tensor, phases: torch.Tensor) -> torch.Tensor:
        r"""A spectrum of magnitudes and phases of its shape."""
        return torch.polar(magnitudes, phases)

    @staticmethod
    def magnitude(spectrum: torch.Tensor) -> torch.Tensor:
        r"""Magnitudes of a spectrum, of its shape."""
        # Of its parts: torch's own guards against numbers that no sound has, and takes three times as long.
        return _magnitude(spectrum.real, spectrum.imag)

    @staticmethod
    def spectrum_of(waveforms: torch.Tensor, window: torch.Tensor, hop_length: int) -> torch.Tensor:
        r"""
        The short-time Fourier transform, without padding.

        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sounds.
            window (`torch.Tensor` of shape `(n_fft,)`): Multiplied with each frame.
            hop_length (`int`): Samples between frames.
        """
        return torch.stft(waveforms, len(window), hop_length, window=window, center=False, return_complex=True)

    @staticmethod
    def frames_of(spectrum: torch.Tensor, n_fft: int) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(batch_size, frames, n_fft)`: Frames of a spectrum."""
        return torch.fft.irfft(spectrum, n_fft, dim=1).mT


@dataclass
class RealSpectrum:
    r"""
    A spectrum of real numbers, with as much arithmetic as vocoders ask for.

    Args:
        real, imaginary (`torch.Tensor` of shape `(batch_size, n_fft // 2 + 1, frames)`): Its parts.
    """

    real: torch.Tensor
    imaginary: torch.Tensor

    def __mul__(self, factor: torch.Tensor | float) -> "RealSpectrum":
        return RealSpectrum(self.real * factor, self.imaginary * factor)

    __rmul__ = __mul__

    def __sub__(self, other: "RealSpectrum | float") -> "RealSpectrum":
        if not isinstance(other, RealSpectrum):
            return RealSpectrum(self.real - other, self.imaginary)
        return RealSpectrum(self.real - other.real, self.imaginary - other.imaginary)


class RealFourier(torch.nn.Module):
    r"""
    The same transforms as products with matrices of cosines and sines: slower, and of real numbers alone.

    Args:
        n_fft (`int`): Length of the transform.
    """

    def __init__(self, n_fft: int):
        super().__init__()
        turns = torch.outer(torch.arange(n_fft), torch.arange(n_fft // 2 + 1)) % n_fft
        angles = turns.to(torch.float64) * (2 * math.pi / n_fft)
        # Real signals have each bin twice, but for the first and the last.
        counts = torch.full((n_fft // 2 + 1,), 2.0, dtype=torch.float64)
        counts[0] = counts[-1] = 1.0
        for name, values in {
            "cosines": angles.cos(),
            "sines": -angles.sin(),
            "inverse_cosines": (angles.cos() * counts / n_fft).T,
            "inverse_sines": (-angles.sin() * counts / n_fft).T,
        }.items():
            self.register_buffer(name, values.float().contiguous(), persistent=False)

    def polar(self, magnitudes: torch.Tensor, phases: torch.Tensor) -> RealSpectrum:
        r"""See [`ComplexFourier`]."""
        return RealSpectrum(magnitudes * phases.cos(), magnitudes * phases.sin())

    def magnitude(self, spectrum: RealSpectrum) -> torch.Tensor:
        r"""See [`ComplexFourier`]."""
        return _magnitude(spectrum.real, spectrum.imaginary)

    def spectrum_of(self, waveforms: torch.Tensor, window: torch.Tensor, hop_length: int) -> RealSpectrum:
        r"""See [`ComplexFourier`]."""
        frames = waveforms.unfold(-1, len(window), hop_length) * window
        return RealSpectrum((frames @ self.cosines).mT, (frames @ self.sines).mT)

    def frames_of(self, spectrum: RealSpectrum, n_fft: int) -> torch.Tensor:
        r"""See [`ComplexFourier`]."""
        return spectrum.real.mT @ self.inverse_cosines + spectrum.imaginary.mT @ self.inverse_sines


def _magnitude(real: torch.Tensor, imaginary: torch.Tensor) -> torch.Tensor:
    return torch.addcmul(real * real, imaginary, imaginary).sqrt()

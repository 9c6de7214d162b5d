# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Vocos (arXiv:2306.00814): log-mel spectrograms to spectra at the same frame rate, and from there to waveforms."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from ..audio.levels import limit_peaks
from ..audio.mel import HOP_LENGTH, LOG_FLOOR, check_mel, mel_filters
from ..audio.overlap import overlap_add
from ..loaders.complete import CompleteWeightsMixin
from .fourier import ComplexFourier
from .full_precision import without_autocast
from .gradient_checkpointing import run_block


class ConvNeXtBlock1D(nn.Module):
    r"""
    Block of ConvNeXt (arXiv:2201.03545, section 2.6) along time: depthwise conv → LayerNorm → linear → GELU → linear →
    scale per channel, added to the input.

    Args:
        channels (`int`): Channels of input and output.
        intermediate_channels (`int`): Channels between the linear layers.
        kernel_size (`int`): Odd width of the convolution.
        scale (`float`): What each channel's scale starts from.
    """

    def __init__(self, channels, intermediate_channels, kernel_size, scale):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.linear_in = nn.Linear(channels, intermediate_channels)
        self.linear_out = nn.Linear(intermediate_channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, hidden_states):
        update = self.norm(self.conv(hidden_states).transpose(1, 2))
        update = self.linear_out(F.gelu(self.linear_in(update)))
        return hidden_states + (self.scale * update).transpose(1, 2)


def waveform_of_frames(frames, window, hop_length):
    r"""
    Inverse of a short-time Fourier transform without centring: windowed frames added up, over the sum of the squared
    window.

    Args:
        frames (`torch.Tensor` of shape `(batch_size, num_frames, n_fft)`): Inverse Fourier transforms of the spectra.
        window (`torch.Tensor` of shape `(n_fft,)`): The transform's window; positive but at its first sample.
        hop_length (`int`): Samples between frames, which divide `n_fft` into two or more.

    Returns:
        `torch.Tensor` of shape `(batch_size, num_frames * hop_length)`:
            The samples that are nearest to a frame's middle; the `(n_fft - hop_length) / 2` before and behind them,
            which the transform had from padding, are left out.
    """
    num_frames, n_fft = frames.shape[1:]
    padding = (n_fft - hop_length) // 2
    kept = slice(padding, padding + num_frames * hop_length)
    weight = overlap_add(window.square().expand(num_frames, -1), hop_length)
    return overlap_add(frames * window, hop_length)[..., kept] / weight[kept]


class VocosVocoder(CompleteWeightsMixin, ModelMixin, ConfigMixin):
    r"""
    Vocos (arXiv:2306.00814): conv → ConvNeXt blocks, all at the rate of the mel's frames → LayerNorm → linear to
    magnitudes and phases of a short-time Fourier transform → its inverse.

    Nothing is upsampled but by the inverse transform, so that it takes a few per cent of the operations of a
    [`BigVGANVocoder`] of as many parameters. Where it differs from the paper:
    - Logarithms of magnitudes are added to those of the mel, spread over the bins of each band by a layer of their own
      that starts as that and learns with the rest. A sound's level so needs no learning.
    - Phases count from the middle of a frame, where the window is highest, rather than from its first sample, where it
      is 0: equal phases are a click that is heard.
    - Magnitudes are at most `n_fft / 2`, the most that a windowed frame of samples in `[-1, 1]` can have; the paper's
      limit of 100 would cut off loud tones.
    - Waveforms that would leave `[-1, 1]` are scaled as a whole, as [`GriffinLimVocoder`] does.

    From the logarithms of magnitudes on it computes in float32 whatever its dtype. It needs complex numbers for the
    inverse Fourier transform alone, of 64 bits (complex64), which PyTorch has on CPU, CUDA and MPS.

    Args:
        in_channels (`int`, defaults to 80): Mel bins.
        hidden_channels (`int`, defaults to 320): Width of the network.
        intermediate_channels (`int`, defaults to 960): Width between the linear layers of each block.
        num_layers (`int`, defaults to 8): ConvNeXt blocks.
        kernel_size (`int`, defaults to 7): Odd width of the convolutions in frames.
        n_fft (`int`, defaults to 1024): Length of the transform and its Hann window in samples.
        hop_length (`int`, defaults to 256): Samples a mel frame; divides `n_fft` into two or more, both even.
        sampling_rate (`int`, defaults to 16000): Sampling rate of the waveform in Hz.

    Raises:
        ValueError: If a value is none of those above.
    """

    _supports_gradient_checkpointing = True
    _supports_group_offloading = True
    _no_split_modules = ["ConvNeXtBlock1D"]
    _repeated_blocks = ["ConvNeXtBlock1D"]

    @register_to_config
    def __init__(
        self,
        in_channels: int = 80,
        hidden_channels: int = 320,
        intermediate_channels: int = 960,
        num_layers: int = 8,
        kernel_size: int = 7,
        n_fft: int = 1024,
        hop_length: int = HOP_LENGTH,
        sampling_rate: int = 16000,
    ):
        super().__init__()
        sizes = {
            "in_channels": in_channels,
            "hidden_channels": hidden_channels,
            "intermediate_channels": intermediate_channels,
            "num_layers": num_layers,
            "sampling_rate": sampling_rate,
        }
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"Expected {name} to be a whole number from 1, got {size!r}.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"Expected an odd kernel_size, got {kernel_size}.")
        if not 0 < 2 * hop_length <= n_fft or n_fft % hop_length or n_fft % 2 or hop_length % 2:
            raise ValueError(
                "Expected an even hop_length that divides an even n_fft into two or more, got "
                f"n_fft={n_fft}, hop_length={hop_length}."
            )

        self.gradient_checkpointing = False
        self.hop_length = hop_length
        # What graphs cannot hold complex numbers in is given another one.
        self.fourier = ComplexFourier()
        num_bins = n_fft // 2 + 1
        self.conv_in = nn.Conv1d(in_channels, hidden_channels, kernel_size, padding=kernel_size // 2)
        self.norm_in = nn.LayerNorm(hidden_channels, eps=1e-6)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock1D(hidden_channels, intermediate_channels, kernel_size, scale=1 / num_layers)
            for _ in range(num_layers)
        )
        self.norm_out = nn.LayerNorm(hidden_channels, eps=1e-6)
        self.linear_out = nn.Linear(hidden_channels, 2 * num_bins)
        self.spread = nn.Conv1d(in_channels, num_bins, 1)
        self._init_weights()

    def _init_weights(self):
        for module in self.modules():
            if isinstance(module, (nn.Conv1d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        config = self.config
        filters = mel_filters(config.sampling_rate, config.n_fft, config.in_channels, 0.0, config.sampling_rate / 2)
        in_bands = filters.sum(dim=0)
        share = filters / in_bands.clamp(min=1e-9)
        # A filter of area 1 gives the magnitude m, the same in all of its bins, as m n_fft / sampling_rate.
        level = math.log(config.sampling_rate / config.n_fft)
        with torch.no_grad():
            self.spread.weight.copy_(math.log(10) * share.T[..., None])
            self.spread.bias.copy_(torch.where(in_bands > 0, level, math.log(LOG_FLOOR)))

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        r"""
        Turn log-mel spectrograms into waveforms.

        Args:
            mel (`torch.Tensor` of shape `(batch_size, in_channels, frames)`): Log10-mel spectrogram.

        Returns:
            `torch.Tensor` of shape `(batch_size, frames * hop_length)`:
                Waveforms in `(-1, 1)`, float32, lowered where they would be louder (see
                [`~audiolcm_diffusers.audio.levels.limit_peaks`]).

        Raises:
            ValueError: If `mel` is not of the shape above or has no frames.
        """
        check_mel(mel, self.config.in_channels)
        hidden_states = self.norm_in(self.conv_in(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            hidden_states = run_block(self, block, hidden_states)
        hidden_states = self.linear_out(self.norm_out(hidden_states.transpose(1, 2)))
        log_magnitudes, phases = hidden_states.float().chunk(2, dim=-1)
        return self._waveforms(log_magnitudes + self.spread(mel).transpose(1, 2).float(), phases)

    def _waveforms(self, log_magnitudes, phases):
        """Waveforms of spectra `(batch_size, frames, n_fft // 2 + 1)` whose phases count from the frames' middles."""
        n_fft = self.config.n_fft
        with without_autocast(phases):
            magnitudes = log_magnitudes.clamp(max=math.log(n_fft / 2)).exp()
            spectra = self.fourier.polar(magnitudes.mT, phases.mT)
            frames = self.fourier.frames_of(spectra, n_fft).roll(n_fft // 2, dims=-1)
            window = torch.hann_window(n_fft, device=phases.device, dtype=torch.float32)
            return limit_peaks(waveform_of_frames(frames, window, self.hop_length), self.hop_length)

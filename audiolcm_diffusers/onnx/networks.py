# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The networks of a pipeline as graphs take them: tensors in, one tensor out, real numbers alone."""

import copy
import math
from typing import Any

import torch

from ..consistency import guidance_frequencies
from ..models.fourier import RealFourier


class TextEncoder(torch.nn.Module):
    r"""
    Token ids of a pipeline's text streams to what its transformer reads.

    Args:
        pipe ([`AudioLCMPipeline`]): The pipeline.
    """

    def __init__(self, pipe: Any):
        super().__init__()
        self.streams = [stream for stream in pipe._text_streams if stream.text_encoder is not None]
        self.encoders = torch.nn.ModuleList(stream.text_encoder for stream in self.streams)
        self.projections = torch.nn.ModuleList(stream.projection or torch.nn.Identity() for stream in self.streams)

    def forward(self, *input_ids: torch.Tensor) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(batch_size, num_tokens, width)`, of ids of shape `(batch_size, tokens)` each."""
        return torch.cat([stream._encode_tokens(ids) for stream, ids in zip(self.streams, input_ids)], dim=1)


class Sinusoids(torch.nn.Module):
    r"""
    Sines and cosines of numbers, with frequencies that PyTorch has computed: angles reach thousands of radians, and
    the last bit of a frequency, in which libraries differ, is seen in them.

    Args:
        frequencies (`torch.Tensor` of shape `(width / 2,)`): Of the angles.
        cosines_first (`bool`): Which come first.
    """

    def __init__(self, frequencies: torch.Tensor, cosines_first: bool):
        super().__init__()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.cosines_first = cosines_first

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(batch_size, width)`, of `(batch_size,)`."""
        angles = numbers.float()[:, None] * self.frequencies
        parts = [angles.sin(), angles.cos()]
        return torch.cat(parts[::-1] if self.cosines_first else parts, dim=-1)


class Denoiser(torch.nn.Module):
    r"""
    A transformer, told a guidance scale where it knows one.

    Args:
        transformer ([`LLaMATransformer1DModel`] or [`ConcatTransformer1DModel`]): The network, which stays as it is.
    """

    def __init__(self, transformer: torch.nn.Module):
        super().__init__()
        # The same weights in another module, whose timesteps are embedded by constants.
        self.transformer = copy.copy(transformer)
        self.transformer._modules = dict(transformer._modules)
        half = transformer.time_proj.num_channels // 2
        exponents = -math.log(10000) * torch.arange(half, dtype=torch.float32) / half
        self.transformer.time_proj = Sinusoids(exponents.exp(), transformer.time_proj.flip_sin_to_cos)
        dim = transformer.config.time_cond_proj_dim
        self.guidance = None if dim is None else Sinusoids(guidance_frequencies(dim), cosines_first=False)

    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        prompt_embeds: torch.Tensor,
        guidance_scale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        r"""
        Args:
            latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`): Noisy latents.
            timestep (`torch.Tensor` of shape `(batch_size,)`): Training timesteps, float32.
            prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, width)`): From [`TextEncoder`].
            guidance_scale (`torch.Tensor` of shape `(batch_size,)`, *optional*): Of a student.
        """
        embedding = None if self.guidance is None else self.guidance((guidance_scale - 1) * 1000.0)
        return self.transformer(latents, timestep, prompt_embeds, timestep_cond=embedding, return_dict=False)[0]


class Decoder(torch.nn.Module):
    r"""
    Latents to log-mel spectrograms.

    Args:
        vae ([`AutoencoderKLMel1D`]): The autoencoder.
    """

    def __init__(self, vae: torch.nn.Module):
        super().__init__()
        self.vae = vae

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        r"""`(batch_size, channels, latent_frames)` to `(batch_size, mel_bins, frames)`."""
        return self.vae._decode(latents / self.vae.config.scaling_factor)


class Vocoder(torch.nn.Module):
    r"""
    Log-mel spectrograms to waveforms, without complex numbers.

    Args:
        vocoder ([`BigVGANVocoder`], [`VocosVocoder`] or [`GriffinLimVocoder`]): The vocoder, which stays as it is.
    """

    def __init__(self, vocoder: torch.nn.Module):
        super().__init__()
        self.vocoder = copy.deepcopy(vocoder)
        if hasattr(vocoder, "fourier"):
            self.vocoder.fourier = RealFourier(vocoder.config.n_fft)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        r"""`(batch_size, mel_bins, frames)` to `(batch_size, samples)`."""
        return self.vocoder(mel)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What turns sound and captions into what a transformer sees, of random weights, and a batch of both."""

from dataclasses import dataclass

import torch
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel

from ..audio.mel import log_mel_spectrogram
from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.clap_projection import CLAPProjection
from .sizes import num_latent_frames


class Encoders(torch.nn.Module):
    r"""
    What turns sound and captions into what the transformer sees; frozen.

    Args:
        size ([`Size`]): Configurations of the VAE and of the text streams.
    """

    def __init__(self, size):
        super().__init__()
        self.vae = AutoencoderKLMel1D(**size.vae)
        t5_config = T5Config(**size.t5)
        self.bert = self.projection = None
        if size.bert is not None:
            self.bert = BertModel(BertConfig(**size.bert))
            self.projection = CLAPProjection(self.bert.config.hidden_size, t5_config.d_model)
        self.t5 = T5EncoderModel(t5_config)
        self.num_text_tokens = size.num_text_tokens
        self.requires_grad_(False).eval()

    @property
    def num_text_parameters(self):
        r"""`int`: parameters of all but the VAE."""
        return num_parameters(self) - num_parameters(self.vae)

    def draw_token_ids(self, batch_size, num_tokens, generator):
        r"""Token ids for each text stream: as good as captions, where weights are random."""
        encoders = [self.t5] if self.bert is None else [self.bert, self.t5]
        return [
            torch.randint(encoder.config.vocab_size, (batch_size, num_tokens), generator=generator).to(encoder.device)
            for encoder in encoders
        ]

    @torch.no_grad()
    def encode_sound(self, waveforms):
        r"""
        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sound.

        Returns:
            `torch.Tensor` of shape `(batch_size, latent_channels, latent_frames)`: Scaled latents.
        """
        mel = log_mel_spectrogram(waveforms).to(self.vae.dtype)
        return self.vae.encode(mel).latent_dist.mean * self.vae.config.scaling_factor

    @torch.no_grad()
    def encode_text(self, token_ids):
        r"""
        Args:
            token_ids (`list[torch.Tensor]`): Of each stream, each of shape `(batch_size, num_tokens)`.

        Returns:
            `torch.Tensor` of shape `(batch_size, streams * num_tokens, cross_attention_dim)`.
        """
        embeds = self.t5(token_ids[-1])[0]
        if self.bert is None:
            return embeds
        return torch.cat([self.projection(self.bert(token_ids[0])[0]), embeds], dim=1)


@dataclass(frozen=True)
class Batch:
    r"""
    The batch of every step.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sound.
        token_ids (`list[torch.Tensor]`): Captions, see [`Encoders.encode_text`].
        latents (`torch.Tensor` of shape `(batch_size, latent_channels, latent_frames)`): The sound, encoded.
        prompt_embeds, uncond_prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`):
            The captions, encoded, and what stands for the empty caption.
    """

    waveforms: torch.Tensor
    token_ids: list[torch.Tensor]
    latents: torch.Tensor
    prompt_embeds: torch.Tensor
    uncond_prompt_embeds: torch.Tensor


def draw_batch(size, encoders, batch_size, duration_s, seed, clock):
    r"""
    Draw sound and captions, and encode them.

    Args:
        size ([`~audiolcm_diffusers.benchmark.sizes.Size`]): Lengths of sound and text.
        encoders ([`Encoders`]): Encode them.
        batch_size (`int`): Sounds.
        duration_s (`float`): Length of each, in seconds.
        seed (`int`): Of sound and captions.
        clock ([`~audiolcm_diffusers.benchmark.clock.Clock`]): Tells how long encoding takes.

    Returns:
        `tuple[Batch, float]`: The batch, in float32, and how long encoding sound and captions took, in milliseconds.
    """
    device = encoders.vae.device
    generator = torch.Generator().manual_seed(seed)
    num_samples = num_latent_frames(size, duration_s) * size.samples_per_latent
    waveforms = 0.1 * torch.randn(batch_size, num_samples, generator=generator)
    waveforms = waveforms.to(device)
    token_ids = encoders.draw_token_ids(batch_size, size.num_text_tokens, generator)
    uncond_ids = encoders.draw_token_ids(1, size.num_text_tokens, generator)
    uncond_prompt_embeds = encoders.encode_text(uncond_ids).float()

    start = clock.milliseconds()
    latents = encoders.encode_sound(waveforms).float()
    prompt_embeds = encoders.encode_text(token_ids).float()
    encoding_ms = clock.milliseconds() - start
    batch = Batch(waveforms, token_ids, latents, prompt_embeds, uncond_prompt_embeds.expand_as(prompt_embeds))
    return batch, encoding_ms


def num_parameters(module):
    r"""Parameters of a module, each counted once."""
    return sum(parameter.numel() for parameter in module.parameters())

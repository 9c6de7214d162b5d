# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Training examples as latents, encoded when they are drawn. `latent_cache.py` has the other way: encoded once."""

from dataclasses import dataclass
from typing import Any

import torch

from ..audio.mel import log_mel_spectrogram
from .captions import choose


@dataclass(frozen=True)
class LatentBatch:
    r"""
    What a training step of a transformer reads.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, latent_channels, latent_frames)`): Clean and scaled, float32.
        prompts (`list[str]`): Captions, in structured form where examples have events; empty for "no condition".
        names (`list[str]`): Clips that the batch was made from, each once.
        prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`, *optional*):
            The prompts as the text encoders read them, where these are not in training themselves; of other families
            than ours [`~teachers.base.Conditions`].
        empty_embeds (`Conditions`, *optional*): The empty prompt, where it depends on the others.
    """

    latents: torch.Tensor
    prompts: list[str]
    names: list[str]
    prompt_embeds: torch.Tensor | None = None
    empty_embeds: Any = None


class LatentEncoder:
    r"""
    Turns waveforms and prompts into what a transformer is trained on.

    Args:
        vae (`AutoencoderKLMel1D`): Frozen. Latents are means of its posterior, scaled.
        encode_prompts (`Callable[[list[str]], torch.Tensor]`, *optional*):
            Frozen text encoders: prompts to embeddings `(batch_size, num_tokens, cross_attention_dim)`.
    """

    def __init__(self, vae, encode_prompts=None):
        self.vae, self.encode_prompts = vae, encode_prompts

    @torch.no_grad()
    def mels_and_latents(self, waveforms, device=None, generators=None):
        r"""
        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, samples)`): In `[-1, 1]`, on any device.
            device (`torch.device`, *optional*): Where it is computed; by default where the autoencoder lies.
            generators (`list[torch.Generator]`, *optional*): Of autoencoders that draw; this one does not.

        Returns:
            `tuple[torch.Tensor, torch.Tensor]`: Log-mel spectrograms and scaled latents, on that device.
        """
        mels = log_mel_spectrogram(waveforms.to(self.vae.device if device is None else device))
        return mels, self.vae.encode(mels.to(self.vae.dtype)).latent_dist.mean.float() * self.vae.config.scaling_factor

    @torch.no_grad()
    def embeds(self, prompts):
        r"""Embeddings of prompts in float32, or `None` without text encoders."""
        return None if self.encode_prompts is None else self.encode_prompts(prompts).float()


class EncodedExamples:
    r"""
    Batches that are drawn, mixed and encoded anew for each step: no two are alike.

    Args:
        drawer ([`~audiolcm_diffusers.data.captions.ExampleDrawer`]): Draws waveforms and captions.
        encoder ([`LatentEncoder`]): Encodes them.
        prompt_of (`Callable[[Example], str]`): What the text encoders read of an example.
    """

    def __init__(self, drawer, encoder, prompt_of):
        self.drawer, self.encoder, self.prompt_of = drawer, encoder, prompt_of
        self.batch_sizes, self.draw_length, self.longest_s = drawer.batch_sizes, drawer.draw_length, drawer.longest_s

    def prompts(self):
        r"""Yield captions of the data, some wordings of each, for whoever wants to know their words."""
        # As many as bring every paraphrase along, more likely than not.
        generator = torch.Generator().manual_seed(0)
        for captions in self.drawer.data.captions():
            for _ in range(20):
                caption = choose(captions, generator) if len(captions) > 1 else captions[0]
                yield self.drawer.wordings.draw(caption, generator)

    def unconditional_embeds(self):
        r"""`torch.Tensor` of shape `(1, num_tokens, cross_attention_dim)`: the empty prompt, float32."""
        return self.encoder.embeds([""])

    def draw(self, length, generators):
        r"""
        Draw a batch, each example from a generator of its own.

        Args:
            length (`int`): From `draw_length`.
            generators (`list[torch.Generator]`): Source of randomness of each example.

        Returns:
            [`LatentBatch`].
        """
        waveforms, examples = self.drawer.draw(length, generators)
        _, latents = self.encoder.mels_and_latents(waveforms)
        prompts = [self.prompt_of(example) for example in examples]
        names = sorted({name for example in examples for name in example.names})
        return LatentBatch(latents, prompts, names, self.encoder.embeds(prompts))

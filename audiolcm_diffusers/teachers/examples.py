# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Training examples of any family: latents of captioned sound, and conditions of the captions."""

from dataclasses import replace
from typing import Any

import torch

from ..data.latents import LatentBatch
from .base import Teacher


def with_conditions(batch: LatentBatch, teacher: Teacher, duration_s: float) -> LatentBatch:
    r"""
    A batch with what its family's network is told of its prompts, and of nothing. A prompt that was dropped is
    nothing.

    Args:
        batch ([`~audiolcm_diffusers.data.latents.LatentBatch`]): With prompts.
        teacher ([`~teachers.base.Teacher`]): Encodes them.
        duration_s (`float`): Length of its sounds in seconds.
    """
    with torch.no_grad():
        given, empty = teacher.encode_prompts(batch.prompts, duration_s)
    dropped = torch.tensor([not prompt for prompt in batch.prompts])
    return replace(batch, prompt_embeds=given.replaced(dropped, empty), empty_embeds=empty)


class FamilyEncoder:
    r"""
    Turns waveforms into latents, as a latent cache is written.

    Args:
        teacher ([`~teachers.base.Teacher`]): Has the autoencoder.
    """

    def __init__(self, teacher: Teacher):
        self.teacher = teacher

    @torch.no_grad()
    def latents(self, waveforms: torch.Tensor, generators: list[torch.Generator]) -> torch.Tensor:
        r"""
        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, num_channels, samples)`): On any device.
            generators (`list[torch.Generator]`): One a sound, of autoencoders that draw.
        """
        waveforms = waveforms.to(self.teacher.denoiser.device)
        return self.teacher.encode_audio(waveforms, generators).float()

    def mels_and_latents(
        self, waveforms: torch.Tensor, generators: list[torch.Generator]
    ) -> tuple[None, torch.Tensor]:
        r"""No mels, which families have each in its own way, and latents."""
        return None, self.latents(waveforms, generators)

    def embeds(self, prompts: list[str]) -> None:
        r"""Nothing: conditions depend on the length and on the batch, and are made for each step."""


class FamilyExamples:
    r"""
    Batches that are drawn, mixed and encoded anew for each step.

    Args:
        drawer ([`~audiolcm_diffusers.data.captions.ExampleDrawer`]): Draws waveforms and captions.
        teacher ([`~teachers.base.Teacher`]): Encodes them.
    """

    def __init__(self, drawer: Any, teacher: Teacher):
        self.drawer, self.teacher, self.encoder = drawer, teacher, FamilyEncoder(teacher)
        self.batch_sizes, self.draw_length, self.longest_s = drawer.batch_sizes, drawer.draw_length, drawer.longest_s

    def draw(self, length: int, generators: list[torch.Generator]) -> LatentBatch:
        r"""Draw a batch, as [`~audiolcm_diffusers.data.latents.EncodedExamples.draw`] does."""
        waveforms, examples = self.drawer.draw(length, generators)
        names = sorted({name for example in examples for name in example.names})
        latents = self.encoder.latents(waveforms, generators)
        batch = LatentBatch(latents, [example.caption for example in examples], names)
        return with_conditions(batch, self.teacher, self.drawer.num_samples[length] / self.drawer.sampling_rate)


class CachedFamilyExamples:
    r"""
    Batches of a latent cache, whose prompts are encoded for each step.

    Args:
        cache ([`~audiolcm_diffusers.data.latent_cache.LatentCache`]): Without embeddings.
        teacher ([`~teachers.base.Teacher`]): Encodes prompts.
    """

    def __init__(self, cache: Any, teacher: Teacher):
        self.cache, self.teacher = cache, teacher
        self.batch_sizes, self.draw_length, self.longest_s = cache.batch_sizes, cache.draw_length, cache.longest_s

    def draw(self, length: int, generators: list[torch.Generator]) -> LatentBatch:
        r"""Draw a batch, as [`~audiolcm_diffusers.data.latent_cache.LatentCache.draw`] does."""
        duration_s = self.cache.num_samples(length) / self.teacher.sampling_rate
        return with_conditions(self.cache.draw(length, generators), self.teacher, duration_s)

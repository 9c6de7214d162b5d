# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Stable Audio 3: a straight path, durations as a token and globally, latents of a deterministic autoencoder."""

from collections.abc import Sequence

import torch

from .base import NUM_STRAIGHT_TIMESTEPS, Conditions, StraightTeacher


class StableAudio3Teacher(StraightTeacher):
    r"""
    `StableAudio3Pipeline`. Its network is told the share of noise itself, and predicts `noise - x_0`.
    """

    pipeline_classes = ("StableAudio3Pipeline",)
    duration_argument = "duration"
    # Inpainting's.
    idle_layers = ("to_local_embed",)

    @property
    def samples_per_frame(self) -> int:
        return self.pipe.vae.downsampling_ratio

    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.pipe.vae.encode(waveforms.to(self.pipe.vae.dtype)).latents

    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        device = self.denoiser.device
        duration = self.pipe.encode_duration(duration_s, device, 1, len(prompts))

        def encoded(texts: list[str]) -> Conditions:
            embeds, mask = self.pipe.encode_prompt(texts, device, 1)
            context, mask = self.pipe.prepare_cross_attention(embeds, mask, duration)
            return Conditions(
                {
                    "encoder_hidden_states": context,
                    "encoder_attention_mask": mask,
                    "global_hidden_states": duration,
                }
            )

        return encoded(list(prompts)), encoded([""] * len(prompts))

    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        return denoiser(latents, timesteps / NUM_STRAIGHT_TIMESTEPS, **conditions.tensors, return_dict=False)[0]

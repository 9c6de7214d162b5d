# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What pipelines that begin with a sound have in common."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ..data.latents import LatentEncoder
from .arguments import SoundLength, is_number
from .base import AudioLCMPipelineBase, Call, draw_noise
from .finite import check_finite
from .schedules import most_steps, set_timesteps
from .stages import Conditions


class AudioLCMEditingPipelineBase(AudioLCMPipelineBase):
    r"""
    What pipelines share that encode a given sound. For the components see [`AudioLCMPipeline`].
    """

    model_cpu_offload_seq = "text_encoder->projection_model->text_encoder_2->transformer->vae->vocoder"

    def _check_vae(self) -> None:
        if self.vae is None:
            raise ValueError("The given sound cannot be encoded, because the pipeline's `vae` is None.")

    def _steps_for(self, num_inference_steps: int | None, strength: float, original: int | None) -> int:
        """Steps of a call; those by default are no more than a strength leaves."""
        if num_inference_steps is not None or not is_number(strength) or not 0 < strength <= 1:
            return num_inference_steps or self.config.default_num_inference_steps
        most = most_steps(self.scheduler, strength, original)
        return min(self.config.default_num_inference_steps, most or math.inf)

    def _start(
        self,
        call: Call,
        strength: float,
        num_inference_steps: int | None,
        guidance_scale: float | Sequence[float] | None,
        original_inference_steps: int | None,
        timesteps: Sequence[float] | None,
        num_waveforms_per_prompt: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: torch.Tensor | None,
        prompt_attention_mask: torch.Tensor | None,
        negative_prompt_attention_mask: torch.Tensor | None,
        attention_kwargs: dict[str, Any] | None,
    ) -> tuple[torch.Tensor, Conditions, torch.Tensor]:
        """Timesteps from `strength` on, what the transformer is told, and noise of variance 1, `latents` if given."""
        num_inference_steps = self._steps_for(num_inference_steps, strength, original_inference_steps)
        _, guidance_scale = self._with_defaults(None, guidance_scale)
        device = self._execution_device
        timesteps = set_timesteps(
            self.scheduler, num_inference_steps, original_inference_steps, timesteps, device, strength
        )
        self._begin(guidance_scale, attention_kwargs, timesteps)
        conditions = self._encode_conditions(
            call.text, num_waveforms_per_prompt, (prompt_attention_mask, negative_prompt_attention_mask)
        )
        noise = latents
        if noise is None:
            num_waveforms = call.num_sounds * num_waveforms_per_prompt
            shape = num_waveforms, self.transformer.config.in_channels, call.length.num_latent_frames
            noise = draw_noise(shape, generator, device, call.steady_frames)
        return timesteps, conditions, noise.to(device=device, dtype=self._step_dtype)

    def _encode_source(self, source: torch.Tensor, length: SoundLength, num_waveforms: int) -> torch.Tensor:
        """Clean latents of a sound, `(num_waveforms, channels, latent_frames)`."""
        missing = length.num_latent_frames * self.hop_length * self.latent_hop - source.shape[-1]
        # Not where the weights lie, which offloading moves.
        _, latents = LatentEncoder(self.vae).mels_and_latents(F.pad(source, (0, missing)), self._execution_device)
        check_finite(latents, "The VAE gave latents of the sound that are expected")
        return latents.to(self._step_dtype).repeat_interleave(num_waveforms // len(latents), dim=0)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What pipelines that begin with a sound have in common."""

import math

import torch
import torch.nn.functional as F
from diffusers.utils.torch_utils import randn_tensor

from ..data.latents import LatentEncoder
from .arguments import SoundLength, is_number
from .base import AudioLCMPipelineBase
from .finite import check_finite
from .schedules import most_steps
from .windows import steady_noise


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

    def _draw_noise(
        self,
        num_waveforms: int,
        num_frames: int,
        generator: torch.Generator | list[torch.Generator] | None,
        noise: torch.Tensor | None,
        window_frames: int | None,
    ) -> torch.Tensor:
        """Noise of variance 1, drawn as [`~AudioLCMPipelineBase.prepare_latents`] does, or the one given."""
        device = self._execution_device
        if noise is None:
            shape = num_waveforms, self.transformer.config.in_channels, num_frames
            noise = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
            if window_frames is not None:
                noise = steady_noise(noise, window_frames)
        return noise.to(device=device, dtype=self._step_dtype)

    def _encode_source(self, source: torch.Tensor, length: SoundLength, num_waveforms: int) -> torch.Tensor:
        """Clean latents of a sound, `(num_waveforms, channels, latent_frames)`."""
        missing = length.num_latent_frames * self.hop_length * self.latent_hop - source.shape[-1]
        # Not where the weights lie, which offloading moves.
        _, latents = LatentEncoder(self.vae).mels_and_latents(F.pad(source, (0, missing)), self._execution_device)
        check_finite(latents, "The VAE gave latents of the sound that are expected")
        return latents.to(self._step_dtype).repeat_interleave(num_waveforms // len(latents), dim=0)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""AudioLCM: mel spectrograms as latents of one dimension, either of two transformers, guidance as an embedding."""

from collections.abc import Sequence

import torch
from diffusers import SchedulerMixin

from ..audio.mel import HOP_LENGTH, log_mel_spectrogram
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler
from .base import Conditions, ScheduledTeacher


class AudioLCMTeacher(ScheduledTeacher):
    r"""
    `AudioLCMPipeline` without guidance embedding, on the path and with the prediction of its scheduler. Latents are
    `(batch_size, channels, frames)`.
    """

    pipeline_classes = ("AudioLCMPipeline",)
    duration_argument = "audio_length_in_s"
    has_lora_loader = True

    @property
    def default_guidance_scale(self) -> float:
        return self.pipe.config.default_guidance_scale

    @property
    def samples_per_frame(self) -> int:
        return HOP_LENGTH * self.pipe.vae.temporal_compression_ratio

    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        vae = self.pipe.vae
        mels = log_mel_spectrogram(waveforms[:, 0]).to(vae.dtype)
        return vae.encode(mels).latent_dist.mean.float() * vae.config.scaling_factor

    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        def of(texts: list[str]) -> Conditions:
            embeds = self.pipe.encode_prompt(texts, do_classifier_free_guidance=False)[0]
            return Conditions({"encoder_hidden_states": embeds.float()})

        return of(list(prompts)), of([""] * len(prompts))

    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        return denoiser(latents, timesteps, **conditions.tensors, return_dict=False)[0]

    def student_scheduler(self, num_solver_timesteps: int) -> SchedulerMixin:
        return LCMAudioScheduler.from_config(self.pipe.scheduler.config, original_inference_steps=num_solver_timesteps)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""LongCat AudioDiT: a straight path that is told the share of data, and predicted towards data."""

from collections.abc import Sequence

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from .base import NUM_STRAIGHT_TIMESTEPS, Conditions, StraightTeacher


class LongCatAudioDiTTeacher(StraightTeacher):
    r"""
    `LongCatAudioDiTPipeline`. Its network is told `1 - tau` of our share of noise `tau`, and predicts `x_0 - noise`,
    which is turned around here. Latents are `(batch_size, frames, channels)`.
    """

    pipeline_classes = ("LongCatAudioDiTPipeline",)
    duration_argument = "audio_duration_s"
    has_gradient_checkpointing = False

    @property
    def samples_per_frame(self) -> int:
        return self.pipe.vae_scale_factor

    @property
    def max_duration_s(self) -> float:
        return self.pipe.max_wav_duration

    def student_scheduler(self, num_solver_timesteps: int) -> FlowMatchEulerDiscreteScheduler:
        # The pipeline neither saves nor loads a scheduler, and has this one whatever is there. Its steps keep the
        # noise that they predict: the sampler of consistency models without fresh noise.
        return FlowMatchEulerDiscreteScheduler(shift=1.0, invert_sigmas=True)

    @property
    def sampling_rate(self) -> int:
        return self.pipe.sample_rate

    @property
    def num_channels(self) -> int:
        return self.pipe.vae.config.in_channels

    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        # It takes whole frames alone, and the pipeline makes no others.
        whole = waveforms.shape[-1] // self.pipe.vae_scale_factor * self.pipe.vae_scale_factor
        waveforms = waveforms[..., :whole].to(self.pipe.vae.dtype)
        return self.pipe.vae.encode(waveforms, generator=generator).latents.transpose(1, 2)

    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        device = self.denoiser.device
        embeds, lengths = self.pipe.encode_prompt(list(prompts), device)
        mask = torch.arange(embeds.shape[1], device=device) < lengths[:, None]

        def of(states: torch.Tensor) -> Conditions:
            return Conditions({"encoder_hidden_states": states, "encoder_attention_mask": mask})

        # Nothing is as long as the prompt: a projection with a bias is applied to its zeros.
        return of(embeds), of(torch.zeros_like(embeds))

    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        is_frame = torch.ones(latents.shape[:2], dtype=torch.bool, device=latents.device)
        towards_data = denoiser(
            hidden_states=latents,
            timestep=1 - timesteps / NUM_STRAIGHT_TIMESTEPS,
            attention_mask=is_frame,
            latent_cond=torch.zeros_like(latents),
            **conditions.tensors,
            return_dict=False,
        )[0]
        return -towards_data

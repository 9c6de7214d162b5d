# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Stable Audio Open: the variance-preserving twin of its parametrisation, durations as tokens and globally."""

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import LCMScheduler
from diffusers.models.embeddings import get_1d_rotary_pos_embed

from ..paths import NoisePath
from .base import Conditions, Teacher


NUM_TIMESTEPS = 1000


class StableAudioTeacher(Teacher):
    r"""
    `StableAudioPipeline` (arXiv:2404.10301).

    It runs in the EDM parametrisation with a data deviation of 1: its scheduler scales the input by
    `1 / sqrt(sigma^2 + 1)` and tells the network `2 / pi * atan(sigma)`. With `sigma^2 = (1 - alpha) / alpha` the
    scaled input is `sqrt(alpha) x_0 + sqrt(1 - alpha) noise`, `x_t` of a variance-preserving path, and the network
    puts out the velocity `sqrt(alpha) noise - sqrt(1 - alpha) x_0`. On the path `sqrt(alpha) = cos(pi t / 2000)` it
    is told `t / 1000`.
    """

    pipeline_classes = ("StableAudioPipeline",)
    prediction_type = "v_prediction"
    duration_argument = "audio_end_in_s"
    student_code = (
        "# LCMScheduler counts time to 1000, this network to 1.\npipe.transformer.time_proj.weight.data /= 1000"
    )

    @property
    def path(self) -> NoisePath:
        angles = torch.arange(NUM_TIMESTEPS, dtype=torch.float64) * (math.pi / (2 * NUM_TIMESTEPS))
        return NoisePath.variance_preserving(angles.cos().square().float())

    @property
    def samples_per_frame(self) -> int:
        return self.pipe.vae.hop_length

    @property
    def max_duration_s(self) -> float:
        return self.pipe.transformer.config.sample_size * self.samples_per_frame / self.sampling_rate

    def student_scheduler(self, num_solver_timesteps: int) -> LCMScheduler:
        kept = self.path.alphas_cumprod.double()
        betas = 1 - kept / torch.cat([kept.new_ones(1), kept[:-1]])
        return LCMScheduler(
            num_train_timesteps=NUM_TIMESTEPS,
            trained_betas=betas.tolist(),
            original_inference_steps=num_solver_timesteps,
            prediction_type=self.prediction_type,
            clip_sample=False,
        )

    def student_denoiser(self, denoiser: torch.nn.Module) -> torch.nn.Module:
        # The scheduler counts time to 1000, the network to 1: its frequencies take the difference.
        student = copy.deepcopy(denoiser)
        student.time_proj.weight.data.div_(NUM_TIMESTEPS)
        return student

    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        # Its network knows one length; what is shorter is silent to the end.
        whole = self.pipe.transformer.config.sample_size * self.samples_per_frame
        waveforms = F.pad(waveforms, (0, max(0, whole - waveforms.shape[-1])))
        return self.pipe.vae.encode(waveforms.to(self.pipe.vae.dtype)).latent_dist.sample(generator)

    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        device = self.denoiser.device
        text = self.pipe.encode_prompt(list(prompts), device, False)
        start, end = self.pipe.encode_duration(0.0, duration_s, device, False, len(prompts))
        tokens, duration = torch.cat([text, start, end], dim=1), torch.cat([start, end], dim=2)
        # Without a prompt there are no durations among the tokens either, but globally there are.
        return tuple(
            Conditions({"encoder_hidden_states": states, "global_hidden_states": duration})
            for states in (tokens, torch.zeros_like(tokens))
        )

    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        rotary = get_1d_rotary_pos_embed(
            self.denoiser.config.attention_head_dim // 2,
            latents.shape[2] + conditions.tensors["global_hidden_states"].shape[1],
            use_real=True,
            repeat_interleave_real=False,
        )
        return denoiser(
            latents,
            timesteps / NUM_TIMESTEPS,
            **conditions.tensors,
            rotary_embedding=tuple(part.to(latents.device) for part in rotary),
            return_dict=False,
        )[0]

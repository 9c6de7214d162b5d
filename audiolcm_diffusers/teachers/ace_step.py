# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""ACE-Step: a straight path with two times, text and lyrics in one condition, latents beside those of silence."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..paths import align
from .base import NUM_STRAIGHT_TIMESTEPS, Conditions, StraightTeacher


# Of a difference of predictions over time, for each channel.
MAX_DIFFERENCE = 2.5


class AceStepTeacher(StraightTeacher):
    r"""
    `AceStepPipeline`, text to music without lyrics. Its network is told the share of noise, twice, and predicts
    `noise - x_0`. Latents are `(batch_size, frames, channels)`.

    Text has no mask in this family, so that what stands beside a shorter prompt in a batch changes it a little, as it
    does in the pipeline.
    """

    pipeline_classes = ("AceStepPipeline",)
    duration_argument = "audio_duration"
    has_lora_loader = True
    shift = 3.0
    # A turbo model is never guided by its pipeline.
    student_code = "pipe.is_turbo = True"

    @property
    def samples_per_frame(self) -> int:
        return round(self.sampling_rate / self.pipe.latents_per_second)

    def guide(self, cond: torch.Tensor, uncond: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        r"""
        Adaptive projected guidance (APG, arXiv:2410.02416), without the momentum of the pipeline, which is none of one
        step: differences that are too large are shortened, and what points along the prediction is left out.
        """
        difference = cond - uncond
        length = difference.norm(dim=1, keepdim=True)
        difference = difference * (MAX_DIFFERENCE / length.clamp(min=MAX_DIFFERENCE))
        along = F.normalize(cond.double(), dim=1)
        across = difference.double() - (difference.double() * along).sum(dim=1, keepdim=True) * along
        return cond + align(w, cond) * across.to(cond.dtype)

    def student_denoiser(self, denoiser: torch.nn.Module) -> torch.nn.Module:
        denoiser.register_to_config(is_turbo=True)
        return denoiser

    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        posterior = self.pipe.vae.encode(waveforms.to(self.pipe.vae.dtype)).latent_dist
        return posterior.sample(generator).transpose(1, 2)

    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        pipe, device, dtype, rows = self.pipe, self.denoiser.device, self.denoiser.dtype, len(prompts)
        text, text_mask, lyrics, lyric_mask = pipe.encode_prompt(
            list(prompts), [""] * rows, device, audio_duration=duration_s, instruction=pipe._get_task_instruction()
        )
        # Without a sound to be like, the timbre is that of the silence which the network was shown: of 30 s at most.
        timbre = pipe.condition_encoder.silence_latent[:, : -int(-30 * pipe.latents_per_second // 1)]
        states, _ = pipe.condition_encoder(
            text_hidden_states=text,
            text_attention_mask=text_mask,
            lyric_hidden_states=lyrics,
            lyric_attention_mask=lyric_mask,
            refer_audio_acoustic_hidden_states_packed=timbre.to(device, dtype).expand(rows, -1, -1).contiguous(),
            refer_audio_order_mask=torch.arange(rows, device=device),
        )
        frames = -int(-duration_s * pipe.latents_per_second // 1)
        silence, frames = pipe.prepare_src_latents(device, dtype, rows, latent_length=frames)
        # All of it is to be made.
        context = torch.cat([silence, torch.ones_like(silence)], dim=-1)
        nothing = pipe.condition_encoder.null_condition_emb.to(states).expand_as(states)
        return tuple(
            Conditions({"encoder_hidden_states": part, "context_latents": context}) for part in (states, nothing)
        )

    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        tau = timesteps / NUM_STRAIGHT_TIMESTEPS
        return denoiser(hidden_states=latents, timestep=tau, timestep_r=tau, **conditions.tensors, return_dict=False)[
            0
        ]

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""AudioLDM 2: a variance-preserving path, mel pictures as latents, a language model's and an encoder's words."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import LCMScheduler, Transformer2DModel
from torch.utils.checkpoint import checkpoint

from .base import Conditions, ScheduledTeacher


# Of the spectrograms that the family was trained on: samples of a window, the lowest magnitude whose logarithm is
# taken, and the peak to which sounds are brought.
WINDOW = 1024
MAGNITUDE_FLOOR = 1e-5
PEAK = 0.5


def _checkpointed(layer: torch.nn.Module, *args: Any) -> Any:
    """A layer of the network, computed again in the backward pass."""
    if isinstance(layer, Transformer2DModel):
        # Blocks of diffusers 0.42 (`modeling_audioldm2.py`) hand arguments on by position and leave one out, so that
        # masks are taken for something else.
        sample, states, _, _, cross_attention_kwargs, mask, states_mask = args
        options = {
            "encoder_hidden_states": states,
            "cross_attention_kwargs": cross_attention_kwargs,
            "attention_mask": mask,
            "encoder_attention_mask": states_mask,
            "return_dict": False,
        }
        return checkpoint(layer, sample, use_reentrant=False, **options)
    return checkpoint(layer, *args, use_reentrant=False)


class AudioLDM2Teacher(ScheduledTeacher):
    r"""
    `AudioLDM2Pipeline` (arXiv:2308.05734). Its network is told whole timesteps and predicts noise. Latents are
    `(batch_size, channels, frames, mel_bins / vae_scale_factor)`.

    How many tokens a prompt is padded to changes what its language model says, so that what stands beside a shorter
    prompt in a batch changes it a little, as it does in the pipeline.
    """

    pipeline_classes = ("AudioLDM2Pipeline",)
    denoiser_name = "unet"
    duration_argument = "audio_length_in_s"

    def enable_gradient_checkpointing(self, denoiser: torch.nn.Module) -> None:
        denoiser.enable_gradient_checkpointing(_checkpointed)

    @property
    def sampling_rate(self) -> int:
        return self.pipe.vocoder.config.sampling_rate

    @property
    def _hop(self) -> int:
        return math.prod(self.pipe.vocoder.config.upsample_rates)

    @property
    def samples_per_frame(self) -> int:
        return self._hop * self.pipe.vae_scale_factor

    def log_mel(self, waveforms: torch.Tensor) -> torch.Tensor:
        r"""
        The spectrograms that the autoencoder reads: natural logarithms of magnitudes in mel bands, of windows that are
        centred on every hop, the ends mirrored. Sounds lose their mean, and are brought to a peak of one half.

        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, samples)`): At `sampling_rate`.

        Returns:
            `torch.Tensor` of shape `(batch_size, frames, mel_bins)`: A frame every hop.
        """
        # Asked for here, because it takes its time to import.
        from transformers.audio_utils import mel_filter_bank

        waveforms = waveforms - waveforms.mean(dim=-1, keepdim=True)
        waveforms = PEAK * waveforms / (waveforms.abs().amax(dim=-1, keepdim=True) + 1e-8)
        window = torch.hann_window(WINDOW, device=waveforms.device)
        magnitudes = torch.stft(waveforms, WINDOW, self._hop, window=window, return_complex=True).abs()
        filters = mel_filter_bank(
            num_frequency_bins=WINDOW // 2 + 1,
            num_mel_filters=self.pipe.vocoder.config.model_in_dim,
            min_frequency=0.0,
            max_frequency=self.sampling_rate / 2,
            sampling_rate=self.sampling_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        mels = torch.from_numpy(filters).to(magnitudes).T @ magnitudes
        # The last window begins where the sound has ended.
        return mels.clamp(min=MAGNITUDE_FLOOR).log().transpose(1, 2)[:, : waveforms.shape[-1] // self._hop]

    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        vae = self.pipe.vae
        mels = self.log_mel(waveforms.float()[:, 0])[:, None].to(vae.dtype)
        return vae.encode(mels).latent_dist.sample(generator) * vae.config.scaling_factor

    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        embeds, mask, generated = self.pipe.encode_prompt(list(prompts), self.denoiser.device, 1, True)
        rows = len(prompts)

        def of(part: slice) -> Conditions:
            return Conditions(
                {
                    "encoder_hidden_states": generated[part],
                    "encoder_hidden_states_1": embeds[part],
                    "encoder_attention_mask_1": mask[part],
                }
            )

        return of(slice(rows, None)), of(slice(rows))

    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        return denoiser(latents, timesteps, **conditions.tensors, return_dict=False)[0]

    def student_scheduler(self, num_solver_timesteps: int) -> LCMScheduler:
        return LCMScheduler.from_config(
            self.pipe.scheduler.config, original_inference_steps=num_solver_timesteps, clip_sample=False
        )

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Stages of making sound that pipelines share: functions of networks and tensors, which know nothing of a call."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..consistency import guidance_embedding, guide


@dataclass(frozen=True)
class Conditions:
    r"""
    What the transformer is told about the sound, row by row of a batch.

    Args:
        prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): Encoded prompts.
        negative_prompt_embeds (`torch.Tensor` of the same shape, *optional*): Encoded negative prompts.
        prompt_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
            True where a token is to be seen; all are by default.
        negative_prompt_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
            The same for the negative prompts.
    """

    prompt_embeds: torch.Tensor
    negative_prompt_embeds: torch.Tensor | None = None
    prompt_attention_mask: torch.Tensor | None = None
    negative_prompt_attention_mask: torch.Tensor | None = None

    @property
    def embeds(self) -> dict[str, torch.Tensor | None]:
        r"""`dict`: The two that a callback may see and change, by name."""
        return {"prompt_embeds": self.prompt_embeds, "negative_prompt_embeds": self.negative_prompt_embeds}

    def changed(self, tensors: dict[str, torch.Tensor]) -> "Conditions":
        r"""With the embeddings that are among the tensors which a callback returned."""
        return replace(self, **{name: tensors[name] for name in self.embeds if name in tensors})

    def of_both(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        r"""Embeddings and mask of a batch of negative prompts, then prompts."""
        # In this order, because diffusers' caches take the second half for the conditional one.
        embeds = self.negative_prompt_embeds, self.prompt_embeds
        masks = self.negative_prompt_attention_mask, self.prompt_attention_mask
        if all(mask is None for mask in masks):
            return torch.cat(embeds), None
        full = [
            torch.ones(states.shape[:2], dtype=torch.bool, device=states.device) if mask is None else mask.bool()
            for states, mask in zip(embeds, masks)
        ]
        return torch.cat(embeds), torch.cat(full)


def predict(
    transformer: torch.nn.Module,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    conditions: Conditions,
    guidance_scale: float,
    attention_kwargs: dict[str, Any] | None = None,
) -> torch.Tensor:
    r"""
    Run a transformer once, guided in the way that it knows.

    One with a guidance embedding is told the scale. Another runs with and without caption in one batch, if the scale
    is above 1.

    Args:
        transformer ([`LLaMATransformer1DModel`] or [`ConcatTransformer1DModel`]): The network.
        latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`):
            At the scale and in the precision of its input.
        timestep (`torch.Tensor` without dimensions): Of all rows.
        conditions ([`Conditions`]): What it is told.
        guidance_scale (`float`): `w + 1`.
        attention_kwargs (`dict`, *optional*): For the attention processors.

    Returns:
        `torch.Tensor` of the shape of `latents`: What the network predicts, at least float32, in which guidance and
        the scheduler's steps go on.

    Raises:
        ValueError: If it is to be guided and there are no negative prompts.
    """
    w = guidance_scale - 1
    embedding_dim = transformer.config.time_cond_proj_dim
    timestep_cond = None
    if embedding_dim is not None:
        timestep_cond = guidance_embedding(
            torch.full((latents.shape[0],), w, device=latents.device), embedding_dim=embedding_dim
        )
    in_one_batch = embedding_dim is None and guidance_scale > 1
    embeds, mask = conditions.prompt_embeds, conditions.prompt_attention_mask
    if in_one_batch:
        if conditions.negative_prompt_embeds is None:
            raise ValueError(
                f"guidance_scale became {guidance_scale} in a call that began without classifier-free guidance; "
                "begin with a guidance_scale above 1."
            )
        latents = torch.cat([latents, latents])
        embeds, mask = conditions.of_both()

    with transformer.cache_context("cond_uncond" if in_one_batch else "cond"):
        prediction = transformer(
            hidden_states=latents,
            timestep=timestep.expand(latents.shape[0]),
            encoder_hidden_states=embeds,
            encoder_attention_mask=mask,
            timestep_cond=timestep_cond,
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
    prediction = prediction.to(torch.promote_types(prediction.dtype, torch.float32))
    if not in_one_batch:
        return prediction
    uncond, cond = prediction.chunk(2)
    return guide(cond, uncond, w)


def decode_latents(vae: torch.nn.Module, latents: torch.Tensor, num_mel_frames: int) -> torch.Tensor:
    r"""
    Latents as log-mel spectrograms.

    Args:
        vae ([`AutoencoderKLMel1D`]): Decodes them.
        latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`): As the transformer sees them.
        num_mel_frames (`int`): Length to cut to.

    Returns:
        `torch.Tensor` of shape `(batch_size, num_mel_bins, num_mel_frames)`.
    """
    mels = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0]
    return mels[..., :num_mel_frames]


def fade_ends(waveforms: torch.Tensor, num_samples: int) -> torch.Tensor:
    r"""
    Let sounds rise from silence and fall to it, along half a Hann window.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sounds.
        num_samples (`int`): Length of a fade; at most half of the sound is faded at either end.

    Returns:
        `torch.Tensor` of the shape of `waveforms`.
    """
    num_samples = min(num_samples, waveforms.shape[-1] // 2)
    if num_samples == 0:
        return waveforms
    # Sample n is raised to sin^2(pi n / 2N), counted from the nearer end: the first and the last are silent.
    samples = torch.arange(waveforms.shape[-1], device=waveforms.device)
    from_end = torch.minimum(samples, samples.flip(0)).clamp(max=num_samples)
    return waveforms * torch.sin(from_end.to(torch.float32) * (math.pi / (2 * num_samples))) ** 2

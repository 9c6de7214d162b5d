# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Stages of making sound that pipelines share: functions of networks and tensors, which know nothing of a call."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from ..consistency import guidance_embedding, guide, interval_embedding


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

    def split(self, number: int) -> list["Conditions"]:
        r"""The rows in so many parts of one size, one behind the other."""
        names = [field.name for field in fields(self)]
        values = [getattr(self, name) for name in names]
        parts = [[None] * number if value is None else value.chunk(number) for value in values]
        return [Conditions(*part) for part in zip(*parts)]

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
    guidance_scale: float | tuple[float, ...],
    attention_kwargs: dict[str, Any] | None = None,
    part: str = "",
    interval: float | None = None,
) -> torch.Tensor:
    r"""
    Run a transformer once, guided in the way that it knows.

    One with a guidance embedding is told the scale, or how far the step goes. Another runs with and without caption in
    one batch, if the scale is above 1.

    Args:
        transformer ([`LLaMATransformer1DModel`] or [`ConcatTransformer1DModel`]): The network.
        latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`):
            At the scale and in the precision of its input.
        timestep (`torch.Tensor` without dimensions): Of all rows.
        conditions ([`Conditions`]): What it is told.
        guidance_scale (`float` or `tuple[float]`, one a row):
            `w + 1`. Rows of a transformer without a guidance embedding whose scale is 1 or less are not guided.
        attention_kwargs (`dict`, *optional*): For the attention processors.
        part (`str`, defaults to `""`): Which part of a sound this is, so that caches tell them apart.
        interval (`float`, *optional*):
            Share of noise by which the step goes on, for a transformer of average velocities
            (`time_cond_type="interval"`), which is told nothing of the scale.

    Returns:
        `torch.Tensor` of the shape of `latents`: What the network predicts, at least float32, in which guidance and
        the scheduler's steps go on.

    Raises:
        ValueError: If it is to be guided and there are no negative prompts.
    """
    w = _strength(guidance_scale, latents.device, torch.is_inference_mode_enabled())
    embedding_dim = transformer.config.time_cond_proj_dim
    timestep_cond = None
    if embedding_dim is not None:
        if transformer.config.time_cond_type == "interval":
            timestep_cond = interval_embedding(latents.new_full(latents.shape[:1], interval), embedding_dim)
        else:
            timestep_cond = _told(guidance_scale, embedding_dim, latents.device, torch.is_inference_mode_enabled())
            timestep_cond = timestep_cond.expand(latents.shape[0], -1)
    in_one_batch = embedding_dim is None and is_guided(guidance_scale)
    embeds, mask = conditions.prompt_embeds, conditions.prompt_attention_mask
    if in_one_batch:
        if conditions.negative_prompt_embeds is None:
            raise ValueError(
                f"guidance_scale became {guidance_scale} in a call that began without classifier-free guidance; "
                "begin with a guidance_scale above 1."
            )
        latents = torch.cat([latents, latents])
        embeds, mask = conditions.of_both()

    with transformer.cache_context(("cond_uncond" if in_one_batch else "cond") + part):
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
    return guide(cond, uncond, w.clamp(min=0.0))


# Both are the same in every step of a call, and on CUDA are brought to the card once. Tensors of inference mode are of
# no use outside of it.
@functools.lru_cache(maxsize=32)
def _strength(guidance_scale: float | tuple[float, ...], device: torch.device, is_inference: bool) -> torch.Tensor:
    """`w` in float32, rounded once: students are told it with the bits that they were trained with."""
    return (torch.as_tensor(guidance_scale, dtype=torch.float64, device="cpu") - 1).float().to(device)


@functools.lru_cache(maxsize=32)
def _told(
    guidance_scale: float | tuple[float, ...], embedding_dim: int, device: torch.device, is_inference: bool
) -> torch.Tensor:
    """What a student is told of it, a row or as many as there are strengths."""
    return guidance_embedding(_strength(guidance_scale, device, is_inference).view(-1), embedding_dim)


def is_guided(guidance_scale: float | tuple[float, ...]) -> bool:
    r"""Whether a scale, or any of several, asks for classifier-free guidance: those above 1."""
    return bool((torch.as_tensor(guidance_scale) > 1).any())


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
    samples = torch.arange(waveforms.shape[-1], device=waveforms.device)
    return waveforms * _rise(torch.minimum(samples, samples.flip(0)), num_samples)


def _rise(distance: torch.Tensor, num_samples: int) -> torch.Tensor:
    # Sample n is raised to sin^2(pi n / 2N), counted from an end: the first and the last are silent.
    return torch.sin(distance.clamp(max=num_samples).to(torch.float32) * (math.pi / (2 * num_samples))) ** 2


def fade_gains(length: int, at_begin: int, at_end: int) -> Callable[[int, int], torch.Tensor] | None:
    r"""
    What [`fade_ends`] multiplies with, of a part of a sound, and of fades that differ.

    Args:
        length (`int`): Samples of the sound.
        at_begin, at_end (`int`): Samples that are faded there, at most half of the sound each.

    Returns:
        `Callable[[int, int], torch.Tensor]`: Gains from a sample to before another; `None` where nothing is faded.
    """
    at_begin, at_end = min(at_begin, length // 2), min(at_end, length // 2)
    if not at_begin and not at_end:
        return None

    def gains(start: int, stop: int) -> torch.Tensor:
        samples = torch.arange(start, stop)
        made = torch.ones(stop - start)
        if at_begin:
            made = made * _rise(samples, at_begin)
        return made * _rise(length - 1 - samples, at_end) if at_end else made

    return gains

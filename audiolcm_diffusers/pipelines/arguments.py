# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Arguments of a pipeline's call that are neither text nor the scheduler's: each is checked here and nowhere else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from .finite import check_finite
from .windows import Window, plan_windows


OUTPUT_TYPES = ("np", "pt", "mel", "latent")


def is_count(value: Any) -> bool:
    r"""Whether a value is a whole number from 1."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1


def is_number(value: Any) -> bool:
    r"""Whether a value is a number; `True` and `False` are none here."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def check_output_type(pipe: DiffusionPipeline, output_type: str) -> None:
    r"""Refuse an unknown type of output, and one that needs a component which the pipeline does not have."""
    if output_type not in OUTPUT_TYPES:
        raise ValueError(f"Expected `output_type` to be one of {OUTPUT_TYPES}, got {output_type!r}.")
    needed = ["transformer", "scheduler"]
    if output_type != "latent":
        needed.append("vae")
    if output_type in ("np", "pt"):
        needed.append("vocoder")
    for name in needed:
        if getattr(pipe, name) is None:
            raise ValueError(f"output_type={output_type!r} needs the pipeline's `{name}`, which is None.")


def check_guidance(
    is_student: bool,
    guidance_scale: float | Sequence[float],
    negative_prompt: str | list[str] | None,
    negative_prompt_embeds: torch.Tensor | None,
) -> None:
    r"""Refuse a guidance scale that is no number, and a negative prompt that nothing would guide away from."""
    scales = guidance_scale if isinstance(guidance_scale, (list, tuple)) else [guidance_scale]
    if not scales or not all(is_number(scale) and math.isfinite(scale) for scale in scales):
        several = ", or a list of one a prompt" if isinstance(guidance_scale, (list, tuple)) else ""
        raise ValueError(f"Expected `guidance_scale` to be a finite number{several}, got {guidance_scale!r}.")
    if is_student and (negative_prompt is not None or negative_prompt_embeds is not None):
        raise ValueError(
            "A student takes guidance as an embedding and cannot use a negative prompt, got negative_prompt="
            f"{negative_prompt!r}, negative_prompt_embeds="
            f"{None if negative_prompt_embeds is None else tuple(negative_prompt_embeds.shape)}; leave it out."
        )
    if not is_student and max(scales) <= 1 and negative_prompt is not None:
        raise ValueError(
            f"A negative prompt needs guidance_scale > 1, got guidance_scale={guidance_scale} with "
            f"negative_prompt={negative_prompt!r}."
        )


def check_folded_guidance(guidance_scale: float | Sequence[float]) -> None:
    r"""Refuse a guidance scale other than 1 where a student has one folded in."""
    scales = guidance_scale if isinstance(guidance_scale, (list, tuple)) else [guidance_scale]
    if any(scale != 1 for scale in scales):
        raise ValueError(
            "A student of average velocities (time_cond_type='interval') has its guidance folded in: expected "
            f"guidance_scale == 1, got {guidance_scale!r}."
        )


def check_scales(guidance_scale: float | Sequence[float], num_prompts: int) -> None:
    r"""Refuse any number of guidance scales but one, or one a prompt."""
    if isinstance(guidance_scale, (list, tuple)) and len(guidance_scale) != num_prompts:
        raise ValueError(
            f"Expected one `guidance_scale`, or {num_prompts}, as many as there are prompts, got "
            f"{len(guidance_scale)}: {guidance_scale!r}."
        )


def check_num_waveforms(num_waveforms_per_prompt: int) -> None:
    r"""Refuse what is no number of waveforms."""
    if not is_count(num_waveforms_per_prompt):
        raise ValueError(
            f"Expected `num_waveforms_per_prompt` to be a whole number from 1, got {num_waveforms_per_prompt!r}."
        )


def check_flag(name: str, value: bool) -> None:
    r"""Refuse what is neither `True` nor `False`."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"Expected `{name}` to be True or False, got {value!r}.")


def check_attention_kwargs(attention_kwargs: dict[str, Any] | None) -> None:
    r"""Refuse what is no dictionary."""
    if attention_kwargs is not None and not isinstance(attention_kwargs, dict):
        raise ValueError(f"Expected `attention_kwargs` to be a dictionary, got {attention_kwargs!r}.")


def check_callback_tensors(names: Sequence[str] | None, known: Sequence[str]) -> None:
    r"""Refuse names of tensors that a callback cannot be given; `None` are the default ones."""
    if names is not None and (isinstance(names, str) or not isinstance(names, (list, tuple))):
        raise ValueError(f"Expected `callback_on_step_end_tensor_inputs` to be a list of names, got {names!r}.")
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"Expected `callback_on_step_end_tensor_inputs` from {known}, got {unknown}.")


def check_latents(latents: torch.Tensor | None, shape: tuple[int, int, int]) -> None:
    r"""Refuse latents of another shape than `(num_waveforms, channels, latent_frames)`, and what is not finite."""
    if latents is not None and (not isinstance(latents, torch.Tensor) or tuple(latents.shape) != shape):
        raise ValueError(
            f"Expected `latents` to be a tensor of shape {shape}, got "
            f"{tuple(latents.shape) if isinstance(latents, torch.Tensor) else latents!r}."
        )
    if latents is not None:
        check_finite(latents, "Expected `latents`")


def read_changes(changed: Any, latents: torch.Tensor, conditions: Any) -> tuple[torch.Tensor, Any]:
    r"""
    What a callback made of latents and conditions. One that changes nothing may return nothing.

    Args:
        changed (`dict[str, torch.Tensor]`, *optional*): What the callback returned.
        latents (`torch.Tensor`): Before it.
        conditions ([`~stages.Conditions`]): Before it.

    Returns:
        `tuple[torch.Tensor, Conditions]`: After it.

    Raises:
        ValueError: If it returned something else.
    """
    if changed is None:
        return latents, conditions
    if not isinstance(changed, dict):
        raise ValueError(
            "Expected `callback_on_step_end` to return a dictionary of the tensors that it changed, or None, got "
            f"{changed!r}."
        )
    return changed.get("latents", latents).to(latents), conditions.changed(changed)


def check_generator(
    generator: torch.Generator | list[torch.Generator] | None, num_prompts: int, num_waveforms_per_prompt: int
) -> None:
    r"""Refuse what is no generator, and any number of them but one a waveform."""
    if generator is None:
        return
    generators = generator if isinstance(generator, (list, tuple)) else [generator]
    if not all(isinstance(item, torch.Generator) for item in generators):
        raise ValueError(f"Expected `generator` to be a torch.Generator or a list of them, got {generator!r}.")
    num_waveforms = num_prompts * num_waveforms_per_prompt
    if isinstance(generator, (list, tuple)) and len(generator) != num_waveforms:
        raise ValueError(
            f"Expected as many generators as waveforms are made, {num_waveforms} ({num_prompts} prompts, "
            f"num_waveforms_per_prompt={num_waveforms_per_prompt}), got {len(generator)}."
        )


def split_call(
    arguments: dict[str, Any], num_prompts: int, alone: Sequence[int] = ()
) -> list[tuple[list[int], dict[str, Any]]]:
    r"""
    Calls of one length each, in place of one with a length a prompt.

    Args:
        arguments (`dict`): Of a call; `audio_length_in_s` may be a list.
        num_prompts (`int`): Its prompts.
        alone (`Sequence[int]`): Numbers of prompts that get a call of their own, with their own list of `events`.

    Returns:
        `list[tuple[list[int], dict]]`: Numbers of the waveforms that a call makes, and its arguments.

    Raises:
        ValueError: If there are not as many lengths as prompts, one is no number, or `latents`, which have one length,
            are given.
    """
    lengths = arguments["audio_length_in_s"]
    if isinstance(lengths, (list, tuple)):
        if len(lengths) != num_prompts:
            raise ValueError(
                f"Expected one `audio_length_in_s`, or {num_prompts}, as many as there are prompts, got "
                f"{len(lengths)}: {lengths!r}."
            )
        if not all(is_number(length_s) for length_s in lengths):
            raise ValueError(f"Expected `audio_length_in_s` to be seconds, one number a prompt, got {lengths!r}.")
    else:
        lengths = [lengths] * num_prompts
    if arguments["latents"] is not None:
        raise ValueError("`latents` are those of one batch, and do not go with lengths or seconds of each prompt.")
    number = arguments["num_waveforms_per_prompt"]
    groups = {}
    for index, length_s in enumerate(lengths):
        groups.setdefault((length_s, index if index in alone else None), []).append(index)
    calls = []
    for (length_s, single), prompts in groups.items():
        waveforms = [index * number + take for index in prompts for take in range(number)]
        call = {**arguments, "audio_length_in_s": length_s}
        for name, value in arguments.items():
            if isinstance(value, torch.Tensor) and name != "timesteps":
                call[name] = value[prompts]
            elif name in ("prompt", "negative_prompt", "guidance_scale") and isinstance(value, (list, tuple)):
                call[name] = [value[index] for index in prompts]
            elif name == "events" and single is not None:
                call[name] = value[single]
            elif name == "events" and value is not None and num_prompts > 1:
                call[name] = [value[index] for index in prompts]
            elif name == "generator" and isinstance(value, list):
                call[name] = [value[index] for index in waveforms]
        calls.append((waveforms, call))
    return calls


@dataclass(frozen=True)
class SoundLength:
    r"""
    Length of a sound.

    Args:
        num_samples (`int`): Of the waveform.
        num_mel_frames (`int`): Of the mel spectrogram; the last one may reach beyond the waveform.
        num_latent_frames (`int`): Of the latents; the last one may reach beyond the mel spectrogram.
    """

    num_samples: int
    num_mel_frames: int
    num_latent_frames: int


@dataclass(frozen=True)
class LengthLimits:
    r"""
    What lengths a model knows, and how it counts them.

    Args:
        sampling_rate (`int`): Samples of the waveform a second.
        hop_length (`int`): Samples a mel frame.
        latent_hop (`int`): Mel frames a latent frame.
        default_s (`float`): Seconds where a call names no length.
        max_s (`float`): Most seconds that a call may ask for.
        window_s (`float`): Most seconds that the transformer sees at once.
        overlap_s (`float`): Seconds that two windows share.
        max_latent_frames (`int`, *optional*): Most latent frames that the transformer has positions for.
    """

    sampling_rate: int
    hop_length: int
    latent_hop: int
    default_s: float
    max_s: float
    window_s: float
    overlap_s: float
    max_latent_frames: int | None = None

    @property
    def max_samples(self) -> int:
        r"""`int`: Samples of the longest sound."""
        return math.floor(self.max_s * self.sampling_rate)

    @property
    def window_frames(self) -> int:
        r"""`int`: Latent frames that the transformer sees at once."""
        frames = max(2, math.ceil(self.window_s * self.sampling_rate / (self.hop_length * self.latent_hop)))
        return frames if self.max_latent_frames is None else min(frames, self.max_latent_frames)

    @property
    def overlap_frames(self) -> int:
        r"""`int`: Latent frames that two windows share, at most half of one."""
        frames = max(1, round(self.overlap_s * self.sampling_rate / (self.hop_length * self.latent_hop)))
        return min(frames, self.window_frames // 2)

    def windows(self, length: SoundLength, is_loop: bool = False) -> tuple[list[Window], list[Window]]:
        r"""
        What the transformer sees of a sound in even and in odd steps.

        Raises:
            ValueError: If a loop is shorter than the overlap of its ends.
        """
        if is_loop and length.num_latent_frames < self.overlap_frames:
            least_s = self.overlap_frames * self.hop_length * self.latent_hop / self.sampling_rate
            raise ValueError(
                f"Expected a loop of at least {least_s:g} s, the overlap of its ends (`window_overlap_in_s`), got "
                f"{length.num_samples / self.sampling_rate:g} s."
            )
        frames, window, overlap = length.num_latent_frames, self.window_frames, self.overlap_frames
        return tuple(plan_windows(frames, window, overlap, is_shifted, is_loop) for is_shifted in (False, True))

    def read(self, audio_length_in_s: float | None, latents: torch.Tensor | None = None) -> SoundLength:
        r"""
        The length asked for; without one, that of `latents`, or else the default or as much of it as the model can.

        Raises:
            ValueError: If it is no length, or more than the model can.
        """
        if audio_length_in_s is not None:
            num_samples = self._read_seconds(audio_length_in_s)
        elif isinstance(latents, torch.Tensor) and latents.ndim == 3:
            num_samples = latents.shape[-1] * self.hop_length * self.latent_hop
        else:
            num_samples = min(round(self.default_s * self.sampling_rate), self.max_samples)
            if self.max_latent_frames is not None:
                num_samples = min(num_samples, self.max_latent_frames * self.hop_length * self.latent_hop)
        return self.of_samples(num_samples)

    def of_samples(self, num_samples: int) -> SoundLength:
        r"""
        The length of a sound of so many samples.

        Raises:
            ValueError: If it is more than the model can.
        """
        if num_samples > self.max_samples:
            raise ValueError(
                f"Expected a sound of at most {self.max_samples / self.sampling_rate:g} s, the limit of this model, "
                f"got {num_samples / self.sampling_rate:g} s."
            )
        num_mel_frames = math.ceil(num_samples / self.hop_length)
        return SoundLength(num_samples, num_mel_frames, math.ceil(num_mel_frames / self.latent_hop))

    def _read_seconds(self, audio_length_in_s: float) -> int:
        if not is_number(audio_length_in_s) or not math.isfinite(audio_length_in_s):
            raise ValueError(
                f"Expected `audio_length_in_s` to be a finite number of seconds, got {audio_length_in_s!r}."
            )
        num_samples = round(audio_length_in_s * self.sampling_rate)
        if num_samples < 1:
            raise ValueError(
                f"Expected `audio_length_in_s` to be at least one sample, 1/{self.sampling_rate} s, got "
                f"{audio_length_in_s!r}."
            )
        return num_samples


def max_latent_frames(transformer_config: dict[str, Any], num_text_tokens: int) -> int | None:
    r"""
    Count the latent frames that a transformer has positions for.

    Args:
        transformer_config (`dict`): Of a [`ConcatTransformer1DModel`] or a [`LLaMATransformer1DModel`].
        num_text_tokens (`int`): Tokens of a prompt.

    Returns:
        `int` or `None`: `None` where positions are without end.

    Raises:
        ValueError: If the text leaves no position for sound.
    """
    max_positions = transformer_config.get("max_position_embeddings", None)
    if max_positions is None:
        # A LLaMA transformer's learned positions are the frames' alone.
        return transformer_config.get("num_positions", None)
    # One position is the timestep's.
    max_frames = max_positions - 1 - num_text_tokens
    if max_frames < 1:
        raise ValueError(
            f"Expected at most {max_positions - 2} text tokens, which leave one of this transformer's "
            f"{max_positions} positions for sound, got {num_text_tokens}."
        )
    return max_frames

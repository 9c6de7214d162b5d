# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Options of `evaluate` and `inspect`, with their defaults and checks. Nothing heavy is imported for them."""

import math
from dataclasses import dataclass

from .protocol import METRICS, NETWORKS, SAMPLING_RATE


MIN_DURATION_S = 0.1  # what a classifier's first analysis windows need
# An end of a sound is held against what is next to it.
END_S, NEXT_S = 0.01, 0.1


def min_samples_of_ends(sampling_rate):
    r"""`int`: Samples that [`~audiolcm_diffusers.evaluation.levels.ends`] needs."""
    return round(END_S * sampling_rate) + round(NEXT_S * sampling_rate)


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    r"""
    Options of [`~audiolcm_diffusers.evaluation.evaluate`].

    Args:
        num_inference_steps (`int` or `Sequence[int]`, defaults to `(1, 2, 4)`): Denoising steps, a row each.
        guidance_scales (`float` or `Sequence[float]`, *optional*):
            One or more, for the teacher, too. By default the one that the model is saved with.
        teacher_steps (`int` or `Sequence[int]`, defaults to `(100,)`): Denoising steps of the teacher.
        audio_length_in_s (`float`, *optional*):
            Length of sounds, to which references are cut or filled with silence. By default the model's.
        takes (`int`, defaults to 1):
            Sounds of each caption at least, for `diversity` alone: where a caption has fewer clips, so many more are
            made of it.
        metrics (`Sequence[str]`, *optional*): Some of `METRICS`; by default all that the networks allow.
        fad_network (`str`, *optional*):
            `"classifier"` or `"clap"`: whose features FAD, KAD and diversity are of. By default the classifier's if
            there is one.
        allow_singular (`bool`, defaults to `False`):
            Whether FAD is computed of fewer clips than its covariances need, too.
        num_splits (`int`, defaults to 1): Splits of the inception score.
        num_resamples (`int`, defaults to 200): Bootstrap resamples.
        seed (`int`, defaults to 0): Of sounds, controls and resamples.
        batch_size (`int`, defaults to 8): Sounds at a time.
        controls (`bool`, defaults to `True`): Whether the rows that metrics are held against are there.

    Raises:
        ValueError: If a value makes no sense; the message quotes it.
    """

    num_inference_steps: tuple[int, ...] = (1, 2, 4)
    guidance_scales: tuple[float, ...] | None = None
    teacher_steps: tuple[int, ...] = (100,)
    audio_length_in_s: float | None = None
    takes: int = 1
    metrics: tuple[str, ...] | None = None
    fad_network: str | None = None
    allow_singular: bool = False
    num_splits: int = 1
    num_resamples: int = 200
    seed: int = 0
    batch_size: int = 8
    controls: bool = True

    def __post_init__(self):
        for name in ("num_inference_steps", "guidance_scales", "teacher_steps"):
            value = getattr(self, name)
            if value is None and name == "guidance_scales":
                continue
            values = (value,) if isinstance(value, (int, float)) else tuple(value)
            if not values:
                raise ValueError(f"Expected at least one of `{name}`, got none.")
            if len(set(values)) < len(values):
                raise ValueError(f"Expected `{name}` to be all different, got {list(values)}.")
            object.__setattr__(self, name, values)
        for name in ("num_inference_steps", "teacher_steps"):
            for value in getattr(self, name):
                _check_count(name, value)
        for name in ("takes", "num_splits", "num_resamples", "batch_size"):
            _check_count(name, getattr(self, name))
        _check_seed(self.seed)
        _check_finite("guidance_scales", self.guidance_scales or ())
        if self.audio_length_in_s is not None and not MIN_DURATION_S <= self.audio_length_in_s < math.inf:
            raise ValueError(f"Expected a duration of at least {MIN_DURATION_S} s, got {self.audio_length_in_s:g}.")
        if self.metrics is not None:
            object.__setattr__(self, "metrics", tuple(self.metrics))
            unknown = set(self.metrics) - set(METRICS)
            if unknown or not self.metrics:
                raise ValueError(f"Expected `metrics` among {', '.join(METRICS)}, got {list(self.metrics)}.")
        if self.fad_network not in (None, *NETWORKS):
            raise ValueError(f"Expected `fad_network` to be one of {', '.join(NETWORKS)}, got {self.fad_network!r}.")


@dataclass(frozen=True, kw_only=True)
class InspectionOptions:
    r"""
    Options of [`~audiolcm_diffusers.evaluation.inspect`].

    Args:
        num_inference_steps (`int`, defaults to 2): Denoising steps.
        guidance_scale (`float`, *optional*):
            Guidance scale, the teacher's, too. By default the one that the model is saved with.
        teacher_steps (`int`, defaults to 100): Denoising steps of the teacher.
        takes (`int`, defaults to 4): Sounds of a prompt.
        max_prompts (`int`, defaults to 20): Captions to take as prompts, those with the most clips.
        durations (`Sequence[float]`, defaults to `(1.0, 3.0, 5.0, 10.0)`): Lengths in seconds to look at.
        num_resamples (`int`, defaults to 200): Bootstrap resamples.
        seed (`int`, defaults to 0): Of first takes, and of resamples.
        batch_size (`int`, defaults to 8): Sounds at a time.

    Raises:
        ValueError: If a value makes no sense; the message quotes it.
    """

    num_inference_steps: int = 2
    guidance_scale: float | None = None
    teacher_steps: int = 100
    takes: int = 4
    max_prompts: int = 20
    durations: tuple[float, ...] = (1.0, 3.0, 5.0, 10.0)
    num_resamples: int = 200
    seed: int = 0
    batch_size: int = 8

    def __post_init__(self):
        for name in ("num_inference_steps", "teacher_steps", "takes", "max_prompts", "num_resamples", "batch_size"):
            _check_count(name, getattr(self, name))
        _check_seed(self.seed)
        if self.guidance_scale is not None:
            _check_finite("guidance_scale", [self.guidance_scale])
        if self.takes < 2:
            raise ValueError(f"Expected `takes` of at least 2, to see how far they differ, got {self.takes}.")
        object.__setattr__(self, "durations", tuple(self.durations))
        _check_finite("durations", self.durations)
        shortest_s = min_samples_of_ends(SAMPLING_RATE) / SAMPLING_RATE
        for duration_s in self.durations:
            if duration_s < shortest_s:
                raise ValueError(f"Expected `durations` of at least {shortest_s:g} s, got {duration_s:g}.")
        if not self.durations:
            raise ValueError("Expected at least one of `durations`, got none.")
        if len(set(self.durations)) < len(self.durations):
            raise ValueError(f"Expected `durations` to be all different, got {list(self.durations)}.")


def _check_count(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Expected `{name}` to be a whole number from 1, got {value!r}.")


def _check_seed(value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"Expected `seed` to be a whole number from 0, got {value!r}.")


def _check_finite(name, values):
    for value in values:
        if not math.isfinite(value):
            raise ValueError(f"Expected `{name}` to be finite, got {value!r}.")

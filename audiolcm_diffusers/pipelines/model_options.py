# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a model was made for: lengths, fades, steps and scale where a call names none."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from .arguments import is_count, is_number


# Of a window, what it shares with the next one.
OVERLAP_SHARE = 0.2


@dataclass(frozen=True)
class ModelOptions:
    r"""
    Options of a pipeline that belong to its transformer. For their meaning see [`AudioLCMPipeline`].

    Raises:
        ValueError: If a value makes no sense; the message quotes it.
    """

    default_audio_length_in_s: float = 10.0
    max_audio_length_in_s: float = 3600.0
    fade_s: float = 0.0
    default_num_inference_steps: int = 2
    default_guidance_scale: float = 5.0
    window_length_in_s: float | None = None
    window_overlap_in_s: float | None = None

    def __post_init__(self):
        if self.window_length_in_s is None and is_number(self.default_audio_length_in_s):
            # The published model's length, or a longer one that is asked for where nothing is said.
            object.__setattr__(self, "window_length_in_s", max(10.0, self.default_audio_length_in_s))
        if self.window_overlap_in_s is None and is_number(self.window_length_in_s):
            object.__setattr__(self, "window_overlap_in_s", OVERLAP_SHARE * self.window_length_in_s)
        names = "default_audio_length_in_s", "max_audio_length_in_s", "window_length_in_s", "window_overlap_in_s"
        for name in names:
            value = getattr(self, name)
            if not is_number(value) or not 0 < value < math.inf:
                raise ValueError(f"Expected `{name}` to be a finite number above 0, got {value!r}.")
        if 2 * self.window_overlap_in_s > self.window_length_in_s:
            raise ValueError(
                f"Expected `window_overlap_in_s` to be at most half of window_length_in_s={self.window_length_in_s}, "
                f"got {self.window_overlap_in_s!r}."
            )
        if not is_number(self.fade_s) or not 0 <= self.fade_s < math.inf:
            raise ValueError(f"Expected `fade_s` to be a finite number from 0, got {self.fade_s!r}.")
        if not is_count(self.default_num_inference_steps):
            raise ValueError(
                "Expected `default_num_inference_steps` to be a whole number from 1, got "
                f"{self.default_num_inference_steps!r}."
            )
        if not is_number(self.default_guidance_scale) or not math.isfinite(self.default_guidance_scale):
            raise ValueError(
                f"Expected `default_guidance_scale` to be a finite number, got {self.default_guidance_scale!r}."
            )

    @classmethod
    def of(cls, transformer: Any, **given: Any) -> "ModelOptions":
        r"""
        The options given; those left at `None` are those of the pipeline that the transformer was in before, so that
        `AudioLCMPipeline(**pipe.components)` makes the same sound as `pipe`.
        """
        before = getattr(transformer, "_pipeline_options", None) or {}
        return cls(**{**before, **{name: value for name, value in given.items() if value is not None}})

    def stay_with(self, transformer: Any) -> None:
        r"""Let the next pipeline of a transformer know the options."""
        if transformer is not None:
            transformer._pipeline_options = asdict(self)


def trained_lengths(longest_s: float) -> dict[str, float]:
    r"""
    Options of a pipeline whose transformer was trained on sounds up to a length.

    Args:
        longest_s (`float`): Seconds.
    """
    return {
        "default_audio_length_in_s": longest_s,
        "window_length_in_s": longest_s,
        "window_overlap_in_s": OVERLAP_SHARE * longest_s,
    }

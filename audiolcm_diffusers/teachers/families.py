# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The families there are, by the class of a pipeline."""

from typing import Any

from .ace_step import AceStepTeacher
from .base import Teacher
from .longcat_audio_dit import LongCatAudioDiTTeacher
from .stable_audio import StableAudioTeacher
from .stable_audio_3 import StableAudio3Teacher


FAMILIES: dict[str, type[Teacher]] = {
    name: family
    for family in (AceStepTeacher, LongCatAudioDiTTeacher, StableAudioTeacher, StableAudio3Teacher)
    for name in family.pipeline_classes
}


def teacher_of(pipe: Any) -> Teacher:
    r"""
    A pipeline as a teacher.

    Args:
        pipe (`DiffusionPipeline`): Of a class in `FAMILIES`.

    Raises:
        ValueError: If its family is not known; the message lists those that are.
    """
    name = type(pipe).__name__
    if name not in FAMILIES:
        raise ValueError(f"Expected a pipeline of one of {', '.join(sorted(FAMILIES))}, got {name}.")
    return FAMILIES[name](pipe)

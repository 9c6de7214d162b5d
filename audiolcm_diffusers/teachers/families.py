# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The families there are, by the class of a pipeline, and which folders hold a teacher."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

from .ace_step import AceStepTeacher
from .audiolcm import AudioLCMTeacher
from .audioldm2 import AudioLDM2Teacher
from .base import Teacher
from .longcat_audio_dit import LongCatAudioDiTTeacher
from .stable_audio import StableAudioTeacher
from .stable_audio_3 import StableAudio3Teacher
from .student_mark import STUDENT_MARK


FAMILIES: dict[str, type[Teacher]] = {
    name: family
    for family in (
        AceStepTeacher,
        AudioLCMTeacher,
        AudioLDM2Teacher,
        LongCatAudioDiTTeacher,
        StableAudioTeacher,
        StableAudio3Teacher,
    )
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
    return family_named(type(pipe).__name__, "a pipeline")(pipe)


def family_named(class_name: str, holder: str) -> type[Teacher]:
    r"""
    A family by the class of its pipelines.

    Args:
        class_name (`str`): As in `model_index.json`.
        holder (`str`): What has this class, for the message.

    Raises:
        ValueError: If it is not known; the message lists those that are.
    """
    if class_name not in FAMILIES:
        raise ValueError(f"Expected {holder} of one of {', '.join(sorted(FAMILIES))}, got {class_name}.")
    return FAMILIES[class_name]


def family_of_folder(folder: str, is_taught: bool = True) -> type[Teacher] | None:
    r"""
    The family of a pipeline's folder on this machine.

    Args:
        folder (`str`): Folder; of ids of the Hub nothing is known here.
        is_taught (`bool`, defaults to `True`):
            Whether it is to teach: then it must not be a student. Without, a student of ours may be, as it can be
            trained on as a consistency model.

    Returns:
        `type[Teacher]`, or `None` where there is no such folder.

    Raises:
        ValueError: If its family is not known, or it is a student already.
    """
    index = Path(folder) / "model_index.json"
    if not index.is_file():
        return None
    try:
        told = json.loads(index.read_text(encoding="utf-8"))
        class_name = str(told["_class_name"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(index)!r} names no class of pipelines: {error!r}.") from error
    family = family_named(class_name, f"{str(folder)!r} to hold a pipeline")
    if family is AudioLCMTeacher and not is_taught:
        return family
    if STUDENT_MARK in told:
        raise ValueError(f"{str(folder)!r} holds a student, distilled with {told[STUDENT_MARK]}; name its teacher.")
    scheduler, denoiser = (
        _config(Path(folder) / part / name)
        for part, name in (("scheduler", "scheduler_config.json"), (family.denoiser_name, "config.json"))
    )
    signs = {
        "its scheduler is LCMScheduler": scheduler.get("_class_name") == "LCMScheduler",
        "its scheduler has stochastic_sampling=True": scheduler.get("stochastic_sampling") is True,
        "its network is a turbo model": denoiser.get("is_turbo") is True or denoiser.get("model_version") == "turbo",
        "its network has a guidance embedding": family is AudioLCMTeacher
        and denoiser.get("time_cond_proj_dim") is not None,
    }
    found = [sign for sign, is_there in signs.items() if is_there]
    if found:
        raise ValueError(f"{str(folder)!r} holds a student, {found[0]}; a teacher is guided with and without prompt.")
    return family


def _config(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def family_of(folder: str) -> type[Teacher]:
    r"""
    The family of a pipeline, teacher or not.

    Args:
        folder (`str`): Folder, or id on the Hub.

    Raises:
        ValueError: If it is not known.
    """
    return family_named(
        DiffusionPipeline.load_config(folder).get("_class_name"), f"{str(folder)!r} to hold a pipeline"
    )


def load_family(folder: str) -> Teacher:
    r"""
    Load a pipeline of diffusers' own as a teacher, in float32.

    Args:
        folder (`str`): Folder, or id on the Hub.

    Raises:
        ValueError: If its family is not known or not diffusers' own, it is a student already, or its autoencoder has a
            rate that cannot be.
    """
    family_of_folder(folder)
    family = family_of(folder)
    (class_name,) = family.pipeline_classes
    teacher = family(getattr(diffusers, class_name).from_pretrained(folder, dtype=torch.float32))
    for name in ("sampling_rate", "samples_per_frame"):
        value = getattr(teacher, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"Expected {str(folder)!r} to have a {name} that is a whole number above 0, got {value!r}."
            )
    return teacher

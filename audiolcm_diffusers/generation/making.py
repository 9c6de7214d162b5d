# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds made of plans, and their files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .planning import Sound


# What a pipeline's call and a sound's settings have in common, where all of a batch have the same.
SHARED = ("audio_length_in_s", "num_inference_steps", "loop")


def processes() -> tuple[int, int]:
    r"""`tuple[int, int]`: This process's number, and how many `accelerate launch` or `torchrun` started."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def own_device() -> str | None:
    r"""`str`, *optional*: The GPU of this process, where it is one of several on a machine with several."""
    if int(os.environ.get("WORLD_SIZE", 1)) < 2 or "LOCAL_RANK" not in os.environ:
        return None
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(os.environ['LOCAL_RANK']) % count}" if count else None


def resolved(sound: Sound, pipe: Any) -> dict[str, Any]:
    r"""
    The settings of a sound with what its model does where they say nothing.

    Args:
        sound ([`~generation.planning.Sound`]): The sound.
        pipe ([`AudioLCMPipeline`]): Makes it.

    Returns:
        `dict`.
    """
    defaults = {
        "audio_length_in_s": pipe.config.default_audio_length_in_s,
        "num_inference_steps": pipe.config.default_num_inference_steps,
        "guidance_scale": pipe.config.default_guidance_scale,
        "negative_prompt": None,
    }
    return {**defaults, **sound.settings}


def call_of(sounds: Sequence[Sound]) -> dict[str, Any]:
    r"""
    Arguments of the pipeline that makes sounds in one batch, each with its own random numbers, drawn on the CPU, so
    that neither its neighbours nor the device change them.

    Args:
        sounds (`Sequence[Sound]`): From [`~generation.planning.batches`].
    """
    import torch

    first = sounds[0].settings
    call = {name: first[name] for name in SHARED if first.get(name) is not None}
    scales = [sound.settings.get("guidance_scale") for sound in sounds]
    if len(set(scales)) == 1:
        if scales[0] is not None:
            call["guidance_scale"] = scales[0]
    else:
        call["guidance_scale"] = scales
    negative = [sound.settings.get("negative_prompt") for sound in sounds]
    if any(text is not None for text in negative):
        call["negative_prompt"] = negative
    return {
        "prompt": [sound.prompt for sound in sounds],
        "generator": [torch.Generator().manual_seed(sound.seed) for sound in sounds],
        **call,
    }


def check_calls(pipe: Any, sounds: Sequence[Sound]) -> None:
    r"""
    Have the pipeline check all that it will be asked for, before it makes any of it.

    Args:
        pipe ([`AudioLCMPipeline`]): Makes them.
        sounds (`Sequence[Sound]`): All.

    Raises:
        ValueError: If it cannot do one.
    """
    kinds = {}
    for sound in sounds:
        kinds.setdefault(tuple(sorted(sound.settings.items())), []).append(sound.prompt)
    for settings, prompts in kinds.items():
        call = dict(settings)
        negative = call.pop("negative_prompt", None)
        pipe.check_inputs(
            prompt=list(dict.fromkeys(prompts)),
            negative_prompt=negative,
            **{name: value for name, value in call.items() if value is not None},
        )


def draw(sound: Sound, waveform: Any) -> None:
    r"""Draw the picture of a sound, where there is to be one."""
    if sound.spectrogram is not None:
        from ..audio.plots import mel_of_waveform, plot_mels

        plot_mels(sound.spectrogram, [mel_of_waveform(waveform)], [sound.prompt])


def manifest_path(folder: Path, given: str | None) -> Path:
    r"""Where the list of a folder's sounds is."""
    from .manifest import NAME

    return folder / NAME if given is None else Path(given).expanduser()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Which sounds are made of requests, with which seeds, into which files, and which of them together."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count as count_from
from pathlib import Path
from typing import Any

from ..audio.io import check_audio_suffix, slug
from ..writable import check_can_create, check_replaceable
from .requests import Request


@dataclass
class Sound:
    r"""
    One sound to make.

    Args:
        prompt (`str`): What is to be heard.
        seed (`int`): Of its random numbers.
        path (`Path`): File to write.
        spectrogram (`Path`, *optional*): Picture to draw.
        duration_s (`float`, *optional*): Length in seconds, once it is made.
        settings (`dict`): Further arguments of the pipeline.
        id (`str`, *optional*): What its request is called.
    """

    prompt: str
    seed: int
    path: Path
    spectrogram: Path | None = None
    duration_s: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


def plan_sounds(
    requests: Sequence[Request],
    output: str,
    num_waveforms: int = 1,
    seed: int = 0,
    spectrogram: bool = False,
    settings: dict[str, Any] | None = None,
) -> list[Sound]:
    r"""
    Decide which sounds are made, and the files that they go to.

    Args:
        requests (`Sequence[Request]`): What is to be heard.
        output (`str`): A folder if it exists as one, ends in a slash or has no suffix, else a file. In a folder, files
            are named after the ids of their requests, or their prompts. Where a name stands for several sounds, these
            are numbered.
        num_waveforms (`int`, defaults to 1): Sounds a prompt.
        seed (`int`, defaults to 0): Of each prompt's first sound, where its request has none; its next ones count up
            from it, also where the same prompt is given twice.
        spectrogram (`bool`, defaults to `False`): Whether there is a picture next to each sound.
        settings (`dict`, *optional*): Arguments of the pipeline; those of a request come before them.

    Returns:
        `list[Sound]`: `num_waveforms` for each prompt, in order, no two with the same file.

    Raises:
        ValueError: If the output is a file whose suffix is no known format's.
    """
    path = Path(output).expanduser()
    if path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix:
        folder, suffix = path, ".wav"
        stems = [request.id or slug(request.prompt) for request in requests]
    else:
        check_audio_suffix(path)
        folder, suffix = path.parent, path.suffix
        stems = [path.stem for _ in requests]
    stems = number_repeated([stem for stem in stems for _ in range(num_waveforms)])
    sounds, times = [], Counter()
    for index, stem in enumerate(stems):
        request = requests[index // num_waveforms]
        if request.seed is None:
            its_seed = seed + times[request.prompt]
            times[request.prompt] += 1
        else:
            its_seed = request.seed + index % num_waveforms
        sounds.append(
            Sound(
                prompt=request.prompt,
                seed=its_seed,
                path=folder / f"{stem}{suffix}",
                spectrogram=folder / f"{stem}.png" if spectrogram else None,
                settings={**(settings or {}), **request.settings},
                id=request.id,
            )
        )
    return sounds


def number_repeated(stems: Sequence[str]) -> list[str]:
    r"""
    Number the names that occur more than once, `dog-1`, `dog-2`, …, leaving out numbers that are taken.

    Args:
        stems (`Sequence[str]`): Names. Those that differ in capitals alone count as one, as they do on some disks.

    Returns:
        `list[str]`: Names that are all different; those that were unique are as they were.
    """
    times = Counter(stem.lower() for stem in stems)
    taken = {stem for stem in times if times[stem] == 1}
    # Each name goes on where it was: to begin at 1 every time takes a square of the time.
    numbers = defaultdict(lambda: count_from(1))
    numbered = []
    for stem in stems:
        if times[stem.lower()] > 1:
            candidates = (f"{stem}-{number}" for number in numbers[stem.lower()])
            stem = next(name for name in candidates if name.lower() not in taken)
            taken.add(stem.lower())
        numbered.append(stem)
    return numbered


def check_writable(sounds: Sequence[Sound]) -> None:
    r"""
    Refuse files that cannot be written: nothing is worse than to find that out once the sound is made.

    Args:
        sounds (`Sequence[Sound]`): All in one folder, which need not exist yet.

    Raises:
        ValueError: Naming what is in the way.
    """
    paths = [path for sound in sounds for path in (sound.path, sound.spectrogram) if path is not None]
    try:
        for path in paths:
            check_replaceable(path)
        there = {entry.name for entry in os.scandir(paths[0].parent)} if paths[0].parent.is_dir() else set()
        missing = [path.name for path in paths if path.name not in there]
        check_can_create(paths[0].parent, max(missing, key=lambda name: len(os.fsencode(name)), default=None))
    except ValueError as error:
        raise ValueError(f"--output cannot be written: {error}") from error


def batches(sounds: Sequence[Sound], batch_size: int) -> list[list[Sound]]:
    r"""
    Sounds that are made at a time: neighbours in order, of one length and number of steps.

    Args:
        sounds (`Sequence[Sound]`): All.
        batch_size (`int`): At most so many.
    """

    def kind(sound):
        settings = sound.settings
        has_negative = settings.get("negative_prompt") is not None
        return settings.get("audio_length_in_s"), settings.get("num_inference_steps"), has_negative

    made = []
    for sound in sounds:
        if made and len(made[-1]) < batch_size and kind(made[-1][0]) == kind(sound):
            made[-1].append(sound)
        else:
            made.append([sound])
    return made

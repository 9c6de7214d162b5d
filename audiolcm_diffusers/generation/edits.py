# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Edits of a sound as people ask for them, and the pipelines and arguments that do them."""

import math
from collections.abc import Sequence
from typing import Any


def edit_call(
    masks: Sequence[tuple[float, float]] | None = None,
    extend_s: float | None = None,
    extend_before_s: float | None = None,
    loop: bool = False,
    crossfade_s: float | None = None,
    **shared: Any,
) -> dict[str, Any]:
    r"""
    Arguments of the pipeline that does an edit.

    Args:
        masks (`Sequence[tuple[float, float]]`, *optional*): From when to when sound is made anew, in seconds.
        extend_s, extend_before_s (`float`, *optional*): Seconds to make behind and before it.
        loop (`bool`, defaults to `False`): Whether its end is to meet its beginning.
        crossfade_s (`float`, *optional*): In which what is kept goes over into what is made.
        shared: Arguments that both pipelines have, left out where they are `None`.

    Returns:
        `dict`: With `loop` for [`AudioLCMInpaintPipeline`], without for [`AudioLCMAudio2AudioPipeline`].

    Raises:
        ValueError: If there is a `crossfade_s`, and nothing is kept.
    """
    call = dict(shared)
    if masks is not None or extend_s is not None or extend_before_s is not None or loop:
        call["crossfade_s"] = crossfade_s
        call["extend_s"] = (extend_before_s or 0.0, extend_s or 0.0)
        call["loop"] = loop
        if masks is not None:
            call["mask_start_seconds"] = [start for start, _ in masks]
            call["mask_end_seconds"] = [end for _, end in masks]
    elif crossfade_s is not None:
        raise ValueError(
            f"`crossfade_s` belongs to masks, an extension or a loop, of which none is given; got {crossfade_s!r}."
        )
    return {name: value for name, value in call.items() if value is not None}


def pipeline_of(pipe: Any, call: dict[str, Any]) -> Any:
    r"""The pipeline that a call of [`edit_call`] is for, with the parts of another."""
    from .. import AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline

    return (AudioLCMInpaintPipeline if "loop" in call else AudioLCMAudio2AudioPipeline).from_pipe(pipe)


def read_segment(text: str) -> tuple[float, float]:
    r"""
    From when to when in seconds, as `2:3.5` says it.

    Raises:
        ValueError: If it is no start from 0 and an end after it.
    """
    start, colon, end = text.partition(":")
    if not colon:
        raise ValueError(f"expected a start and an end in seconds, such as 2:3.5, got {text!r}")
    try:
        begin, stop = float(start), float(end)
    except ValueError:
        begin = stop = math.nan
    if not 0 <= begin < stop < math.inf:
        raise ValueError(f"expected an end after a start from 0, got {text!r}")
    return begin, stop


def read_segments(text: str) -> list[tuple[float, float]]:
    r"""
    Segments as `1:1.5, 3:4` lists them.

    Raises:
        ValueError: If there is none, or one is none.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"expected seconds to make anew, such as 1:1.5, 3:4, got {text!r}")
    return [read_segment(part) for part in parts]

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Which part of a given sound is made anew: masks, segments in seconds, and what is put before and behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .arguments import is_number


@dataclass(frozen=True)
class Canvas:
    r"""
    A sound that is partly there.

    Args:
        is_kept (`torch.Tensor` of shape `(samples,)`): True where the given sound stays.
        offset (`int`): Sample at which the given sound begins.
    """

    is_kept: torch.Tensor
    offset: int

    def shares(self, num_crossfade_samples: int, is_loop: bool = False) -> torch.Tensor:
        r"""
        How much of the given sound is heard: 1 where it is kept to the sample, 0 where it is not kept. Outside of what
        is made anew it rises linearly along a crossfade.
        """
        length = len(self.is_kept)
        distance = distance_to(~self.is_kept, is_loop)
        shares = (distance / (num_crossfade_samples + 1)).clamp(max=1.0)
        return torch.where(self.is_kept, shares, torch.zeros(length, dtype=shares.dtype)).float()

    def known_frames(self, num_frames: int, samples_each: int) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(num_frames,)`: True for latent frames all of whose samples are kept."""
        missing = num_frames * samples_each - len(self.is_kept)
        # What is behind the end is nobody's: the last frame is known where its sound is.
        kept = torch.nn.functional.pad(self.is_kept, (0, missing), value=True)
        return kept.reshape(num_frames, samples_each).all(dim=1)


def distance_to(marked: torch.Tensor, is_loop: bool = False) -> torch.Tensor:
    r"""
    Samples from each place to the nearest marked one, 0 there; infinity where there is none.

    Args:
        marked (`torch.Tensor` of shape `(samples,)`): Booleans.
        is_loop (`bool`, defaults to `False`): Whether the first sample follows on the last one.
    """
    length = len(marked)
    if is_loop:
        marked = marked.repeat(3)
    places = torch.arange(len(marked), dtype=torch.float64)
    before = torch.where(marked, places, torch.full_like(places, -math.inf)).cummax(dim=0).values
    behind = torch.where(marked, places, torch.full_like(places, math.inf)).flip(0).cummin(dim=0).values.flip(0)
    distance = torch.minimum(places - before, behind - places)
    return distance[length : 2 * length] if is_loop else distance


def read_canvas(
    num_samples: int,
    sampling_rate: int,
    mask: Any,
    mask_start_seconds: float | Sequence[float] | None,
    mask_end_seconds: float | Sequence[float] | None,
    extend_s: float | Sequence[float],
    is_loop: bool,
    bridge_s: float,
) -> Canvas:
    r"""
    Read what is to be made anew. Arguments as in [`~AudioLCMInpaintPipeline.__call__`].

    Args:
        num_samples, sampling_rate (`int`): Of the given sound.
        mask, mask_start_seconds, mask_end_seconds, extend_s: As given.
        is_loop (`bool`): Whether the end is to meet the beginning.
        bridge_s (`float`): Seconds at the end that are made anew in a loop where nothing else is.

    Raises:
        ValueError: If nothing is made anew or nothing kept, a segment lies outside of the sound, or a value is none.
    """
    before, behind = _read_extension(extend_s, sampling_rate)
    has_segments = mask_start_seconds is not None or mask_end_seconds is not None
    if mask is not None and has_segments:
        raise ValueError(
            f"Pass either `mask` or segments in seconds, got both, mask_start_seconds={mask_start_seconds!r} and "
            f"mask_end_seconds={mask_end_seconds!r}."
        )
    kept = torch.ones(num_samples, dtype=torch.bool)
    if mask is not None:
        kept = _read_mask(mask, num_samples)
    elif has_segments:
        for start_s, end_s in _read_segments(mask_start_seconds, mask_end_seconds, num_samples / sampling_rate):
            kept[round(start_s * sampling_rate) : round(end_s * sampling_rate)] = False
    elif is_loop and not before and not behind:
        kept[num_samples - max(1, min(round(bridge_s * sampling_rate), num_samples // 4)) :] = False
    if not kept.any():
        raise ValueError("Expected a mask that keeps something of the sound, got one that keeps nothing of it.")
    kept = torch.nn.functional.pad(kept, (before, behind), value=False)
    if kept.all():
        raise ValueError(
            "Expected something to make anew, got a mask that keeps all of the sound: pass `mask`, "
            "`mask_start_seconds` and `mask_end_seconds`, or `extend_s`."
        )
    if is_loop and kept[0] and kept[-1]:
        raise ValueError(
            "Expected the beginning or the end to be made anew in a loop, so that they can meet, got a mask that "
            "keeps both: mask one of them, pass `extend_s`, or leave out the mask."
        )
    return Canvas(kept, before)


def _read_extension(extend_s: float | Sequence[float], sampling_rate: int) -> tuple[int, int]:
    pair = (0.0, extend_s) if is_number(extend_s) else extend_s
    is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
    if not is_pair or not all(is_number(value) and 0 <= value < math.inf for value in pair):
        raise ValueError(
            f"Expected `extend_s` to be seconds from 0 that are put behind the sound, or a pair of those before and "
            f"behind it, got {extend_s!r}."
        )
    return tuple(round(value * sampling_rate) for value in pair)


def _read_mask(mask: Any, num_samples: int) -> torch.Tensor:
    if not isinstance(mask, (torch.Tensor, np.ndarray, list, tuple)):
        raise ValueError(f"Expected `mask` to be a tensor or an array, got {type(mask).__name__}.")
    mask = torch.as_tensor(np.asarray(mask) if not isinstance(mask, torch.Tensor) else mask).detach().cpu()
    shape = tuple(mask.shape)
    if mask.ndim not in (1, 2, 3) or 0 in shape or any(size != 1 for size in shape[:-1]):
        raise ValueError(
            f"Expected one `mask` for all sounds, of shape (frames,) or (1, 1, frames), got shape {shape}."
        )
    mask = mask.flatten().double()
    if not ((mask == 0) | (mask == 1)).all():
        wrong = mask[(mask != 0) & (mask != 1)][0].item()
        raise ValueError(
            f"Expected `mask` to be 1 where the sound is kept and 0 where it is made anew, got {wrong:g}."
        )
    if len(mask) > num_samples:
        raise ValueError(f"Expected a `mask` of at most {num_samples} frames, the sound's samples, got {len(mask)}.")
    return mask.bool()[torch.arange(num_samples) * len(mask) // num_samples]


def _read_segments(starts: Any, ends: Any, duration_s: float) -> list[tuple[float, float]]:
    if starts is None or ends is None:
        raise ValueError(
            f"Expected `mask_start_seconds` and `mask_end_seconds` together, got {starts!r} and {ends!r}."
        )
    starts, ends = ([value] if is_number(value) else value for value in (starts, ends))
    for name, values in (("mask_start_seconds", starts), ("mask_end_seconds", ends)):
        if not isinstance(values, (list, tuple)) or not values or not all(is_number(value) for value in values):
            raise ValueError(f"Expected `{name}` to be a number of seconds or a list of them, got {values!r}.")
    if len(starts) != len(ends):
        raise ValueError(
            f"Expected as many `mask_start_seconds` as `mask_end_seconds`, got {len(starts)} and {len(ends)}."
        )
    for start_s, end_s in zip(starts, ends):
        # Files have no more digits than people write.
        if not 0 <= start_s < end_s <= duration_s + 5e-4:
            raise ValueError(
                f"Expected segments within the sound's {duration_s:g} s, each ending after it begins, got {start_s:g} "
                f"to {end_s:g} s."
            )
    return list(zip(starts, ends))

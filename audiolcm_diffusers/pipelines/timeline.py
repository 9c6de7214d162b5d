# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Prompts over time: sounds that begin at a second, and prompts that follow on each other.

A model that is told *what* need not be told *when*: each event has windows of its own, which begin where it does, with
a caption of its own, and all predictions are joined by weights over time (as the regions of MultiDiffusion, Bar-Tal et
al., arXiv:2302.08113). What else is heard at the time stands in an event's caption, too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .arguments import LengthLimits, SoundLength, is_number
from .prompt_events import EVENT_ORDERS, format_events, parse_events, structured_caption
from .windows import Window, plan_windows


# Seconds of an event that says only when it begins, and of going over from one prompt to another.
EVENT_S, CHANGE_S = 2.0, 1.0
# Latent frames before an event in which it is faded in, so that its beginning is not.
LEAD_FRAMES = 2


@dataclass(frozen=True)
class Event:
    r"""
    What is heard for some time.

    Args:
        text (`str`): What.
        start_s, end_s (`float`): From when to when.
        is_short (`bool`): Whether only its beginning was said.
    """

    text: str
    start_s: float
    end_s: float
    is_short: bool


@dataclass(frozen=True)
class Timeline:
    r"""
    What is heard when.

    Args:
        base (`list[tuple[str, str]]`, *optional*): Events with orders that are heard where nothing else is; `None` is
            silence.
        events (`list[Event]`): In the order of their beginnings.
    """

    base: list[tuple[str, str]] | None
    events: list[Event]

    @property
    def captions(self) -> list[str]:
        r"""`list[str]`: Structured captions: of the base, where there is one, and of each event."""
        captions = [] if self.base is None else [format_events(self.base)]
        for event in self.events:
            if not event.is_short:
                # A prompt that another follows on is not heard in the other.
                captions.append(format_events([(event.text, "all")]))
                continue
            beside = [
                (other.text, "all")
                for other in self.events
                if other is not event and other.start_s < event.end_s and event.start_s < other.end_s
            ]
            behind = [(text, "all") for text, _ in self.base or ()]
            captions.append(format_events([(event.text, "start"), *beside, *behind]))
        return captions

    def _ramps(self, frames_per_s: float) -> list[tuple[float, float, float, float]]:
        """First and last frame of each event, and in how many frames it rises and falls."""
        ramps = []
        for event in self.events:
            first, last = event.start_s * frames_per_s, event.end_s * frames_per_s
            change = min(CHANGE_S * frames_per_s, (last - first) / 4)
            ramps.append(
                [first, last, LEAD_FRAMES if event.is_short else change, change / (2 if event.is_short else 1)]
            )
        long = [ramp for event, ramp in zip(self.events, ramps) if not event.is_short]
        for one, other in zip(long, long[1:]):
            overlap = one[1] - other[0]
            if overlap < -0.5 or one[1] > other[1]:
                continue
            # The later prompt comes up while both last, and both do for a moment where they only meet.
            missing = max(0.0, min(one[3], other[2]) - overlap)
            one[1], other[0] = one[1] + missing / 2, other[0] - missing / 2
            other[2], one[3] = one[1] - other[0], 0.0
        return [tuple(ramp) for ramp in ramps]

    def shares(self, num_frames: int, frames_per_s: float) -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]:
        r"""
        How much each caption counts at each time.

        Args:
            num_frames (`int`): Latent frames of the sound.
            frames_per_s (`float`): Of them a second.

        Returns:
            `tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]`: Shares of the captions, `(captions, frames)`,
            which add up to 1 wherever there is sound; how much there is, `(frames,)`; and the frames of each caption.
        """
        places = torch.arange(num_frames, dtype=torch.float64) + 0.5
        layers, spans = [], []
        if self.base is not None:
            layers.append(torch.ones(num_frames, dtype=torch.float64))
            spans.append((0, num_frames))
        for event, (first, last, rise, fall) in zip(self.events, self._ramps(frames_per_s)):
            start = max(0.0, first - LEAD_FRAMES) if event.is_short else first
            alpha = ((places - start) / max(rise, 1e-6)).clamp(0, 1) if start > 0 else (places >= 0).double()
            if last < num_frames - 1:
                alpha = alpha * ((last - places) / max(fall, 1e-6)).clamp(0, 1)
            alpha = torch.where((places > start) & (places < max(last, start + 1)), alpha, torch.zeros_like(alpha))
            layers = [layer * (1 - alpha) for layer in layers]
            layers.append(alpha)
            spans.append((math.floor(start), min(num_frames, math.ceil(last))))
        stacked = torch.stack(layers)
        loudness = stacked.sum(dim=0)
        return stacked / loudness.clamp(min=1e-9), loudness.clamp(max=1.0), spans


def is_timed(events: Any) -> bool:
    r"""Whether any event of a call says a second."""
    if not isinstance(events, (list, tuple)):
        return False
    return any(
        isinstance(event, (list, tuple)) and len(event) in (2, 3) and isinstance(event[0], str) and _has_number(event)
        for event in events
    )


def timed_prompts(events: Any) -> list[int]:
    r"""Of events of several prompts, a list each, the numbers of those that say a second; none of a single list."""
    if not isinstance(events, (list, tuple)):
        return []
    return [index for index, item in enumerate(events) if isinstance(item, list) and is_timed(item)]


def _has_number(event: Sequence) -> bool:
    return any(is_number(part) for part in event[1:])


def read_timeline(events: Sequence, prompt: str | Sequence[str] | None, length_s: float) -> Timeline:
    r"""
    Read events with seconds.

    Args:
        events (`Sequence`): `(description, start_s)`, `(description, start_s, end_s)`, or `(description, order)`.
        prompt (`str`, *optional*): What is heard all the time; those with orders take its place.
        length_s (`float`): Of the sound.

    Raises:
        ValueError: Quoting the event that makes no sense.
    """
    if isinstance(prompt, (list, tuple)):
        if len(prompt) != 1:
            raise ValueError(f"Expected one prompt with events at seconds, got {len(prompt)}: call once for each.")
        prompt = prompt[0]
    timed, ordered = [], []
    for event in events:
        if not isinstance(event, (list, tuple)) or len(event) not in (2, 3) or not isinstance(event[0], str):
            raise ValueError(
                "Expected an event to be (description, order), (description, start_s) or (description, start_s, "
                f"end_s), got {event!r}."
            )
        if len(event) == 2 and isinstance(event[1], str):
            ordered.append(tuple(event))
            continue
        timed.append(_read_event(event, length_s))
    format_events([(event.text, "all") for event in timed])
    base = None
    if ordered:
        format_events(ordered)
        base = ordered
    elif prompt is not None and structured_caption(prompt):
        base = parse_events(structured_caption(prompt))
    return Timeline(base, sorted(timed, key=lambda event: event.start_s))


def _read_event(event: Sequence, length_s: float) -> Event:
    start_s, end_s = event[1], event[2] if len(event) == 3 else None
    if not is_number(start_s) or not (end_s is None or is_number(end_s)):
        raise ValueError(
            f"Expected the time of an event to be seconds, or one of {EVENT_ORDERS} alone, got {tuple(event)!r}."
        )
    if not 0 <= start_s < length_s:
        raise ValueError(f"Expected an event to begin within the sound's {length_s:g} s, got {tuple(event)!r}.")
    if end_s is not None and not start_s < end_s <= length_s + 5e-4:
        raise ValueError(
            f"Expected an event to end after it begins and within the sound's {length_s:g} s, got {tuple(event)!r}."
        )
    is_short = end_s is None
    return Event(event[0], float(start_s), float(min(length_s, start_s + EVENT_S) if is_short else end_s), is_short)


def windows_of(
    timeline: Timeline, length: SoundLength, limits: LengthLimits
) -> tuple[list[tuple[list[Window], list[Window]]], torch.Tensor]:
    r"""
    What the transformer sees of each caption of a timeline.

    Args:
        timeline ([`Timeline`]): What is heard when.
        length ([`~arguments.SoundLength`]): Of the sound.
        limits ([`~arguments.LengthLimits`]): How long windows are.

    Returns:
        `tuple[list[tuple[list[Window], list[Window]]], torch.Tensor]`: Windows in even and odd steps for each caption;
        and how much sound there is, `(latent_frames,)`.
    """
    num_frames = length.num_latent_frames
    frames_per_s = limits.sampling_rate / (limits.hop_length * limits.latent_hop)
    shares, loudness, spans = timeline.shares(num_frames, frames_per_s)
    layers = []
    for share, (start, stop) in zip(shares, spans):
        both = []
        for is_shifted in (False, True):
            planned = plan_windows(stop - start, limits.window_frames, limits.overlap_frames, is_shifted)
            windows = []
            for window in planned:
                begin, end = start + window.start, start + window.stop
                weights = window.weights * share[begin:end].float()
                if bool((weights > 0).any()):
                    windows.append(replace(window, start=begin, weights=weights))
            both.append(windows)
        layers.append(tuple(both))
    return layers, loudness.float()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How long things take: calls that take turns, their parts, and medians."""

import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Lap:
    r"""
    One call, timed.

    Args:
        result (`Any`): What it returned.
        time_ms (`float`): What it took, in milliseconds, until the device had done it.
        parts_ms (`dict[str, float]`): What its parts took, and `"other"`: what no part took.
    """

    result: Any
    time_ms: float
    parts_ms: dict[str, float]


class Clock:
    r"""
    Time of calls and of their parts. On CUDA, a part's events are recorded in the stream, so that nothing waits for
    them.

    Args:
        device (`torch.device`): Where the calls run.
        kind (`"wall"` or `"processor"`, defaults to `"wall"`): Which time; that of the processor on a CPU alone.
    """

    def __init__(self, device: torch.device, kind: str = "wall"):
        self.device = device
        self._seconds = time.process_time if kind == "processor" else time.perf_counter
        self._marks = []

    def milliseconds(self) -> float:
        r"""Milliseconds since some moment, once the device has done what it was given."""
        synchronize(self.device)
        return 1000 * self._seconds()

    def _now(self):
        if self.device.type == "cpu":
            return self._seconds()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    @contextlib.contextmanager
    def part(self, name: str):
        r"""Count what happens inside to a part; to one part several times a call, where need be."""
        start = self._now()
        yield
        self._marks.append((name, start, self._now()))

    def timed(self, name: str, call: Callable) -> Callable:
        r"""A callable, such as a network, whose calls count to a part."""

        def run(*args, **kwargs):
            with self.part(name):
                return call(*args, **kwargs)

        # A network's own way to be guided.
        if hasattr(call, "guide"):
            run.guide = call.guide
        return run

    def read(self) -> dict[str, float]:
        r"""Milliseconds of each part since the last reading; waits for the device."""
        synchronize(self.device)
        times = defaultdict(float)
        for name, start, end in self._marks:
            times[name] += 1000 * (end - start) if self.device.type == "cpu" else start.elapsed_time(end)
        self._marks.clear()
        return dict(times)

    def lap(self, call: Callable, *args) -> Lap:
        r"""Time a call, whose parts do not overlap: what they leave is `"other"`."""
        # What was marked before is not this call's.
        self._marks.clear()
        start = self.milliseconds()
        result = call(*args)
        time_ms = self.milliseconds() - start
        parts_ms = self.read()
        return Lap(result, time_ms, {**parts_ms, "other": time_ms - sum(parts_ms.values())})


def take_turns(
    clock: Clock, calls: dict[str, Callable], num_rounds: int, prepare: Callable[[int], Any]
) -> dict[str, list[Lap]]:
    r"""
    Time calls that take turns, so that whatever else the machine does hits all of them.

    Args:
        clock ([`Clock`]): Tells the time.
        calls (`dict[str, Callable]`): Each is called once a round, in this order, with what was prepared.
        num_rounds (`int`): Rounds, those of warm-up included.
        prepare (`Callable`): Makes what all calls of a round are given, such as its draws, from the round's number;
            it is not timed.

    Returns:
        `dict[str, list[Lap]]`: The laps of each, first to last.
    """
    laps = {name: [] for name in calls}
    for index in range(num_rounds):
        given = prepare(index)
        for name, call in calls.items():
            laps[name].append(clock.lap(call, given))
    return laps


def median_ms(laps: list[Lap]) -> float:
    r"""The median of what laps took, in milliseconds: one that was disturbed does not move it."""
    return statistics.median(lap.time_ms for lap in laps)


def median_parts_ms(laps: list[Lap], parts: tuple[str, ...]) -> dict[str, float]:
    r"""The median of each part, in milliseconds, in this order; 0 for a part that a lap does not have."""
    return {part: statistics.median(lap.parts_ms.get(part, 0.0) for lap in laps) for part in parts}


def synchronize(device: torch.device) -> None:
    r"""Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

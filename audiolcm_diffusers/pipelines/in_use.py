# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""One call at a time: a scheduler keeps the state of the sound that it is stepping through."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


_guard = threading.Lock()
_in_use: set[int] = set()


@contextmanager
def in_use(pipe: Any) -> Iterator[None]:
    r"""
    Mark a pipeline and its scheduler as busy for as long as a call takes.

    Args:
        pipe ([`AudioLCMPipelineBase`]): The pipeline. Another one may share its scheduler.

    Raises:
        RuntimeError: If a call of it, or one with its scheduler, is going on.
    """
    parts = {id(pipe): "pipeline", id(pipe.scheduler): "scheduler"}
    with _guard:
        for part in parts:
            if part in _in_use:
                raise RuntimeError(
                    f"This {parts[part]} is in the middle of another call, in another thread or a callback. A "
                    "scheduler keeps the state of one sound: give each thread a pipeline of its own, which shares the "
                    "weights, `AudioLCMPipeline(**{**pipe.components, 'scheduler': "
                    "type(pipe.scheduler).from_config(pipe.scheduler.config)})`, or let the calls wait for each other."
                )
        _in_use.update(parts)
    try:
        yield
    finally:
        with _guard:
            _in_use.difference_update(parts)


def one_call_at_a_time(call: Callable) -> Callable:
    r"""A pipeline's `__call__`, which [`in_use`] guards."""

    @functools.wraps(call)
    def guarded(self, *args, **kwargs):
        with in_use(self):
            return call(self, *args, **kwargs)

    return guarded

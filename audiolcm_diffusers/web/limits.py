# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How much a server does for one request, and for all of them."""

import math
from dataclasses import dataclass, fields


class Busy(RuntimeError):
    r"""More requests wait than a server lets wait."""


class OutOfLimits(ValueError):
    r"""
    More was asked for than a server does.

    Args:
        name (`str`): The field that asks for it.
        message (`str`): What is too much, and what would not be.
    """

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, kw_only=True)
class Limits:
    r"""
    Limits of a server.

    Args:
        max_length_s (`float`, defaults to 60.0): Longest sound that is made or taken, in seconds.
        max_characters (`int`, defaults to 1000): Longest text of a prompt, or of a description of an event.
        max_events (`int`, defaults to 16): Most events of a sound.
        max_steps (`int`, defaults to 100): Most denoising steps.
        max_takes (`int`, defaults to 4): Most sounds that the page makes at once.
        max_upload_mb (`float`, defaults to 20.0): Largest file that is taken, in megabytes.
        max_waiting (`int`, defaults to 64): Most requests that wait for their turn; more are sent away.

    Raises:
        ValueError: If one is not a number above 0.
    """

    max_length_s: float = 60.0
    max_characters: int = 1000
    max_events: int = 16
    max_steps: int = 100
    max_takes: int = 4
    max_upload_mb: float = 20.0
    max_waiting: int = 64

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, field.type) or (field.type is float and isinstance(value, int))
            if isinstance(value, bool) or not is_number or not 0 < value < math.inf:
                kind = "whole number" if field.type is int else "number"
                raise ValueError(f"Expected {field.name} to be a {kind} above 0, got {value!r}.")

    @property
    def max_upload_bytes(self) -> int:
        r"""`int`: Largest file that is taken, in bytes."""
        return int(self.max_upload_mb * 1e6)

    def check_text(self, name: str, text: str | None) -> None:
        r"""
        Refuse a text that is too long.

        Args:
            name (`str`): The field that it is of.
            text (`str`, *optional*): The text.
        """
        if text is not None and len(text) > self.max_characters:
            raise OutOfLimits(
                name, f"`{name}` has {len(text)} characters; this server takes {self.max_characters} at most."
            )

    def check_length(self, name: str, seconds: float) -> None:
        r"""Refuse a sound that is too long. Arguments as of [`~Limits.check_text`]."""
        if seconds > self.max_length_s:
            raise OutOfLimits(
                name, f"`{name}` asks for {seconds:g} s of sound; this server makes {self.max_length_s:g} s at most."
            )

    def check_steps(self, name: str, steps: int | None) -> None:
        r"""Refuse too many denoising steps. Arguments as of [`~Limits.check_text`]."""
        if steps is not None and steps > self.max_steps:
            raise OutOfLimits(name, f"`{name}` is {steps}; this server takes {self.max_steps} at most.")

    def check_events(self, name: str, events: list) -> None:
        r"""Refuse too many events. Arguments as of [`~Limits.check_text`]."""
        if len(events) > self.max_events:
            raise OutOfLimits(name, f"`{name}` are {len(events)}; this server takes {self.max_events} at most.")

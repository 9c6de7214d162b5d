# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Values of options, read for argparse."""

import argparse
import math

from ..generation.edits import read_segment
from ..generation.requests import MAX_SEED


def finite(text):
    r"""A finite number, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a finite number, got {text!r}")
    return value


def positive(text, what="a number"):
    r"""A number above 0, for argparse; its message says of what."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"expected {what} above 0, got {text!r}")
    return value


def seconds(text):
    r"""A length in seconds, for argparse."""
    return positive(text, "a number of seconds")


def count(text):
    r"""A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def seed(text):
    r"""A random seed, for argparse."""
    if not text.isdecimal() or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {MAX_SEED}, got {text!r}")
    return int(text)


def share(text):
    r"""A number above 0 and up to 1, for argparse."""
    value = finite(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and up to 1, got {text!r}")
    return value


def segment(text):
    r"""A part of a sound in seconds, `2:3.5`, for argparse."""
    try:
        return read_segment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def several(value):
    r"""
    Values separated by commas, for argparse.

    Args:
        value (`Callable[[str], Any]`): Reads one.
    """

    def read(text):
        return tuple(value(part.strip()) for part in text.split(","))

    return read

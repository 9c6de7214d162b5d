# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What results are called on disk, and whether they can be written."""

import importlib.util
from contextlib import contextmanager
from pathlib import Path

from ..writable import check_can_create
from .protocol import RESULTS


TABLE, PLOT, AUDIO, REPORT = "table.md", "steps.png", "audio", "report.md"
EVALUATION_FILES = (RESULTS, TABLE, PLOT, AUDIO)
INSPECTION_FILES = (RESULTS, REPORT)
UNFINISHED = ".unfinished"


@contextmanager
def saving(folder):
    r"""
    Mark a folder while results are written into it, until all of them are there.

    Args:
        folder (`Path`): Where results go. It is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()
    yield
    (folder / UNFINISHED).unlink()


def check_output(folder, names):
    r"""
    Refuse a folder with results, or one that cannot be written to.

    Args:
        folder (`str` or `Path`): Where results go. It need not exist yet.
        names (`Sequence[str]`): What results are called.

    Raises:
        ValueError: Naming what is in the way.
    """
    folder = Path(folder)
    # What was being written when a process was killed is no result.
    is_unfinished = (folder / UNFINISHED).exists() and not (folder / RESULTS).exists()
    for name in names:
        if (folder / name).exists() and not is_unfinished:
            raise ValueError(
                f"`folder` holds results already, {str(folder / name)!r}: name another folder, or remove it."
            )
    try:
        check_can_create(folder)
    except ValueError as error:
        raise ValueError(f"`folder` cannot be written: {error}") from error


def check_can_draw():
    r"""
    Refuse to draw where nothing can.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("Pictures of metrics need matplotlib: `pip install matplotlib`.")

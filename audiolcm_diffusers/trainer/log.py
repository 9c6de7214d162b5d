# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The log of a run, `log.jsonl`: a JSON object a line, of losses, learning rate and speeds."""

import json
import math
from pathlib import Path

from ..files import replacing


LOG = "log.jsonl"
# What a line of the log holds beside losses.
NO_LOSSES = {"step", "lr", "steps_per_s", "samples_per_s", "eta_s"}


def log_line(step, means, learning_rate, speeds):
    r"""
    A line of the log.

    Args:
        step (`int`): The step that has just ended.
        means (`dict[str, float]`): Losses since the line before.
        learning_rate (`float`): Of the step.
        speeds (`dict`): See [`~audiolcm_diffusers.trainer.tracking.Speed`].

    Returns:
        `dict`: The losses with five digits, step, learning rate and speeds.
    """
    line = {name: round(value, 5) for name, value in means.items()}
    return line | {"step": step, "lr": float(f"{learning_rate:.6g}"), **speeds}


def step_of_line(line):
    r"""The step of a line of the log; infinite where a killed run left half a line."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf


class RunLog:
    r"""
    The log of a run.

    Args:
        output_dir (`str` or `Path`): Folder of the run.
    """

    def __init__(self, output_dir):
        self.path = Path(output_dir) / LOG

    def lines(self):
        r"""`list[dict]`: The lines; none before the first is written."""
        text = self.path.read_text() if self.path.is_file() else ""
        return [json.loads(line) for line in text.splitlines()]

    def append(self, line):
        r"""Write a line, a `dict`, at the end."""
        with self.path.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def forget_beyond(self, step):
        r"""Drop what a stopped run wrote after its last checkpoint: it is about to be written again."""
        if self.path.is_file():
            kept = [line for line in self.path.read_text().splitlines(True) if step_of_line(line) <= step]
            with replacing(self.path) as temporary:
                temporary.write_text("".join(kept))

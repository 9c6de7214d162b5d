# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What `evaluate` and `inspect` return: results that print, save, draw, compare and read back themselves."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ..audio.io import slug
from ..files import replacing
from .files import (
    AUDIO,
    EVALUATION_FILES,
    INSPECTION_FILES,
    PLOT,
    REPORT,
    TABLE,
    UNFINISHED,
    check_can_draw,
    check_output,
    saving,
)
from .inspection_report import report_lines
from .protocol import FORMAT, INSPECTION_FORMAT, RESULTS, check_same_protocol, compare, flatten, read_results
from .report import comparison_lines, plot_steps, table_lines
from .sounds import save_sounds


@dataclass(frozen=True)
class Comparison:
    r"""
    Two results of one protocol, side by side.

    Args:
        rows (`dict[str, dict[str, tuple]]`): For every row that both have, and every measure, both values.
        names (`tuple[str, str]`): What the two are called. `print` shows a Markdown table.
    """

    rows: dict
    names: tuple[str, str] = ("one", "other")

    def __str__(self):
        return "\n".join(comparison_lines(self.rows, self.names))


@dataclass(frozen=True)
class EvaluationResults:
    r"""
    A table of metrics, with its protocol. `print` shows it, in Markdown.

    Args:
        data (`dict`): All of it, as `results.json` has it: `protocol`, `software`, `rows`, `notes`, ….
        sounds (`dict[str, list[torch.Tensor]]`):
            By the rows' names, sounds of int16 at 16 kHz, if they were to be kept; they are not read back.
        captions (`Sequence[str]`): Of each sound.
    """

    data: dict
    sounds: dict = field(default_factory=dict, repr=False)
    captions: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def load(cls, folder):
        r"""
        Read what [`EvaluationResults.save`] wrote.

        Args:
            folder (`str` or `Path`): The folder, or the `results.json` in it.

        Returns:
            [`EvaluationResults`].

        Raises:
            ValueError: If there are no such results.
        """
        return cls(read_results(folder, FORMAT))

    def __str__(self):
        return "\n".join(table_lines(self.data))

    @property
    def protocol(self):
        r"""`dict`: What a result must share with another to be compared with it."""
        return self.data["protocol"]

    @property
    def metrics(self):
        r"""`dict[str, dict[str, dict]]`: By the rows' names, the estimates of each metric."""
        return {row["name"]: row["metrics"] for row in self.data["rows"]}

    @property
    def num_steps_judged(self):
        r"""`int`: Rows that were made in a known number of steps."""
        return sum("num_inference_steps" in (row["generation"] or {}) for row in self.data["rows"])

    def save(self, folder, overwrite=False, plot=None):
        r"""
        Write `table.md`, `steps.png`, sounds that were kept as `audio/ROW`, and at last `results.json`.

        Args:
            folder (`str` or `Path`): Where to. It is made if need be.
            overwrite (`bool`, defaults to `False`): Whether results that are there are replaced.
            plot (`bool`, *optional*): Whether to draw. By default where there are steps to draw.

        Raises:
            ValueError: If the folder holds results, or cannot be written to.
            ImportError: If matplotlib is needed and not installed.
        """
        folder = Path(folder)
        plot = bool(self.num_steps_judged) if plot is None else plot
        if plot:
            check_can_draw()
        check_output(folder, () if overwrite else EVALUATION_FILES)
        is_replaced = any((folder / name).exists() for name in (RESULTS, UNFINISHED))
        with saving(folder):
            if is_replaced:
                # A picture of other results must not stand beside these.
                (folder / PLOT).unlink(missing_ok=True)
            for name, sounds in self.sounds.items():
                shutil.rmtree(folder / AUDIO / slug(name), ignore_errors=True)
                save_sounds(folder / AUDIO / slug(name), sounds, self.captions)
            _write(folder / TABLE, str(self))
            if plot:
                self.plot(folder / PLOT)
            _write(folder / RESULTS, json.dumps(self.data, indent=2, ensure_ascii=False))

    def plot(self, path):
        r"""
        Draw metrics against steps.

        Args:
            path (`str` or `Path`): PNG file.

        Raises:
            ValueError: If no row was made in a known number of steps.
            ImportError: If matplotlib is not installed.
        """
        if not self.num_steps_judged:
            raise ValueError("There are no steps to draw metrics against: no row is of a model.")
        check_can_draw()
        plot_steps(path, self.data)

    def compare(self, other, other_software=False, names=("one", "other")):
        r"""
        Set another table beside this one.

        Args:
            other ([`EvaluationResults`]): Of the same protocol.
            other_software (`bool`, defaults to `False`): Whether versions of software may differ.
            names (`tuple[str, str]`, defaults to `("one", "other")`): What the two are called.

        Returns:
            [`Comparison`]: Rows that both have.

        Raises:
            ValueError: If protocols differ; the message names every difference.
        """
        return Comparison(compare(self.data, other.data, other_software), tuple(names))


@dataclass(frozen=True)
class InspectionResults:
    r"""
    A closer look at a model, with its protocol. `print` shows the report, in Markdown.

    Args:
        data (`dict`): All of it, as `results.json` has it: `protocol`, `software`, `sections`, `notes`, ….
    """

    data: dict

    @classmethod
    def load(cls, folder):
        r"""
        Read what [`InspectionResults.save`] wrote.

        Args:
            folder (`str` or `Path`): The folder, or the `results.json` in it.

        Returns:
            [`InspectionResults`].

        Raises:
            ValueError: If there are no such results.
        """
        return cls(read_results(folder, INSPECTION_FORMAT))

    def __str__(self):
        return "\n".join(report_lines(self.data))

    @property
    def protocol(self):
        r"""`dict`: What a result must share with another to be compared with it."""
        return self.data["protocol"]

    @property
    def sections(self):
        r"""`dict[str, dict]`: `diversity`, `neighbours`, `lengths` and `paraphrases`, those that there are."""
        return self.data["sections"]

    def save(self, folder, overwrite=False):
        r"""
        Write `report.md`, and at last `results.json`.

        Args:
            folder (`str` or `Path`): Where to. It is made if need be.
            overwrite (`bool`, defaults to `False`): Whether results that are there are replaced.

        Raises:
            ValueError: If the folder holds results, or cannot be written to.
        """
        folder = Path(folder)
        check_output(folder, () if overwrite else INSPECTION_FILES)
        with saving(folder):
            _write(folder / REPORT, str(self))
            _write(folder / RESULTS, json.dumps(self.data, indent=2, ensure_ascii=False))

    def compare(self, other, other_software=False, names=("one", "other")):
        r"""
        Set another inspection beside this one.

        Args:
            other ([`InspectionResults`]): Of the same protocol.
            other_software (`bool`, defaults to `False`): Whether versions of software may differ.
            names (`tuple[str, str]`, defaults to `("one", "other")`): What the two are called.

        Returns:
            [`Comparison`]: A row a section, of the numbers that both have.

        Raises:
            ValueError: If protocols differ; the message names every difference.
        """
        check_same_protocol(self.data, other.data, other_software)
        return Comparison(
            {
                section: _numbers_of_both(self.sections[section], other.sections[section])
                for section in self.sections
                if section in other.sections
            },
            tuple(names),
        )


def _numbers_of_both(section, other):
    """By their dotted names, the two values of each number."""
    one, two = flatten(section), flatten(other)
    return {
        name: (value, two[name])
        for name, value in one.items()
        if isinstance(value, (int, float)) and isinstance(two.get(name), (int, float))
    }


def _write(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")

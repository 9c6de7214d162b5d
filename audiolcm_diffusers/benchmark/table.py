# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A report, for people as Markdown and for programs as JSON."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    r"""
    What a benchmark measured. A benchmark's own class says in `lines` how people read it.

    Args:
        document (`dict`): All of it, as JSON has it.
    """

    document: dict[str, Any]

    def lines(self) -> list[str]:
        r"""The report for people, as lines of Markdown."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_json(self) -> str:
        r"""The report for programs: one JSON document, in one line."""
        return json.dumps(self.document)


def markdown_table(columns: list[str], rows: dict[str, list[str]]) -> list[str]:
    r"""
    A table in Markdown.

    Args:
        columns (`list[str]`): Their titles; the column of the rows' names has none.
        rows (`dict[str, list[str]]`): Name and cells, one a column.

    Returns:
        `list[str]`: Lines.
    """
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    return lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]


def machine_line(document: dict[str, Any]) -> str:
    r"""On what and with which versions a report's numbers were measured."""
    threads = f"{document['threads']} thread{'s' if document['threads'] != 1 else ''}"
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return f"{document['device']}: {document['device_name']}, {threads}; {versions}"

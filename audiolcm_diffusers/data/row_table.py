# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Rows of a dataset on disk: millions of them take no memory to speak of, and any of them is read at once."""

import json
import os
import tempfile
from array import array
from pathlib import Path

from .metadata import OutsidePath


class RowTable:
    r"""
    Rows of a dataset, in a temporary file that is gone with this object.

    Args:
        name (`str`): What errors call the data.
        rows (`Iterable[tuple[str, str | list[str], Path | None]]`):
            From [`~audiolcm_diffusers.data.metadata.iter_metadata`]: name, caption or captions, and path.
    """

    def __init__(self, name, rows):
        self.name = name
        self._file = tempfile.TemporaryFile()
        self._starts, place = array("q", [0]), 0
        for row_name, caption, path in rows:
            refusal = getattr(path, "refusal", None)
            # Names may hold bytes that are no UTF-8, and captions halves of characters: JSON writes both as escapes.
            line = json.dumps([row_name, caption, str(path), refusal]).encode() + b"\n"
            place += self._file.write(line)
            self._starts.append(place)
        self._file.flush()

    def __str__(self):
        return self.name

    def __len__(self):
        return len(self._starts) - 1

    def __getitem__(self, index):
        r"""The row of a number, as it was given."""
        if not 0 <= index < len(self):
            raise IndexError(f"Expected a row from 0 to {len(self) - 1}, got {index}.")
        start, end = self._starts[index], self._starts[index + 1]
        # At a place of its own: several threads may read.
        name, caption, path, refusal = json.loads(os.pread(self._file.fileno(), end - start, start))
        path = Path(path)
        if refusal is not None:
            path = OutsidePath(path)
            path.refusal = refusal
        return name, caption, path

    def rows(self):
        r"""Yield all rows."""
        for index in range(len(self)):
            yield self[index]

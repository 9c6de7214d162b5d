# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Clips of data that do not fit into memory, decoded once and kept on disk for as long as all of them are needed."""

import json
import os
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .captioned_audio import BadClip, Clip, check_bad_share


SAMPLES, ROWS = "clips.spool", "clips.spool.jsonl"


class SpooledClip:
    r"""
    A [`~audiolcm_diffusers.data.captioned_audio.Clip`] whose samples are read when they are asked for.

    Args:
        file: Open, with the samples.
        row (`dict`): Name, captions, shape and place in the file.
    """

    def __init__(self, file, row):
        self._file, self._row = file, row
        self.name, (self.caption, *others) = row["name"], row["captions"]
        self.other_captions = tuple(others)

    @property
    def waveform(self):
        r"""`torch.Tensor`: int16."""
        shape = self._row["shape"]
        content = os.pread(self._file.fileno(), 2 * int(np.prod(shape)), self._row["start"])
        return torch.from_numpy(np.frombuffer(content, dtype=np.int16).copy()).reshape(shape)

    draw_caption = Clip.draw_caption


class SpooledClips(Sequence):
    r"""
    Clips on disk, any of which is read at once.

    Args:
        folder (`str` or `Path`): Where [`spool`] has written them.
    """

    def __init__(self, folder):
        self._samples = (Path(folder) / SAMPLES).open("rb")
        self._rows = (Path(folder) / ROWS).open("rb")
        self._starts = array("q", [0])
        for line in self._rows:
            self._starts.append(self._starts[-1] + len(line))

    def __len__(self):
        return len(self._starts) - 1

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"Expected a clip from 0 to {len(self) - 1}, got {index}.")
        start, end = self._starts[index], self._starts[index + 1]
        return SpooledClip(self._samples, json.loads(os.pread(self._rows.fileno(), end - start, start)))


def spool(rows, read, folder, max_bad_fraction, bad_clips, max_clips=None):
    r"""
    Decode clips and write them to disk, two bytes a sample.

    Args:
        rows ([`~audiolcm_diffusers.data.row_table.RowTable`] or
            [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]): The data's rows.
        read (`Callable`): Makes a [`~audiolcm_diffusers.data.captioned_audio.Clip`] of a row, or raises `ValueError`.
        folder (`Path`): Where they go.
        max_bad_fraction (`float`): Share of the rows that may be left out.
        bad_clips (`list`): Is extended by a [`~audiolcm_diffusers.data.captioned_audio.BadClip`] for every row left
            out.
        max_clips (`int`, *optional*): Usable clips after which reading ends.

    Raises:
        ValueError: If more is bad.
    """
    written = num_clips = 0
    with (folder / SAMPLES).open("wb") as samples, (folder / ROWS).open("w") as table:
        for name, caption, audio in rows.rows():
            try:
                clip = read(name, caption, audio)
            except ValueError as error:
                bad_clips.append(BadClip(name, str(error)))
                continue
            row = {
                "name": clip.name,
                "captions": [clip.caption, *clip.other_captions],
                "shape": list(clip.waveform.shape),
                "start": written,
            }
            table.write(json.dumps(row) + "\n")
            written += samples.write(clip.waveform.numpy().tobytes())
            num_clips += 1
            if num_clips == max_clips:
                break
    check_bad_share(bad_clips, num_clips + len(bad_clips), max_bad_fraction, str(rows))


def remove_spool(folder):
    r"""Remove what [`spool`] has written, if there is any."""
    for name in (SAMPLES, ROWS):
        (Path(folder) / name).unlink(missing_ok=True)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Data of any size: clips that fit into memory are all held there; of more, a part is held at a time.

What a part holds is a function of the data, the options and its number, and which part a step draws from is a function
of the step: a run that is resumed goes on with the very examples that it would have drawn. What is no longer exact is
that any clip may follow any other: an example, and the second sound of a mixture, come from one part. Each process has
a share of the clips of its own.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from .captioned_audio import BadClip, check_bad_share, random_offset, seeded_generator
from .metadata import captions_of


@dataclass(frozen=True)
class Share:
    r"""
    What of the data is one process's.

    Args:
        rank (`int`, defaults to 0): The process, from 0.
        num_shares (`int`, defaults to 1): Processes.
    """

    rank: int = 0
    num_shares: int = 1


class HeldClips:
    r"""
    Clips that are all in memory, as [`ClipParts`] whose one part is all of them.

    Args:
        clips (`list[Clip]`): The data.
    """

    def __init__(self, clips):
        self.clips = clips

    def now(self):
        r"""`list[Clip]`: The clips."""
        return self.clips

    def captions(self):
        r"""Yield the captions of each clip, a list a clip."""
        return captions_of_clips(self.clips)


def captions_of_clips(clips):
    r"""Yield the captions of each clip, a list a clip."""
    return ([clip.caption, *clip.other_captions] for clip in clips)


class Derived:
    r"""
    Something that is computed of the clips at hand, anew when they are others.

    Args:
        clips ([`HeldClips`] or [`ClipParts`]): The clips.
        compute (`Callable[[list[Clip]], Any]`): What is wanted of them.
    """

    def __init__(self, clips, compute):
        self.clips, self._compute = clips, compute
        self._of, self._value = None, None

    def now(self):
        r"""What was computed of the clips at hand."""
        clips = self.clips.now()
        if clips is not self._of:
            self._value, self._of = self._compute(clips), clips
        return self._value


@dataclass(frozen=True)
class PartSizes:
    r"""
    How much of the data is held at a time.

    Args:
        max_bytes (`float`): Memory for clips.
        examples_per_step (`float`): Clips that a step of a process draws; after as many steps as a part has clips for,
            the next one is due.
        max_clip_samples (`int`): Of clips that are longer a random piece is held.
    """

    max_bytes: float
    examples_per_step: float
    max_clip_samples: int


class ClipParts:
    r"""
    Clips of a dataset that may be larger than memory.

    Args:
        source ([`RowsOfTable`] or [`RowsOfStream`]): Says which rows make up a part.
        read (`Callable`): Makes a [`~audiolcm_diffusers.data.captioned_audio.Clip`] of a row, or raises `ValueError`.
        sizes ([`PartSizes`]): How much is held.
        max_bad_fraction (`float`): Share of a part's rows that may be unusable.
        told_bad (`Callable[[list[BadClip]], None]`): Is told what is left out.
        step_of (`Callable[[], int]`): The step that the run is at.
        seed (`int`): Of the order of clips, and of the pieces of long ones.

    Example: `parts.now()` is the `list[Clip]` that a step draws from. It is the same object while the part is.
    """

    def __init__(self, source, read, sizes, max_bad_fraction, told_bad, step_of, seed):
        self.source, self.sizes, self.step_of, self.seed = source, sizes, step_of, seed
        self._read, self._max_bad_fraction, self._told_bad = read, max_bad_fraction, told_bad
        self.steps_per_part = max(1, round(source.part_size / sizes.examples_per_step))
        self._number, self._clips, self._coming = None, None, None
        # One part is read while the one before is drawn from.
        self._reader = ThreadPoolExecutor(max_workers=1)

    def now(self):
        r"""`list[Clip]`: The part of the step that the run is at."""
        number = self.step_of() // self.steps_per_part
        if number != self._number:
            if self._coming is None or self._coming[0] != number:
                self._coming = (number, self._reader.submit(self._part, number))
            self._clips, self._number = self._coming[1].result(), number
            self._coming = (number + 1, self._reader.submit(self._part, number + 1))
        return self._clips

    def _part(self, number):
        clips, bad, rows = [], [], 0
        for index, row in self.source.rows(number):
            rows += 1
            try:
                clips.append(self._piece_of(self._read(*row), index, number))
            except ValueError as error:
                bad.append(BadClip(row[0], str(error)))
        if bad:
            self._told_bad(bad)
        check_bad_share(bad, rows, self._max_bad_fraction, self.source.name)
        if not clips:
            raise ValueError(f"Part {number} of {self.source.name!r} holds no clip.")
        return clips

    def save_state(self, path):
        r"""Write where the part of the run's step begins, which a stream must know to go on without reading anew."""
        number = self.step_of() // self.steps_per_part
        path.write_text(json.dumps({"part": number, "place": self.source.place_of(number)}) + "\n")

    def load_state(self, path):
        r"""Be told what [`~ClipParts.save_state`] wrote; without, a stream is read from its beginning."""
        if path.is_file():
            state = json.loads(path.read_text())
            self.source.know(state["part"], state["place"])

    def captions(self):
        r"""Yield the captions of each clip, a list a clip: of a stream those at hand."""
        if isinstance(self.source, RowsOfStream):
            yield from captions_of_clips(self.now())
            return
        for name, caption, _ in self.source.table.rows():
            try:
                yield captions_of(caption, name)
            except ValueError:
                continue  # told when the row is read

    def _piece_of(self, clip, index, number):
        """A clip, or of a long one another piece each time that it comes up."""
        length, longest = clip.waveform.shape[-1], self.sizes.max_clip_samples
        if length <= longest:
            return clip
        offset = random_offset(length, longest, seeded_generator(self.seed, index, number))
        # A copy: a view would keep the whole of it in memory.
        return replace(clip, waveform=clip.waveform[..., offset : offset + longest].clone())


class RowsOfTable:
    r"""
    Rows that any number can be asked for: in each epoch in another order, evenly spread over parts.

    Args:
        rows ([`~audiolcm_diffusers.data.row_table.RowTable`] or
            [`~audiolcm_diffusers.data.hub_dataset.HubTable`]): The rows.
        part_size (`int`): Rows of a part, at most.
        share ([`Share`]): Which of them are this process's.
        seed (`int`): Of the order.
        max_rows (`int`, *optional*): Rows from the first on that are used.

    Raises:
        ValueError: If there are fewer rows than processes.
    """

    def __init__(self, rows, part_size, share, seed, max_rows=None):
        self.name, self.table, self.seed = str(rows), rows, seed
        # Shared out before they are mixed: a process has its own files.
        self._own = range(len(rows) if max_rows is None else min(len(rows), max_rows))[share.rank :: share.num_shares]
        num_rows = len(self._own)
        if not num_rows:
            raise ValueError(f"{self.name!r} has fewer rows than the {share.num_shares} processes.")
        self.parts_per_epoch = max(1, -(-num_rows // part_size))
        self.part_size = max(1, num_rows // self.parts_per_epoch)

    def place_of(self, number):
        r"""`None`: Any part is found by its number."""

    def know(self, number, place):
        r"""Nothing has to be known."""

    def rows(self, number):
        r"""Yield the numbers and rows of a part."""
        epoch, part = divmod(number, self.parts_per_epoch)
        own = np.arange(self._own.start, self._own.stop, self._own.step)
        order = np.random.default_rng((self.seed, epoch)).permutation(own)
        for index in np.array_split(order, self.parts_per_epoch)[part]:
            yield int(index), self.table[int(index)]


class RowsOfStream:
    r"""
    Rows that come one after the other, as often as they are asked for.

    Args:
        stream ([`~audiolcm_diffusers.data.hub_dataset.RowStream`]): Begins anew in each epoch, and at a place told.
        part_size (`int`): Rows of a part.
    """

    def __init__(self, stream, part_size):
        self.name, self.stream, self.part_size = str(stream), stream, part_size
        self._next = 0  # the part that the stream stands before
        # Where the last parts began, for checkpoints: the run draws from one while the next is read.
        self._places = {0: stream.place()}

    def rows(self, number):
        r"""Yield the numbers and rows of a part. Those before it are passed over, or found by their places."""
        known = max((part for part in self._places if part <= number), default=None)
        if number != self._next:
            if known is None:
                raise ValueError(f"The stream {self.name!r} is beyond part {number}, which nobody has kept.")
            self.stream.go_to(self._places[known])
            for _ in range((number - known) * self.part_size):
                self.stream.next_row()
        self._places[number] = self.stream.place()
        for index in range(self.part_size):
            yield number * self.part_size + index, self.stream.next_row()
        self._next = number + 1
        self._places[self._next] = self.stream.place()
        for part in [part for part in self._places if part < number - 1]:
            del self._places[part]

    def place_of(self, number):
        r"""Where a part begins, as JSON can write it; `None` where nobody has kept it."""
        return self._places.get(number)

    def know(self, number, place):
        r"""Be told where a part begins."""
        if place is not None:
            self._places[number] = place

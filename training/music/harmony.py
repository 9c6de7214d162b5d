# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Keys, chords and how one chord leads to the next."""

from dataclasses import dataclass
from itertools import product


TONICS = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}
# Chords by their degrees; above ten, the degree's seventh chord: 15 is the dominant seventh.
PROGRESSIONS = {
    "major": (
        (1, 5, 6, 4),
        (1, 6, 4, 5),
        (1, 4, 5, 1),
        (1, 4, 1, 5),
        (6, 4, 1, 5),
        (1, 3, 4, 5),
        (1, 2, 5, 1),
        (1, 5, 6, 3, 4, 1, 4, 5),
    ),
    "minor": (
        (1, 6, 3, 7),
        (1, 4, 5, 1),
        (1, 7, 6, 5),
        (1, 6, 4, 5),
        (1, 4, 7, 3),
        (1, 6, 1, 5),
        (1, 3, 7, 4),
    ),
}
JAZZ_PROGRESSIONS = {
    "major": ((12, 15, 11, 16), (11, 16, 12, 15), (13, 16, 12, 15), (11, 14, 12, 15)),
    "minor": ((11, 14, 12, 15), (12, 15, 11, 11), (11, 16, 12, 15)),
}
BLUES = (1, 1, 4, 1, 5, 4, 1, 5)
SLOW_PROGRESSIONS = {"major": ((11, 14), (11, 16), (11, 13, 14, 11)), "minor": ((1, 6), (11, 14), (1, 6, 4, 1))}


@dataclass(frozen=True)
class Key:
    r"""
    A key.

    Args:
        tonic (`int`): Semitones above C.
        mode (`str`): `"major"` or `"minor"`.
    """

    tonic: int
    mode: str

    def __str__(self):
        return f"{TONICS[self.tonic]} {self.mode}"

    @property
    def pitch_classes(self):
        r"""The seven notes of the scale from the tonic on, in semitones above C."""
        return tuple((self.tonic + step) % 12 for step in SCALES[self.mode])

    def scale(self, low, high):
        r"""The pitches of the scale in a register, upwards."""
        return [pitch for pitch in range(low, high + 1) if pitch % 12 in self.pitch_classes]


@dataclass(frozen=True)
class Chord:
    r"""
    A chord.

    Args:
        pitch_classes (`tuple[int, ...]`): Root, third, fifth and so on, in semitones above C.
    """

    pitch_classes: tuple

    @property
    def root(self):
        return self.pitch_classes[0]

    @property
    def fifth(self):
        return self.pitch_classes[2]


def chord_of(key, step):
    r"""
    The chord on a degree of a key.

    In minor keys the triad or seventh on the fifth degree has a major third, the leading tone.

    Args:
        key (`Key`)
        step (`int`): The degree, from 1 to 7; above ten, that of a seventh chord: 15 is the dominant seventh.

    Returns:
        `Chord`
    """
    degree, size = (step - 10, 4) if step > 10 else (step, 3)
    notes = [key.pitch_classes[(degree - 1 + 2 * index) % 7] for index in range(size)]
    if key.mode == "minor" and degree == 5:
        notes[1] = (notes[0] + 4) % 12
    return Chord(tuple(notes))


def blues_chord_of(key, step):
    r"""The dominant seventh chord on a degree, as a blues has it on all."""
    root = key.pitch_classes[step - 1]
    return Chord(tuple((root + interval) % 12 for interval in (0, 4, 7, 10)))


def nearest(pitch_class, pitch, low, high):
    r"""The pitch of a class that is nearest to a pitch, in a register of an octave or more; of two, the lower."""
    candidates = range(low + (pitch_class - low) % 12, high + 1, 12)
    return min(candidates, key=lambda candidate: abs(candidate - pitch))


def voicing(chord, previous, low, high):
    r"""
    Lay out a chord near to the one before it, so that each voice moves as little as it can.

    Args:
        chord (`Chord`)
        previous (`list[int]`): Pitches of the chord before, upwards; empty at the beginning.
        low (`int`): Lowest pitch allowed. The register spans an octave and a half or more.
        high (`int`): Highest pitch allowed.

    Returns:
        `list[int]`: One pitch for each note of the chord, upwards, within an octave and a half.
    """
    choices = [range(low + (note - low) % 12, high + 1, 12) for note in chord.pitch_classes]
    layouts = [sorted(layout) for layout in product(*choices) if max(layout) - min(layout) <= 16]
    middle = (low + high) / 2

    def cost(layout):
        close = sum(upper - lower < 3 for lower, upper in zip(layout, layout[1:]))
        if not previous:
            return abs(sum(layout) / len(layout) - middle) + 2 * close
        moves = sum(min(abs(pitch - other) for other in previous) for pitch in layout)
        moves += abs(layout[-1] - previous[-1])
        # A line of chords may wander, but comes back.
        return moves + close + 0.2 * abs(sum(layout) / len(layout) - middle)

    return min(layouts, key=lambda layout: (cost(layout), layout))

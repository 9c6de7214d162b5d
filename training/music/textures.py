# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is played: notes of one instrument over a line of chords. Beats are quarter notes, from 0 on."""

import math
from dataclasses import dataclass

from .harmony import Chord, nearest, voicing


# Rhythms of one bar, as lengths in beats, by beats a bar and how much happens.
RHYTHMS = {
    4: {
        "sparse": ((2, 2), (3, 1), (1, 1, 2), (2, 1, 1), (4,)),
        "medium": (
            (1, 1, 1, 1),
            (1.5, 0.5, 1, 1),
            (1, 0.5, 0.5, 2),
            (1, 1, 0.5, 0.5, 1),
            (0.5, 0.5, 1, 1, 1),
            (2, 0.5, 0.5, 1),
            (1.5, 0.5, 1.5, 0.5),
        ),
        "busy": (
            (0.5,) * 8,
            (1, 0.5, 0.5, 0.5, 0.5, 1),
            (0.5, 0.5, 0.5, 0.5, 1, 1),
            (0.75, 0.25, 0.5, 0.5, 1, 1),
            (0.5, 0.25, 0.25, 0.5, 0.5, 1, 1),
            (1.5, 0.5, 0.5, 0.5, 0.5, 0.5),
        ),
    },
    3: {
        "sparse": ((3,), (2, 1)),
        "medium": ((1, 1, 1), (2, 1), (1, 0.5, 0.5, 1), (1.5, 0.5, 1)),
        "busy": ((0.5,) * 6, (1, 0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 1, 1)),
    },
}
# A phrase of four bars: two rhythms in turn, and a calm end.
PHRASES = ("ABAE", "AABE", "AAAE", "ABBE")
# Where in a bar chords fall, and for how long.
CHORD_RHYTHMS = {
    4: {
        "whole": ((0, 4),),
        "halves": ((0, 2), (2, 2)),
        "quarters": ((0, 1), (1, 1), (2, 1), (3, 1)),
        "pushed": ((0, 1.5), (1.5, 1.5), (3, 1)),
        "offbeats": ((0.5, 0.3), (1.5, 0.3), (2.5, 0.3), (3.5, 0.3)),
        "backbeats": ((1, 0.3), (3, 0.3)),
        "comping": ((0, 0.8), (1.5, 0.4)),
        "stabs": ((0, 0.4), (0.75, 0.4), (1.5, 0.4), (2.5, 0.4), (3.25, 0.4)),
    },
    3: {"whole": ((0, 3),), "quarters": ((0, 1), (1, 1), (2, 1)), "waltz": ((1, 0.8), (2, 0.8))},
}
STRUMS = {4: ("D.D.D.DU", "D.DU.UDU", "D.D.DUDU", "D...D.DU", "D.DUD.DU"), 3: ("D.DUDU", "D.D.D.")}
STRUM_S = 0.014
POWER_CHORD = (0, 7, 12)
ARPEGGIOS = {
    "up": (0, 1, 2, 3),
    "down": (3, 2, 1, 0),
    "up and down": (0, 1, 2, 3, 2, 1),
    "broken": (0, 2, 1, 2),
    "rolling": (0, 1, 2, 1, 3, 1, 2, 1),
}
BASS_RHYTHMS = {
    4: {
        "halves": ((0, 2, 0), (2, 2, 1)),
        "eighths": tuple((step / 2, 0.5, 0) for step in range(8)),
        "quarters": ((0, 1, 0), (1, 1, 0), (2, 1, 1), (3, 1, 0)),
        "syncopated": ((0, 1.5, 0), (1.5, 0.5, 0), (2.5, 0.5, 2), (3, 0.5, 1), (3.5, 0.5, 0)),
        "octaves": tuple((step / 2, 0.45, 2 * (step % 2)) for step in range(8)),
        "funky": ((0, 0.5, 0), (0.75, 0.25, 0), (1.5, 0.5, 2), (2.25, 0.25, 0), (2.5, 0.5, 1), (3.5, 0.5, 2)),
        "offbeats": ((0.5, 0.4, 0), (1.5, 0.4, 0), (2.5, 0.4, 0), (3.5, 0.4, 0)),
    },
    3: {"halves": ((0, 3, 0),), "quarters": ((0, 1, 0), (1, 1, 1), (2, 1, 1))},
}


@dataclass(frozen=True)
class Event:
    r"""
    A note before it is performed.

    Args:
        beat (`float`): When, in beats.
        length (`float`): In beats.
        pitch (`int`)
        accent (`int`, defaults to 0): Added to the velocity.
        delay_s (`float`, defaults to 0.0): Seconds after the beat, as of a strum's later strings.
    """

    beat: float
    length: float
    pitch: int
    accent: int = 0
    delay_s: float = 0.0


@dataclass(frozen=True)
class Harmony:
    r"""
    The chords of a piece.

    Args:
        key (`Key`)
        chords (`tuple[Chord, ...]`): Each lasts `beats_per_chord`.
        beats_per_chord (`float`)
        beats_per_bar (`int`): 4 or 3.
        num_bars (`int`): Length of the piece.
    """

    key: object
    chords: tuple
    beats_per_chord: float
    beats_per_bar: int
    num_bars: int

    @property
    def num_beats(self):
        return self.num_bars * self.beats_per_bar

    def at(self, beat):
        r"""The `Chord` that sounds at a beat."""
        return self.chords[int(beat / self.beats_per_chord) % len(self.chords)]

    def spans(self):
        r"""Pairs of a beat and the `Chord` that begins there."""
        count = math.ceil(self.num_beats / self.beats_per_chord)
        return [(index * self.beats_per_chord, self.chords[index % len(self.chords)]) for index in range(count)]

    def bars(self):
        r"""The beats with which bars begin."""
        return [bar * self.beats_per_bar for bar in range(self.num_bars)]

    def scale(self, beat, low, high):
        r"""Pitches of the key in a register, with the chord's own where they differ: leading tones, blue notes."""
        chord, classes = self.at(beat), set(self.key.pitch_classes)
        for note in chord.pitch_classes:
            if note not in classes:
                # Minor keys raise their seventh note; sevenths of blues chords lower one.
                classes.discard((note + (-1 if self.key.mode == "minor" else 1)) % 12)
                classes.add(note)
        return [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]


def melody(rng, harmony, low, high, density, staccato=False):
    r"""
    A melody in phrases of four bars that repeat their rhythms and contours.

    Args:
        rng (`random.Random`)
        harmony (`Harmony`)
        low (`int`): Lowest pitch allowed.
        high (`int`): Highest pitch allowed, an octave or more above.
        density (`str`): `"sparse"`, `"medium"` or `"busy"`.
        staccato (`bool`, defaults to `False`): Whether notes are short.

    Returns:
        `list[Event]`: One at a time. What stands on the first or third beat of a bar is a note of the chord.
    """
    rhythms = RHYTHMS[harmony.beats_per_bar]
    phrase = rng.choice(PHRASES)
    bars = {name: rng.choice(rhythms[density]) for name in "AB"} | {"E": rng.choice(rhythms["sparse"])}
    contours = {name: _contour(rng, len(rhythm)) for name, rhythm in bars.items()}
    pitch = low + (high - low) * rng.uniform(0.35, 0.65)
    events = []
    for number, start in enumerate(harmony.bars()):
        name = phrase[number % 4]
        beat = start
        for length, step in zip(bars[name], contours[name]):
            scale = harmony.scale(beat, low, high)
            here = min(range(len(scale)), key=lambda index: abs(scale[index] - pitch))
            if not 0 <= here + step < len(scale):
                step = -step
            target = scale[max(0, min(len(scale) - 1, here + step))]
            if (beat - start) % 2 == 0 and (harmony.beats_per_bar == 4 or beat == start):
                chord = harmony.at(beat).pitch_classes
                tones = [candidate for candidate in range(low, high + 1) if candidate % 12 in chord]
                target = min(tones, key=lambda candidate: (abs(candidate - target), candidate))
            pitch = target
            events.append(Event(beat, length * (0.65 if staccato else 0.95), pitch, accent=4 if beat == start else 0))
            beat += length
    return events


def _contour(rng, size):
    """Steps of a scale from note to note: mostly to neighbours, going on as they began, and back after a leap."""
    direction, steps = rng.choice((-1, 1)), []
    for _ in range(size):
        if steps and (abs(steps[-1]) > 1 or rng.random() < 0.35):
            direction = -direction
        steps.append(direction * rng.choices((0, 1, 2, 3), (1, 7, 2, 1))[0])
    return steps


def arpeggios(rng, harmony, low, high, unit, rings, with_bass=False):
    r"""
    Chords a note at a time.

    Args:
        rng (`random.Random`)
        harmony (`Harmony`)
        low (`int`): Lowest pitch allowed.
        high (`int`): Highest pitch allowed.
        unit (`float`): Beats a note.
        rings (`bool`): Whether notes sound on until the chord changes.
        with_bass (`bool`, defaults to `False`): Whether each chord begins with its root below.

    Returns:
        `list[Event]`
    """
    pattern = ARPEGGIOS[rng.choice(sorted(ARPEGGIOS))]
    events, layout = [], []
    for start, chord in harmony.spans():
        layout = voicing(chord, layout, low, min(high, low + 24))
        notes = layout if len(layout) > 3 else [*layout, layout[0] + 12]
        end = start + harmony.beats_per_chord
        for index in range(round(harmony.beats_per_chord / unit)):
            beat = start + index * unit
            pitch, accent = notes[pattern[index % len(pattern)]], 6 if index == 0 else 0
            if index == 0 and with_bass:
                events.append(Event(beat, end - beat, nearest(chord.root, low - 8, low - 14, low - 2), 4))
            events.append(Event(beat, end - beat if rings else unit * 0.9, pitch, accent))
    return events


def chords(rng, harmony, low, high, rhythm=None, legato=0.97):
    r"""
    Chords in a rhythm that every bar repeats, each as near to the one before as it can be.

    Args:
        rng (`random.Random`)
        harmony (`Harmony`)
        low (`int`): Lowest pitch allowed.
        high (`int`): Highest pitch allowed.
        rhythm (`str`, *optional*): A name of `CHORD_RHYTHMS`; by default one of the even ones.
        legato (`float`, defaults to 0.97): Share of its length that a chord sounds.

    Returns:
        `list[Event]`
    """
    rhythms = CHORD_RHYTHMS[harmony.beats_per_bar]
    rhythm = (
        rhythm
        if rhythm in rhythms
        else rng.choice([name for name in ("whole", "halves", "quarters") if name in rhythms])
    )
    events, layout, last = [], [], None
    for bar in harmony.bars():
        for beat, length in rhythms[rhythm]:
            chord = harmony.at(bar + beat)
            if chord is not last:
                layout, last = voicing(chord, layout, low, high), chord
            events += [Event(bar + beat, length * legato, pitch) for pitch in layout]
    return events


def sustained(harmony, low, high):
    r"""Chords held until they change, as a list of events."""
    events, layout = [], []
    for start, chord in harmony.spans():
        layout = voicing(chord, layout, low, high)
        events += [Event(start, harmony.beats_per_chord, pitch) for pitch in layout]
    return events


def strumming(rng, harmony, pattern=None, lowest=40, num_strings=6):
    r"""
    Chords on guitar strings, one after the other within some hundredths of a second, downwards and upwards.

    Args:
        rng (`random.Random`)
        harmony (`Harmony`)
        pattern (`str`, *optional*): Strokes an eighth: `D` down, `U` up, `.` none.
        lowest (`int`, defaults to 40): Pitch of the lowest string.
        num_strings (`int`, defaults to 6): Strings.

    Returns:
        `list[Event]`
    """
    pattern = pattern or rng.choice(STRUMS[harmony.beats_per_bar])
    strokes = [index for index, stroke in enumerate(pattern) if stroke != "."]
    events = []
    for bar in harmony.bars():
        for stroke, following in zip(strokes, [*strokes[1:], len(pattern)]):
            beat = bar + stroke / 2
            strings = strummed_chord(harmony.at(beat), lowest, num_strings)
            if pattern[stroke] == "U":
                strings = strings[::-1][: max(3, num_strings - 2)]
            accent = 6 if stroke % 4 == 0 else -4
            length = (following - stroke) / 2
            events += [Event(beat, length, pitch, accent, STRUM_S * index) for index, pitch in enumerate(strings)]
    return events


def strummed_chord(chord, lowest=40, num_strings=6):
    r"""A chord as a guitar's strings have it, upwards: root, fifth, root or seventh, third, fifth, root."""
    root = nearest(chord.root, lowest + 5, lowest, lowest + 11)
    third, fifth = ((chord.pitch_classes[index] - chord.root) % 12 for index in (1, 2))
    middle = (chord.pitch_classes[3] - chord.root) % 12 if len(chord.pitch_classes) > 3 else 12
    shape = [0, fifth, middle, 12 + third, 12 + fifth, 24]
    return [root + interval for interval in shape[6 - num_strings :]]


def riff(rng, harmony, low, high):
    r"""Power chords, root, fifth and octave, in a rhythm that every bar repeats; a list of events."""
    rhythm = rng.choice(RHYTHMS[harmony.beats_per_bar][rng.choice(("medium", "busy", "busy"))])
    events = []
    for bar in harmony.bars():
        beat = bar
        for length in rhythm:
            root = nearest(harmony.at(beat).root, (low + high) // 2, low, high)
            accent = 5 if length >= 1 else 0
            events += [Event(beat, length * 0.9, root + interval, accent) for interval in POWER_CHORD]
            beat += length
    return events


def bass_line(rng, harmony, low, high, rhythm=None):
    r"""
    A bass line: roots, fifths and octaves in a rhythm that every bar repeats, or a walk.

    Args:
        rng (`random.Random`)
        harmony (`Harmony`)
        low (`int`): Lowest pitch allowed.
        high (`int`): Highest pitch allowed, an octave or more above.
        rhythm (`str`, *optional*): A name of `BASS_RHYTHMS`, or `"walking"`: a note a beat, towards the next root.

    Returns:
        `list[Event]`: One at a time.
    """
    rhythms = BASS_RHYTHMS[harmony.beats_per_bar]
    if rhythm == "walking":
        return _walking_bass(rng, harmony, low, high)
    rhythm = rhythms.get(rhythm) or rhythms[rng.choice(sorted(rhythms))]
    events, root = [], low + 6
    for bar in harmony.bars():
        for beat, length, degree in rhythm:
            chord = harmony.at(bar + beat)
            root = nearest(chord.root, low + 6, low, low + 12)
            fifth = root + 7 if root + 7 <= high else root - 5
            octave = root + 12 if root + 12 <= high else root
            pitch = (root, fifth, octave)[degree]
            events.append(Event(bar + beat, length * 0.92, pitch, 5 if beat == 0 else 0))
    return events


def _walking_bass(rng, harmony, low, high):
    events, pitch = [], low + 8
    for start, chord in harmony.spans():
        upcoming = harmony.at(start + harmony.beats_per_chord)
        pitch = nearest(chord.root, pitch, low, high)
        goal = nearest(upcoming.root, pitch, low, high)
        line = [pitch]
        while len(line) < harmony.beats_per_chord - 1:
            tones = [tone for tone in range(low, high + 1) if tone % 12 in chord.pitch_classes and tone != line[-1]]
            line.append(min(tones, key=lambda tone: abs(tone - line[-1]) + rng.uniform(0, 5)))
        # The last beat stands a semitone or a tone from the root that follows.
        if len(line) < harmony.beats_per_chord:
            steps = [step for step in (-1, 1, 2, -2) if low <= goal + step <= high]
            line.append(goal + rng.choice(steps[:2]))
        events += [Event(start + beat, 0.9, tone, 4 if beat == 0 else 0) for beat, tone in enumerate(line)]
        pitch = line[-1]
    return events


def scale_run(harmony, low, high, unit):
    r"""The key's scale from its tonic on, up and down in even notes until the piece ends; a list of events."""
    tonic = nearest(harmony.key.tonic, low, low, high)
    if tonic + 12 > high:
        tonic -= 12  # a scale is an octave, if it has to begin below the register
    top = tonic + 24 if tonic + 24 <= high else tonic + 12
    up = harmony.key.scale(tonic, top)
    circle = up + up[-2:0:-1]
    count = round(harmony.num_beats / unit)
    return [Event(index * unit, unit * 0.95, circle[index % len(circle)]) for index in range(count)]


def final_chord(chord, beat, length, low, high):
    r"""A held chord that ends a piece, as a list of events."""
    return [Event(beat, length, pitch, 6) for pitch in voicing(Chord(chord.pitch_classes[:3]), [], low, high)]

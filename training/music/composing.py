# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""From a seed and a number to a piece: what is drawn, and how it is performed."""

import math
import random
from dataclasses import dataclass

from . import textures
from .drums import DRUMS, GROOVES, drum_events
from .ensembles import ENSEMBLES, Role
from .harmony import (
    BLUES,
    JAZZ_PROGRESSIONS,
    PROGRESSIONS,
    SLOW_PROGRESSIONS,
    Key,
    blues_chord_of,
    chord_of,
    nearest,
)
from .instruments import INSTRUMENTS
from .midi import TICKS_PER_BEAT, Note, Part, midi_file
from .moods import MOODS
from .repertoire import deck


# Notes are this far from where they belong: by a standard deviation, and at most.
TIMING_S, MAX_TIMING_S = 0.004, 0.010
VELOCITY_SPREAD = 4
# Sound goes on for so long after the end of a clip, where it is cut.
MARGIN_S = 1.0
# A piece that ends within its clip has so long for its last chord.
MIN_LAST_CHORD_S, END_SHARE = 1.6, 0.2
SLOW_BPM, FAST_BPM = 84, 132
BEGINNING_S = 0.02
# Textures of one note at a time.
LINES = ("melody", "bass line", "pulse", "scale")


@dataclass(frozen=True)
class Piece:
    r"""
    A piece of music, and what is true of it.

    Args:
        sound_class (`str`): What an ear would name.
        style (`str`): `"solo"`, or what kind of groove or ensemble.
        texture (`str`): What an instrument alone plays; else `""`.
        instruments (`tuple[str, ...]`): Names, by role; `"drums"` comes last.
        called (`tuple[str, ...]`): What captions call them.
        mood (`str`): A name of `MOODS`.
        key (`Key`, *optional*): None for drums alone.
        tempo_bpm (`int`): Quarter notes a minute.
        duration_s (`float`): Length of the clip. The music goes on beyond it, or ends before.
        ends (`bool`): Whether it ends before.
        room_size (`float`): Of the reverb, from 0 to 1.
        parts (`tuple[Part, ...]`)
    """

    sound_class: str
    style: str
    texture: str
    instruments: tuple
    called: tuple
    mood: str
    key: object
    tempo_bpm: int
    duration_s: float
    ends: bool
    room_size: float
    parts: tuple

    def midi(self):
        r"""The piece as a MIDI file that ends a second after the clip."""
        seconds = BEGINNING_S + self.duration_s + MARGIN_S
        return midi_file(list(self.parts), self.tempo_bpm, math.ceil(seconds * self.tempo_bpm / 60 * TICKS_PER_BEAT))


def compose(seed, index, min_duration_s=5.0, max_duration_s=10.0):
    r"""
    Draw a piece.

    Kinds come from a deck that is shuffled anew for every round, so that few pieces have many kinds.

    Args:
        seed (`int`): Of the whole set.
        index (`int`): Number of the piece in it. The piece depends on nothing else.
        min_duration_s (`float`, defaults to 5.0): Shortest clip.
        max_duration_s (`float`, defaults to 10.0): Longest clip.

    Returns:
        `Piece`
    """
    cards = deck()
    random.Random(f"{seed} deck {index // len(cards)}").shuffle(cards)
    kind, name = cards[index % len(cards)]
    rng = random.Random(f"{seed} piece {index}")
    duration_s = round(rng.uniform(min_duration_s, max_duration_s), 1)
    draw = {"solo": _draw_solo, "groove": _draw_groove, "ensemble": _draw_ensemble}[kind]
    return draw(rng, name, duration_s)


def draw_tempo(rng, *ranges):
    r"""A tempo that lies in all ranges: most are multiples of ten, as most that are asked for."""
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    tens = range(-(-low // 10) * 10, high + 1, 10)
    return rng.choice(tens) if tens and rng.random() < 0.55 else rng.randint(low, high)


def _draw_mood(rng, names, tempo, modes=("major", "minor")):
    """A mood whose tempo overlaps by ten beats a minute or more; the plain one as often as all others."""
    fitting = [
        name
        for name in names
        if min(tempo[1], MOODS[name].tempo[1]) - max(tempo[0], MOODS[name].tempo[0]) >= 10
        and set(MOODS[name].modes) & set(modes)
    ]
    return rng.choice(fitting)


def _draw_harmony(rng, style, key, tempo_bpm, beats_per_bar, num_bars):
    if style == "blues":
        chords = [blues_chord_of(Key(key.tonic, "major"), step) for step in BLUES]
        return textures.Harmony(key, tuple(chords), beats_per_bar, beats_per_bar, num_bars)
    tables = {"plain": PROGRESSIONS, "jazz": JAZZ_PROGRESSIONS, "slow": SLOW_PROGRESSIONS}
    steps = rng.choice(tables[style][key.mode])
    beats = beats_per_bar
    if beats_per_bar == 4 and style != "slow" and tempo_bpm < 90 and rng.random() < 0.5:
        beats = 2  # slow bars have time for two chords
    return textures.Harmony(key, tuple(chord_of(key, step) for step in steps), beats, beats_per_bar, num_bars)


class _Draft:
    """A piece while its parts are written: their common time, and how notes are played."""

    def __init__(self, rng, tempo_bpm, duration_s, beats_per_bar, swing=0.5, loudness=0):
        self.rng, self.tempo_bpm, self.duration_s = rng, tempo_bpm, duration_s
        self.swing, self.loudness = swing, loudness
        bar_s = beats_per_bar * 60 / tempo_bpm
        self.num_bars = math.ceil((duration_s + MARGIN_S) / bar_s)
        ending = int((duration_s - MIN_LAST_CHORD_S) / bar_s)
        self.ends = ending >= 2 and rng.random() < END_SHARE
        if self.ends:
            self.num_bars = ending
        self.parts = []

    def ticks(self, beat):
        """Where a beat lies in ticks: later eighths are moved by the swing, beats are not."""
        whole, part = divmod(beat, 1)
        warped = part * 2 * self.swing if part <= 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return round((whole + warped) * TICKS_PER_BEAT)

    def perform(self, events, timing_s=TIMING_S, velocity=84):
        """Notes of events, with the small differences in time and force that players make."""
        ticks_per_s = self.tempo_bpm / 60 * TICKS_PER_BEAT
        notes = []
        for event in events:
            shift_s = max(-MAX_TIMING_S, min(MAX_TIMING_S, self.rng.gauss(0, timing_s))) + event.delay_s
            start = self.ticks(event.beat) + round(shift_s * ticks_per_s)
            end = self.ticks(event.beat + event.length)
            # Everything is a little late, so that nothing begins before the file does.
            start, end = (tick + round(BEGINNING_S * ticks_per_s) for tick in (start, end))
            force = velocity + self.loudness + event.accent + self.rng.gauss(0, VELOCITY_SPREAD)
            notes.append(Note(start, max(30, end - start), event.pitch, max(1, min(127, round(force)))))
        return tuple(sorted(notes))

    def add(self, instrument, events, volume=100, timing_s=TIMING_S):
        notes = self.perform(events, timing_s)
        self.parts.append(Part(notes, instrument.program, instrument.bank, False, volume, instrument.reverb))

    def add_drums(self, groove, volume=100):
        events = drum_events(self.rng, groove, self.num_bars)
        if self.ends:
            last = self.num_bars * groove.beats_per_bar
            drums = ("low conga", "slap conga") if groove.sound_class == "percussion" else ("kick", "crash")
            events += [textures.Event(last, 1, DRUMS[drum], 8) for drum in drums]
        notes = self.perform(events, TIMING_S / 2, velocity=90)
        self.parts.append(Part(notes, self.rng.choice(groove.kits), drums=True, volume=volume, reverb=30))


def _texture_events(draft, harmony, role, instrument, mood):
    """Events of a texture by its name."""
    rng, slow = draft.rng, draft.tempo_bpm < SLOW_BPM
    shift = 12 * role.octave
    low, high = (pitch + shift for pitch in instrument.melody)
    chord_low, chord_high = (pitch + shift for pitch in instrument.chords)
    # At a fast tempo a busy rhythm is more than fingers can do.
    density = rng.choice(mood.densities)
    if draft.tempo_bpm > 140 and density == "busy":
        density = "medium"
    staccato = mood is MOODS["playful"] and not instrument.rings and rng.random() < 0.6
    match role.texture:
        case "melody":
            top = min(high, low + 24)
            return textures.melody(rng, harmony, low, top, density, staccato)
        case "arpeggios":
            unit = rng.choice((0.25, 0.5)) if slow else 0.5
            if draft.tempo_bpm <= 110 and instrument.sound_class == "synthesizer":
                unit = 0.25
            bass = instrument.rings and chord_low >= 48 and role.rhythm is None and rng.random() < 0.5
            return textures.arpeggios(rng, harmony, chord_low, chord_high, unit, instrument.rings, bass)
        case "chords":
            legato = 0.97 if instrument.rings else 0.92
            return textures.chords(rng, harmony, chord_low, chord_high, role.rhythm, legato)
        case "sustained chords":
            return textures.sustained(harmony, chord_low, chord_high)
        case "melody with chords":
            tune = textures.melody(rng, harmony, max(low, chord_low + 12), high, density, staccato)
            top = min(chord_high, chord_low + 19)
            if instrument.rings and rng.random() < 0.5:
                return tune + textures.arpeggios(rng, harmony, chord_low, top, 0.5, True)
            rhythm = rng.choice(("whole", "halves", "quarters")) if instrument.rings else "whole"
            return tune + textures.chords(rng, harmony, chord_low, top, rhythm)
        case "strumming":
            pattern = "D...D..." if slow and harmony.beats_per_bar == 4 and rng.random() < 0.5 else None
            return textures.strumming(rng, harmony, pattern, *strings_of(instrument))
        case "riff":
            return textures.riff(rng, harmony, chord_low, chord_high)
        case "bass line":
            return textures.bass_line(rng, harmony, low, min(high, low + 19), role.rhythm)
        case "scale":
            return textures.scale_run(harmony, low, high, 1 if draft.tempo_bpm > 110 else 0.5)
        case "ostinato":
            return textures.arpeggios(
                rng, harmony, chord_low, chord_high, 0.25 if draft.tempo_bpm < 110 else 0.5, False
            )
        case "pulse":
            roots = [(bar, harmony.at(bar).root) for bar in harmony.bars()]
            return [textures.Event(bar, 2, nearest(root, low + 6, low, low + 12), 6) for bar, root in roots]
    raise ValueError(f"Unknown texture {role.texture!r}.")


def _add_role(draft, harmony, role, instrument, mood):
    events = _texture_events(draft, harmony, role, instrument, mood)
    events = [event for event in events if event.beat < harmony.num_beats]
    if draft.ends:
        events += _last_events(draft, harmony, role, instrument, events)
    draft.add(instrument, events, role.volume)


def _last_events(draft, harmony, role, instrument, events):
    """How a part ends: lines on the tonic, all others on its chord."""
    tonic, beat = chord_of(harmony.key, 1), harmony.num_beats
    beats_per_s = draft.tempo_bpm / 60
    # What is struck or plucked rings as long as it can.
    length = (draft.duration_s + MARGIN_S) * beats_per_s - beat if instrument.rings else MIN_LAST_CHORD_S * beats_per_s
    shift = 12 * role.octave
    if role.texture in LINES:
        low, high = (pitch + shift for pitch in instrument.melody)
        pitch = nearest(tonic.root, events[-1].pitch, low, high)
        return [textures.Event(beat, length, pitch, 4)]
    if role.texture == "strumming":
        strings = textures.strummed_chord(tonic, *strings_of(instrument))
        return [textures.Event(beat, length, pitch, 6, 0.02 * index) for index, pitch in enumerate(strings)]
    low, high = (pitch + shift for pitch in instrument.chords)
    if role.texture == "riff":
        root = nearest(tonic.root, (low + high) // 2, low, high)
        return [textures.Event(beat, length, root + interval, 6) for interval in textures.POWER_CHORD]
    return textures.final_chord(tonic, beat, length, low, high)


def strings_of(instrument):
    r"""The pitch of the lowest string of what is strummed, and the number of strings."""
    return (52, 4) if instrument.sound_class == "ukulele" else (40, 6)


def _draw_solo(rng, name, duration_s):
    instrument = INSTRUMENTS[name]
    texture = rng.choices(list(instrument.textures), list(instrument.textures.values()))[0]
    sustained = texture == "sustained chords" or instrument.sound_class == "ambient music"
    tempo = (50, 96) if sustained else (52, 160) if instrument.rings else (54, 144)
    mood = _draw_mood(rng, ("plain", *MOODS), tempo)
    key = Key(rng.randrange(12), rng.choice(MOODS[mood].modes))
    tempo_bpm = draw_tempo(rng, tempo, MOODS[mood].tempo)
    beats_per_bar = 3 if texture in ("melody", "melody with chords") and rng.random() < 0.12 else 4
    draft = _Draft(rng, tempo_bpm, duration_s, beats_per_bar, loudness=MOODS[mood].loudness)
    style = "slow" if instrument.sound_class == "ambient music" else "plain"
    harmony = _draw_harmony(rng, style, key, tempo_bpm, beats_per_bar, draft.num_bars)
    _add_role(draft, harmony, Role(texture, (name,), 110), instrument, MOODS[mood])
    called = rng.choices(instrument.names, [3, *(1 for _ in instrument.names[1:])])[0]
    return Piece(
        instrument.sound_class, "solo", texture, (name,), (called,), mood, key, tempo_bpm, duration_s, draft.ends,
        rng.choice((0.2, 0.4, 0.6)), tuple(draft.parts),
    )  # fmt: skip


def _draw_groove(rng, name, duration_s):
    groove = GROOVES[name]
    mood = _draw_mood(rng, ("plain", "plain", "energetic"), groove.tempo)
    tempo_bpm = draw_tempo(rng, groove.tempo, MOODS[mood].tempo if mood != "plain" else groove.tempo)
    draft = _Draft(rng, tempo_bpm, duration_s, groove.beats_per_bar, rng.uniform(*groove.swing))
    draft.add_drums(groove)
    return Piece(
        groove.sound_class, name, "groove", ("drums",), ("drums",), mood, None, tempo_bpm, duration_s, draft.ends,
        rng.choice((0.1, 0.2, 0.4)), tuple(draft.parts),
    )  # fmt: skip


def _draw_ensemble(rng, name, duration_s):
    ensemble = ENSEMBLES[name]
    grooves = [GROOVES[groove] for groove in ensemble.grooves]
    groove = rng.choice(grooves) if grooves else None
    tempo = ensemble.tempo
    if groove is not None:
        tempo = (max(tempo[0], groove.tempo[0]), min(tempo[1], groove.tempo[1]))
    mood = _draw_mood(rng, ensemble.moods, tempo)
    mode = "major" if ensemble.harmony == "blues" else rng.choice(MOODS[mood].modes)
    key = Key(rng.randrange(12), mode)
    tempo_bpm = draw_tempo(rng, tempo, MOODS[mood].tempo if mood != "plain" else tempo)
    draft = _Draft(
        rng, tempo_bpm, duration_s, ensemble.beats_per_bar, rng.uniform(*ensemble.swing), MOODS[mood].loudness
    )
    harmony = _draw_harmony(rng, ensemble.harmony, key, tempo_bpm, ensemble.beats_per_bar, draft.num_bars)
    playing = []
    for role in ensemble.roles:
        choice = INSTRUMENTS[rng.choice(role.instruments)]
        if rng.random() < role.share:
            playing.append(choice)
            _add_role(draft, harmony, role, choice, MOODS[mood])
    instruments = tuple(instrument.name for instrument in playing)
    called = tuple(instrument.names[0] for instrument in playing)
    if groove is not None:
        draft.add_drums(groove, ensemble.drum_volume)
        instruments, called = (*instruments, "drums"), (*called, "drums")
    # A duo is named by the one that has the melody.
    sound_class = playing[0].sound_class if ensemble.sound_class == "duo" else ensemble.sound_class
    return Piece(
        sound_class, name, "", instruments, called, mood, key, tempo_bpm, duration_s, draft.ends,
        rng.choice((0.2, 0.4, 0.6)), tuple(draft.parts),
    )  # fmt: skip

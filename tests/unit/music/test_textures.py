# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import random

import pytest

from music import textures
from music.harmony import Key, chord_of
from music.textures import Harmony


def harmony_of(*steps, key=Key(0, "major"), beats_per_chord=4, beats_per_bar=4, num_bars=4):  # noqa: B008 (frozen)
    chords = tuple(chord_of(key, step) for step in steps)
    return Harmony(key, chords, beats_per_chord, beats_per_bar, num_bars)


POP = harmony_of(1, 5, 6, 4)


def test_rhythms_fill_their_bars():
    for beats, tables in textures.RHYTHMS.items():
        assert all(sum(rhythm) == beats for rhythms in tables.values() for rhythm in rhythms)
    for table in (textures.CHORD_RHYTHMS, textures.BASS_RHYTHMS):
        for beats, rhythms in table.items():
            assert all(beat + length <= beats for rhythm in rhythms.values() for beat, length, *_ in rhythm)
    assert all(len(strum) == 2 * beats for beats, strums in textures.STRUMS.items() for strum in strums)


def test_chords_change_when_they_should():
    assert [POP.at(beat).root for beat in (0, 3.5, 4, 8, 12, 16)] == [0, 0, 7, 9, 5, 0]
    assert [beat for beat, _ in POP.spans()] == [0, 4, 8, 12]


def test_the_leading_tone_replaces_its_neighbour():
    # Over E major in A minor a melody has G sharp and no G; over A minor G and no G sharp.
    harmony = harmony_of(1, 5, key=Key(9, "minor"))
    assert {pitch % 12 for pitch in harmony.scale(4, 60, 71)} == {9, 11, 0, 2, 4, 5, 8}
    assert {pitch % 12 for pitch in harmony.scale(0, 60, 71)} == {9, 11, 0, 2, 4, 5, 7}


@pytest.mark.parametrize("density", ["sparse", "medium", "busy"])
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_melodies(density, beats_per_bar):
    harmony = harmony_of(1, 4, 5, 1, beats_per_chord=beats_per_bar, beats_per_bar=beats_per_bar, num_bars=8)
    all_leaps = []
    for seed in range(20):
        events = textures.melody(random.Random(seed), harmony, 60, 79, density)
        assert all(60 <= event.pitch <= 79 and event.pitch % 12 in harmony.key.pitch_classes for event in events)
        # One note at a time, from the first beat to the last.
        ends = [event.beat + event.length for event in events]
        assert all(end <= following.beat for end, following in zip(ends, events[1:]))
        assert events[0].beat == 0 and ends[-1] >= harmony.num_beats - 0.2 - 1e-9
        firsts = [event for event in events if event.beat % beats_per_bar == 0]
        assert len(firsts) == 8
        assert all(event.pitch % 12 in harmony.at(event.beat).pitch_classes for event in firsts)
        # Most steps are a fourth at most: a tune, not a draw of notes.
        leaps = [abs(a.pitch - b.pitch) for a, b in zip(events, events[1:])]
        assert max(leaps) <= 12
        all_leaps += leaps
    assert sum(leap <= 5 for leap in all_leaps) >= 0.8 * len(all_leaps)


def test_arpeggios_are_the_notes_of_the_chord_in_even_time():
    events = textures.arpeggios(random.Random(0), POP, 52, 76, 0.5, rings=False)
    assert [event.beat for event in events] == [index / 2 for index in range(32)]
    assert all(event.pitch % 12 in POP.at(event.beat).pitch_classes for event in events)
    # What rings does so until the chord changes.
    ringing = textures.arpeggios(random.Random(0), POP, 52, 76, 0.5, rings=True)
    assert {event.beat + event.length for event in ringing} == {4, 8, 12, 16}


def test_strings_are_struck_one_after_the_other():
    harmony = harmony_of(1, num_bars=1)
    events = textures.strumming(random.Random(0), harmony, "D.....U.")
    down, up = ([event for event in events if event.beat == beat] for beat in (0, 3))
    # C from the third fret of the A string on, as a barre chord: C G C E G C.
    assert [event.pitch for event in down] == [48, 55, 60, 64, 67, 72]
    assert [event.delay_s for event in down] == [textures.STRUM_S * index for index in range(6)]
    assert [event.pitch for event in up] == [72, 67, 64, 60]


def test_a_walking_bass_leads_to_the_next_root():
    for seed in range(20):
        events = textures.bass_line(random.Random(seed), POP, 28, 48, "walking")
        assert [event.beat for event in events] == list(range(16))
        for event in events[::4]:
            assert event.pitch % 12 == POP.at(event.beat).root
        for event, following in zip(events[3::4], events[4::4]):
            assert 1 <= abs(event.pitch - following.pitch) <= 2


def test_a_scale_goes_up_and_down():
    pitches = [event.pitch for event in textures.scale_run(harmony_of(1), 60, 77, 1)]
    assert pitches == [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60, 62]


def test_power_chords_have_no_third():
    events = textures.riff(random.Random(0), POP, 40, 52)
    for beat in {event.beat for event in events}:
        low, middle, high = sorted(event.pitch for event in events if event.beat == beat)
        assert (middle - low, high - low) == (7, 12) and low % 12 == POP.at(beat).root

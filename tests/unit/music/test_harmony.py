# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from music.harmony import (
    JAZZ_PROGRESSIONS,
    PROGRESSIONS,
    SLOW_PROGRESSIONS,
    Key,
    blues_chord_of,
    chord_of,
    nearest,
    voicing,
)


C_MAJOR, A_MINOR = Key(0, "major"), Key(9, "minor")


def test_keys():
    assert str(A_MINOR) == "A minor" and str(Key(3, "major")) == "E flat major"
    # Relative keys have the same notes.
    assert set(A_MINOR.pitch_classes) == set(C_MAJOR.pitch_classes)
    assert C_MAJOR.scale(60, 72) == [60, 62, 64, 65, 67, 69, 71, 72]


@pytest.mark.parametrize(
    ("key", "step", "notes"),
    [
        (C_MAJOR, 1, (0, 4, 7)),  # C E G
        (C_MAJOR, 2, (2, 5, 9)),  # D F A
        (C_MAJOR, 15, (7, 11, 2, 5)),  # G B D F
        (C_MAJOR, 11, (0, 4, 7, 11)),  # C E G B
        (A_MINOR, 4, (2, 5, 9)),  # D F A
        (A_MINOR, 5, (4, 8, 11)),  # E G sharp B: the leading tone is raised
        (Key(7, "major"), 5, (2, 6, 9)),  # D F sharp A
    ],
)
def test_chords(key, step, notes):
    assert chord_of(key, step).pitch_classes == notes


def test_blues_chords_are_dominant_sevenths():
    assert blues_chord_of(Key(9, "major"), 4).pitch_classes == (2, 6, 9, 0)  # D F sharp A C


def test_every_progression_has_a_tonic():
    for table in (PROGRESSIONS, JAZZ_PROGRESSIONS, SLOW_PROGRESSIONS):
        assert table.keys() == {"major", "minor"}
        for progressions in table.values():
            assert all({1, 11} & set(steps) or steps[0] == 13 for steps in progressions)


def test_nearest_takes_the_closest_octave():
    assert nearest(0, 65, 48, 84) == 60
    assert nearest(0, 67, 48, 84) == 72
    assert nearest(0, 40, 48, 84) == 48
    assert nearest(6, 60, 48, 84) == 54  # 54 and 66 are as far: the lower


def test_voices_move_as_little_as_they_can():
    # C E G to F: the C stays, E moves to F and G to A, three semitones in all.
    assert voicing(chord_of(C_MAJOR, 4), [60, 64, 67], 55, 76) == [60, 65, 69]
    # C E G to G: B D G.
    assert voicing(chord_of(C_MAJOR, 5), [60, 64, 67], 55, 76) == [59, 62, 67]


def test_voicings_hold_every_note_of_the_chord_in_their_register():
    for tonic in range(12):
        layout = []
        for step in (11, 14, 12, 15):
            chord = chord_of(Key(tonic, "major"), step)
            layout = voicing(chord, layout, 48, 72)
            assert {pitch % 12 for pitch in layout} == set(chord.pitch_classes)
            assert layout == sorted(layout) and layout[0] >= 48 and layout[-1] <= 72

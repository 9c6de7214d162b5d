# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import random

import pytest

from music.drums import DRUMS, GROOVES, STEPS, drum_events


@pytest.mark.parametrize("groove", GROOVES.values(), ids=GROOVES.keys())
def test_grooves_are_written_well(groove):
    for bar in groove.bars:
        assert bar.keys() <= DRUMS.keys()
        for line in bar.values():
            assert set(line) <= {".", *STEPS}
            assert len(line) in (12, 16)
            assert len(line) % groove.beats_per_bar == 0
    assert groove.tempo[0] < groove.tempo[1]
    assert all(text.count("{}") == 1 for text in groove.names)


def test_four_on_the_floor():
    events = drum_events(random.Random(0), GROOVES["house"], num_bars=3)
    assert [event.beat for event in events if event.pitch == DRUMS["kick"]].count(0) == 1
    assert sorted(event.beat for event in events if event.pitch == DRUMS["kick"]) == list(range(12))
    assert sorted(event.beat for event in events if event.pitch == DRUMS["clap"]) == [1, 3, 5, 7, 9, 11]


def test_a_ride_cymbal_swings_in_triplets():
    events = drum_events(random.Random(0), GROOVES["swing"], num_bars=1)
    beats = [event.beat for event in events if event.pitch == DRUMS["ride"]]
    assert beats == pytest.approx([0, 1, 5 / 3, 2, 3, 11 / 3])


def test_a_fill_takes_the_last_beat_of_a_fourth_bar_and_a_crash_follows():
    events = drum_events(random.Random(0), GROOVES["rock"], num_bars=5, fill=True)
    last = [(event.beat, event.pitch) for event in events if 15 <= event.beat < 16]
    assert last == [(15, 38), (15.25, 50), (15.5, 47), (15.75, 43)]
    assert (16, DRUMS["crash"]) in {(event.beat, event.pitch) for event in events}

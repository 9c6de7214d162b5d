# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import struct

import pytest

from music.midi import Note, Part, midi_file, variable_length


@pytest.mark.parametrize(
    ("value", "encoded"),
    # The table of the Standard MIDI File specification.
    [(0, "00"), (0x7F, "7f"), (0x80, "8100"), (0x2000, "c000"), (0x3FFF, "ff7f"), (0x0FFFFFFF, "ffffff7f")],
)
def test_variable_length_numbers(value, encoded):
    assert variable_length(value).hex() == encoded


def tracks_of(data):
    """Header fields and the bytes of each track."""
    assert data[:4] == b"MThd"
    length, kind, count, division = struct.unpack(">IHHH", data[4:14])
    position, tracks = 8 + length, []
    while position < len(data):
        assert data[position : position + 4] == b"MTrk"
        (size,) = struct.unpack(">I", data[position + 4 : position + 8])
        tracks.append(data[position + 8 : position + 8 + size])
        position += 8 + size
    assert len(tracks) == count
    return kind, division, tracks


def test_a_file_byte_by_byte():
    part = Part((Note(480, 240, 60, 90), Note(720, 240, 60, 80)), program=24, bank=8, volume=100, reverb=40)
    kind, division, (tempo, notes) = tracks_of(midi_file([part], tempo_bpm=120, end_tick=960))
    assert (kind, division) == (1, 480)
    # 120 beats a minute are 500000 = 0x07a120 microseconds a beat; 960 ticks are 0x87 0x40.
    assert tempo.hex(" ") == "00 ff 51 03 07 a1 20 87 40 ff 01 00 00 ff 2f 00"
    assert notes.hex(" ") == (
        "00 b0 00 08 00 b0 07 64 00 b0 5b 28 00 c0 18 "  # bank, volume, reverb, program
        "83 60 90 3c 5a "  # after 480 ticks the first note
        "81 70 80 3c 40 00 90 3c 50 "  # after 240 it ends, and only then the second begins
        "81 70 80 3c 40 00 ff 2f 00"
    )


def test_drums_have_the_tenth_channel_and_others_pass_it_by():
    note = (Note(0, 10, 36, 100),)
    parts = [*(Part(note, program) for program in range(10)), Part(note, 25, drums=True)]
    _, _, tracks = tracks_of(midi_file(parts, 100, 480))
    channels = [track[1] & 0x0F for track in tracks[1:]]
    assert channels == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 9]


def test_more_parts_than_channels_are_refused():
    part = Part((Note(0, 10, 60, 100),), 0)
    with pytest.raises(ValueError, match="at most 15 parts and one of drums, got 16 and 0"):
        midi_file([part] * 16, 120, 480)
    drums = Part((Note(0, 10, 36, 100),), 0, drums=True)
    with pytest.raises(ValueError, match="got 1 and 2"):
        midi_file([part, drums, drums], 120, 480)

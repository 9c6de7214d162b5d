# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Notes as Standard MIDI Files."""

import struct
from dataclasses import dataclass


TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9
# Numbers of controllers that every General MIDI synthesizer knows.
BANK, VOLUME, REVERB = 0, 7, 91


@dataclass(frozen=True, order=True)
class Note:
    r"""
    A note.

    Args:
        start (`int`): In ticks from the beginning, 480 a beat.
        duration (`int`): In ticks.
        pitch (`int`): 60 is middle C; on the drum channel, which drum.
        velocity (`int`): How hard, from 1 to 127.
    """

    start: int
    duration: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    r"""
    Notes of one instrument.

    Args:
        notes (`tuple[Note, ...]`): In any order.
        program (`int`): General MIDI's number of the instrument, from 0; on the drum channel, of the kit.
        bank (`int`, defaults to 0): Variation of the instrument.
        drums (`bool`, defaults to `False`): Whether the part has the drum channel.
        volume (`int`, defaults to 100): From 0 to 127.
        reverb (`int`, defaults to 40): How much of it is sent to the reverb, from 0 to 127.
    """

    notes: tuple
    program: int
    bank: int = 0
    drums: bool = False
    volume: int = 100
    reverb: int = 40


def variable_length(value):
    r"""A number from 0 on as MIDI files have it: seven bits a byte, the highest bit set in all but the last."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def midi_file(parts, tempo_bpm, end_tick):
    r"""
    Write parts as a Standard MIDI File of format 1.

    Args:
        parts (`list[Part]`): One track each, at most fifteen besides one of drums.
        tempo_bpm (`float`): Quarter notes a minute, kept to a microsecond a beat.
        end_tick (`int`): Where the file ends, in ticks: what plays it goes on until then.

    Returns:
        `bytes`

    Raises:
        ValueError: If there are more parts than channels, or two of drums.
    """
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    pitched = [part for part in parts if not part.drums]
    if len(pitched) > len(channels) or len(parts) - len(pitched) > 1:
        raise ValueError(
            f"Expected at most 15 parts and one of drums, got {len(pitched)} and {len(parts) - len(pitched)}."
        )
    # The last event is a text, as players may skip the pause before the end of a track.
    tempo = _track([(0, b"\xff\x51\x03" + round(60e6 / tempo_bpm).to_bytes(3, "big")), (end_tick, b"\xff\x01\x00")])
    tracks = [tempo, *(_track(_events(part, DRUM_CHANNEL if part.drums else channels.pop(0))) for part in parts)]
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS_PER_BEAT) + b"".join(tracks)


def _events(part, channel):
    """What a part sends: pairs of a tick and a message, in order."""
    control, change = bytes([0xB0 | channel]), bytes([0xC0 | channel])
    setup = [(BANK, part.bank), (VOLUME, part.volume), (REVERB, part.reverb)]
    head = [(0, control + bytes(pair)) for pair in setup] + [(0, change + bytes([part.program]))]
    body = []
    for note in part.notes:
        body.append((note.start, 1, bytes([0x90 | channel, note.pitch, note.velocity])))
        body.append((note.start + note.duration, 0, bytes([0x80 | channel, note.pitch, 64])))
    # At one tick, notes end before others begin: a repeated note would else be cut off at once.
    return head + [(tick, message) for tick, _, message in sorted(body)]


def _track(events):
    chunk, now = b"", 0
    for tick, message in events:
        chunk += variable_length(tick - now) + message
        now = tick
    chunk += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(chunk)) + chunk

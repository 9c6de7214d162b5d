# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from collections import Counter

import pytest

from music.composing import BEGINNING_S, MAX_TIMING_S, compose
from music.drums import GROOVES
from music.ensembles import ENSEMBLES
from music.instruments import INSTRUMENTS
from music.midi import TICKS_PER_BEAT
from music.repertoire import deck


SEED = 3


@pytest.fixture(scope="module")
def pieces():
    return [compose(SEED, index) for index in range(len(deck()))]


def test_a_piece_is_a_function_of_seed_and_number(pieces):
    for index in (0, 100, 200):
        again = compose(SEED, index)
        assert again == pieces[index] and again.midi() == pieces[index].midi()
    assert compose(SEED + 1, 0).midi() != pieces[0].midi()


def test_the_repertoire_names_what_there_is():
    names = {kind: {name for what, name in deck() if what == kind} for kind, _ in deck()}
    in_ensembles = {name for ensemble in ENSEMBLES.values() for role in ensemble.roles for name in role.instruments}
    assert names["solo"] | in_ensembles == INSTRUMENTS.keys()
    assert names["groove"] == GROOVES.keys()
    assert names["ensemble"] == ENSEMBLES.keys()
    for ensemble in ENSEMBLES.values():
        assert all(role.instruments and set(role.instruments) <= INSTRUMENTS.keys() for role in ensemble.roles)
        assert set(ensemble.grooves) <= GROOVES.keys()


def test_a_round_has_every_kind_as_often_as_its_share(pieces):
    styles = Counter(piece.style for piece in pieces if piece.style != "solo")
    solos = Counter(piece.instruments[0] for piece in pieces if piece.style == "solo")
    kinds = Counter(deck())
    # Rock and some others are the names of a groove and of an ensemble.
    expected = Counter(name for kind, name in deck() if kind != "solo")
    assert styles == expected
    assert solos == {name: count for (kind, name), count in kinds.items() if kind == "solo"}


def test_what_is_said_of_a_piece_is_possible(pieces):
    for piece in pieces:
        assert 5 <= piece.duration_s <= 10
        assert 48 <= piece.tempo_bpm <= 180
        assert (piece.key is None) == (piece.instruments == ("drums",))
        assert len(piece.parts) == len(piece.instruments) == len(piece.called)


def test_notes_are_possible(pieces):
    for piece in pieces:
        for part in piece.parts:
            assert part.notes
            for note in part.notes:
                assert note.start >= 0 and note.duration > 0
                assert 20 <= note.pitch <= 110 and 1 <= note.velocity <= 127


def test_music_goes_on_beyond_the_clip_or_ends_with_time_to_ring(pieces):
    assert 0 < sum(piece.ends for piece in pieces) < len(pieces) / 3
    for piece in pieces:
        per_s = piece.tempo_bpm / 60 * TICKS_PER_BEAT
        last = max(note.start for part in piece.parts for note in part.notes) / per_s
        if piece.ends:
            assert last < piece.duration_s - 1.4
        else:
            assert (
                max(note.start + note.duration for part in piece.parts for note in part.notes) / per_s
                > piece.duration_s
            )


def test_drums_are_on_the_grid_of_their_tempo(pieces):
    # A straight groove is written in sixteenths; players miss them by ten milliseconds at most, and never drift.
    straight = [
        piece for piece in pieces if piece.style in ("rock", "pop", "house", "techno", "march", "waltz", "disco")
    ]
    straight = [piece for piece in straight if piece.key is None]
    assert len(straight) > 10
    for piece in straight:
        per_s = piece.tempo_bpm / 60 * TICKS_PER_BEAT
        for note in piece.parts[-1].notes:
            ticks = note.start - round(BEGINNING_S * per_s)
            step = round(ticks / (TICKS_PER_BEAT / 4)) * TICKS_PER_BEAT / 4
            assert abs(ticks - step) <= MAX_TIMING_S * per_s + 1


def test_swing_moves_offbeats_and_leaves_beats(pieces):
    (piece, *_) = [piece for piece in pieces if piece.style == "jazz quartet"]
    per_s = piece.tempo_bpm / 60 * TICKS_PER_BEAT
    walk = next(part for part, name in zip(piece.parts, piece.instruments) if name == "upright bass")
    for note in walk.notes:
        ticks = note.start - round(BEGINNING_S * per_s)
        assert abs(ticks - round(ticks / TICKS_PER_BEAT) * TICKS_PER_BEAT) <= MAX_TIMING_S * per_s + 1


def test_durations_are_as_asked():
    lengths = [compose(0, index, 2.0, 3.0).duration_s for index in range(30)]
    assert min(lengths) >= 2 and max(lengths) <= 3 and len(set(lengths)) > 5

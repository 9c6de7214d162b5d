# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import re

import pytest

from music.captions import caption, with_articles
from music.composing import FAST_BPM, SLOW_BPM, compose
from music.harmony import TONICS
from music.moods import MOODS


SEED, COUNT = 4, 700


@pytest.fixture(scope="module")
def said():
    pieces = [compose(SEED, index) for index in range(COUNT)]
    return [(piece, caption(piece, SEED, index)) for index, piece in enumerate(pieces)]


def test_captions_are_functions_of_seed_and_number(said):
    piece, text = said[17]
    assert caption(piece, SEED, 17) == text


def test_captions_are_clean(said):
    for _, text in said:
        assert re.fullmatch(r"[A-Za-z0-9 ,-]+", text), text
        assert "  " not in text and " ," not in text and text == text.strip(), text
        assert not re.search(r"\ban? an?\b|\ba [aeio]|\ban [bcdfghjklmnpqrstvwxyz]", text), text


def test_captions_say_nothing_wrong(said):
    for piece, text in said:
        numbers = [int(number) for number in re.findall(r"(\d+) (?:bpm|beats per minute)", text)]
        assert numbers in ([], [piece.tempo_bpm])
        if re.search(r"\b(slow|unhurried|slowly)\b", text):
            assert piece.tempo_bpm <= SLOW_BPM
        if re.search(r"\b(fast|quick|rapid)\b", text):
            assert piece.tempo_bpm >= FAST_BPM
        key = re.search(rf"({'|'.join(TONICS)}) (?:major|minor)\b", text)
        assert key is None or text.endswith(str(piece.key)) or f"{piece.key} " in text or f"{piece.key}," in text
        for name, mood in MOODS.items():
            if piece.style == "solo" and any(re.search(rf"\b{word}\b", text) for word in mood.adverbs):
                assert name == piece.mood


def test_captions_say_some_of_it_each_time(said):
    share = {
        "bpm": sum("bpm" in text or "beats per minute" in text for _, text in said) / COUNT,
        "key": sum(bool(re.search("(major|minor)", text)) for _, text in said) / COUNT,
        "different": len({text for _, text in said}) / COUNT,
    }
    assert 0.15 < share["bpm"] < 0.45 and 0.05 < share["key"] < 0.25 and share["different"] > 0.85


def test_articles():
    assert with_articles("a upbeat ukulele") == "an upbeat ukulele"
    assert with_articles("a ukulele and a 8-bit synth") == "a ukulele and an 8-bit synth"
    assert with_articles("a eerie tune in A minor") == "an eerie tune in A minor"

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from wordnet_files import write_wordnet

from audiolcm_diffusers.data.wordnet import Sense, everyday_words, forms_of, read_wordnet


@pytest.fixture
def words(tmp_path):
    return read_wordnet(write_wordnet(tmp_path / "wordnet"))


def test_words_are_read_with_forms_and_meanings(words):
    # Names are not words, and adjectives lose where they stand.
    assert [word.text for word in words] == [
        *("alarm clock", "kitten", "kitty", "length", "mouse", "tree fern"),
        *("blow up", "hum", "aspectual", "loud"),
    ]
    by_text = {word.text: word for word in words}
    cat = Sense(("kitten", "kitty"), "young domestic cat", 5)
    assert by_text["kitten"].senses == by_text["kitty"].senses == (cat,)
    assert [sense.domain for sense in by_text["mouse"].senses] == [5, 6]
    assert by_text["mouse"].senses[0].gloss == "(zoology) any of numerous small rodents; has a bare tail"
    assert by_text["mouse"].forms == ("mouse", "mice")
    assert by_text["alarm clock"].forms == ("alarm clock", "alarm clocks")
    assert by_text["hum"].forms == ("hum", "humming", "hums", "hummed")
    assert by_text["loud"].senses[0].words == ("loud",)


def test_names_of_two_words_and_unused_adjectives_are_no_everyday_words(words):
    # A tree fern is a plant, a length an attribute; "loud" stands in the gloss of the alarm clock.
    everyday = [word.text for word in everyday_words(words)]
    assert everyday == ["alarm clock", "kitten", "kitty", "mouse", "blow up", "hum", "loud"]


@pytest.mark.parametrize(
    ("text", "part", "irregular", "forms"),
    [
        ("church", "noun", (), ("church", "churches")),
        ("pony", "noun", (), ("pony", "ponies")),
        ("toy", "noun", (), ("toy", "toys")),
        ("beans", "noun", (), ("beans",)),
        ("glass", "noun", (), ("glass", "glasses")),
        ("pour", "verb", (), ("pour", "pouring", "pours", "poured")),
        ("chime", "verb", (), ("chime", "chiming", "chimes", "chimed")),
        ("lie", "verb", ("lay", "lying"), ("lie", "lying", "lies", "lay")),
        ("dye", "verb", (), ("dye", "dyeing", "dyes", "dyed")),
        ("see", "verb", ("saw", "seen"), ("see", "seeing", "sees", "saw", "seen")),
        ("blow up", "verb", (), ("blow up", "blowing up", "blows up", "blowed up")),
        ("shrill", "adj", (), ("shrill",)),
    ],
)
def test_words_are_inflected(text, part, irregular, forms):
    assert forms_of(text, part, irregular) == forms


def test_a_folder_without_wordnet_is_refused(tmp_path):
    with pytest.raises(ValueError, match="files of WordNet in .*, got none named 'data.noun'"):
        read_wordnet(tmp_path)

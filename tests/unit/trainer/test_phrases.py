# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.data.captions import TEMPLATES, Wordings
from audiolcm_diffusers.data.wordnet import Sense, Word
from audiolcm_diffusers.pipelines.prompt_events import parse_events
from audiolcm_diffusers.trainer import (
    Phrase,
    PhraseDrawer,
    caption_phrases,
    deed_phrases,
    gloss_phrases,
    verbs_of,
    word_phrases,
)


RODENT = Sense(("mouse",), "(zoology) any of numerous small rodents; has a bare tail", 5)
DEVICE = Sense(("mouse", "pointer", "puck", "rat"), " ".join("abcdefghijklmnop"), 6)
MOUSE = Word("mouse", "noun", ("mouse", "mice"), (RODENT, DEVICE))
HUM = Word("hum", "verb", ("hum", "humming", "hums"), (Sense(("hum",), "make a low sound", 39),))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_captions_mean_what_they_say():
    (first, second) = caption_phrases(["rain", "a dog", "rain"], "the sound of {}")
    assert first == Phrase(("rain",), (("the sound of rain", 1.0),)) and second.texts == ("a dog",)


def test_words_mean_what_their_glosses_say():
    mouse, hum = word_phrases([MOUSE, HUM], "sound: {}")
    assert mouse.texts == ("mouse", "mice") and hum.texts == ("hum", "humming", "hums")
    # Two thirds of the first meaning and one of the second, twice as much in all as the word by itself. Remarks, what
    # follows a semicolon, a fourth synonym and words after the fourteenth are left out.
    assert [text for text, _ in mouse.meaning] == [
        "sound: mouse",
        "sound: mouse, any of numerous small rodents",
        "sound: mouse or pointer or puck, a b c d e f g h i j k l m n",
    ]
    assert [weight for _, weight in mouse.meaning] == pytest.approx([1, 4 / 3, 2 / 3])
    # A verb is heard as what is going on.
    assert hum.meaning == (("sound: humming", 1.0), ("sound: hum, make a low sound", 2.0))


def test_glosses_are_phrases_once():
    phrases = gloss_phrases([MOUSE, MOUSE, HUM])
    assert [phrase.texts[0] for phrase in phrases][::2] == ["any of numerous small rodents", "make a low sound"]
    assert len(phrases) == 3 and phrases[2].meaning == (("hum, make a low sound", 1.0),)


def test_things_do_what_captions_know_and_wordnet_calls_a_verb():
    assert verbs_of(["a bee humming", "a string", "ring", "it hums", "a bee humming"]) == ["humming", "string"]
    phrases = deed_phrases([MOUSE, HUM], ["humming", "string"], 2, generator())
    assert (
        phrases
        == [Phrase(("a mouse humming", "mice humming"), (("a mouse humming, any of numerous small rodents", 1.0),))]
        * 2
    )
    assert deed_phrases([], ["humming"], 2, generator()) == []


def make_drawer(**shares):
    groups = {"captions": caption_phrases(["rain", "wind"]), "words": word_phrases([MOUSE]), "none": []}
    wordings = {"captions": Wordings(paraphrases={"rain": ["it rains"]}), "words": Wordings()}
    return PhraseDrawer(groups, {"captions": 0.5, "words": 0.5, "none": 1.0}, wordings, **shares)


def test_one_phrase_is_drawn_in_some_wording():
    drawer = make_drawer(joined_share=0.0, events_share=0.0)
    drawn = [drawer.draw(generator(seed)) for seed in range(200)]
    assert {phrase for example in drawn for phrase in example.phrases} == {
        *(("captions", 0), ("captions", 1), ("words", 0)),
    }
    rain = [example for example in drawn if example.phrases == (("captions", 0),)]
    assert any("it rains" in example.prompt for example in rain) and not any("wind" in one.prompt for one in rain)
    assert any("mice" in example.prompt for example in drawn)
    # Some are events with a place in time; all others are plain.
    for example in drawn:
        events = parse_events(example.prompt)
        assert example.orders == (("all",) if events is None else tuple(order for _, order in events))
    assert {order for example in drawn for order in example.orders} == {"all", "start", "mid", "end"}
    assert drawer.draw(generator(3)) == drawn[3]


def test_several_phrases_are_one_event_in_a_sentence_and_one_each_otherwise():
    joined = make_drawer(joined_share=1.0, events_share=0.0).draw(generator())
    assert len(joined.phrases) == 2 and joined.events == (joined.phrases,)
    counts = set()
    for seed in range(20):
        events = make_drawer(events_share=1.0).draw(generator(seed))
        assert len(parse_events(events.prompt)) == len(events.orders) == len(events.phrases)
        assert events.events == tuple((phrase,) for phrase in events.phrases)
        counts.add(len(events.phrases))
    assert counts == {2, 3}


def test_what_is_said_around_a_phrase_does_not_change_what_it_is():
    drawer = make_drawer(joined_share=0.0, events_share=0.0)
    starts = {template.split("{}")[0] for template in TEMPLATES} - {""}
    drawn = [drawer.draw(generator(seed)) for seed in range(200)]
    framed = [example for example in drawn if example.prompt.startswith(tuple(starts))]
    assert framed and {example.phrases for example in framed} == {example.phrases for example in drawn}

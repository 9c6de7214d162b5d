# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers.pipelines.prompt_events import (
    format_events,
    parse_events,
    plain_caption,
    structured_caption,
    structured_captions,
)


TWO_EVENTS = "<rocket flying by& start>@<loud explosion& mid>"


def test_events_are_formatted_as_published():
    assert format_events([("rocket flying by", "start"), ("loud explosion", "mid")]) == TWO_EVENTS


def test_what_structures_a_caption_is_spelled_out_within_a_description():
    assert format_events([(" salt & pepper @ <home> ", " all ")]) == "<salt and pepper at home& all>"


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], r"at least one, got \[\]"),
        ("dog", "got 'dog'"),
        (3, "got 3"),
        (["dog barks"], r"pair of strings \(description, order\), got 'dog barks'"),
        ([("dog barks",)], r"pair of strings \(description, order\), got \('dog barks',\)"),
        ([("dog barks", 1)], r"pair of strings \(description, order\), got \('dog barks', 1\)"),
        ([("<>", "all")], r"to have a description, got \('<>', 'all'\)"),
        ([("dog barks", "later")], r"one of \('all', 'start', 'mid', 'end'\), got \('dog barks', 'later'\)"),
    ],
)
def test_what_is_no_event_is_quoted(events, message):
    with pytest.raises(ValueError, match=message):
        format_events(events)


@pytest.mark.parametrize("caption", [TWO_EVENTS, " <rocket flying by & start > @ <loud explosion& mid> "])
def test_structured_captions_are_read_back(caption):
    assert parse_events(caption) == [("rocket flying by", "start"), ("loud explosion", "mid")]
    assert structured_caption(caption) == TWO_EVENTS
    assert plain_caption(caption) == "rocket flying by and loud explosion"


@pytest.mark.parametrize("prompt", ["", "a dog", "a < b & c", "<a& all> and more", "<a& all>@", "<a& all><b& all>"])
def test_other_prompts_are_plain_text(prompt):
    assert parse_events(prompt) is None
    assert plain_caption(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "structured"),
    [
        ("a dog barking", "<a dog barking& all>"),
        ("rock & roll", "<rock and roll& all>"),
        ("<a& all> and more", "<a and all and more& all>"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_plain_text_is_one_event_that_lasts(prompt, structured):
    assert structured_caption(prompt) == structured


def test_an_unknown_order_in_a_structured_prompt_is_refused():
    with pytest.raises(ValueError, match=r"one of \('all', 'start', 'mid', 'end'\), got \('a dog', 'loud'\)"):
        structured_caption("<a dog& loud>")


@pytest.mark.parametrize("pair", [tuple, list])
def test_events_of_one_prompt_or_of_several(pair):
    one = [pair(("dog barks", "start")), pair(("rain", "all"))]
    two = [pair(("wind", "all"))]
    assert structured_captions(one) == ["<dog barks& start>@<rain& all>"]
    assert structured_captions([one, two]) == ["<dog barks& start>@<rain& all>", "<wind& all>"]


@pytest.mark.parametrize("events", [[], [[]], "dog", {"dog": "all"}])
def test_no_events_are_refused(events):
    with pytest.raises(ValueError, match=r"list of \(description, order\) pairs with at least one, got"):
        structured_captions(events)

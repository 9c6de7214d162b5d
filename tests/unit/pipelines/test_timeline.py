# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.pipelines.timeline import Event, Timeline, is_timed, read_timeline


def read(*events, prompt=None, length_s=10.0):
    return read_timeline(list(events), prompt, length_s)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("a", 3.5)], True),
        ([("a", "all"), ("b", 0)], True),
        ([("a", 1.0, 2.0)], True),
        ([("a", "all")], False),
        ([[("a", "all")], [("b", "all")]], False),
        (None, False),
        ("a", False),
        ([], False),
    ],
)
def test_seconds_are_told_from_orders(events, expected):
    assert is_timed(events) is expected


def test_events_and_what_is_heard_besides():
    timeline = read(("a door slams", 3.5), ("a dog", 1.0), prompt="rain")
    assert timeline.base == [("rain", "all")]
    assert timeline.events == [Event("a dog", 1.0, 3.0, True), Event("a door slams", 3.5, 5.5, True)]
    assert timeline.captions == ["<rain& all>", "<a dog& start>@<rain& all>", "<a door slams& start>@<rain& all>"]


def test_events_at_one_time_stand_in_each_others_captions():
    timeline = read(("a dog", 1.0), ("a cat", 2.0))
    assert timeline.base is None
    assert timeline.captions == ["<a dog& start>@<a cat& all>", "<a cat& start>@<a dog& all>"]


def test_prompts_that_follow_on_each_other_do_not():
    timeline = read(("rain", 0, 6), ("wind", 4, 10))
    assert timeline.captions == ["<rain& all>", "<wind& all>"]


def test_orders_take_the_place_of_the_prompt():
    assert read(("rain", "all"), ("a dog", "end"), ("a door", 2.0), prompt="x").base == [
        ("rain", "all"),
        ("a dog", "end"),
    ]
    assert read(("a door", 9.0)).events[0].end_s == 10.0


class TestShares:
    def test_of_a_base_and_an_event(self):
        """At 10 frames a second, from 3 s on: faded in by two frames before, out over the last quarter second."""
        shares, loudness, spans = Timeline([("rain", "all")], [Event("a dog", 3.0, 5.0, True)]).shares(100, 10.0)
        assert torch.equal(shares.sum(dim=0), torch.ones(100, dtype=torch.float64))
        assert torch.equal(loudness, torch.ones(100, dtype=torch.float64))
        assert spans == [(0, 100), (28, 50)]
        assert shares[1, :28].sum() == 0 and shares[1, 28:30].tolist() == [0.25, 0.75]
        assert (shares[1, 30:47] == 1).all() and shares[1, 50:].sum() == 0

    def test_out_of_silence(self):
        shares, loudness, _ = Timeline(None, [Event("a dog", 3.0, 5.0, True)]).shares(100, 10.0)
        assert loudness[:28].sum() == 0 and loudness[50:].sum() == 0 and (loudness[30:47] == 1).all()
        assert (shares[0, 28:50] == 1).all()

    def test_of_prompts_that_overlap(self):
        """From 4 to 6 s the one falls as the other rises."""
        shares, loudness, _ = Timeline(None, [Event("a", 0.0, 6.0, False), Event("b", 4.0, 10.0, False)]).shares(
            100, 10.0
        )
        torch.testing.assert_close(loudness, torch.ones(100, dtype=torch.float64))
        assert (shares[0, :40] == 1).all() and (shares[1, 60:] == 1).all()
        assert shares[1, 49] == pytest.approx(0.475) and (shares[1, 40:60].diff() > 0).all()

    def test_of_prompts_that_meet(self):
        shares, loudness, _ = Timeline(None, [Event("a", 0.0, 5.0, False), Event("b", 5.0, 10.0, False)]).shares(
            100, 10.0
        )
        torch.testing.assert_close(loudness, torch.ones(100, dtype=torch.float64))
        # In a second around the fifth one.
        assert (shares[0, :45] == 1).all() and (shares[1, 55:] == 1).all()
        assert shares[1, 49] == pytest.approx(0.45) and shares[1, 50] == pytest.approx(0.55)

    def test_of_prompts_with_a_gap_between_them(self):
        _, loudness, _ = Timeline(None, [Event("a", 0.0, 4.0, False), Event("b", 6.0, 10.0, False)]).shares(100, 10.0)
        assert loudness[40:60].sum() == 0 and (loudness[:30] == 1).all() and (loudness[70:] == 1).all()


@pytest.mark.parametrize(
    ("events", "prompt", "message"),
    [
        ([("a", -1.0)], None, r"to begin within the sound's 10 s, got \('a', -1.0\)"),
        ([("a", 10.0)], None, r"to begin within the sound's 10 s, got \('a', 10.0\)"),
        ([("a", float("nan"))], None, "to begin within"),
        ([("a", 3.0, 2.0)], None, r"to end after it begins and within .* got \('a', 3.0, 2.0\)"),
        ([("a", 3.0, 11.0)], None, r"got \('a', 3.0, 11.0\)"),
        ([("a", 3.0, "end")], None, r"seconds, or one of .* alone, got \('a', 3.0, 'end'\)"),
        ([("a", 3.0), ("b", "late")], None, "order of an event"),
        ([("a", 3.0), ("b",)], None, r"\(description, start_s\) .* got \('b',\)"),
        ([("", 3.0)], None, "to have a description"),
        ([("a", 3.0)], ["x", "y"], "one prompt with events at seconds, got 2"),
    ],
)
def test_what_makes_no_sense_is_quoted(events, prompt, message):
    with pytest.raises(ValueError, match=message):
        read(*events, prompt=prompt)

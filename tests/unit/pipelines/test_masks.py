# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import numpy as np
import pytest
import torch

from audiolcm_diffusers.pipelines.masks import Canvas, distance_to, read_canvas


def canvas(mask=None, start=None, end=None, extend_s=0.0, is_loop=False, num_samples=100, bridge_s=2.0):
    """Of a sound of 10 s at 10 Hz."""
    return read_canvas(num_samples, 10, mask, start, end, extend_s, is_loop, bridge_s)


def made(canvas):
    """First and last sample of each part that is made anew."""
    edges = torch.nn.functional.pad(~canvas.is_kept, (1, 1)).int().diff().nonzero().flatten().tolist()
    return list(zip(edges[::2], edges[1::2]))


def test_segments_in_seconds():
    assert made(canvas(start=2, end=3.5)) == [(20, 35)]
    assert made(canvas(start=[2.0, 7.0], end=[3.5, 10.0])) == [(20, 35), (70, 100)]
    assert made(canvas(start=[2.0, 3.0], end=[4.0, 5.0])) == [(20, 50)]


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list])
def test_a_mask_of_any_number_of_frames(kind):
    assert made(canvas(kind([1, 0, 0, 1, 1]))) == [(20, 60)]
    assert made(canvas(torch.ones(1, 1, 100).index_fill(2, torch.tensor([7]), 0))) == [(7, 8)]
    assert made(canvas(np.array([True, False]))) == [(50, 100)]


def test_extensions():
    behind, both = canvas(extend_s=2.0), canvas(extend_s=(1.0, 2.0))
    assert made(behind) == [(100, 120)] and behind.offset == 0
    assert made(both) == [(0, 10), (110, 130)] and both.offset == 10
    assert made(canvas(start=0, end=1, extend_s=(1.0, 0.0))) == [(0, 20)]


def test_loops():
    assert made(canvas(is_loop=True)) == [(80, 100)]
    # A quarter at most.
    assert made(canvas(is_loop=True, bridge_s=5.0)) == [(75, 100)]
    assert made(canvas(start=0, end=1, is_loop=True)) == [(0, 10)]
    assert made(canvas(extend_s=1, is_loop=True)) == [(100, 110)]
    with pytest.raises(ValueError, match="the beginning or the end to be made anew in a loop"):
        canvas(start=3, end=4, is_loop=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "something to make anew, got a mask that keeps all"),
        ({"mask": torch.ones(10)}, "a mask that keeps all of the sound"),
        ({"mask": torch.zeros(10)}, "a mask that keeps something .*, got one that keeps nothing"),
        ({"start": 0, "end": 10}, "keeps nothing"),
        ({"start": 2, "end": 10.01}, r"within the sound's 10 s, .* got 2 to 10\.01 s"),
        ({"start": -0.1, "end": 1}, r"got -0\.1 to 1 s"),
        ({"start": 3, "end": 3}, "each ending after it begins, got 3 to 3 s"),
        ({"start": [1, 5], "end": [2, 4]}, "got 5 to 4 s"),
        ({"start": 3}, "together, got 3 and None"),
        ({"end": 3}, "together, got None and 3"),
        ({"start": [1, 2], "end": 3}, "as many `mask_start_seconds` as `mask_end_seconds`, got 2 and 1"),
        ({"start": "1", "end": "2"}, "`mask_start_seconds` to be a number of seconds or a list of them, got '1'"),
        ({"start": [], "end": []}, r"got \[\]"),
        ({"start": math.nan, "end": 2}, "got nan to 2 s"),
        ({"mask": torch.ones(10), "start": 1, "end": 2}, "either `mask` or segments in seconds, got both"),
        ({"mask": torch.tensor([1.0, 0.5])}, "to be 1 where .* and 0 where .*, got 0.5"),
        ({"mask": torch.ones(2, 10)}, r"one `mask` for all sounds, .* got shape \(2, 10\)"),
        ({"mask": torch.ones(0)}, r"got shape \(0,\)"),
        ({"mask": torch.ones(101)}, "at most 100 frames, the sound's samples, got 101"),
        ({"mask": "11011"}, "`mask` to be a tensor or an array, got str"),
        ({"extend_s": -1}, "`extend_s` to be seconds from 0 .*, got -1"),
        ({"extend_s": (1, math.inf)}, r"got \(1, inf\)"),
        ({"extend_s": (1, 2, 3)}, r"got \(1, 2, 3\)"),
        ({"extend_s": "5"}, "got '5'"),
    ],
)
def test_what_makes_no_sense_is_quoted(options, message):
    with pytest.raises(ValueError, match=message):
        canvas(**options)


def test_distances():
    marked = torch.tensor([0, 0, 1, 0, 0, 0], dtype=torch.bool)
    assert distance_to(marked).tolist() == [2, 1, 0, 1, 2, 3]
    assert distance_to(marked, is_loop=True).tolist() == [2, 1, 0, 1, 2, 3]
    assert distance_to(marked.roll(-2), is_loop=True).tolist() == [0, 1, 2, 3, 2, 1]
    assert distance_to(torch.zeros(2, dtype=torch.bool)).tolist() == [math.inf] * 2


def test_crossfades_lie_outside_of_what_is_made_anew():
    kept = torch.ones(12, dtype=torch.bool)
    kept[5:7] = False
    shares = Canvas(kept, 0).shares(3)
    assert shares.tolist() == [1, 1, 0.75, 0.5, 0.25, 0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert Canvas(kept, 0).shares(0).tolist() == kept.float().tolist()
    # In a loop, what is before the first sample is the last one.
    ends = Canvas(torch.tensor([True] * 5 + [False]), 0)
    assert ends.shares(1, is_loop=True).tolist() == [0.5, 1, 1, 1, 0.5, 0]
    assert ends.shares(1).tolist() == [1, 1, 1, 1, 0.5, 0]


def test_latent_frames_are_known_that_are_kept_as_a_whole():
    kept = torch.ones(11, dtype=torch.bool)
    kept[4] = False
    # Of 3 samples each; the last one is begun.
    assert Canvas(kept, 0).known_frames(4, 3).tolist() == [True, False, True, True]

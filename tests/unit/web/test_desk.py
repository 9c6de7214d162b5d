# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the page's buttons do, without a browser."""

import asyncio
import math
import threading

import pytest

from audiolcm_diffusers.web.limits import Busy
from audiolcm_diffusers.web.page import Desk, read_rows
from audiolcm_diffusers.web.studio import Task

from .conftest import ORIGIN


@pytest.mark.parametrize(
    ("rows", "events"),
    [
        ([["rain", 0, 4], ["wind", "1.5", ""], ["", "", ""]], [("rain", 0.0, 4.0), ("wind", 1.5)]),
        ([["rain", None, None]], [("rain", "all")]),
        ([["rain", math.nan, math.nan]], [("rain", "all")]),
    ],
)
def test_rows_are_events(rows, events):
    assert read_rows(rows) == events


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no events"),
        ([["", "", ""]], "no events"),
        ([["rain", 0, ""], ["", 1, 2]], "Row 2 does not say what"),
        ([["rain", "soon", ""]], "Row 1: expected seconds as numbers"),
        ([["rain", "", 4]], "Row 1 says when 'rain' ends, and not when it begins"),
    ],
)
def test_rows_that_are_none(rows, told):
    with pytest.raises(ValueError, match=told):
        read_rows(rows)


def test_settings_and_seeds(make_studio, tmp_path):
    desk = Desk(make_studio(max_takes=3), ORIGIN, tmp_path)
    assert desk.settings(2.0, 5, "") == {"num_inference_steps": 2, "guidance_scale": 5.0}
    assert desk.settings(None, None, "wind") == {"negative_prompt": "wind"}
    assert desk.seeds(7.0, 3) == [7, 8, 9]
    assert desk.seeds(2**32 - 1, 2) == [2**32 - 1, 0]
    assert len(set(desk.seeds(None, 3))) == 3
    for steps in (1.5, math.inf, math.nan):
        with pytest.raises(ValueError, match="a whole number of steps"):
            desk.settings(steps, None, None)
    for seed in (-1, 0.5, 2**32, math.inf, math.nan):
        with pytest.raises(ValueError, match="Expected a seed from 0 to"):
            desk.seeds(seed, 1)
    for takes in (0, 4):
        with pytest.raises(ValueError, match="Expected 1 to 3 takes"):
            desk.seeds(0, takes)


def test_takes_for_which_there_is_no_room_leave_none_behind(make_studio, tmp_path):
    studio = make_studio(max_waiting=1, max_takes=4)
    desk = Desk(studio, ORIGIN, tmp_path)
    begun, go = threading.Event(), threading.Event()

    def hold(piece):
        begun.set()
        go.wait(30)

    first = studio.submit(Task(0, {"prompt": "rain", "audio_length_in_s": 0.25}), hold)
    assert begun.wait(30)
    with pytest.raises(Busy):
        asyncio.run(desk.text("rain", 0.25, False, None, None, "", 0, 3))
    assert studio.num_waiting == 0
    go.set()
    first.future.result(30)
    told, *outputs = asyncio.run(desk.text("rain", 0.25, False, None, None, "", 0, 2))
    assert told.startswith("2 sounds of 0.25 s, made in ") and told.endswith("Seed: 0, 1")
    assert [part.visible for part in outputs] == [True] * 6 + [False] * 6


def test_sounds_that_were_not_sent_are_not_read(make_studio, tmp_path):
    desk = Desk(make_studio(), ORIGIN, tmp_path / "sent")
    (tmp_path / "other.wav").write_bytes(b"")
    for path in (tmp_path / "other.wav", tmp_path / "sent/../other.wav", "/etc/hostname"):
        with pytest.raises(ValueError, match="was not uploaded"):
            desk.source(str(path))
    with pytest.raises(ValueError, match="no sound to change yet"):
        desk.source(None)

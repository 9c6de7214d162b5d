# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import numpy as np
import pytest
import torch
from PIL import Image

from audiolcm_diffusers.audio.plots import (
    BOTTOM,
    LEFT,
    PLOT_HEIGHT,
    PLOT_WIDTH,
    RIGHT,
    TOP,
    _fit,
    draw_mels,
    frequency_position,
    mel_of_waveform,
    plot_mels,
    time_ticks,
)


CELL = (LEFT + PLOT_WIDTH + RIGHT, TOP + PLOT_HEIGHT + BOTTOM)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L")).astype(float)


def plot_area(picture, column=0, row=0, width=PLOT_WIDTH):
    left, top = column * CELL[0] + LEFT, row * CELL[1] + TOP
    return picture[top : top + PLOT_HEIGHT, left : left + width]


@pytest.mark.parametrize(
    ("duration_s", "most", "ticks"),
    [
        (10.0, 8, [0, 2, 4, 6, 8, 10]),
        (4.992, 8, [0, 1, 2, 3, 4]),
        (0.2, 8, [0, 0.05, 0.1, 0.15, 0.2]),
        (300.0, 8, [0, 50, 100, 150, 200, 250, 300]),
        (1.0, 1, [0, 1]),
        (0.8, 8, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
    ],
)
def test_time_ticks_are_round(duration_s, most, ticks):
    assert time_ticks(duration_s, most) == pytest.approx(ticks)


@pytest.mark.parametrize("frequency", [500, 1000, 2000, 4000])
def test_a_tone_is_drawn_at_its_tick(frequency):
    tone = 0.5 * torch.sin(2 * math.pi * frequency * torch.arange(16000) / 16000)
    loudest = mel_of_waveform(tone)[:, 30].argmax().item()
    # Bin i is drawn from i to i + 1; a neighbour may be louder by the filters' slopes.
    assert abs(loudest + 0.5 - frequency_position(frequency)) <= 1


def test_frequency_axis_by_hand():
    # Slaney's scale is linear up to 1000 Hz, 15 mel, and multiplies by 6.4 in 27 mel above: 8000 Hz is
    # 15 + 27 ln 8 / ln 6.4 = 45.2456 mel. With 80 bins, 500 Hz, 7.5 mel, stands at 7.5 / 45.2456 * 81 - 0.5 = 12.9267.
    assert frequency_position(500) == pytest.approx(12.9267, abs=1e-3)
    assert frequency_position(8000) == pytest.approx(80.5)


def test_short_sounds_have_a_spectrogram():
    assert mel_of_waveform(np.zeros(1, dtype=np.float32)).shape == (80, 4)
    assert mel_of_waveform(torch.zeros(16000)).shape == (80, 62)


def test_loud_is_light_low_is_at_the_bottom_and_time_runs_right(tmp_path):
    mel = torch.full((80, 100), -5.0)
    mel[:40, 50:] = 0.0
    plot_mels(tmp_path / "mel.png", [mel])
    picture = pixels(tmp_path / "mel.png")
    assert picture.shape == CELL[::-1]
    area, (y, x) = plot_area(picture), (PLOT_HEIGHT // 2, PLOT_WIDTH // 2)
    loud = area[y + 4 :, x + 4 :]
    silent = [area[: y - 4, : x - 4], area[: y - 4, x + 4 :], area[y + 4 :, : x - 4]]
    assert loud.min() > 150
    assert max(part.max() for part in silent) < 20


def test_lightness_grows_with_loudness(tmp_path):
    plot_mels(tmp_path / "ramp.png", [torch.linspace(-5.0, 0.5, 480).expand(80, -1)])
    row = plot_area(pixels(tmp_path / "ramp.png"))[PLOT_HEIGHT // 2]
    assert (np.diff(row) >= -1).all()
    assert row[-1] - row[0] > 200


def test_grid_on_one_time_scale(tmp_path):
    short, long = torch.zeros(80, 50), torch.zeros(80, 100)
    plot_mels(tmp_path / "grid.png", [long, short, short], ["a", "b", "c"], columns=2)
    picture = pixels(tmp_path / "grid.png")
    assert picture.shape == (2 * CELL[1], 2 * CELL[0])
    light = plot_area(picture)[PLOT_HEIGHT // 2, PLOT_WIDTH // 2]
    assert (np.abs(plot_area(picture, 1, 0, PLOT_WIDTH // 2) - light) < 2).all()
    # White paper right of the shorter one's frame, and where a fourth would be.
    assert (plot_area(picture, 1, 0)[:, PLOT_WIDTH // 2 + 2 :] == 255).all()
    assert (picture[CELL[1] :, CELL[0] :] == 255).all()


def test_captions_and_ticks_are_drawn(tmp_path):
    mel = torch.zeros(80, 100)
    plot_mels(tmp_path / "bare.png", [mel])
    plot_mels(tmp_path / "named.png", [mel], ["a dog barking"])
    plot_mels(tmp_path / "long.png", [mel], ["a dog barking " * 50])
    bare, named, long = (pixels(tmp_path / f"{name}.png") for name in ("bare", "named", "long"))
    caption = np.s_[: TOP - 2, LEFT : LEFT + PLOT_WIDTH]
    assert (bare[caption] == 255).all()
    assert named[caption].min() < 100
    # A long caption is cut: it fills its line, and the margin stays white.
    assert long[caption][:, -40:].min() < 100
    assert (long[: TOP - 2, LEFT + PLOT_WIDTH :] == 255).all()
    assert bare[TOP:, : LEFT - 8].min() < 100
    assert bare[TOP + PLOT_HEIGHT + 8 :, LEFT:].min() < 100


@pytest.mark.parametrize(
    ("mels", "options", "told"),
    [
        ([], {}, "at least one"),
        ([torch.zeros(80)], {}, r"\(80,\)"),
        ([torch.zeros(80, 0)], {}, r"\(80, 0\)"),
        ([torch.full((80, 10), torch.nan)], {}, "NaN"),
        ([torch.zeros(80, 10)], {"captions": ["a", "b"]}, r"1 captions.*\['a', 'b'\]"),
        ([torch.zeros(80, 10)], {"columns": 0}, "columns=0|got 0"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(tmp_path, mels, options, told):
    with pytest.raises(ValueError, match=told):
        plot_mels(tmp_path / "mel.png", mels, **options)
    assert list(tmp_path.iterdir()) == []


def test_suffix_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"\.png, got .*mel\.jpg"):
        plot_mels(tmp_path / "mel.jpg", [torch.zeros(80, 10)])


def test_a_caption_is_measured_a_few_times_however_long_it_is():
    class Font:
        calls = 0

        def getlength(self, text):
            self.calls += 1
            return 7 * len(text)

    for length in (50, 5000, 500_000):
        font = Font()
        assert _fit("x" * length, 70, font) == "x" * 9 + "…"
        assert font.calls < 25
    assert _fit("x" * 10, 70, Font()) == "x" * 10
    assert _fit("wind and rain", 35, Font()) == "wind…"
    assert _fit("rain", 3, Font()) == "…"


def test_pictures_without_a_file(tmp_path):
    mel = torch.linspace(-5.0, 0.5, 200).expand(80, -1)
    picture = draw_mels([mel], ["a ramp"])
    plot_mels(tmp_path / "ramp.png", [mel], ["a ramp"])
    with Image.open(tmp_path / "ramp.png") as saved:
        assert np.array_equal(np.asarray(picture), np.asarray(saved.convert("RGB")))

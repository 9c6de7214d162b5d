# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from PIL import Image

from audiolcm_diffusers.evaluation.report import comparison_lines, plot_steps, table_lines


def estimate(value):
    return {"value": value, "low": value - 0.5, "high": value + 0.5, "num_clips": 8}


def test_table(metrics_table):
    assert table_lines(metrics_table) == [
        "| | FAD ↓ | CLAP ↑ |",
        "|---|---|---|",
        "| real against real | 1 [0.5, 1.5] | 0.9 [0.4, 1.4] |",
        "| shuffled captions | – | 0.1 [-0.4, 0.6] |",
        "| model, 1 step, scale 5 | 4 [3.5, 4.5] | 0.5 [0, 1] |",
        "| model, 2 steps, scale 5 | 3 [2.5, 3.5] | 0.6 [0.1, 1.1] |",
        "| teacher, 100 steps, scale 5 | 2 [1.5, 2.5] | 0.7 [0.2, 1.2] |",
        "",
        "8 clips of data, 5 s each at 16000 Hz, seed 3. In brackets: 95% intervals, 200 resamples.",
        "clap: judge (ClapModel, 8 dimensions, weights 0123456789ab).",
        "FAD is of the clap's features.",
        "A note.",
    ]


def test_comparison():
    compared = {"silence": {"fad": (estimate(1.0), estimate(2.0))}}
    assert comparison_lines(compared, ("one", "other")) == [
        "| | metric | one | other |",
        "|---|---|---|---|",
        "| silence | FAD ↓ | 1 [0.5, 1.5] | 2 [1.5, 2.5] |",
    ]


def test_picture(metrics_table, tmp_path):
    plot_steps(tmp_path / "steps.png", metrics_table)
    with Image.open(tmp_path / "steps.png") as picture:
        picture.verify()
    assert [path.name for path in tmp_path.iterdir()] == ["steps.png"]


def test_plain_numbers_are_set_side_by_side_too():
    assert comparison_lines({"lengths": {"clipped": (0.25, 0.5)}}, ("one", "other"))[2:] == [
        "| lengths | clipped | 0.25 | 0.5 |"
    ]


def test_what_distances_are_of_is_said(metrics_table):
    metrics_table["protocol"]["metrics"] |= {
        "kad": {"features": "clap", "scale": 100.0},
        "diversity": {"features": "clap"},
    }
    lines = table_lines(metrics_table)
    assert lines[0] == "| | FAD ↓ | CLAP ↑ | KAD ↓ | diversity |"
    assert any(line.startswith("KAD is of the clap's features, unbiased, times 100: ") for line in lines)
    assert any(line.startswith("Diversity: the mean distance of the clap's features of two sounds") for line in lines)

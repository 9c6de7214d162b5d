# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from PIL import Image

from audiolcm_diffusers.metrics.report import comparison_lines, plot_steps, table_lines


def estimate(value):
    return {"value": value, "low": value - 0.5, "high": value + 0.5, "num_clips": 8}


def row(name, kind, steps=None, scale=5.0, **metrics):
    generation = None if steps is None else {"num_inference_steps": steps, "guidance_scale": scale}
    metrics = {metric: estimate(value) for metric, value in metrics.items()}
    return {"name": name, "kind": kind, "generation": generation, "metrics": metrics}


@pytest.fixture
def results():
    return {
        "protocol": {
            "dataset": {"name": "data", "num_clips": 8},
            "num_samples": 80000,
            "sampling_rate": 16000,
            "seed": 3,
            "networks": {"clap": {"name": "judge", "class": "ClapModel", "dim": 8, "fingerprint": "0123456789abcdef"}},
            "metrics": {"fad": {"features": "clap"}, "clap": {}},
            "bootstrap": {"confidence": 0.95, "num_resamples": 200},
        },
        "notes": ["A note."],
        "rows": [
            row("real against real", "ceiling", fad=1.0, clap=0.9),
            row("shuffled captions", "control", clap=0.1),
            row("model, 1 step, scale 5", "model", 1, fad=4.0, clap=0.5),
            row("model, 2 steps, scale 5", "model", 2, fad=3.0, clap=0.6),
            row("teacher, 100 steps, scale 5", "teacher", 100, fad=2.0, clap=0.7),
        ],
    }


def test_table(results):
    assert table_lines(results) == [
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


def test_picture(results, tmp_path):
    plot_steps(tmp_path / "steps.png", results)
    with Image.open(tmp_path / "steps.png") as picture:
        picture.verify()
    assert [path.name for path in tmp_path.iterdir()] == ["steps.png"]

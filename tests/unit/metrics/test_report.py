# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from audiolcm_diffusers.metrics.report import (
    comparison_lines,
    plot_steps,
    read_card,
    table_lines,
    write_model_index,
)


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
            "dataset": {"name": "data", "num_clips": 8, "fingerprint": "fedcba9876543210"},
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


CARD = """---
license: cc-by-3.0
tags: [text-to-audio]
---
# The title

Text, with a line of its own:
---
"""


def test_metrics_in_the_metadata_of_a_card(results, tmp_path):
    path = tmp_path / "card.md"
    path.write_text(CARD)
    write_model_index(path, results, "model")
    card = ModelCard.load(path)
    assert card.data.license == "cc-by-3.0" and card.data.tags == ["text-to-audio"]
    assert card.data.model_name == "The title"
    found = {
        (entry.metric_name, entry.metric_type, entry.metric_value, entry.metric_args["num_inference_steps"])
        for entry in card.data.eval_results
    }
    assert found == {
        ("FAD, 1 step, scale 5", "fad", 4.0, 1),
        ("CLAP, 1 step, scale 5", "clap_score", 0.5, 1),
        ("FAD, 2 steps, scale 5", "fad", 3.0, 2),
        ("CLAP, 2 steps, scale 5", "clap_score", 0.6, 2),
    }
    assert path.read_text().endswith(CARD.split("---\n", 2)[2])

    # Again, of the teacher: what was there is replaced, the name stays.
    write_model_index(path, results, "teacher")
    card = ModelCard.load(path)
    assert [(entry.metric_name, entry.metric_value) for entry in card.data.eval_results] == [
        ("FAD, 100 steps, scale 5", 2.0),
        ("CLAP, 100 steps, scale 5", 0.7),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["card.md"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "card.md', which is no file"),
        ("# Only text\n", "begins with a metadata block between `---`, got"),
        ("---\n- a list\n---\n", "metadata of the model card"),
        ("---\nlicense: [a\n---\n", "metadata of the model card"),
    ],
)
def test_bad_cards(text, told, tmp_path):
    if text is not None:
        (tmp_path / "card.md").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_card(tmp_path / "card.md")

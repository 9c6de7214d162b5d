# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers.evaluation.inspection_report import report_lines, table


@pytest.fixture
def results():
    estimate = {"value": 2.0, "low": 1.5, "high": 2.5, "num_prompts": 3}
    return {
        "protocol": {
            "dataset": {"name": "data", "num_clips": 8},
            "num_samples": 80000,
            "sampling_rate": 16000,
            "seed": 3,
            "takes": 4,
            "prompts": ["a", "b", "c"],
            "num_real": 6,
            "networks": {"classifier": {"name": "judge", "class": "C", "dim": 8, "fingerprint": "0123456789abcdef"}},
            "bootstrap": {"confidence": 0.95, "num_resamples": 200},
        },
        "generation": {
            "model": {
                "model": "mini",
                "num_inference_steps": 2,
                "guidance_scale": 5.0,
                "fingerprint": "fedcba987654321",
            }
        },
        "notes": ["A note."],
        "sections": {
            "diversity": {
                "rows": {"model": {"all prompts": estimate}, "real clips": {}},
                "ratios": {"model / teacher": {"all prompts": None}},
            },
            "paraphrases": {
                "captions": {"a": {"caption": 1.0, "wordings": {"one": 0.25, "other": 0.5}, "mean": 0.375}},
                "all": {"caption": estimate, "mean": estimate},
            },
        },
    }


def test_table():
    assert table(["", "a"], [["x", "1"], ["y", "2"]]) == ["|  | a |", "|---|---|", "| x | 1 |", "| y | 2 |"]


def test_a_report_has_a_table_of_each_section_that_there_is(results):
    lines = report_lines(results)
    assert [line for line in lines if line.startswith("#")] == ["## Diversity", "## Paraphrases", "## Protocol"]
    assert "|  | all prompts (3) |" in lines
    assert "| model | 2 [1.5, 2.5] |" in lines
    # Without a value: no clips, or takes that are all the same.
    assert "| real clips | – |" in lines
    assert "| model / teacher | – |" in lines
    assert "| a | 1.00 | 0.38 | one 0.25, other 0.50 |" in lines
    assert "- model: mini, steps 2, scale 5 (weights fedcba987654)." in lines
    assert lines[-1] == "A note."

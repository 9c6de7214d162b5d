# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers.benchmark import benchmark_edits


def test_measures_everything_that_a_pipeline_makes(make_pipeline):
    pipe = make_pipeline(window_length_in_s=2.0)
    report = benchmark_edits(pipe, long_s=12.0, repeats=2)
    rows = {row["name"]: row for row in report.document["rows"]}
    assert list(rows) == [
        "text to sound",
        "a loop",
        "sound to sound, strength 0.6",
        "1 s of 5 made anew",
        "continued by 5 s",
        "text to sound of 10 s",
        "text to sound of 12 s",
    ]
    assert all(row["time_s"] > 0 for row in rows.values())
    assert report.document["first_piece_s"] < rows["text to sound of 12 s"]["time_s"]
    assert report.document["sound_mb"] == pytest.approx(12 * 64000 / 2**20)
    told = str(report)
    assert "| text to sound of 12 s |" in told and "First piece of a stream of 12 s: after" in told

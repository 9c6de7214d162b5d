# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json

import pytest

from audiolcm_diffusers.benchmark import benchmark_generation
from audiolcm_diffusers.commands import main


def test_measures_everything_that_a_pipeline_makes(make_pipeline):
    pipe = make_pipeline(window_length_in_s=2.0)
    report = benchmark_generation(pipe, long_s=12.0, repeats=2)
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


def test_from_the_command_line(make_pipeline, tmp_path, capsys):
    make_pipeline(window_length_in_s=2.0, max_audio_length_in_s=20.0).save_pretrained(tmp_path)
    capsys.readouterr()
    words = ["benchmark", "generation", "--model", str(tmp_path), "--device", "cpu", "--repeats", "1"]
    assert main([*words, "--long", "11", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["long_s"] == 11
    assert main([*words, "--long", "30"]) == 2
    assert "at most 20 s, the limit of this model, got 30 s" in capsys.readouterr().err

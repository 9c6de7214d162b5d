# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import csv
import json
import math

import numpy as np
import pytest
import soundfile
from diffusers import DDIMScheduler

from audiolcm_diffusers.commands import main


RATE = 16000
CAPTIONS = ["a low tone", "a high tone", "noise", "a low tone", "a high tone", "noise"]


def make_dataset(folder, captions=CAPTIONS, rate=RATE, length_s=0.3, silent=()):
    """A captioned folder of tones and noise, of 0.3 s each."""
    folder.mkdir()
    times = np.arange(round(rate * length_s)) / rate
    rows = []
    for index, caption in enumerate(captions):
        noise = np.random.default_rng(index).standard_normal(len(times))
        frequency = 300 + 20 * index if "low" in caption else 2000 + 100 * index
        sound = 0.2 * noise if "noise" in caption else 0.5 * np.sin(2 * math.pi * frequency * times)
        sound = sound * (index not in silent)
        soundfile.write(folder / f"{index}.wav", sound, rate)
        rows.append((f"{index}.wav", caption))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "caption"), *rows])
    return str(folder)


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "data")


@pytest.fixture
def classifier(make_classifier, tmp_path):
    for part in make_classifier():
        part.save_pretrained(tmp_path / "classifier")
    return str(tmp_path / "classifier")


@pytest.fixture
def clap(make_clap, tmp_path):
    for part in make_clap():
        part.save_pretrained(tmp_path / "clap")
    return str(tmp_path / "clap")


@pytest.fixture
def model(make_pipeline, tmp_path):
    make_pipeline(default_audio_length_in_s=0.3).save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def teacher(make_pipeline, make_llama_transformer, tmp_path):
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    make_pipeline(transformer=transformer, scheduler=DDIMScheduler()).save_pretrained(tmp_path / "teacher")
    return str(tmp_path / "teacher")


@pytest.fixture
def run(dataset, classifier, clap, tmp_path, capsys):
    """`run(output, *options)`: the document that `audiolcm evaluate … --json` prints."""

    def run(output, *options):
        capsys.readouterr()
        words = ["--dataset", dataset, "--classifier", classifier, "--clap", clap, "--output", str(tmp_path / output)]
        words += ["--allow-singular", "--num-resamples", "10", "--device", "cpu", "--json", *options]
        assert main(["evaluate", *words]) == 0, capsys.readouterr().err
        shown = capsys.readouterr()
        assert shown.err == ""
        return json.loads(shown.out)

    return run


def rows_of(report):
    return {row["name"]: row["metrics"] for row in report["rows"]}


def test_end_to_end(run, model, teacher, tmp_path):
    report = run(
        "out", "--model", model, "--steps", "1", "2", "--teacher", teacher, "--teacher-steps", "3", "--save-audio"
    )
    rows = rows_of(report)
    assert list(rows) == [
        "real against real",
        "reconstruction",
        "shuffled captions",
        "white noise",
        "silence",
        "model, 1 step, scale 5",
        "model, 2 steps, scale 5",
        "teacher, 3 steps, scale 5",
    ]

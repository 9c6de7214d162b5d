# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import re

import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub import ModelCard
from PIL import Image

from audiolcm_diffusers.commands import main
from audiolcm_diffusers.evaluation import evaluation


RATE = 16000
CAPTIONS = ["a low tone", "a high tone", "noise", "a low tone", "a high tone", "noise"]


@pytest.fixture
def dataset(make_dataset, tmp_path):
    return make_dataset(tmp_path / "data", CAPTIONS)


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
def run(dataset, classifier, clap, tmp_path, capsys):
    """`run(output, *options)`: the document that `audiolcm evaluate … --json` prints."""

    def run(output, *options):
        capsys.readouterr()
        options = list(options)
        if "--metrics" not in options:
            options += ["--allow-singular", "--clap", clap]
        if "--dataset" not in options:
            options += ["--dataset", dataset]
        options += ["--classifier", classifier, "--output", str(tmp_path / output)]
        assert main(["evaluate", *options, "--num-resamples", "10", "--device", "cpu", "--json"]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return json.loads(shown.out)

    return run


def rows_of(report):
    return {row["name"]: row["metrics"] for row in report["rows"]}


def test_end_to_end(run, model, teacher, tmp_path):
    card, card_of_teacher = tmp_path / "card.md", tmp_path / "teacher.md"
    for path in (card, card_of_teacher):
        path.write_text("---\nlicense: mit\n---\n# A model\n")
    report = run(
        *("out", "--model", model, "--steps", "1", "2", "--teacher", teacher, "--teacher-steps", "3", "--save-audio"),
        *("--model-card", str(card), "--teacher-card", str(card_of_teacher)),
    )
    for path, num_settings in ((card, 2), (card_of_teacher, 1)):
        assert len(ModelCard.load(path).data.eval_results) == num_settings * 6
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
    for name, metrics in rows.items():
        assert list(metrics) == (
            ["kl", "clap"] if name == "shuffled captions" else ["fad", "kad", "kl", "is", "clap", "diversity"]
        )
        for entry in metrics.values():
            assert entry["low"] <= entry["value"] <= entry["high"]
    # Two classes of tones and noise: their own kind is nearer than silence or noise.
    assert rows["real against real"]["kl"]["value"] < rows["silence"]["kl"]["value"]
    assert rows["real against real"]["kl"]["value"] < rows["shuffled captions"]["kl"]["value"]
    assert rows["silence"]["is"]["value"] == pytest.approx(1.0)

    protocol = report["protocol"]
    assert protocol["dataset"]["num_clips"] == 6
    assert protocol["num_samples"] == 4800
    assert protocol["networks"]["classifier"]["head"] == "softmax"
    assert protocol["networks"]["clap"]["sampling_rate"] == 8000
    assert protocol["metrics"]["fad"] == {"features": "classifier", "allow_singular": True}
    generation = report["rows"][-1]["generation"]
    assert generation["fingerprint"] != report["rows"][-2]["generation"]["fingerprint"]
    assert (generation["num_inference_steps"], generation["guidance_scale"]) == (3, 5.0)
    assert (generation["dtype"], generation["device"]) == ("float32", "cpu")
    assert any("singular" in note for note in report["notes"])

    folder = tmp_path / "out"
    assert json.loads((folder / "results.json").read_text()) == report
    table = (folder / "table.md").read_text()
    assert all(f"\n| {name} |" in table for name in rows)
    assert all(note in table for note in report["notes"])
    with Image.open(folder / "steps.png") as picture:
        picture.verify()
    assert not any(path.name.startswith(".") for path in folder.rglob("*"))

    # The sounds that were kept are judged as they were, up to the rounding of a file.
    again = rows_of(run("again", "--generated", str(folder / "audio" / "model-2-steps-scale-5"), "--duration", "0.3"))
    for metric, entry in again["generated"].items():
        assert entry["value"] == pytest.approx(rows["model, 2 steps, scale 5"][metric]["value"], rel=1e-3, abs=1e-4)
    assert again["silence"] == rows["silence"]
    assert not (tmp_path / "again" / "steps.png").exists()


def test_the_same_command_gives_the_same_results(run, model, tmp_path):
    options = ["--model", model, "--steps", "2", "--num-clips", "4", "--metrics", "kl"]
    first, again = run("first", *options), run("again", *options, "--cache", str(tmp_path / "first" / "features"))
    assert rows_of(again) == rows_of(first)
    assert again["protocol"] == first["protocol"]
    # Nothing was heard twice, whatever the output is called.
    assert not (tmp_path / "again" / "features").exists()
    other = run("other", *options, "--seed", "1")
    assert rows_of(other)["model, 2 steps, scale 5"] != rows_of(first)["model, 2 steps, scale 5"]


def test_a_sound_does_not_depend_on_its_batch(run, model):
    options = ["--model", model, "--steps", "2", "--metrics", "kl"]
    one, all_at_once = (rows_of(run(size, *options, "--batch-size", size)) for size in ("1", "8"))
    for name in one:
        for metric, entry in one[name].items():
            assert entry["value"] == pytest.approx(all_at_once[name][metric]["value"], rel=1e-3, abs=1e-6)


def test_lines_for_people(dataset, model, clap, tmp_path, capsys):
    words = ["--dataset", dataset, "--clap", clap, "--output", str(tmp_path / "out"), "--model", model]
    words += ["--device", "cpu", "--metrics", "clap", "--steps", "1", "--num-resamples", "5"]
    capsys.readouterr()
    assert main(["evaluate", *words]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0] == "real against real: done"
    assert "| | CLAP ↑ |" in lines
    assert any(re.fullmatch(r"\| model, 1 step, scale 5 \| -?\d\.\d+ \[.*, .*\] \|", line) for line in lines)
    assert "The metric kl is left out: not asked for." in lines
    assert "clap: " + clap in shown.out


def test_metrics_without_a_network_are_said_to_be_left_out(dataset, model, classifier, tmp_path, capsys):
    words = ["--dataset", dataset, "--classifier", classifier, "--model", model, "--steps", "1", "--allow-singular"]
    words += ["--output", str(tmp_path / "out"), "--device", "cpu", "--num-resamples", "5"]
    assert main(["evaluate", *words]) == 0
    assert "The metric clap is left out: no --clap." in capsys.readouterr().out.splitlines()


def test_clips_of_other_rates_and_lengths_are_recorded(make_dataset, run, model, tmp_path):
    make_dataset(tmp_path / "other", CAPTIONS, rate=44100, length_s=0.5)
    make_dataset(tmp_path / "short", CAPTIONS[:4], length_s=0.2)
    words = ["--model", model, "--steps", "1", "--metrics", "kl"]
    report = run("out", *words, "--dataset", str(tmp_path / "other"))
    dataset = report["protocol"]["dataset"]
    assert dataset["sampling_rates"] == {"44100": 6}
    assert (dataset["num_cropped"], dataset["num_padded"]) == (6, 0)
    assert "References resampled to 16000 Hz: 6 of 44100 Hz." in report["notes"]
    assert "References cut to this length: 6; followed by silence up to it: 0." in report["notes"]
    dataset = run("padded", *words, "--dataset", str(tmp_path / "short"))["protocol"]["dataset"]
    assert (dataset["num_cropped"], dataset["num_padded"]) == (0, 4)


def test_silent_sounds_are_judged_and_counted(make_dataset, run, tmp_path):
    silent = make_dataset(tmp_path / "silent", CAPTIONS, silent={0, 3})
    report = run("out", "--generated", silent, "--duration", "0.3", "--metrics", "is")
    assert "generated: 2 of 6 sounds are silent, below -60 dB." in report["notes"]


def test_comparison(run, model, teacher, tmp_path, capsys):
    options = ["--steps", "1", "--metrics", "kl"]
    options += ["--duration", "0.3"]
    run("one", "--model", model, *options)
    run("other", "--model", teacher, *options)
    run("seeded", "--model", model, "--seed", "3", *options)
    one, other, seeded = (str(tmp_path / name) for name in ("one", "other", "seeded"))
    assert main(["evaluate", "--compare", one, other]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"| | metric | {one} | {other} |"
    assert any(line.startswith("| model, 1 step, scale 5 | KL ↓ |") for line in lines)
    assert main(["evaluate", "--compare", one, seeded]) == 2
    assert "bootstrap.seed is 0 and 3; seed is 0 and 3" in capsys.readouterr().err


def test_dataset_of_the_hub(run, model, dataset, classifier, tmp_path, capsys):
    words = ["--dataset-name", dataset, "--split", "train", "--streaming", "--classifier", classifier, "--json"]
    words += ["--model", model, "--steps", "1", "--metrics", "kl", "--num-resamples", "10", "--device", "cpu"]
    assert main(["evaluate", *words, "--output", str(tmp_path / "hub")]) == 0
    hub = json.loads(capsys.readouterr().out)
    folder = run("folder", "--model", model, "--steps", "1", "--metrics", "kl")
    assert rows_of(hub)["model, 1 step, scale 5"] == rows_of(folder)["model, 1 step, scale 5"]


@pytest.fixture
def refuse(tmp_path, monkeypatch, capsys):
    """`refuse(*options)`: the one line that `audiolcm evaluate` ends with, having made no sound and no file."""

    def make_sounds(*args, **kwargs):
        raise AssertionError("a sound was made")

    monkeypatch.setattr(evaluation, "make_sounds", make_sounds)

    def refuse(*options):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        capsys.readouterr()
        try:
            status = main(["evaluate", *options])
        except SystemExit as stop:
            status = stop.code
        shown = capsys.readouterr()
        assert status == 2
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return shown.err

    return refuse


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--output", "out", "--clap", "c"], "--dataset FOLDER or --dataset-name"),
        (["--dataset", "d", "--clap", "c"], "Expected --output"),
        (["--dataset", "d", "--output", "out"], "Expected a network"),
        (["--dataset", "d", "--dataset-name", "e"], "not allowed with"),
        (["--dataset", "d", "--model", "m", "--generated", "g"], "not allowed with"),
        (["--dataset", "d", "--split", "test"], "--split belongs to --dataset-name"),
        (["--dataset", "d", "--teacher-steps", "9"], "--teacher-steps belongs to --teacher"),
        (["--dataset", "d", "--head", "sigmoid", "--clap", "c"], "--head belongs to --classifier"),
        (
            ["--dataset", "d", "--clap", "c", "--output", "o", "--generated", "g", "--model-card", "c.md"],
            "take no --model-card",
        ),
        (
            [
                *("--dataset", "d", "--clap", "c", "--output", "o", "--teacher", "t"),
                *("--model-card", "c.md", "--teacher-card", "./c.md"),
            ],
            "Expected two cards, got 'c.md'",
        ),
        (["--dataset", "d", "--teacher-card", "c.md"], "--teacher-card belongs to --teacher"),
        (["--dataset", "d", "--clap", "c", "--output", "o", "--model", "mini", "--model-card", "c.md"], "no file"),
        (["--dataset", "d", "--other-software"], "--other-software belongs to --compare"),
        (["--compare", "a", "b", "--seed", "0"], "takes no --seed"),
        (["--compare", "a", "b"], "no results in 'a'"),
        (["--dataset", "d", "--clap", "c", "--output", "out", "--generated", "g"], "Expected --duration"),
        (
            ["--dataset", "d", "--clap", "c", "--output", "out", "--generated", "g", "--steps", "2", "--save-audio"],
            "take no --save-audio, --steps",
        ),
        (["--dataset", "d", "--clap", "c", "--output", "out", "--duration", "0.05"], "got 0.05"),
        (["--dataset", "d", "--clap", "c", "--output", "out", "--steps", "2", "2"], "--steps to be all different"),
        (["--dataset", "d", "--metrics", "mos"], "'mos'"),
        (["--dataset", "d", "--steps", "0"], "'0'"),
    ],
)
def test_options_that_make_no_sense(options, told, refuse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told in refuse(*options)


def test_bad_references_are_refused(make_dataset, refuse, classifier, model, tmp_path):
    words = ["--classifier", classifier, "--model", model, "--output", str(tmp_path / "out"), "--allow-singular"]
    data = tmp_path / "data"
    (tmp_path / "empty").mkdir()
    assert "Expected a folder with `metadata.csv`" in refuse("--dataset", str(tmp_path / "empty"), *words)
    make_dataset(data, CAPTIONS)
    (data / "2.wav").unlink()
    soundfile.write(data / "4.wav", np.full(4800, np.nan), RATE, subtype="FLOAT")
    told = refuse("--dataset", str(data), *words)
    assert "2 of 6 clips" in told and "2.wav" in told and "NaN" in told and "4.wav" in told
    (data / "metadata.csv").write_text("file_name,caption\n")
    assert "names no clip" in refuse("--dataset", str(data), *words)


def test_too_few_clips_are_told_how_many_are_needed(refuse, dataset, classifier, model, tmp_path):
    words = ["--dataset", dataset, "--classifier", classifier, "--model", model, "--output", str(tmp_path / "out")]
    assert "16 dimensions needs at least 34 clips, 17 in each half of the references" in refuse(*words)
    assert "--num-clips between 1 and the 6 clips" in refuse(*words, "--num-clips", "7")
    assert "at least 4 clips, two in each half" in refuse(*words, "--num-clips", "3", "--metrics", "kl")


def test_options_of_metrics_that_are_not_computed(refuse, dataset, classifier, tmp_path):
    words = ["--dataset", dataset, "--classifier", classifier, "--output", str(tmp_path / "out")]
    assert "The network './nowhere' is no folder" in refuse(*words[:3], "./nowhere", *words[4:])
    assert "clap needs a network: name it with --clap" in refuse(*words, "--metrics", "clap")
    assert "--allow-singular belongs to the metric fad" in refuse(*words, "--metrics", "kl", "--allow-singular")
    assert "--num-splits belongs to the metric is" in refuse(*words, "--metrics", "kl", "--num-splits", "2")
    assert "Expected --clap, whose features FAD is to be of" in refuse(*words, "--fad-network", "clap")


def test_generated_sounds_that_do_not_match_are_refused(make_dataset, refuse, dataset, classifier, tmp_path):
    words = ["--dataset", dataset, "--classifier", classifier, "--output", str(tmp_path / "out"), "--duration", "0.3"]
    few = make_dataset(tmp_path / "few", CAPTIONS[:4] + ["a dog"])
    told = refuse(*words, "--generated", few)
    assert "3 captions differ: 'a dog' (0 wanted, 1 found), 'a high tone' (2 wanted, 1 found), 'noise' (2" in told
    broken = make_dataset(tmp_path / "broken", CAPTIONS)
    soundfile.write(f"{broken}/4.wav", np.full(4800, np.inf), RATE, subtype="FLOAT")
    assert "1 of 6 sounds cannot be judged" in refuse(*words, "--generated", broken)


def test_what_the_model_cannot_do_is_refused(refuse, dataset, classifier, model, tmp_path):
    words = ["--dataset", dataset, "--classifier", classifier, "--output", str(tmp_path / "out"), "--metrics", "kl"]
    assert "'./nowhere'" in refuse(*words, "--model", "./nowhere")
    assert "got 51" in refuse(*words, "--model", model, "--steps", "2", "51")
    assert "at most 3600 s" in refuse(*words, "--model", model, "--duration", "3601")


def test_folders_with_results_are_left_alone(refuse, dataset, classifier, tmp_path):
    for name in ("results.json", "table.md", "steps.png"):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text("older")
        told = refuse("--dataset", dataset, "--classifier", classifier, "--output", str(folder))
        assert "--output holds results already" in told and name in told
    assert "is no folder" in refuse("--dataset", dataset, "--classifier", classifier, "--output", f"{dataset}/0.wav")


def test_sounds_that_are_not_finite_end_the_run_without_results(
    dataset, classifier, make_pipeline, make_vocoder, tmp_path, capsys
):
    vocoder = make_vocoder()
    for parameter in vocoder.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    make_pipeline(vocoder=vocoder, default_audio_length_in_s=0.3).save_pretrained(tmp_path / "model")
    words = ["--dataset", dataset, "--classifier", classifier, "--model", str(tmp_path / "model"), "--metrics", "kl"]
    words += ["--device", "cpu", "--output", str(tmp_path / "out"), "--num-resamples", "5"]
    capsys.readouterr()
    assert main(["evaluate", *words]) == 2
    assert "NaN" in capsys.readouterr().err
    assert not (tmp_path / "out" / "results.json").exists()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolcm_diffusers.commands import main
from audiolcm_diffusers.data.captioned_audio import Clip
from audiolcm_diffusers.data.captions import ARTICLES, TEMPLATES, Wordings
from audiolcm_diffusers.evaluation.copies import first_of_each
from audiolcm_diffusers.evaluation.lengths import real_ends
from audiolcm_diffusers.evaluation.takes import pick_prompts


RATE = 16000
RECIPE = Path(__file__).parents[3] / "training" / "recipes" / "mini"
LABELS = ["a low tone", "a high tone", "noise"]


@pytest.fixture
def dataset(make_dataset, tmp_path):
    return make_dataset(tmp_path / "data", ["a low tone", "noise", "a low tone", "noise", "a dog"])


@pytest.fixture
def train(make_dataset, tmp_path):
    return make_dataset(tmp_path / "train", ["a low tone", "noise", "a high tone"], first=10, length_s=0.5)


@pytest.fixture
def classifier(make_classifier, tmp_path):
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    for part in make_classifier(num_labels=3, **names):
        part.save_pretrained(tmp_path / "classifier")
    return str(tmp_path / "classifier")


@pytest.fixture
def paraphrases(tmp_path):
    path = tmp_path / "paraphrases.json"
    path.write_text(json.dumps({"a low tone": ["a deep hum", "a bass note"], "noise": ["a hiss"]}))
    return str(path)


@pytest.fixture
def words(dataset, classifier, model, tmp_path):
    """The options of a short run."""
    words = ["--dataset", dataset, "--classifier", classifier, "--model", model, "--output", str(tmp_path / "out")]
    return [*words, "--takes", "2", "--durations", "0.2", "--num-resamples", "10", "--device", "cpu"]


def test_end_to_end(words, train, teacher, paraphrases, tmp_path, capsys):
    words += ["--teacher", teacher, "--teacher-steps", "3", "--train", train, "--paraphrases", paraphrases]
    capsys.readouterr()
    assert main(["inspect", *words, "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    results = json.loads(shown.out)
    folder = tmp_path / "out"
    assert json.loads((folder / "results.json").read_text()) == results
    assert {path.name for path in folder.iterdir()} == {"results.json", "report.md"}

    sections = results["sections"]
    assert list(sections) == ["diversity", "neighbours", "lengths", "paraphrases"]
    diversity = sections["diversity"]
    assert list(diversity["rows"]) == ["model", "teacher", "real clips"]
    assert list(diversity["ratios"]) == ["model / teacher", "model / real clips", "teacher / real clips"]
    # Three prompts, of which two have several clips.
    assert diversity["rows"]["model"]["all prompts"]["num_prompts"] == 3
    assert list(diversity["rows"]["real clips"]) == ["prompts with several clips"]
    assert diversity["ratios"]["model / teacher"]["all prompts"]["value"] == pytest.approx(
        diversity["rows"]["model"]["all prompts"]["value"] / diversity["rows"]["teacher"]["all prompts"]["value"]
    )
    assert diversity["prompts"]["a dog"]["real clips"] is None

    neighbours = sections["neighbours"]
    assert list(neighbours["rows"]) == ["model", "teacher", "held-out clips", "training clips, decoded"]
    # 0.5 s in pieces of 0.3 s: at the beginning, half way and at the end.
    assert neighbours["num_pieces"] == 3 * 3
    found = neighbours["rows"]["model"]
    assert (found["num_sounds"], neighbours["rows"]["held-out clips"]["num_sounds"]) == (6, 5)
    assert found["distance"]["minimum"] <= found["distance"]["median"]
    assert found["nearest"]["distance"] == found["distance"]["minimum"]
    assert found["nearest"]["clip"]["name"] in ("10.wav", "11.wav", "12.wav")
    assert neighbours["rows"]["held-out clips"]["num_nearer"] == 0

    lengths = sections["lengths"]
    assert list(lengths["durations"]) == ["0.2"]
    assert lengths["durations"]["0.2"]["named"]["num_prompts"] == 2
    assert lengths["real clips"]["num_clips"] == 5
    # Real clips are tones and noise that begin at once; 10 ms of them are as loud as the next 100 ms.
    assert abs(lengths["real clips"]["first_db"]["median"]) < 1.0

    captions = sections["paraphrases"]["captions"]
    for of in captions.values():
        assert of["mean"] == pytest.approx(np.mean(list(of["wordings"].values())))
        assert {of["caption"], *of["wordings"].values()} <= {0.0, 0.5, 1.0}
    assert sections["paraphrases"]["all"]["mean"]["num_prompts"] == 3

    protocol = results["protocol"]
    assert protocol["prompts"] == ["a low tone", "noise", "a dog"]
    assert protocol["dataset"]["num_clips"] == 5 and protocol["training"]["num_clips"] == 3
    assert results["left_out"] == {}
    assert "1 of 3 prompts are no class of the classifier; their sounds cannot be named." in results["notes"]
    report = (folder / "report.md").read_text()
    titles = [line for line in report.splitlines() if line.startswith("## ")]
    assert titles == ["## Diversity", "## Neighbours", "## Lengths", "## Paraphrases", "## Protocol"]
    assert all(note in report for note in results["notes"])
    nearest = found["nearest"]
    assert f"{nearest['caption']!r}, {nearest['name']}, to {nearest['clip']['name']}" in report


def test_what_is_not_asked_for_is_said_to_be_left_out(words, tmp_path, capsys):
    assert main(["inspect", *words]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    for note in ("neighbours, no --train.", "paraphrases, no --paraphrases.", "teacher, no --teacher."):
        assert f"Left out: {note}" in lines
    assert "6 sounds of the model: done" in lines
    assert (tmp_path / "out" / "report.md").read_text() in shown
    assert "## Neighbours" not in lines and "## Paraphrases" not in lines
    assert not any(line.startswith("| teacher") for line in lines)


def test_the_same_command_gives_the_same_results(words, tmp_path, capsys):
    sections = {}
    for output, seed, batch_size in (("first", "0", "4"), ("again", "0", "1"), ("other", "1", "4")):
        options = ["--output", str(tmp_path / output), "--seed", seed, "--batch-size", batch_size, "--json"]
        capsys.readouterr()
        assert main(["inspect", *words, *options]) == 0
        sections[output] = json.loads(capsys.readouterr().out)["sections"]
    first, again, other = (sections[name]["diversity"]["prompts"]["noise"] for name in sections)
    assert first["model"] == pytest.approx(again["model"], rel=1e-2)
    assert first["real clips"] == pytest.approx(other["real clips"])
    assert first["model"] != pytest.approx(other["model"], rel=1e-2)


def test_prompts_that_the_classifier_does_not_know(words, make_classifier, tmp_path, capsys):
    for part in make_classifier():
        part.save_pretrained(tmp_path / "unnamed")
    assert main(["inspect", *words, "--classifier", str(tmp_path / "unnamed")]) == 0
    shown = capsys.readouterr().out
    assert "No prompt is a class of the classifier" in shown
    assert "named as asked" not in shown


def test_prompts_are_the_captions_with_most_clips():
    captions = ["a", "b", "c", "b", "d", "c", "c"]
    assert pick_prompts(captions, 3) == {"c": 3, "b": 2, "a": 1}
    assert list(pick_prompts(captions, 9)) == ["c", "b", "a", "d"]


def test_first_of_each_caption():
    clips = [Clip(name, caption, None) for name, caption in zip("12345", "ababa")]
    assert [clip.name for clip in first_of_each(clips, 2)] == ["1", "2", "3", "4"]


def test_real_clips_that_are_too_short_have_no_ends():
    short, long = torch.full((1000,), 100, dtype=torch.int16), torch.full((2000,), 100, dtype=torch.int16)
    assert real_ends([short]) == {"num_clips": 0, "clipped": 0.0, "silent": 0.0}
    assert real_ends([short, long])["num_clips"] == 1


@pytest.fixture
def refuse(words, tmp_path, capsys):
    """`refuse(*options)`: the one line that `audiolcm inspect` ends with, having made no sound and no file."""

    def refuse(*options):
        capsys.readouterr()
        try:
            status = main(["inspect", *words, *options])
        except SystemExit as stop:
            status = stop.code
        shown = capsys.readouterr()
        assert status == 2
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return shown.err

    return refuse


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--takes", "1"], "--takes of at least 2, to see how far they differ, got 1"),
        (["--durations", "1", "0.1"], "--durations of at least 0.11 s, got 0.1"),
        (["--durations", "1", "1"], "all different, got [1.0, 1.0]"),
        (["--durations", "long"], "'long'"),
        (["--durations", "1", "3601"], "at most 3600 s"),
        (["--steps", "51"], "got 51"),
        (["--teacher-steps", "9"], "--teacher-steps belongs to --teacher"),
        (["--model", "./nowhere"], "'./nowhere'"),
        (["--teacher", "./nowhere"], "'./nowhere'"),
        (["--dataset", "./nowhere"], "got 'nowhere'"),
        (["--train", "./nowhere"], "got 'nowhere'"),
        (["--classifier", "./nowhere"], "The network './nowhere' is no folder"),
        (["--paraphrases", "nowhere.json"], "--paraphrases 'nowhere.json' cannot be read"),
    ],
)
def test_options_that_make_no_sense(options, told, refuse):
    assert told in refuse(*options)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([1], "object of captions and lists of wordings, got [1]"),
        ({}, "got {}"),
        ({"noise": "a hiss"}, "got \"a hiss\" for 'noise'"),
        ({"noise": []}, "got [] for 'noise'"),
        ({"noise": [" "]}, "got [\" \"] for 'noise'"),
        ({"noise": ["a hiss"], "a low tone": ["a hiss"]}, "all different, got 'a hiss' twice"),
        ({"a dog": ["a puppy"], "noise": ["a hiss"]}, "a low tone, a high tone, noise; got 'a dog'"),
    ],
)
def test_paraphrases_that_make_no_sense(content, told, refuse, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    assert told in refuse("--paraphrases", str(path))


def test_folders_that_show_nothing_are_refused(make_dataset, refuse, dataset, tmp_path):
    single = make_dataset(tmp_path / "single", ["a low tone", "noise"])
    assert "Expected a caption with two clips or more" in refuse("--dataset", single)
    told = refuse("--train", dataset)
    assert "got 5 of 5 that are in both: 0.wav, 1.wav" in told


def test_folders_with_results_are_left_alone(words, tmp_path, capsys):
    for name in ("results.json", "report.md"):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text("older")
        assert main(["inspect", *words, "--output", str(folder)]) == 2
        assert "--output holds results already" in capsys.readouterr().err
        assert (folder / name).read_text() == "older"


def test_the_recipe_is_judged_by_words_that_it_was_not_trained_on():
    recipe = Wordings.from_json(RECIPE / "wordings.json")
    paraphrases = json.loads((RECIPE / "paraphrases.json").read_text(encoding="utf-8"))
    assert paraphrases.keys() == recipe.paraphrases.keys()
    assert {len(wordings) for wordings in paraphrases.values()} == {4}
    judged = {wording for wordings in paraphrases.values() for wording in wordings}
    with open(RECIPE / "wordings.csv", newline="", encoding="utf-8") as file:
        judged.update(row["prompt"] for row in csv.DictReader(file))
    for words in json.loads((RECIPE / "synonyms.json").read_text(encoding="utf-8")).values():
        judged.update(words)
    assert len(judged) > 390

    def bare(text):
        """Without its article: these vary in training, too."""
        return next((text.removeprefix(article) for article in ARTICLES if text.startswith(article)), text)

    known = {bare(template.format(text)) for text in recipe.texts() for template in ("{}", *TEMPLATES)}
    assert not known & {bare(text) for text in judged}

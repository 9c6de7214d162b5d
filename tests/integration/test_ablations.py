# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Ablations: the recipe that comes along, what is refused, and two tiny rows from training to table."""

import csv
import json
import math
import os
import signal
import threading
import time
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file
from script_runs import TRAINING, distillation_options, load_script

from audiolcm_diffusers import LLaMATransformer1DModel
from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.commands import main as audiolcm
from audiolcm_diffusers.evaluation.sound_classifier import make_judge
from audiolcm_diffusers.trainer import parse_config


RECIPE = TRAINING / "recipes/mini/ablations.json"
DEFAULT = json.loads(load_script("train_text_to_audio").TextToAudioConfig.transformer_config)


@pytest.fixture(scope="module")
def ablations():
    return load_script("ablations")


@pytest.fixture
def read(ablations, tmp_path, monkeypatch):
    """`read(recipe)`: rows of a recipe, whose paths begin where the repository does."""
    monkeypatch.chdir(TRAINING.parent)

    def read(recipe, **options):
        path = tmp_path / "ablations.json"
        path.write_text(json.dumps(recipe))
        options = {"data_dir": "training", "eval_dir": "e", "classifier": "j", "output_dir": "runs/a", **options}
        return ablations.read_recipe(ablations.AblationsConfig(recipe=str(path), **options))

    return read


def recipe_that_comes_along():
    return json.loads(RECIPE.read_text())


def test_rows_of_the_recipe_differ_from_their_baseline_in_what_they_name(read):
    recipe = recipe_that_comes_along()
    cache, rows = read(recipe)
    assert cache == recipe["cache"]
    assert len(rows) == 11 + 4
    baselines = {row.group: asdict(row.training) for row in rows if row.name == "baseline"}
    for row in rows:
        options, baseline = asdict(row.training), baselines[row.group]
        differing = {name for name, value in options.items() if value != baseline[name]}
        assert differing == {*row.options, *(["output_dir"] if row.name != "baseline" else [])}, row
        assert options["output_dir"] == f"runs/a/{row}" and options["cache_dir"] == "runs/a/cache"
    assert {group: options["max_train_steps"] for group, options in baselines.items()} == {
        "student": 400,
        "teacher": 1200,
    }
    # All else is the embedded model's.
    for group, options in baselines.items():
        described = recipe["groups"][group]
        expected = {**json.loads((TRAINING.parent / described["recipe"]).read_text()), **described["options"]}
        assert {name: options[name] for name, value in expected.items() if value is not None} == {
            name: value for name, value in expected.items() if value is not None
        }


def test_transformers_of_the_recipe_are_of_one_size():
    rows = json.loads(RECIPE.read_text())["groups"]["teacher"]["rows"]
    with torch.device("meta"):
        sizes = {
            name: LLaMATransformer1DModel(
                in_channels=20, cross_attention_dim=256, **row["options"].get("transformer_config", DEFAULT)
            ).num_parameters()
            for name, row in rows.items()
        }
    # Tables of positions and biases of norms come on top; a GELU's two matrices are as large as a SwiGLU's three.
    assert sizes["gelu"] == sizes["baseline"]
    assert sizes["learned-positions"] == sizes["baseline"] + 156 * 256
    assert sizes["layer-norm"] - sizes["baseline"] < 1e-3 * sizes["baseline"]


def test_an_object_reaches_the_script_as_json(read):
    _, rows = read(recipe_that_comes_along())
    (row,) = (row for row in rows if str(row) == "teacher/learned-positions")
    assert json.loads(row.training.transformer_config) == row.options["transformer_config"]


def put(recipe, path, value):
    *folders, name = path
    for folder in folders:
        recipe = recipe[folder]
    recipe[name] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("student", "rows", "k-20", "options"),
            {"num_solver_step": 1},
            "student/k-20: .* no option 'num_solver_step'",
        ),
        (("student", "rows", "k-20", "options"), {"num_solver_steps": 0}, "student/k-20: Expected num_solver_steps"),
        (("student", "rows", "k-20", "options"), {"num_solver_steps": "x"}, "student/k-20: .* does not take"),
        (
            ("student", "rows", "k-20", "options"),
            {"max_train_steps": 9},
            "student/k-20: all rows .* max_train_steps=9",
        ),
        (("student", "rows", "k-20", "options"), {"output_dir": "x"}, "output_dir is decided by the command, got 'x'"),
        (("student", "rows", "k-20", "options"), {}, "the first row .* got {} in 'student/k-20'"),
        (("student", "rows", "baseline", "options"), {"w_max": 9}, "got {'w_max': 9} in 'student/baseline'"),
        (
            ("student", "options"),
            {"max_train_steps": 4},
            "duration_shares is decided by the cache, got '0.1,0.3,0.5,0.1'",
        ),
        (("student", "evaluation", "num_inference_steps"), 1.5, "a whole number above 0, got 1.5"),
        (("student", "evaluation", "num_inference_steps"), 6, "k-200: .* num_solver_timesteps=5 cannot take .*=6"),
        (("student", "evaluation", "audio_length_in_s"), 0, "a number above 0, got 0"),
        (("student", "rows"), {}, "the rows of 'student' to be an object with something in it, got {}"),
        (("student", "script"), "train_nothing.py", "no training script .*train_nothing.py"),
        (("student", "recipe"), "lost.json", "no file of options 'lost.json'"),
        (("student", "row"), {}, "'student' to have script, recipe, .* got .*row"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(read, path, value, message):
    recipe = recipe_that_comes_along()
    del recipe["groups"]["teacher"]
    put(recipe["groups"], path, value)
    with pytest.raises(ValueError, match=message):
        read(recipe)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Expected data_dir"),
        ({"data_dir": "nowhere"}, "no clips to train on in 'nowhere'"),
        ({"evaluate_only": True, "only": ["student"]}, r"only=\['student'\]"),
        ({"evaluate_only": True, "num_resamples": 0}, "num_resamples >= 1, got 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(ablations, options, message):
    with pytest.raises(ValueError, match=message):
        ablations.AblationsConfig(eval_dir="e", classifier="j", output_dir="o", **options)


def test_only_names_groups_and_rows(ablations, read):
    _, rows = read(recipe_that_comes_along())
    chosen = ablations.chosen_rows(rows, ["teacher", "student/k-50"])
    assert list(map(str, chosen)) == [
        "student/k-50",
        "teacher/baseline",
        "teacher/learned-positions",
        "teacher/gelu",
        "teacher/layer-norm",
    ]
    assert ablations.chosen_rows(rows, None) == rows
    with pytest.raises(ValueError, match="student/baseline, .*got 'k-50'"):
        ablations.chosen_rows(rows, ["k-50"])


def test_a_script_is_stopped_with_the_command(ablations, tmp_path):
    script, started, saved = (tmp_path / name for name in ("script.py", "started", "saved"))
    script.write_text(
        "import pathlib, signal, sys, time\n"
        "def stop(number, frame):\n"
        "    pathlib.Path(sys.argv[2]).touch()\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(60)\n"
    )

    def ask_to_stop():
        while not started.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    asking = threading.Thread(target=ask_to_stop, daemon=True)
    asking.start()
    with pytest.raises(SystemExit, match="143"):
        ablations.run_script(script, [str(started), str(saved)], "The training of a row")
    asking.join()
    assert saved.exists() and signal.getsignal(signal.SIGTERM) is before


def test_a_script_that_fails_is_named(ablations, tmp_path):
    (tmp_path / "script.py").write_text("raise SystemExit(3)")
    with pytest.raises(RuntimeError, match="The training of student/l2 ended with status 3"):
        ablations.run_script(tmp_path / "script.py", [], "The training of student/l2")


@pytest.fixture
def eval_dir(tmp_path):
    folder = tmp_path / "validation"
    folder.mkdir()
    seconds = torch.arange(8000) / 16000
    generator = torch.Generator().manual_seed(0)
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "caption"])
        for index in range(2):
            write_audio(folder / f"tone{index}.wav", 0.3 * torch.sin(2 * math.pi * (400 + 100 * index) * seconds))
            write_audio(folder / f"noise{index}.wav", 0.1 * torch.randn(8000, generator=generator))
            writer.writerows([[f"tone{index}.wav", "a tone"], [f"noise{index}.wav", "a noise"]])
    return folder


def test_two_rows_from_training_to_table(ablations, trained, data_dir, eval_dir, tmp_path, capsys):
    torch.manual_seed(0)
    make_judge(["a noise", "a tone"], num_frames=16, widths=(8, 8, 8, 8)).save_pretrained(tmp_path / "judge")
    options = distillation_options(trained, data_dir, "decided by the command")
    for name in ("data_dir", "output_dir", "durations_s", "duration_shares"):
        del options[name]
    options = {name: str(value) for name, value in options.items()}
    (tmp_path / "student.json").write_text(json.dumps({**options, "max_train_steps": 9, "seconds_per_batch": 0.512}))
    recipe = {
        "cache": {
            "pipeline_dir": str(trained / "teacher/model"),
            "durations_s": "0.256",
            "duration_shares": "1",
            "examples_per_clip": 2,
        },
        "groups": {
            "student": {
                "script": "train_audiolcm_distill.py",
                "recipe": str(tmp_path / "student.json"),
                "options": {"max_train_steps": 2},
                "evaluation": {"num_inference_steps": 2, "guidance_scale": 5.0, "audio_length_in_s": 0.256},
                "rows": {
                    "baseline": {"label": "as it is", "options": {}},
                    "l2": {"label": "squared loss", "options": {"loss_type": "l2"}},
                    "ddim": {"label": "two steps", "options": {"num_solver_steps": 2}},
                },
            }
        },
    }

    def run(**more):
        (tmp_path / "ablations.json").write_text(json.dumps(recipe))
        config = ablations.AblationsConfig(
            recipe=str(tmp_path / "ablations.json"),
            eval_dir=str(eval_dir),
            classifier=str(tmp_path / "judge"),
            output_dir=str(tmp_path / "out"),
            num_resamples=5,
            allow_singular=True,
            **more,
        )
        ablations.main(config)
        return ablations.read_recipe(config)[1]

    with pytest.raises(ValueError, match="No row .* is finished"):
        run(evaluate_only=True)
    # One row by the command, with the cache; another by its script, as the command would run it.
    rows = run(data_dir=str(data_dir), only=["student/l2"])
    script = load_script("train_audiolcm_distill")
    script.main(parse_config(script.DistillationConfig, rows[0].flags))
    logs = [tmp_path / f"out/student/{name}/log.jsonl" for name in ("baseline", "l2")]
    kept = [*logs, logs[1].with_name("results.json")]
    before = [path.stat().st_mtime_ns for path in kept]
    # What is finished is neither trained nor judged again.
    run(data_dir=str(data_dir), only=["student/baseline", "student/l2"])
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert json.loads((tmp_path / "out/student/l2/config.json").read_text())["loss_type"] == "l2"

    (group,) = json.loads((tmp_path / "out/ablations.json").read_text())["groups"].values()
    assert [row["name"] for row in group["rows"]] == ["baseline", "l2"] and group["missing"] == ["ddim"]
    assert group["budget"] == {"max_train_steps": 2, "seconds_per_batch": 0.512, "gradient_accumulation_steps": 1}
    for row in group["rows"]:
        assert row["metrics"].keys() == {"fad", "kad", "kl", "is", "acc", "diversity"}
        assert all(estimate["low"] <= estimate["high"] for estimate in row["metrics"].values())
    table = (tmp_path / "out/ablations.md").read_text()
    assert "`train_audiolcm_distill.py`, 2 steps of 0.512 s of sound for every row" in table
    assert "\n| | FAD ↓ | KAD ↓ | KL ↓ | IS ↑ | acc ↑ | diversity |\n" in table
    assert "\n| l2: squared loss | " in table
    assert "Judged with 2 steps, guidance scale 5." in table and "Not trained yet: ddim." in table

    capsys.readouterr()
    assert audiolcm(["evaluate", "--compare", *(str(path.parent) for path in logs)]) == 0
    assert "| model, 2 steps, scale 5 | FAD ↓ |" in capsys.readouterr().out

    # One that diverged does not keep the others from being judged.
    weights = tmp_path / "out/student/l2/model/transformer/diffusion_pytorch_model.safetensors"
    save_file({name: weight * math.nan for name, weight in load_file(weights).items()}, weights)
    with pytest.raises(RuntimeError, match="student/l2 cannot be judged: .* NaN"):
        run(evaluate_only=True)
    table = (tmp_path / "out/ablations.md").read_text()
    assert "| baseline: as it is |" in table and "| l2" not in table and "\nstudent/l2 cannot be judged: " in table

    # A finished row is not taken for one of other options.
    recipe["groups"]["student"]["rows"]["l2"]["options"] = {"huber_c": 0.5}
    with pytest.raises(ValueError, match="student/l2: .* trained with loss_type='l2', .* says 'pseudo_huber'"):
        run(evaluate_only=True)

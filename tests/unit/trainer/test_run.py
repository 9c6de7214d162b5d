# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from audiolcm_diffusers.trainer import CaptionedRunConfig, TrainingRun
from audiolcm_diffusers.trainer.checkpoints import checkpoint_names
from audiolcm_diffusers.trainer.run import Due, due_after, seeded_generator


def train(config, after=lambda run: None):
    """Three numbers that run after random targets: everything that a checkpoint has to bring back takes part."""
    run = TrainingRun(config)
    model = torch.nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    optimizer = run.optimizer(model.parameters())
    averaged = run.averaged(model)
    model, optimizer = run.accelerator.prepare(model, optimizer)
    run.resume()
    while run.step < config.max_train_steps:
        target = torch.randn(3, generator=run.step_generator())
        loss = (model.weight - target).square().mean()
        run.accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        run.after_step(loss=loss)
        after(run)
    return model.weight.detach(), averaged.weight


def test_a_resumed_run_repeats_an_uninterrupted_one(make_options, tmp_path):
    weight, averaged = train(make_options(max_train_steps=6, checkpointing_steps=2, checkpoints_total_limit=9))
    resumed, resumed_averaged = train(
        make_options(max_train_steps=6, resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    )
    assert torch.equal(resumed, weight) and torch.equal(resumed_averaged, averaged)
    assert not torch.equal(averaged, weight)


def test_the_log_tells_rates_and_speed(make_options, tmp_path):
    # Two steps of warm-up from 0, then half a cosine over the other two: 0, 1/2, 1, (1 + cos(pi / 2)) / 2.
    train(make_options(max_train_steps=4, warmup_steps=2, learning_rate=0.1))
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == [0.0, 0.05, 0.1, 0.05]
    assert "eta_s" not in lines[0] and lines[-1]["eta_s"] == 0 and lines[-1]["steps_per_s"] > 0


def test_latest_is_the_highest_step_and_old_checkpoints_go(make_options, tmp_path):
    train(make_options(max_train_steps=12, checkpointing_steps=2, checkpoints_total_limit=2))
    assert sorted(checkpoint_names(tmp_path / "run")) == ["checkpoint-10", "checkpoint-12"]
    config = make_options(max_train_steps=13, resume_from_checkpoint="latest")
    train(config)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [*range(1, 13), 13]


def test_latest_without_a_checkpoint_starts_anew(make_options, tmp_path):
    train(make_options(max_train_steps=1, resume_from_checkpoint="latest"))
    assert (tmp_path / "run" / "checkpoint-1").is_dir()


def test_a_folder_with_another_run_is_refused(make_options, tmp_path):
    train(make_options(max_train_steps=2))
    with pytest.raises(
        ValueError, match="no other run, got .*run' with checkpoint-2.*--resume_from_checkpoint latest"
    ):
        TrainingRun(make_options())
    assert json.loads((tmp_path / "run" / "config.json").read_text())["max_train_steps"] == 2


def test_a_loss_that_is_not_finite_names_its_clips_and_keeps_the_last_checkpoint(make_options, tmp_path):
    run = TrainingRun(make_options(max_train_steps=9, checkpointing_steps=3, logging_steps=4))
    for _ in range(4):
        run.after_step(names=["good.wav"], loss=torch.tensor(1.0))
    run.after_step(names=["bad.wav", "loud.wav"], loss=torch.tensor(float("nan")))
    with pytest.raises(FloatingPointError, match="step 5 is nan. The batch: bad.wav, loud.wav. .* checkpoint-3"):
        run.after_step(names=["good.wav"], loss=torch.tensor(1.0))
    assert checkpoint_names(tmp_path / "run") == ["checkpoint-3"]


def test_sigterm_saves_and_the_run_goes_on_from_there(make_options, tmp_path):
    weight, averaged = train(make_options(output_dir=str(tmp_path / "whole"), max_train_steps=6))

    def terminate(run):
        if run.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        train(make_options(max_train_steps=6), after=terminate)
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == handler
    assert checkpoint_names(tmp_path / "run") == ["checkpoint-3"]
    resumed, resumed_averaged = train(make_options(max_train_steps=6, resume_from_checkpoint="latest"))
    assert torch.equal(resumed, weight) and torch.equal(resumed_averaged, averaged)


def test_a_run_stopped_before_its_first_checkpoint_starts_anew(make_options, tmp_path):
    (tmp_path / "run" / "checkpoint-final").mkdir(parents=True)
    (tmp_path / "run" / "log.jsonl").write_text('{"loss": 7.0, "step": 1}\n{"loss": 7.0, "st')
    train(make_options(max_train_steps=2, resume_from_checkpoint="latest"))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 2] and log[0]["loss"] != 7.0


@pytest.mark.parametrize("name", ["checkpoint-4", "checkpoint-final"])
def test_a_checkpoint_that_is_none_is_quoted(make_options, tmp_path, name):
    (tmp_path / "run" / "checkpoint-final").mkdir(parents=True)
    with pytest.raises(ValueError, match=f"got .*{name}"):
        train(make_options(resume_from_checkpoint=str(tmp_path / "run" / name)))


def test_the_draws_of_a_step_depend_on_seed_and_step_alone(make_options):
    def draws(seed, step):
        run = TrainingRun(make_options(seed=seed))
        run.step = step
        return torch.randn(4, generator=run.step_generator())

    assert torch.equal(draws(1, 5), draws(1, 5))
    assert not torch.equal(draws(1, 5), draws(1, 6)) and not torch.equal(draws(1, 5), draws(2, 5))


def test_the_average_follows_its_own_rate(make_options):
    run = TrainingRun(make_options(max_train_steps=9))
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    average = run.averaged(model, decay=0.75)
    with torch.no_grad():
        model.weight.fill_(1.0)
    run.after_step()
    assert average.weight.item() == 0.25


def test_without_trackers_there_is_the_log_alone(make_options, tmp_path):
    train(make_options(max_train_steps=1, report_to="none"))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        ".lock",
        "checkpoint-1",
        "config.json",
        "log.jsonl",
    ]


def test_fsdp_that_would_not_be_one_is_refused(make_options, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="FSDP was asked for, .* this would be NO"):
        TrainingRun(make_options())


def test_accumulation_by_the_launcher_is_refused(make_options, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    with pytest.raises(ValueError, match="got 4 from it and 1 as the option"):
        TrainingRun(make_options())
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_goes_on_at_its_own_rate(make_options, tmp_path):
    options = {"warmup_steps": 2, "checkpointing_steps": 2, "max_train_steps": 4}
    train(make_options(**options, learning_rate=0.1))
    resume = {"resume_from_checkpoint": str(tmp_path / "run/checkpoint-2")}
    train(make_options(**options, **resume, learning_rate=0.5))
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    # As above, of 0.1 before the checkpoint and of 0.5 after it.
    assert [line["lr"] for line in lines] == [0.0, 0.05, 0.5, 0.25]
    assert json.loads((tmp_path / "run/config.json").read_text())["learning_rate"] == 0.5


def test_a_resume_that_fails_changes_nothing(make_options, tmp_path):
    train(make_options(max_train_steps=4, report_to="none", checkpointing_steps=2))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="was trained with seed=0, got 1"):
        train(
            make_options(
                max_train_steps=4, report_to="none", seed=1, resume_from_checkpoint=str(tmp_path / "run/checkpoint-2")
            )
        )
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_going_back_leaves_what_was_beyond_aside(make_options, tmp_path):
    options = {"checkpointing_steps": 2, "checkpoints_total_limit": 3, "max_train_steps": 6}
    train(make_options(**options))
    resumed = make_options(
        **{**options, "max_train_steps": 4}, resume_from_checkpoint=str(tmp_path / "run/checkpoint-2")
    )
    train(resumed)
    assert sorted(checkpoint_names(tmp_path / "run")) == ["checkpoint-2", "checkpoint-4"]
    assert sorted(path.name for path in (tmp_path / "run/superseded").iterdir()) == ["checkpoint-4", "checkpoint-6"]


def test_two_runs_do_not_share_a_folder(make_options, tmp_path):
    code = (
        "import sys, time; from audiolcm_diffusers.files import locked\n"
        "with locked(sys.argv[1], 'It'): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(ValueError, match="Another run is writing into '.*run': wait for its end"):
            train(make_options(max_train_steps=1))
        # However a process ends, its lock ends with it.
        other.kill()
        other.wait()
        train(make_options(max_train_steps=1))


def test_what_is_due_after_a_step(make_options):
    options = make_options(max_train_steps=7, logging_steps=2, checkpointing_steps=3)
    due = [due_after(step, options) for step in range(1, 8)]
    assert [step for step, each in enumerate(due, start=1) if each.logs] == [2, 4, 6]
    assert [step for step, each in enumerate(due, start=1) if each.saves] == [3, 6, 7]
    # Without validation there is none at the end either.
    assert due[-1] == Due(ends=True, logs=False, saves=True, validates=False)
    assert not any(each.ends or each.validates for each in due[:-1])


@pytest.mark.parametrize(("every", "steps"), [(0, []), (3, [3, 6, 7]), (9, [7])])
def test_validation_is_due_at_the_end_too(every, steps):
    options = CaptionedRunConfig(data_dir="data", output_dir="run", max_train_steps=7, validation_steps=every)
    assert [step for step in range(1, 8) if due_after(step, options).validates] == steps


def test_seed_step_and_example_are_no_sum():
    # Of numbers up to 5 each triple draws something else, and the same again.
    triples = [(seed, step, example) for seed in range(5) for step in range(5) for example in range(5)]
    drawn = [torch.rand((), generator=seeded_generator(*triple)).item() for triple in triples]
    assert len(set(drawn)) == 125
    assert drawn == [torch.rand((), generator=seeded_generator(*triple)).item() for triple in triples]


def test_two_batches_of_a_step_draw_what_one_of_twice_the_size_does(make_options, tmp_path):
    def states(name, sizes):
        run = TrainingRun(make_options(output_dir=str(tmp_path / name), gradient_accumulation_steps=len(sizes)))
        numbers = []
        for size in sizes:
            with run.accelerator.accumulate():
                numbers += [torch.rand((), generator=generator).item() for generator in run.example_generators(size)]
                run.after_step()
        assert run.step == 1
        return numbers

    halves, whole = states("halves", [2, 2]), states("whole", [4])
    assert halves == whole and len(set(whole)) == 4

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import os
import pickle

import pytest
import torch
import torch.distributed.checkpoint

from audiolcm_diffusers.trainer.checkpoint_manifest import refuse_changed_options, write_manifest
from audiolcm_diffusers.trainer.checkpoint_states import check_states
from audiolcm_diffusers.trainer.checkpoints import (
    checkpoint_names,
    checkpoint_to_resume,
    checkpoints_to_remove,
    load_checkpoint,
    newest_checkpoint,
    refuse_another_run,
    save_checkpoint,
    set_aside,
)


def test_checkpoints_to_remove_counts_by_number():
    names = ["checkpoint-900", "checkpoint-1000", "checkpoint-50"]
    assert checkpoints_to_remove(names, 2) == ["checkpoint-50"]
    assert checkpoints_to_remove(names, 3) == []


def test_names_are_those_of_whole_checkpoints(tmp_path):
    assert checkpoint_names(tmp_path / "nowhere") == [] and newest_checkpoint(tmp_path / "nowhere") is None
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-final", ".checkpoint-11.partial"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-12").touch()
    assert sorted(checkpoint_names(tmp_path)) == ["checkpoint-10", "checkpoint-9"]
    assert newest_checkpoint(tmp_path) == "checkpoint-10"


def write_checkpoint(folder, step=0, options=None):
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"abc")
    write_manifest(folder, step, options or {})


def test_a_run_goes_on_from_the_latest_or_from_what_is_named(tmp_path):
    assert checkpoint_to_resume("latest", tmp_path) is None
    for name in ("run/checkpoint-9", "run/checkpoint-10", "other/checkpoint-3"):
        write_checkpoint(tmp_path / name)
    assert checkpoint_to_resume("latest", tmp_path / "run") == tmp_path / "run/checkpoint-10"
    named = str(tmp_path / "other/checkpoint-3")
    assert checkpoint_to_resume(named, tmp_path / "run") == tmp_path / "other/checkpoint-3"
    for wrong in ("newest", str(tmp_path / "run"), str(tmp_path / "run/checkpoint-8")):
        with pytest.raises(ValueError, match=f'"latest" or a folder `checkpoint-<step>`, got {wrong!r}'):
            checkpoint_to_resume(wrong, tmp_path / "run")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "weights").unlink(), "it lacks 'weights'"),
        (lambda folder: (folder / "weights").write_bytes(b"ab"), "'weights' is not as it was saved"),
        (lambda folder: (folder / "weights").write_bytes(b"abd"), "'weights' is not as it was saved"),
        (lambda folder: (folder / "run.json").unlink(), "its run.json cannot be read"),
        (lambda folder: (folder / "run.json").write_text("[]"), "its run.json cannot be read"),
        (lambda folder: (folder / "pytorch_model.bin").touch(), "'pytorch_model.bin', which was not saved with it"),
    ],
)
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_taken(tmp_path, caplog, damage, told):
    for step in (2, 4):
        write_checkpoint(tmp_path / f"checkpoint-{step}", step)
    (tmp_path / "checkpoint-4/note.txt").touch()  # is nobody's state
    assert checkpoint_to_resume("latest", tmp_path) == tmp_path / "checkpoint-4"
    damage(tmp_path / "checkpoint-4")
    assert checkpoint_to_resume("latest", tmp_path) == tmp_path / "checkpoint-2"
    assert told in caplog.text and "Going on from checkpoint-2." in caplog.text
    with pytest.raises(ValueError, match=told):
        checkpoint_to_resume(str(tmp_path / "checkpoint-4"), tmp_path)
    damage(tmp_path / "checkpoint-2")
    with pytest.raises(ValueError, match=f"checkpoint-4.*{told}.*checkpoint-2.*{told}"):
        checkpoint_to_resume("latest", tmp_path)


def test_what_lies_beyond_is_set_aside(tmp_path):
    for _ in range(2):
        for step in (2, 4, 10):
            if not (tmp_path / f"checkpoint-{step}").exists():
                write_checkpoint(tmp_path / f"checkpoint-{step}")
        set_aside(tmp_path, 2)
        assert checkpoint_names(tmp_path) == ["checkpoint-2"]
    names = sorted(path.name for path in (tmp_path / "superseded").iterdir())
    assert names == ["checkpoint-10", "checkpoint-10.2", "checkpoint-4", "checkpoint-4.2"]


def test_only_what_says_how_a_run_goes_may_change(tmp_path):
    saved = {"seed": 0, "data_dir": ["a", "b"], "learning_rate": 0.1, "max_train_steps": 5}
    refuse_changed_options(tmp_path, saved, {**saved, "learning_rate": 0.2, "max_train_steps": 9, "later": 1})
    for changed, told in (
        ({"seed": 1}, "seed=0, got 1"),
        ({"data_dir": "a"}, "data_dir=.'a', 'b'., got 'a'"),
        ({"seed": 1, "data_dir": "a"}, "data_dir=.*; seed=0, got 1.*--resume_with_changed data_dir seed"),
    ):
        with pytest.raises(ValueError, match=f"was trained with {told}"):
            refuse_changed_options(tmp_path, saved, {**saved, **changed})
        refuse_changed_options(tmp_path, saved, {**saved, **changed}, allowed=["seed", "data_dir"])


class Evil:
    """Runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "name",
    [
        "random_states_0.pkl",
        "optimizer.bin",
        "scheduler.bin",
        "scaler.pt",
        "pytorch_model.bin",
        "custom_checkpoint_0.pkl",
        "custom_checkpoint_2.pkl",
        "optimizer_0/.metadata",
    ],
)
@pytest.mark.parametrize("as_torch_saves", [True, False])
def test_nothing_in_a_checkpoint_is_run(accelerator, tmp_path, name, as_torch_saves):
    accelerator.prepare(torch.nn.Linear(1, 1))
    save_checkpoint(accelerator, tmp_path, 1, keep=1)
    folder = tmp_path / "checkpoint-1"
    (folder / name).parent.mkdir(exist_ok=True)
    if as_torch_saves:
        torch.save({"state": Evil(tmp_path / "ran")}, tmp_path / "evil")
        os.replace(tmp_path / "evil", folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    # Whoever can write it can write the manifest, too.
    write_manifest(folder, 1, {})
    with pytest.raises(ValueError, match=name):
        load_checkpoint(accelerator, checkpoint_to_resume("latest", tmp_path))
    assert not (tmp_path / "ran").exists()


def test_the_metadata_of_shards_are_read_of_their_own_classes(accelerator, tmp_path):
    accelerator.prepare(torch.nn.Linear(1, 1))
    save_checkpoint(accelerator, tmp_path, 1, keep=1)
    torch.distributed.checkpoint.save(
        {"weight": torch.zeros(3)}, checkpoint_id=tmp_path / "checkpoint-1/shards", no_dist=True
    )
    assert (tmp_path / "checkpoint-1/shards/.metadata").is_file()
    check_states(tmp_path / "checkpoint-1", 0)


def test_random_numbers_that_are_missing_or_broken_are_an_error(accelerator, tmp_path):
    accelerator.prepare(torch.nn.Linear(1, 1))
    save_checkpoint(accelerator, tmp_path, 1, keep=1)
    states = tmp_path / "checkpoint-1/random_states_0.pkl"
    check_states(tmp_path / "checkpoint-1", 0)
    with pytest.raises(ValueError, match="random numbers of process 1: go on with as many processes"):
        check_states(tmp_path / "checkpoint-1", 1)
    torch.save({"step": 1}, states)
    with pytest.raises(ValueError, match="random_states_0.pkl' holds no random numbers"):
        check_states(tmp_path / "checkpoint-1", 0)
    states.write_bytes(b"garbage")
    with pytest.raises(ValueError, match="random_states_0.pkl' is damaged"):
        check_states(tmp_path / "checkpoint-1", 0)
    states.unlink()
    with pytest.raises(ValueError, match="has no 'random_states_0.pkl'"):
        check_states(tmp_path / "checkpoint-1", 0)


@pytest.mark.parametrize(("held", "told"), [("checkpoint-4/state", "checkpoint-4"), ("log.jsonl", "log.jsonl")])
def test_a_folder_of_another_run_is_refused_by_what_it_holds(tmp_path, held, told):
    refuse_another_run(tmp_path / "run")
    (tmp_path / "run" / held).parent.mkdir(parents=True)
    (tmp_path / "run" / held).touch()
    with pytest.raises(ValueError, match=f"got {str(tmp_path / 'run')!r} with {told}: "):
        refuse_another_run(tmp_path / "run")


def test_a_state_is_saved_whole_and_loaded_with_its_step(accelerator, tmp_path):
    model = torch.nn.Linear(1, 1, bias=False)
    accelerator.prepare(model)
    (tmp_path / ".checkpoint-7.partial").mkdir()  # of a run that was killed while it saved
    (tmp_path / ".checkpoint-7.partial/half").touch()
    for step in (5, 6, 7):
        with torch.no_grad():
            model.weight.fill_(step)
        save_checkpoint(accelerator, tmp_path, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-6", "checkpoint-7"]
    assert not (tmp_path / "checkpoint-7/half").exists()
    assert load_checkpoint(accelerator, tmp_path / "checkpoint-6") == 6 and model.weight.item() == 6.0


def test_shards_are_not_loaded_as_a_whole_state(accelerator, tmp_path):
    (tmp_path / "checkpoint-4/pytorch_model_fsdp_0").mkdir(parents=True)
    with pytest.raises(ValueError, match="saved without FSDP, got .*checkpoint-4"):
        load_checkpoint(accelerator, tmp_path / "checkpoint-4")

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.

import pytest
import torch

from audiolcm_diffusers.trainer import save_folder
from audiolcm_diffusers.trainer.checkpoints import (
    checkpoint_names,
    checkpoint_to_resume,
    checkpoints_to_remove,
    load_checkpoint,
    newest_checkpoint,
    refuse_another_run,
    save_checkpoint,
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


def test_a_run_goes_on_from_the_latest_or_from_what_is_named(tmp_path):
    assert checkpoint_to_resume("latest", tmp_path) is None
    for name in ("run/checkpoint-9", "run/checkpoint-10", "other/checkpoint-3"):
        (tmp_path / name).mkdir(parents=True)
    assert checkpoint_to_resume("latest", tmp_path / "run") == tmp_path / "run/checkpoint-10"
    named = str(tmp_path / "other/checkpoint-3")
    assert checkpoint_to_resume(named, tmp_path / "run") == tmp_path / "other/checkpoint-3"
    for wrong in ("newest", str(tmp_path / "run"), str(tmp_path / "run/checkpoint-8")):
        with pytest.raises(ValueError, match=f'"latest" or a folder `checkpoint-<step>`, got {wrong!r}'):
            checkpoint_to_resume(wrong, tmp_path / "run")


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


def test_a_failed_save_leaves_the_old_folder(tmp_path):
    save_folder(lambda path: (path / "weights").write_text("old"), tmp_path / "model")

    def fail(path):
        (path / "weights").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        save_folder(fail, tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "old"
    save_folder(lambda path: (path / "weights").write_text("new"), tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

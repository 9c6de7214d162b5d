# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import shutil

import pytest
import torch

from audiolcm_diffusers import AudioLCMPipeline
from audiolcm_diffusers.pipelines.loading import check_pipeline_folder
from audiolcm_diffusers.pipelines.shared_parts import leave_out_shared_parts


@pytest.fixture
def folders(tmp_path, make_pipeline, make_llama_transformer):
    """A student and a teacher of the same parts but for the transformer."""
    student = make_pipeline()
    student.save_pretrained(tmp_path / "student")
    teacher = make_pipeline(transformer=make_llama_transformer(num_layers=1))
    for name in ("vae", "vocoder", "text_encoder", "text_encoder_2", "projection_model"):
        if getattr(student, name) is not None:
            getattr(teacher, name).load_state_dict(getattr(student, name).state_dict())
    teacher.save_pretrained(tmp_path / "teacher")
    return tmp_path / "student", tmp_path / "teacher"


def rewrite(folder, **values):
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_shared_parts_are_kept_once_and_loaded_from_beside(folders, tmp_path):
    student, teacher = folders
    whole = AudioLCMPipeline.from_pretrained(teacher)
    removed = leave_out_shared_parts(teacher, student)
    assert {"vae", "vocoder", "scheduler"} <= set(removed) and "transformer" not in removed
    assert not any((teacher / name).exists() for name in removed)

    check_pipeline_folder(teacher)
    loaded = AudioLCMPipeline.from_pretrained(teacher)
    for name, component in whole.components.items():
        if isinstance(component, torch.nn.Module):
            for key, value in component.state_dict().items():
                assert torch.equal(value, getattr(loaded, name).state_dict()[key]), (name, key)
    assert type(loaded.scheduler) is type(whole.scheduler)

    # What is saved anew is whole.
    loaded.save_pretrained(tmp_path / "elsewhere" / "teacher")
    assert "_shared_with" not in (tmp_path / "elsewhere" / "teacher" / "model_index.json").read_text()
    AudioLCMPipeline.from_pretrained(tmp_path / "elsewhere" / "teacher")


def test_components_that_are_given_are_not_looked_for_beside(folders):
    student, teacher = folders
    leave_out_shared_parts(teacher, student)
    vae = AudioLCMPipeline.from_pretrained(student).vae
    assert AudioLCMPipeline.from_pretrained(teacher, vae=vae).vae is vae


def test_a_part_that_differs_is_kept(folders):
    student, teacher = folders
    config = teacher / "vocoder" / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | {"_name_or_path": "runs/vocoder"}))
    assert "vocoder" in leave_out_shared_parts(teacher, student)

    student_config = student / "vae" / "config.json"
    student_config.write_text(json.dumps(json.loads(student_config.read_text()) | {"scaling_factor": 0.5}))
    shutil.copytree(student / "vae", teacher / "vae", dirs_exist_ok=True)
    (teacher / "vae" / "config.json").write_text(
        json.dumps(json.loads(student_config.read_text()) | {"scaling_factor": 0.25})
    )
    assert "vae" not in leave_out_shared_parts(teacher, student)


@pytest.mark.parametrize("beside", ["", ".", "..", "../student", "/student", "a/b", 3, ["student"]])
def test_only_a_folder_beside_it_is_read(folders, beside):
    student, teacher = folders
    leave_out_shared_parts(teacher, student)
    rewrite(teacher, _shared_with=beside)
    with pytest.raises(ValueError, match="to be the name of a folder beside it, got"):
        AudioLCMPipeline.from_pretrained(teacher)
    with pytest.raises(ValueError, match="to be the name of a folder beside it, got"):
        check_pipeline_folder(teacher)


def test_without_the_folder_beside_it_the_message_says_what_to_do(folders):
    student, teacher = folders
    leave_out_shared_parts(teacher, student)
    student.rename(student.parent / "pupil")
    with pytest.raises(ValueError, match="shares parts with the folder 'student' .*keep the two side by side"):
        AudioLCMPipeline.from_pretrained(teacher)

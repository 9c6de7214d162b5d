# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from diffusers import DDIMScheduler


@pytest.fixture
def model(make_pipeline, tmp_path):
    """Folder of a student that makes 0.3 s by default."""
    make_pipeline(default_audio_length_in_s=0.3).save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def teacher(make_pipeline, make_llama_transformer, tmp_path):
    """Folder of a teacher."""
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    make_pipeline(transformer=transformer, scheduler=DDIMScheduler()).save_pretrained(tmp_path / "teacher")
    return str(tmp_path / "teacher")

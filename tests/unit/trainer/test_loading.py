# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers import BigVGANVocoder, GriffinLimVocoder, VocosVocoder
from audiolcm_diffusers.trainer import load_vocoder, saved_config


def test_a_vocoder_of_any_kind_is_loaded_and_nothing_else(make_vocoder, make_vocos, make_vae, tmp_path):
    vocoders = {BigVGANVocoder: make_vocoder(), VocosVocoder: make_vocos(), GriffinLimVocoder: GriffinLimVocoder()}
    for kind, vocoder in vocoders.items():
        vocoder.save_pretrained(tmp_path / kind.__name__)
        assert type(load_vocoder(str(tmp_path / kind.__name__))) is kind
    make_vae().save_pretrained(tmp_path / "vae")
    with pytest.raises(ValueError, match=r"a vocoder in '.*vae', got a AutoencoderKLMel1D"):
        load_vocoder(str(tmp_path / "vae"))


def test_a_saved_pipeline_tells_of_its_parts_without_being_loaded(make_pipeline, tmp_path):
    make_pipeline().save_pretrained(tmp_path / "pipeline")
    assert saved_config(tmp_path / "pipeline", "transformer")["time_cond_proj_dim"] == 256
    assert saved_config(str(tmp_path / "pipeline"), "scheduler")["num_train_timesteps"] == 1000
    assert saved_config(tmp_path / "pipeline", "image_encoder") == saved_config("owner/pipeline", "scheduler") == {}

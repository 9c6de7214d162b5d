# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest

from audiolcm_diffusers import AudioLCMPipeline
from audiolcm_diffusers.pipelines.model_options import ModelOptions


OPTIONS = {
    "default_audio_length_in_s": 0.25,
    "max_audio_length_in_s": 3.0,
    "fade_s": 0.01,
    "default_num_inference_steps": 3,
    "default_guidance_scale": 2.5,
    "window_length_in_s": 1.0,
    "window_overlap_in_s": 0.3,
}


def test_a_pipeline_of_the_parts_of_another_has_its_options(make_components, make_llama_transformer, tmp_path):
    pipe = AudioLCMPipeline(**make_components(), **OPTIONS)
    assert AudioLCMPipeline(**pipe.components).options == OPTIONS
    # What is said counts; what is left open stays.
    again = AudioLCMPipeline(**pipe.components, fade_s=0.0)
    assert again.options == {**OPTIONS, "fade_s": 0.0}

    pipe.save_pretrained(tmp_path)
    loaded = AudioLCMPipeline.from_pretrained(tmp_path)
    assert loaded.options == OPTIONS == AudioLCMPipeline(**loaded.components).options
    assert AudioLCMPipeline.from_pipe(loaded).options == OPTIONS

    # Another transformer is another model.
    other = AudioLCMPipeline(**{**pipe.components, "transformer": make_llama_transformer()})
    assert other.options == vars(ModelOptions())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("default_audio_length_in_s", 0, "a finite number above 0, got 0"),
        ("max_audio_length_in_s", math.inf, "a finite number above 0, got inf"),
        ("window_length_in_s", 0, "a finite number above 0, got 0"),
        ("window_overlap_in_s", 6.0, r"at most half of window_length_in_s=10.0, got 6\.0"),
        ("fade_s", -0.1, "a finite number from 0, got -0.1"),
        ("default_num_inference_steps", 2.0, "a whole number from 1, got 2.0"),
        ("default_guidance_scale", math.nan, "a finite number, got nan"),
    ],
)
def test_impossible_values_are_quoted(name, value, message):
    with pytest.raises(ValueError, match=f"Expected `{name}` to be {message}"):
        ModelOptions(**{name: value})

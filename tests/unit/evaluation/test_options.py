# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import dataclasses

import pytest

from audiolcm_diffusers.evaluation import EvaluationOptions, InspectionOptions


def test_one_value_is_a_sequence_of_one():
    options = EvaluationOptions(num_inference_steps=2, guidance_scales=3.0, teacher_steps=[50, 100])
    assert (options.num_inference_steps, options.guidance_scales, options.teacher_steps) == ((2,), (3.0,), (50, 100))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.seed = 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"num_inference_steps": [2, 2]}, r"`num_inference_steps` to be all different, got \[2, 2\]"),
        ({"num_inference_steps": []}, "at least one of `num_inference_steps`"),
        ({"num_inference_steps": [1, 0]}, "`num_inference_steps` to be a whole number from 1, got 0"),
        ({"teacher_steps": 1.5}, "`teacher_steps` to be a whole number from 1, got 1.5"),
        ({"guidance_scales": [float("nan")]}, "`guidance_scales` to be finite, got nan"),
        ({"audio_length_in_s": 0.05}, "duration of at least 0.1 s, got 0.05"),
        ({"audio_length_in_s": float("inf")}, "duration of at least 0.1 s, got inf"),
        ({"takes": 0}, "`takes` to be a whole number from 1, got 0"),
        ({"seed": -1}, "`seed` to be a whole number from 0, got -1"),
        ({"metrics": ["kad", "mos"]}, r"`metrics` among fad, kad, .*, got \['kad', 'mos'\]"),
        ({"metrics": []}, r"`metrics` among .*, got \[\]"),
        ({"fad_network": "vggish"}, "`fad_network` to be one of classifier, clap, got 'vggish'"),
        ({"batch_size": True}, "`batch_size` to be a whole number from 1, got True"),
    ],
)
def test_evaluation_options_that_make_no_sense(options, told):
    with pytest.raises(ValueError, match=told):
        EvaluationOptions(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"takes": 1}, "`takes` of at least 2, to see how far they differ, got 1"),
        ({"durations": [1.0, 0.1]}, "`durations` of at least 0.11 s, got 0.1"),
        ({"durations": [1.0, 1.0]}, r"`durations` to be all different, got \[1.0, 1.0\]"),
        ({"durations": []}, "at least one of `durations`"),
        ({"durations": [float("inf")]}, "`durations` to be finite, got inf"),
        ({"guidance_scale": float("inf")}, "`guidance_scale` to be finite, got inf"),
        ({"max_prompts": 0}, "`max_prompts` to be a whole number from 1, got 0"),
    ],
)
def test_inspection_options_that_make_no_sense(options, told):
    with pytest.raises(ValueError, match=told):
        InspectionOptions(**options)

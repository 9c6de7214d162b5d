# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers import AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline
from audiolcm_diffusers.generation.edits import edit_call, pipeline_of, read_segment, read_segments


def test_calls_of_edits():
    assert edit_call(prompt="rain", strength=0.5, guidance_scale=None) == {"prompt": "rain", "strength": 0.5}
    call = edit_call([(1.0, 2.0), (3.0, 4.0)], 0.5, None, True, 0.1, prompt="rain")
    assert call == {
        "prompt": "rain",
        "mask_start_seconds": [1.0, 3.0],
        "mask_end_seconds": [2.0, 4.0],
        "extend_s": (0.0, 0.5),
        "loop": True,
        "crossfade_s": 0.1,
    }
    assert edit_call(extend_before_s=2.0)["extend_s"] == (2.0, 0.0)
    with pytest.raises(ValueError, match="`crossfade_s` belongs to masks, .* got 0.1"):
        edit_call(crossfade_s=0.1)


def test_pipelines_of_edits(make_pipeline):
    pipe = make_pipeline()
    assert type(pipeline_of(pipe, edit_call(strength=0.5))) is AudioLCMAudio2AudioPipeline
    mend = pipeline_of(pipe, edit_call(loop=True))
    assert type(mend) is AudioLCMInpaintPipeline
    assert mend.transformer is pipe.transformer


def test_segments():
    assert read_segment(" 1:1.5 ") == (1.0, 1.5)
    assert read_segments("1:1.5, 3:4,") == [(1.0, 1.5), (3.0, 4.0)]
    for text, told in [
        ("3", "a start and an end"),
        ("3:2", "an end after a start from 0"),
        ("-1:2", "an end after a start from 0"),
        ("1:inf", "an end after a start from 0"),
        ("nan:2", "an end after a start from 0"),
        ("", "seconds to make anew"),
        (" , ", "seconds to make anew"),
    ]:
        with pytest.raises(ValueError, match=told):
            read_segments(text)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.utils import logging

from audiolcm_diffusers.pipelines.finite import check_finite, warn_of_silence


CALL = {"audio_length_in_s": 0.1, "num_inference_steps": 2}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_message_counts_and_names_the_row(bad, dtype):
    values = torch.zeros(3, 2, 4, dtype=dtype)
    check_finite(values, "Expected `latents`")
    values[1, 1, 2:] = bad
    with pytest.raises(ValueError, match=r"Expected `latents` to be finite, got 2 values of 24 .* first in row 1\."):
        check_finite(values, "Expected `latents`")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_a_call_is_given_has_to_be_finite(make_pipeline, make_llama_transformer, bad):
    teacher = make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler())
    latents = torch.zeros(1, 4, 4)
    latents[0, 0, 0] = bad
    with pytest.raises(ValueError, match="Expected `latents` to be finite"):
        teacher("rain", latents=latents)
    embeds, negative = teacher.encode_prompt("rain")
    for name in ("prompt_embeds", "negative_prompt_embeds"):
        given = {"prompt_embeds": embeds.clone(), "negative_prompt_embeds": negative.clone()}
        given[name][0, 3, 2] = bad
        with pytest.raises(ValueError, match=f"Expected `{name}` to be finite, got 1 values"):
            teacher(**given, **CALL)


@pytest.mark.parametrize(
    ("part", "stage"),
    [
        ("text_encoder_2", "The text encoders gave embeddings"),
        ("transformer", "The transformer's steps gave latents"),
        ("vae", "The VAE gave mel spectrograms"),
        ("vocoder", "The vocoder gave sounds"),
    ],
)
def test_a_network_that_gives_nan_is_named(make_pipeline, part, stage):
    pipe = make_pipeline()
    for parameter in getattr(pipe, part).parameters():
        parameter.data.fill_(math.nan)
    with pytest.raises(ValueError, match=f"{stage} that are expected to be finite"):
        pipe("rain", **CALL)


def test_silence_is_told(make_pipeline, caplog):
    logging.enable_propagation()
    try:
        pipe = make_pipeline()
        pipe("rain", **CALL)
        assert "silent" not in caplog.text
        pipe.vocoder.conv_out.weight.data.zero_()
        pipe.vocoder.conv_out.bias.data.zero_()
        pipe(["rain", "wind"], **CALL)
        assert "Of 2 sounds, these are silent: 0, 1." in caplog.text
        caplog.clear()
        warn_of_silence(torch.tensor([[0.0, 9e-5], [0.0, -1.1e-4]]))
        assert "Of 2 sounds, these are silent: 0." in caplog.text
    finally:
        logging.disable_propagation()

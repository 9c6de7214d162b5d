# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import inspect
import logging

import pytest
import torch

from audiolcm_diffusers import AudioLCMPipeline


LOGGER = "audiolcm_diffusers.pipelines.prompts"


def test_streams_are_concatenated_along_tokens(make_pipeline):
    """BERT reads the plain caption through CLAP's projection, T5 the structured one; padding is attended."""
    pipe = make_pipeline()
    embeds, negative = pipe.encode_prompt("rain")
    assert embeds.shape == (1, 80, 16)
    assert negative is None

    def tokens(tokenizer, text):
        return tokenizer(text, padding="max_length", max_length=40, return_tensors="pt").input_ids

    with torch.no_grad():
        first = pipe.projection_model(pipe.text_encoder(tokens(pipe.tokenizer, "rain")).last_hidden_state)
        second = pipe.text_encoder_2(tokens(pipe.tokenizer_2, "<rain& all>")).last_hidden_state
    torch.testing.assert_close(embeds, torch.cat([first, second], dim=1))


def test_events_go_to_the_second_stream_and_as_words_to_the_first(make_pipeline):
    pipe = make_pipeline()
    events = [("dog barks", "start"), ("rain", "all")]
    embeds = pipe.encode_prompt(events=events)[0]
    structured = pipe.encode_prompt("<dog barks& start>@<rain& all>")[0]
    assert torch.equal(embeds, structured)
    assert torch.equal(embeds[:, :40], pipe.encode_prompt("dog barks and rain")[0][:, :40])
    assert not torch.equal(embeds[:, 40:], pipe.encode_prompt("dog barks and rain")[0][:, 40:])
    with_prompt = pipe.encode_prompt("a dog", events=events)[0]
    assert torch.equal(with_prompt[:, :40], pipe.encode_prompt("a dog")[0][:, :40])
    assert torch.equal(with_prompt[:, 40:], embeds[:, 40:])


@pytest.mark.parametrize(
    ("missing", "kept"),
    [
        ({"text_encoder": None, "tokenizer": None, "projection_model": None}, slice(40, 80)),
        ({"text_encoder_2": None, "tokenizer_2": None}, slice(0, 40)),
    ],
)
def test_one_stream_alone(make_pipeline, missing, kept):
    expected = make_pipeline().encode_prompt("rain")[0][:, kept]
    torch.testing.assert_close(make_pipeline(**missing).encode_prompt("rain")[0], expected)


def test_a_first_stream_without_a_projection_is_used_as_it_is(make_pipeline):
    pipe = make_pipeline(projection_model=None, text_encoder_2=None, tokenizer_2=None)
    assert pipe.encode_prompt("rain")[0].shape == (1, 40, 12)


def test_a_tokenizer_that_names_no_length_gives_77_tokens(make_pipeline, make_tokenizer):
    pipe = make_pipeline(tokenizer_2=make_tokenizer(model_max_length=None), text_encoder=None, tokenizer=None)
    assert pipe.encode_prompt("rain")[0].shape == (1, 77, 16)


def test_unconditional_is_the_empty_string_in_both_streams(make_pipeline, make_llama_transformer):
    teacher = make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None))
    _, negative = teacher.encode_prompt(["rain", "a dog"])
    assert negative.shape == (2, 80, 16)
    empty = teacher.encode_prompt("")[0]
    torch.testing.assert_close(negative, empty.expand(2, -1, -1))
    one = teacher.encode_prompt(["rain", "a dog"], negative_prompt="hum")[1]
    each = teacher.encode_prompt(["rain", "a dog"], negative_prompt=["hum", "hum"])[1]
    assert torch.equal(one, each)
    torch.testing.assert_close(one[:1], teacher.encode_prompt("hum")[0])


def test_prompts_are_repeated_next_to_each_other(make_pipeline):
    pipe = make_pipeline()
    once = pipe.encode_prompt(["rain", "a dog"])[0]
    twice = pipe.encode_prompt(["rain", "a dog"], num_waveforms_per_prompt=2)[0]
    assert torch.equal(twice, once[[0, 0, 1, 1]])
    assert torch.equal(pipe.encode_prompt(prompt_embeds=once, num_waveforms_per_prompt=2)[0], twice)


def test_a_long_prompt_is_cut_with_a_warning_that_shows_what(make_pipeline, caplog):
    """Of 40 tokens, BERT's special ones take 2 and T5's 1; a character is a token, `<` and `& all>` are 7."""
    pipe = make_pipeline()
    fits = "x" * 32
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        pipe.encode_prompt(fits)
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        cut = pipe.encode_prompt("y" * 38 + " and the rest")[0]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "longer than the 40 tokens" in messages[0]
    assert messages[0].endswith("What was cut: ' and the rest'")
    assert messages[1].endswith("What was cut: ' and the rest& all>'")
    assert torch.equal(cut[:, :40], pipe.encode_prompt("y" * 38)[0][:, :40])


def test_its_arguments_have_defaults_and_its_results_are_names_of_call():
    parameters = inspect.signature(AudioLCMPipeline.encode_prompt).parameters
    assert all(p.default is not p.empty for name, p in parameters.items() if name != "self")
    call = inspect.signature(AudioLCMPipeline.__call__).parameters
    assert {"prompt_embeds", "negative_prompt_embeds"} <= set(call)


def test_works_without_the_rest_of_the_pipeline(make_pipeline):
    pipe = make_pipeline(transformer=None, vae=None, vocoder=None, scheduler=None)
    torch.testing.assert_close(pipe.encode_prompt("rain")[0], make_pipeline().encode_prompt("rain")[0])

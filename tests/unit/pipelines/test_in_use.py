# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler


CALL = {"audio_length_in_s": 0.1, "guidance_scale": 3.0}


def make_sound(pipe, prompt, **arguments):
    return pipe(prompt, generator=torch.Generator().manual_seed(0), **CALL, **arguments).audios


def test_a_call_within_a_call_is_refused_and_the_first_goes_on(make_pipeline):
    pipe = make_pipeline()
    alone = make_sound(pipe, "rain")
    sibling = AudioLCMPipeline(**pipe.components)  # has its scheduler
    told = []

    def interfere(pipe, index, timestep, tensors):
        for other in (pipe, sibling):
            with pytest.raises(RuntimeError) as error:
                make_sound(other, "a dog")
            told.append(str(error.value))
        return {}

    assert (make_sound(pipe, "rain", callback_on_step_end=interfere) == alone).all()
    assert "This pipeline is in the middle of another call" in told[0]
    assert "This scheduler is in the middle of another call" in told[1]
    # Afterwards, and after a call that fails, it is free.
    with pytest.raises(ValueError):
        pipe("rain", audio_length_in_s=-1.0)
    assert (make_sound(pipe, "rain") == alone).all()


def test_threads_with_schedulers_of_their_own_share_weights_and_tokenizers(make_pipeline):
    pipe = make_pipeline()
    prompts = ["rain", "a dog barks and then there is silence", "bells", "the sea"] * 2
    expected = [make_sound(pipe, prompt) for prompt in prompts]
    barrier = threading.Barrier(len(prompts))

    def serve(prompt):
        own = AudioLCMPipeline(**{**pipe.components, "scheduler": LCMAudioScheduler()})
        own.set_progress_bar_config(disable=True)
        barrier.wait(timeout=30)
        return [make_sound(own, prompt) for _ in range(3)]

    with ThreadPoolExecutor(len(prompts)) as threads:
        for sounds, wanted in zip(threads.map(serve, prompts), expected):
            # Sums may differ in their last digits with where their terms lie in memory.
            assert all(abs(sound - wanted).max() < 1e-4 for sound in sounds)


def test_encoding_a_prompt_leaves_the_settings_of_a_tokenizer_alone(make_pipeline):
    pipe = make_pipeline()
    backends = [pipe.tokenizer.backend_tokenizer, pipe.tokenizer_2.backend_tokenizer]
    before = [backend.to_str() for backend in backends]
    embeds, _ = pipe.encode_prompt(["rain", "x" * 100, ""])
    assert [backend.to_str() for backend in backends] == before
    assert embeds.shape[0] == 3


@pytest.mark.parametrize("truncation_side", ["right", "left"])
@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("bert", [True, False])
def test_tokens_are_those_of_the_tokenizers_own_padding_and_cutting(
    make_pipeline, make_tokenizer, bert, padding_side, truncation_side
):
    pipe = make_pipeline()
    name, index = ("tokenizer", 0) if bert else ("tokenizer_2", 1)
    tokenizer, reference = make_tokenizer(bert=bert), make_tokenizer(bert=bert)
    for made in (tokenizer, reference):
        made.padding_side, made.truncation_side = padding_side, truncation_side
    setattr(pipe, name, tokenizer)
    captions = ["rain", "", "a sentence of more than forty bytes, cut somewhere in here", "x" * 40]
    expected = reference(captions, padding="max_length", max_length=40, truncation=True, return_tensors="pt").input_ids
    assert torch.equal(pipe._text_streams[index]._tokenize(captions, ())[0], expected)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import torch
from script_runs import load_script

from audiolcm_diffusers.data.captions import Example
from audiolcm_diffusers.trainer import encoder_of_prompts, prompt_of, text_parts, tokenize_prompts


def test_examples_are_read_as_the_pipeline_reads_prompts(make_tokenizer):
    tokenizer = make_tokenizer(model_max_length=24)
    waveform = torch.zeros(1)
    examples = [
        Example(waveform, "rain"),
        Example(waveform, "a and b", (("a", "start"), ("b", "end"))),
        Example(waveform, ""),
    ]
    input_ids = tokenize_prompts(tokenizer, [prompt_of(example) for example in examples])
    assert input_ids.shape == (3, 24)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in input_ids]
    assert texts == ["<rain& all>", "<a& start>@<b& end>", ""]


def test_tokens_are_cut_as_their_generator_says():
    tokenizer = load_script("train_text_to_audio").train_tokenizer(["a dog barking"] * 4, 200, 32)
    whole = tokenize_prompts(tokenizer, ["a dog barking", ""])
    numbers = {seed: torch.Generator().manual_seed(seed) for seed in range(20)}
    cut = tokenize_prompts(tokenizer, ["a dog barking"] * 20, 0.5, list(numbers.values()))
    lengths = (cut != tokenizer.pad_token_id).sum(dim=1)
    assert cut.shape == (20, 32) and len(set(lengths.tolist())) > 2 and int(lengths.min()) <= int((whole[0] > 0).sum())
    # The same text in other pieces, ended in the same way.
    text = tokenizer.decode(whole[0], skip_special_tokens=True)
    assert {tokenizer.decode(ids, skip_special_tokens=True) for ids in cut} == {text}
    assert all(ids[length - 1] == tokenizer.eos_token_id for ids, length in zip(cut, lengths))
    again = tokenize_prompts(tokenizer, ["a dog barking"], 0.5, [torch.Generator().manual_seed(7)])
    assert torch.equal(again[0], cut[7])
    # What is cut grows, and what no longer fits is left out; nothing is cut in nothing.
    long = tokenize_prompts(tokenizer, ["a dog barking " * 6, ""], 1.0, [numbers[0], numbers[1]])
    assert long.shape == (2, 32) and long[0, -1] == tokenizer.eos_token_id
    assert long[1].tolist() == whole[1].tolist()


def test_prompts_are_encoded_as_the_pipeline_does_and_a_cut_is_told_once(make_pipeline, make_tokenizer, caplog):
    pipe = make_pipeline(tokenizer_2=make_tokenizer(model_max_length=8))
    expected = pipe.encode_prompt(["a dog barking", "rain"], do_classifier_free_guidance=False)[0]
    # Two prompts are cut, which the pipeline tells every time.
    assert len(caplog.records) == 2
    caplog.clear()
    encode = encoder_of_prompts(pipe)
    assert all(torch.equal(encode(["a dog barking", "rain"]), expected) for _ in range(2))
    (record,) = caplog.records
    assert "dog" in record.getMessage()


def test_text_is_read_by_what_a_pipeline_has_for_it(make_pipeline):
    pipe = make_pipeline()
    parts = [pipe.text_encoder, pipe.projection_model, pipe.tokenizer, pipe.text_encoder_2, pipe.tokenizer_2]
    assert all(part is other for part, other in zip(text_parts(pipe), parts, strict=True))
    pipe = make_pipeline(text_encoder=None, projection_model=None, tokenizer=None)
    assert all(
        part is other for part, other in zip(text_parts(pipe), [pipe.text_encoder_2, pipe.tokenizer_2], strict=True)
    )
    assert text_parts(None) == [] and encoder_of_prompts(None) is None

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import torch

from audiolcm_diffusers.trainer import event_masks, tokenize_prompts, train_tokenizer


CAPTIONS = ["<a dog barking& all>", "<rain& start>@<a dog barking& end>", "<heavy rain& mid>"] * 4


def test_a_word_is_one_token_wherever_it_stands():
    tokenizer = train_tokenizer(CAPTIONS, 300, 24, words_alike=True)
    assert tokenizer.model_max_length == 24
    assert [tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id] == [0, 1, 2]
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("<Rain& start>@<heavy rain& end>").input_ids)
    assert tokens == [
        *("▁<", "▁rain", "▁&", "▁start", "▁>", "▁@", "▁<", "▁heavy", "▁rain", "▁&", "▁end", "▁>", "</s>"),
    ]


def test_of_a_teachers_own_tokenizer_the_first_word_of_an_event_is_another_token():
    tokenizer = train_tokenizer(CAPTIONS, 300, 24)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("<rain& all>").input_ids)
    assert tokens == ["▁", "<", "rain", "&", "▁all", ">", "</s>"]


def test_masks_have_the_tokens_of_each_event():
    tokenizer = train_tokenizer(CAPTIONS, 300, 16, words_alike=True)
    input_ids = tokenize_prompts(tokenizer, ["heavy rain", "<a dog barking& all>@<rain& end>", ""])
    masks = event_masks(tokenizer, input_ids, 3)
    assert masks.shape == (3, 3, 16)
    words = [
        [tokenizer.convert_ids_to_tokens(ids[mask]) for mask in row if mask.any()]
        for ids, row in zip(input_ids, masks)
    ]
    assert words == [[["▁heavy", "▁rain"]], [["▁a", "▁dog", "▁barking"], ["▁rain"]], []]
    # With tokens in smaller pieces, delimiters too, an event has the same letters.
    generators = [torch.Generator().manual_seed(seed) for seed in range(8)]
    cut = tokenize_prompts(
        train_tokenizer(CAPTIONS, 300, 64, words_alike=True), ["<rain& all>@<a dog& end>"] * 8, 0.9, generators
    )
    assert len({tuple(ids) for ids in cut.tolist()}) > 1
    for ids, row in zip(cut, event_masks(tokenizer, cut, 2)):
        letters = ["".join(tokenizer.convert_ids_to_tokens(ids[mask])).replace("▁", "") for mask in row]
        assert letters == ["rain", "adog"]

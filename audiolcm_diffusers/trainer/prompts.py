# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Text in training: what a prompt is, how it is tokenized and encoded."""

import torch

from ..pipelines.prompt_events import format_events, structured_caption
from ..pipelines.prompt_weights import escape_weights
from ..pipelines.prompts import logger


def prompt_of(example):
    r"""What a pipeline would be asked for a training example: its events where it has them, its caption otherwise."""
    return example.caption if example.events is None else format_events(example.events)


def check_caption(caption):
    r"""
    Refuse a caption that would stop a training, or teach nothing, when it is drawn.

    Args:
        caption (`str`): As it stands in the data.

    Raises:
        ValueError: If it is a structured caption with an unknown order, or says nothing.
    """
    if not structured_caption(caption):
        raise ValueError(f"Expected a caption that says what is heard, got {caption!r}.")


def text_parts(pipe):
    r"""What turns a pipeline's prompts into embeddings: encoders, projection, tokenizers; nothing without pipeline."""
    if pipe is None:
        return []
    names = ("text_encoder", "projection_model", "tokenizer", "text_encoder_2", "tokenizer_2")
    return [getattr(pipe, name) for name in names if getattr(pipe, name) is not None]


def encoder_of_prompts(pipe):
    r"""A function from prompts to embeddings by a pipeline's text encoders; `None` without pipeline."""
    if pipe is None:
        return None
    warned = []

    def first_warning(record):
        warned.append(record)
        return len(warned) == 1

    def encode(prompts):
        # That a prompt is cut where the text stream ends is told once, not in every step.
        logger.addFilter(first_warning)
        try:
            # What data say is text, brackets included.
            return pipe.encode_prompt([*map(escape_weights, prompts)], do_classifier_free_guidance=False)[0]
        finally:
            logger.removeFilter(first_warning)

    return encode


def tokenize_prompts(tokenizer, prompts, cut_share=0.0, generators=None):
    r"""
    What the second text stream reads, padded and without a mask as in the pipeline.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Its `model_max_length` is the length.
        prompts (`list[str]`): Plain or in structured form; empty for "no condition".
        cut_share (`float`, defaults to 0.0):
            Chance that a token is cut in two at a random place, so that words are also met in smaller pieces. This is
            BPE-dropout (arXiv:1910.13267) with random numbers that can be given.
        generators (`list[torch.Generator]`, *optional*): Source of randomness of each prompt.

    Returns:
        `torch.Tensor` of shape `(batch_size, model_max_length)`.
    """
    length = tokenizer.model_max_length
    encoded = tokenizer(
        [structured_caption(prompt) for prompt in prompts],
        max_length=length,
        truncation=True,
        return_special_tokens_mask=True,
    )
    rows = []
    for index, (ids, special) in enumerate(zip(encoded.input_ids, encoded.special_tokens_mask)):
        if cut_share > 0:
            ids = _cut_tokens(tokenizer, ids, special, cut_share, generators[index])
        rows.append(ids + [tokenizer.pad_token_id] * (length - len(ids)))
    return torch.tensor(rows)


def _cut_tokens(tokenizer, ids, special, cut_share, generator):
    """Cut some of the tokens between the special ones at the ends; what is too long loses its last tokens."""
    model = tokenizer.backend_tokenizer.model
    words = [position for position, is_special in enumerate(special) if not is_special]
    if not words:
        return ids
    cut = []
    for token_id in ids[words[0] : words[-1] + 1]:
        token = tokenizer.convert_ids_to_tokens(token_id)
        if len(token) > 1 and float(torch.rand((), generator=generator)) < cut_share:
            place = 1 + int(torch.randint(len(token) - 1, (), generator=generator))
            pieces = [piece.id for part in (token[:place], token[place:]) for piece in model.tokenize(part)]
            cut += pieces if tokenizer.unk_token_id not in pieces else [token_id]
        else:
            cut.append(token_id)
    before, after = ids[: words[0]], ids[words[-1] + 1 :]
    return before + cut[: tokenizer.model_max_length - len(before) - len(after)] + after

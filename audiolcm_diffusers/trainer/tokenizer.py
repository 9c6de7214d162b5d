# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A tokenizer of a run's own, for the second text stream."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast


SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>")


def train_tokenizer(texts, vocab_size, num_text_tokens, words_alike=False):
    r"""
    Train a lower-case byte-pair tokenizer, which ends every text with `</s>`.

    Args:
        texts (`Iterable[str]`): What is to be written in few tokens, such as structured captions.
        vocab_size (`int`): The most tokens that it may have.
        num_text_tokens (`int`): Length of the text stream, its `model_max_length`.
        words_alike (`bool`, defaults to `False`):
            Whether a word is to be the same whether a space or the start of an event stands before it. Teachers with a
            tokenizer of their own learn both.

    Returns:
        `PreTrainedTokenizerFast`: `<pad>` is 0, `</s>` 1 and `<unk>` 2.
    """
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    steps = [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    alphabet = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    if words_alike:
        # A space is put before every piece that punctuation leaves.
        steps, alphabet = steps[::-1], ["▁", *alphabet]
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    backend.decoder = decoders.Metaspace()
    backend.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=alphabet,
            min_frequency=2,
            show_progress=False,
        ),
    )
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=num_text_tokens,
    )


def event_masks(tokenizer, input_ids, max_events):
    r"""
    Which tokens describe which event of structured captions.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): From [`train_tokenizer`].
        input_ids (`torch.Tensor` of shape `(batch_size, num_tokens)`): Structured captions.
        max_events (`int`): Events of a caption that are looked for.

    Returns:
        `torch.Tensor` of shape `(batch_size, max_events, num_tokens)`: bool; nothing of an event that is not there or
        was cut off.
    """
    import torch

    def is_any(*tokens):
        ids = [tokenizer.convert_tokens_to_ids(token) for token in tokens]
        return torch.isin(input_ids, torch.tensor(ids, device=input_ids.device))

    opening, closing = is_any("<", "▁<"), is_any("&", "▁&")
    opened, closed = opening.cumsum(dim=1), closing.cumsum(dim=1)
    inside = (opened > closed) & ~opening & ~is_any("▁", "<pad>", "</s>")
    numbers = torch.arange(1, max_events + 1, device=input_ids.device)
    return inside[:, None] & (opened[:, None] == numbers[:, None])

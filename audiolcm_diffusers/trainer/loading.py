# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is asked of saved models that a script goes on from."""

import json
from pathlib import Path

import torch
from diffusers import AutoModel
from transformers import AutoTokenizer, T5EncoderModel

from ..loaders.complete import load_complete, refuse_own_code
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from ..models.vocoder_vocos import VocosVocoder


def saved_config(folder, part):
    r"""What the configuration of a part of a saved pipeline says; nothing where the folder is not on this machine."""
    names = ("config.json", "scheduler_config.json")
    paths = [path for path in (Path(folder) / part / name for name in names) if path.is_file()]
    return json.loads(paths[0].read_text(encoding="utf-8")) if paths else {}


def load_vocoder(folder):
    r"""
    Load a vocoder of any kind.

    Args:
        folder (`str`): Folder or id of a [`BigVGANVocoder`], a [`VocosVocoder`] or a [`GriffinLimVocoder`].

    Raises:
        ValueError: If it holds another model.
    """
    vocoder = AutoModel.from_pretrained(folder)
    if not isinstance(vocoder, (BigVGANVocoder, VocosVocoder, GriffinLimVocoder)):
        raise ValueError(f"Expected a vocoder in {folder!r}, got a {type(vocoder).__name__}.")
    return vocoder


def load_text_encoder(folder):
    r"""
    Load a text encoder and its tokenizer for a pipeline's second text stream, in float32.

    Args:
        folder (`str`): Folder or id of a `T5EncoderModel` beside a tokenizer, whose `model_max_length` is the length.

    Returns:
        `tuple[T5EncoderModel, PreTrainedTokenizerBase]`.

    Raises:
        ValueError: If one of them is not there, or the tokenizer has tokens that the encoder does not know.
    """
    try:
        refuse_own_code(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        text_encoder = load_complete(T5EncoderModel, folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ValueError(f"Expected a T5 encoder and its tokenizer in {folder!r}: {error}") from error
    if len(tokenizer) > text_encoder.config.vocab_size:
        raise ValueError(
            f"The tokenizer in {folder!r} has {len(tokenizer)} tokens, the text encoder knows "
            f"{text_encoder.config.vocab_size}."
        )
    return text_encoder, tokenizer

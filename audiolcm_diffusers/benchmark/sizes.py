# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Models to measure, as configurations: the released one, the embedded one, and one for tests."""

import json
from dataclasses import dataclass

from diffusers import ModelMixin

from .. import MINI_CHECKPOINT
from ..audio.mel import HOP_LENGTH
from ..models.transformer_concat_1d import ConcatTransformer1DModel
from ..models.transformer_llama_1d import LLaMATransformer1DModel


SAMPLING_RATE = 16000


@dataclass(frozen=True)
class Size:
    r"""
    Configurations of a model.

    Args:
        transformer_class (`type[ModelMixin]`): Of student, target and teacher.
        transformer (`dict`): Its configuration, without the guidance embedding.
        vae (`dict`): Of the [`AutoencoderKLMel1D`].
        scheduler (`dict`): Of the [`LCMAudioScheduler`].
        t5 (`dict`): Of the second text stream's encoder.
        num_text_tokens (`int`): Of each text stream, padding included.
        bert (`dict`, *optional*): Of the first text stream's encoder; `None` for a model without that stream.
    """

    transformer_class: type[ModelMixin]
    transformer: dict
    vae: dict
    scheduler: dict
    t5: dict
    num_text_tokens: int
    bert: dict | None = None

    @property
    def samples_per_latent(self):
        r"""`int`: samples of the waveform in a latent frame."""
        return HOP_LENGTH * 2 ** len(self.vae.get("downsample_levels", (0,)))


def size_named(name):
    r"""
    The configurations that the option `size` names.

    Args:
        name (`"published"`, `"mini"` or `"tiny"`):
            The released model, whose configuration the classes have as defaults; the embedded model; one for tests.

    Returns:
        [`Size`].
    """
    if name == "published":
        t5_large = {"vocab_size": 32128, "d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24, "num_heads": 16}
        return Size(ConcatTransformer1DModel, {}, {}, {}, {**t5_large, "feed_forward_proj": "gated-gelu"}, 77, bert={})
    if name == "tiny":
        return Size(
            ConcatTransformer1DModel,
            {
                "in_channels": 4,
                "num_layers": 2,
                "num_attention_heads": 4,
                "attention_head_dim": 8,
                "cross_attention_dim": 16,
                "max_position_embeddings": 200,
            },
            {
                "latent_channels": 4,
                "base_channels": 8,
                "channel_multipliers": (1, 2),
                "layers_per_block": 1,
                "norm_num_groups": 4,
            },
            {},
            {"vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2},
            8,
            bert={
                "vocab_size": 64,
                "hidden_size": 12,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 16,
                "max_position_embeddings": 16,
            },
        )

    def config(file):
        return json.loads((MINI_CHECKPOINT / file).read_text(encoding="utf-8"))

    return Size(
        LLaMATransformer1DModel,
        without_names(config("transformer/config.json")),
        without_names(config("vae/config.json")),
        without_names(config("scheduler/scheduler_config.json")),
        config("text_encoder_2/config.json"),
        config("tokenizer_2/tokenizer_config.json")["model_max_length"],
    )


def without_names(config):
    r"""A configuration of diffusers as arguments of its class: without what diffusers adds, `_class_name` and such."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def num_latent_frames(size, duration_s):
    r"""Latent frames of a sound of so many seconds, rounded."""
    return round(duration_s * SAMPLING_RATE / size.samples_per_latent)


def check_length(name, duration_s, named=str):
    r"""
    Refuse lengths that a model of this size does not take.

    Args:
        name (`str`): As [`size_named`] takes it.
        duration_s (`float`): Length of a sound in seconds.
        named (`Callable[[str], str]`, defaults to `str`): How the caller writes an option's name, for the message.

    Raises:
        ValueError: If it is less than a latent frame, or more than the transformer has positions for.
    """
    size = size_named(name)
    num_frames, frame_s = num_latent_frames(size, duration_s), size.samples_per_latent / SAMPLING_RATE
    if num_frames < 1:
        raise ValueError(
            f"Expected {named('duration_s')} of at least a latent frame, {frame_s:g} s, got {duration_s:g} s."
        )
    if size.transformer_class is ConcatTransformer1DModel:
        # One position is the timestep's, the rest are text's (two streams) and sound's.
        max_positions = size.transformer.get("max_position_embeddings", 1000)
        max_frames = max_positions - 1 - 2 * size.num_text_tokens
        if num_frames > max_frames:
            raise ValueError(
                f"Expected {named('duration_s')} of at most {max_frames * frame_s:g} s with {named('size')} {name}, "
                f"got {duration_s:g} s."
            )

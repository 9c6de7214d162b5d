# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the published transformers have in common: how their parts are called, and where their sizes are read."""

from collections.abc import Mapping
from typing import Any

import torch

from .original_weights import count_modules, require, shape_of


# From this package's names to the published ones.
TIME_RULES = [
    (r"^time_embedding\.cond_proj\.", "t_embedder.proj_w."),
    (r"^time_embedding\.linear_1\.", "t_embedder.mlp.0."),
    (r"^time_embedding\.linear_2\.", "t_embedder.mlp.2."),
]


def transformer_sizes(
    state_dict: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    final: str,
    text: tuple[str, int],
    num_dims: int,
    what: str,
) -> dict[str, Any]:
    r"""
    The sizes that every transformer has, from a published configuration or, where it does not name them, the weights.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`): Weights with the published keys.
        config (`Mapping[str, Any]`):
            Published configuration. `num_heads` is required; `in_channels`, `context_dim`, `hidden_size` and `depth`
            are read from the weights where they are missing.
        final (`str`): Key of the last layer's weight.
        text (`tuple[str, int]`): Key of a weight whose last dimension is the text's width, and its dimensions.
        num_dims (`int`): Dimensions of the first and the last layer's weights: 2 of linear layers, 3 of convolutions.
        what (`str`): Name of the model in error messages.

    Returns:
        `dict`: Arguments of the model's class.

    Raises:
        ValueError: If `num_heads` is missing or does not divide the width, or if one of the weights is missing or
            mis-shaped.
    """
    hidden_size, in_channels = shape_of(state_dict, "proj_in.weight", num_dims, what)[:2]
    hidden_size = config.get("hidden_size", hidden_size)
    num_heads = require(config, "num_heads", what)
    if hidden_size % num_heads != 0:
        raise ValueError(f"Expected num_heads to divide hidden_size, got {num_heads} for {hidden_size}.")
    in_channels = config.get("in_channels", in_channels)
    out_channels = shape_of(state_dict, final, num_dims, what)[0]
    guidance = state_dict.get("t_embedder.proj_w.weight")
    return {
        "in_channels": in_channels,
        "out_channels": None if out_channels == in_channels else out_channels,
        "num_layers": config.get("depth", count_modules(state_dict, "blocks")),
        "num_attention_heads": num_heads,
        "attention_head_dim": hidden_size // num_heads,
        "cross_attention_dim": config.get("context_dim", shape_of(state_dict, *text, what)[-1]),
        "time_cond_proj_dim": None if guidance is None else guidance.shape[-1],
        "time_cond_type": "guidance",
    }

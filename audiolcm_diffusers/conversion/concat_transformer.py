# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The released checkpoint's transformer."""

from collections.abc import Mapping
from typing import Any

import torch

from ..models.transformer_concat_1d import ConcatTransformer1DModel
from .original_weights import Source, build_on_meta, load_original_weights, rename, shape_of
from .transformers import TIME_RULES, transformer_sizes


WHAT = "concat transformer"

# From this package's names to the published ones.
RULES = [
    *TIME_RULES,
    (r"^text_embedder_(\d)\.linear_1\.", r"c\1_embedder.mlp.0."),
    (r"^text_embedder_(\d)\.linear_2\.", r"c\1_embedder.mlp.2."),
    (r"^text_embedder_(\d)\.norm\.", r"c\1_embedder.mlp.3."),
    (r"^position_embedding\.", "pos_emb."),
    (r"^norm_out\.", "final_layer.norm_final."),
    (r"^proj_out\.", "final_layer.conv1d."),
    (r"^transformer_blocks\.(\d+)\.(norm|proj_in|proj_out)\.", r"blocks.\1.\2."),
    (r"^transformer_blocks\.(\d+)\.", r"blocks.\1.transformer_blocks.0."),
    (r"\.ff\.proj_in\.", ".ff.net.0.proj."),
    (r"\.ff\.proj_out\.", ".ff.net.2."),
]


def concat_transformer_from_original(
    state_dict: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> ConcatTransformer1DModel:
    r"""
    Build a [`ConcatTransformer1DModel`] from published weights.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`):
            Weights with the published keys, without the prefix that they have in the whole checkpoint (there
            `unet.diffusion_model.` is the student). The model takes them over in their dtypes and shares their
            memory.
        config (`Mapping[str, Any]`):
            Published configuration. `num_heads` is required; `in_channels`, `context_dim`, `hidden_size`, `depth`
            and `max_len` are read from the weights where they are missing.

    Returns:
        [`ConcatTransformer1DModel`]: In eval mode; with a guidance embedding if the weights have one.

    Raises:
        ValueError: If `num_heads` is missing or does not divide the width, or if weights are missing, left over or
            mis-shaped.
    """
    sizes = transformer_sizes(
        state_dict, config, "final_layer.conv1d.weight", ("c1_embedder.mlp.0.weight", 2), num_dims=3, what=WHAT
    )
    model = build_on_meta(
        ConcatTransformer1DModel,
        **sizes,
        max_position_embeddings=config.get("max_len", shape_of(state_dict, "pos_emb.weight", 2, WHAT)[0]),
    )
    load_original_weights(model, state_dict, lambda name: Source((rename(name, RULES),)), WHAT)
    return model

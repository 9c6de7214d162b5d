# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The paper's transformer, as the authors' code lays it out."""

from collections.abc import Mapping
from typing import Any

import torch

from ..models.transformer_llama_1d import LLaMATransformer1DModel
from .original_weights import Source, build_on_meta, load_original_weights, rename, shape_of
from .transformers import TIME_RULES, transformer_sizes


WHAT = "LLaMA transformer"

# From this package's names to the published ones.
RULES = [
    *TIME_RULES,
    (r"^caption_norm\.", "cap_embedder.0."),
    (r"^caption_proj\.", "cap_embedder.1."),
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^proj_out\.", "final_layer.linear."),
    (r"^transformer_blocks\.", "blocks."),
    (r"\.adaln\.", ".adaLN_modulation.1."),
    (r"\.norm1\.", ".attention_norm."),
    (r"\.norm1_context\.", ".attention_y_norm."),
    (r"\.norm2\.", ".ffn_norm."),
    (r"\.attn\.", ".attention."),
    (r"\.to_([qkv])\.", r".w\1."),
    (r"\.add_([kv])_proj\.", r".w\1_y."),
    (r"\.norm_([qk])\.", r".\1_norm."),
    (r"\.norm_added_k\.", ".ky_norm."),
    (r"\.to_out\.0\.", ".wo."),
    (r"\.ff\.net\.2\.", ".feed_forward.w2."),
]
_GATED = ".ff.net.0.proj."


def _swap_halves(tensor: torch.Tensor) -> torch.Tensor:
    first, second = tensor.chunk(2)
    return torch.cat([second, first])


def _find_source(name: str) -> Source:
    if _GATED in name:
        # diffusers' SwiGLU is one linear layer, value (w3) above gate (w1).
        return Source(
            tuple(rename(name.replace(_GATED, f".feed_forward.{part}."), RULES) for part in ("w3", "w1")),
            lambda value, gate: torch.cat([value, gate]),
        )
    if name.startswith("norm_out."):
        # Published: shift, then scale. diffusers' AdaLayerNormContinuous: scale, then shift.
        return Source((rename(name, RULES),), _swap_halves)
    return Source((rename(name, RULES),))


def llama_transformer_from_original(
    state_dict: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> LLaMATransformer1DModel:
    r"""
    Build a [`LLaMATransformer1DModel`] from weights in the layout of the authors' code.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`):
            Weights with the published keys, without the prefix that they have in a whole checkpoint. The model takes
            them over in their dtypes and shares the memory of most.
        config (`Mapping[str, Any]`):
            Published configuration. `num_heads` is required; `in_channels`, `context_dim`, `hidden_size`, `depth`
            and `qk_norm` are read from the weights where they are missing. `multiple_of` (256), `norm_eps` (1e-5),
            `ffn_dim_multiplier` (none), `rope_scaling_factor` (1) and `ntk_factor` (1) have the defaults in
            parentheses. `max_len` bounds nothing: positions come from no table. Key and value heads are counted in
            the weights.

    Returns:
        [`LLaMATransformer1DModel`]: In eval mode; with a guidance embedding if the weights have `t_embedder.proj_w`.

    Raises:
        ValueError: If `num_heads` is missing or does not divide the width, or if weights are missing, left over or
            mis-shaped.
    """
    sizes = transformer_sizes(
        state_dict, config, "final_layer.linear.weight", ("cap_embedder.0.weight", 1), num_dims=2, what=WHAT
    )
    num_heads, head_dim = sizes["num_attention_heads"], sizes["attention_head_dim"]
    num_kv_heads, rest = divmod(shape_of(state_dict, "blocks.0.attention.wk.weight", 2, WHAT)[0], head_dim)
    if rest != 0 or num_kv_heads == 0 or num_heads % num_kv_heads != 0:
        num_kv_heads = num_heads  # no grouping explains this shape: let it be listed as mis-shaped
    qk_norm = config.get("qk_norm", "blocks.0.attention.q_norm.weight" in state_dict)
    model = build_on_meta(
        LLaMATransformer1DModel,
        **sizes,
        num_key_value_heads=None if num_kv_heads == num_heads else num_kv_heads,
        qk_norm="layer_norm" if qk_norm else None,
        rope_scaling_factor=config.get("rope_scaling_factor", 1.0),
        rope_ntk_factor=config.get("ntk_factor", 1.0),
        norm_eps=config.get("norm_eps", 1e-5),
        ffn_dim_multiplier=config.get("ffn_dim_multiplier"),
        multiple_of=config.get("multiple_of", 256),
    )
    load_original_weights(model, state_dict, _find_source, WHAT)
    return model

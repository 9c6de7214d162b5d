# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The published text encoders: CLAP's BERT with its projection, and T5."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel

from ..models.clap_projection import CLAPProjection
from .original_weights import Source, build_on_meta, load_original_weights, shape_of


WHAT = "text encoders"

BERT = "caption_encoder.base."
PROJECTION = "caption_encoder.projection."
T5 = "t5_transformer."

_PROJECTION_NAMES = {
    "linear_1.weight": "linear1.weight",
    "linear_2.weight": "linear2.weight",
    "norm.weight": "layer_norm.weight",
    "norm.bias": "layer_norm.bias",
}
# One weight under two names; files hold one of them or both.
_T5_EMBEDDINGS = (f"{T5}shared.weight", f"{T5}encoder.embed_tokens.weight")
# Older versions of transformers stored the numbers 0, 1, 2, … of BERT's positions.
_BERT_POSITION_IDS = f"{BERT}embeddings.position_ids"


def text_encoders_from_original(
    state_dict: Mapping[str, torch.Tensor],
    bert_config: BertConfig | Mapping[str, Any],
    t5_config: T5Config | Mapping[str, Any],
) -> tuple[BertModel, CLAPProjection, T5EncoderModel]:
    r"""
    Build both text streams from published weights.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`):
            Weights with the published keys, without the prefix `cond_stage_model.` that they have in the whole
            checkpoint. The models take them over in their dtypes and share their memory.
        bert_config ([`~transformers.BertConfig`] or `Mapping[str, Any]`):
            Configuration of the first stream's encoder.
        t5_config ([`~transformers.T5Config`] or `Mapping[str, Any]`):
            Configuration of the second stream's encoder.

    Returns:
        `tuple[BertModel, CLAPProjection, T5EncoderModel]`: In eval mode.

    Raises:
        ValueError: If weights are missing, left over or mis-shaped.
    """
    if not isinstance(bert_config, BertConfig):
        bert_config = BertConfig(**bert_config)
    if not isinstance(t5_config, T5Config):
        t5_config = T5Config(**t5_config)

    bert = build_on_meta(BertModel, bert_config)
    t5 = build_on_meta(T5EncoderModel, t5_config)
    out_features, in_features = shape_of(state_dict, f"{PROJECTION}linear1.weight", 2, WHAT)
    projection = build_on_meta(CLAPProjection, in_features=in_features, out_features=out_features)

    embeddings = next((key for key in _T5_EMBEDDINGS if key in state_dict), _T5_EMBEDDINGS[0])
    sources = {f"bert.{name}": Source((BERT + name,)) for name in bert.state_dict()}
    sources |= {f"projection.{name}": Source((PROJECTION + key,)) for name, key in _PROJECTION_NAMES.items()}
    sources |= {
        f"t5.{name}": Source((embeddings if T5 + name in _T5_EMBEDDINGS else T5 + name,)) for name in t5.state_dict()
    }
    # Filled as one model, so that one error lists all that does not fit.
    load_original_weights(
        torch.nn.ModuleDict({"bert": bert, "projection": projection, "t5": t5}),
        state_dict,
        sources.__getitem__,
        WHAT,
        ignore=lambda key: key == _BERT_POSITION_IDS or key in _T5_EMBEDDINGS,
    )

    t5.tie_weights()
    # What BERT computes for itself has no place in files, and no values after building on the meta device.
    positions = torch.arange(bert_config.max_position_embeddings, device=bert.device).expand(1, -1)
    bert.embeddings.register_buffer("position_ids", positions, persistent=False)
    bert.embeddings.register_buffer("token_type_ids", torch.zeros_like(positions), persistent=False)
    for model in (bert, t5):
        model.config.dtype = model.dtype
    return bert, projection, t5

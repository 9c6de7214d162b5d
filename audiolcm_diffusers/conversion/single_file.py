# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Published transformer weights for diffusers' `from_single_file`.

For each model there are two functions with the signatures that diffusers calls: one maps the weights, the other makes
the model's config from `original_config`, the published configuration as a dictionary.
"""

from collections.abc import Mapping
from typing import Any

import torch

from .concat_transformer import concat_transformer_from_original
from .llama_transformer import llama_transformer_from_original


# The whole checkpoint holds a teacher (`model.`), a student (`unet.`) and its average (`target_unet.`).
STUDENT_PREFIX = "unet.diffusion_model."

# What every LLaMA transformer in the authors' layout is made of.
LLAMA_PARTS = {"position_embedding": "rope", "activation_fn": "swiglu", "norm_type": "rms_norm"}


def student_weights(checkpoint: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    r"""
    The student's weights of a whole checkpoint, without their prefix; any other state dict as it is.
    """
    student = {
        key.removeprefix(STUDENT_PREFIX): value for key, value in checkpoint.items() if key.startswith(STUDENT_PREFIX)
    }
    return student or checkpoint


def concat_transformer_weights(
    checkpoint: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    r"""Published weights under the names of [`ConcatTransformer1DModel`], which has the given config."""
    original_config = {"num_heads": config["num_attention_heads"]}
    return concat_transformer_from_original(student_weights(checkpoint), original_config).state_dict()


def concat_transformer_config(
    original_config: Mapping[str, Any], checkpoint: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    r"""The config of the [`ConcatTransformer1DModel`] that published weights make."""
    return dict(concat_transformer_from_original(student_weights(checkpoint), original_config).config)


def llama_transformer_weights(
    checkpoint: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    r"""
    Weights of the authors' layout under the names of [`LLaMATransformer1DModel`], which has the given config.

    Raises:
        ValueError: If the config has another `position_embedding`, `activation_fn` or `norm_type` than that layout.
    """
    for name, part in LLAMA_PARTS.items():
        if config.get(name, part) != part:
            raise ValueError(f"Weights of the authors' layout need {name}={part!r}, got {name}={config[name]!r}.")
    original_config = {"num_heads": config["num_attention_heads"]}
    # The only other entries that decide about shapes and cannot be read from the weights.
    original_config |= {key: config[key] for key in ("multiple_of", "ffn_dim_multiplier") if key in config}
    return llama_transformer_from_original(student_weights(checkpoint), original_config).state_dict()


def llama_transformer_config(
    original_config: Mapping[str, Any], checkpoint: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    r"""The config of the [`LLaMATransformer1DModel`] that weights of the authors' layout make."""
    return dict(llama_transformer_from_original(student_weights(checkpoint), original_config).config)

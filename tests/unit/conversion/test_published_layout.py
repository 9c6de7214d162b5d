# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Every key of the full-size checkpoint finds its place, and every place its key; without the memory for them."""

import inspect
import json
import re

import pytest
import torch

from audiolcm_diffusers.conversion import (
    bigvgan_from_original,
    concat_transformer_from_original,
    mel_vae_from_original,
    text_encoders_from_original,
)
from audiolcm_diffusers.conversion.checkpoint import NOT_NEEDED, STUDENT, TEXT, VAE, check_keys


TRANSFORMER = {
    "in_channels": 20,
    "context_dim": 1024,
    "hidden_size": 576,
    "depth": 4,
    "num_heads": 8,
    "max_len": 1000,
}
DDCONFIG = {
    "double_z": True,
    "in_channels": 80,
    "out_ch": 80,
    "z_channels": 20,
    "kernel_size": 5,
    "ch": 384,
    "ch_mult": [1, 2, 4],
    "num_res_blocks": 2,
    "attn_layers": [3],
    "down_layers": [0],
    "dropout": 0.0,
}
T5_V1_1_LARGE = {
    "d_model": 1024,
    "d_kv": 64,
    "d_ff": 2816,
    "num_layers": 24,
    "num_heads": 16,
    "feed_forward_proj": "gated-gelu",
}


@pytest.fixture(scope="module")
def layout(references):
    return json.loads((references / "published_checkpoint_layout.json").read_text())


@pytest.fixture(scope="module")
def checkpoint(layout):
    """The state dict on the meta device. `[0-3]` in a key stands for that many layers."""
    state_dict = {}
    for key, shape in layout["state_dict"].items():
        layers = re.search(r"\[0-(\d+)\]", key)
        for layer in range(int(layers[1]) + 1) if layers else [0]:
            state_dict[key.replace(layers[0], str(layer)) if layers else key] = torch.empty(shape, device="meta")
    for prefix in NOT_NEEDED[:2]:
        state_dict |= {prefix + key: weight for key, weight in under(state_dict, STUDENT).items()}
    return state_dict


def under(state_dict, prefix):
    return {key.removeprefix(prefix): weight for key, weight in state_dict.items() if key.startswith(prefix)}


def num_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_all_keys_are_known(checkpoint):
    assert len(checkpoint) == 1020
    check_keys(checkpoint)
    check_keys({**checkpoint, "logvar": torch.zeros(1000)})
    with pytest.raises(ValueError, match=r"1 keys of unknown use: 'unet\.other\.weight'"):
        check_keys({**checkpoint, "unet.other.weight": torch.zeros(1)})


@pytest.mark.parametrize("prefix", [STUDENT, *NOT_NEEDED[:2]])
def test_transformer(checkpoint, prefix):
    model = concat_transformer_from_original(under(checkpoint, prefix), TRANSFORMER)
    assert num_parameters(model) == sum(weight.numel() for weight in under(checkpoint, prefix).values())
    # The published model is what the class makes without arguments.
    defaults = {name: argument.default for name, argument in inspect.signature(type(model)).parameters.items()}
    assert dict(model.config) == defaults


def test_vae(checkpoint):
    model = mel_vae_from_original(under(checkpoint, VAE), DDCONFIG, embed_dim=20)
    assert num_parameters(model) == sum(weight.numel() for weight in under(checkpoint, VAE).values())
    assert model.config.base_channels == 384
    assert tuple(model.config.attention_levels) == ()


@pytest.mark.parametrize("with_position_ids", [True, False])
@pytest.mark.parametrize("embeddings", ["both", "shared", "encoder.embed_tokens"])
def test_text_encoders(checkpoint, with_position_ids, embeddings):
    state_dict = under(checkpoint, TEXT)
    if with_position_ids:
        state_dict["caption_encoder.base.embeddings.position_ids"] = torch.empty(1, 512, device="meta")
    for name in {"shared", "encoder.embed_tokens"} - {embeddings} if embeddings != "both" else ():
        del state_dict[f"t5_transformer.{name}.weight"]
    bert, projection, t5 = text_encoders_from_original(state_dict, {}, {**T5_V1_1_LARGE, "vocab_size": 32128})
    assert num_parameters(bert) == 109_482_240  # BERT-base with its pooler
    assert num_parameters(projection) == 768 * 1024 + 1024 * 1024 + 2 * 1024
    assert t5.shared.weight is t5.encoder.embed_tokens.weight
    assert (
        num_parameters(t5)
        == sum(
            weight.numel()
            for key, weight in state_dict.items()
            if key.startswith("t5_transformer.encoder.") and "embed_tokens" not in key
        )
        + 32128 * 1024
    )


def test_vocoder(layout):
    state_dict = {key: torch.empty(shape, device="meta") for key, shape in layout["generator"].items()}
    model = bigvgan_from_original(state_dict, layout["vocoder_config"])
    # Without the magnitudes, which are folded, and the filters, which are computed.
    dropped = ("weight_g", ".filter")
    assert num_parameters(model) == sum(
        weight.numel() for key, weight in state_dict.items() if not key.endswith(dropped)
    )
    assert model.hop_length == 256

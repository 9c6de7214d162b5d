# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The published BigVGAN generator."""

from collections.abc import Mapping
from typing import Any

import torch

from ..models.anti_aliased_snake import AntiAliasedSnake1D, kaiser_sinc_filter
from ..models.vocoder_bigvgan import BigVGANVocoder
from .original_weights import Source, build_on_meta, load_original_weights, rename, require


WHAT = "BigVGAN vocoder"

# From this package's names to the published ones; those of the residual blocks depend on their type, see below.
RULES = [
    (r"^conv_in\.", "conv_pre."),
    (r"^conv_out\.", "conv_post."),
    (r"^act_out\.", "activation_post.act."),
    (r"^upsamplers\.(\d+)\.", r"ups.\1.0."),
]

# How the magnitude and direction of a weight-normed convolution are called: by the old and by the present function.
_WEIGHT_NORM = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))


def _fold(magnitude: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    r"""Weight normalisation over all but the first dimension (arXiv:1602.07868, eq. 2): `g v / |v|`."""
    if magnitude.shape != (direction.shape[0], *[1] * (direction.ndim - 1)):
        raise RuntimeError("one magnitude for each row is needed")
    norm = direction.float().flatten(1).norm(dim=1).view_as(magnitude)
    return (direction.float() * (magnitude.float() / norm)).to(direction.dtype)


def _find_source(name: str, state_dict: Mapping[str, torch.Tensor], resblock_type: str) -> Source:
    key = rename(name, RULES)
    if name.startswith("resblocks."):
        resblocks, block, layers, branch, rest = name.split(".", 4)
        if layers.startswith("acts"):
            index = 2 * int(branch) + int(layers[-1]) - 1 if resblock_type == "1" else int(branch)
            layers, branch, rest = "activations", index, f"act.{rest}"
        elif resblock_type == "2":
            layers = "convs"
        key = f"{resblocks}.{block}.{layers}.{branch}.{rest}"
    if name.endswith(".weight") and key not in state_dict:
        module = key.removesuffix("weight")
        for pair in _WEIGHT_NORM:
            if any(module + part in state_dict for part in pair):
                return Source(tuple(module + part for part in pair), _fold)
    return Source((key,))


def bigvgan_from_original(state_dict: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> BigVGANVocoder:
    r"""
    Build a [`BigVGANVocoder`] from the weights of a published BigVGAN generator.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`):
            Weights with the published keys (`generator` of the published file), with weight normalisation or folded.
            The anti-aliasing filters are dropped: they follow from the text. The model takes the weights over in
            their dtypes.
        config (`Mapping[str, Any]`):
            Published configuration; `num_mels`, `upsample_initial_channel`, `upsample_rates`,
            `upsample_kernel_sizes`, `resblock_kernel_sizes`, `resblock_dilation_sizes`, `activation` and
            `snake_logscale` are required. Entries about the training are passed over, and so are `fmin` and `fmax`:
            the published ones are not what the mels were made with.

    Returns:
        [`BigVGANVocoder`]: In eval mode, with plain weights.

    Raises:
        ValueError: If the configuration lacks an entry or asks for what is not supported, or if weights are missing,
            left over or mis-shaped.
    """
    if not config.get("use_tanh_at_final", True):
        raise ValueError(
            f"The {WHAT} ends in tanh: use_tanh_at_final={config['use_tanh_at_final']!r} is not supported."
        )
    resblock_type = str(config.get("resblock", "1"))
    model = build_on_meta(
        BigVGANVocoder,
        in_channels=require(config, "num_mels", WHAT),
        upsample_initial_channel=require(config, "upsample_initial_channel", WHAT),
        upsample_rates=tuple(require(config, "upsample_rates", WHAT)),
        upsample_kernel_sizes=tuple(require(config, "upsample_kernel_sizes", WHAT)),
        resblock_type=resblock_type,
        resblock_kernel_sizes=tuple(require(config, "resblock_kernel_sizes", WHAT)),
        resblock_dilation_sizes=tuple(tuple(sizes) for sizes in require(config, "resblock_dilation_sizes", WHAT)),
        activation=require(config, "activation", WHAT),
        snake_logscale=require(config, "snake_logscale", WHAT),
        sampling_rate=config.get("sampling_rate", 16000),
    )
    load_original_weights(
        model,
        state_dict,
        lambda name: _find_source(name, state_dict, resblock_type),
        WHAT,
        ignore=lambda key: key.endswith(".filter"),
    )
    for module in model.modules():
        if isinstance(module, AntiAliasedSnake1D):
            module.filter = kaiser_sinc_filter().view(1, 1, -1).to(module.alpha.device)
    return model

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The published mel autoencoder."""

from collections.abc import Mapping
from typing import Any

import torch

from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from .original_weights import Source, build_on_meta, load_original_weights, rename, require, shape_of


WHAT = "mel VAE"

# From this package's names to the published ones; the decoder's levels are counted from the other end, see below.
RULES = [
    (r"\.down_blocks\.", ".down."),
    (r"\.up_blocks\.", ".up."),
    (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
    (r"\.mid_block\.attentions\.0\.attention\.", ".mid.attn_1."),
    (r"\.resnets\.(\d+)\.", r".block.\1."),
    (r"\.attentions\.(\d+)\.attention\.", r".attn.\1."),
    (r"\.group_norm\.", ".norm."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"\.to_out\.0\.", ".proj_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.downsampler\.", ".downsample.conv."),
    (r"\.upsampler\.", ".upsample.conv."),
]


def _find_source(name: str, num_levels: int) -> Source:
    if name.startswith("decoder.up_blocks."):
        # Listed here in the order in which they run, there by level.
        decoder, blocks, index, rest = name.split(".", 3)
        name = f"{decoder}.{blocks}.{num_levels - 1 - int(index)}.{rest}"
    key = rename(name, RULES)
    if ".to_" in name and name.endswith(".weight"):
        # Published: 1×1 convolutions over frames, which are linear layers.
        return Source((key,), lambda weight: weight.squeeze(-1))
    return Source((key,))


def mel_vae_from_original(
    state_dict: Mapping[str, torch.Tensor],
    ddconfig: Mapping[str, Any],
    embed_dim: int,
    scale_factor: float | torch.Tensor = 1.0,
) -> AutoencoderKLMel1D:
    r"""
    Build an [`AutoencoderKLMel1D`] from published weights.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`):
            Weights with the published keys, without the prefix `first_stage_model.` that they have in the whole
            checkpoint. `loss.*` (the discriminator that training needed) may be there. The model takes them over in
            their dtypes and shares their memory.
        ddconfig (`Mapping[str, Any]`):
            Published configuration of the nets; `ch`, `ch_mult`, `num_res_blocks` and `z_channels` are required.
            Levels of `attn_layers` that the nets do not have are passed over, as the published code does.
        embed_dim (`int`): Channels of the latents.
        scale_factor (`float` or scalar `torch.Tensor`, defaults to 1.0):
            What latents are multiplied with before diffusion; `scale_factor` of the whole checkpoint.

    Returns:
        [`AutoencoderKLMel1D`]: In eval mode.

    Raises:
        ValueError: If the configuration lacks an entry or is one that the published code cannot run, or if weights
            are missing, left over or mis-shaped.
    """
    if not ddconfig.get("double_z", True):
        raise ValueError(f"The {WHAT} needs mean and variance: expected double_z=True, got {ddconfig['double_z']!r}.")
    kernel_size = shape_of(state_dict, "encoder.conv_in.weight", 3, WHAT)[-1]
    in_channels = ddconfig.get("in_channels", shape_of(state_dict, "encoder.conv_in.weight", 3, WHAT)[1])
    if ddconfig.get("out_ch", in_channels) != in_channels:
        raise ValueError(f"Expected out_ch to be in_channels ({in_channels}), got out_ch={ddconfig['out_ch']!r}.")
    ch_mult = tuple(require(ddconfig, "ch_mult", WHAT))
    z_channels = require(ddconfig, "z_channels", WHAT)
    scale_factor = float(scale_factor)
    if not 0.0 < scale_factor < float("inf"):
        raise ValueError(f"Expected a positive, finite scale_factor, got {scale_factor}.")
    model = build_on_meta(
        AutoencoderKLMel1D,
        in_channels=in_channels,
        latent_channels=embed_dim,
        base_channels=require(ddconfig, "ch", WHAT),
        channel_multipliers=ch_mult,
        layers_per_block=require(ddconfig, "num_res_blocks", WHAT),
        kernel_size=ddconfig.get("kernel_size", kernel_size),
        # No configuration names it.
        decoder_kernel_size=shape_of(state_dict, "decoder.mid.block_1.conv1.weight", 3, WHAT)[-1],
        attention_levels=tuple(level for level in ddconfig.get("attn_layers", ()) if level < len(ch_mult)),
        downsample_levels=tuple(ddconfig.get("down_layers", ())),
        scaling_factor=scale_factor,
        dropout=ddconfig.get("dropout", 0.0),
        z_channels=None if z_channels == embed_dim else z_channels,
    )
    load_original_weights(
        model,
        state_dict,
        lambda name: _find_source(name, len(ch_mult)),
        WHAT,
        ignore=lambda key: key.startswith("loss."),
    )
    return model

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Published weights for diffusers' `from_single_file`.

For each model there are two functions with the signatures that diffusers calls: one maps the weights, the other makes
the model's config from `original_config`, the published configuration as a dictionary: the whole one, or the part that
is the model's own. The weights are those of a whole checkpoint, or the model's own without a prefix.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from .bigvgan import bigvgan_from_original
from .checkpoint import STUDENT, VAE
from .concat_transformer import concat_transformer_from_original
from .llama_transformer import llama_transformer_from_original
from .mel_vae import mel_vae_from_original


# What every LLaMA transformer in the authors' layout is made of.
LLAMA_PARTS = {"position_embedding": "rope", "activation_fn": "swiglu", "norm_type": "rms_norm"}

# Names of the published configuration for those of BigVGANVocoder's.
BIGVGAN_NAMES = {
    "num_mels": "in_channels",
    "resblock": "resblock_type",
    **{
        name: name
        for name in (
            "upsample_initial_channel",
            "upsample_rates",
            "upsample_kernel_sizes",
            "resblock_kernel_sizes",
            "resblock_dilation_sizes",
            "activation",
            "snake_logscale",
            "sampling_rate",
        )
    },
}


def published_config(model_class: type) -> dict[str, Any]:
    r"""
    The published model's `original_config` for one of the classes here, whose defaults are its sizes.

    Args:
        model_class (`type`): Such as [`ConcatTransformer1DModel`].

    Returns:
        `dict`: What `from_single_file` takes where it is given no configuration.
    """
    parameters = inspect.signature(model_class.__init__).parameters.values()
    return _ORIGINALS[model_class.__name__](
        {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}
    )


def _part(state_dict: Mapping[str, torch.Tensor], prefix: str) -> Mapping[str, torch.Tensor]:
    """The weights of a whole checkpoint that have a prefix, without it; any other state dict as it is."""
    part = {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
    return part or state_dict


def _section(original_config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The part of a whole published configuration that a model reads; any other configuration as it is."""
    if "model" not in original_config:
        return original_config
    section = original_config
    for key in ("model", "params", name, "params"):
        section = section.get(key) if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping):
        raise ValueError(f"Expected model.params.{name}.params in the published configuration, which has none.")
    return section


def _concat_transformer(checkpoint, original_config):
    return concat_transformer_from_original(_part(checkpoint, STUDENT), _section(original_config, "unet_config"))


def _llama_transformer(checkpoint, original_config):
    return llama_transformer_from_original(_part(checkpoint, STUDENT), _section(original_config, "unet_config"))


def _mel_vae(checkpoint, original_config):
    section = _section(original_config, "first_stage_config")
    missing = [name for name in ("ddconfig", "embed_dim") if name not in section]
    if missing:
        raise ValueError(f"The VAE's configuration lacks {missing}: it has {sorted(section)}.")
    scale_factor = checkpoint.get("scale_factor", section.get("scale_factor", 1.0))
    return mel_vae_from_original(_part(checkpoint, VAE), section["ddconfig"], section["embed_dim"], scale_factor)


def _bigvgan(checkpoint, original_config):
    return bigvgan_from_original(checkpoint.get("generator", checkpoint), original_config)


def _concat_transformer_original(config):
    return {"num_heads": config["num_attention_heads"]}


def _llama_transformer_original(config):
    # The only other entries that decide about shapes and cannot be read from the weights.
    sizes = {key: config[key] for key in ("multiple_of", "ffn_dim_multiplier") if key in config}
    return {"num_heads": config["num_attention_heads"], **sizes}


def _mel_vae_original(config):
    latent_channels, z_channels = config["latent_channels"], config.get("z_channels")
    return {
        "embed_dim": latent_channels,
        "scale_factor": config.get("scaling_factor", 1.0),
        "ddconfig": {
            "z_channels": latent_channels if z_channels is None else z_channels,
            "ch": config["base_channels"],
            "ch_mult": config["channel_multipliers"],
            "num_res_blocks": config["layers_per_block"],
            "attn_layers": config["attention_levels"],
            "down_layers": config["downsample_levels"],
            "dropout": config.get("dropout", 0.0),
        },
    }


def _bigvgan_original(config):
    return {original: config[name] for original, name in BIGVGAN_NAMES.items() if name in config}


def concat_transformer_weights(
    checkpoint: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    r"""Published weights under the names of [`ConcatTransformer1DModel`], which has the given config."""
    return _concat_transformer(checkpoint, _concat_transformer_original(config)).state_dict()


def concat_transformer_config(
    original_config: Mapping[str, Any], checkpoint: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    r"""The config of the [`ConcatTransformer1DModel`] that published weights make."""
    return dict(_concat_transformer(checkpoint, original_config).config)


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
    return _llama_transformer(checkpoint, _llama_transformer_original(config)).state_dict()


def llama_transformer_config(
    original_config: Mapping[str, Any], checkpoint: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    r"""The config of the [`LLaMATransformer1DModel`] that weights of the authors' layout make."""
    return dict(_llama_transformer(checkpoint, original_config).config)


def mel_vae_weights(checkpoint: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    r"""Published weights under the names of [`AutoencoderKLMel1D`], which has the given config."""
    return _mel_vae(checkpoint, _mel_vae_original(config)).state_dict()


def mel_vae_config(original_config: Mapping[str, Any], checkpoint: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    r"""
    The config of the [`AutoencoderKLMel1D`] that published weights make. `original_config` has `ddconfig`, `embed_dim`
    and, where the weights are not those of a whole checkpoint, `scale_factor` (1 by default).
    """
    return dict(_mel_vae(checkpoint, original_config).config)


def bigvgan_weights(checkpoint: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    r"""Published weights of a generator under the names of [`BigVGANVocoder`], which has the given config."""
    return _bigvgan(checkpoint, _bigvgan_original(config)).state_dict()


def bigvgan_config(original_config: Mapping[str, Any], checkpoint: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    r"""The config of the [`BigVGANVocoder`] that the weights of a published generator make."""
    return dict(_bigvgan(checkpoint, original_config).config)


_ORIGINALS = {
    "ConcatTransformer1DModel": _concat_transformer_original,
    "LLaMATransformer1DModel": _llama_transformer_original,
    "AutoencoderKLMel1D": _mel_vae_original,
    "BigVGANVocoder": _bigvgan_original,
}

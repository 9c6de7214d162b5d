# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
The mel VAE at sizes that the published one does not have, against the same computation written out on the published
keys: plain functions of a dictionary of weights.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from audiolcm_diffusers.conversion import mel_vae_from_original


DDCONFIG = {
    "double_z": True,
    "in_channels": 10,
    "out_ch": 10,
    "z_channels": 3,
    "kernel_size": 5,
    "ch": 32,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_layers": [],
    "down_layers": [],
    "dropout": 0.0,
}


def original_shapes(config, embed_dim):
    """Keys and shapes of the published layout."""
    shapes = {}

    def conv(name, in_channels, out_channels, kernel_size):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out_channels, in_channels, kernel_size), (out_channels,)

    def norm(name, channels):
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (channels,)

    def block(name, in_channels, out_channels, kernel_size):
        norm(f"{name}.norm1", in_channels)
        conv(f"{name}.conv1", in_channels, out_channels, kernel_size)
        norm(f"{name}.norm2", out_channels)
        conv(f"{name}.conv2", out_channels, out_channels, kernel_size)
        if in_channels != out_channels:
            conv(f"{name}.nin_shortcut", in_channels, out_channels, 1)

    def attention(name, channels):
        norm(f"{name}.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            conv(f"{name}.{part}", channels, channels, 1)

    def middle(name, channels, kernel_size):
        block(f"{name}.block_1", channels, channels, kernel_size)
        attention(f"{name}.attn_1", channels)
        block(f"{name}.block_2", channels, channels, kernel_size)

    ch, z, kernel_size = config["ch"], config["z_channels"], config["kernel_size"]
    levels = range(len(config["ch_mult"]))
    conv("encoder.conv_in", config["in_channels"], ch, kernel_size)
    width = ch
    for level in levels:
        for index in range(config["num_res_blocks"]):
            block(f"encoder.down.{level}.block.{index}", width, ch * config["ch_mult"][level], kernel_size)
            width = ch * config["ch_mult"][level]
            if level in config["attn_layers"]:
                attention(f"encoder.down.{level}.attn.{index}", width)
        if level in config["down_layers"]:
            conv(f"encoder.down.{level}.downsample.conv", width, width, 3)
    middle("encoder.mid", width, kernel_size)
    norm("encoder.norm_out", width)
    conv("encoder.conv_out", width, 2 * z, kernel_size)
    conv("quant_conv", 2 * z, 2 * embed_dim, 1)
    conv("post_quant_conv", embed_dim, z, 1)
    conv("decoder.conv_in", z, width, kernel_size)
    middle("decoder.mid", width, 3)
    for level in reversed(levels):
        for index in range(config["num_res_blocks"] + 1):
            block(f"decoder.up.{level}.block.{index}", width, ch * config["ch_mult"][level], 3)
            width = ch * config["ch_mult"][level]
            if level in config["attn_layers"]:
                attention(f"decoder.up.{level}.attn.{index}", width)
        if level - 1 in config["down_layers"]:
            conv(f"decoder.up.{level}.upsample.conv", width, width, 3)
    norm("decoder.norm_out", width)
    conv("decoder.conv_out", width, config["out_ch"], kernel_size)
    return shapes


def original_weights(config, embed_dim):
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=generator) / (math.prod(shape[1:]) ** 0.5 if len(shape) > 1 else 10)
        + ("norm" in key and key.endswith("weight"))
        for key, shape in original_shapes(config, embed_dim).items()
    }


class OriginalVAE:
    """What the published code computes, as its description says."""

    def __init__(self, weights, config):
        self.weights, self.config = weights, config

    def conv(self, name, x, stride=1, padding=None):
        weight = self.weights[f"{name}.weight"]
        padding = weight.shape[-1] // 2 if padding is None else padding
        return F.conv1d(x, weight, self.weights[f"{name}.bias"], stride=stride, padding=padding)

    def norm(self, name, x):
        return F.group_norm(x, 32, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], eps=1e-6)

    def block(self, name, x):
        update = self.conv(f"{name}.conv1", F.silu(self.norm(f"{name}.norm1", x)))
        update = self.conv(f"{name}.conv2", F.silu(self.norm(f"{name}.norm2", update)))
        if f"{name}.nin_shortcut.weight" in self.weights:
            x = self.conv(f"{name}.nin_shortcut", x)
        return x + update

    def attention(self, name, x):
        normed = self.norm(f"{name}.norm", x)
        query, key, value = (self.conv(f"{name}.{part}", normed) for part in "qkv")
        scores = torch.softmax(query.transpose(1, 2) @ key / x.shape[1] ** 0.5, dim=-1)
        return x + self.conv(f"{name}.proj_out", value @ scores.transpose(1, 2))

    def middle(self, name, x):
        return self.block(f"{name}.block_2", self.attention(f"{name}.attn_1", self.block(f"{name}.block_1", x)))

    def level(self, net, level, num_blocks, x):
        for index in range(num_blocks):
            x = self.block(f"{net}.{level}.block.{index}", x)
            if level in self.config["attn_layers"]:
                x = self.attention(f"{net}.{level}.attn.{index}", x)
        return x

    def moments(self, x):
        x = self.conv("encoder.conv_in", x)
        for level in range(len(self.config["ch_mult"])):
            x = self.level("encoder.down", level, self.config["num_res_blocks"], x)
            if level in self.config["down_layers"]:
                x = self.conv(f"encoder.down.{level}.downsample.conv", F.pad(x, (0, 1)), stride=2, padding=0)
        x = self.middle("encoder.mid", x)
        return self.conv("quant_conv", self.conv("encoder.conv_out", F.silu(self.norm("encoder.norm_out", x))))

    def decode(self, z):
        x = self.middle("decoder.mid", self.conv("decoder.conv_in", self.conv("post_quant_conv", z)))
        for level in reversed(range(len(self.config["ch_mult"]))):
            x = self.level("decoder.up", level, self.config["num_res_blocks"] + 1, x)
            if level - 1 in self.config["down_layers"]:
                x = self.conv(f"decoder.up.{level}.upsample.conv", x.repeat_interleave(2, dim=-1))
        return self.conv("decoder.conv_out", F.silu(self.norm("decoder.norm_out", x)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("change", "embed_dim"),
    [
        ({}, 3),
        ({"down_layers": [0]}, 3),
        ({"ch_mult": [1, 2, 3], "down_layers": [0, 1], "attn_layers": [1, 2], "num_res_blocks": 2}, 3),
        ({"ch_mult": [2, 1], "attn_layers": [0, 7], "kernel_size": 3}, 3),
        ({"z_channels": 4, "down_layers": [0]}, 2),
    ],
)
def test_agrees_at_other_sizes(change, embed_dim, relative_error):
    config = {**DDCONFIG, **change}
    weights = original_weights(config, embed_dim)
    original = OriginalVAE(weights, config)
    model = mel_vae_from_original(weights, config, embed_dim)
    assert model.temporal_compression_ratio == 2 ** len(config["down_layers"])
    mel = torch.randn(2, 10, 16, generator=torch.Generator().manual_seed(1))
    posterior = model.encode(mel).latent_dist
    assert relative_error(posterior.parameters, original.moments(mel)) < 1e-5
    latents = posterior.mode()
    assert latents.shape[1] == embed_dim
    assert relative_error(model.decode(latents).sample, original.decode(latents)) < 1e-5


def test_shares_memory_and_is_in_eval_mode():
    weights = original_weights(DDCONFIG, 3)
    model = mel_vae_from_original(weights, DDCONFIG, 3, scale_factor=torch.tensor(0.25))
    assert not model.training
    assert model.config.scaling_factor == 0.25
    assert model.quant_conv.weight.data_ptr() == weights["quant_conv.weight"].data_ptr()
    attention = model.encoder.mid_block.attentions[0].attention
    assert attention.to_q.weight.data_ptr() == weights["encoder.mid.attn_1.q.weight"].data_ptr()


def test_the_discriminator_is_left_out():
    weights = original_weights(DDCONFIG, 3)
    weights["loss.discriminator.main.0.weight"] = torch.zeros(1)
    mel_vae_from_original(weights, DDCONFIG, 3)


def test_lists_all_that_does_not_fit():
    weights = original_weights(DDCONFIG, 3)
    del weights["decoder.up.1.block.0.conv1.weight"]
    weights["encoder.mid.attn_1.q.weight"] = torch.zeros(64, 64, 3)
    weights["encoder.down.0.attn.0.q.weight"] = torch.zeros(32, 32, 1)
    with pytest.raises(ValueError) as error:
        mel_vae_from_original(weights, DDCONFIG, 3)
    assert "1 missing: 'decoder.up.1.block.0.conv1.weight'" in str(error.value)
    assert "1 left over: 'encoder.down.0.attn.0.q.weight'" in str(error.value)
    assert "1 mis-shaped: 'encoder.mid.attn_1.q.weight' (64, 64, 3) for (64, 64)" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"double_z": False}, "expected double_z=True, got False"),
        ({"out_ch": 4}, r"Expected out_ch to be in_channels \(10\), got out_ch=4"),
        ({"down_layers": [1]}, "`downsample_levels` must lie in"),
        ({"ch": 33}, "must divide `base_channels` 33"),
    ],
)
def test_a_config_that_cannot_run_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        mel_vae_from_original(original_weights(DDCONFIG, 3), {**DDCONFIG, **change}, 3)


@pytest.mark.parametrize("entry", ["ch", "ch_mult", "num_res_blocks", "z_channels"])
def test_an_incomplete_config_is_refused(entry):
    config = {key: value for key, value in DDCONFIG.items() if key != entry}
    with pytest.raises(ValueError, match=f"The mel VAE's config has no '{entry}'"):
        mel_vae_from_original(original_weights(DDCONFIG, 3), config, 3)


@pytest.mark.parametrize("scale_factor", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_scale_factor_is_refused(scale_factor):
    with pytest.raises(ValueError, match=f"positive, finite scale_factor, got {scale_factor}"):
        mel_vae_from_original(original_weights(DDCONFIG, 3), DDCONFIG, 3, scale_factor)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
BigVGAN in the variants that the published one is not, against the same computation written out on the published keys.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal.windows import kaiser
from torch.nn.utils import parametrizations

from audiolcm_diffusers.conversion import bigvgan_from_original


CONFIG = {
    "resblock": "1",
    "upsample_rates": [3, 2],
    "upsample_kernel_sizes": [7, 4],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 2], [1, 3]],
    "activation": "snakebeta",
    "snake_logscale": True,
    "num_mels": 6,
    "sampling_rate": 22050,
    "fmin": 125,
    "fmax": 7600,
    "batch_size": 32,
}


def original_shapes(config):
    """Keys and shapes of the published layout, with weight normalisation folded."""
    shapes = {}

    def conv(name, out_channels, in_channels, kernel_size, bias):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out_channels, in_channels, kernel_size), (bias,)

    def activation(name, channels):
        for parameter in ("alpha", "beta") if config["activation"] == "snakebeta" else ("alpha",):
            shapes[f"{name}.act.{parameter}"] = (channels,)
        shapes[f"{name}.upsample.filter"] = shapes[f"{name}.downsample.lowpass.filter"] = (1, 1, 12)

    channels = config["upsample_initial_channel"]
    num_blocks = len(config["resblock_kernel_sizes"])
    conv("conv_pre", channels, config["num_mels"], 7, channels)
    for stage, kernel_size in enumerate(config["upsample_kernel_sizes"]):
        conv(f"ups.{stage}.0", channels, channels // 2, kernel_size, channels // 2)
        channels //= 2
        sizes = zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"])
        for block, (kernel_size, dilations) in enumerate(sizes, start=stage * num_blocks):
            lists = ("convs1", "convs2") if config["resblock"] == "1" else ("convs",)
            for branch in range(len(dilations)):
                for name in lists:
                    conv(f"resblocks.{block}.{name}.{branch}", channels, channels, kernel_size, channels)
            for index in range(len(lists) * len(dilations)):
                activation(f"resblocks.{block}.activations.{index}", channels)
    activation("activation_post", channels)
    conv("conv_post", 1, channels, 7, 1)
    return shapes


def original_weights(config):
    generator = torch.Generator().manual_seed(0)
    weights = {
        key: torch.randn(shape, generator=generator) / (math.prod(shape[1:]) ** 0.5 if len(shape) > 1 else 10)
        for key, shape in original_shapes(config).items()
    }
    # Amplitudes stand below a fraction: off their logarithmic scale they start at 1.
    return weights | {key: w + (not config["snake_logscale"]) for key, w in weights.items() if ".act." in key}


def low_pass():
    """12 taps, cutoff 0.25, half-width 0.3."""
    attenuation = 2.285 * 5 * math.pi * 1.2 + 7.95  # 51.02 dB, so that the rule for more than 50 holds
    times = np.arange(12) - 5.5
    taps = kaiser(12, 0.1102 * (attenuation - 8.7)) * np.sinc(0.5 * times)
    return torch.from_numpy(taps / taps.sum()).float()


class OriginalBigVGAN:
    """What the published code computes, as its description says."""

    def __init__(self, weights, config):
        self.weights, self.config = weights, config

    def conv(self, name, x, dilation=1):
        weight = self.weights[f"{name}.weight"]
        padding = (weight.shape[-1] - 1) * dilation // 2
        return F.conv1d(x, weight, self.weights[f"{name}.bias"], dilation=dilation, padding=padding)

    def activation(self, name, x):
        alpha = self.weights[f"{name}.act.alpha"][:, None]
        beta = self.weights.get(f"{name}.act.beta", alpha[:, 0])[:, None]
        if self.config["snake_logscale"]:
            alpha, beta = alpha.exp(), beta.exp()
        taps = low_pass().expand(x.shape[1], 1, -1)
        x = 2 * F.conv_transpose1d(F.pad(x, (5, 5), mode="replicate"), taps, stride=2, groups=x.shape[1])[..., 15:-15]
        x = x + torch.sin(alpha * x) ** 2 / (beta + 1e-9)
        return F.conv1d(F.pad(x, (5, 6), mode="replicate"), taps, stride=2, groups=x.shape[1])

    def resblock(self, block, dilations, x):
        name = f"resblocks.{block}"
        for branch, dilation in enumerate(dilations):
            if self.config["resblock"] == "1":
                update = self.conv(
                    f"{name}.convs1.{branch}", self.activation(f"{name}.activations.{2 * branch}", x), dilation
                )
                update = self.activation(f"{name}.activations.{2 * branch + 1}", update)
                x = x + self.conv(f"{name}.convs2.{branch}", update)
            else:
                x = x + self.conv(
                    f"{name}.convs.{branch}", self.activation(f"{name}.activations.{branch}", x), dilation
                )
        return x

    def __call__(self, x):
        x = self.conv("conv_pre", x)
        dilations = self.config["resblock_dilation_sizes"]
        for stage, rate in enumerate(self.config["upsample_rates"]):
            weight, bias = (self.weights[f"ups.{stage}.0.{name}"] for name in ("weight", "bias"))
            x = F.conv_transpose1d(x, weight, bias, stride=rate, padding=(weight.shape[-1] - rate) // 2)
            blocks = [self.resblock(stage * len(dilations) + block, d, x) for block, d in enumerate(dilations)]
            x = torch.stack(blocks).mean(0)
        return torch.tanh(self.conv("conv_post", self.activation("activation_post", x)))[:, 0]


@torch.no_grad()
@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("activation", ["snake", "snakebeta"])
@pytest.mark.parametrize("logscale", [True, False])
def test_agrees_in_all_variants(resblock, activation, logscale, relative_error):
    config = {**CONFIG, "resblock": resblock, "activation": activation, "snake_logscale": logscale}
    weights = original_weights(config)
    model = bigvgan_from_original(weights, config)
    assert not model.training
    assert model.config.sampling_rate == 22050
    mel = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(1))
    waveform = model(mel)
    assert waveform.shape == (2, 9 * 6)
    assert relative_error(waveform, OriginalBigVGAN(weights, config)(mel)) < 1e-5


def normed(weights, names):
    """The same weights as magnitude and direction, the direction at any scale."""
    magnitude_name, direction_name = names
    result = {}
    for key, weight in weights.items():
        if key.endswith(".weight"):
            module = key.removesuffix("weight")
            result[module + magnitude_name] = weight.flatten(1).norm(dim=1).view(-1, 1, 1)
            result[module + direction_name] = 3 * weight
        else:
            result[key] = weight
    return result


@pytest.mark.parametrize(
    "names",
    [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")],
)
def test_folds_weight_normalisation(names, relative_error):
    weights = original_weights(CONFIG)
    model = bigvgan_from_original(normed(weights, names), CONFIG)
    plain = bigvgan_from_original(weights, CONFIG).state_dict()
    for key, weight in model.state_dict().items():
        assert relative_error(weight, plain[key]) < 1e-6


def test_folds_as_torch_does(relative_error):
    conv = parametrizations.weight_norm(torch.nn.Conv1d(6, 16, 7))
    with torch.no_grad():
        conv.parametrizations.weight.original0.mul_(torch.linspace(-1, 2, 16).view(-1, 1, 1))
    weights = original_weights(CONFIG)
    del weights["conv_pre.weight"]
    weights |= {f"conv_pre.{key}": weight.detach() for key, weight in conv.state_dict().items() if key != "bias"}
    assert relative_error(bigvgan_from_original(weights, CONFIG).conv_in.weight, conv.weight) < 1e-6


def test_keeps_the_dtype():
    weights = {key: weight.half() for key, weight in original_weights(CONFIG).items()}
    model = bigvgan_from_original(normed(weights, ("weight_g", "weight_v")), CONFIG)
    assert model.dtype == torch.float16
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}


def test_lists_all_that_does_not_fit():
    weights = normed(original_weights(CONFIG), ("weight_g", "weight_v"))
    del weights["ups.1.0.weight_g"], weights["activation_post.act.beta"]
    weights["resblocks.0.convs1.0.weight_v"] = torch.zeros(8, 8, 4)
    weights["resblocks.0.convs1.1.weight_g"] = torch.zeros(7, 1, 1)
    weights["conv_mid.bias"] = torch.zeros(1)
    with pytest.raises(ValueError) as error:
        bigvgan_from_original(weights, CONFIG)
    message = str(error.value)
    assert "2 missing: 'ups.1.0.weight_g', 'activation_post.act.beta'" in message
    assert "1 left over: 'conv_mid.bias'" in message
    assert "2 mis-shaped: " in message
    assert "'resblocks.0.convs1.0.weight_v' (8, 8, 4) for (8, 8, 3)" in message
    assert "'resblocks.0.convs1.1.weight_g' (7, 1, 1)" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_tanh_at_final": False}, "use_tanh_at_final=False is not supported"),
        ({"resblock": "3"}, "`resblock_type` must be"),
        ({"activation": "relu"}, "`activation` must be"),
        ({"num_mels": 7}, "mis-shaped: 'conv_pre.weight'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        bigvgan_from_original(original_weights(CONFIG), {**CONFIG, **change})


@pytest.mark.parametrize("entry", ["num_mels", "upsample_rates", "activation", "snake_logscale"])
def test_an_incomplete_config_is_refused(entry):
    config = {key: value for key, value in CONFIG.items() if key != entry}
    with pytest.raises(ValueError, match=f"The BigVGAN vocoder's config has no '{entry}'"):
        bigvgan_from_original(original_weights(CONFIG), config)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Convolutions with fewer multiplications are the convolutions that they replace."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from audiolcm_diffusers import BigVGANVocoder
from audiolcm_diffusers.models import filtering_on_cpus, minimal_filtering
from audiolcm_diffusers.models.minimal_filtering import FewerProductsConv1d, filtering_matrices


def make_conv(kernel_size=7, dilation=1, channels=96, out_channels=None, **options):
    torch.manual_seed(0)
    options = {"padding": dilation * (kernel_size - 1) // 2, **options}
    conv = FewerProductsConv1d(channels, out_channels or channels, kernel_size, dilation=dilation, **options)
    conv.set_fast(True)
    return conv.requires_grad_(False)


def exactly(conv, hidden_states):
    bias = None if conv.bias is None else conv.bias.double()
    return F.conv1d(hidden_states.double(), conv.weight.double(), bias, padding=conv.padding, dilation=conv.dilation)


@pytest.fixture
def used(monkeypatch):
    """How often the fewer products were made."""
    calls = []
    filter_on_cpu = filtering_on_cpus.filter_on_cpu
    monkeypatch.setattr(filtering_on_cpus, "filter_on_cpu", lambda *args: calls.append(1) or filter_on_cpu(*args))
    return calls


def test_four_outputs_of_four_taps_take_seven_products():
    out, taps, into = filtering_matrices()
    generator = np.random.default_rng(0)
    g, x = generator.normal(size=4), generator.normal(size=7)
    expected = [sum(g[j] * x[i + j] for j in range(4)) for i in range(4)]
    np.testing.assert_allclose(out @ ((taps @ g) * (into @ x)), expected, atol=1e-13)


def test_any_points_will_do():
    out, taps, into = filtering_matrices((0.0, 1.0, -1.0, 0.5, -0.5, 2.0))
    g, x = np.array([1.0, 2.0, 3.0, 4.0]), np.arange(7.0)
    np.testing.assert_allclose(out @ ((taps @ g) * (into @ x)), [20.0, 30.0, 40.0, 50.0], atol=1e-12)


@pytest.mark.parametrize("samples", [256, 257, 333, 1023])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(7, 1), (7, 5), (8, 1), (11, 1), (11, 3), (13, 2)])
def test_it_is_the_convolution(used, kernel_size, dilation, samples):
    conv = make_conv(kernel_size, dilation)
    hidden_states = torch.randn(2, 96, samples, generator=torch.Generator().manual_seed(samples))
    made, expected = conv(hidden_states), exactly(conv, hidden_states)
    assert used and made.shape == expected.shape and made.dtype == torch.float32
    assert (made - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("padding", [0, 1, 40])
def test_other_paddings_and_widths(used, padding):
    conv = make_conv(11, channels=96, out_channels=130, padding=padding, bias=False)
    hidden_states = torch.randn(1, 96, 300, generator=torch.Generator().manual_seed(0))
    made, expected = conv(hidden_states), exactly(conv, hidden_states)
    assert used and made.shape == expected.shape
    assert (made - expected).abs().max() < 1e-5 * expected.abs().max()
    # Rows that do not lie one behind the other.
    turned = hidden_states.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(conv(turned), made)


def test_threads_share_the_work(used):
    conv, hidden_states = make_conv(), torch.randn(1, 96, 2000, generator=torch.Generator().manual_seed(0))
    alone = conv(hidden_states)
    num_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.allclose(conv(hidden_states), alone, atol=1e-6)
    finally:
        torch.set_num_threads(num_threads)
    assert len(used) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.mul_(2),
        lambda weight: weight.data.mul_(2),
        lambda weight: setattr(weight, "data", 2 * weight.data),
        lambda weight: weight.data.copy_(weight.to(torch.bfloat16).float()),
    ],
    ids=["in place", "behind the counter", "replaced", "rounded"],
)
def test_weights_that_change_are_seen(used, change):
    conv, hidden_states = make_conv(), torch.randn(1, 96, 256, generator=torch.Generator().manual_seed(0))
    before = conv(hidden_states)
    change(conv.weight)
    made, expected = conv(hidden_states), exactly(conv, hidden_states)
    assert len(used) == 2 and not torch.equal(made, before)
    assert (made - expected).abs().max() < 1e-5 * expected.abs().max()


def test_filters_are_transformed_once(monkeypatch):
    conv, hidden_states = make_conv(), torch.randn(1, 96, 256)
    first = conv(hidden_states)
    monkeypatch.setattr(minimal_filtering, "transformed_weight", lambda weight: pytest.fail("again"))
    assert torch.equal(conv(hidden_states), first)
    conv.set_fast(False)
    assert torch.equal(conv(hidden_states), F.conv1d(hidden_states, conv.weight, conv.bias, padding=3))


def test_elsewhere_it_is_the_plain_convolution(used):
    conv, hidden_states = make_conv(), torch.randn(1, 96, 256)
    plain = F.conv1d(hidden_states, conv.weight, conv.bias, padding=3)
    short = hidden_states[..., :100]
    assert torch.equal(conv(short), F.conv1d(short, conv.weight, conv.bias, padding=3))
    # What is trained has gradients.
    conv.requires_grad_(True)
    made = conv(hidden_states)
    made.sum().backward()
    assert torch.equal(made, plain) and conv.weight.grad is not None
    conv.requires_grad_(False).bias.requires_grad_(True)
    conv(hidden_states).sum().backward()
    assert conv.bias.grad[0] == 2 * 256
    conv.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(hidden_states).dtype == torch.bfloat16
    half = copy.deepcopy(conv).to(torch.bfloat16)
    assert half(hidden_states.bfloat16()).dtype == torch.bfloat16
    exported = torch.export.export(conv, (hidden_states,)).module()
    assert torch.equal(exported(hidden_states), plain)
    assert not used


@pytest.mark.parametrize(
    "options",
    [{"kernel_size": 5}, {"channels": 48}, {"groups": 2}, {"padding_mode": "circular"}, {"padding": "same"}],
)
def test_shapes_that_would_be_slower_stay_plain(options):
    assert not make_conv(**options).is_fast


def test_a_vocoder_makes_the_same_sound(used):
    torch.manual_seed(0)
    vocoder = BigVGANVocoder(8, 192, (4,), (8,), resblock_kernel_sizes=(3, 7, 11)).eval().requires_grad_(False)
    for parameter in vocoder.parameters():
        parameter.normal_(std=0.02)
    mel = torch.randn(1, 8, 80)
    plain = vocoder(mel)
    assert plain.abs().max() > 0.01 and not used
    vocoder.set_fast_convolutions(True)
    assert (vocoder(mel) - plain).abs().max() < 1e-5
    # Of three dilations, two convolutions of 7 and two of 11.
    assert len(used) == 12
    # Nothing of it is saved, and weight normalisation is trained as ever.
    assert not any("kept" in name for name in vocoder.state_dict())
    vocoder.set_fast_convolutions(False)
    assert torch.equal(vocoder(mel), plain)
    vocoder.set_fast_convolutions(True)
    vocoder.apply_weight_norm()
    torch.testing.assert_close(vocoder(mel), plain, atol=1e-6, rtol=0)
    assert len(used) == 12

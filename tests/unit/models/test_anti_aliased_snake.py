# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The anti-aliased activation: all orders of work compute the same."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from audiolcm_diffusers import BigVGANVocoder
from audiolcm_diffusers.models import anti_aliased_snake
from audiolcm_diffusers.models.anti_aliased_snake import (
    AntiAliasedSnake1D,
    compiled_for,
    fused_activation,
    in_frames,
    kaiser_sinc_filter,
    plain_activation,
)


# One sample, ends without a middle, whole frames and any number of samples behind them, and several blocks.
LENGTHS = [1, 2, 9, 41, 42, 43, 57, 58, 333, 1023, 1024, 1025, 2050]


def arguments(samples, dtype=torch.float32, batch_size=2, channels=3):
    generator = torch.Generator().manual_seed(samples)
    hidden_states = torch.randn(batch_size, channels, samples, generator=generator, dtype=dtype)
    frequency, inverse_amplitude = torch.randn(2, channels, generator=generator).exp().to(dtype)
    return hidden_states, kaiser_sinc_filter().to(dtype), frequency, inverse_amplitude


def tiny_vocoder(**options):
    torch.manual_seed(0)
    return BigVGANVocoder(8, 16, (4, 2), (8, 4), **options).eval()


@pytest.mark.parametrize("samples", LENGTHS)
def test_frames_are_the_definition(samples, monkeypatch):
    monkeypatch.setattr(anti_aliased_snake, "SAMPLES_AT_ONCE", 64)
    given = arguments(samples, torch.float64)
    torch.testing.assert_close(in_frames(*given), plain_activation(*given), atol=1e-12, rtol=0)


@pytest.mark.parametrize("samples", LENGTHS)
def test_the_compiled_loop_is_the_definition(samples):
    loop = compiled_for("cpu")
    assert loop is not None
    given = arguments(samples)
    with torch.no_grad():
        torch.testing.assert_close(loop(*given), plain_activation(*given), atol=1e-5, rtol=0)
        # Rows that do not lie one behind the other.
        turned = given[0].transpose(0, 1).contiguous().transpose(0, 1)
        assert torch.equal(loop(turned, *given[1:]), loop(*given))


def test_the_compiled_loop_is_right_for_loud_sounds():
    hidden_states, *parameters = arguments(500)
    exact = plain_activation(*(value.double() for value in (1000 * hidden_states, *parameters)))
    of_loop = compiled_for("cpu")(1000 * hidden_states, *parameters)
    of_definition = plain_activation(1000 * hidden_states, *parameters)
    # An angle of thousands has three digits behind the point in float32, whoever takes its sine.
    assert (of_loop - exact).abs().max() < 2 * (of_definition - exact).abs().max()


def test_bits_of_half_precision_are_rounded_as_torch_does():
    hidden_states, *parameters = arguments(2050)
    loop, halves = compiled_for("cpu"), hidden_states.bfloat16()
    halves[0, 0, 100] = torch.nan
    made, exact = loop(halves, *parameters), loop(halves.float(), *parameters)
    assert made.dtype == torch.bfloat16
    assert made.isnan().any() and torch.equal(made.isnan(), exact.isnan())
    assert torch.equal(made.nan_to_num(), exact.bfloat16().nan_to_num())


def test_threads_share_the_work(monkeypatch):
    given = arguments(5000, channels=30)
    before = torch.get_num_threads()
    results = []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            results.append(compiled_for("cpu")(*given))
    finally:
        torch.set_num_threads(before)
    assert given[0].numel() > 3 * 2**15
    assert torch.equal(*results)


@pytest.mark.parametrize("samples", [41, 333])
def test_gradients_are_those_of_the_definition(samples, monkeypatch):
    monkeypatch.setattr(anti_aliased_snake, "SAMPLES_AT_ONCE", 64)
    hidden_states, taps, *parameters = arguments(samples, torch.float64)
    weights = torch.randn(hidden_states.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = []
    for activate in (fused_activation, plain_activation):
        leaves = [value.clone().requires_grad_() for value in (hidden_states, *parameters)]
        activate(leaves[0], taps, *leaves[1:]).mul(weights).sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for fused, plain in zip(*gradients):
        torch.testing.assert_close(fused, plain, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype, is_trained):
    hidden_states, *parameters = arguments(333)
    hidden_states = hidden_states.to(dtype).requires_grad_(is_trained)
    fused = fused_activation(hidden_states, *parameters)
    exact = plain_activation(hidden_states.float(), *parameters)
    assert fused.dtype == dtype
    assert torch.equal(fused, exact.to(dtype)) or (fused - exact).abs().max() <= torch.finfo(dtype).eps * exact.max()


@pytest.mark.parametrize(("activation", "logscale"), [("snakebeta", True), ("snake", False)])
def test_a_vocoder_makes_the_same_sound_in_both_orders(activation, logscale):
    vocoder = tiny_vocoder(activation=activation, snake_logscale=logscale)
    mel = torch.randn(2, 8, 21, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        fused = vocoder(mel)
        vocoder.set_fused_activations(False)
        assert not any(module.is_fused for module in vocoder.modules() if isinstance(module, AntiAliasedSnake1D))
        plain = vocoder(mel)
        vocoder.set_fused_activations(True)
        assert torch.equal(vocoder(mel), fused)
    torch.testing.assert_close(fused, plain, atol=1e-5, rtol=0)


def test_a_vocoder_is_trained_alike_in_both_orders():
    vocoder = tiny_vocoder().train()
    vocoder.apply_weight_norm()
    mel = torch.randn(2, 8, 21, generator=torch.Generator().manual_seed(0))
    gradients = []
    for is_fused in (True, False):
        network = copy.deepcopy(vocoder)
        network.set_fused_activations(is_fused)
        network(mel).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for fused, plain in zip(*gradients):
        torch.testing.assert_close(fused, plain, atol=1e-5 * float(plain.abs().max()), rtol=1e-4)


def test_without_numba_frames_are_made(monkeypatch):
    compiled_for.cache_clear()
    monkeypatch.setitem(sys.modules, "audiolcm_diffusers.models.snake_on_cpus", None)
    try:
        assert compiled_for("cpu") is None
        given = arguments(333)
        assert torch.equal(fused_activation(*given), in_frames(*given))
    finally:
        compiled_for.cache_clear()


def test_other_devices_take_the_definition(monkeypatch):
    assert compiled_for("mps") is None
    monkeypatch.setattr(anti_aliased_snake, "in_frames", None)
    hidden_states, *parameters = (value.to("meta") for value in arguments(333))
    assert fused_activation(hidden_states, *parameters).shape == hidden_states.shape


def test_a_forked_process_has_threads_of_its_own():
    code = """
import os, torch
from audiolcm_diffusers.models.anti_aliased_snake import compiled_for, kaiser_sinc_filter

torch.set_num_threads(2)
given = torch.randn(1, 40, 4096), kaiser_sinc_filter(), torch.ones(40), torch.ones(40)
made = compiled_for("cpu")(*given)
if os.fork() == 0:
    os._exit(0 if torch.equal(compiled_for("cpu")(*given), made) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_leaf_without_gradients_is_read():
    hidden_states, *parameters = arguments(333)
    with torch.no_grad():
        made = fused_activation(hidden_states.clone().requires_grad_(), *parameters)
    assert torch.equal(made, fused_activation(hidden_states, *parameters))


CODE = """
import torch
from audiolcm_diffusers.models.anti_aliased_snake import in_frames, kaiser_sinc_filter, plain_activation
from audiolcm_diffusers.models.snake_on_gpus import frames_on_gpu

for samples in (42, 58, 1500):
    for dtype in (torch.float32, torch.bfloat16):
        hidden_states, taps = torch.randn(2, 3, samples).to(dtype), kaiser_sinc_filter()
        parameters = torch.randn(2, 3).exp()
        made = in_frames(hidden_states, taps, *parameters, make_frames=frames_on_gpu)
        exact = plain_activation(hidden_states.float(), taps, *parameters)
        assert made.dtype == dtype
        torch.testing.assert_close(made.float(), exact, atol=1e-5 if dtype == torch.float32 else 0.05, rtol=0.01)
"""


def test_the_kernel_for_cuda_is_the_definition():
    pytest.importorskip("triton")
    # Triton's interpreter runs it without a card; it is chosen when a kernel is read.
    settings = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    code = f"import torch; torch.set_default_device({device!r})\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

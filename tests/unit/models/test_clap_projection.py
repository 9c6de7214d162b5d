# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
from diffusers import AutoModel

from audiolcm_diffusers import CLAPProjection


@torch.no_grad()
def test_by_hand():
    projection = CLAPProjection(in_features=1, out_features=2).eval()
    projection.linear_1.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    projection.linear_2.weight.copy_(torch.eye(2))
    projection.norm.weight.copy_(torch.tensor([2.0, 3.0]))
    projection.norm.bias.copy_(torch.tensor([0.5, 0.25]))
    # e1 = (x, -x), and gelu(x) - gelu(-x) = x Phi(x) + x Phi(-x) = x, so that the two sums stand 3 x apart. Two
    # numbers, normalised, are 1 and -1 but for eps: half their distance over sqrt(its square + 1e-5). At x = 0.01 that
    # shows.
    normalised = 0.015 / math.sqrt(0.015**2 + 1e-5)
    expected = torch.tensor([2.0 * normalised + 0.5, -3.0 * normalised + 0.25])
    torch.testing.assert_close(projection(torch.tensor([[0.01]]))[0], expected)


@torch.no_grad()
def test_gelu_is_exact():
    projection = CLAPProjection(in_features=1, out_features=3).eval()
    projection.linear_1.weight.copy_(torch.tensor([[2.0], [0.0], [0.0]]))
    projection.linear_2.weight.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 0]]))
    projection.norm.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    seen = []
    projection(torch.ones(1, 1))
    # gelu(2) = 2 Phi(2) = 1 + erf(sqrt(2)); the usual tanh form is 3e-4 away.
    torch.testing.assert_close(seen[0], torch.tensor([[2.0, 1 + math.erf(math.sqrt(2)), 0.0]]), rtol=1e-6, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("auto_class", [CLAPProjection, AutoModel])
def test_save_and_load(make_projection, tmp_path, auto_class):
    projection = make_projection()
    projection.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(str(tmp_path))
    assert isinstance(loaded, CLAPProjection)
    tokens = torch.randn(2, 5, 12)
    assert torch.equal(loaded(tokens), projection(tokens))


@torch.no_grad()
def test_tokens_are_projected_one_by_one(make_projection):
    projection, tokens = make_projection(), torch.randn(2, 5, 12)
    assert projection(tokens).shape == (2, 5, 16)
    torch.testing.assert_close(projection(tokens[1, 3]), projection(tokens)[1, 3])


def test_dropout_is_for_training(make_projection):
    projection, tokens = make_projection(), torch.randn(2, 5, 12)
    assert torch.equal(projection(tokens), projection(tokens))
    projection.train()
    assert not torch.equal(projection(tokens), projection(tokens))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"in_features": 0}, "Expected positive widths, got in_features=0"),
        ({"out_features": -1}, "out_features=-1"),
        ({"dropout": 1.0}, "Expected 0 <= dropout < 1, got dropout=1.0"),
        ({"dropout": -0.1}, "got dropout=-0.1"),
    ],
)
def test_an_impossible_config_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        CLAPProjection(**config)


def test_tokens_of_another_width_are_refused(make_projection):
    with pytest.raises(ValueError, match=r"Expected `hidden_states` of shape \(..., 12\), got \(2, 5, 16\)"):
        make_projection()(torch.zeros(2, 5, 16))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Where the autoencoder's training starts is the same in every run, to the last bit."""

import pytest
import torch
from script_runs import load_script


@pytest.fixture
def script():
    return load_script("train_autoencoder")


def elsewhere(matrix):
    """Copies of a matrix at places in memory of all alignments that a float can have."""
    for offset in range(16):
        buffer = torch.empty(matrix.numel() + 16)
        yield buffer[offset : offset + matrix.numel()].view_as(matrix).copy_(matrix)


def test_least_squares(script):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 24, generator=generator)
    inputs[:, 20:] = inputs[:, :4]  # several solutions, of which the smallest
    outputs = torch.randn(400, 7, generator=generator)
    expected = torch.linalg.pinv(inputs.double()) @ outputs.double()
    solutions = [script.least_squares(place, outputs) for place in elsewhere(inputs)]
    torch.testing.assert_close(solutions[0], expected.float(), rtol=0, atol=1e-6)
    assert all(torch.equal(solution, solutions[0]) for solution in solutions)


def test_principal_components(script):
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0].float()
    stds = torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    rows = torch.randn(20000, 6, generator=generator) * stds @ turn + 3.0
    found = [script.principal_components(place, 4) for place in elsewhere(rows)]
    mean, found_stds, directions = found[0]
    torch.testing.assert_close(mean, torch.full((6,), 3.0), rtol=0, atol=0.15)
    torch.testing.assert_close(found_stds, stds[:4], rtol=0.03, atol=0)
    # Their signs are those that make the largest value positive.
    signs = turn[:4].gather(1, turn[:4].abs().argmax(dim=1, keepdim=True)).sign()
    torch.testing.assert_close(directions, turn[:4] * signs, rtol=0, atol=0.1)
    assert all(torch.equal(one, other) for parts in found for one, other in zip(parts, found[0], strict=True))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from audiolcm_diffusers.benchmark.flops import count_flops, utilization


def test_products_and_convolutions():
    # Two operations a multiplication: 2 · 3 · 5 · 7.
    assert count_flops(torch.matmul, torch.ones(3, 5), torch.ones(5, 7)) == 210
    # 2 sounds, 5 channels out, 8 places, each a sum of 3 channels and 3 taps.
    assert count_flops(F.conv1d, torch.ones(2, 3, 10), torch.ones(5, 3, 3)) == 2 * 2 * 5 * 8 * 3 * 3


@pytest.mark.parametrize("with_mask", [False, True])
def test_attention_on_a_cpu(with_mask):
    query = torch.randn(2, 10, 3, 8).transpose(1, 2).requires_grad_()
    key = torch.randn(2, 12, 3, 8).transpose(1, 2).requires_grad_()
    mask = torch.ones(2, 1, 1, 12, dtype=torch.bool) if with_mask else None

    def attend():
        return F.scaled_dot_product_attention(query, key, key, attn_mask=mask)

    # Queries by keys and weights by values, each 2 · 8 operations for 2 sounds, 3 heads, 10 queries, 12 keys.
    product = 2 * 8 * 2 * 3 * 10 * 12
    # Which way is taken is a setting of the process.
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert count_flops(attend) == 2 * product
        # Backward: the weights anew, gradients of weights, values, queries and keys.
        assert count_flops(lambda: attend().sum().backward()) == (2 + 5) * product


def test_utilization():
    # 4e9 operations in 2 ms are 2e12 a second, of 8e12.
    assert utilization(4_000_000_000, 2.0, 8.0) == 0.25

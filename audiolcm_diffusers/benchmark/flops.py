# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How many floating point operations a call takes, and what share of a peak that is."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count


def _attention(query, key, value, *args, **kwargs):
    return sdpa_flop_count(query, key, value)


def _attention_backward(grad_out, query, key, value, *args, **kwargs):
    return sdpa_backward_flop_count(grad_out, query, key, value)


# What torch's counter leaves out: the attention that a CPU computes with.
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def count_flops(call: Callable, *args) -> int:
    r"""
    Floating point operations of a call's matrix products, convolutions and attentions, a multiplication and an
    addition being two. Counted in eager code alone: what torch.compile made is out of sight.

    Args:
        call (`Callable`): What to count; it is called once.
        args: What it is called with.

    Returns:
        `int`.
    """
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        call(*args)
    return counter.get_total_flops()


def utilization(flops: int, time_ms: float, peak_tflops: float) -> float:
    r"""Share of a peak, in 10^12 operations a second, that so many operations in such a time come to (MFU)."""
    return flops / (time_ms / 1000) / (peak_tflops * 1e12)

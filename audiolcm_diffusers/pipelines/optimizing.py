# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What makes a pipeline faster without changing what it makes, but for rounding."""

import time
from typing import Any

import torch
from diffusers.models.attention import AttentionModuleMixin


# Rows of the matrices whose product is timed, and how much faster half precision has to be to be worth its rounding.
MATRIX_SIZE, WORTH = 1024, 1.5


def faster_dtype(device: torch.device | str) -> torch.dtype:
    r"""
    The precision in which a device multiplies matrices fastest by far: bfloat16 where it is faster than float32 by
    half, as on processors with AMX, else float32. On CUDA it is bfloat16, and float16 on cards that lack it.

    Args:
        device (`torch.device` or `str`): A CPU is measured, in a few milliseconds.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type != "cpu":
        return torch.float32
    times = {dtype: _product_s(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return torch.bfloat16 if WORTH * times[torch.bfloat16] < times[torch.float32] else torch.float32


def _product_s(dtype: torch.dtype) -> float:
    matrix = torch.ones(MATRIX_SIZE, MATRIX_SIZE, dtype=dtype)
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def check_optimization(
    pipe, dtype: Any, fuse_projections: bool, compile: bool, cuda_graphs: bool, text_cache_size: int
) -> None:
    r"""
    Refuse what cannot be had. Arguments: see [`~AudioLCMPipeline.optimize`].

    Raises:
        ValueError: Naming the option.
    """
    if dtype not in (None, "auto", torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f'Expected `dtype` to be "auto" or torch\'s float32, float16 or bfloat16, got {dtype!r}.')
    if isinstance(text_cache_size, bool) or not isinstance(text_cache_size, int) or text_cache_size < 0:
        raise ValueError(f"Expected `text_cache_size` to be an integer >= 0, got {text_cache_size!r}.")
    if cuda_graphs and not compile:
        raise ValueError("`cuda_graphs=True` records what was compiled: it needs `compile=True`.")
    if cuda_graphs and pipe._execution_device.type != "cuda":
        raise ValueError(f"`cuda_graphs=True` needs a CUDA device, got {str(pipe._execution_device)!r}.")
    if fuse_projections and getattr(pipe.transformer, "peft_config", None):
        raise ValueError(
            "Projections with an adapter cannot be fused: call `fuse_lora()` and `unload_lora_weights()` first, or "
            "pass `fuse_projections=False`."
        )


def fuse_attention(transformer: torch.nn.Module) -> None:
    r"""Compute queries, keys and values of an attention as one product, where its class can."""
    attentions = [module for module in transformer.modules() if isinstance(module, AttentionModuleMixin)]
    if not any(attention.fused_projections for attention in attentions):
        transformer.fuse_qkv_projections()


def compile_networks(pipe, cuda_graphs: bool) -> None:
    r"""
    Compile the blocks that repeat in the transformer, and the autoencoder's decoder, for shapes that stay. Vocoders
    are left as they are: their activations are one kernel already.
    """
    how = {"mode": "reduce-overhead"} if cuda_graphs else {}
    if pipe.transformer is not None:
        pipe.transformer.compile_repeated_blocks(dynamic=False, **how)
    if pipe.vae is not None:
        pipe.vae.decoder.compile(dynamic=False, **how)

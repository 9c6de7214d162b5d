# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Blocks whose activations are computed again in the backward pass, where a model was asked for it."""

import torch
from torch import nn


def run_block(network: nn.Module, block: nn.Module, *args):
    r"""
    Run a block of a network.

    Args:
        network (`torch.nn.Module`): Has `gradient_checkpointing`, which diffusers' `enable_gradient_checkpointing`
            sets beside the function that does it.
        block (`torch.nn.Module`): Part of it.
        args: What the block takes.

    Returns:
        What the block returns.
    """
    if torch.is_grad_enabled() and network.gradient_checkpointing:
        return network._gradient_checkpointing_func(block, *args)
    return block(*args)

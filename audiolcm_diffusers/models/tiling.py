# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Long sequences in pieces that overlap."""

from collections.abc import Callable

import torch


def in_tiles(
    function: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, tile: int, stride: int
) -> torch.Tensor:
    r"""
    Apply a function to tiles along the last dimension, and join what comes out: where two tiles overlap, the share of
    the earlier one falls linearly while that of the later one rises.

    Args:
        function (`Callable[[torch.Tensor], torch.Tensor]`):
            Keeps the last dimension, or makes it longer or shorter by a factor that fits `tile` and `stride`.
        inputs (`torch.Tensor` of shape `(..., length)`): What is cut. One of at most `tile` is not.
        tile (`int`): Length of a tile; the last one may be shorter, but is longer than the overlap.
        stride (`int`): From the beginning of a tile to that of the next, less than `tile`, at least half of it.

    Returns:
        `torch.Tensor` of shape `(..., length * factor)`.
    """
    length = inputs.shape[-1]
    if length <= tile:
        return function(inputs)
    overlap = tile - stride
    pieces, tail = [], None
    for start in range(0, length - overlap, stride):
        part = inputs[..., start : start + tile]
        made = function(part)
        scale = made.shape[-1] / part.shape[-1]
        joint, step = round(overlap * scale), round(stride * scale)
        if tail is not None:
            share = (torch.arange(joint, device=made.device, dtype=made.dtype) + 0.5) / joint
            made = torch.cat([torch.lerp(tail, made[..., :joint], share), made[..., joint:]], dim=-1)
        is_last = start + tile >= length
        pieces.append(made if is_last else made[..., :step])
        tail = made[..., step:]
    return torch.cat(pieces, dim=-1)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Long sequences in pieces that overlap."""

from collections.abc import Callable, Iterator

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
    if inputs.shape[-1] <= tile:
        return function(inputs)
    pieces = tiles(function, lambda start, stop: inputs[..., start:stop], inputs.shape[-1], tile, stride)
    return torch.cat(list(pieces), dim=-1)


def tiles(
    function: Callable[[torch.Tensor], torch.Tensor],
    read: Callable[[int, int], torch.Tensor],
    length: int,
    tile: int,
    stride: int,
) -> Iterator[torch.Tensor]:
    r"""
    What [`in_tiles`] joins, piece by piece, of inputs that need not all be there yet.

    Args:
        function, tile, stride: As of [`in_tiles`].
        read (`Callable[[int, int], torch.Tensor]`): Gives the inputs from a place to before another.
        length (`int`): Of all inputs.

    Yields:
        `torch.Tensor` of shape `(..., stride * factor)`, the last one of what is left: one behind the other, they are
        the whole.
    """
    if length <= tile:
        yield function(read(0, length))
        return
    overlap, tail = tile - stride, None
    for start in range(0, length - overlap, stride):
        part = read(start, min(start + tile, length))
        made = function(part)
        scale = made.shape[-1] / part.shape[-1]
        joint, step = round(overlap * scale), round(stride * scale)
        if tail is not None:
            share = (torch.arange(joint, device=made.device, dtype=made.dtype) + 0.5) / joint
            made = torch.cat([torch.lerp(tail, made[..., :joint], share), made[..., joint:]], dim=-1)
        is_last = start + tile >= length
        yield made if is_last else made[..., :step]
        tail = made[..., step:]

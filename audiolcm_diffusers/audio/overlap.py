# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""From frames that overlap to a waveform."""

import torch
import torch.nn.functional as F


def overlap_add(frames: torch.Tensor, hop_length: int) -> torch.Tensor:
    r"""
    Add up frames, each `hop_length` samples after the one before.

    The hops of each frame are moved to their places side by side: a sum of a few tensors is faster than `fold`, and
    can be exported for any number of frames.

    Args:
        frames (`torch.Tensor` of shape `(..., num_frames, frame_length)`): Frames.
        hop_length (`int`): Samples between their beginnings, at most `frame_length`.

    Returns:
        `torch.Tensor` of shape `(..., (num_frames - 1) * hop_length + frame_length)`.
    """
    num_frames, frame_length = frames.shape[-2:]
    num_hops = -(-frame_length // hop_length)
    hops = F.pad(frames, (0, num_hops * hop_length - frame_length)).unflatten(-1, (num_hops, hop_length))
    moved = (F.pad(hops[..., hop, :], (0, 0, hop, num_hops - 1 - hop)) for hop in range(num_hops))
    return sum(moved).flatten(-2)[..., : (num_frames - 1) * hop_length + frame_length]

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How loud a made sound may be."""

import torch
import torch.nn.functional as F


# Full scale itself reads as clipping.
PEAK = 0.999

# Blocks before and behind one that is too loud whose level falls with it.
_REACH = 3


def limit_peaks(waveforms: torch.Tensor, block_length: int) -> torch.Tensor:
    r"""
    Lower sounds where they would leave `[-1, 1]`, and nowhere else: one loud moment does not make the rest of a sound
    quieter, however long it is.

    The gain of a block is what brings the loudest of it and of three blocks on either side to 0.999, and at most 1; in
    between it is linear. Blocks that are more than four away from a loud one are as they were, bit for bit.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sounds of whole blocks.
        block_length (`int`): Samples of a block, some 10 or 20 ms.

    Returns:
        `torch.Tensor` of the shape of `waveforms`: In `(-1, 1)`.
    """
    peaks = waveforms.unflatten(1, (-1, block_length)).abs().amax(dim=2)
    loudest = F.pad(peaks, (_REACH, _REACH)).unfold(1, 2 * _REACH + 1, 1).amax(dim=2)
    # Interpolated as what is taken off, so that a gain of 1 is exact.
    taken_off = 1 - PEAK / loudest.clamp(min=PEAK)
    taken_off = F.interpolate(taken_off[:, None], scale_factor=float(block_length), mode="linear")[:, 0]
    return waveforms * (1 - taken_off)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
The anti-aliased activation as one kernel for CUDA, in Triton, which comes with PyTorch there: each sample of the input
is read once and each of the output written once, and both filters are small matrices (`anti_aliased_snake.py`).
"""

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

from .anti_aliased_snake import EDGE, FRAME, frame_filters


# Sizes of the matrices, to which they are filled up with zeros, and frames that a program makes.
SEEN, BETWEEN = 32, 64
FRAMES_AT_ONCE = 64


@triton.jit
def _activate(
    rows,
    up,
    down,
    frequency,
    inverse_amplitude,
    result,
    samples,
    num_frames,
    edge: tl.constexpr,
    num_seen: tl.constexpr,
    frames_at_once: tl.constexpr,
    seen_size: tl.constexpr,
    between_size: tl.constexpr,
    frame_size: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    frames = tl.program_id(1) * frames_at_once + tl.arange(0, frames_at_once)
    is_frame = (frames < num_frames)[:, None]
    places, between, made = (tl.arange(0, seen_size), tl.arange(0, between_size), tl.arange(0, frame_size))
    starts = row * samples + frames[:, None] * frame_size
    seen = tl.load(rows + starts + places[None, :], mask=is_frame & (places < num_seen)[None, :], other=0.0)
    filter_up = tl.load(up + places[:, None] * between_size + between[None, :])
    filter_down = tl.load(down + between[:, None] * frame_size + made[None, :])
    doubled = tl.dot(seen.to(tl.float32), filter_up, input_precision="ieee")
    wave = tl.sin(tl.load(frequency + row) * doubled)
    doubled += tl.load(inverse_amplitude + row) * wave * wave
    halved = tl.dot(doubled, filter_down, input_precision="ieee")
    tl.store(result + starts + edge + made[None, :], halved.to(result.dtype.element_ty), mask=is_frame)


def frames_on_gpu(rows, frequency, inverse_amplitude, taps):
    r"""
    Make all frames of rows, without gradients; the ends are left open.

    Args:
        rows (`torch.Tensor` of shape `(num_rows, samples)`): Contiguous, float32, float16 or bfloat16.
        frequency, inverse_amplitude (`torch.Tensor` of shape `(num_rows,)`): Of each row, float32.
        taps (`torch.Tensor` of shape `(12,)`): Of the filter, float32.

    Returns:
        `torch.Tensor` of the shape and type of `rows`.
    """
    up, down = frame_filters(taps)
    num_seen, num_frames = up.shape[0], (rows.shape[1] - 2 * EDGE) // FRAME
    rows, result = rows.contiguous(), torch.empty_like(rows)
    up = F.pad(up, (0, BETWEEN - up.shape[1], 0, SEEN - num_seen)).contiguous()
    down = F.pad(down, (0, 0, 0, BETWEEN - down.shape[0])).contiguous()
    grid = len(rows), triton.cdiv(num_frames, FRAMES_AT_ONCE)
    with torch.cuda.device_of(rows):
        _activate[grid](
            rows,
            up,
            down,
            frequency,
            inverse_amplitude,
            result,
            rows.shape[1],
            num_frames,
            edge=EDGE,
            num_seen=num_seen,
            frames_at_once=FRAMES_AT_ONCE,
            seen_size=SEEN,
            between_size=BETWEEN,
            frame_size=FRAME,
        )
    return result

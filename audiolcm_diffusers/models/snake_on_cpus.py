# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
The anti-aliased activation as one loop for processors.

Each sample of the input is read once and each of the output written once; what lies between fits the nearest cache.
"""

import numpy as np
import torch

from .loops_on_cpus import compiled, run_in_threads


# Samples that are worked on at once.
BLOCK = 1024

# π as a sum whose first part has few bits, so that multiples of it are exact (Cody and Waite's reduction).
_INVERSE_PI, _PI_HIGH, _PI_LOW = np.float32(1 / np.pi), np.float32(3.140625), np.float32(np.pi - 3.140625)
# The sine's series; on [-π/2, π/2] what is left out is below 6e-8.
_C3, _C5, _C7, _C9, _C11 = (np.float32(value) for value in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))


@compiled
def _snake(x, frequency, inverse_amplitude):
    angle = frequency * x
    turns = np.rint(angle * _INVERSE_PI)
    angle = (angle - turns * _PI_HIGH) - turns * _PI_LOW
    square = angle * angle
    wave = angle + angle * square * (_C3 + square * (_C5 + square * (_C7 + square * (_C9 + square * _C11))))
    return x + inverse_amplitude * wave * wave


@compiled
def _activate(rows, taps, frequency, inverse_amplitude, result, is_half, begin, end):
    """
    Blocks `begin` to `end` of all rows; the definition's border is that of each row. In half precision rows and result
    are the bits of bfloat16, the upper ones of float32.
    """
    samples = rows.shape[1]
    num_blocks = (samples + BLOCK - 1) // BLOCK
    double = np.float32(2) * taps
    seen, made = np.empty(BLOCK + 12, np.float32), np.empty(BLOCK, np.float32)
    seen_bits, made_bits = seen.view(np.uint32), made.view(np.uint32)
    even, odd = np.empty(BLOCK + 6, np.float32), np.empty(BLOCK + 6, np.float32)
    for job in range(begin, end):
        row, first = job // num_blocks, job % num_blocks * BLOCK
        number = min(BLOCK, samples - first)
        for i in range(number + 12):
            value = rows[row, min(max(first - 6 + i, 0), samples - 1)]
            if is_half:
                seen_bits[i] = np.uint32(value) << 16
            else:
                seen[i] = value
        a, b = frequency[row], inverse_amplitude[row]
        # Samples 2 t and 2 t + 1 at twice the rate, from t = first - 3 on; `seen` begins three earlier.
        for i in range(number + 6):
            even[i] = _snake(
                double[11] * seen[i]
                + double[9] * seen[i + 1]
                + double[7] * seen[i + 2]
                + double[5] * seen[i + 3]
                + double[3] * seen[i + 4]
                + double[1] * seen[i + 5],
                a,
                b,
            )
            odd[i] = _snake(
                double[10] * seen[i + 1]
                + double[8] * seen[i + 2]
                + double[6] * seen[i + 3]
                + double[4] * seen[i + 4]
                + double[2] * seen[i + 5]
                + double[0] * seen[i + 6],
                a,
                b,
            )
        # Before the first and after the last sample stand the first and the last.
        for i in range(3 - first):
            even[i] = odd[i] = even[3 - first]
        for i in range(samples - first + 3, number + 6):
            even[i] = odd[i] = odd[samples - first + 2]
        for i in range(number):
            made[i] = (
                taps[0] * odd[i]
                + taps[1] * even[i + 1]
                + taps[2] * odd[i + 1]
                + taps[3] * even[i + 2]
                + taps[4] * odd[i + 2]
                + taps[5] * even[i + 3]
                + taps[6] * odd[i + 3]
                + taps[7] * even[i + 4]
                + taps[8] * odd[i + 4]
                + taps[9] * even[i + 5]
                + taps[10] * odd[i + 5]
                + taps[11] * even[i + 6]
            )
        if is_half:
            # To the nearest, of two as near to the even one; what is no number stays none.
            for i in range(number):
                upper = (made_bits[i] + 0x7FFF + ((made_bits[i] >> 16) & 1)) >> 16
                result[row, first + i] = upper if made[i] == made[i] else 0x7FC0
        else:
            for i in range(number):
                result[row, first + i] = made[i]


def activate_on_cpu(hidden_states, taps, frequency, inverse_amplitude):
    r"""
    What [`~models.anti_aliased_snake.plain_activation`] computes, equal to 1e-5, without gradients.

    Args:
        hidden_states (`torch.Tensor` of shape `(batch_size, channels, samples)`): On the CPU.
        taps, frequency, inverse_amplitude: As there, float32.

    Returns:
        `torch.Tensor` of the shape and type of `hidden_states`.
    """
    batch_size, channels, samples = hidden_states.shape
    is_half = hidden_states.dtype == torch.bfloat16
    rows = (hidden_states if is_half else hidden_states.float()).contiguous().view(-1, samples)
    result = torch.empty_like(rows)
    of_rows = (value.repeat(batch_size).contiguous().numpy() for value in (frequency, inverse_amplitude))
    # NumPy has no bfloat16, but its bits.
    seen, made = ((tensor.view(torch.uint16) if is_half else tensor).numpy() for tensor in (rows, result))
    arguments = seen, taps.contiguous().numpy(), *of_rows, made, is_half
    num_jobs = len(rows) * -(-samples // BLOCK)
    run_in_threads(_activate, arguments, num_jobs, rows.numel())
    return result.view(batch_size, channels, samples).to(hidden_states.dtype)

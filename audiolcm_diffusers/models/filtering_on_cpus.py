# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""The transforms of minimal filtering as loops for processors, around products of matrices."""

import numpy as np
import torch

from .loops_on_cpus import compiled, run_in_threads
from .minimal_filtering import SEEN, TILE, filtering_matrices


@compiled
def _to_tiles(rows, matrix, padding, dilation, num_tiles, tiles, begin, end):
    """
    Rows `begin` to `end`: of each of `dilation` interleaved signals `num_tiles` tiles, one signal behind the other.
    """
    samples = rows.shape[1]
    seen = np.empty(TILE * num_tiles + TILE, np.float32)
    for row in range(begin, end):
        for signal in range(dilation):
            for i in range(len(seen)):
                place = signal + dilation * i - padding
                seen[i] = rows[row, place] if 0 <= place < samples else np.float32(0)
            for value in range(SEEN):
                a, b, c, d, e, f, g = matrix[value]
                made = tiles[value, row, signal * num_tiles : (signal + 1) * num_tiles]
                for tile in range(num_tiles):
                    i = TILE * tile
                    made[tile] = (
                        (a * seen[i] + b * seen[i + 1])
                        + (c * seen[i + 2] + d * seen[i + 3])
                        + (e * seen[i + 4] + f * seen[i + 5])
                        + g * seen[i + 6]
                    )


@compiled
def _from_tiles(tiles, matrix, bias, dilation, num_tiles, rows, begin, end):
    """Rows `begin` to `end` of the output, of as many tiles of each interleaved signal as reach it."""
    samples = rows.shape[1]
    num_made = ((samples + dilation - 1) // dilation + TILE - 1) // TILE
    made = np.empty(TILE * num_made, np.float32)
    for row in range(begin, end):
        for signal in range(dilation):
            first, behind = signal * num_tiles, signal * num_tiles + num_made
            t, u, v, w, x, y, z = (
                tiles[0, row, first:behind],
                tiles[1, row, first:behind],
                tiles[2, row, first:behind],
                tiles[3, row, first:behind],
                tiles[4, row, first:behind],
                tiles[5, row, first:behind],
                tiles[6, row, first:behind],
            )
            for output in range(TILE):
                a, b, c, d, e, f, g = matrix[output]
                for i in range(num_made):
                    made[TILE * i + output] = (
                        bias[row] + (a * t[i] + b * u[i]) + (c * v[i] + d * w[i]) + (e * x[i] + f * y[i]) + g * z[i]
                    )
            for i in range((samples - signal + dilation - 1) // dilation):
                rows[row, signal + dilation * i] = made[i]


def filter_on_cpu(
    hidden_states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    kernel_size: int,
    dilation: int,
    padding: int,
) -> torch.Tensor:
    r"""
    What `torch.nn.functional.conv1d` computes with stride 1, equal to 1e-5 of its largest values, without gradients.

    Args:
        hidden_states (`torch.Tensor` of shape `(batch_size, in_channels, samples)`): float32, on the CPU.
        weight (`torch.Tensor`): From [`~models.minimal_filtering.transformed_weight`].
        bias (`torch.Tensor` of shape `(out_channels,)`, *optional*): float32.
        kernel_size, dilation, padding (`int`): Of the filter.

    Returns:
        `torch.Tensor` of shape `(batch_size, out_channels, samples + 2 * padding - dilation * (kernel_size - 1))`.
    """
    batch_size, in_channels, samples = hidden_states.shape
    num_parts, _, out_channels, _ = weight.shape
    out, _, into = (matrix.astype(np.float32) for matrix in filtering_matrices())
    num_made = samples + 2 * padding - dilation * (kernel_size - 1)
    # Of each interleaved signal; a part of the filter sees the tiles from its place on.
    num_tiles = -(-num_made // (dilation * TILE)) + num_parts - 1
    num_seen = dilation * num_tiles - num_parts + 1
    offsets = np.zeros(out_channels, np.float32) if bias is None else bias.detach().numpy()
    made = hidden_states.new_empty(batch_size, out_channels, num_made)
    tiles = hidden_states.new_empty(SEEN, in_channels, dilation * num_tiles)
    for sound, result in zip(hidden_states.detach().contiguous().numpy(), made.numpy()):
        given = sound, into, padding, dilation, num_tiles, tiles.numpy()
        run_in_threads(_to_tiles, given, in_channels, sound.size)
        products = torch.bmm(weight[0], tiles[:, :, :num_seen])
        for part in range(1, num_parts):
            products.baddbmm_(weight[part], tiles[:, :, part : part + num_seen])
        told = products.numpy(), out, offsets, dilation, num_tiles, result
        run_in_threads(_from_tiles, told, out_channels, result.size)
    return made

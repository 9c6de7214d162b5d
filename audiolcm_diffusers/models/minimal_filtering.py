# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Convolutions with fewer multiplications (Winograd's minimal filtering; Lavin and Gray, arXiv:1509.09308).

Four outputs of a filter of four taps depend on seven inputs. As products of polynomials, by Toom and Cook, they are
`out [(taps g) ∘ (into x)]`: seven products between channels in place of sixteen. Longer filters are several of
four taps, each of which sees tiles of its own: as the tiles lie four samples apart, these are the tiles of the first,
some places on, and seven inputs are transformed once for all. A filter of 11 taps takes 3 × 7 / 4 products a sample in
place of 11, one of 7 takes 3.5.
"""

import functools

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import parametrize

from .anti_aliased_snake import compiled_for, is_written_down


# Outputs of a tile, as many as taps of a part of the filter; inputs that they depend on.
TILE = 4
SEEN = 2 * TILE - 1
# Where polynomials are evaluated, beside infinity. Of what was tried they amplify rounding least; all are binary.
POINTS = (2.0, -2.0, 0.75, -0.75, 0.25, -0.25)
# Where it is faster: transforms of few channels or of few samples take longer than what they save.
MIN_CHANNELS, MIN_KERNEL_SIZE, MIN_SAMPLES = 96, 7, 256


@functools.cache
def filtering_matrices(points: tuple[float, ...] = POINTS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""
    The three transforms of minimal filtering, `y = out @ ((taps @ g) * (into @ x))` for `y[i] = Σ_j g[j] x[i + j]`.

    A product of two polynomials of `TILE` coefficients is told by its values at `2 TILE - 2` points and at infinity;
    filtering is the transpose of multiplying by a polynomial.

    Args:
        points (`tuple[float]`): All different, `2 TILE - 2` of them.

    Returns:
        `tuple[numpy.ndarray]`: `out` of shape `(TILE, SEEN)`, `taps` `(SEEN, TILE)`, `into` `(SEEN, SEEN)`, float64.
    """

    def values(num_coefficients):
        rows = [[point**power for power in range(num_coefficients)] for point in points]
        return np.array([*rows, [0.0] * (num_coefficients - 1) + [1.0]])

    into = np.linalg.inv(values(SEEN)).T
    # A factor of a value may be in either transform.
    scale = np.abs(into).max(axis=1, keepdims=True)
    return values(TILE).T, scale * values(TILE), into / scale


def transformed_weight(weight: torch.Tensor) -> torch.Tensor:
    r"""
    A filter's taps in parts, transformed: what stays the same from call to call.

    Args:
        weight (`torch.Tensor` of shape `(out_channels, in_channels, kernel_size)`): float32.

    Returns:
        `torch.Tensor` of shape `(parts, SEEN, out_channels, in_channels)`.
    """
    out_channels, in_channels, kernel_size = weight.shape
    num_parts = -(-kernel_size // TILE)
    taps = torch.from_numpy(filtering_matrices()[1])
    # Tap by tap, as they lie in the result.
    rows = weight.flatten(0, 1).t()
    made = weight.new_empty(num_parts, SEEN, out_channels, in_channels)
    for part in range(num_parts):
        of_part = rows[TILE * part : TILE * (part + 1)].double()
        made[part].flatten(1).copy_(taps[:, : len(of_part)] @ of_part)
    return made


class FewerProductsConv1d(nn.Conv1d):
    r"""
    A convolution that makes sound with fewer multiplications where it is asked to, equal to 1e-5 of its largest
    values: on CPUs, in float32, with Numba installed, from 96 channels and 7 taps on. Elsewhere, in training, and for
    compilers, it is `torch.nn.Conv1d`.

    The filter is kept transformed beside the weights, and takes twice their memory.
    """

    is_fast, _kept = False, None

    def set_fast(self, is_fast: bool) -> None:
        r"""Ask for fewer multiplications, where its shape is one that they are faster for, or no longer."""
        self.is_fast = is_fast and (
            min(self.in_channels, self.out_channels) >= MIN_CHANNELS
            and self.kernel_size[0] >= MIN_KERNEL_SIZE
            and (self.groups, self.stride[0], self.padding_mode) == (1, 1, "zeros")
            and not isinstance(self.padding, str)
        )
        self._kept = None

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if not (self.is_fast and self._is_worth_it(hidden_states)):
            return super().forward(hidden_states)
        from .filtering_on_cpus import filter_on_cpu

        size = self.kernel_size[0], self.dilation[0], self.padding[0]
        return filter_on_cpu(hidden_states, self._transformed(), self.bias, *size)

    def _transformed(self):
        # Weights may be replaced, trained, or changed where nobody counts (`weight.data`): some are looked at.
        weight = self.weight.detach()
        version = self.weight._version, weight.data_ptr()
        seen = weight.flatten()[:: max(1, weight.numel() // 256)]
        if self._kept is None or self._kept[0] != version or not torch.equal(self._kept[1], seen):
            self._kept = version, seen.clone(), transformed_weight(weight)
        return self._kept[2]

    def _is_worth_it(self, hidden_states):
        weight = self.weight
        is_trained = torch.is_grad_enabled() and any(
            tensor is not None and tensor.requires_grad for tensor in (hidden_states, weight, self.bias)
        )
        return not (is_trained or is_written_down()) and (
            hidden_states.device.type == weight.device.type == "cpu"
            and hidden_states.dtype == weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and not (weight.is_inference() or parametrize.is_parametrized(self, "weight"))
            and hidden_states.ndim == 3
            and hidden_states.shape[-1] >= MIN_SAMPLES
            and compiled_for("cpu") is not None
        )

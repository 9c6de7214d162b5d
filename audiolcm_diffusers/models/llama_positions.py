# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How the LLaMA transformer knows where a frame stands: by rotating queries and keys, or by a learned table."""

import torch
from torch import nn


class LLaMALearnedPosEmbed(nn.Module):
    r"""
    A table of learned vectors, one a position, which are added to the frames (as in GPT and BERT, arXiv:1810.04805).

    Args:
        num_positions (`int`): Size of the table, and the longest input.
        dim (`int`): Width of the frames.
    """

    def __init__(self, num_positions: int, dim: int):
        super().__init__()
        # GPT's and BERT's deviation: positions start out as a small part of a frame.
        self.weight = nn.Parameter(0.02 * torch.randn(num_positions, dim))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, num_frames, dim)`): Frames.

        Returns:
            `torch.Tensor` of the shape and dtype of `hidden_states`.

        Raises:
            ValueError: If there are more frames than positions.
        """
        num_frames, num_positions = hidden_states.shape[1], self.weight.shape[0]
        if num_frames > num_positions:
            raise ValueError(
                f"Expected at most num_positions={num_positions} frames, the size of the table, got {num_frames}."
            )
        return hidden_states + self.weight[:num_frames].to(hidden_states.dtype)


class LLaMARotaryPosEmbed(nn.Module):
    r"""
    Angles of the rotary position embedding (RoFormer, arXiv:2104.09864, eq. 15), for any length.

    Pair `i` of a head of width `dim` turns by `position / scaling_factor * (theta * ntk_factor)^(-2i / dim)`.

    Args:
        dim (`int`): Width of a head.
        theta (`float`): Base of the frequencies.
        scaling_factor (`float`): Linear position interpolation: 2.0 fits twice the length into the trained angles.
        ntk_factor (`float`): Multiplies the base ("NTK-aware" scaling).
    """

    def __init__(self, dim: int, theta: float, scaling_factor: float, ntk_factor: float):
        super().__init__()
        self.dim = dim
        self.theta = theta
        self.scaling_factor = scaling_factor
        self.ntk_factor = ntk_factor

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, length, ...)`): Gives length and device.

        Returns:
            `torch.Tensor` of shape `(length, dim / 2, 2)`, float32: cosine and sine of every angle.
        """
        positions = torch.arange(hidden_states.shape[1], dtype=torch.float32, device=hidden_states.device)
        exponents = torch.arange(0, self.dim, 2, dtype=torch.float32, device=hidden_states.device) / self.dim
        frequencies = 1.0 / (self.theta * self.ntk_factor) ** exponents
        angles = torch.outer(positions / self.scaling_factor, frequencies)
        return torch.stack([angles.cos(), angles.sin()], dim=-1)


def rotate_pairs(hidden_states: torch.Tensor, rotary_emb: torch.Tensor) -> torch.Tensor:
    r"""
    Turn the adjacent pairs `(x_2i, x_2i+1)` of every head by the angles of their position, in float32.

    Args:
        hidden_states (`torch.Tensor` of shape `(batch_size, length, heads, head_dim)`): Queries or keys.
        rotary_emb (`torch.Tensor` of shape `(length, head_dim / 2, 2)`): Cosines and sines.

    Returns:
        `torch.Tensor` of the shape and dtype of `hidden_states`.
    """
    pairs = hidden_states.float().unflatten(-1, (-1, 2))
    rotary_emb = rotary_emb.unsqueeze(1)
    if torch.compiler.is_compiling():
        # Inductor generates no code for complex numbers, and fuses this by itself.
        real, imaginary = pairs.unbind(-1)
        cos, sin = rotary_emb.unbind(-1)
        rotated = torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=-1)
    else:
        # One complex product: on a CPU several times faster than strided real ones.
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rotary_emb))
    return rotated.flatten(-2).to(hidden_states.dtype)

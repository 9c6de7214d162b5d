# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Norms of the LLaMA transformer's blocks, with the modulation that adapts them to a timestep."""

import torch
import torch.nn.functional as F
from torch import nn


class LLaMANorm(nn.Module):
    r"""
    What the norms have in common: they compute in float32 whatever the dtypes, and the result has the input's dtype,
    also where weight and bias are kept in another one. `normalise` is what they differ in.

    Args:
        dim (`int`): Width of the last dimension.
        eps (`float`): Added under the root.
    """

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.register_parameter("bias", None)

    def normalise(
        self, hidden_states: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        r"""What is given, in float32, normalised, times `weight` and plus `bias` where they are given."""
        raise NotImplementedError

    def forward(
        self, hidden_states: torch.Tensor, shift: torch.Tensor | None = None, scale: torch.Tensor | None = None
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, length, dim)`): What to normalise.
            shift, scale (`torch.Tensor` of shape `(batch_size, dim)`, *optional*):
                Adaptive modulation: the result is `normalised * (1 + scale) + shift`. Give both or neither.

        Returns:
            `torch.Tensor` of the shape and dtype of `hidden_states`.
        """
        weight, bias = self.weight.float(), None if self.bias is None else self.bias.float()
        if scale is None:
            return self.normalise(hidden_states.float(), weight, bias).to(hidden_states.dtype)
        # Products of weight, bias and modulation are small rows, one a sample: folding them saves passes over the
        # frames.
        factor, offset = 1.0 + scale.float(), shift.float()
        if bias is not None:
            offset = torch.addcmul(offset, bias, factor)
        normalised = self.normalise(hidden_states.float())
        modulated = torch.addcmul(offset.unsqueeze(1), normalised, (weight * factor).unsqueeze(1))
        return modulated.to(hidden_states.dtype)


class LLaMARMSNorm(LLaMANorm):
    r"""
    `x / sqrt(mean(x^2) + eps) * weight` (RMSNorm, arXiv:1910.07467, eq. 4). Arguments of [`LLaMANorm`].
    """

    def normalise(self, hidden_states, weight=None, bias=None):
        r"""See [`LLaMANorm`]; there is no bias."""
        normalised = F.rms_norm(hidden_states, hidden_states.shape[-1:], None, self.eps)
        return normalised if weight is None else normalised * weight


class LLaMALayerNorm(LLaMANorm):
    r"""
    `(x - mean(x)) / sqrt(var(x) + eps) * weight + bias` (LayerNorm, arXiv:1607.06450, eq. 4). Takes the place of
    [`LLaMARMSNorm`]. Arguments of [`LLaMANorm`].
    """

    def __init__(self, dim: int, eps: float):
        super().__init__(dim, eps)
        self.bias = nn.Parameter(torch.zeros(dim))

    def normalise(self, hidden_states, weight=None, bias=None):
        r"""See [`LLaMANorm`]."""
        return F.layer_norm(hidden_states, hidden_states.shape[-1:], weight, bias, self.eps)

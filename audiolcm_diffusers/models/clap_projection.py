# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""CLAP's projection of text tokens, which stands between the BERT encoder and the transformer."""

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from ..loaders.complete import CompleteWeightsMixin


class CLAPProjection(CompleteWeightsMixin, ModelMixin, ConfigMixin):
    r"""
    Projects every token of the first text stream as CLAP 2022 (arXiv:2206.04769) projects its caption embedding.

    `e1 = W1 h`, `e2 = W2 gelu(e1)`, output `LayerNorm(e1 + dropout(e2))`; the linears have no bias, the GELU is exact.

    Args:
        in_features (`int`, defaults to 768): Width of the encoder's tokens.
        out_features (`int`, defaults to 1024): Width of the projected tokens.
        dropout (`float`, defaults to 0.5): Probability in training, in `[0, 1)`.
        norm_eps (`float`, defaults to 1e-5): Epsilon of the LayerNorm.

    Raises:
        ValueError: If a width is not positive or `dropout` lies outside of its range.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ["CLAPProjection"]
    _skip_layerwise_casting_patterns = ["norm"]

    @register_to_config
    def __init__(self, in_features: int = 768, out_features: int = 1024, dropout: float = 0.5, norm_eps: float = 1e-5):
        super().__init__()
        if in_features <= 0 or out_features <= 0:
            raise ValueError(f"Expected positive widths, got in_features={in_features}, out_features={out_features}.")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Expected 0 <= dropout < 1, got dropout={dropout}.")
        self.linear_1 = nn.Linear(in_features, out_features, bias=False)
        self.linear_2 = nn.Linear(out_features, out_features, bias=False)
        # Not `self.dropout`: a module named as a config entry is shadowed by it.
        self.token_dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(out_features, eps=norm_eps)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(..., in_features)`):
                The text encoder's `last_hidden_state`, usually `(batch_size, num_tokens, in_features)`.

        Returns:
            `torch.Tensor` of shape `(..., out_features)`.

        Raises:
            ValueError: If the last dimension is not `in_features` wide.
        """
        if hidden_states.shape[-1] != self.config.in_features:
            raise ValueError(
                f"Expected `hidden_states` of shape (..., {self.config.in_features}), "
                f"got {tuple(hidden_states.shape)}."
            )
        projected = self.linear_1(hidden_states)
        return self.norm(projected + self.token_dropout(self.linear_2(F.gelu(projected))))

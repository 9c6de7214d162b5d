# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The LLaMA transformer's attention: of the frames to each other, and through a gate to the text."""

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import nn

from .llama_positions import rotate_pairs


class LLaMAAttnProcessor:
    r"""Attention of the frames to each other, plus gated attention to the text. See [`LLaMAAttention`]."""

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn: "LLaMAAttention",
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None = None,
        rotary_emb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if attn.fused_projections:
            widths = (attn.inner_dim, attn.inner_kv_dim, attn.inner_kv_dim)
            query, key, value = attn.to_qkv(hidden_states).split(widths, dim=-1)
        else:
            query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        text_key = attn.add_k_proj(encoder_hidden_states)
        text_value = attn.add_v_proj(encoder_hidden_states)

        if attn.norm_q is not None:
            query, key, text_key = attn.norm_q(query), attn.norm_k(key), attn.norm_added_k(text_key)
            query, key, text_key = query.to(value.dtype), key.to(value.dtype), text_key.to(text_value.dtype)

        query, key, value, text_key, text_value = (
            projected.unflatten(-1, (-1, attn.head_dim)) for projected in (query, key, value, text_key, text_value)
        )
        if rotary_emb is not None:
            query, key = rotate_pairs(query, rotary_emb), rotate_pairs(key, rotary_emb)
        if attn.heads != attn.kv_heads:
            # Not every attention backend groups queries by itself.
            key, value, text_key, text_value = (
                shared.repeat_interleave(attn.heads // attn.kv_heads, dim=2)
                for shared in (key, value, text_key, text_value)
            )

        attended = dispatch_attention_fn(
            query, key, value, backend=self._attention_backend, parallel_config=self._parallel_config
        )

        visible = mask = None
        if encoder_attention_mask is not None:
            # A softmax over nothing is NaN: let such a sample see everything, and take none of it.
            visible = encoder_attention_mask.any(dim=1)
            mask = (encoder_attention_mask | ~visible[:, None])[:, None, None, :]
        # Every rank holds all of the text, so that this one is never split over ranks.
        text_attended = dispatch_attention_fn(
            query, text_key, text_value, attn_mask=mask, backend=self._attention_backend, parallel_config=None
        )
        gate = attn.gate.float().tanh()[:, None]
        if visible is not None:
            gate = gate * visible[:, None, None, None]
        attended = attended + text_attended * gate.to(attended.dtype)
        return attn.to_out[0](attended.flatten(2, 3).to(query.dtype))


class LLaMAAttention(nn.Module, AttentionModuleMixin):
    r"""
    Self-attention, by default with rotary positions, to which attention to the text is added through a gate per head.

    The same, rotated, queries attend to both; text keys carry no position. The gates are `tanh` of a parameter that
    starts at zero, so that training starts without text attention (LLaMA-Adapter, arXiv:2303.16199, eq. 6).

    Args:
        query_dim (`int`): Width of the frames.
        cross_attention_dim (`int`): Width of the text tokens.
        heads (`int`): Number of query heads.
        kv_heads (`int`): Number of key and value heads; each serves `heads / kv_heads` query heads.
        dim_head (`int`): Width of a head, even where positions are rotary.
        qk_norm (`str`, *optional*):
            `"layer_norm"`: LayerNorm over the full width of queries, keys and text keys, before the heads are split.
    """

    _default_processor_cls = LLaMAAttnProcessor
    _available_processors = [LLaMAAttnProcessor]

    def __init__(
        self,
        query_dim: int,
        cross_attention_dim: int,
        heads: int,
        kv_heads: int,
        dim_head: int,
        qk_norm: str | None = None,
        processor: LLaMAAttnProcessor | None = None,
    ):
        super().__init__()
        self.heads = heads
        self.kv_heads = kv_heads
        self.head_dim = dim_head
        self.inner_dim = heads * dim_head
        self.inner_kv_dim = kv_heads * dim_head
        self.use_bias = False
        # Frames attend to frames; the text comes on top, through projections of its own.
        self.is_cross_attention = False

        self.to_q = nn.Linear(query_dim, self.inner_dim, bias=False)
        self.to_k = nn.Linear(query_dim, self.inner_kv_dim, bias=False)
        self.to_v = nn.Linear(query_dim, self.inner_kv_dim, bias=False)
        self.add_k_proj = nn.Linear(cross_attention_dim, self.inner_kv_dim, bias=False)
        self.add_v_proj = nn.Linear(cross_attention_dim, self.inner_kv_dim, bias=False)
        self.norm_q = self.norm_k = self.norm_added_k = None
        if qk_norm is not None:
            self.norm_q = nn.LayerNorm(self.inner_dim, eps=1e-5)
            self.norm_k = nn.LayerNorm(self.inner_kv_dim, eps=1e-5)
            self.norm_added_k = nn.LayerNorm(self.inner_kv_dim, eps=1e-5)
        self.gate = nn.Parameter(torch.zeros(heads))
        self.to_out = nn.ModuleList([nn.Linear(self.inner_dim, query_dim, bias=False)])

        self.set_processor(self._default_processor_cls() if processor is None else processor)

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None = None,
        rotary_emb: torch.Tensor | None = None,
        **kwargs,
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, num_frames, query_dim)`): Frames.
            encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): Text.
            encoder_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
                Boolean, true where a token is seen. A sample without any gets nothing from the text.
            rotary_emb (`torch.Tensor` of shape `(num_frames, dim_head / 2, 2)`, *optional*):
                Cosines and sines; without, nothing is rotated.
            kwargs: What a processor of your own takes besides.

        Returns:
            `torch.Tensor` of shape `(batch_size, num_frames, query_dim)`.
        """
        return self.processor(self, hidden_states, encoder_hidden_states, encoder_attention_mask, rotary_emb, **kwargs)

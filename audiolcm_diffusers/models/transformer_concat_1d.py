# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The transformer of the released AudioLCM checkpoint: one sequence of timestep, text and latent frames."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import nn

from .transformer_latent_1d import LatentTransformer1DModel, register_block


BLOCK_NORM_GROUPS = 32
OUT_NORM_GROUPS = 16
LATENT_KERNEL_SIZE = 5
FF_KERNEL_SIZE = 9
FF_MULTIPLIER = 4


class ConcatAttnProcessor:
    r"""Attention of all tokens of the sequence to each other. See [`ConcatAttention`]."""

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self, attn: "ConcatAttention", hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        if attn.fused_projections:
            query, key, value = attn.to_qkv(hidden_states).chunk(3, dim=-1)
        else:
            query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        query, key, value = (projected.unflatten(-1, (-1, attn.head_dim)) for projected in (query, key, value))
        attended = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=attention_mask,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        return attn.to_out[0](attended.flatten(2, 3).to(query.dtype))


class ConcatAttention(nn.Module, AttentionModuleMixin):
    r"""
    Plain multi-head self-attention; queries, keys and values without bias, the output with one.

    Args:
        query_dim (`int`): Width of the tokens.
        heads (`int`): Number of heads.
        dim_head (`int`): Width of a head.
    """

    _default_processor_cls = ConcatAttnProcessor
    _available_processors = [ConcatAttnProcessor]

    def __init__(self, query_dim: int, heads: int, dim_head: int, processor: ConcatAttnProcessor | None = None):
        super().__init__()
        self.heads = heads
        self.head_dim = dim_head
        self.inner_dim = heads * dim_head
        self.use_bias = False
        self.is_cross_attention = False

        self.to_q = nn.Linear(query_dim, self.inner_dim, bias=False)
        self.to_k = nn.Linear(query_dim, self.inner_dim, bias=False)
        self.to_v = nn.Linear(query_dim, self.inner_dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(self.inner_dim, query_dim)])

        self.set_processor(self._default_processor_cls() if processor is None else processor)

    def forward(
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, length, query_dim)`): Tokens.
            attention_mask (`torch.Tensor` of shape `(batch_size, 1, 1, length)`, *optional*):
                Boolean, true where a token is seen.
            kwargs: What a processor of your own takes besides.

        Returns:
            `torch.Tensor` of shape `(batch_size, length, query_dim)`.
        """
        return self.processor(self, hidden_states, attention_mask, **kwargs)


class SequenceConv1d(nn.Conv1d):
    r"""
    A convolution along a sequence, of stride 1 and with zeros at the ends. On a CPU it is one product of matrices, for
    which bfloat16 has instructions that convolutions of one dimension do not get to use. Arguments as of `nn.Conv1d`,
    which adapters (PEFT) make layers of this class with.
    """

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, in_channels, length)`): Sequence.

        Returns:
            `torch.Tensor` of shape `(batch_size, out_channels, length)` where the padding keeps the length.
        """
        if hidden_states.device.type != "cpu":
            return super().forward(hidden_states)
        (margin,), (width,) = self.padding, self.kernel_size
        windows = F.pad(hidden_states.transpose(1, 2), (0, 0, margin, margin)).unfold(1, width, 1)
        return F.linear(windows.flatten(2), self.weight.flatten(1), self.bias).transpose(1, 2)


class ConcatFeedForward(nn.Module):
    r"""
    Gated feed-forward network of two convolutions along the sequence: `conv(value * gelu(gate))`, exact GELU.

    Args:
        dim (`int`): Width of the tokens; the inner width is four times as much.
    """

    def __init__(self, dim: int):
        super().__init__()
        inner_dim = FF_MULTIPLIER * dim
        self.proj_in = SequenceConv1d(dim, 2 * inner_dim, FF_KERNEL_SIZE, padding=FF_KERNEL_SIZE // 2)
        self.proj_out = SequenceConv1d(inner_dim, dim, FF_KERNEL_SIZE, padding=FF_KERNEL_SIZE // 2)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, length, dim)`): Tokens.

        Returns:
            `torch.Tensor` of shape `(batch_size, length, dim)`.
        """
        value, gate = self.proj_in(hidden_states.transpose(1, 2)).chunk(2, dim=1)
        return self.proj_out(value * F.gelu(gate)).transpose(1, 2)


class ConcatTextEmbedder(nn.Module):
    r"""
    Brings a text stream to the width of the sequence: Linear, GELU (tanh form), Linear, LayerNorm.

    Args:
        cross_attention_dim (`int`): Width of the text tokens.
        dim (`int`): Width of the sequence.
    """

    def __init__(self, cross_attention_dim: int, dim: int):
        super().__init__()
        self.linear_1 = nn.Linear(cross_attention_dim, dim)
        self.linear_2 = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim, eps=1e-5)

    def forward(self, encoder_hidden_states: torch.Tensor) -> torch.Tensor:
        r"""
        Args:
            encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): Text.

        Returns:
            `torch.Tensor` of shape `(batch_size, num_tokens, dim)`.
        """
        hidden_states = F.gelu(self.linear_1(encoder_hidden_states), approximate="tanh")
        return self.norm(self.linear_2(hidden_states))


@register_block
class ConcatTransformer1DBlock(nn.Module):
    r"""
    GroupNorm, convolution, twice self-attention, convolutional feed-forward, convolution, all around a residual.

    The last convolution starts at zero, so that a fresh block is the identity.

    Args:
        dim (`int`): Width of the tokens.
        num_attention_heads (`int`): Number of heads.
        attention_head_dim (`int`): Width of a head.
    """

    def __init__(self, dim: int, num_attention_heads: int, attention_head_dim: int):
        super().__init__()
        self.norm = nn.GroupNorm(BLOCK_NORM_GROUPS, dim, eps=1e-6)
        self.proj_in = nn.Conv1d(dim, dim, kernel_size=1)
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.attn1 = ConcatAttention(dim, num_attention_heads, attention_head_dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.attn2 = ConcatAttention(dim, num_attention_heads, attention_head_dim)
        self.norm3 = nn.LayerNorm(dim, eps=1e-5)
        self.ff = ConcatFeedForward(dim)
        self.proj_out = nn.Conv1d(dim, dim, kernel_size=1)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        attention_kwargs: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, dim, length)`): The whole sequence.
            attention_mask (`torch.Tensor` of shape `(batch_size, 1, 1, length)`, *optional*):
                Boolean, true where a token is seen.
            attention_kwargs (`dict`, *optional*): Passed on to the attention processors.

        Returns:
            `torch.Tensor` of shape `(batch_size, dim, length)`.
        """
        attention_kwargs = attention_kwargs or {}
        residual = hidden_states
        hidden_states = self.proj_in(self.norm(hidden_states)).transpose(1, 2)
        hidden_states = hidden_states + self.attn1(self.norm1(hidden_states), attention_mask, **attention_kwargs)
        hidden_states = hidden_states + self.attn2(self.norm2(hidden_states), attention_mask, **attention_kwargs)
        hidden_states = hidden_states + self.ff(self.norm3(hidden_states))
        return residual + self.proj_out(hidden_states.transpose(1, 2))


class ConcatTransformer1DModel(LatentTransformer1DModel):
    r"""
    The transformer of the released AudioLCM checkpoint (arXiv:2406.00356).

    It runs over one sequence, `[timestep, first text stream, second text stream, latent frames]`, with a learned
    table of absolute positions. Both text streams have the same number of tokens (77 as published) and arrive
    concatenated: the first half of `encoder_hidden_states` is the first stream. An odd number of tokens is refused,
    and so is a sequence that is longer than the table.

    A masked token's embedding is zero and nothing attends to it. Its place remains, so that group norms and
    convolutions count it: masking is not the same as a shorter text. The released model was trained without masks.

    Args:
        in_channels (`int`, defaults to 20): Channels of the latents.
        out_channels (`int`, *optional*): Channels of the prediction; as many as `in_channels` if not given.
        num_layers (`int`, defaults to 4): Number of blocks.
        num_attention_heads (`int`, defaults to 8): Number of heads.
        attention_head_dim (`int`, defaults to 72):
            Width of a head. The model's width is the product of both, a multiple of 32 (groups are normalised).
        cross_attention_dim (`int`, defaults to 1024): Width of the text tokens.
        time_cond_proj_dim (`int`, *optional*, defaults to 256):
            Width of the guidance embedding; `None` for a teacher, which has none.
        time_cond_type (`"guidance"` or `"interval"`, defaults to `"guidance"`):
            See [`LLaMATransformer1DModel`].
        max_position_embeddings (`int`, defaults to 1000):
            Size of the position table: `1 + num_tokens + num_frames` may not exceed it.

    Raises:
        ValueError: If a size is not positive, or the width is no multiple of 32.
    """

    _no_split_modules = ["ConcatTransformer1DBlock"]
    _repeated_blocks = ["ConcatTransformer1DBlock"]
    _skip_layerwise_casting_patterns = ["time_embedding", "position_embedding", "norm"]
    # Group norms and convolutions see the whole sequence, so that ranks share the attentions alone.
    _cp_plan = {
        f"transformer_blocks.*.{name}": plan
        for attention in ("attn1", "attn2")
        for name, plan in {
            attention: {"hidden_states": ContextParallelInput(split_dim=1, expected_dims=3, split_output=False)},
            f"{attention}.to_out.0": ContextParallelOutput(gather_dim=1, expected_dims=3),
        }.items()
    }

    @register_to_config
    def __init__(
        self,
        in_channels: int = 20,
        out_channels: int | None = None,
        num_layers: int = 4,
        num_attention_heads: int = 8,
        attention_head_dim: int = 72,
        cross_attention_dim: int = 1024,
        time_cond_proj_dim: int | None = 256,
        time_cond_type: str = "guidance",
        max_position_embeddings: int = 1000,
    ):
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        if dim % BLOCK_NORM_GROUPS != 0:
            raise ValueError(
                f"Expected num_attention_heads * attention_head_dim to be a multiple of {BLOCK_NORM_GROUPS}, "
                f"got {num_attention_heads} * {attention_head_dim} = {dim}."
            )
        self.out_channels = in_channels if out_channels is None else out_channels

        self.proj_in = nn.Conv1d(in_channels, dim, LATENT_KERNEL_SIZE, padding=LATENT_KERNEL_SIZE // 2)
        self._add_time_embedding(dim, time_cond_proj_dim, time_cond_type)
        self.text_embedder_1 = ConcatTextEmbedder(cross_attention_dim, dim)
        self.text_embedder_2 = ConcatTextEmbedder(cross_attention_dim, dim)
        self.position_embedding = nn.Embedding(max_position_embeddings, dim)
        self.transformer_blocks = nn.ModuleList(
            [ConcatTransformer1DBlock(dim, num_attention_heads, attention_head_dim) for _ in range(num_layers)]
        )
        self.norm_out = nn.GroupNorm(OUT_NORM_GROUPS, dim, eps=1e-5)
        self.proj_out = nn.Conv1d(dim, self.out_channels, kernel_size=1)

    @torch.no_grad()
    def initialize_weights(self) -> None:
        r"""
        Weights to train from, as published: the blocks' last convolutions at zero, so that blocks are the identity.
        Call it before training from scratch; the constructor leaves every weight random. The guidance projection
        starts at zero too, see [`LatentTransformer1DModel.initialize_weights`].
        """
        super().initialize_weights()
        for block in self.transformer_blocks:
            nn.init.zeros_(block.proj_out.weight)
            nn.init.zeros_(block.proj_out.bias)

    def _denoise(self, hidden_states, temb, encoder_hidden_states, encoder_attention_mask, attention_kwargs):
        batch_size, _, num_frames = hidden_states.shape
        length = self._check_length(encoder_hidden_states.shape[1], num_frames)
        streams = encoder_hidden_states.chunk(2, dim=1)
        text_tokens = torch.cat([self.text_embedder_1(streams[0]), self.text_embedder_2(streams[1])], dim=1)
        attention_mask = None
        if encoder_attention_mask is not None:
            # `masked_fill`, not a product: what stands at a masked token may be anything, NaN included.
            text_tokens = text_tokens.masked_fill(~encoder_attention_mask.unsqueeze(-1), 0.0)
            attention_mask = torch.cat(
                [
                    encoder_attention_mask.new_ones(batch_size, 1),
                    encoder_attention_mask,
                    encoder_attention_mask.new_ones(batch_size, num_frames),
                ],
                dim=1,
            )[:, None, None, :]
        frames = self.proj_in(hidden_states).transpose(1, 2)
        sequence = torch.cat([temb.to(frames.dtype).unsqueeze(1), text_tokens, frames], dim=1)
        positions = self.position_embedding(torch.arange(length, device=sequence.device))
        hidden_states = self._run_blocks((sequence + positions).transpose(1, 2), attention_mask, attention_kwargs)
        return self.proj_out(self.norm_out(hidden_states[:, :, -num_frames:]))

    def _check_length(self, num_tokens, num_frames):
        if num_tokens % 2 != 0:
            raise ValueError(
                "Expected two text streams of equal length, one after the other, in `encoder_hidden_states`: "
                f"got an odd number of tokens, {num_tokens}."
            )
        length = 1 + num_tokens + num_frames
        if length > self.config.max_position_embeddings:
            raise ValueError(
                f"A sequence of 1 timestep, {num_tokens} text tokens and {num_frames} latent frames is {length} "
                f"long, but this model has {self.config.max_position_embeddings} positions: at most "
                f"{self.config.max_position_embeddings - 1 - num_tokens} frames fit beside that text."
            )
        return length

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The transformer that the AudioLCM paper describes: LLaMA blocks over latent frames, conditioned on text."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from diffusers.models.attention import FeedForward
from diffusers.models.normalization import AdaLayerNormContinuous
from torch import nn

from .llama_attention import LLaMAAttention
from .llama_norms import LLaMALayerNorm, LLaMARMSNorm
from .llama_positions import LLaMALearnedPosEmbed, LLaMARotaryPosEmbed
from .transformer_latent_1d import LatentTransformer1DModel, register_block


QK_NORMS = (None, "layer_norm", "layer_norm_across_heads")
POSITION_EMBEDDINGS = ("rope", "learned")
ACTIVATION_FNS = ("swiglu", "gelu")
NORM_TYPES = ("rms_norm", "layer_norm")


@register_block
class LLaMATransformer1DBlock(nn.Module):
    r"""
    `x += gate1 * attention(norm(x, shift1, scale1))`, then `x += gate2 * ff(norm(x, shift2, scale2))`.

    Shifts, scales and gates are a linear function of `SiLU(temb)` that starts at zero, so that a fresh block is the
    identity (adaLN-Zero, DiT, arXiv:2212.09748, section 3.2).

    Args:
        dim (`int`): Width of the frames.
        num_attention_heads (`int`): Number of query heads.
        num_key_value_heads (`int`): Number of key and value heads.
        attention_head_dim (`int`): Width of a head.
        cross_attention_dim (`int`): Width of the text tokens.
        ff_inner_dim (`int`): Inner width of the feed-forward network.
        qk_norm (`str`, *optional*): See [`LLaMAAttention`].
        norm_eps (`float`): Epsilon of the norms.
        activation_fn (`str`): `"swiglu"` or `"gelu"`, see [`LLaMATransformer1DModel`].
        norm_type (`str`): `"rms_norm"` or `"layer_norm"`, see [`LLaMATransformer1DModel`].
    """

    def __init__(
        self,
        dim: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        attention_head_dim: int,
        cross_attention_dim: int,
        ff_inner_dim: int,
        qk_norm: str | None = None,
        norm_eps: float = 1e-5,
        activation_fn: str = "swiglu",
        norm_type: str = "rms_norm",
    ):
        super().__init__()
        norm_class = LLaMARMSNorm if norm_type == "rms_norm" else LLaMALayerNorm
        self.norm1 = norm_class(dim, norm_eps)
        self.norm1_context = norm_class(cross_attention_dim, norm_eps)
        self.attn = LLaMAAttention(
            query_dim=dim,
            cross_attention_dim=cross_attention_dim,
            heads=num_attention_heads,
            kv_heads=num_key_value_heads,
            dim_head=attention_head_dim,
            qk_norm=qk_norm,
        )
        self.norm2 = norm_class(dim, norm_eps)
        self.ff = FeedForward(dim, activation_fn=activation_fn, inner_dim=ff_inner_dim, bias=False)
        self.adaln = nn.Linear(dim, 6 * dim)

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        attention_kwargs: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, num_frames, dim)`): Frames.
            encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): Text.
            temb (`torch.Tensor` of shape `(batch_size, dim)`): Timestep, guidance and pooled caption.
            rotary_emb (`torch.Tensor` of shape `(num_frames, attention_head_dim / 2, 2)`, *optional*):
                Cosines and sines; without, nothing is rotated.
            encoder_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*): Boolean.
            attention_kwargs (`dict`, *optional*): Passed on to the attention processor.

        Returns:
            `torch.Tensor` of shape `(batch_size, num_frames, dim)`.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaln(F.silu(temb)).chunk(6, dim=-1)
        attended = self.attn(
            self.norm1(hidden_states, shift1, scale1),
            self.norm1_context(encoder_hidden_states),
            encoder_attention_mask,
            rotary_emb,
            **(attention_kwargs or {}),
        )
        hidden_states = hidden_states + gate1.unsqueeze(1) * attended
        return hidden_states + gate2.unsqueeze(1) * self.ff(self.norm2(hidden_states, shift2, scale2))


def swiglu_inner_dim(dim: int, ffn_dim_multiplier: float | None = None, multiple_of: int = 256) -> int:
    r"""
    Inner width of LLaMA's feed-forward network (LLaMA, arXiv:2302.13971, section 2.2).

    Two thirds of `4 * dim`, times `ffn_dim_multiplier` where given, rounded up to a multiple of `multiple_of`.
    """
    inner_dim = 2 * 4 * dim // 3
    if ffn_dim_multiplier is not None:
        inner_dim = int(ffn_dim_multiplier * inner_dim)
    return multiple_of * -(-inner_dim // multiple_of)


def gelu_inner_dim(dim: int, ffn_dim_multiplier: float | None = None, multiple_of: int = 256) -> int:
    r"""
    Inner width at which a feed-forward network with GELU, two matrices, has as many parameters as SwiGLU's three.

    Half as much again as [`swiglu_inner_dim`] of the same arguments, rounded up: the comparison of arXiv:2002.05202,
    section 2.
    """
    return -(-3 * swiglu_inner_dim(dim, ffn_dim_multiplier, multiple_of) // 2)


class LLaMATransformer1DModel(LatentTransformer1DModel):
    r"""
    The LLaMA-style transformer over latent audio frames of AudioLCM (arXiv:2406.00356, section 3.3).

    Beyond the paper's it takes a guidance embedding (`timestep_cond`), honours `encoder_attention_mask`, groups
    queries (GQA, arXiv:2305.13245), and runs at any length: by default positions come from no table.

    What LLaMA (arXiv:2302.13971, section 2.2) changed in a transformer can be changed back, part by part, to see what
    it does: rotary positions (`position_embedding`), SwiGLU (`activation_fn`) and RMSNorm (`norm_type`).

    A sample whose text is masked altogether gets neither text attention nor a pooled caption (a mean of 0). A model
    with learned positions refuses more frames than it has positions.

    Args:
        in_channels (`int`, defaults to 20): Channels of the latents.
        out_channels (`int`, *optional*): Channels of the prediction; as many as `in_channels` if not given.
        num_layers (`int`, defaults to 12): Number of blocks.
        num_attention_heads (`int`, defaults to 8): Number of query heads.
        attention_head_dim (`int`, defaults to 72):
            Width of a head, even where positions are rotary. The model's width is the product of both.
        num_key_value_heads (`int`, *optional*):
            Number of key and value heads, a divisor of `num_attention_heads`; as many if not given.
        cross_attention_dim (`int`, defaults to 1024): Width of the text tokens.
        time_cond_proj_dim (`int`, *optional*):
            Width of the guidance embedding, 256 for a distilled student. A model without has no guidance embedding:
            a teacher, which is guided by running it with and without caption.
        time_cond_type (`"guidance"` or `"interval"`, defaults to `"guidance"`):
            What that embedding tells: the guidance strength, or, to a student of average velocities
            (arXiv:2505.13447), how far its step goes.
        qk_norm (`str`, *optional*):
            `"layer_norm"` (or `"layer_norm_across_heads"`, as diffusers calls it): LayerNorm over the full width of
            queries, keys and text keys before the heads are split.
        rope_theta (`float`, defaults to 10000.0): Base of the rotary frequencies.
        rope_scaling_factor (`float`, defaults to 1.0): Divides positions.
        rope_ntk_factor (`float`, defaults to 1.0): Multiplies `rope_theta`.
        norm_eps (`float`, defaults to 1e-5): Epsilon of the blocks' norms.
        ffn_dim_multiplier (`float`, *optional*): Multiplies the inner width of the feed-forward networks.
        multiple_of (`int`, defaults to 256):
            The inner width, of SwiGLU, is rounded up to a multiple of it: two thirds of four times the model's width.
        position_embedding (`str`, defaults to `"rope"`):
            `"rope"`: queries and keys are rotated (RoFormer, arXiv:2104.09864). `"learned"`: a table of learned
            vectors is added to the frames, once; nothing is rotated, and the `rope_…` arguments keep their defaults.
        num_positions (`int`, *optional*):
            Size of the table of `position_embedding="learned"`, and the most frames that such a model takes. Required
            there, `None` otherwise.
        activation_fn (`str`, defaults to `"swiglu"`):
            Of the feed-forward networks: `"swiglu"` (arXiv:2002.05202, eq. 6), three matrices, or `"gelu"` (exact,
            arXiv:1606.08415), two matrices whose inner width is half as much again, for as many parameters.
        norm_type (`str`, defaults to `"rms_norm"`):
            Of the blocks' norms: `"rms_norm"` (arXiv:1910.07467) or `"layer_norm"` (arXiv:1607.06450, with weight and
            bias). Norms of queries, keys, pooled caption and output are LayerNorms either way.

    Raises:
        ValueError: If a size is not positive, `attention_head_dim` is odd with rotary positions,
            `num_key_value_heads` does not divide `num_attention_heads`, one of `qk_norm`, `position_embedding`,
            `activation_fn` and `norm_type` is unknown, `num_positions` is missing or not needed, or a `rope_…`
            argument is given where nothing is rotated.
    """

    _no_split_modules = ["LLaMATransformer1DBlock"]
    _repeated_blocks = ["LLaMATransformer1DBlock"]
    _skip_layerwise_casting_patterns = ["time_embedding", "pos_embed", "norm"]
    _cp_plan = {
        "rope": {0: ContextParallelInput(split_dim=0, expected_dims=3, split_output=True)},
        "transformer_blocks.0": {
            "hidden_states": ContextParallelInput(split_dim=1, expected_dims=3, split_output=False)
        },
        "proj_out": ContextParallelOutput(gather_dim=1, expected_dims=3),
    }

    @register_to_config
    def __init__(
        self,
        in_channels: int = 20,
        out_channels: int | None = None,
        num_layers: int = 12,
        num_attention_heads: int = 8,
        attention_head_dim: int = 72,
        num_key_value_heads: int | None = None,
        cross_attention_dim: int = 1024,
        time_cond_proj_dim: int | None = None,
        time_cond_type: str = "guidance",
        qk_norm: str | None = None,
        rope_theta: float = 10000.0,
        rope_scaling_factor: float = 1.0,
        rope_ntk_factor: float = 1.0,
        norm_eps: float = 1e-5,
        ffn_dim_multiplier: float | None = None,
        multiple_of: int = 256,
        position_embedding: str = "rope",
        num_positions: int | None = None,
        activation_fn: str = "swiglu",
        norm_type: str = "rms_norm",
    ):
        super().__init__()
        for name, value, known in (
            ("qk_norm", qk_norm, QK_NORMS),
            ("position_embedding", position_embedding, POSITION_EMBEDDINGS),
            ("activation_fn", activation_fn, ACTIVATION_FNS),
            ("norm_type", norm_type, NORM_TYPES),
        ):
            if value not in known:
                raise ValueError(f"Expected {name} to be one of {known}, got {value!r}.")
        rotary = position_embedding == "rope"
        if rotary != (num_positions is None):
            raise ValueError(
                "Expected num_positions with position_embedding='learned' alone, got "
                f"position_embedding={position_embedding!r}, num_positions={num_positions}."
            )
        if not rotary and (rope_theta, rope_scaling_factor, rope_ntk_factor) != (10000.0, 1.0, 1.0):
            raise ValueError(
                "Learned positions rotate nothing: expected rope_theta=10000.0, rope_scaling_factor=1.0, "
                f"rope_ntk_factor=1.0, got rope_theta={rope_theta}, rope_scaling_factor={rope_scaling_factor}, "
                f"rope_ntk_factor={rope_ntk_factor}."
            )
        if rotary and attention_head_dim % 2 != 0:
            raise ValueError(
                f"Rotary positions turn pairs: expected an even attention_head_dim, got {attention_head_dim}."
            )
        num_key_value_heads = num_attention_heads if num_key_value_heads is None else num_key_value_heads
        if num_attention_heads % num_key_value_heads != 0:
            raise ValueError(
                "Expected num_key_value_heads to divide num_attention_heads, got "
                f"num_attention_heads={num_attention_heads}, num_key_value_heads={num_key_value_heads}."
            )

        dim = num_attention_heads * attention_head_dim
        self.out_channels = in_channels if out_channels is None else out_channels
        inner_dim_of = swiglu_inner_dim if activation_fn == "swiglu" else gelu_inner_dim

        self.proj_in = nn.Linear(in_channels, dim)
        self._add_time_embedding(dim, time_cond_proj_dim, time_cond_type)
        self.caption_norm = nn.LayerNorm(cross_attention_dim, eps=1e-5)
        self.caption_proj = nn.Linear(cross_attention_dim, dim)
        self.rope = self.pos_embed = None
        if rotary:
            self.rope = LLaMARotaryPosEmbed(attention_head_dim, rope_theta, rope_scaling_factor, rope_ntk_factor)
        else:
            self.pos_embed = LLaMALearnedPosEmbed(num_positions, dim)
            # Every rank adds the positions to all frames, before the first block's input is split.
            self._cp_plan = {name: plan for name, plan in self._cp_plan.items() if name != "rope"}
        self.transformer_blocks = nn.ModuleList(
            [
                LLaMATransformer1DBlock(
                    dim=dim,
                    num_attention_heads=num_attention_heads,
                    num_key_value_heads=num_key_value_heads,
                    attention_head_dim=attention_head_dim,
                    cross_attention_dim=cross_attention_dim,
                    ff_inner_dim=inner_dim_of(dim, ffn_dim_multiplier, multiple_of),
                    qk_norm=qk_norm,
                    norm_eps=norm_eps,
                    activation_fn=activation_fn,
                    norm_type=norm_type,
                )
                for _ in range(num_layers)
            ]
        )
        self.norm_out = AdaLayerNormContinuous(dim, dim, elementwise_affine=False, eps=1e-6)
        self.proj_out = nn.Linear(dim, self.out_channels)

    @torch.no_grad()
    def initialize_weights(self) -> None:
        r"""
        Weights to train from, as published: modulations and output at zero, so that blocks are the identity and the
        prediction is 0. Call it before training from scratch; the constructor leaves every weight random, so that a
        fresh model's output depends on all of them. The guidance projection starts at zero too, see
        [`LatentTransformer1DModel.initialize_weights`].
        """
        super().initialize_weights()
        for linear in (*(block.adaln for block in self.transformer_blocks), self.norm_out.linear, self.proj_out):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def _denoise(self, hidden_states, temb, encoder_hidden_states, encoder_attention_mask, attention_kwargs):
        hidden_states = self.proj_in(hidden_states.transpose(1, 2))
        rotary_emb = None
        if self.rope is not None:
            rotary_emb = self.rope(hidden_states)
        else:
            hidden_states = self.pos_embed(hidden_states)

        if encoder_attention_mask is None:
            pooled = encoder_hidden_states.mean(dim=1)
        else:
            # What stands at a masked token may be anything, NaN included, which no attention mask would stop.
            encoder_hidden_states = encoder_hidden_states.masked_fill(~encoder_attention_mask.unsqueeze(-1), 0.0)
            num_seen = encoder_attention_mask.sum(dim=1, keepdim=True).clamp(min=1)
            pooled = (encoder_hidden_states.sum(dim=1) / num_seen).to(encoder_hidden_states.dtype)
        temb = temb.to(hidden_states.dtype) + self.caption_proj(self.caption_norm(pooled).to(pooled.dtype))

        hidden_states = self._run_blocks(
            hidden_states, encoder_hidden_states, temb, rotary_emb, encoder_attention_mask, attention_kwargs
        )
        return self.proj_out(self.norm_out(hidden_states, temb)).transpose(1, 2)

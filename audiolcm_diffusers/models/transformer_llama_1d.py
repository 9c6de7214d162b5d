# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The transformer that the AudioLCM paper describes: LLaMA blocks over latent frames, conditioned on text."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.loaders import FromOriginalModelMixin, PeftAdapterMixin
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from diffusers.models.attention import AttentionMixin, AttentionModuleMixin, FeedForward
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import AdaLayerNormContinuous
from diffusers.utils import apply_lora_scale
from torch import nn

from .transformer_inputs import check_transformer_inputs, expand_timestep


QK_NORMS = (None, "layer_norm", "layer_norm_across_heads")
POSITION_EMBEDDINGS = ("rope", "learned")
ACTIVATION_FNS = ("swiglu", "gelu")
NORM_TYPES = ("rms_norm", "layer_norm")
TIMESTEP_CHANNELS = 256


class LLaMARMSNorm(nn.Module):
    r"""
    `x / sqrt(mean(x^2) + eps) * weight`, computed in float32 whatever the dtypes (RMSNorm, arXiv:1910.07467, eq. 4).

    The result has the input's dtype, also where the weight is kept in another one.

    Args:
        dim (`int`): Width of the last dimension.
        eps (`float`): Added to the mean square.
    """

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(
        self, hidden_states: torch.Tensor, shift: torch.Tensor | None = None, scale: torch.Tensor | None = None
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, length, dim)`): What to normalise.
            shift, scale (`torch.Tensor` of shape `(batch_size, dim)`, *optional*):
                Adaptive modulation: the result is `normalised * (1 + scale) + shift`. Give both or neither.
        """
        weight = self.weight.float()
        normalised = F.rms_norm(hidden_states.float(), weight.shape, None, self.eps)
        if scale is None:
            return (normalised * weight).to(hidden_states.dtype)
        # weight * (1 + scale) is one small row per sample: folding it saves two passes over the frames.
        modulation = (weight * (1.0 + scale.float())).unsqueeze(1)
        return torch.addcmul(shift.float().unsqueeze(1), normalised, modulation).to(hidden_states.dtype)


class LLaMALayerNorm(nn.Module):
    r"""
    `(x - mean(x)) / sqrt(var(x) + eps) * weight + bias`, computed in float32 whatever the dtypes (LayerNorm,
    arXiv:1607.06450, eq. 4). Takes the place of [`LLaMARMSNorm`], with the same modulation.

    The result has the input's dtype, also where weight and bias are kept in another one.

    Args:
        dim (`int`): Width of the last dimension.
        eps (`float`): Added to the variance.
    """

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(
        self, hidden_states: torch.Tensor, shift: torch.Tensor | None = None, scale: torch.Tensor | None = None
    ) -> torch.Tensor:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, length, dim)`): What to normalise.
            shift, scale (`torch.Tensor` of shape `(batch_size, dim)`, *optional*):
                Adaptive modulation: the result is `normalised * (1 + scale) + shift`. Give both or neither.
        """
        weight, bias = self.weight.float(), self.bias.float()
        if scale is None:
            return F.layer_norm(hidden_states.float(), weight.shape, weight, bias, self.eps).to(hidden_states.dtype)
        normalised = F.layer_norm(hidden_states.float(), weight.shape, None, None, self.eps)
        # As in LLaMARMSNorm: small rows are folded to save passes over the frames.
        factor = 1.0 + scale.float()
        offset = torch.addcmul(shift.float(), bias, factor).unsqueeze(1)
        return torch.addcmul(offset, normalised, (weight * factor).unsqueeze(1)).to(hidden_states.dtype)


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


class LLaMATransformer1DModel(
    ModelMixin, AttentionMixin, ConfigMixin, PeftAdapterMixin, FromOriginalModelMixin, CacheMixin
):
    r"""
    The LLaMA-style transformer over latent audio frames of AudioLCM (arXiv:2406.00356, section 3.3).

    Beyond the paper's it takes a guidance embedding (`timestep_cond`), honours `encoder_attention_mask`, groups
    queries (GQA, arXiv:2305.13245), and runs at any length: by default positions come from no table.

    What LLaMA (arXiv:2302.13971, section 2.2) changed in a transformer can be changed back, part by part, to see what
    it does: rotary positions (`position_embedding`), SwiGLU (`activation_fn`) and RMSNorm (`norm_type`).

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

    _supports_gradient_checkpointing = True
    _no_split_modules = ["LLaMATransformer1DBlock"]
    _repeated_blocks = ["LLaMATransformer1DBlock"]
    _skip_layerwise_casting_patterns = ["time_embedding", "pos_embed", "norm"]
    # Guidance embeddings differ in digits that half precision does not have.
    _keep_in_fp32_modules = ["time_embedding"]
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
        for name, value in {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "num_layers": num_layers,
            "num_attention_heads": num_attention_heads,
            "attention_head_dim": attention_head_dim,
            "num_key_value_heads": num_key_value_heads,
            "cross_attention_dim": cross_attention_dim,
            "time_cond_proj_dim": time_cond_proj_dim,
            "rope_theta": rope_theta,
            "rope_scaling_factor": rope_scaling_factor,
            "rope_ntk_factor": rope_ntk_factor,
            "norm_eps": norm_eps,
            "ffn_dim_multiplier": ffn_dim_multiplier,
            "multiple_of": multiple_of,
            "num_positions": num_positions,
        }.items():
            if value is not None and value <= 0:
                raise ValueError(f"Expected {name} > 0, got {name}={value}.")
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
        self.time_proj = Timesteps(TIMESTEP_CHANNELS, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(TIMESTEP_CHANNELS, dim, cond_proj_dim=time_cond_proj_dim)
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

        self.gradient_checkpointing = False

    @torch.no_grad()
    def initialize_weights(self) -> None:
        r"""
        Weights to train from, as published: modulations and output at zero, so that blocks are the identity and the
        prediction is 0. Call it before training from scratch; the constructor leaves every weight random, so that a
        fresh model's output depends on all of them.

        The guidance projection starts at zero too: a student that takes over a teacher's weights predicts what the
        teacher does, whatever the guidance, until it learns otherwise.
        """
        for linear in (*(block.adaln for block in self.transformer_blocks), self.norm_out.linear, self.proj_out):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        if self.time_embedding.cond_proj is not None:
            nn.init.zeros_(self.time_embedding.cond_proj.weight)

    @apply_lora_scale("attention_kwargs")
    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor | float,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None = None,
        timestep_cond: torch.Tensor | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        return_dict: bool = True,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, in_channels, num_frames)`): Noisy latents.
            timestep (`int`, `float` or `torch.Tensor` of shape `()`, `(1,)` or `(batch_size,)`):
                Training timestep, in `[0, num_train_timesteps)`.
            encoder_hidden_states (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`):
                Text tokens.
            encoder_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
                Boolean or 0/1 integer, true where a token is seen. Masked tokens have no influence; a sample with
                none left gets neither text attention nor a pooled caption (a mean of 0). Leave it out where nothing
                is masked: some attention backends take no mask.
            timestep_cond (`torch.Tensor` of shape `(batch_size, time_cond_proj_dim)`, *optional*):
                Guidance embedding, see [`~audiolcm_diffusers.consistency.guidance_embedding`]. Without, its term is
                left out, which is not the same as embedding `w = 0`.
            attention_kwargs (`dict`, *optional*):
                `scale` multiplies the LoRA layers; everything else goes to the attention processors.
            return_dict (`bool`, defaults to `True`): Whether to return an output object instead of a tuple.

        Returns:
            [`~diffusers.models.modeling_outputs.Transformer2DModelOutput`] or `tuple`: `sample`, of shape
            `(batch_size, out_channels, num_frames)`.

        Raises:
            ValueError: If a shape or dtype does not fit, there are more frames than learned positions, or the model
                has no guidance embedding for `timestep_cond`.
        """
        check_transformer_inputs(
            hidden_states,
            encoder_hidden_states,
            encoder_attention_mask,
            timestep_cond,
            in_channels=self.config.in_channels,
            cross_attention_dim=self.config.cross_attention_dim,
            time_cond_proj_dim=self.config.time_cond_proj_dim,
        )
        timestep = expand_timestep(timestep, hidden_states.shape[0], hidden_states.device)
        hidden_states = self.proj_in(hidden_states.transpose(1, 2))
        rotary_emb = None
        if self.rope is not None:
            rotary_emb = self.rope(hidden_states)
        else:
            hidden_states = self.pos_embed(hidden_states)

        if encoder_attention_mask is None:
            pooled = encoder_hidden_states.mean(dim=1)
        else:
            encoder_attention_mask = encoder_attention_mask.bool()
            # What stands at a masked token may be anything, NaN included, which no attention mask would stop.
            encoder_hidden_states = encoder_hidden_states.masked_fill(~encoder_attention_mask.unsqueeze(-1), 0.0)
            num_seen = encoder_attention_mask.sum(dim=1, keepdim=True).clamp(min=1)
            pooled = (encoder_hidden_states.sum(dim=1) / num_seen).to(encoder_hidden_states.dtype)
        time_dtype = self.time_embedding.linear_1.weight.dtype
        temb = self.time_embedding(
            self.time_proj(timestep).to(time_dtype),
            None if timestep_cond is None else timestep_cond.to(time_dtype),
        )
        temb = temb.to(hidden_states.dtype) + self.caption_proj(self.caption_norm(pooled).to(pooled.dtype))

        for block in self.transformer_blocks:
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                hidden_states = self._gradient_checkpointing_func(
                    block,
                    hidden_states,
                    encoder_hidden_states,
                    temb,
                    rotary_emb,
                    encoder_attention_mask,
                    attention_kwargs,
                )
            else:
                hidden_states = block(
                    hidden_states,
                    encoder_hidden_states,
                    temb,
                    rotary_emb,
                    encoder_attention_mask=encoder_attention_mask,
                    attention_kwargs=attention_kwargs,
                )

        hidden_states = self.norm_out(hidden_states, temb)
        sample = self.proj_out(hidden_states).transpose(1, 2)

        if not return_dict:
            return (sample,)
        return Transformer2DModelOutput(sample=sample)


TransformerBlockRegistry.register(
    LLaMATransformer1DBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None),
)

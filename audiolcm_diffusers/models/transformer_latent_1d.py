# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the transformers over latent frames of sound have in common: how they are called, and how time gets in."""

from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import apply_lora_scale
from torch import nn

from ..loaders.complete import CompleteWeightsMixin
from ..loaders.plain_saving import SavedWithoutLoraMixin
from ..loaders.single_file import PublishedSingleFileMixin
from .gradient_checkpointing import run_block
from .transformer_inputs import check_transformer_inputs, expand_timestep


TIMESTEP_CHANNELS = 256
TIME_COND_TYPES = ("guidance", "interval")


class LatentTransformer1DModel(
    SavedWithoutLoraMixin,
    CompleteWeightsMixin,
    ModelMixin,
    AttentionMixin,
    ConfigMixin,
    PeftAdapterMixin,
    PublishedSingleFileMixin,
    CacheMixin,
):
    r"""
    A transformer that predicts from noisy latents, a timestep and text.

    A class of these calls `_add_time_embedding` when it is built, has `transformer_blocks`, and makes the prediction
    in `_denoise`, of latents, the embedded timestep and guidance, text, a boolean mask or `None`, and
    `attention_kwargs`. Its config has `in_channels`, `cross_attention_dim` and `time_cond_proj_dim`.

    Raises:
        ValueError: If a number of the config is not positive.
    """

    _supports_gradient_checkpointing = True
    # Guidance embeddings differ in digits that half precision does not have.
    _keep_in_fp32_modules = ["time_embedding"]

    def __init__(self):
        super().__init__()
        for name, value in self.config.items():
            if type(value) in (int, float) and value <= 0:
                raise ValueError(f"Expected {name} > 0, got {name}={value}.")
        self.gradient_checkpointing = False

    def _add_time_embedding(self, dim: int, time_cond_proj_dim: int | None, time_cond_type: str) -> None:
        if time_cond_type not in TIME_COND_TYPES:
            raise ValueError(f"Expected time_cond_type to be one of {TIME_COND_TYPES}, got {time_cond_type!r}.")
        if time_cond_type == "interval" and time_cond_proj_dim is None:
            raise ValueError("Intervals are told as an embedding: time_cond_type='interval' needs time_cond_proj_dim.")
        self.time_proj = Timesteps(TIMESTEP_CHANNELS, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(TIMESTEP_CHANNELS, dim, cond_proj_dim=time_cond_proj_dim)

    @torch.no_grad()
    def initialize_weights(self) -> None:
        r"""
        Put the guidance projection to zero: a student that takes over a teacher's weights predicts what the teacher
        does, whatever the guidance, until it learns otherwise.
        """
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
                Text tokens; of several text streams, one stream after the other.
            encoder_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
                Boolean or 0/1 integer, true where a token is seen. What stands at a masked token has no influence.
                Leave it out where nothing is masked: some attention backends take no mask.
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
            ValueError: If a shape or dtype does not fit, the model does not take so many tokens or frames, or it has
                no guidance embedding for `timestep_cond`.
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
        # Not of linear_1.weight, which is a method once the layer is quantized; it takes float32 then.
        parameters = list(self.time_embedding.parameters())
        time_dtype = parameters[0].dtype if parameters else torch.float32
        temb = self.time_embedding(
            self.time_proj(timestep).to(time_dtype),
            None if timestep_cond is None else timestep_cond.to(time_dtype),
        )
        if encoder_attention_mask is not None:
            encoder_attention_mask = encoder_attention_mask.bool()
        sample = self._denoise(hidden_states, temb, encoder_hidden_states, encoder_attention_mask, attention_kwargs)
        if not return_dict:
            return (sample,)
        return Transformer2DModelOutput(sample=sample)

    def _denoise(
        self,
        hidden_states: torch.Tensor,
        temb: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        attention_kwargs: dict[str, Any] | None,
    ) -> torch.Tensor:
        raise NotImplementedError

    def _run_blocks(self, hidden_states: torch.Tensor, *args) -> torch.Tensor:
        for block in self.transformer_blocks:
            hidden_states = run_block(self, block, hidden_states, *args)
        return hidden_states


def register_block(block_class: type[nn.Module]) -> type[nn.Module]:
    r"""Tell diffusers' caches that a block returns its hidden states and nothing else. A decorator."""
    metadata = TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None)
    TransformerBlockRegistry.register(block_class, metadata)
    return block_class

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Checks that both transformers make on what they are given, before anything is computed."""

import torch


def check_transformer_inputs(
    hidden_states: torch.Tensor,
    encoder_hidden_states: torch.Tensor,
    encoder_attention_mask: torch.Tensor | None,
    timestep_cond: torch.Tensor | None,
    in_channels: int,
    cross_attention_dim: int,
    time_cond_proj_dim: int | None,
) -> None:
    r"""
    Refuse inputs whose shapes or types do not fit the model.

    Only shapes and dtypes are read, so the check neither waits for a device nor breaks a compiled graph.

    Args:
        hidden_states (`torch.Tensor`): Should be `(batch_size, in_channels, num_frames)`.
        encoder_hidden_states (`torch.Tensor`): Should be `(batch_size, num_tokens, cross_attention_dim)`.
        encoder_attention_mask (`torch.Tensor`, *optional*): Should be `(batch_size, num_tokens)`, boolean or integer.
        timestep_cond (`torch.Tensor`, *optional*): Should be `(batch_size, time_cond_proj_dim)`.
        in_channels (`int`): From the model's config.
        cross_attention_dim (`int`): From the model's config.
        time_cond_proj_dim (`int`, *optional*): From the model's config.

    Raises:
        ValueError: If one of them does not fit.
    """
    if hidden_states.ndim != 3 or hidden_states.shape[1] != in_channels or hidden_states.shape[2] == 0:
        raise ValueError(
            f"Expected `hidden_states` of shape (batch_size, {in_channels}, num_frames) with num_frames >= 1, "
            f"got {tuple(hidden_states.shape)}."
        )
    batch_size = hidden_states.shape[0]
    if (
        encoder_hidden_states.ndim != 3
        or encoder_hidden_states.shape[0] != batch_size
        or encoder_hidden_states.shape[1] == 0
        or encoder_hidden_states.shape[2] != cross_attention_dim
    ):
        raise ValueError(
            f"Expected `encoder_hidden_states` of shape ({batch_size}, num_tokens, {cross_attention_dim}) with "
            f"num_tokens >= 1, got {tuple(encoder_hidden_states.shape)}."
        )
    if encoder_attention_mask is not None:
        if encoder_attention_mask.shape != encoder_hidden_states.shape[:2]:
            raise ValueError(
                f"Expected `encoder_attention_mask` of shape {tuple(encoder_hidden_states.shape[:2])}, "
                f"got {tuple(encoder_attention_mask.shape)}."
            )
        if encoder_attention_mask.is_floating_point() or encoder_attention_mask.is_complex():
            raise ValueError(
                "Expected a boolean or integer `encoder_attention_mask` (true or 1: the token is seen), "
                f"got {encoder_attention_mask.dtype}."
            )
    if timestep_cond is not None:
        if time_cond_proj_dim is None:
            raise ValueError(
                f"Got `timestep_cond` of shape {tuple(timestep_cond.shape)}, but this model has no guidance "
                "embedding: its config says time_cond_proj_dim=None."
            )
        if timestep_cond.shape != (batch_size, time_cond_proj_dim):
            raise ValueError(
                f"Expected `timestep_cond` of shape ({batch_size}, {time_cond_proj_dim}), "
                f"got {tuple(timestep_cond.shape)}."
            )


def expand_timestep(timestep: torch.Tensor | float, batch_size: int, device: torch.device) -> torch.Tensor:
    r"""
    Turn whatever a scheduler or a training loop calls a timestep into one per sample.

    Args:
        timestep (`int`, `float` or `torch.Tensor` of shape `()`, `(1,)` or `(batch_size,)`):
            Training timestep.
        batch_size (`int`): Number of samples.
        device (`torch.device`): Where to put the result.

    Returns:
        `torch.Tensor` of shape `(batch_size,)`.

    Raises:
        ValueError: If a tensor has another shape.
    """
    if not torch.is_tensor(timestep):
        return torch.full((batch_size,), timestep, dtype=torch.float32, device=device)
    if timestep.ndim > 1 or (timestep.ndim == 1 and timestep.shape[0] not in (1, batch_size)):
        raise ValueError(f"Expected a scalar `timestep` or one of shape ({batch_size},), got {tuple(timestep.shape)}.")
    return timestep.to(device).expand(batch_size)

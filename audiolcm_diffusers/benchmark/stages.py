# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Stages of making sound: what each computes and moves at least, and what share of the machine's limit it reaches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..models.anti_aliased_snake import AntiAliasedSnake1D
from ..models.minimal_filtering import FewerProductsConv1d
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..pipelines.stages import Conditions, decode_latents, predict
from .ceilings import Ceilings
from .clock import Clock, median_ms
from .flops import count_flops


@dataclass(frozen=True)
class Stage:
    r"""
    A part of a call.

    Args:
        name (`str`): What it is.
        call (`Callable`): Does it, without arguments.
        modules (`tuple[torch.nn.Module]`): What it computes with.
        times (`int`): How often a call has it.
    """

    name: str
    call: Callable[[], Any]
    modules: tuple[torch.nn.Module, ...]
    times: int = 1


def stages_of(
    pipe: Any, prompt_embeds: torch.Tensor, duration_s: float, num_steps: int, encode_text: Callable, encoders: tuple
) -> list[Stage]:
    r"""
    The stages of a call, with random latents.

    Args:
        pipe ([`AudioLCMPipeline`]): The pipeline.
        prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`): Encoded prompts.
        duration_s (`float`): Seconds of each sound.
        num_steps (`int`): Denoising steps.
        encode_text (`Callable`): Encodes as many prompts.
        encoders (`tuple[torch.nn.Module]`): With these.
    """
    device, batch_size = prompt_embeds.device, len(prompt_embeds)
    hop = pipe.latent_hop
    num_mel_frames = -(-round(duration_s * pipe.sampling_rate) // pipe.hop_length)
    num_frames = -(-num_mel_frames // hop)
    generator = torch.Generator().manual_seed(0)
    shape = batch_size, pipe.transformer.config.in_channels, num_frames
    latents = torch.randn(shape, generator=generator).to(device)
    timestep = torch.tensor(999, device=device)
    scale = pipe.config.default_guidance_scale
    guided = pipe.transformer.config.time_cond_proj_dim is None and scale > 1
    conditions = Conditions(prompt_embeds, prompt_embeds if guided else None)
    mels = decode_latents(pipe.vae, latents, num_mel_frames)

    def step():
        return predict(
            pipe.transformer, latents.to(pipe.transformer.dtype), timestep, conditions, scale, interval=1 / num_steps
        )

    return [
        Stage("text", encode_text, encoders),
        Stage("transformer step", step, (pipe.transformer,), num_steps),
        Stage("VAE decoder", lambda: decode_latents(pipe.vae, latents, num_mel_frames), (pipe.vae.decoder,)),
        Stage("vocoder", lambda: pipe.vocoder(mels.to(pipe.vocoder.dtype)), (pipe.vocoder,)),
    ]


@torch.no_grad()
def measure_stages(stages: list[Stage], clock: Clock, ceilings: Ceilings, repeats: int) -> list[dict[str, Any]]:
    r"""
    Count and time stages.

    Args:
        stages (`list[Stage]`): From [`stages_of`].
        clock ([`~audiolcm_diffusers.benchmark.clock.Clock`]): Tells the time.
        ceilings ([`~audiolcm_diffusers.benchmark.ceilings.Ceilings`]): What the machine reaches.
        repeats (`int`): Times that each is timed, after once that does not count.

    Returns:
        `list[dict]`: For each `name`, `times`, `time_ms` (the median of one), `flops`, `bytes` (of its weights and of
        what comes out, each moved once, below which no order of work comes) and `share`, the least time that both
        ceilings admit over what it took.
    """
    rows = []
    for stage in stages:
        laps = [clock.lap(stage.call) for _ in range(1 + repeats)][1:]
        flops, num_bytes = count_stage(stage), _num_bytes(stage, laps[-1].result)
        time_ms = median_ms(laps)
        rows.append(
            {
                "name": stage.name,
                "times": stage.times,
                "time_ms": time_ms,
                "flops": flops,
                "bytes": num_bytes,
                "share": ceilings.least_ms(flops, num_bytes) / time_ms,
            }
        )
    return rows


def count_stage(stage: Stage) -> int:
    r"""Operations of a stage as it is defined: those of a compiled loop are out of a counter's sight."""
    parts = [part for module in stage.modules if isinstance(module, BigVGANVocoder) for part in module.modules()]
    fused = [part for part in parts if isinstance(part, AntiAliasedSnake1D) and part.is_fused]
    fast = [part for part in parts if isinstance(part, FewerProductsConv1d) and part.is_fast]
    compiled = {
        part: part._compiled_call_impl
        for module in stage.modules
        for part in module.modules()
        if part._compiled_call_impl is not None
    }
    for part in fused:
        part.is_fused = False
    for part in fast:
        part.is_fast = False
    for part in compiled:
        part._compiled_call_impl = None
    try:
        return count_flops(stage.call)
    finally:
        for part in fused:
            part.is_fused = True
        for part in fast:
            part.is_fast = True
        for part, call in compiled.items():
            part._compiled_call_impl = call


def _num_bytes(stage: Stage, result: torch.Tensor) -> int:
    weights = (weight for module in stage.modules for weight in module.parameters())
    return sum(tensor.numel() * tensor.element_size() for tensor in (*weights, result))

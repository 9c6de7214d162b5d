# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
diffusers' own pipelines from text to sound at their full sizes, with random weights: what a call of each takes.
Text is encoded before, or by a stand-in of one layer, so that what is timed is sound.
"""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AudioLDM2Pipeline,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    AutoencoderOobleck,
    AutoencoderSAME,
    DDIMScheduler,
    EDMDPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableAudio3DiTModel,
    StableAudio3Pipeline,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
)
from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
)

from .. import MINI_CHECKPOINT
from .clock import synchronize
from .settings import process_settings


# A call that takes longer is told from two short ones.
WHOLE_S = 60.0
PROMPT = "rain falling"


@dataclass(frozen=True)
class Peer:
    r"""
    One of diffusers' pipelines.

    Args:
        build (`Callable`): Makes it, in float32.
        duration_argument (`str`): Of its call: seconds of sound.
        num_inference_steps (`int`): What it takes by default.
        arguments (`Callable[[torch.device], dict]`): Further arguments: what it is told of the text.
    """

    build: Callable[[], Any]
    duration_argument: str
    num_inference_steps: int
    arguments: Callable[[torch.device], dict[str, Any]] = lambda device: {"prompt": PROMPT}


def _default_steps(pipeline_class: type) -> int:
    return inspect.signature(pipeline_class.__call__).parameters["num_inference_steps"].default


def _text(width: int) -> dict[str, Any]:
    """A tokenizer, and an encoder of one layer in the place of one of many."""
    tokenizer = AutoTokenizer.from_pretrained(MINI_CHECKPOINT / "tokenizer_2")
    config = T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=64, d_ff=64, num_layers=1, num_heads=1)
    return {"tokenizer": tokenizer, "text_encoder": T5EncoderModel(config)}


def _stable_audio() -> StableAudioPipeline:
    # The published one's scheduler needs torchsde to draw noise; this one takes as many steps of as many evaluations.
    return StableAudioPipeline(
        vae=AutoencoderOobleck(),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=768, conditioning_dim=768, min_value=0, max_value=512
        ),
        transformer=StableAudioDiTModel(),
        scheduler=EDMDPMSolverMultistepScheduler(solver_order=2, prediction_type="v_prediction", sigma_data=1.0),
        **_text(768),
    )


def _stable_audio_3() -> StableAudio3Pipeline:
    return StableAudio3Pipeline(
        vae=AutoencoderSAME(),
        duration_embedder=StableAudio3DurationEmbedder(),
        transformer=StableAudio3DiTModel(),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        **_text(768),
    )


def _ace_step() -> AceStepPipeline:
    return AceStepPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=128,
            downsampling_ratios=[2, 4, 4, 6, 10],
            channel_multiples=[1, 2, 4, 8, 16],
            decoder_channels=128,
            decoder_input_channels=64,
            audio_channels=2,
            sampling_rate=48000,
        ),
        transformer=AceStepTransformer1DModel(),
        condition_encoder=AceStepConditionEncoder(),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        **_text(1024),
    )


def _audioldm2() -> AudioLDM2Pipeline:
    # As diffusers' script of conversion says it of cvssp/audioldm2.
    unet = AudioLDM2UNet2DConditionModel(
        in_channels=8,
        out_channels=8,
        block_out_channels=(128, 256, 384, 640),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=[[None, 768, 1024]] * 4,
        attention_head_dim=32,
    )
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        block_out_channels=(128, 256, 512),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=2,
        latent_channels=8,
    )
    hifigan = SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16000,
        upsample_initial_channel=1024,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        normalize_before=False,
    )
    return AudioLDM2Pipeline(
        vae=vae,
        unet=unet,
        vocoder=SpeechT5HifiGan(hifigan),
        scheduler=DDIMScheduler(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False),
        # Looked at, though they are not run.
        text_encoder_2=_text(1024)["text_encoder"],
        language_model=GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=768, n_layer=1)),
        **dict.fromkeys(
            (
                "text_encoder",
                "projection_model",
                "tokenizer",
                "tokenizer_2",
                "feature_extractor",
            )
        ),
    )


def _audioldm2_text(device: torch.device) -> dict[str, Any]:
    """What T5 and the language model give of a caption."""
    told = {}
    for prefix in ("", "negative_"):
        told[f"{prefix}prompt_embeds"] = torch.zeros(1, 128, 1024, device=device)
        told[f"{prefix}generated_prompt_embeds"] = torch.zeros(1, 8, 768, device=device)
        told[f"{prefix}attention_mask"] = torch.ones(1, 128, dtype=torch.long, device=device)
    return told


PEERS = {
    "audioldm2": Peer(_audioldm2, "audio_length_in_s", _default_steps(AudioLDM2Pipeline), _audioldm2_text),
    "stable-audio": Peer(_stable_audio, "audio_end_in_s", _default_steps(StableAudioPipeline)),
    # Eight is what the pipeline of the distilled model takes where nothing is asked for.
    "stable-audio-3": Peer(_stable_audio_3, "duration", 8),
    "ace-step": Peer(_ace_step, "audio_duration", _default_steps(AceStepPipeline)),
}


def measure_peer(name: str, duration_s: float, device: str, threads: int | None) -> dict[str, Any]:
    r"""
    Time one of diffusers' pipelines in this process.

    Args:
        name (`str`): Of `PEERS`.
        duration_s (`float`): Seconds of sound.
        device (`str`): Where it runs.
        threads (`int`, *optional*): Threads of the CPU.

    Returns:
        `dict`: `time_s` of a call with its default steps; `is_whole`, whether it was timed, or is the sum of
        `step_s` times its steps and `rest_s`, of two calls with one and with two steps.
    """
    peer, device = PEERS[name], torch.device(device)
    with process_settings(device, threads, 0):
        pipe = peer.build()
        pipe.to(device)
        pipe.set_progress_bar_config(disable=True)
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval()
        return {"name": name, "duration_s": duration_s, **time_peer(pipe, peer, duration_s, device)}


def time_peer(pipe: Any, peer: Peer, duration_s: float, device: torch.device, whole_s: float = WHOLE_S) -> dict:
    r"""
    Time a pipeline; see [`measure_peer`].

    Args:
        pipe (`DiffusionPipeline`): The pipeline, on the device.
        peer ([`Peer`]): How it is called.
        duration_s (`float`): Seconds of sound.
        device (`torch.device`): Where it runs.
        whole_s (`float`, defaults to 60.0): What a call may take to be timed whole.
    """
    given = {peer.duration_argument: duration_s, **peer.arguments(device)}

    def timed(steps: int) -> float:
        synchronize(device)
        start = time.perf_counter()
        pipe(num_inference_steps=steps, generator=torch.Generator().manual_seed(0), **given)
        synchronize(device)
        return time.perf_counter() - start

    timed(1)
    one, three = timed(1), timed(3)
    step_s = (three - one) / 2
    rest_s, num_steps = one - step_s, peer.num_inference_steps
    time_s = rest_s + num_steps * step_s
    is_whole = time_s <= whole_s
    if is_whole:
        time_s = timed(num_steps)
    return {
        "num_inference_steps": num_steps,
        "step_s": step_s,
        "rest_s": rest_s,
        "time_s": time_s,
        "is_whole": is_whole,
        "num_parameters": sum(
            parameter.numel()
            for part in pipe.components.values()
            if isinstance(part, torch.nn.Module)
            for parameter in part.parameters()
        ),
    }

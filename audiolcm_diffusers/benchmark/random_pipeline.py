# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A whole pipeline of random weights: as fast as one that was trained, without a download."""

import json

import torch

from .. import MINI_CHECKPOINT
from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from ..pipelines.pipeline_audiolcm import AudioLCMPipeline
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler
from .encoders import Encoders
from .sizes import size_named, without_names
from .training import GUIDANCE_DIM


# A vocoder of 256 samples a frame, for tests.
TINY_VOCODER = {"upsample_initial_channel": 64}


def random_pipeline(name: str, seed: int = 0) -> tuple[AudioLCMPipeline, Encoders]:
    r"""
    A student of random weights, in float32 on the CPU.

    Args:
        name (`str`): As [`~audiolcm_diffusers.benchmark.sizes.size_named`] takes it.
        seed (`int`, defaults to 0): Of the weights.

    Returns:
        `tuple[AudioLCMPipeline, Encoders]`: The pipeline, which is called with `prompt_embeds`, and what encodes text.
    """
    size = size_named(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoders = Encoders(size)
        transformer = size.transformer_class(**{**size.transformer, "time_cond_proj_dim": GUIDANCE_DIM})
        if name == "mini":
            config = json.loads((MINI_CHECKPOINT / "vocoder/config.json").read_text(encoding="utf-8"))
            vocoder = GriffinLimVocoder(**without_names(config))
        else:
            vocoder = BigVGANVocoder(**(TINY_VOCODER if name == "tiny" else {}))
        vae = AutoencoderKLMel1D(**size.vae)
    scheduler = LCMAudioScheduler(**size.scheduler)
    pipe = AudioLCMPipeline(
        vae=vae.eval(),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        projection_model=None,
        transformer=transformer.eval(),
        scheduler=scheduler,
        vocoder=vocoder.eval(),
        max_audio_length_in_s=3600.0,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe, encoders

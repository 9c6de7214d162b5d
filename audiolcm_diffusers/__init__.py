# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
AudioLCM for diffusers: text to sound in two steps.

Importing this package makes its classes known to diffusers (see `registration.py`). The classes themselves are
imported when they are first used, so that the import stays light.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from .lazy import lazy_names
from .registration import register_with_diffusers, warn_of_missing_modules


if TYPE_CHECKING:
    from diffusers import ModelMixin, SchedulerMixin

    from .audio.mel import log_mel_spectrogram
    from .models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
    from .models.clap_projection import CLAPProjection
    from .models.transformer_concat_1d import ConcatTransformer1DModel
    from .models.transformer_llama_1d import LLaMATransformer1DModel
    from .models.vocoder_bigvgan import BigVGANVocoder
    from .models.vocoder_griffin_lim import GriffinLimVocoder
    from .models.vocoder_vocos import VocosVocoder
    from .pipelines.modular_blocks import AudioLCMBlocks
    from .pipelines.pipeline_audiolcm import AudioLCMPipeline
    from .pipelines.pipeline_audiolcm_audio2audio import AudioLCMAudio2AudioPipeline
    from .pipelines.pipeline_audiolcm_inpaint import AudioLCMInpaintPipeline
    from .schedulers.scheduling_lcm_audio import LCMAudioScheduler

__version__ = "0.1.0"

MINI_CHECKPOINT = Path(__file__).parent / "checkpoints" / "mini"
MINI_TEACHER_CHECKPOINT = Path(__file__).parent / "checkpoints" / "mini-teacher"

# Classes that diffusers loads by name. Saved pipelines hold these names: they are a wire format and never change.
PUBLIC_CLASSES = {
    "AudioLCMAudio2AudioPipeline": ".pipelines.pipeline_audiolcm_audio2audio",
    "AudioLCMInpaintPipeline": ".pipelines.pipeline_audiolcm_inpaint",
    "AudioLCMPipeline": ".pipelines.pipeline_audiolcm",
    "AutoencoderKLMel1D": ".models.autoencoder_kl_mel_1d",
    "BigVGANVocoder": ".models.vocoder_bigvgan",
    "CLAPProjection": ".models.clap_projection",
    "ConcatTransformer1DModel": ".models.transformer_concat_1d",
    "GriffinLimVocoder": ".models.vocoder_griffin_lim",
    "LCMAudioScheduler": ".schedulers.scheduling_lcm_audio",
    "LLaMATransformer1DModel": ".models.transformer_llama_1d",
    "VocosVocoder": ".models.vocoder_vocos",
}

_LAZY_NAMES = {
    **PUBLIC_CLASSES,
    "AudioLCMBlocks": ".pipelines.modular_blocks",
    "log_mel_spectrogram": ".audio.mel",
    # diffusers recognises a component by finding the name of its base class in the namespace of its library.
    "ModelMixin": "diffusers",
    "SchedulerMixin": "diffusers",
}

__all__ = [
    *PUBLIC_CLASSES,
    "AudioLCMBlocks",
    "log_mel_spectrogram",
    "MINI_CHECKPOINT",
    "MINI_TEACHER_CHECKPOINT",
    "__version__",
]


_imported, __dir__ = lazy_names(__name__, _LAZY_NAMES)


def __getattr__(name: str):
    value = _imported(name)
    if name.endswith("Pipeline"):
        warn_of_missing_modules()
    return value


register_with_diffusers()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Weights in the layout of the published AudioLCM checkpoint, converted to this package's models.

The functions are imported when they are first used, so that naming one does not import the models of all.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names


if TYPE_CHECKING:
    from .bigvgan import bigvgan_from_original
    from .checkpoint import components_from_original
    from .concat_transformer import concat_transformer_from_original
    from .llama_transformer import llama_transformer_from_original
    from .mel_vae import mel_vae_from_original
    from .text_encoders import text_encoders_from_original

_FUNCTIONS = {
    "bigvgan_from_original": ".bigvgan",
    "components_from_original": ".checkpoint",
    "concat_transformer_from_original": ".concat_transformer",
    "llama_transformer_from_original": ".llama_transformer",
    "mel_vae_from_original": ".mel_vae",
    "text_encoders_from_original": ".text_encoders",
}

__all__ = [*_FUNCTIONS]

__getattr__, __dir__ = lazy_names(__name__, _FUNCTIONS)

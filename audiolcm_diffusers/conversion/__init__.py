# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Weights in the layout of the published AudioLCM checkpoint, converted to this package's models.

The functions are imported when they are first used, so that naming one does not import the models of all.
"""

import importlib
from typing import TYPE_CHECKING


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


def __getattr__(name: str):
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_FUNCTIONS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS})

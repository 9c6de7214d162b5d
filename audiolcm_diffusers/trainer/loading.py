# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is asked of saved models that a script goes on from."""

import json
from pathlib import Path

from diffusers import AutoModel

from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from ..models.vocoder_vocos import VocosVocoder


def saved_config(folder, part):
    r"""What the configuration of a part of a saved pipeline says; nothing where the folder is not on this machine."""
    names = ("config.json", "scheduler_config.json")
    paths = [path for path in (Path(folder) / part / name for name in names) if path.is_file()]
    return json.loads(paths[0].read_text(encoding="utf-8")) if paths else {}


def load_vocoder(folder):
    r"""
    Load a vocoder of any kind.

    Args:
        folder (`str`): Folder or id of a [`BigVGANVocoder`], a [`VocosVocoder`] or a [`GriffinLimVocoder`].

    Raises:
        ValueError: If it holds another model.
    """
    vocoder = AutoModel.from_pretrained(folder)
    if not isinstance(vocoder, (BigVGANVocoder, VocosVocoder, GriffinLimVocoder)):
        raise ValueError(f"Expected a vocoder in {folder!r}, got a {type(vocoder).__name__}.")
    return vocoder

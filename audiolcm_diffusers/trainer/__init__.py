# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the training scripts share and the paper would not print; imported when it is first used."""

import importlib
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from .run import (
        NO_LOSSES,
        CaptionedRunConfig,
        CropRunConfig,
        DataConfig,
        ExampleConfig,
        LoraOptions,
        RunConfig,
        TrainingRun,
        encoder_of_prompts,
        flags_of,
        load_clips_and_report,
        load_vocoder,
        option,
        options_of_file,
        parse_config,
        prompt_of,
        save_folder,
        saved_config,
        text_parts,
        tokenize_prompts,
    )

_NAMES = {
    "NO_LOSSES": ".run",
    "CaptionedRunConfig": ".run",
    "CropRunConfig": ".run",
    "DataConfig": ".run",
    "ExampleConfig": ".run",
    "LoraOptions": ".run",
    "RunConfig": ".run",
    "TrainingRun": ".run",
    "encoder_of_prompts": ".run",
    "flags_of": ".run",
    "load_clips_and_report": ".run",
    "load_vocoder": ".run",
    "option": ".run",
    "options_of_file": ".run",
    "parse_config": ".run",
    "prompt_of": ".run",
    "save_folder": ".run",
    "saved_config": ".run",
    "text_parts": ".run",
    "tokenize_prompts": ".run",
}

__all__ = [*_NAMES]


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

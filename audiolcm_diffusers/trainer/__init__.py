# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
What the training scripts share and the paper would not print. A script's loop talks to [`TrainingRun`].

- What a script is told: `options` (how), `data_options`, `run_options`, `lora`.
- What it starts from: `loading`, and text in `prompts`.
- What a run consists of: `run`, and its parts `launch`, `optimizers`, `averages`, `adversarial`, `checkpoints`,
  `stopping`, `tracking`, `log`, `validation`.
- What it leaves: `saving`, `cards`.

What a script needs is imported from here, when it is first used.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names


if TYPE_CHECKING:
    from .checkpoints import save_folder
    from .data_options import DataConfig, ExampleConfig, load_clips_and_report
    from .loading import load_vocoder, saved_config
    from .log import NO_LOSSES
    from .lora import LoraOptions
    from .options import flags_of, option, options_of_file, parse_config
    from .prompts import encoder_of_prompts, prompt_of, text_parts, tokenize_prompts
    from .run import TrainingRun
    from .run_options import CaptionedRunConfig, CropRunConfig, RunConfig

_NAMES = {
    "NO_LOSSES": ".log",
    "CaptionedRunConfig": ".run_options",
    "CropRunConfig": ".run_options",
    "DataConfig": ".data_options",
    "ExampleConfig": ".data_options",
    "LoraOptions": ".lora",
    "RunConfig": ".run_options",
    "TrainingRun": ".run",
    "encoder_of_prompts": ".prompts",
    "flags_of": ".options",
    "load_clips_and_report": ".data_options",
    "load_vocoder": ".loading",
    "option": ".options",
    "options_of_file": ".options",
    "parse_config": ".options",
    "prompt_of": ".prompts",
    "save_folder": ".checkpoints",
    "saved_config": ".loading",
    "text_parts": ".prompts",
    "tokenize_prompts": ".prompts",
}

__all__ = [*_NAMES]

__getattr__, __dir__ = lazy_names(__name__, _NAMES)

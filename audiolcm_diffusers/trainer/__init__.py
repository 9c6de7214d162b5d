# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
What the training scripts share and the paper would not print. A script's loop talks to [`TrainingRun`].

- What a script is told: `options` (how), `data_options`, `run_options`, `lora`.
- What it starts from: `loading`, and text in `prompts`, `tokenizer`, and for a text encoder `phrases`, `sentences`.
- What a run consists of: `run`, and its parts `launch`, `optimizers`, `averages`, `adversarial`, `checkpoints`
  (`checkpoint_manifest`, `checkpoint_states`), `stopping`, `tracking`, `log`, `validation`.
- What it leaves: `saving`, `cards`.

What a script needs is imported from here, when it is first used.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names


if TYPE_CHECKING:
    from .data_options import DataConfig, ExampleConfig, load_clips_and_report
    from .loading import load_text_encoder, load_vocoder, saved_config
    from .log import NO_LOSSES
    from .lora import LoraOptions
    from .options import flags_of, option, options_of_file, parse_config
    from .phrases import (
        Phrase,
        PhraseDrawer,
        caption_phrases,
        deed_phrases,
        gloss_phrases,
        verbs_of,
        word_phrases,
    )
    from .prompts import encoder_of_prompts, prompt_of, text_parts, tokenize_prompts
    from .run import TrainingRun
    from .run_options import CaptionedRunConfig, CropRunConfig, RunConfig
    from .sentences import SentenceEncoder, cached_embeddings
    from .tokenizer import event_masks, train_tokenizer

_NAMES = {
    "NO_LOSSES": ".log",
    "CaptionedRunConfig": ".run_options",
    "CropRunConfig": ".run_options",
    "DataConfig": ".data_options",
    "ExampleConfig": ".data_options",
    "LoraOptions": ".lora",
    "Phrase": ".phrases",
    "PhraseDrawer": ".phrases",
    "RunConfig": ".run_options",
    "SentenceEncoder": ".sentences",
    "TrainingRun": ".run",
    "cached_embeddings": ".sentences",
    "caption_phrases": ".phrases",
    "deed_phrases": ".phrases",
    "encoder_of_prompts": ".prompts",
    "event_masks": ".tokenizer",
    "flags_of": ".options",
    "gloss_phrases": ".phrases",
    "load_clips_and_report": ".data_options",
    "load_text_encoder": ".loading",
    "load_vocoder": ".loading",
    "option": ".options",
    "options_of_file": ".options",
    "parse_config": ".options",
    "prompt_of": ".prompts",
    "save_folder": "..files",
    "saved_config": ".loading",
    "text_parts": ".prompts",
    "tokenize_prompts": ".prompts",
    "train_tokenizer": ".tokenizer",
    "verbs_of": ".phrases",
    "word_phrases": ".phrases",
}

__all__ = [*_NAMES]

__getattr__, __dir__ = lazy_names(__name__, _NAMES)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Speed and memory, measured: what a step takes and where it goes, beside what this machine can do at all.

What every benchmark needs is apart, a question a file: time (`clock`), memory (`memory`, and `alone`, a process for
each contestant), operations (`flops`), what the machine reaches at best (`ceilings`), what ran where (`settings`,
`machine`), models of random weights (`sizes`, `encoders`) and the report (`table`).
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names


if TYPE_CHECKING:
    from .ceilings import Ceilings, measure_ceilings
    from .edits import EditsReport, benchmark_edits
    from .generation import GenerationReport, benchmark_generation
    from .generation_options import GenerationOptions
    from .options import TrainingOptions
    from .training import TrainingReport, benchmark_training

# Imported when they are first used: the command's `--help` does not wait for torch.
_LAZY_NAMES = {
    "Ceilings": ".ceilings",
    "EditsReport": ".edits",
    "GenerationOptions": ".generation_options",
    "GenerationReport": ".generation",
    "TrainingOptions": ".options",
    "TrainingReport": ".training",
    "benchmark_edits": ".edits",
    "benchmark_generation": ".generation",
    "benchmark_training": ".training",
    "measure_ceilings": ".ceilings",
}

__all__ = list(_LAZY_NAMES)

__getattr__, __dir__ = lazy_names(__name__, _LAZY_NAMES)

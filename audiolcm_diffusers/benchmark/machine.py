# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""On what something was measured."""

import platform
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from .. import __version__


def device_name(device: torch.device) -> str:
    r"""The name of a card or processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    r"""Versions of what computes."""
    return {
        "audiolcm_diffusers": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }


def circumstances(options: Any, device: torch.device) -> dict[str, Any]:
    r"""
    Under which circumstances a training step was measured, as reports have it.

    Args:
        options ([`~audiolcm_diffusers.benchmark.options.TrainingOptions`]): What was asked for.
        device (`torch.device`): Where.
    """
    told = (
        "batch_size",
        "duration_s",
        "num_solver_steps",
        "warmup",
        "repeats",
        "mixed_precision",
        "attention_backend",
        "seed",
        "clock",
        "peak_tflops",
    )
    return {
        "subject": "training",
        **{name: getattr(options, name) for name in told},
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How much memory was held at the most."""

import re
import resource
import sys
from pathlib import Path

import torch


def reset_peak_memory(device: torch.device) -> None:
    r"""
    Count the peak of a CUDA device from now on, and give back what no tensor uses. The peak of a process cannot be
    counted anew: see [`~audiolcm_diffusers.benchmark.alone.run_alone`].
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    r"""
    Most memory that this process has held, in bytes: on CUDA tensors since the last reset, on a CPU all that was
    resident since the process began.
    """
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else process_peak_memory()


def process_peak_memory() -> int:
    r"""Most memory, in bytes, that was resident since this process's program began."""
    status = Path("/proc/self/status")
    # Linux hands `ru_maxrss` on to a program that is started: what the process that started it held counts, too.
    high_water = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text() if status.exists() else "", re.M)
    if high_water is not None:
        return 1024 * int(high_water[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import subprocess
import sys

import torch

from audiolcm_diffusers.benchmark.alone import run_alone
from audiolcm_diffusers.benchmark.memory import peak_memory, process_peak_memory


MEBIBYTE = 2**20
# In a process of its own: in this one, what was freed before would make room.
HOLDS_AND_FREES = f"""
from audiolcm_diffusers.benchmark.memory import process_peak_memory
peaks = [process_peak_memory()]
held = bytearray(b"x") * {256 * MEBIBYTE}
peaks.append(process_peak_memory())
del held
peaks.append(process_peak_memory())
print(*peaks)
"""


def test_the_peak_rises_by_what_is_held_and_stays():
    done = subprocess.run([sys.executable, "-c", HOLDS_AND_FREES], capture_output=True, text=True, check=True)
    before, holding, after = (int(peak) / MEBIBYTE for peak in done.stdout.split())
    # Importing torch may have held a little more for a moment than it holds now.
    assert 192 < holding - before < 272
    # Linux counts in steps of pages for each processor.
    assert abs(after - holding) < 8


def test_a_process_does_not_count_what_the_one_that_started_it_holds():
    held = bytearray(b"x") * (400 * MEBIBYTE)
    # Both import torch and this package, and this one holds that much more.
    own = run_alone(process_peak_memory, {}, "Nothing")
    assert 64 * MEBIBYTE < own < peak_memory(torch.device("cpu")) - len(held) / 2

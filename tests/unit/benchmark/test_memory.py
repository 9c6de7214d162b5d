# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import resource

import torch

from audiolcm_diffusers.benchmark.alone import run_alone
from audiolcm_diffusers.benchmark.memory import peak_memory, process_peak_memory


MEBIBYTE = 2**20


def test_the_peak_rises_by_what_is_held_and_stays():
    before = process_peak_memory()
    # Every page is written, as what is not was never resident. More than what was freed before could make room for.
    size = before + 64 * MEBIBYTE
    held = bytearray(b"x") * size
    assert size <= process_peak_memory() < size + before + 16 * MEBIBYTE
    del held
    assert peak_memory(torch.device("cpu")) >= size


def test_a_process_does_not_count_what_the_one_that_started_it_holds():
    # A process that imports this module and torch needs some 300 MB.
    held = bytearray(b"x") * (640 * MEBIBYTE)
    own = run_alone(process_peak_memory, {}, "Nothing")
    assert 64 * MEBIBYTE < own < len(held)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > len(held)

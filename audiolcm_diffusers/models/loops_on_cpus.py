# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""Loops that Numba (an extra, `[fast]`) compiles when they first run, and the threads that run them."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import torch


# What a thread is worth waking for.
SAMPLES_A_THREAD = 2**15


def compiled(function: Callable) -> Callable:
    r"""A loop as machine code, which lets go of the interpreter. Sums keep their order."""
    # Multiplications and additions may be one operation.
    how = {"nogil": True, "fastmath": {"contract", "nsz"}}
    try:
        return numba.njit(function, cache=True, **how)
    except RuntimeError:  # there is no folder to keep machine code in
        return numba.njit(function, **how)


def run_in_threads(function: Callable, arguments: tuple, num_jobs: int, num_samples: int) -> None:
    r"""
    Share a loop's jobs among as many threads as torch has, or fewer where there is little to do.

    Args:
        function (`Callable`): Of the arguments, the first job, and the one behind the last.
        arguments (`tuple`): The same for all.
        num_jobs (`int`): To be shared.
        num_samples (`int`): That all jobs together go through.
    """
    num_threads = max(1, min(torch.get_num_threads(), num_jobs, num_samples // SAMPLES_A_THREAD))
    if num_threads == 1:
        function(*arguments, 0, num_jobs)
        return
    borders = [num_jobs * thread // num_threads for thread in range(num_threads + 1)]
    # Threads of Python's own: pools of Numba's are not safe to be shared.
    for done in [_pool().submit(function, *arguments, *share) for share in pairwise(borders)]:
        done.result()


@functools.cache
def _pool():
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="loop")


# Threads do not live on in a process that was forked.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.benchmark import Ceilings, measure_ceilings
from audiolcm_diffusers.benchmark.ceilings import copy_traffic, matmul_flops
from audiolcm_diffusers.benchmark.clock import Clock
from audiolcm_diffusers.benchmark.flops import count_flops


def test_operations_of_a_product():
    # 3 × 3 sums of 3 products each, of two operations. As torch's own counter has it.
    assert matmul_flops(3) == 54 == count_flops(torch.mm, torch.ones(3, 3), torch.ones(3, 3))


def test_traffic_of_a_copy():
    assert copy_traffic(10) == 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_is_faster_than_the_ceilings(dtype):
    state = torch.get_rng_state()
    ceilings = measure_ceilings("cpu", dtype, matrix_size=512, copy_bytes=2**26, repeats=5)
    assert (ceilings.device, ceilings.dtype) == ("cpu", str(dtype).split(".")[1])
    assert torch.equal(torch.get_rng_state(), state)
    # A processor of this century: more than 10 MFLOP/s and 10 MB/s, less than a petaflop and a petabyte.
    assert 1e7 < ceilings.matmul_flops_per_s < 1e15
    assert 1e7 < ceilings.copy_bytes_per_s < 1e15

    # The product of a matrix and a vector reads every entry for two operations: memory, not arithmetic, is its limit,
    # so that it stays below the ceiling of matrices by far. 64 MiB, 2 operations an entry.
    matrix = torch.ones(4096, 2**26 // dtype.itemsize // 4096, dtype=dtype)
    vector = torch.ones(matrix.shape[1], dtype=dtype)
    clock = Clock(torch.device("cpu"))
    least_ms = min(clock.lap(torch.mv, matrix, vector).time_ms for _ in range(3))
    assert 2 * matrix.numel() / (least_ms / 1000) < 0.9 * ceilings.matmul_flops_per_s


def test_least_time_is_that_of_the_lower_ceiling():
    ceilings = Ceilings("cpu", "float32", matmul_flops_per_s=1e9, copy_bytes_per_s=1e8)
    # 2e6 operations take 2 ms; 1e5 bytes take 1 ms, 5e5 take 5.
    assert ceilings.least_ms(2_000_000, 100_000) == pytest.approx(2.0)
    assert ceilings.least_ms(2_000_000, 500_000) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "meta"}, "Expected a CPU or CUDA device, got meta"),
        ({"device": "cpu", "matrix_size": 0}, "Expected matrix_size > 0, got matrix_size=0"),
        ({"device": "cpu", "copy_bytes": -1}, "Expected copy_bytes > 0, got copy_bytes=-1"),
        ({"device": "cpu", "repeats": 0}, "Expected repeats > 0, got repeats=0"),
    ],
)
def test_impossible_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure_ceilings(**arguments)

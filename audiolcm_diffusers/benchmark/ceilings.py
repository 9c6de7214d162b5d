# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What this machine reaches at best: operations a second in a product of matrices, bytes a second in a copy.

Data sheets tell peaks that no program sees, and not those of a machine that is shared or throttled. Measured beside a
benchmark, these two say how far what it measured is from what could be (the roofline model, Williams et al.,
doi:10.1145/1498765.1498785).
"""

from dataclasses import dataclass

import torch

from .clock import Clock, take_turns


# On CUDA calls are short, and many make a lap; a copy is longer than caches are large.
DEFAULT_MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
DEFAULT_COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
CALLS_PER_LAP = {"cpu": 1, "cuda": 20}


@dataclass(frozen=True)
class Ceilings:
    r"""
    What a device reached.

    Args:
        device (`str`): Which.
        dtype (`str`): Of the matrices, such as `"float32"`.
        matmul_flops_per_s (`float`): In a product of square matrices.
        copy_bytes_per_s (`float`): In a copy on the device, what is read and what is written together.
    """

    device: str
    dtype: str
    matmul_flops_per_s: float
    copy_bytes_per_s: float

    def least_ms(self, flops: int, num_bytes: int) -> float:
        r"""
        The time, in milliseconds, below which nothing comes that takes so many operations and moves so many bytes:
        both at once at their ceilings.
        """
        return 1000 * max(flops / self.matmul_flops_per_s, num_bytes / self.copy_bytes_per_s)


def matmul_flops(size: int) -> int:
    r"""
    Operations of a product of two square matrices: each of `size^2` entries of the result is a sum of `size` products,
    which is `size` multiplications and as many additions, the one to 0 included.
    """
    return 2 * size**3


def copy_traffic(num_bytes: int) -> int:
    r"""
    Bytes that a copy of so many moves: each is read once and written once. A processor that reads a line of its cache
    before it writes there moves more, which no program can use.
    """
    return 2 * num_bytes


def measure_ceilings(
    device: str | torch.device,
    dtype: torch.dtype = torch.float32,
    matrix_size: int | None = None,
    copy_bytes: int | None = None,
    repeats: int = 5,
    clock: str = "wall",
) -> Ceilings:
    r"""
    Measure what a device reaches, with as many threads and in such a mode (TF32) as torch is set to: the best of some
    repeats, as whatever disturbs makes it slower, never faster. Matrices and copies count to the peak of memory: on a
    CPU, read that first.

    Args:
        device (`str` or `torch.device`): A CPU or CUDA device.
        dtype (`torch.dtype`, defaults to `torch.float32`): Of the matrices.
        matrix_size (`int`, *optional*): Their rows and columns; 2048 on a CPU, 8192 on CUDA.
        copy_bytes (`int`, *optional*): Bytes that are copied; 256 MiB on a CPU, 1 GiB on CUDA. What fits into a cache
            is copied faster than memory is.
        repeats (`int`, defaults to 5): How often each is timed, after once that does not count.
        clock (`str`, defaults to `"wall"`): See [`~audiolcm_diffusers.benchmark.clock.Clock`].

    Returns:
        [`Ceilings`].

    Raises:
        ValueError: If the device is neither, or a number is not positive.
    """
    device = torch.device(device)
    if device.type not in CALLS_PER_LAP:
        raise ValueError(f"Expected a CPU or CUDA device, got {device}.")
    matrix_size = DEFAULT_MATRIX_SIZE[device.type] if matrix_size is None else matrix_size
    copy_bytes = DEFAULT_COPY_BYTES[device.type] if copy_bytes is None else copy_bytes
    for name, value in {"matrix_size": matrix_size, "copy_bytes": copy_bytes, "repeats": repeats}.items():
        if value <= 0:
            raise ValueError(f"Expected {name} > 0, got {name}={value}.")
    # Of its own generator, as the caller's seed is not ours; and no zeros, with which a card draws less power.
    generator = torch.Generator(device).manual_seed(0)
    one, other = torch.randn(2, matrix_size, matrix_size, generator=generator, device=device).to(dtype)
    product = torch.empty_like(one)
    source = torch.ones(copy_bytes, dtype=torch.uint8, device=device)
    copied = torch.empty_like(source)
    num_calls = CALLS_PER_LAP[device.type]

    def multiply(_):
        for _ in range(num_calls):
            torch.mm(one, other, out=product)

    def copy(_):
        for _ in range(num_calls):
            copied.copy_(source)

    with torch.no_grad():
        laps = take_turns(
            Clock(device, clock), {"matmul": multiply, "copy": copy}, 1 + repeats, prepare=lambda index: None
        )
    least_s = {name: min(lap.time_ms for lap in timed[1:]) / 1000 / num_calls for name, timed in laps.items()}
    return Ceilings(
        str(device),
        str(dtype).removeprefix("torch."),
        matmul_flops(matrix_size) / least_s["matmul"],
        copy_traffic(copy_bytes) / least_s["copy"],
    )

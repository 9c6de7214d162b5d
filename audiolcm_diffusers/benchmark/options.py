# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What can be asked of the benchmark of training. Imports nothing that takes time: the command's parser reads it."""

from dataclasses import dataclass


SIZES = ("published", "mini", "tiny")
VARIANTS = ("naive", "ours", "compiled")
MIXED_PRECISIONS = ("no", "bf16")
CLOCKS = ("wall", "processor")


@dataclass(frozen=True)
class TrainingOptions:
    r"""
    Options of [`~audiolcm_diffusers.benchmark.benchmark_training`].

    Args:
        size (`str`, defaults to `"mini"`): `"published"`, the released model; `"mini"`, the embedded; `"tiny"`.
        teacher_dir (`str`, *optional*):
            In place of a size: a teacher of any family, a pipeline's folder or an id of the Hub. What is compared is
            `"ours"`, and `"compiled"` where it is named.
        batch_size (`int`, defaults to 4): Sounds in a batch.
        duration_s (`float`, defaults to 10.0): Length of each, in seconds.
        num_solver_steps (`int`, defaults to 1): Teacher steps in a skip.
        warmup (`int`, defaults to 2): Steps before those that are timed.
        repeats (`int`, defaults to 5): Timed steps.
        variants (`tuple[str]`, defaults to `("naive", "ours")`):
            What is compared, of `"naive"`, `"ours"` and `"compiled"`. One alone is measured in this process; of more,
            each has a process of its own for its memory.
        device (`str`, *optional*): `"cpu"`, `"cuda"` or such as `"cuda:1"`; CUDA if there is one, else the CPU.
        mixed_precision (`str`, defaults to `"no"`):
            `"no"`: all in float32. `"bf16"`: transformers are in float32 and computed with under autocast, VAE and
            text encoders are in bfloat16.
        attention_backend (`str`, *optional*): diffusers' attention backend, the same for all variants.
        threads (`int`, *optional*): Threads of the CPU; torch's choice if not given.
        clock (`str`, defaults to `"wall"`):
            `"processor"`: time that the process had the processor, on a CPU with one thread.
        peak_tflops (`float`, *optional*): The card's peak at the precision of the step; MFU is told where it is given.
        seed (`int`, defaults to 0): Of weights, data and draws.
    """

    size: str = "mini"
    teacher_dir: str | None = None
    batch_size: int = 4
    duration_s: float = 10.0
    num_solver_steps: int = 1
    warmup: int = 2
    repeats: int = 5
    variants: tuple[str, ...] = ("naive", "ours")
    device: str | None = None
    mixed_precision: str = "no"
    attention_backend: str | None = None
    threads: int | None = None
    clock: str = "wall"
    peak_tflops: float | None = None
    seed: int = 0

    def __post_init__(self):
        for name, known in (("size", SIZES), ("mixed_precision", MIXED_PRECISIONS), ("clock", CLOCKS)):
            if getattr(self, name) not in known:
                raise ValueError(f"Expected {name} to be one of {known}, got {getattr(self, name)!r}.")
        object.__setattr__(self, "variants", tuple(self.variants))
        if not self.variants or len(set(self.variants)) < len(self.variants) or set(self.variants) - set(VARIANTS):
            raise ValueError(f"Expected variants to be some of {VARIANTS}, each once; got {self.variants}.")
        if self.teacher_dir is not None:
            object.__setattr__(self, "variants", tuple(name for name in self.variants if name != "naive"))
            if not self.variants:
                raise ValueError(f"The naive order of work is measured at sizes, not of {self.teacher_dir!r}.")
            if self.peak_tflops is not None:
                raise ValueError(f"MFU is measured at sizes, not of {self.teacher_dir!r}.")
        for name in ("batch_size", "duration_s", "num_solver_steps", "warmup", "repeats", "threads", "peak_tflops"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"Expected {name} > 0, got {name}={value}.")


def check_options(options, named=str):
    r"""
    Refuse what this machine or a model does not do, and what a clock or a counter does not see, before a model is
    built.

    Args:
        options ([`TrainingOptions`]): What is asked for, with a device.
        named (`Callable[[str], str]`, defaults to `str`): How the caller writes an option's name, for the message.

    Raises:
        ValueError: Naming the option.
    """
    _check_clock(options, named)
    # Only now, as they take seconds to import.
    from .settings import check_attention_backend
    from .sizes import check_length

    if options.teacher_dir is None:
        check_length(options.size, options.duration_s, named)
    check_attention_backend(options.attention_backend, named)


def _check_clock(options, named):
    kind = options.device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ValueError(
            f"Expected {named('device')} to be a CPU or CUDA device, whose peak memory is known; got {options.device}."
        )
    clock, threads = named("clock"), named("threads")
    if options.clock == "processor" and (kind != "cpu" or options.threads != 1):
        # Threads that wait for each other use the processor, too: their sum says nothing about speed.
        raise ValueError(
            f"Expected {clock} processor on a CPU with {threads} 1, got device {options.device} and {threads} "
            f"{options.threads}."
        )
    if options.clock == "processor" and "compiled" in options.variants:
        raise ValueError(f"Compilers are processes of their own, whose time {clock} processor does not see.")
    if options.peak_tflops is not None and kind != "cuda":
        raise ValueError(f"MFU is measured on CUDA alone, got {named('peak_tflops')} on {options.device}.")
    if options.peak_tflops is not None and "compiled" in options.variants and "ours" not in options.variants:
        raise ValueError('Operations are counted in eager code: expected "ours" beside "compiled" for MFU.')

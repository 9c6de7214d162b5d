# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What can be asked of the benchmark of generation. Imports nothing that takes time: the command's parser reads it."""

from dataclasses import dataclass

from .options import SIZES


# In this order, in which each is made of the one before.
VARIANTS = ("plain", "ours", "optimized", "compiled", "cuda-graphs")
DTYPES = ("float32", "bfloat16", "float16")
PEERS = ("audioldm2", "stable-audio", "stable-audio-3", "ace-step")
# What `--quick` measures: it is done within a minute.
QUICK = {"durations": (2.0,), "batch_sizes": (1,), "repeats": 1}


@dataclass(frozen=True)
class GenerationOptions:
    r"""
    Options of [`~audiolcm_diffusers.benchmark.benchmark_generation`].

    Args:
        model (`str`, *optional*): A pipeline's folder or an id of the Hub, in place of a size.
        weights_variant, revision (`str`, *optional*): Which weights of the model, and which state of it on the Hub.
        size (`str`, defaults to `"published"`):
            Random weights: `"published"`, the released model; `"mini"`, the embedded; `"tiny"`.
        durations (`tuple[float]`, defaults to `(10.0,)`): Lengths of sounds, in seconds. Stages are of the first.
        batch_sizes (`tuple[int]`, defaults to `(1,)`): Sounds in a call. Stages are of the first.
        dtypes (`tuple[str]`, defaults to `("float32",)`): Precisions of the networks.
        variants (`tuple[str]`, defaults to `("plain", "ours")`):
            `"plain"`: activations filter by filter, as they are defined; `"ours"`: what a pipeline does by itself;
            `"optimized"`: after `pipe.optimize()`; `"compiled"`, `"cuda-graphs"`: with these options of it.
        num_inference_steps (`int`, *optional*): Steps of a call; the model's by default.
        repeats (`int`, defaults to 3): Times that each is timed, after once that does not count; the median is told.
        compare (`tuple[str]`, defaults to `()`):
            diffusers' own pipelines to be run beside it, with random weights of their full sizes.
        memory (`bool`, defaults to `False`): Whether each is run once more in a process of its own for its memory.
        device (`str`, *optional*): `"cpu"`, `"cuda"` or such as `"cuda:1"`; CUDA if there is one, else the CPU.
        threads (`int`, *optional*): Threads of the CPU; torch's choice if not given.
    """

    model: str | None = None
    weights_variant: str | None = None
    revision: str | None = None
    size: str = "published"
    durations: tuple[float, ...] = (10.0,)
    batch_sizes: tuple[int, ...] = (1,)
    dtypes: tuple[str, ...] = ("float32",)
    variants: tuple[str, ...] = ("plain", "ours")
    num_inference_steps: int | None = None
    repeats: int = 3
    compare: tuple[str, ...] = ()
    memory: bool = False
    device: str | None = None
    threads: int | None = None

    def __post_init__(self):
        for name, known in (("variants", VARIANTS), ("dtypes", DTYPES), ("compare", PEERS)):
            unknown = [value for value in getattr(self, name) if value not in known]
            if unknown:
                raise ValueError(f"Expected {name} to be of {', '.join(known)}, got {', '.join(unknown)}.")
        if self.size not in SIZES:
            raise ValueError(f"Expected size to be one of {SIZES}, got {self.size!r}.")
        for name in ("durations", "batch_sizes", "dtypes", "variants"):
            if not getattr(self, name):
                raise ValueError(f"Expected at least one of {name}, got none.")
        if min(self.durations) <= 0 or min(self.batch_sizes) < 1 or self.repeats < 1:
            raise ValueError(
                "Expected durations above 0, and batch_sizes and repeats of at least 1, got "
                f"durations={self.durations}, batch_sizes={self.batch_sizes}, repeats={self.repeats}."
            )
        if "cuda-graphs" in self.variants and not (self.device or "cuda").startswith("cuda"):
            raise ValueError(f"The variant cuda-graphs needs a CUDA device, got {self.device!r}.")

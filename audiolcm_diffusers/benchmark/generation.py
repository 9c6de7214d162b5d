# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How fast a model makes sound: loading, stages, whole calls over lengths, batches and precisions, and peers."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from ..loaders.complete import cast_weights
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..pipelines.loading import find_model, load_pipeline, pick_device
from .alone import run_alone
from .ceilings import measure_ceilings
from .clock import Clock, synchronize
from .generation_options import VARIANTS, GenerationOptions
from .machine import device_name, versions
from .memory import peak_memory, reset_peak_memory
from .peers import measure_peer
from .random_pipeline import random_pipeline
from .settings import process_settings
from .stages import measure_stages, stages_of
from .table import Report, machine_line, markdown_table


PROMPT = "rain falling"
# What a process of its own is told of the model.
MODEL_OPTIONS = ("model", "weights_variant", "revision", "size", "num_inference_steps", "threads")


class GenerationReport(Report):
    r"""What [`benchmark_generation`] measured."""

    def lines(self) -> list[str]:
        r"""Tables: stages, whole calls, and peers; below each what it says."""
        document = self.document
        lines = []
        for stages in document["stages"]:
            lines += [*_stage_lines(stages), ""]
        memory = any("peak_mb" in row for row in document["rows"])
        columns = ["batch", "seconds of sound", "seconds", "seconds a second", "× real time"]
        table = {
            f"{number}. {row['variant']}, {row['dtype']}": [
                str(row["batch_size"]),
                f"{row['duration_s']:g}",
                f"{row['time_s']:.3f}",
                f"{row['rtf']:.4f}",
                f"{1 / row['rtf']:.1f}",
                *([f"{row['peak_mb']:.0f}"] if memory else []),
            ]
            for number, row in enumerate(document["rows"], 1)
        }
        lines += markdown_table([*columns, *(["peak MB"] if memory else [])], table)
        lines += [
            "",
            f"{document['model']}, {document['num_inference_steps']} steps. Ready after {document['load_s']:.1f} s, "
            f"the first sound {document['first_sound_s']:.2f} s later. Medians of {document['repeats']}.",
            *_ratio_lines(document["rows"]),
        ]
        if document["peers"]:
            lines += ["", *_peer_lines(document)]
        return [*lines, "", machine_line(document)]


def _stage_lines(stages: dict[str, Any]) -> list[str]:
    table = {
        row["name"]: [
            str(row["times"]),
            f"{row['time_ms']:.1f}",
            f"{row['flops'] / 1e9:.1f}",
            f"{row['bytes'] / 1e6:.1f}",
            f"{100 * row['share']:.0f} %",
        ]
        for row in stages["rows"]
    }
    ceilings = stages["ceilings"]
    return [
        f"Stages, {stages['variant']}, {stages['dtype']}, {stages['batch_size']} × {stages['duration_s']:g} s:",
        "",
        *markdown_table(["times", "ms", "GFLOP", "MB at least", "of the limit"], table),
        "",
        f"Ceilings, measured before: {ceilings['matmul_flops_per_s'] / 1e9:.0f} GFLOP/s in a product of matrices, "
        f"{ceilings['copy_bytes_per_s'] / 1e9:.1f} GB/s in a copy.",
    ]


def _ratio_lines(rows: list[dict[str, Any]]) -> list[str]:
    """How many times as fast as the plain order of work, at the first length and batch size of each."""
    firsts = {}
    for row in rows:
        firsts.setdefault((row["variant"], row["dtype"]), row)
    plain = firsts.get(("plain", "float32"))
    if plain is None:
        return []
    told = [
        f"{variant} in {dtype} {plain['time_s'] / row['time_s']:.2f}"
        for (variant, dtype), row in firsts.items()
        if row is not plain
    ]
    return [f"Times as fast as plain in float32: {', '.join(told)}."] if told else []


def _peer_lines(document: dict[str, Any]) -> list[str]:
    def rtf(row: dict[str, Any]) -> str:
        return f"{row['time_s'] / row['duration_s']:.3f}"

    ours = document["rows"][-1]
    table = {
        f"{document['model']}, {ours['variant']}, {ours['dtype']}": [
            str(document["num_inference_steps"]),
            f"{ours['duration_s']:g}",
            f"{ours['time_s']:.2f}",
            rtf({**ours, "time_s": ours["time_s"] / ours["batch_size"]}),
            "whole",
        ]
    }
    for row in document["peers"]:
        table[row["name"]] = [
            str(row["num_inference_steps"]),
            f"{row['duration_s']:g}",
            f"{row['time_s']:.2f}",
            rtf(row),
            "whole" if row["is_whole"] else f"{row['step_s']:.2f} s a step × steps, + {row['rest_s']:.2f} s",
        ]
    return [
        "diffusers' own pipelines, random weights of their full sizes, float32, batch of 1, text apart:",
        "",
        *markdown_table(["steps", "seconds of sound", "seconds", "seconds a second", "timed"], table),
    ]


def benchmark_generation(options: GenerationOptions, report_progress: Callable[[str], None] = lambda text: None):
    r"""
    Measure in this process; peers, and what is asked of memory, in processes of their own.

    Args:
        options ([`GenerationOptions`]): What.
        report_progress (`Callable[[str], None]`, *optional*): Is told what begins.

    Returns:
        [`GenerationReport`].

    Raises:
        ValueError: If the model cannot make so long a sound, or a variant cannot run on the device.
    """
    device = torch.device(options.device or pick_device(None))
    if "cuda-graphs" in options.variants and device.type != "cuda":
        raise ValueError(f"The variant cuda-graphs needs a CUDA device, got {device}.")
    clock = Clock(device)
    with process_settings(device, options.threads, 0):
        report_progress("loading")
        start = time.perf_counter()
        model = _Model(options, device)
        load_s = time.perf_counter() - start
        for duration_s in options.durations:
            model.check_length(duration_s)
        start = time.perf_counter()
        model.make(options.durations[0], options.batch_sizes[0])
        first_sound_s = time.perf_counter() - start

        stages, rows = [], []
        for dtype in options.dtypes:
            ceilings = measure_ceilings(device, getattr(torch, dtype))
            model.begin(dtype)
            for variant in (name for name in VARIANTS if name in options.variants):
                model.become(variant)
                of_first = options.durations[0], options.batch_sizes[0]
                report_progress(f"stages, {variant}, {dtype}")
                stages.append(
                    {
                        "variant": variant,
                        "dtype": dtype,
                        "duration_s": of_first[0],
                        "batch_size": of_first[1],
                        "ceilings": dataclasses.asdict(ceilings),
                        "rows": measure_stages(model.stages(*of_first), clock, ceilings, options.repeats),
                    }
                )
                for batch_size in options.batch_sizes:
                    for duration_s in options.durations:
                        report_progress(f"{variant}, {dtype}, {batch_size} × {duration_s:g} s")
                        reset_peak_memory(device)
                        call = functools.partial(model.make, duration_s, batch_size)
                        time_s = _median_s(call, device, options.repeats)
                        row = {
                            "variant": variant,
                            "dtype": dtype,
                            "batch_size": batch_size,
                            "duration_s": duration_s,
                            "time_s": time_s,
                            "rtf": time_s / (batch_size * duration_s),
                        }
                        if device.type == "cuda":
                            row["peak_mb"] = peak_memory(device) / 2**20
                        elif options.memory:
                            row["peak_mb"] = _memory_alone(options, device, row)
                        rows.append(row)
    peers = []
    for name in options.compare:
        report_progress(f"{name}, beside it")
        arguments = {"name": name, "duration_s": options.durations[0], "device": str(device)}
        peers.append(run_alone(measure_peer, {**arguments, "threads": options.threads}, f"The pipeline {name}"))
    return GenerationReport(
        {
            "subject": "generation",
            "model": options.model or f"random weights, {options.size}",
            "num_inference_steps": model.num_steps,
            "load_s": load_s,
            "first_sound_s": first_sound_s,
            "repeats": options.repeats,
            "stages": stages,
            "rows": rows,
            "peers": peers,
            "device": str(device),
            "device_name": device_name(device),
            "threads": options.threads or torch.get_num_threads(),
            "versions": versions(),
        }
    )


class _Model:
    """What is measured: a pipeline, and how it is asked for sound."""

    def __init__(self, options: GenerationOptions, device: torch.device):
        self.device, self._encoders = device, None
        if options.model is None:
            self.pipe, self._encoders = random_pipeline(options.size)
            self.pipe.to(device)
            self._encoders.to(device)
        else:
            which = {"variant": options.weights_variant, "revision": options.revision}
            self.pipe = load_pipeline(find_model(options.model, **which), device, torch.float32, quiet=True, **which)
            self.pipe.set_progress_bar_config(disable=True)
        self.num_steps = options.num_inference_steps or self.pipe.config.default_num_inference_steps

    def check_length(self, duration_s: float) -> None:
        self.pipe.check_inputs(audio_length_in_s=duration_s, num_inference_steps=self.num_steps, **self._asked(1))

    def _asked(self, batch_size: int) -> dict[str, Any]:
        if self._encoders is None:
            return {"prompt": [PROMPT] * batch_size}
        return {"prompt_embeds": self.embeds(batch_size)}

    @torch.no_grad()
    def embeds(self, batch_size: int) -> torch.Tensor:
        if self._encoders is None:
            return self.pipe.encode_prompt([PROMPT] * batch_size, do_classifier_free_guidance=False)[0]
        width = self.pipe.transformer.config.cross_attention_dim
        num_streams = 1 if self._encoders.bert is None else 2
        shape = batch_size, num_streams * self._num_tokens, width
        generator = torch.Generator().manual_seed(0)
        return torch.randn(shape, generator=generator).to(self.device, self.pipe.transformer.dtype)

    @property
    def _num_tokens(self) -> int:
        return self._encoders.num_text_tokens

    def make(self, duration_s: float, batch_size: int) -> Any:
        generator = torch.Generator().manual_seed(0)
        return self.pipe(
            audio_length_in_s=duration_s,
            num_inference_steps=self.num_steps,
            generator=generator,
            **self._asked(batch_size),
        ).audios

    def stages(self, duration_s: float, batch_size: int) -> list:
        embeds = self.embeds(batch_size)
        if self._encoders is None:
            parts = (self.pipe.text_encoder, self.pipe.text_encoder_2, self.pipe.projection_model)
            parts = tuple(part for part in parts if part is not None)
            return stages_of(self.pipe, embeds, duration_s, self.num_steps, lambda: self.embeds(batch_size), parts)
        ids = self._encoders.draw_token_ids(batch_size, self._num_tokens, torch.Generator().manual_seed(0))
        parts = tuple(part for part in (self._encoders.bert, self._encoders.t5) if part is not None)
        return stages_of(self.pipe, embeds, duration_s, self.num_steps, lambda: self._encoders.encode_text(ids), parts)

    def begin(self, dtype: str) -> None:
        """The plain pipeline, in a precision."""
        for part in (*self.pipe.components.values(), self._encoders):
            if isinstance(part, torch.nn.Module):
                cast_weights(part, getattr(torch, dtype))
        self.pipe._caption_cache = None
        self.pipe.transformer.unfuse_qkv_projections()
        for part in (*self.pipe.transformer.modules(), *self.pipe.vae.modules()):
            part._compiled_call_impl = None
        if isinstance(self.pipe.vocoder, BigVGANVocoder):
            self.pipe.vocoder.set_fused_activations(False)
            self.pipe.vocoder.set_fast_convolutions(False)

    def become(self, variant: str) -> None:
        """What a variant adds to those before it."""
        if variant != "plain" and isinstance(self.pipe.vocoder, BigVGANVocoder):
            self.pipe.vocoder.set_fused_activations(True)
        if variant not in ("plain", "ours"):
            self.pipe.optimize(compile=variant in ("compiled", "cuda-graphs"), cuda_graphs=variant == "cuda-graphs")


def _median_s(call: Callable[[], Any], device: torch.device, repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        synchronize(device)
        start = time.perf_counter()
        call()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _memory_alone(options: GenerationOptions, device: torch.device, row: dict[str, Any]) -> float:
    given = {name: row[name] for name in ("variant", "dtype", "batch_size", "duration_s")}
    asked = {name: getattr(options, name) for name in MODEL_OPTIONS}
    return run_alone(measure_memory, {**asked, **given, "device": str(device)}, f"The variant {row['variant']!r}")


def measure_memory(
    model: str | None,
    weights_variant: str | None,
    revision: str | None,
    size: str,
    num_inference_steps: int | None,
    threads: int | None,
    variant: str,
    dtype: str,
    batch_size: int,
    duration_s: float,
    device: str,
) -> float:
    r"""
    Peak memory of this process, in MiB, after it has made sound once. Arguments: see [`GenerationOptions`].
    """
    options = GenerationOptions(model, weights_variant, revision, size, num_inference_steps=num_inference_steps)
    with process_settings(torch.device(device), threads, 0):
        made = _Model(options, torch.device(device))
        made.begin(dtype)
        made.become(variant)
        made.make(duration_s, batch_size)
    return peak_memory(torch.device(device)) / 2**20

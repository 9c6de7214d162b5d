# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How fast a pipeline changes, lengthens and streams sound, and in how much memory."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from ..pipelines.pipeline_audiolcm_audio2audio import AudioLCMAudio2AudioPipeline
from ..pipelines.pipeline_audiolcm_inpaint import AudioLCMInpaintPipeline
from .machine import device_name, versions
from .memory import peak_memory, reset_peak_memory
from .table import Report, markdown_table


# Seconds of a short sound, and of one that fits what most models see at once.
SHORT_S, WINDOW_S = 5.0, 10.0


class EditsReport(Report):
    r"""What [`benchmark_edits`] measured."""

    def lines(self) -> list[str]:
        r"""A table, and below it what ran where."""
        rows = {
            row["name"]: [f"{row['time_s']:.2f}", f"{row['audio_s']:g}", f"{row['time_s'] / row['audio_s']:.3f}"]
            for row in self.document["rows"]
        }
        document = self.document
        return [
            *markdown_table(["seconds", "of sound", "seconds a second"], rows),
            "",
            f"First piece of a stream of {document['long_s']:g} s: after {document['first_piece_s']:.2f} s.",
            f"Peak memory: {document['peak_short_mb']:.0f} MB with {WINDOW_S:g} s, {document['growth_mb']:+.0f} MB "
            f"with {document['long_s']:g} s, of which the sound itself is {document['sound_mb']:.0f} MB.",
            f"{document['device']}, {document['threads']} threads, {document['dtype']}, "
            f"{document['num_inference_steps']} steps; medians of {document['repeats']} after one that does not "
            "count, the long ones of one.",
        ]


def benchmark_edits(pipe: Any, prompt: str = "rain falling", long_s: float = 600.0, repeats: int = 5) -> Report:
    r"""
    Measure a pipeline in this process.

    Args:
        pipe ([`AudioLCMPipeline`]): Where it is to run.
        prompt (`str`, defaults to `"rain falling"`): What it makes.
        long_s (`float`, defaults to 600.0): Seconds of a long sound.
        repeats (`int`, defaults to 5): Times that what is short is measured.

    Returns:
        [`EditsReport`].

    Raises:
        ValueError: If the pipeline cannot make so long a sound.
    """
    pipe.check_inputs(prompt=prompt, audio_length_in_s=long_s)
    device = pipe._execution_device

    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def make(audio_length_in_s: float, **options: Any) -> Any:
        return pipe(prompt, audio_length_in_s=audio_length_in_s, generator=generator(), **options).audios

    source = make(SHORT_S)[0]
    edit, mend = AudioLCMAudio2AudioPipeline.from_pipe(pipe), AudioLCMInpaintPipeline.from_pipe(pipe)
    for other in (edit, mend):
        other.set_progress_bar_config(disable=True)
    calls = {
        "text to sound": (SHORT_S, lambda: make(SHORT_S)),
        "a loop": (SHORT_S, lambda: make(SHORT_S, loop=True)),
        "sound to sound, strength 0.6": (SHORT_S, lambda: edit(prompt, source, 0.6, generator=generator())),
        "1 s of 5 made anew": (
            SHORT_S,
            lambda: mend(prompt, source, mask_start_seconds=2.0, mask_end_seconds=3.0, generator=generator()),
        ),
        "continued by 5 s": (2 * SHORT_S, lambda: mend(prompt, source, extend_s=SHORT_S, generator=generator())),
    }
    rows = [
        {"name": name, "audio_s": audio_s, "time_s": _median(call, repeats)} for name, (audio_s, call) in calls.items()
    ]
    reset_peak_memory(device)
    rows.append({"name": "text to sound", "audio_s": WINDOW_S, "time_s": _median(lambda: make(WINDOW_S), repeats)})
    rows[-1]["name"] += f" of {WINDOW_S:g} s"
    peak_short = peak_memory(device)
    first_piece_s = _median(
        lambda: next(pipe.stream(prompt, audio_length_in_s=long_s, generator=generator())), repeats
    )
    reset_peak_memory(device)
    rows.append(
        {"name": f"text to sound of {long_s:g} s", "audio_s": long_s, "time_s": _median(lambda: make(long_s), 1)}
    )
    return EditsReport(
        {
            "rows": rows,
            "long_s": long_s,
            "first_piece_s": first_piece_s,
            "peak_short_mb": peak_short / 2**20,
            "growth_mb": (peak_memory(device) - peak_short) / 2**20,
            "sound_mb": 4 * long_s * pipe.sampling_rate / 2**20,
            "repeats": repeats,
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "dtype": str(pipe.transformer.dtype).removeprefix("torch."),
            "num_inference_steps": pipe.config.default_num_inference_steps,
            "versions": versions(),
        }
    )


def _median(call: Callable[[], Any], repeats: int) -> float:
    """Seconds until a call has returned, whose result lies on the CPU by then."""
    if repeats > 1:
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A report of speed on disk: for programs, for people, and as a plot over lengths."""

from pathlib import Path

from ..files import replacing
from .generation import GenerationReport


REPORT_JSON, REPORT_MARKDOWN, PLOT = "report.json", "report.md", "scaling.png"


def write_speed(report: GenerationReport, folder: str | Path) -> None:
    r"""
    Write a report into a folder, which is made if need be.

    Args:
        report ([`GenerationReport`]): What was measured.
        folder (`str` or `Path`): Where.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((REPORT_JSON, report.to_json()), (REPORT_MARKDOWN, str(report))):
        with replacing(folder / name) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    with replacing(folder / PLOT) as temporary:
        plot_scaling(report, temporary)


def plot_scaling(report: GenerationReport, path: str | Path) -> None:
    r"""
    Draw seconds of a call over seconds of sound, a line for each variant, precision and batch size.

    Args:
        report ([`GenerationReport`]): What was measured.
        path (`str` or `Path`): A PNG file to write.
    """
    from matplotlib.figure import Figure

    lines = {}
    for row in report.document["rows"]:
        name = f"{row['variant']}, {row['dtype']}, {row['batch_size']} at once"
        lines.setdefault(name, []).append((row["duration_s"], row["time_s"]))
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, points in lines.items():
        axes.plot(*zip(*sorted(points)), marker="o", label=name)
    axes.set(xlabel="seconds of each sound", ylabel="seconds of a call", xlim=(0, None), ylim=(0, None))
    axes.set_title(report.document["model"])
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, format="png", dpi=120)

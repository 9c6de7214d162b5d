# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Draw the losses of training runs.

    python training/plot_curves.py runs/teacher runs/student --output curves.png
"""

import argparse
import json
from pathlib import Path

from audiolcm_diffusers.files import replacing
from audiolcm_diffusers.trainer import NO_LOSSES


def read_losses(run):
    """Steps and values of each loss in a run's log."""
    log = Path(run) / "log.jsonl"
    if not log.is_file():
        raise SystemExit(f"There is no log {str(log)!r}.")
    losses = {}
    for line in map(json.loads, log.read_text().splitlines()):
        for name in line.keys() - NO_LOSSES:
            losses.setdefault(name, []).append((line["step"], line[name]))
    return losses


def main(runs, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(runs), figsize=(4.5 * len(runs), 3.2), layout="constrained", squeeze=False)
    for axis, run in zip(axes[0], runs):
        for name, points in sorted(read_losses(run).items()):
            axis.semilogy(*zip(*points), label=name)
        axis.set(title=Path(run).resolve().name, xlabel="step")
        axis.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("runs", nargs="+", help="output folders of training scripts")
    parser.add_argument("--output", default="curves.png", help="PNG file")
    arguments = parser.parse_args()
    main(arguments.runs, arguments.output)

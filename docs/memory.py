# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Measure how much memory training takes for its data, by hours of sound on disk, and draw it.

    python docs/memory.py --output docs/memory.png

An hour of noise is written, in FLAC files of ten seconds, and larger sets name these files again and again, each time
as a clip of its own: what is held, read and decoded is that of a set of so many files. Each measurement is a process
that draws batches as a training script does, through several parts of the data, and tells the most memory that it had.
Without the limit all clips are held; that is measured up to the hours that --held names.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


SAMPLING_RATE, CLIP_S, CLIPS_PER_HOUR = 16000, 10, 360


def write_data(folder, hours):
    """A folder of so many hours; its files are those of `hour`, beside it."""
    folder.mkdir()
    (folder / "hour").symlink_to(folder.parent / "hour")
    with (folder / "metadata.csv").open("w") as file:
        file.write("file_name,caption\n")
        for clip in range(hours * CLIPS_PER_HOUR):
            file.write(f"hour/{clip % CLIPS_PER_HOUR}.flac,a noise of which this is number {clip} of many\n")


def write_hour(folder):
    import soundfile

    folder.mkdir()
    generator = np.random.default_rng(0)
    for clip in range(CLIPS_PER_HOUR):
        noise = 0.1 * generator.standard_normal(CLIP_S * SAMPLING_RATE)
        soundfile.write(folder / f"{clip}.flac", noise, SAMPLING_RATE)


def measure(data_dir, memory_mb, num_steps):
    """Draw batches of 16 examples of 5 s; the most memory that this process had, in MB, and clips that were drawn."""
    import torch

    from audiolcm_diffusers.data.clip_parts import PartSizes, Share
    from audiolcm_diffusers.trainer.data_options import DataConfig, ExampleConfig, clips_of_run

    config = DataConfig(data_dir=[data_dir], clip_memory_mb=memory_mb)
    step = 0
    sizes = PartSizes(1e6 * memory_mb, examples_per_step=16, max_clip_samples=20 * SAMPLING_RATE)
    clips = clips_of_run(config, SAMPLING_RATE, None, sizes, lambda: step, Share(), seed=0)
    examples = ExampleConfig(durations_s="5", duration_shares="1", mixture_share=0.0)
    drawer = examples.example_drawer(clips, 1, SAMPLING_RATE, seconds_per_batch=80)
    names = set()
    for step in range(num_steps):
        generators = [torch.Generator().manual_seed(100 * step + index) for index in range(16)]
        names.update(example.caption for example in drawer.draw(0, generators)[1])
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "clips": len(names)}


def measured_apart(data_dir, memory_mb, num_steps):
    command = [sys.executable, __file__, "--measure", str(data_dir), str(memory_mb), str(num_steps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(output, hours, held, memory_mb, num_steps):
    import matplotlib.pyplot as plt

    from audiolcm_diffusers.files import replacing

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        write_hour(Path(folder) / "hour")
        for number in hours:
            data_dir = Path(folder) / f"{number}-hours"
            write_data(data_dir, number)
            for limit in (memory_mb, 1e6) if number <= held else (memory_mb,):
                told = measured_apart(data_dir, limit, num_steps)
                results.setdefault(limit, []).append((number, told["peak_mb"]))
                name = "all held" if limit == 1e6 else f"clip_memory_mb={limit:g}"
                print(f"{number} h, {name}: {told['peak_mb']:.0f} MB, {told['clips']} clips drawn", flush=True)
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for limit, points in results.items():
        label = "all clips held" if limit == 1e6 else f"--clip_memory_mb {limit:g}"
        axes.loglog(*zip(*points), marker="o", label=label)
    axes.set(xlabel="hours of sound on disk", ylabel="most memory of the process, MB", ylim=(100, 30000))
    axes.legend()
    with replacing(output) as temporary:
        figure.savefig(temporary, dpi=100)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--output", default="memory.png", help="PNG file")
    parser.add_argument("--hours", type=int, nargs="+", default=[1, 10, 100, 1000], help="hours of sound on disk")
    parser.add_argument("--held", type=int, default=10, help="hours up to which all of them are held, too")
    parser.add_argument("--memory-mb", type=float, default=100.0, help="limit, as of --clip_memory_mb")
    parser.add_argument("--steps", type=int, default=100, help="batches of 16 that are drawn")
    arguments = parser.parse_args()
    main(arguments.output, arguments.hours, arguments.held, arguments.memory_mb, arguments.steps)

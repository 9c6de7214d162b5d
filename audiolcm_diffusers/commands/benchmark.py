# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm benchmark`: speed and memory. Each subject has options of its own."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from ..pipelines.loading import pick_device
from .generate import count, finite, seconds, seed


SIZES = ("published", "mini", "tiny")
VARIANTS = ("naive", "ours", "compiled")
MIXED_PRECISIONS = ("no", "bf16")
CLOCKS = ("wall", "processor")
BYTES_PER_GB = 1e9

# What a variant alone is told as well.
SHARED_OPTIONS = (
    "size",
    "batch_size",
    "duration",
    "num_solver_steps",
    "device",
    "mixed_precision",
    "attention_backend",
    "threads",
    "clock",
    "seed",
)

TRAINING_DESCRIPTION = """\
Measure one distillation step, with random weights and data: samples a second, peak memory, and the step's parts.
"naive" is the straightforward order of work: VAE and text encoders run in every step, the teacher runs with and
without caption one after the other, AdamW is torch's default, and the target's average is a loop over parameters.
"ours" computes the same step from cached latents and text, runs the teacher with both captions in one batch, and has a
fused AdamW and average. Their steps take turns, and their losses are compared. Peak memory is that of a process of its
own for each.
"""


def register(subparsers):
    r"""Add the sub-command's parser, and below it one for each subject."""
    parser = subparsers.add_parser(
        "benchmark", help="measure speed and memory", description="Measure speed and memory."
    )
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    training = subjects.add_parser("training", help="one distillation step", description=TRAINING_DESCRIPTION)
    training.add_argument(
        "--size",
        choices=SIZES,
        default="mini",
        help="the released model, the embedded one, or one for tests (default: %(default)s)",
    )
    training.add_argument("--batch-size", type=count, default=4, metavar="N", help="sounds in a batch (default: 4)")
    training.add_argument(
        "--duration", type=seconds, default=10.0, metavar="SECONDS", help="length of each (default: 10)"
    )
    training.add_argument(
        "--num-solver-steps", type=count, default=1, metavar="N", help="teacher steps in a skip (default: 1)"
    )
    training.add_argument("--warmup", type=count, default=2, metavar="N", help="steps before the timed (default: 2)")
    training.add_argument("--repeats", type=count, default=5, metavar="N", help="timed steps (default: 5)")
    training.add_argument(
        "--variant",
        choices=VARIANTS,
        help="measure speed and memory of one alone, in this process (default: compare them)",
    )
    training.add_argument(
        "--compile", action="store_true", help='measure a third variant, "compiled": ours under torch.compile'
    )
    training.add_argument("--device", help='"cpu", "cuda" or such as "cuda:1" (default: the fastest there is)')
    training.add_argument(
        "--mixed-precision",
        choices=MIXED_PRECISIONS,
        default="no",
        help="no: all in float32; bf16: transformers are in float32 and computed with under autocast, VAE and text "
        "encoders are in bfloat16 (default: %(default)s)",
    )
    training.add_argument(
        "--attention-backend", metavar="NAME", help="diffusers' attention backend, the same for all variants"
    )
    training.add_argument("--threads", type=count, metavar="N", help="threads of the CPU (default: torch's choice)")
    training.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="processor: time that the process had the processor, for a machine that does other work, too; on a CPU "
        "with --threads 1 (default: %(default)s)",
    )
    training.add_argument(
        "--mfu", action="store_true", help="share of the card's peak that is used; on CUDA, with --peak-tflops"
    )
    training.add_argument(
        "--peak-tflops", type=tflops, metavar="X", help="the card's peak at the precision of the step, for --mfu"
    )
    training.add_argument("--seed", type=seed, default=0, metavar="N", help="of weights, data and draws (default: 0)")
    training.add_argument("--json", action="store_true", help="print one JSON document")


def run(args):
    r"""
    Measure, and print the report. What can be refused without a model is refused before one is built.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    if args.variant is not None and args.compile:
        raise ValueError(f"--compile adds a variant to compare, but --variant {args.variant} measures one alone.")
    if args.mfu != (args.peak_tflops is not None):
        raise ValueError("Expected --mfu and --peak-tflops together: MFU is a share of the card's peak.")
    if args.mfu and args.variant == "compiled":
        raise ValueError(
            "Operations are counted in eager code: expected --mfu with --compile, not --variant compiled."
        )
    device = pick_device(args.device)
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"Expected --device to be a CPU or CUDA device, whose peak memory is known; got {device}.")
    if args.clock == "processor" and (device.type != "cpu" or args.threads != 1):
        # Threads that wait for each other use the processor, too: their sum says nothing about speed.
        raise ValueError(
            f"Expected --clock processor on a CPU with --threads 1, got device {device} and --threads {args.threads}."
        )
    if args.clock == "processor" and args.compile:
        raise ValueError("Compilers are processes of their own, whose time --clock processor does not see.")
    if args.mfu and device.type != "cuda":
        raise ValueError(f"MFU is measured on CUDA alone, got --mfu on {device}.")

    from . import benchmark_training

    benchmark_training.check_length(args.size, args.duration)
    benchmark_training.check_attention_backend(args.attention_backend)
    if args.variant is not None:
        report = benchmark_training.measure(args, device, (args.variant,))
    else:
        variants = VARIANTS if args.compile else VARIANTS[:2]
        # First, while this process holds no memory of a device that is to be shared.
        alone = {variant: run_alone(args, variant) for variant in variants}
        report = benchmark_training.measure(args, device, variants)
        benchmark_training.compare(report, alone)
    print(json.dumps(report) if args.json else "\n".join(report_lines(report)))


def run_alone(args, variant):
    r"""
    What one variant reports of two steps in a process of its own, whose peak memory is thus its own.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
        variant (`str`): One of `VARIANTS`.

    Returns:
        `dict`: The process's report.

    Raises:
        ChildProcessError: With the process's last line, if it fails.
    """
    words = ["--variant", variant, "--warmup", "1", "--repeats", "1", "--json"]
    for option in SHARED_OPTIONS:
        value = getattr(args, option)
        if value is not None:
            words += [f"--{option.replace('_', '-')}", str(value)]
    with tempfile.TemporaryDirectory() as cache:
        # Compiled code that an earlier run left behind would hide how long compiling takes.
        done = subprocess.run(
            [sys.executable, "-m", "audiolcm_diffusers", "benchmark", "training", *words],
            env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache},
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise ChildProcessError(
            f"The variant {variant!r} alone ended with status {done.returncode}: {''.join(last) or 'no message'}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def report_lines(report):
    r"""
    The report for people: what was measured, a table with a column a variant, and the comparison.

    Args:
        report (`dict`): As printed with `--json`.

    Returns:
        `list[str]`: Lines; the table is Markdown.
    """
    parameters = ", ".join(f"{name} {number / 1e6:.1f} M" for name, number in report["parameters"].items())
    threads = f"{report['threads']} thread{'s' if report['threads'] != 1 else ''}"
    lines = [
        f"one distillation step, size {report['size']} (parameters: {parameters})",
        f"{report['batch_size']} sounds of {report['duration_s']:g} s ({report['latent_frames']} latent frames), "
        f"num_solver_steps {report['num_solver_steps']}, mixed precision {report['mixed_precision']}, "
        f"attention {report['attention_backend'] or 'default'}, seed {report['seed']}",
        f"{report['device']}: {report['device_name']}, {threads}; "
        + ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        f"median of {report['repeats']} steps after {report['warmup']}, {report['clock']} time; filling the cache "
        f"with this batch took {report['encoding_ms']:.0f} ms",
        "",
    ]
    variants = report["variants"]
    rows = {
        "samples/s": [f"{variant['samples_per_s']:.3f}" for variant in variants.values()],
        "peak memory, GB": [f"{variant['peak_memory_bytes'] / BYTES_PER_GB:.2f}" for variant in variants.values()],
        "one step, ms": [f"{variant['step_ms']:.1f}" for variant in variants.values()],
    }
    for part in next(iter(variants.values()))["parts_ms"]:
        rows[f"… {part}"] = [f"{variant['parts_ms'][part]:.1f}" for variant in variants.values()]
    if report["peak_tflops"] is not None:
        rows["MFU"] = [f"{variant['mfu']:.1%}" for variant in variants.values()]
    lines += [f"| | {' | '.join(variants)} |", "|---|" + "---|" * len(variants)]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    if "speedup" in report:
        lines += [
            "",
            f"ours is {report['speedup']:.2f} times as fast as naive, with {report['memory_ratio']:.2f} times the "
            f"memory; their losses differ by {report['loss_difference']:.1e} at most (relative)",
        ]
    if "compile_speedup" in report:
        lines.append(
            f"compiled is {report['compile_speedup']:.2f} times as fast as ours, after {report['compile_s']:.1f} s of "
            "compiling"
        )
    return lines


def tflops(text):
    r"""A positive number, for argparse."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value

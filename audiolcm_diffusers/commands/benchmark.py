# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm benchmark`: speed and memory. Each subject has options of its own."""

import sys
from dataclasses import fields
from pathlib import Path

from ..benchmark.generation_options import DTYPES, PEERS, QUICK, GenerationOptions
from ..benchmark.options import CLOCKS, MIXED_PRECISIONS, SIZES, VARIANTS, TrainingOptions, check_options
from ..evaluation.files import check_can_draw
from ..pipelines.loading import MINI, find_model, load_pipeline, pick_device
from .convert import check_output
from .options import MODEL_HELP, add_hub_options, errors_with_flags
from .values import count, positive, seconds, seed, several


TRAINING_DESCRIPTION = """\
Measure one distillation step, with random weights and data: samples a second, peak memory, and the step's parts.
"naive" is the straightforward order of work: VAE and text encoders run in every step, the teacher runs with and
without caption one after the other, AdamW is torch's default, and the target's average is a loop over parameters.
"ours" computes the same step from cached latents and text, runs the teacher with both captions in one batch, and has a
fused AdamW and average. Their steps take turns, and their losses are compared. Peak memory is that of a process of its
own for each.
"""


GENERATION_DESCRIPTION = """\
Measure how fast a model makes sound: loading, each stage with its operations and its share of the machine's limit, and
whole calls over lengths, batches and precisions. Without --model its weights are random, so that nothing is
downloaded. Numbers in lists are separated by commas: --batch-sizes 1,8,32.
"""


def register(subparsers):
    r"""Add the sub-command's parser, and below it one for each subject."""
    parser = subparsers.add_parser(
        "benchmark", help="measure speed and memory", description="Measure speed and memory."
    )
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    register_generation(subjects)
    training = subjects.add_parser("training", help="one distillation step", description=TRAINING_DESCRIPTION)
    training.add_argument(
        "--size",
        choices=SIZES,
        default="mini",
        help="the released model, the embedded one, or one for tests (default: %(default)s)",
    )
    training.add_argument(
        "--teacher-dir",
        metavar="FOLDER|HUB_ID",
        help="a teacher of any family in place of a size: AudioLCM, AudioLDM 2, Stable Audio, ACE-Step, LongCat; "
        "without the naive order of work",
    )
    training.add_argument("--batch-size", type=count, default=4, metavar="N", help="sounds in a batch (default: 4)")
    training.add_argument(
        "--duration",
        dest="duration_s",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="length of each (default: 10)",
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
        "--peak-tflops", type=positive, metavar="X", help="the card's peak at the precision of the step, for --mfu"
    )
    training.add_argument("--seed", type=seed, default=0, metavar="N", help="of weights, data and draws (default: 0)")
    training.add_argument("--json", action="store_true", help="print one JSON document")


def register_generation(subjects):
    r"""Add the parser of `benchmark generation`."""
    generation = subjects.add_parser("generation", help="sounds of a model", description=GENERATION_DESCRIPTION)
    generation.add_argument("--model", metavar="MODEL", help=f"{MODEL_HELP.split(' (')[0]}, in place of a size")
    add_hub_options(generation)
    generation.add_argument(
        "--size",
        choices=SIZES,
        help="random weights: the released model (the default), the embedded one, or one for tests",
    )
    generation.add_argument("--durations", type=several(seconds), metavar="SECONDS", help="of sounds (default: 10)")
    generation.add_argument("--batch-sizes", type=several(count), metavar="N", help="sounds in a call (default: 1)")
    generation.add_argument(
        "--dtypes", type=several(str), metavar="NAMES", help=f"of {', '.join(DTYPES)} (default: float32)"
    )
    generation.add_argument(
        "--variants",
        type=several(str),
        metavar="NAMES",
        help="plain: activations filter by filter; ours: what a pipeline does by itself; optimized: after "
        "pipe.optimize(); compiled, cuda-graphs: with these options of it (default: plain,ours)",
    )
    generation.add_argument("--num-inference-steps", type=count, metavar="N", help="steps (default: the model's)")
    generation.add_argument("--repeats", type=count, metavar="N", help="times that each is timed (default: 3)")
    generation.add_argument(
        "--compare",
        type=several(str),
        metavar="NAMES",
        help=f"diffusers' own pipelines beside it, at their full sizes: {', '.join(PEERS)}",
    )
    generation.add_argument(
        "--memory", action="store_true", help="peak memory, of a process of its own for each; on CUDA always"
    )
    generation.add_argument("--quick", action="store_true", help="2 s of sound, each timed once: within a minute")
    generation.add_argument(
        "--edits",
        action="store_true",
        help="measure in place of that how fast --model changes, lengthens, streams and loops sounds",
    )
    generation.add_argument(
        "--long", dest="long_s", type=seconds, metavar="SECONDS", help="a long sound, with --edits (default: 600)"
    )
    generation.add_argument("--device", help='"cpu", "cuda" or such as "cuda:1" (default: the fastest there is)')
    generation.add_argument("--threads", type=count, metavar="N", help="threads of the CPU (default: torch's choice)")
    generation.add_argument("--json", action="store_true", help="print one JSON document")
    generation.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write report.json, report.md and scaling.png there, too"
    )


# Options that `--edits` leaves without a use, and what they are called in the library.
SPEED_OPTIONS = (
    *("size", "durations", "batch_sizes", "variants", "num_inference_steps", "compare"),
    *("memory", "quick", "output"),
)


def generation_options(args):
    r"""What the options of [`register_generation`] ask for, as [`GenerationOptions`]."""
    if args.model is not None and args.size is not None:
        raise ValueError(f"--size {args.size} has random weights: leave out --model, got {args.model!r}.")
    if args.long_s is not None:
        raise ValueError("--long goes with --edits.")
    names = [field.name for field in fields(GenerationOptions)]
    given = {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}
    quick = QUICK if args.quick else {}
    for name in quick:
        if name in given:
            raise ValueError(f"--quick says {flag(name)} itself: leave it out.")
    given |= {"weights_variant": args.variant, "revision": args.revision}
    return GenerationOptions(**{**given, **quick, "device": str(pick_device(args.device))})


def run_generation(args):
    r"""Measure a model, and print the report."""
    if args.edits:
        run_edits(args)
        return
    with errors_with_flags(args, audio_length_in_s="durations"):
        options = generation_options(args)
        if args.output is not None:
            check_output(args.output)
            check_can_draw()

        from ..benchmark.generation import benchmark_generation
        from ..benchmark.speed_files import write_speed

        report = benchmark_generation(options, lambda text: print(text, file=sys.stderr))
    if args.output is not None:
        write_speed(report, args.output)
    print(report.to_json() if args.json else report)


def run_edits(args):
    r"""Measure how fast a model changes and lengthens sounds, and print the report."""
    given = [flag(name) for name in SPEED_OPTIONS if getattr(args, name)]
    if given:
        raise ValueError(f"--edits measures other things: leave out {', '.join(given)}.")
    dtype, *others = args.dtypes or ["float32"]
    if others or dtype not in DTYPES:
        raise ValueError(f"--edits takes one of --dtypes, of {', '.join(DTYPES)}; got {', '.join(args.dtypes)}.")
    import torch

    from ..benchmark.edits import benchmark_edits

    model, device = find_model(args.model or MINI, args.variant, args.revision), pick_device(args.device)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    pipe = load_pipeline(
        model, device, getattr(torch, dtype), quiet=True, variant=args.variant, revision=args.revision
    )
    pipe.set_progress_bar_config(disable=True)
    with errors_with_flags(args, audio_length_in_s="long"):
        report = benchmark_edits(pipe, long_s=args.long_s or 600.0, repeats=args.repeats or 5)
    print(report.to_json() if args.json else report)


def run(args):
    r"""
    Measure, and print the report. What can be refused without a model is refused before one is built.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    if args.subject == "generation":
        run_generation(args)
        return
    if args.variant is not None and args.compile:
        raise ValueError(f"--compile adds a variant to compare, but --variant {args.variant} measures one alone.")
    if args.mfu != (args.peak_tflops is not None):
        raise ValueError("Expected --mfu and --peak-tflops together: MFU is a share of the card's peak.")
    if args.mfu and args.variant == "compiled":
        raise ValueError(
            "Operations are counted in eager code: expected --mfu with --compile, not --variant compiled."
        )
    options = training_options(args)
    check_options(options, flag)

    from ..benchmark.training import benchmark_training

    report = benchmark_training(**vars(options))
    print(report.to_json() if args.json else report)


def training_options(args):
    r"""What the options of [`register`] ask for, as [`TrainingOptions`]."""
    variants = VARIANTS if args.compile else TrainingOptions.variants
    if args.variant is not None:
        variants = (args.variant,)
    given = {field.name: getattr(args, field.name) for field in fields(TrainingOptions) if field.name != "variants"}
    return TrainingOptions(**{**given, "variants": variants, "device": str(pick_device(args.device))})


def flag(name):
    r"""The flag that sets an option of [`TrainingOptions`]."""
    return "--mfu" if name == "peak_tflops" else f"--{name.removesuffix('_s').replace('_', '-')}"

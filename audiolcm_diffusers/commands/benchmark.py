# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm benchmark`: speed and memory. Each subject has options of its own."""

from dataclasses import fields

from ..benchmark.options import CLOCKS, MIXED_PRECISIONS, SIZES, VARIANTS, TrainingOptions, check_options
from ..pipelines.loading import find_model, load_pipeline, pick_device, pick_dtype
from .options import add_model_options, errors_with_flags
from .values import count, positive, seconds, seed


TRAINING_DESCRIPTION = """\
Measure one distillation step, with random weights and data: samples a second, peak memory, and the step's parts.
"naive" is the straightforward order of work: VAE and text encoders run in every step, the teacher runs with and
without caption one after the other, AdamW is torch's default, and the target's average is a loop over parameters.
"ours" computes the same step from cached latents and text, runs the teacher with both captions in one batch, and has a
fused AdamW and average. Their steps take turns, and their losses are compared. Peak memory is that of a process of its
own for each.
"""


GENERATION_DESCRIPTION = """\
Measure how fast a model makes, changes, lengthens and streams sound, and in how much memory.
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
    add_model_options(generation)
    generation.add_argument(
        "--long", dest="long_s", type=seconds, default=600.0, metavar="SECONDS", help="a long sound (default: 600)"
    )
    generation.add_argument("--repeats", type=count, default=5, metavar="N", help="times of short ones (default: 5)")
    generation.add_argument("--threads", type=count, metavar="N", help="threads of the CPU (default: torch's choice)")
    generation.add_argument("--json", action="store_true", help="print one JSON document")


def run_generation(args):
    r"""Measure a model, and print the report."""
    import torch

    from ..benchmark.generation import benchmark_generation

    model, device = find_model(args.model, args.variant, args.revision), pick_device(args.device)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    dtype = pick_dtype(args.dtype, device)
    pipe = load_pipeline(model, device, dtype, quiet=True, variant=args.variant, revision=args.revision)
    pipe.set_progress_bar_config(disable=True)
    with errors_with_flags(args, audio_length_in_s="long"):
        report = benchmark_generation(pipe, long_s=args.long_s, repeats=args.repeats)
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

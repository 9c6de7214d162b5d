# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm inspect`: what a table of metrics does not show of a model."""

import json
from pathlib import Path

from ..evaluation.files import INSPECTION_FILES, check_output
from ..evaluation.options import InspectionOptions
from ..evaluation.protocol import HEADS
from ..pipelines.loading import find_model, load_pipelines, no_loading_bars, pick_device, pick_dtype
from .options import add_model_options, add_outside_paths_option, add_tagger_options, errors_with_flags, flags
from .values import count, finite, seconds, seed


DEFAULTS = InspectionOptions()
# Arguments of `inspect` that are called otherwise here.
RENAMED = {"num_inference_steps": "steps", "clips": "dataset", "training": "train", "folder": "output"}

DESCRIPTION = """\
Look closer at a model than a table of metrics does: how far takes of one prompt differ, how near sounds come to
training clips, sounds of several lengths with their levels and ends, and prompts in other words. Take k of a prompt is
what `audiolcm generate PROMPT --seed N+k` makes.
"""


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser(
        "inspect", help="look at diversity, copies, lengths and wordings", description=DESCRIPTION
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="FOLDER",
        help="captioned clips that no model was trained on, with a metadata.csv or .jsonl; or a .tsv. Captions are "
        "the prompts",
    )
    add_outside_paths_option(parser)
    parser.add_argument(
        "--classifier",
        required=True,
        metavar="NETWORK",
        help="folder or Hub id of an ASTForAudioClassification, or folder of a judge",
    )
    parser.add_argument(
        "--head",
        choices=HEADS,
        help="whether its classes exclude each other, softmax, or not (default: what its configuration says)",
    )
    add_tagger_options(parser)
    add_model_options(parser)
    parser.add_argument("--steps", type=count, default=2, metavar="N", help="denoising steps (default: 2)")
    parser.add_argument("--guidance-scale", type=finite, metavar="SCALE", help="default: the model's")
    parser.add_argument("--teacher", metavar="MODEL", help="a second model, whose diversity and neighbours are shown")
    parser.add_argument(
        "--teacher-steps", type=count, metavar="N", help=f"its denoising steps (default: {DEFAULTS.teacher_steps})"
    )
    parser.add_argument("--takes", type=count, default=4, metavar="N", help="sounds of a prompt (default: 4)")
    parser.add_argument(
        "--max-prompts",
        type=count,
        default=20,
        metavar="N",
        help="captions to take as prompts, those with the most clips (default: at most 20)",
    )
    parser.add_argument(
        "--train", type=Path, metavar="FOLDER", help="clips that the model was trained on, to look for copies of them"
    )
    parser.add_argument(
        "--durations",
        type=seconds,
        nargs="+",
        default=[1.0, 3.0, 5.0, 10.0],
        metavar="SECONDS",
        help="lengths to look at (default: 1 3 5 10)",
    )
    parser.add_argument(
        "--paraphrases",
        type=Path,
        metavar="FILE.json",
        help="an object of captions that the classifier or the tagger's class map knows, and lists of other wordings "
        "of each",
    )
    parser.add_argument(
        "--num-resamples", type=count, default=200, metavar="N", help="bootstrap resamples (default: 200)"
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of first takes, and of resamples (default: 0)"
    )
    parser.add_argument("--batch-size", type=count, default=8, metavar="N", help="sounds at a time (default: 8)")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FOLDER", help="where results go; it must not hold any yet"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args):
    r"""
    Look, write and print. Whatever can be refused is refused before a sound is made.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    with errors_with_flags(args, **RENAMED):
        look_and_report(args)


def look_and_report(args):
    r"""Check, read, load, look, write and print."""
    options = check_options(args)
    device = pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)
    of_model = {"variant": args.variant, "revision": args.revision}
    models = {"model": find_model(args.model, **of_model)}
    if args.teacher is not None:
        models["teacher"] = find_model(args.teacher)

    from ..evaluation.inspection import as_training_clips, inspect
    from ..evaluation.networks import load_classifier
    from ..evaluation.references import read_references
    from ..evaluation.tagger import load_tagger
    from ..evaluation.takes import pick_prompts
    from ..evaluation.wordings import check_captions_of, read_paraphrases

    paraphrases = {} if args.paraphrases is None else read_paraphrases(args.paraphrases)
    references = read_references(Path(args.dataset), args.outside_paths)
    # What can be refused without networks and pipelines does not wait for these.
    pick_prompts(references.captions, options.max_prompts)
    training = None if args.train is None else as_training_clips(args.train, references, args.outside_paths)
    with no_loading_bars(downloads=args.json):
        classifier = load_classifier(args.classifier, device, args.head)
    tagger = None if args.tagger is None else load_tagger(args.tagger, args.class_map, args.tagger_config)
    check_captions_of(paraphrases, tagger or classifier)
    pipes = load_pipelines(models, device, dtype, quiet=args.json, **of_model)
    results = inspect(
        pipes["model"],
        references,
        classifier,
        tagger=tagger,
        teacher=pipes.get("teacher"),
        training=training,
        paraphrases=paraphrases,
        options=options,
        model_name=args.model,
        teacher_name=args.teacher,
        progress=None if args.json else lambda what: print(f"{what}: done", flush=True),
    )
    results.save(args.output)
    print(json.dumps(results.data) if args.json else f"\n{results}")


def check_options(args):
    r"""
    Refuse what needs no file to be refused.

    Args:
        args (`argparse.Namespace`): The options.

    Returns:
        [`~audiolcm_diffusers.evaluation.options.InspectionOptions`].

    Raises:
        ValueError: If a value makes no sense, an option belongs to one that is not given, or the output folder holds
            results.
    """
    if args.teacher_steps is not None and args.teacher is None:
        raise ValueError("--teacher-steps belongs to --teacher, which is not given.")
    for name in ("tagger_config", "class_map"):
        if getattr(args, name) is not None and args.tagger is None:
            raise ValueError(f"{flags([name])} belongs to --tagger, which is not given.")
    names = {field: RENAMED.get(field, field) for field in InspectionOptions.__dataclass_fields__}
    values = {field: getattr(args, name) for field, name in names.items()}
    options = InspectionOptions(**{field: value for field, value in values.items() if value is not None})
    check_output(args.output, INSPECTION_FILES)
    return options

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm evaluate`: metrics of generated sound, with their protocol and controls."""

import json
from pathlib import Path

from ..evaluation.files import EVALUATION_FILES, check_can_draw, check_output
from ..evaluation.options import EvaluationOptions
from ..evaluation.protocol import HEADS, METRICS, NETWORKS
from ..pipelines.loading import MINI, find_model, load_pipelines, no_loading_bars, pick_device, pick_dtype
from ..writable import check_can_create
from .options import (
    MODEL_HELP,
    add_device_options,
    add_hub_options,
    add_outside_paths_option,
    add_tagger_options,
    errors_with_flags,
    flags,
)
from .values import count, finite, seconds, seed


DATASET_DEFAULTS = {"split": "test", "audio_column": "audio", "caption_column": "caption"}
# What an option is of no use without.
BELONGS_TO = {
    "dataset_config": "dataset_name",
    "split": "dataset_name",
    "streaming": "dataset_name",
    "audio_column": "dataset_name",
    "caption_column": "dataset_name",
    "teacher_steps": "teacher",
    "head": "classifier",
    "tagger_config": "tagger",
    "class_map": "tagger",
    "teacher_card": "teacher",
    "other_software": "compare",
}
WITH_COMPARE = ("compare", "other_software", "json", "command", "traceback")
# What sounds of prompts without recordings have no use for.
NOT_WITH_PROMPTS = (
    *("classifier", "clap", "head", "generated", "model_card", "teacher_card"),
    *("fad_network", "allow_singular", "num_splits"),
)
# Options of the metrics, some of which must be computed.
OF_METRICS = {
    "allow_singular": ("fad",),
    "fad_network": ("fad", "kad", "diversity"),
    "num_splits": ("is",),
    "takes": ("diversity",),
}
# Arguments of `evaluate` that are called otherwise here.
RENAMED = {"num_inference_steps": "steps", "audio_length_in_s": "duration", "folder": "output", "clips": "dataset"}

DESCRIPTION = """\
Judge generated sound: Fréchet distance (FAD), kernel distance (KAD), KL divergence of class posteriors, inception
score, CLAP score of captions, what an outside ear hears, tempo and diversity, with bootstrap intervals and beside
controls. The captions of a dataset are the prompts, and its clips the references; or --prompts names others, which
are judged by ear and tempo alone. What is written carries its protocol, and --compare sets two results of one protocol
side by side.
"""


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser(
        "evaluate", help="judge generated sound by FAD, KL, inception and CLAP score", description=DESCRIPTION
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dataset", metavar="FOLDER", help="captioned clips, with a metadata.csv or .jsonl; or a .tsv")
    what.add_argument("--dataset-name", metavar="HUB_ID", help="captioned clips of the Hub, as `datasets` reads them")
    what.add_argument(
        "--compare", nargs=2, metavar="RESULTS", help="two output folders: print their metrics side by side, no more"
    )
    parser.add_argument("--dataset-config", metavar="NAME", help="configuration of the dataset of the Hub")
    parser.add_argument("--split", help="split of the dataset of the Hub (default: test)")
    parser.add_argument("--streaming", action="store_true", help="read it as it arrives, without converting it first")
    parser.add_argument("--audio-column", metavar="NAME", help="its column of sound (default: audio)")
    parser.add_argument("--caption-column", metavar="NAME", help="its column of captions (default: caption)")
    add_outside_paths_option(parser)
    parser.add_argument("--num-clips", type=count, metavar="N", help="clips to draw from the dataset (default: all)")

    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="a .csv or .json of other prompts, with columns prompt, sound_class and tempo_bpm: judged by --tagger "
        "and tempo alone, --takes sounds of each; of --dataset comes the rate of real clips",
    )

    judged = parser.add_mutually_exclusive_group()
    judged.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
    judged.add_argument(
        "--generated",
        metavar="FOLDER",
        help="sounds that were made before, with a metadata.csv like the dataset's: as many of each caption as are "
        "judged",
    )
    add_hub_options(parser)
    add_device_options(parser)
    parser.add_argument("--steps", type=count, nargs="+", metavar="N", help="denoising steps (default: 1 2 4)")
    parser.add_argument(
        "--guidance-scales", type=finite, nargs="+", metavar="SCALE", help="one or more (default: the model's)"
    )
    parser.add_argument("--teacher", metavar="MODEL", help="a second model to judge, by more steps")
    parser.add_argument("--teacher-steps", type=count, nargs="+", metavar="N", help="its steps (default: 100)")

    parser.add_argument(
        "--classifier",
        metavar="NETWORK",
        help="folder or Hub id of an ASTForAudioClassification, or folder of a judge, for fad, kad, kl, is, acc "
        "and diversity",
    )
    parser.add_argument(
        "--head",
        choices=HEADS,
        help="whether its classes exclude each other, softmax, or not (default: what its configuration says)",
    )
    parser.add_argument("--clap", metavar="NETWORK", help="folder or Hub id of a ClapModel, for clap")
    add_tagger_options(parser)
    parser.add_argument(
        "--metrics", nargs="+", choices=METRICS, help="which (default: all that the named networks allow)"
    )
    parser.add_argument(
        "--fad-network",
        choices=NETWORKS,
        help="whose features FAD, KAD and diversity are of (default: the classifier's, if there is one)",
    )
    parser.add_argument(
        "--allow-singular",
        action="store_true",
        help="compute FAD of fewer clips than its covariances need, too; the report says so",
    )
    parser.add_argument(
        "--takes",
        type=count,
        metavar="N",
        help="sounds of each caption at least, for diversity alone (default: 1, as many as it has clips); or of each "
        "of --prompts",
    )
    parser.add_argument("--num-splits", type=count, metavar="N", help="splits of the inception score (default: 1)")
    parser.add_argument("--num-resamples", type=count, metavar="N", help="bootstrap resamples (default: 200)")
    parser.add_argument(
        "--duration",
        type=seconds,
        metavar="SECONDS",
        help="length of sounds, to which references are cut or filled with silence (default: the model's)",
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="of clips, sounds and resamples (default: 0)")
    parser.add_argument("--batch-size", type=count, metavar="N", help="sounds at a time (default: 8)")

    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where results go; it must not hold any yet")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where the networks' features go (default: FOLDER/features)"
    )
    parser.add_argument(
        "--model-card",
        metavar="FILE",
        help="card of --model: its metrics are written to the metadata, as `model-index`; those there are replaced",
    )
    parser.add_argument("--teacher-card", metavar="FILE", help="the same for --teacher")
    parser.add_argument("--save-audio", action="store_true", help="keep the sounds, in FOLDER/audio")
    parser.add_argument(
        "--other-software", action="store_true", help="with --compare: whatever versions of software were used"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args):
    r"""
    Judge, write and print. Whatever can be refused is refused before a sound is made.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    given = {name for name, value in vars(args).items() if value is not None and value is not False}
    with errors_with_flags(args, **RENAMED):
        check_options(args, given)
        if args.compare is not None:
            return print_comparison(args)
        if args.prompts is not None:
            return judge_prompts_and_report(args, given)
        judge_and_report(args, given)


def judge_and_report(args, given):
    r"""
    Read, load, judge, write and print.

    Args:
        args (`argparse.Namespace`): The options.
        given (`set[str]`): Those that were given.
    """
    options = options_of(args, given)
    device = pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)
    models = {} if args.generated else {"model": find_model(args.model or MINI, args.variant, args.revision)}
    if args.teacher is not None:
        models["teacher"] = find_model(args.teacher)

    from ..evaluation.evaluation import evaluate, make_judge
    from ..evaluation.model_card import read_card, write_model_index
    from ..evaluation.references import match_generated, read_references

    for path in cards_of(args).values():
        read_card(path)
    references = read_references(open_dataset(args), args.outside_paths).draw(args.num_clips, options.seed)
    made_before = None
    if args.generated is not None:
        made_before = match_generated(args.generated, references.captions, args.outside_paths)
    classifier, clap, tagger = load_networks(args, given, device)
    # The pipelines need not be loaded to see that clips are too few.
    make_judge(classifier, clap, references, options, tagger=tagger).check(len(references.clips))
    pipes = load_pipelines(models, device, dtype, quiet=args.json, variant=args.variant, revision=args.revision)
    results = evaluate(
        pipes.get("model"),
        references,
        classifier,
        clap,
        tagger=tagger,
        generated=made_before,
        **how_to_judge(args, options, pipes),
    )
    results.save(args.output)
    for role, path in cards_of(args).items():
        write_model_index(path, results.data, role)
    print_results(args, results)


def judge_prompts_and_report(args, given):
    r"""
    Read, load, judge, write and print, of prompts that no recording belongs to.

    Args:
        args (`argparse.Namespace`): The options.
        given (`set[str]`): Those that were given.
    """
    options = options_of(args, given)
    device = pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)
    models = {"model": find_model(args.model or MINI, args.variant, args.revision)}
    if args.teacher is not None:
        models["teacher"] = find_model(args.teacher)

    from ..evaluation.prompts import asked_of_prompts, evaluate_prompts, read_prompts
    from ..evaluation.references import read_references
    from ..evaluation.tagger import load_tagger

    prompts = read_prompts(args.prompts)
    tagger = None if args.tagger is None else load_tagger(args.tagger, args.class_map, args.tagger_config)
    asked_of_prompts(prompts, tagger)
    has_clips = bool(given & {"dataset", "dataset_name"})
    references = None
    if has_clips:
        references = read_references(open_dataset(args), args.outside_paths).draw(args.num_clips, options.seed)
    pipes = load_pipelines(models, device, dtype, quiet=args.json, variant=args.variant, revision=args.revision)
    results = evaluate_prompts(
        pipes["model"],
        prompts,
        tagger,
        clips=references,
        **how_to_judge(args, options, pipes),
    )
    results.save(args.output)
    print_results(args, results)


def how_to_judge(args, options, pipes):
    r"""`dict`: What `evaluate` and `evaluate_prompts` are both told."""
    return {
        "teacher": pipes.get("teacher"),
        "options": options,
        "cache_dir": args.cache or args.output / "features",
        "keep_sounds": args.save_audio,
        "model_name": args.model or MINI,
        "teacher_name": args.teacher,
        "progress": None if args.json else lambda name: print(f"{name}: done", flush=True),
    }


def print_results(args, results):
    r"""Print a table, or one JSON document."""
    print(json.dumps(results.data) if args.json else f"\n{results}")


def check_options(args, given):
    r"""
    Refuse what needs no file to be refused, then fill in defaults of the dataset.

    Args:
        args (`argparse.Namespace`): The options.
        given (`set[str]`): Those that were given.

    Raises:
        ValueError: If options are missing or do not go together, or the output folder holds results.
        ImportError: If pictures cannot be drawn.
    """
    if args.compare is not None and given - set(WITH_COMPARE):
        raise ValueError(f"--compare reads results and takes no {flags(given - set(WITH_COMPARE))}.")
    for name, owner in BELONGS_TO.items():
        if name in given and owner not in given:
            raise ValueError(f"{flags([name])} belongs to {flags([owner])}, which is not given.")
    if args.compare is not None:
        return
    for name, value in DATASET_DEFAULTS.items():
        if name not in given:
            setattr(args, name, value)
    if args.prompts is None and not given & {"dataset", "dataset_name"}:
        raise ValueError("Expected captioned clips to judge by: --dataset FOLDER or --dataset-name HUB_ID.")
    if args.output is None:
        raise ValueError("Expected --output, a folder for the results.")
    if args.prompts is not None:
        useless = given & set(NOT_WITH_PROMPTS)
        if useless:
            raise ValueError(f"--prompts are judged by --tagger and tempo alone, and take no {flags(useless)}.")
        if "num_clips" in given and not given & {"dataset", "dataset_name"}:
            raise ValueError("--num-clips belongs to --dataset, which is not given.")
    elif not given & {"classifier", "clap", "tagger"}:
        raise ValueError(
            "Expected a network to judge by: --classifier for fad, kad, kl and is, --clap for clap (and fad and kad), "
            "--tagger for named, or several."
        )
    cards = cards_of(args).values()
    if len({Path(path).resolve() for path in cards}) < len(cards):
        raise ValueError(f"Expected two cards, got {args.model_card!r} for both model and teacher.")
    if args.generated is not None:
        useless = given & (
            {"steps", "save_audio", "model_card", "variant", "revision"}
            | (set() if args.teacher else {"guidance_scales", "dtype", "takes"})
        )
        if useless:
            raise ValueError(f"The sounds of --generated are there already: they take no {flags(useless)}.")
        if args.duration is None:
            raise ValueError("Expected --duration with --generated: there is no model whose default it could be.")
    options_of(args, given)

    check_output(args.output, EVALUATION_FILES)
    if args.cache is not None:
        try:
            check_can_create(args.cache)
        except ValueError as error:
            raise ValueError(f"--cache cannot be written: {error}") from error
    if args.generated is None or args.teacher is not None:
        check_can_draw()


def options_of(args, given):
    r"""The [`~audiolcm_diffusers.evaluation.options.EvaluationOptions`] that were given."""
    names = {field: RENAMED.get(field, field) for field in EvaluationOptions.__dataclass_fields__}
    return EvaluationOptions(**{field: getattr(args, name) for field, name in names.items() if name in given})


def cards_of(args):
    r"""`dict[str, str]`: The model cards that are to be changed, by the role of their model."""
    cards = {"model": args.model_card, "teacher": args.teacher_card}
    return {role: path for role, path in cards.items() if path is not None}


def open_dataset(args):
    r"""What [`~audiolcm_diffusers.evaluation.references.read_references`] reads: a path or a dataset of the Hub."""
    if args.dataset is not None:
        return Path(args.dataset)
    from ..data.hub_dataset import HubDataset

    return HubDataset(
        args.dataset_name,
        config_name=args.dataset_config,
        split=args.split,
        streaming=args.streaming,
        audio_column=args.audio_column,
        caption_column=args.caption_column,
        outside_paths=args.outside_paths,
    )


def load_networks(args, given, device):
    r"""
    The networks that sounds are judged by.

    Args:
        args (`argparse.Namespace`): The options.
        given (`set[str]`): Those that were given.
        device (`torch.device`): Where networks run.

    Returns:
        `tuple`: Classifier, CLAP model and tagger, `None` for one that is not asked for.

    Raises:
        ValueError: If a metric that is asked for lacks its network, an option its metric, or a network is no such.
    """
    from ..evaluation.metric_choice import pick_metrics
    from ..evaluation.networks import load_clap, load_classifier
    from ..evaluation.tagger import load_tagger

    named = [kind for kind in (*NETWORKS, "tagger") if kind in given]
    fad_network = args.fad_network or next((kind for kind in NETWORKS if kind in named), None)
    # What is asked for in vain is known without the networks.
    metrics, _ = pick_metrics(named, args.metrics, fad_network, True, True, True, True)
    for name, owners in OF_METRICS.items():
        if name in given and not set(owners) & set(metrics):
            plural = "s" if len(owners) > 1 else ""
            raise ValueError(
                f"{flags([name])} belongs to the metric{plural} {', '.join(owners)}, which "
                f"{'are' if plural else 'is'} not computed."
            )
    with no_loading_bars(downloads=args.json):
        classifier = None if args.classifier is None else load_classifier(args.classifier, device, args.head)
        clap = None if args.clap is None else load_clap(args.clap, device)
    tagger = None if args.tagger is None else load_tagger(args.tagger, args.class_map, args.tagger_config)
    return classifier, clap, tagger


def print_comparison(args):
    r"""Print two results side by side. They are refused if their protocols differ."""
    from ..evaluation.results import EvaluationResults

    one, other = (EvaluationResults.load(path) for path in args.compare)
    compared = one.compare(other, args.other_software, names=args.compare)
    print(json.dumps(compared.rows) if args.json else compared)

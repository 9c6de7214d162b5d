# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm evaluate`: metrics of generated sound, with their protocol and controls."""

import csv
import importlib.util
import json
import math
import os
import time
from collections import Counter
from pathlib import Path

from ..metrics.protocol import FORMAT, HEADS, METRICS, RESULTS, SAMPLING_RATE
from .generate import count, finite, seconds, seed, slug
from .loading import (
    MINI,
    MODEL_HELP,
    add_device_options,
    find_model,
    load_pipeline,
    no_loading_bars,
    pick_device,
    pick_dtype,
)


TABLE, PLOT, AUDIO = "table.md", "steps.png", "audio"
MIN_DURATION_S = 0.1  # what a classifier's first analysis windows need
SILENT_LEVEL = 10 ** (-60 / 20)  # root mean square, of full scale

# Filled in once it is known which options were given: none is ignored without a word.
DEFAULTS = {
    "split": "test",
    "audio_column": "audio",
    "caption_column": "caption",
    "steps": [1, 2, 4],
    "guidance_scales": [5.0],
    "teacher_steps": [100],
    "num_splits": 1,
    "num_resamples": 200,
    "seed": 0,
    "batch_size": 8,
}
# What an option is of no use without.
BELONGS_TO = {
    "dataset_config": "dataset_name",
    "split": "dataset_name",
    "streaming": "dataset_name",
    "audio_column": "dataset_name",
    "caption_column": "dataset_name",
    "teacher_steps": "teacher",
    "head": "classifier",
    "teacher_card": "teacher",
    "other_software": "compare",
}
WITH_COMPARE = ("compare", "other_software", "json", "command", "traceback")

DESCRIPTION = """\
Judge generated sound: Fréchet distance (FAD), KL divergence of class posteriors, inception score, and CLAP score of
captions, with bootstrap intervals and beside controls. The captions of a dataset are the prompts, and its clips the
references. What is written carries its protocol, and --compare sets two results of one protocol side by side.
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
    parser.add_argument("--num-clips", type=count, metavar="N", help="clips to draw from the dataset (default: all)")

    judged = parser.add_mutually_exclusive_group()
    judged.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
    judged.add_argument(
        "--generated",
        metavar="FOLDER",
        help="sounds that were made before, with a metadata.csv like the dataset's: as many of each caption as are "
        "judged",
    )
    add_device_options(parser)
    parser.add_argument("--steps", type=count, nargs="+", metavar="N", help="denoising steps (default: 1 2 4)")
    parser.add_argument("--guidance-scales", type=finite, nargs="+", metavar="SCALE", help="one or more (default: 5)")
    parser.add_argument("--teacher", metavar="MODEL", help="a second model to judge, by more steps")
    parser.add_argument("--teacher-steps", type=count, nargs="+", metavar="N", help="its steps (default: 100)")

    parser.add_argument(
        "--classifier",
        metavar="NETWORK",
        help="folder or Hub id of an ASTForAudioClassification, or folder of a judge, for fad, kl, is and acc",
    )
    parser.add_argument(
        "--head",
        choices=HEADS,
        help="whether its classes exclude each other, softmax, or not (default: what its configuration says)",
    )
    parser.add_argument("--clap", metavar="NETWORK", help="folder or Hub id of a ClapModel, for clap")
    parser.add_argument(
        "--metrics", nargs="+", choices=METRICS, help="which (default: all that the named networks allow)"
    )
    parser.add_argument(
        "--fad-network",
        choices=("classifier", "clap"),
        help="whose features FAD is of (default: the classifier's, if there is one)",
    )
    parser.add_argument(
        "--allow-singular",
        action="store_true",
        help="compute FAD of fewer clips than its covariances need, too; the report says so",
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
    given = vars(args).copy()
    check_options(args)
    if args.compare is not None:
        return print_comparison(args)
    device = pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)
    models = {} if args.generated else {"model": find_model(args.model or MINI)}
    if args.teacher is not None:
        models["teacher"] = find_model(args.teacher)

    from ..metrics.protocol import software_versions
    from ..metrics.report import read_card, table_lines, write_model_index

    for path in cards_of(args).values():
        read_card(path)
    dataset = open_dataset(args)
    clips, rates = read_references(dataset)
    clips, rates = chosen(clips, rates, args.num_clips, args.seed)
    captions = [clip.caption for clip in clips]
    made_before = None if args.generated is None else match_generated(args.generated, captions)
    judge = make_judge(args, given, device, captions)
    judge.check(len(clips))
    pipes = {role: load_pipeline(model, device, dtype, quiet=args.json) for role, model in models.items()}
    made_with = {
        role: describe_pipeline(args.teacher if role == "teacher" else args.model or MINI, pipe)
        for role, pipe in pipes.items()
    }
    duration_s = args.duration or pipes["model"].config.default_audio_length_in_s
    settings = plan(args, pipes, captions, duration_s)

    num_samples = round(duration_s * SAMPLING_RATE)
    protocol = describe_protocol(args, dataset, clips, rates, judge, num_samples)
    results = {
        "format": FORMAT,
        "protocol": protocol,
        "software": software_versions(),
        "run": {"device": str(device), "batch_size": args.batch_size},
        "left_out": judge.left_out,
        "notes": notes_on(protocol, judge),
        "rows": [],
    }
    if args.generated is not None:
        results["notes"].append("There is no reconstruction: the model that made the sounds is not known.")

    def add(name, kind, metrics, generation=None, **facts):
        results["rows"].append({"name": name, "kind": kind, "metrics": metrics, "generation": generation, **facts})
        if not args.json:
            print(f"{name}: done", flush=True)

    references = to_lengths([clip.waveform for clip in clips], num_samples)
    heard, texts = judge.listen(references), judge.read(captions)

    def add_sounds(name, kind, sounds, generation=None):
        metrics = judge.estimates(heard, judge.listen(sounds), texts)
        add(name, kind, metrics, generation, num_silent=count_silent(sounds))

    from ..metrics.controls import clip_seed, white_noise

    real = judge.real_against_real(heard, texts, captions)
    add("real against real", "ceiling", real)
    results["notes"] += notes_on_real(real, judge)
    if "model" in pipes:
        rebuilt = reconstruct(pipes["model"], references, args.batch_size)
        add_sounds("reconstruction", "ceiling", to_lengths(rebuilt, num_samples))
    add("shuffled captions", "control", judge.shuffled(heard, texts, captions))
    add_sounds("white noise", "control", white_noise(references, args.seed))
    add_sounds("silence", "control", [reference * 0 for reference in references])

    args.output.mkdir(parents=True, exist_ok=True)
    seeds = [clip_seed(args.seed, index) for index in range(len(captions))]
    if made_before is not None:
        add_sounds("generated", "generated", to_lengths(made_before, num_samples), {"folder": args.generated})
    for role, num_steps, guidance_scale in settings:
        start = time.perf_counter()
        name = row_name(role, num_steps, guidance_scale)
        sounds = make_sounds(pipes[role], captions, seeds, args.batch_size, duration_s, num_steps, guidance_scale)
        generation = {
            **made_with[role],
            "num_inference_steps": num_steps,
            "guidance_scale": guidance_scale,
            "generation_s": round(time.perf_counter() - start, 3),
        }
        sounds = to_lengths(sounds, num_samples)
        if args.save_audio:
            save_sounds(args.output / AUDIO / slug(name), sounds, captions)
        add_sounds(name, role, sounds, generation)

    for row in results["rows"]:
        if row.get("num_silent") and row["name"] != "silence":
            results["notes"].append(
                f"{row['name']}: {row['num_silent']} of {len(clips)} sounds are silent, below -60 dB."
            )
    lines = table_lines(results)
    write_results(args.output, results, lines, TABLE, plot=bool(settings))
    for role, path in cards_of(args).items():
        write_model_index(path, results, role)
    print_results(args, results, lines)


def check_options(args):
    r"""
    Refuse what needs no file to be refused, then fill in defaults.

    Raises:
        ValueError: If options are missing or do not go together, or the output folder holds results.
        ImportError: If pictures cannot be drawn.
    """
    given = {name for name, value in vars(args).items() if value is not None and value is not False}
    if args.compare is not None and given - set(WITH_COMPARE):
        raise ValueError(f"--compare reads results and takes no {flags(given - set(WITH_COMPARE))}.")
    for name, owner in BELONGS_TO.items():
        if name in given and owner not in given:
            raise ValueError(f"{flags([name])} belongs to {flags([owner])}, which is not given.")
    for name, value in DEFAULTS.items():
        if name not in given:
            setattr(args, name, value)
    if args.compare is not None:
        return
    if not given & {"dataset", "dataset_name"}:
        raise ValueError("Expected captioned clips to judge by: --dataset FOLDER or --dataset-name HUB_ID.")
    if args.output is None:
        raise ValueError("Expected --output, a folder for the results.")
    if not given & {"classifier", "clap"}:
        raise ValueError(
            "Expected a network to judge by: --classifier for fad, kl and is, --clap for clap (and fad), or both."
        )
    cards = cards_of(args).values()
    if len({Path(path).resolve() for path in cards}) < len(cards):
        raise ValueError(f"Expected two cards, got {args.model_card!r} for both model and teacher.")
    if args.generated is not None:
        useless = given & (
            {"steps", "save_audio", "model_card"} | (set() if args.teacher else {"guidance_scales", "dtype"})
        )
        if useless:
            raise ValueError(f"The sounds of --generated are there already: they take no {flags(useless)}.")
        if args.duration is None:
            raise ValueError("Expected --duration with --generated: there is no model whose default it could be.")
    if args.duration is not None and args.duration < MIN_DURATION_S:
        raise ValueError(f"Expected a duration of at least {MIN_DURATION_S} s, got {args.duration:g}.")
    for name in ("steps", "teacher_steps", "guidance_scales"):
        values = getattr(args, name)
        if len(set(values)) < len(values):
            raise ValueError(f"Expected {flags([name])} to be all different, got {values}.")
    check_output(args.output, (RESULTS, TABLE, PLOT, AUDIO))
    if (args.generated is None or args.teacher is not None) and importlib.util.find_spec("matplotlib") is None:
        raise ImportError("Pictures of metrics need matplotlib: `pip install matplotlib`.")


def cards_of(args):
    r"""`dict[str, str]`: The model cards that are to be changed, by the role of their model."""
    cards = {"model": args.model_card, "teacher": args.teacher_card}
    return {role: path for role, path in cards.items() if path is not None}


def flags(names):
    r"""Options as they are written."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))


def check_output(folder, names):
    r"""
    Refuse a folder with results, or one that cannot be written to.

    Args:
        folder (`Path`): Where results go. It need not exist yet.
        names (`Sequence[str]`): What results are called.

    Raises:
        ValueError: Naming what is in the way.
    """
    for name in names:
        if (folder / name).exists():
            raise ValueError(
                f"--output holds results already, {str(folder / name)!r}: name another folder, or remove it."
            )
    ancestor = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not ancestor.is_dir():
        raise ValueError(f"--output cannot be written: {str(ancestor)!r} is no folder.")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise ValueError(f"--output cannot be written: no permission to write to {str(ancestor)!r}.")


def open_dataset(args):
    r"""What [`~audiolcm_diffusers.data.captioned_audio.load_clips`] reads: a path or a dataset of the Hub."""
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
    )


def read_references(dataset):
    r"""
    Read all clips; a bad one is no reference, and ends the run.

    Args:
        dataset (`Path` or `HubDataset`): From [`open_dataset`].

    Returns:
        `tuple[list[Clip], list[int]]`: Clips at 16 kHz, and the rates in Hz that they are stored in.

    Raises:
        ValueError: If there is no clip, or any is missing, silent, NaN or cannot be read; all are listed.
    """
    from ..data.captioned_audio import load_clips

    rows = RowsWithRates(dataset)
    return load_clips(rows, SAMPLING_RATE), rows.rates


class RowsWithRates:
    r"""
    The rows of a dataset, which takes down the rates of the clips while these are read.

    Args:
        dataset (`Path` or `HubDataset`): From [`open_dataset`].

    Attributes:
        rates (`list[int | None]`): In Hz, of the rows read so far; `None` where there is no sound to tell.
    """

    def __init__(self, dataset):
        self.dataset, self.rates = dataset, []

    def __str__(self):
        return str(self.dataset)

    def rows(self):
        r"""Yield what [`~audiolcm_diffusers.data.hub_dataset.HubDataset.rows`] does."""
        import soundfile

        from ..audio.io import open_audio
        from ..data.captioned_audio import read_metadata

        for row in read_metadata(self.dataset) if isinstance(self.dataset, Path) else self.dataset.rows():
            name, _, audio = row
            try:
                with open_audio(audio if audio is not None else b"", name) as file:
                    self.rates.append(soundfile.info(file).samplerate)
            except (ValueError, soundfile.LibsndfileError):
                # Whoever reads the clip says what is wrong with it.
                self.rates.append(None)
            yield row


def chosen(clips, rates, num_clips, seed):
    r"""The clips that are judged, and their rates, see [`~audiolcm_diffusers.metrics.controls.choose`]."""
    from ..metrics.controls import choose

    indices = choose(len(clips), num_clips, seed)
    return [clips[index] for index in indices], [rates[index] for index in indices]


def match_generated(folder, captions):
    r"""
    Read sounds that were made before, and give each to a reference of its caption.

    Sounds of one caption are given in the order of the metadata. Silent ones are sounds, too.

    Args:
        folder (`str`): With a `metadata.csv` or `metadata.jsonl`, as a dataset.
        captions (`Sequence[str]`): Of the references.

    Returns:
        `list[torch.Tensor]`: float32 at 16 kHz, one a reference.

    Raises:
        ValueError: If there are more or fewer sounds of a caption than references, or any cannot be read.
    """
    from ..audio.io import read_audio
    from ..data.captioned_audio import read_metadata

    paths = {}
    for _, caption, path in read_metadata(folder):
        paths.setdefault(caption, []).append(path)
    wanted, found = Counter(captions), {caption: len(files) for caption, files in paths.items()}
    wrong = [
        f"{caption!r} ({wanted[caption]} wanted, {found.get(caption, 0)} found)"
        for caption in sorted({*wanted, *found})
        if wanted[caption] != found.get(caption, 0)
    ]
    if wrong:
        raise ValueError(
            f"Expected as many sounds of each caption in {str(folder)!r} as references are judged; "
            f"{len(wrong)} captions differ: {', '.join(wrong[:5])}{', …' if len(wrong) > 5 else ''}."
        )
    queues = {caption: iter(files) for caption, files in paths.items()}
    waveforms, bad = [], []
    for caption in captions:
        try:
            waveforms.append(read_audio(next(queues[caption]), SAMPLING_RATE))
        except ValueError as error:
            bad.append(str(error))
    if bad:
        raise ValueError(f"{len(bad)} of {len(captions)} sounds cannot be judged: {' '.join(bad)}")
    return waveforms


def make_judge(args, given, device, captions):
    r"""
    The [`~audiolcm_diffusers.metrics.judge.Judge`] that the options ask for, its networks loaded.

    Args:
        args (`argparse.Namespace`): The options.
        given (`dict`): The same before defaults were filled in.
        device (`torch.device`): Where networks run.
        captions (`Sequence[str]`): Of the references.

    Raises:
        ValueError: If a metric that is asked for lacks its network, an option its metric, or a network is no such.
    """
    from ..metrics.judge import FeatureCache, Judge, pick_metrics
    from ..metrics.networks import load_clap, load_classifier

    named = [kind for kind in ("classifier", "clap") if getattr(args, kind) is not None]
    # What is asked for in vain is known without the networks.
    metrics, _ = pick_metrics(named, args.metrics, args.fad_network or named[0], captions_are_classes=True)
    for name, metric in (("allow_singular", "fad"), ("fad_network", "fad"), ("num_splits", "is")):
        if given[name] and metric not in metrics:
            raise ValueError(f"{flags([name])} belongs to the metric {metric}, which is not computed.")
    with no_loading_bars(downloads=args.json):
        classifier = None if args.classifier is None else load_classifier(args.classifier, device, args.head)
        clap = None if args.clap is None else load_clap(args.clap, device)
    return Judge(
        classifier,
        clap,
        FeatureCache(args.cache or args.output / "features"),
        metrics=args.metrics,
        fad_network=args.fad_network,
        allow_singular=args.allow_singular,
        num_splits=args.num_splits,
        num_resamples=args.num_resamples,
        seed=args.seed,
        batch_size=args.batch_size,
        captions=captions,
    )


def plan(args, pipes, captions, duration_s):
    r"""
    The settings to judge, each checked by its pipeline.

    Args:
        args (`argparse.Namespace`): The options.
        pipes (`dict[str, AudioLCMPipeline]`): `"model"` and `"teacher"`, those that there are.
        captions (`Sequence[str]`): The prompts.
        duration_s (`float`): Seconds of a sound.

    Returns:
        `list[tuple[str, int, float]]`: Key of the pipeline, steps and guidance scale.

    Raises:
        ValueError: If a pipeline cannot do one of them.
    """
    steps = {"model": args.steps, "teacher": args.teacher_steps}
    settings = [
        (role, num_steps, scale) for role in pipes for scale in args.guidance_scales for num_steps in steps[role]
    ]
    for role, num_steps, scale in settings:
        pipes[role].check_inputs(
            prompt=captions, audio_length_in_s=duration_s, num_inference_steps=num_steps, guidance_scale=scale
        )
    return settings


def row_name(role, num_steps, guidance_scale):
    r"""What a row of the table is called."""
    return f"{role}, {num_steps} step{'s' if num_steps != 1 else ''}, scale {guidance_scale:g}"


def describe_protocol(args, dataset, clips, rates, judge, num_samples):
    r"""
    The protocol of a run, see [`audiolcm_diffusers.metrics`].

    Returns:
        `dict`: What a result must share with another to be compared with it.
    """
    from ..metrics.protocol import fixed_rules

    return {
        "dataset": describe_dataset(dataset, clips, rates, num_samples),
        **fixed_rules(num_samples),
        "seed": args.seed,
        **judge.describe(),
    }


def describe_dataset(dataset, clips, rates, num_samples):
    r"""
    What the protocol records of recordings.

    Args:
        dataset (`Path` or `HubDataset`): Where they came from.
        clips (`list[Clip]`): The recordings.
        rates (`list[int]`): Rates in Hz that they are stored in.
        num_samples (`int`): Length that they are brought to.

    Returns:
        `dict`.
    """
    from ..data.latent_cache import clips_fingerprint

    lengths = [clip.waveform.shape[0] for clip in clips]
    return {
        "name": str(dataset),
        "fingerprint": clips_fingerprint(clips),
        "num_clips": len(clips),
        "sampling_rates": {str(rate): number for rate, number in sorted(Counter(rates).items())},
        "num_cropped": sum(length > num_samples for length in lengths),
        "num_padded": sum(length < num_samples for length in lengths),
    }


def notes_on(protocol, judge):
    r"""What a reader of the table must know: what was done to references, and which metrics say less than usual."""
    dataset = protocol["dataset"]
    notes = [f"The metric {name} is left out: {reason}." for name, reason in judge.left_out.items()]
    notes += notes_on_references(dataset)
    if "fad" in judge.metrics:
        dim = judge.networks[judge.fad_network].dim
        if dataset["num_clips"] // 2 <= dim:
            notes.append(
                f"FAD is of singular covariances: {dim} dimensions need {dim + 1} clips, twice as many for two "
                "halves. It compares rows of this table, and nothing else."
            )
    for kind, network in protocol["networks"].items():
        if network["hears_s"] * SAMPLING_RATE < protocol["num_samples"]:
            notes.append(f"The {kind} hears the first {network['hears_s']:g} s alone.")
    return notes


def notes_on_references(dataset):
    r"""What was done to references, from [`describe_dataset`]."""
    notes = []
    others = {rate: number for rate, number in dataset["sampling_rates"].items() if rate != str(SAMPLING_RATE)}
    if others:
        listed = ", ".join(f"{number} of {rate} Hz" for rate, number in others.items())
        notes.append(f"References resampled to {SAMPLING_RATE} Hz: {listed}.")
    if dataset["num_cropped"] or dataset["num_padded"]:
        notes.append(
            f"References cut to this length: {dataset['num_cropped']}; followed by silence up to it: "
            f"{dataset['num_padded']}."
        )
    return notes


def notes_on_real(real, judge):
    r"""What the row of real clips is of, see [`~audiolcm_diffusers.metrics.judge.Judge.real_against_real`]."""
    notes = []
    if "fad" in real:
        notes.append(
            f"real against real: FAD of {real['fad']['num_clips']} clips against as many others, so that it is rather "
            "too high beside the other rows."
        )
    if "kl" in real:
        notes.append(f"real against real: KL of {real['kl']['num_clips']} pairs of clips with one caption.")
    elif "kl" in judge.metrics:
        notes.append("real against real: no KL, as no caption occurs twice.")
    return notes


def to_lengths(waveforms, num_samples):
    r"""Sounds of one length in 16 bits, see [`~audiolcm_diffusers.metrics.controls.to_length`]."""
    from ..metrics.controls import to_length

    return [to_length(waveform, num_samples) for waveform in waveforms]


def count_silent(sounds):
    r"""Sounds whose level lies below -60 dB of full scale."""
    from ..data.captioned_audio import unit

    return sum(float(unit(sound).square().mean().sqrt()) < SILENT_LEVEL for sound in sounds)


def make_sounds(pipe, captions, seeds, batch_size, duration_s, num_steps, guidance_scale):
    r"""
    Make a sound of each caption.

    Args:
        pipe ([`AudioLCMPipeline`]): Makes them.
        captions (`Sequence[str]`): The prompts.
        seeds (`Sequence[int]`): Of each sound; neither its neighbours nor the device change its random numbers.
        batch_size (`int`): Sounds at a time.
        duration_s, num_steps, guidance_scale: See [`~AudioLCMPipeline.__call__`].

    Returns:
        `list[torch.Tensor]`: float32 at 16 kHz.

    Raises:
        ValueError: If a sound is not finite.
    """
    import torch

    from ..audio.io import resample

    pipe.set_progress_bar_config(disable=True)
    sounds = []
    for first in range(0, len(captions), batch_size):
        prompts = list(captions[first : first + batch_size])
        batch_seeds = seeds[first : first + batch_size]
        waveforms = pipe(
            prompt=prompts,
            audio_length_in_s=duration_s,
            num_inference_steps=num_steps,
            guidance_scale=guidance_scale,
            generator=[torch.Generator().manual_seed(number) for number in batch_seeds],
            output_type="pt",
        ).audios.cpu()
        for prompt, number, waveform in zip(prompts, batch_seeds, waveforms):
            if not torch.isfinite(waveform).all():
                raise ValueError(
                    f"The sound of {prompt!r} with {num_steps} steps, scale {guidance_scale:g} and seed {number} "
                    "holds NaN or infinite samples."
                )
            sounds.append(resample(waveform, pipe.sampling_rate, SAMPLING_RATE))
    return sounds


def reconstruct(pipe, waveforms, batch_size):
    r"""
    References through the autoencoder and the vocoder: the best that a model with these two could do.

    Args:
        pipe ([`AudioLCMPipeline`]): Has them.
        waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): int16 at 16 kHz, of one length.
        batch_size (`int`): Sounds at a time.

    Returns:
        `list[torch.Tensor]`: float32, of the same length.

    Raises:
        ValueError: If the model is of another rate, or a sound comes out not finite.
    """
    import torch

    from ..data.captioned_audio import crop_or_pad, unit
    from ..data.latents import LatentEncoder

    if pipe.sampling_rate != SAMPLING_RATE:
        raise ValueError(f"Expected a model of {SAMPLING_RATE} Hz, got one of {pipe.sampling_rate} Hz.")
    num_samples, hop = waveforms[0].shape[0], pipe.hop_length * pipe.latent_hop
    padded = math.ceil(num_samples / hop) * hop
    encoder, rebuilt = LatentEncoder(pipe.vae), []
    for first in range(0, len(waveforms), batch_size):
        batch = torch.stack(
            [crop_or_pad(waveform, padded, 0, 0) for waveform in waveforms[first : first + batch_size]]
        )
        with torch.no_grad():
            _, latents = encoder.mels_and_latents(unit(batch))
            mels = pipe.vae.decode((latents / pipe.vae.config.scaling_factor).to(pipe.vae.dtype)).sample
            sounds = pipe.vocoder(mels.to(pipe.vocoder.dtype))[..., :num_samples].float().cpu()
        if not torch.isfinite(sounds).all():
            raise ValueError("The autoencoder and vocoder turn references into NaN or infinite samples.")
        rebuilt += list(sounds)
    return rebuilt


def describe_pipeline(name, pipe):
    r"""`dict`: What results record of a pipeline that makes sounds, and what the options call it."""
    return {
        "model": str(name),
        "fingerprint": pipeline_fingerprint(pipe),
        "scheduler": type(pipe.scheduler).__name__,
        "dtype": str(pipe.dtype).removeprefix("torch."),
        "device": str(pipe.device),
    }


def pipeline_fingerprint(pipe):
    r"""Hash of what a pipeline computes: of its networks, its scheduler's settings and its fades."""
    import torch

    from ..data.latent_cache import digest, module_fingerprint

    networks = {
        name: module_fingerprint(component)
        for name, component in pipe.components.items()
        if isinstance(component, torch.nn.Module)
    }
    config = {name: value for name, value in pipe.scheduler.config.items() if not name.startswith("_")}
    return digest(networks, type(pipe.scheduler).__name__, config, pipe.config.fade_s)


def save_sounds(folder, sounds, captions):
    r"""Keep sounds as a captioned folder, which `--generated` and `--dataset` read."""
    from ..audio.io import write_audio
    from ..data.captioned_audio import unit

    folder.mkdir(parents=True)
    names = [f"{index:05d}-{slug(caption)}.wav" for index, caption in enumerate(captions)]
    for name, sound in zip(names, sounds):
        write_audio(folder / name, unit(sound), SAMPLING_RATE)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("file_name", "caption"), *zip(names, captions)])


def write_results(folder, results, lines, name, plot=False):
    r"""
    Write a report, the picture where there are steps to draw, and at last the results themselves.

    Args:
        folder (`Path`): Exists.
        results (`dict`): All of them.
        lines (`list[str]`): The same for people.
        name (`str`): What their file is called.
        plot (`bool`, defaults to `False`): Whether rows differ in steps.
    """
    from ..audio.io import replacing
    from ..metrics.report import plot_steps

    with replacing(folder / name) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if plot:
        plot_steps(folder / PLOT, results)
    with replacing(folder / RESULTS) as temporary:
        temporary.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def print_results(args, results, lines):
    r"""Print a report, or with `--json` the results."""
    print(json.dumps(results) if args.json else "\n".join(["", *lines]))


def print_comparison(args):
    r"""Print two results side by side. They are refused if their protocols differ."""
    from ..metrics.protocol import compare, read_results
    from ..metrics.report import comparison_lines

    one, other = (read_results(path) for path in args.compare)
    compared = compare(one, other, args.other_software)
    print(json.dumps(compared) if args.json else "\n".join(comparison_lines(compared, args.compare)))

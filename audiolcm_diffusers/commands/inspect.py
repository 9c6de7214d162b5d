# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm inspect`: what a table of metrics does not show of a model."""

import json
from collections import Counter
from functools import cached_property
from pathlib import Path

from ..metrics.protocol import HEADS, RESULTS, SAMPLING_RATE
from .evaluate import (
    check_output,
    count_silent,
    describe_dataset,
    describe_pipeline,
    flags,
    make_sounds,
    notes_on_references,
    print_results,
    read_references,
    reconstruct,
    to_lengths,
    write_results,
)
from .generate import count, finite, seconds, seed
from .loading import add_model_options, find_model, load_pipeline, no_loading_bars, pick_device, pick_dtype


FORMAT = "inspection 1"
REPORT = "report.md"
CONFIDENCE = 0.95
TEACHER_STEPS = 100
# Training clips that a sound is compared with directly, the nearest by what the classifier hears.
NUM_NEIGHBOURS = 5
# Share of unusable clips that the training scripts leave out by default.
MAX_BAD_FRACTION = 0.05

HELD_OUT, COPIES = "held-out clips", "training clips, decoded"  # what is no copy, and what is

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
    add_model_options(parser)
    parser.add_argument("--steps", type=count, default=2, metavar="N", help="denoising steps (default: 2)")
    parser.add_argument("--guidance-scale", type=finite, default=5.0, metavar="SCALE", help="default: 5")
    parser.add_argument("--teacher", metavar="MODEL", help="a second model, whose diversity and neighbours are shown")
    parser.add_argument(
        "--teacher-steps", type=count, metavar="N", help=f"its denoising steps (default: {TEACHER_STEPS})"
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
        help="an object of captions that the classifier knows, and lists of other wordings of each",
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
    check_options(args)
    device = pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)
    models = {"model": find_model(args.model)}
    if args.teacher is not None:
        models["teacher"] = find_model(args.teacher)
    paraphrases = {} if args.paraphrases is None else read_paraphrases(args.paraphrases)

    from ..metrics.inspection_report import report_lines
    from ..metrics.networks import load_classifier
    from ..metrics.protocol import software_versions

    dataset = Path(args.dataset)
    clips, rates = read_references(dataset)
    prompts = pick_prompts([clip.caption for clip in clips], args.max_prompts)
    train_clips, num_bad = ([], 0) if args.train is None else read_training_clips(args.train, clips)
    with no_loading_bars(downloads=args.json):
        classifier = load_classifier(args.classifier, device, args.head)
    check_captions_of(paraphrases, classifier)
    pipes = {role: load_pipeline(model, device, dtype, quiet=args.json) for role, model in models.items()}
    duration_s = pipes["model"].config.default_audio_length_in_s
    check_calls(args, pipes, [*prompts, *wordings_of(paraphrases)], [duration_s, *args.durations])

    num_samples = round(duration_s * SAMPLING_RATE)
    inspection = Inspection(args, pipes, classifier, clips, prompts, num_samples)
    results = {
        "format": FORMAT,
        "protocol": describe_protocol(args, inspection, dataset, rates, train_clips, paraphrases),
        "software": software_versions(),
        "run": {"device": str(device), "batch_size": args.batch_size},
        "generation": {
            role: {
                **describe_pipeline(getattr(args, role), pipe),
                "num_inference_steps": inspection.num_steps[role],
                "guidance_scale": args.guidance_scale,
            }
            for role, pipe in pipes.items()
        },
        "left_out": left_out(args),
        "notes": [],
        "sections": {},
    }
    results["notes"] = notes_on(args, inspection, results, num_bad)

    args.output.mkdir(parents=True, exist_ok=True)
    takes = {role: inspection.take_sounds(role) for role in pipes}
    heard = {role: inspection.listen(sounds)["features"] for role, sounds in takes.items()}
    sections = results["sections"]
    sections["diversity"] = inspection.diversity(heard)
    if train_clips:
        sections["neighbours"] = inspection.neighbours(takes, heard, train_clips)
    sections["lengths"] = inspection.lengths(args.durations)
    if paraphrases:
        sections["paraphrases"] = inspection.wordings(paraphrases)
    lines = report_lines(results)
    write_results(args.output, results, lines, REPORT)
    print_results(args, results, lines)


def check_options(args):
    r"""
    Refuse what needs no file to be refused, and fill in the teacher's steps.

    Raises:
        ValueError: If a value makes no sense, an option belongs to one that is not given, or the output folder holds
            results.
    """
    from ..metrics.inspection import min_samples_of_ends

    if args.teacher_steps is not None and args.teacher is None:
        raise ValueError("--teacher-steps belongs to --teacher, which is not given.")
    if args.teacher is not None and args.teacher_steps is None:
        args.teacher_steps = TEACHER_STEPS
    if args.takes < 2:
        raise ValueError(f"Expected --takes of at least 2, to see how far they differ, got {args.takes}.")
    shortest_s = min_samples_of_ends(SAMPLING_RATE) / SAMPLING_RATE
    for duration_s in args.durations:
        if duration_s < shortest_s:
            raise ValueError(f"Expected --durations of at least {shortest_s:g} s, got {duration_s:g}.")
    if len(set(args.durations)) < len(args.durations):
        raise ValueError(f"Expected --durations to be all different, got {args.durations}.")
    check_output(args.output, (RESULTS, REPORT))


def read_paraphrases(path):
    r"""
    Read other wordings of captions.

    Args:
        path (`Path`): JSON, an object of captions and lists of wordings.

    Returns:
        `dict[str, list[str]]`: At least one caption, each with at least one wording.

    Raises:
        ValueError: If the file is missing or holds something else, or a wording occurs twice.
    """
    try:
        paraphrases = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"--paraphrases {str(path)!r} cannot be read: {error}.") from error
    expected = f"Expected --paraphrases {str(path)!r} to be an object of captions and lists of wordings"
    if not isinstance(paraphrases, dict) or not paraphrases:
        raise ValueError(f"{expected}, got {json.dumps(paraphrases)[:80]}.")
    for caption, wordings in paraphrases.items():
        is_list = isinstance(wordings, list) and wordings
        if not is_list or not all(isinstance(wording, str) and wording.strip() for wording in wordings):
            raise ValueError(f"{expected}, got {json.dumps(wordings)[:80]} for {caption!r}.")
    twice = [wording for wording, times in Counter(wordings_of(paraphrases)).items() if times > 1]
    if twice:
        raise ValueError(f"Expected the wordings of {str(path)!r} to be all different, got {twice[0]!r} twice.")
    return paraphrases


def wordings_of(paraphrases):
    r"""`list[str]`: All captions, each followed by its other wordings."""
    return [text for caption, wordings in paraphrases.items() for text in (caption, *wordings)]


def pick_prompts(captions, max_prompts):
    r"""
    Captions to take as prompts: those with the most clips, in the order in which they first occur among equals.

    Args:
        captions (`Sequence[str]`): Of each clip.
        max_prompts (`int`): Prompts at most.

    Returns:
        `dict[str, int]`: Prompts, and how many clips have them as captions.

    Raises:
        ValueError: If no caption occurs twice, so that real clips of one caption cannot be compared.
    """
    prompts = dict(Counter(captions).most_common(max_prompts))
    if max(prompts.values()) < 2:
        raise ValueError(
            f"Expected a caption with two clips or more, to see how far real clips differ; all {len(captions)} "
            "captions of --dataset are different."
        )
    return prompts


def read_training_clips(folder, held_out):
    r"""
    Read the clips to look for copies of, without those that training leaves out.

    Args:
        folder (`Path`): Captioned clips.
        held_out (`list[Clip]`): What the model was not trained on.

    Returns:
        `tuple[list[Clip], int]`: Clips at 16 kHz, and how many are left out because they are silent or cannot be read.

    Raises:
        ValueError: If there is no clip, too many are bad, or any is held out, too: these show how near a sound comes
            that is no copy.
    """
    from ..data.captioned_audio import load_clips

    bad = []
    clips = load_clips(folder, SAMPLING_RATE, max_bad_fraction=MAX_BAD_FRACTION, bad_clips=bad)
    known = {clip.waveform.numpy().tobytes() for clip in clips}
    both = [clip.name for clip in held_out if clip.waveform.numpy().tobytes() in known]
    if both:
        raise ValueError(
            f"Expected clips in --dataset that are not in --train, got {len(both)} of {len(held_out)} that are in "
            f"both: {', '.join(both[:5])}{', …' if len(both) > 5 else ''}."
        )
    return clips, len(bad)


def check_captions_of(paraphrases, classifier):
    r"""
    Refuse captions that a classifier cannot name.

    Raises:
        ValueError: Naming them, and what it can.
    """
    unknown = [caption for caption in paraphrases if caption not in classifier.labels]
    if unknown:
        raise ValueError(
            f"Expected --paraphrases of classes of {classifier.name!r}, {', '.join(classifier.labels)}; got "
            f"{', '.join(map(repr, unknown))}."
        )


def check_calls(args, pipes, prompts, durations):
    r"""
    Have the pipelines check all that they will be asked for.

    Raises:
        ValueError: If one cannot do it.
    """
    for duration_s in durations:
        pipes["model"].check_inputs(
            prompt=prompts,
            audio_length_in_s=duration_s,
            num_inference_steps=args.steps,
            guidance_scale=args.guidance_scale,
        )
    rate = pipes["model"].sampling_rate
    if args.train is not None and rate != SAMPLING_RATE:
        raise ValueError(f"Expected a model of {SAMPLING_RATE} Hz with --train, got one of {rate} Hz.")
    if "teacher" in pipes:
        pipes["teacher"].check_inputs(
            prompt=prompts,
            audio_length_in_s=durations[0],
            num_inference_steps=args.teacher_steps,
            guidance_scale=args.guidance_scale,
        )


class Inspection:
    r"""
    Makes the sounds, and measures them.

    Args:
        args (`argparse.Namespace`): The options.
        pipes (`dict[str, AudioLCMPipeline]`): `"model"`, and `"teacher"` where there is one.
        classifier ([`~audiolcm_diffusers.metrics.networks.ClassifyingNetwork`]): Hears sounds.
        clips (`list[Clip]`): Real ones.
        prompts (`dict[str, int]`): From [`pick_prompts`].
        num_samples (`int`): Length of sounds whose length is not said.
    """

    def __init__(self, args, pipes, classifier, clips, prompts, num_samples):
        self.args, self.pipes, self.classifier, self.clips = args, pipes, classifier, clips
        self.prompts, self.num_samples = list(prompts), num_samples
        self.num_steps = {"model": args.steps, "teacher": args.teacher_steps}
        self.real = [clip for clip in clips if clip.caption in prompts]
        self.real_sounds = to_lengths([clip.waveform for clip in self.real], num_samples)
        self.nameable = [prompt for prompt in self.prompts if prompt in classifier.labels]

    def make(self, role, texts, num_samples):
        r"""
        Takes of texts, one text after the other.

        Args:
            role (`str`): Key of the pipeline.
            texts (`Sequence[str]`): Prompts.
            num_samples (`int`): At 16 kHz, of a sound.

        Returns:
            `list[torch.Tensor]`: `takes` of each text, float32.
        """
        takes = self.args.takes
        return make_sounds(
            self.pipes[role],
            [text for text in texts for _ in range(takes)],
            [self.args.seed + take for _ in texts for take in range(takes)],
            self.args.batch_size,
            num_samples / SAMPLING_RATE,
            self.num_steps[role],
            self.args.guidance_scale,
        )

    def take_sounds(self, role):
        r"""`list[torch.Tensor]`: Takes of all prompts, int16."""
        sounds = to_lengths(self.make(role, self.prompts, self.num_samples), self.num_samples)
        self.say(f"{len(sounds)} sounds of the {role}")
        return sounds

    def say(self, what):
        r"""Print what is done, where lines are for people."""
        if not self.args.json:
            print(f"{what}: done", flush=True)

    def listen(self, waveforms):
        r"""`dict[str, torch.Tensor]`: What the classifier says of int16 sounds."""
        from ..data.captioned_audio import unit

        return self.classifier.listen([unit(waveform) for waveform in waveforms], SAMPLING_RATE, self.args.batch_size)

    @cached_property
    def real_features(self):
        r"""`torch.Tensor`: Embeddings of the real clips with one of the prompts as caption."""
        return self.listen(self.real_sounds)["features"]

    def mean(self, values):
        r"""A mean over prompts, see [`~audiolcm_diffusers.metrics.inspection.mean_over_prompts`]."""
        from ..metrics.inspection import mean_over_prompts

        return mean_over_prompts(values, self.args.num_resamples, self.args.seed, CONFIDENCE)

    def takes_of(self, rows):
        r"""`dict[str, Sequence]`: Of each prompt, the rows of its takes."""
        takes = self.args.takes
        return {prompt: rows[index * takes : (index + 1) * takes] for index, prompt in enumerate(self.prompts)}

    def named(self, waveforms, captions):
        r"""
        How many sounds the classifier names as their captions.

        Args:
            waveforms (`Sequence[torch.Tensor]`): int16.
            captions (`Sequence[str]`): Classes.

        Returns:
            `list[bool]`: Of each sound.
        """
        best = self.listen(waveforms)["logits"].argmax(dim=1).tolist()
        return [self.classifier.labels[index] == caption for index, caption in zip(best, captions)]

    def diversity(self, heard):
        r"""
        How far takes of one prompt, and real clips of one caption, differ: the mean Euclidean distance of pairs of
        their embeddings.

        Args:
            heard (`dict[str, torch.Tensor]`): Embeddings of all takes, of the model and the teacher.

        Returns:
            `dict`: Distances of each prompt; `rows` and `ratios`, means over all prompts and over those with several
            clips.
        """
        from ..metrics.inspection import mean_pairwise_distance, ratio_over_prompts

        distances = {
            role: {prompt: mean_pairwise_distance(rows) for prompt, rows in self.takes_of(features).items()}
            for role, features in heard.items()
        }
        captions = [clip.caption for clip in self.real]
        several = [prompt for prompt in self.prompts if captions.count(prompt) > 1]
        distances["real clips"] = {
            prompt: mean_pairwise_distance(self.real_features[[caption == prompt for caption in captions]])
            for prompt in several
        }

        def of(estimate, *names):
            columns = {"all prompts": self.prompts, "prompts with several clips": several}
            return {
                column: estimate(*([distances[name][prompt] for prompt in prompts] for name in names))
                for column, prompts in columns.items()
                if all(prompt in distances[name] for name in names for prompt in prompts)
            }

        def ratio(above, below):
            if not all(below):
                return None  # takes that are all the same: nothing to be a multiple of
            return ratio_over_prompts(above, below, self.args.num_resamples, self.args.seed, CONFIDENCE)

        pairs = [(one, other) for one in heard for other in ("teacher", "real clips") if other in distances]
        self.say("diversity")
        return {
            "rows": {name: of(self.mean, name) for name in distances},
            "ratios": {f"{one} / {other}": of(ratio, one, other) for one, other in pairs if one != other},
            "prompts": {prompt: {name: distances[name].get(prompt) for name in distances} for prompt in self.prompts},
        }

    def neighbours(self, takes, heard, train_clips):
        r"""
        How near sounds come to training clips, beside real clips of the same captions that the model never met, which
        are no copies, and training clips through the model's autoencoder and vocoder, which are.

        Args:
            takes (`dict[str, list[torch.Tensor]]`): All takes, of the model and the teacher.
            heard (`dict[str, torch.Tensor]`): Their embeddings.
            train_clips (`list[Clip]`): What the model was trained on.

        Returns:
            `dict`: Of the model, the teacher, held-out clips and copies, where a training clip has a prompt as
            caption: medians over prompts, extremes and closest pairs.
        """
        from ..metrics.inspection import pieces

        # A copy of the end of a long clip is found, too.
        heard_samples = round(self.classifier.num_heard_samples * SAMPLING_RATE / self.classifier.sampling_rate)
        length = min(self.num_samples, heard_samples)
        parts = [(piece, index) for index, clip in enumerate(train_clips) for piece in pieces(clip.waveform, length)]
        pool, clip_of = self.listen([piece for piece, _ in parts])["features"], [index for _, index in parts]
        self.say(f"{len(train_clips)} training clips in {len(parts)} pieces")
        of_sounds = [(prompt, f"take {take}") for prompt in self.prompts for take in range(self.args.takes)]
        sources = {role: (takes[role], heard[role], of_sounds) for role in takes}
        names = [(clip.caption, clip.name) for clip in self.real]
        sources[HELD_OUT] = (self.real_sounds, self.real_features, names)
        copied = first_of_each([clip for clip in train_clips if clip.caption in self.prompts], self.args.takes)
        if copied:
            originals = to_lengths([clip.waveform for clip in copied], self.num_samples)
            copies = to_lengths(reconstruct(self.pipes["model"], originals, self.args.batch_size), self.num_samples)
            names = [(clip.caption, clip.name) for clip in copied]
            sources[COPIES] = (copies, self.listen(copies)["features"], names)

        mels, rows = {}, {}
        for source, (sounds, features, labels) in sources.items():
            rows[source] = self._nearest(sounds, features, labels, train_clips, pool, clip_of, mels)
            self.say(f"neighbours of {source}")
        yardstick = rows[HELD_OUT]
        return {
            "num_pieces": len(parts),
            "num_neighbours": NUM_NEIGHBOURS,
            "rows": {source: self._summary(found, yardstick) for source, found in rows.items()},
        }

    def _nearest(self, sounds, features, labels, train_clips, pool, clip_of, mels):
        """Of each sound: its nearest clip, and of the near ones that which it goes most alike."""
        from ..metrics.inspection import nearest_clips, pattern_similarity

        found = []
        neighbours = nearest_clips(features, pool, clip_of, NUM_NEIGHBOURS)
        for sound, (caption, name), near in zip(sounds, labels, neighbours):
            mel = mel_of(sound)
            for _, clip in near:
                if clip not in mels:
                    waveform = train_clips[clip].waveform
                    mels[clip] = mel_of(*to_lengths([waveform], max(self.num_samples, waveform.shape[0])))
            alike = [(pattern_similarity(mel, mels[clip]), clip) for _, clip in near]
            pairs = {"distance": near[0], "similarity": max(alike)}
            found.append(
                {"caption": caption, "name": name}
                | {measure: value for measure, (value, _) in pairs.items()}
                | {
                    f"clip_by_{measure}": {"name": train_clips[clip].name, "caption": train_clips[clip].caption}
                    for measure, (_, clip) in pairs.items()
                }
            )
        return found

    def _summary(self, found, yardstick):
        import numpy as np

        def median(measure):
            by_prompt = {}
            for sound in found:
                by_prompt.setdefault(sound["caption"], []).append(sound[measure])
            return float(np.median([np.median(values) for values in by_prompt.values()]))

        nearest = min(found, key=lambda sound: sound["distance"])
        most_alike = max(found, key=lambda sound: sound["similarity"])
        least, most = min(s["distance"] for s in yardstick), max(s["similarity"] for s in yardstick)
        return {
            "num_sounds": len(found),
            "distance": {"median": median("distance"), "minimum": nearest["distance"]},
            "similarity": {"median": median("similarity"), "maximum": most_alike["similarity"]},
            "num_nearer": sum(sound["distance"] < least for sound in found),
            "num_more_alike": sum(sound["similarity"] > most for sound in found),
            "nearest": closest(nearest, "distance"),
            "most_alike": closest(most_alike, "similarity"),
        }

    def lengths(self, durations):
        r"""
        Sounds of several lengths: whether they are named as asked, their levels, and how they begin and end.

        Args:
            durations (`Sequence[float]`): Seconds.

        Returns:
            `dict`: Of each length, and of real clips as they are.
        """
        found = {}
        for duration_s in durations:
            found[f"{duration_s:g}"] = self._of_length(round(duration_s * SAMPLING_RATE))
            self.say(f"{len(self.prompts) * self.args.takes} sounds of {duration_s:g} s")
        return {"durations": found, "real clips": real_ends([clip.waveform for clip in self.real])}

    def _of_length(self, num_samples):
        from ..data.captioned_audio import unit
        from ..metrics.inspection import clipped_share, level_db, level_difference_db, loudest_db

        sounds = self.make("model", self.prompts, num_samples)
        stored = to_lengths(sounds, num_samples)
        takes, beginnings = self.takes_of(stored), {prompt: [] for prompt in self.prompts}
        for clip in self.real:
            beginnings[clip.caption].append(clip.waveform[:num_samples])

        def difference(level):
            levels, real_levels = (
                {prompt: [level(unit(waveform)) for waveform in waveforms] for prompt, waveforms in sounds.items()}
                for sounds in (takes, beginnings)
            )
            return level_difference_db(levels, real_levels)

        found = {
            "level_difference_db": difference(level_db),
            "loudest_difference_db": difference(lambda waveform: loudest_db(waveform, SAMPLING_RATE)),
            "clipped": sum(map(clipped_share, sounds)) / len(sounds),
            "silent": count_silent(stored) / len(stored),
            **ends_of(sounds),
        }
        if self.nameable:
            found["named"] = self._named_by_prompt(takes)
            found["named_real"] = self._named_by_prompt(
                {prompt: to_lengths(waveforms, num_samples) for prompt, waveforms in beginnings.items()}
            )
        return found

    def _named_by_prompt(self, sounds):
        captions = [prompt for prompt in self.nameable for _ in sounds[prompt]]
        named = self.named([waveform for prompt in self.nameable for waveform in sounds[prompt]], captions)
        right, total = Counter(prompt for prompt, is_named in zip(captions, named) if is_named), Counter(captions)
        return self.mean([right[prompt] / total[prompt] for prompt in self.nameable])

    def wordings(self, paraphrases):
        r"""
        Whether sounds of other wordings are named as the captions that they stand for.

        Args:
            paraphrases (`dict[str, list[str]]`): From [`read_paraphrases`].

        Returns:
            `dict`: Of each caption, and over all: the shares of takes of the captions as they are and of other
            wordings.
        """
        texts = wordings_of(paraphrases)
        owners = [caption for caption, wordings in paraphrases.items() for _ in (caption, *wordings)]
        sounds = to_lengths(self.make("model", texts, self.num_samples), self.num_samples)
        takes = self.args.takes
        named = self.named(sounds, [caption for caption in owners for _ in range(takes)])
        share = {text: sum(named[index * takes :][:takes]) / takes for index, text in enumerate(texts)}
        self.say(f"{len(sounds)} sounds of {len(texts)} wordings")
        return {
            "captions": {
                caption: {
                    "caption": share[caption],
                    "wordings": {wording: share[wording] for wording in wordings},
                    "mean": sum(share[wording] for wording in wordings) / len(wordings),
                }
                for caption, wordings in paraphrases.items()
            },
            "all": {
                "caption": self.mean([share[caption] for caption in paraphrases]),
                "mean": self.mean([share[wording] for wordings in paraphrases.values() for wording in wordings]),
            },
        }


def first_of_each(clips, number):
    r"""`list[Clip]`: Of each caption the first clips, as many as `number` at most."""
    times, first = Counter(), []
    for clip in clips:
        times[clip.caption] += 1
        if times[clip.caption] <= number:
            first.append(clip)
    return first


def mel_of(waveform):
    r"""Log-mel spectrogram of int16, shape `(80, frames)`."""
    from ..audio.mel import log_mel_spectrogram
    from ..data.captioned_audio import unit

    return log_mel_spectrogram(unit(waveform)[None])[0]


def closest(sound, measure):
    r"""A sound and the training clip that it is nearest to or most like."""
    return {
        "caption": sound["caption"],
        "name": sound["name"],
        measure: sound[measure],
        "clip": sound[f"clip_by_{measure}"],
    }


def ends_of(sounds):
    r"""
    How sounds begin and end.

    Args:
        sounds (`Sequence[torch.Tensor]` of shape `(samples,)`): float. They are long enough.

    Returns:
        `dict[str, dict]`: Median and 95 % quantile of each measure of [`~audiolcm_diffusers.metrics.inspection.ends`].
    """
    import numpy as np

    from ..metrics.inspection import ends

    measured = [ends(sound, SAMPLING_RATE) for sound in sounds]
    quantiles = {name: np.quantile([sound[name] for sound in measured], (0.5, 0.95)).tolist() for name in measured[0]}
    return {name: {"median": median, "high": high} for name, (median, high) in quantiles.items()}


def real_ends(waveforms):
    r"""
    What [`ends_of`] says of real clips as they are, and their share of clipped samples.

    Args:
        waveforms (`Sequence[torch.Tensor]`): int16, of any lengths.

    Returns:
        `dict`: Without the ends where no clip is long enough; `num_clips` says how many are.
    """
    from ..data.captioned_audio import unit
    from ..metrics.inspection import clipped_share, min_samples_of_ends

    sounds = [unit(waveform) for waveform in waveforms]
    long_enough = [sound for sound in sounds if sound.shape[0] >= min_samples_of_ends(SAMPLING_RATE)]
    return {
        "num_clips": len(long_enough),
        "clipped": sum(map(clipped_share, sounds)) / len(sounds),
        "silent": count_silent(waveforms) / len(waveforms),
        **(ends_of(long_enough) if long_enough else {}),
    }


def describe_protocol(args, inspection, dataset, rates, train_clips, paraphrases):
    r"""
    The protocol of a run, see [`audiolcm_diffusers.metrics`].

    Returns:
        `dict`: What a result must share with another to be compared with it.
    """
    from ..data.latent_cache import clips_fingerprint
    from ..metrics.protocol import fixed_rules

    training = {
        "name": str(args.train),
        "fingerprint": clips_fingerprint(train_clips),
        "num_clips": len(train_clips),
    }
    return {
        "dataset": describe_dataset(dataset, inspection.clips, rates, inspection.num_samples),
        "training": training if train_clips else None,
        **fixed_rules(inspection.num_samples),
        "seeds": "seed + take, from take 0",
        "seed": args.seed,
        "takes": args.takes,
        "prompts": inspection.prompts,
        "num_real": len(inspection.real),
        "durations": args.durations,
        "paraphrases": paraphrases,
        "networks": {"classifier": inspection.classifier.describe()},
        "bootstrap": {"num_resamples": args.num_resamples, "confidence": CONFIDENCE, "seed": args.seed},
    }


def left_out(args):
    r"""`dict[str, str]`: Sections and rows that lack what they need, and why."""
    needs = {"neighbours": "train", "paraphrases": "paraphrases", "teacher": "teacher"}
    return {name: f"no {flags([option])}" for name, option in needs.items() if getattr(args, option) is None}


def notes_on(args, inspection, results, num_bad):
    r"""What a reader of the tables must know."""
    notes = [f"Left out: {name}, {reason}." for name, reason in results["left_out"].items()]
    notes += notes_on_references(results["protocol"]["dataset"])
    if num_bad:
        notes.append(f"{num_bad} training clips are silent or cannot be read, and are left out.")
    classifier, prompts = inspection.classifier, inspection.prompts
    if not inspection.nameable:
        notes.append("No prompt is a class of the classifier: no share of the prompts' sounds is named.")
    elif len(inspection.nameable) < len(prompts):
        notes.append(
            f"{len(prompts) - len(inspection.nameable)} of {len(prompts)} prompts are no class of the classifier; "
            "their sounds cannot be named."
        )
    heard_s = classifier.num_heard_samples / classifier.sampling_rate
    if heard_s < max(*args.durations, inspection.num_samples / SAMPLING_RATE):
        notes.append(f"The classifier hears the first {heard_s:g} s of a sound alone.")
    return notes

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How good sounds are, beside controls: the table of metrics."""

import time
from dataclasses import replace

from .controls import clip_seed, to_lengths, white_noise
from .diversity import missing_takes
from .judge import Judge
from .listening import FeatureCache
from .options import EvaluationOptions
from .protocol import FORMAT, SAMPLING_RATE, fixed_rules, software_versions
from .references import MadeBefore, as_references, match_generated, notes_on_references
from .results import EvaluationResults
from .sounds import count_silent, describe_pipeline, make_sounds, reconstruct


def evaluate(
    pipe,
    clips,
    classifier=None,
    clap=None,
    *,
    tagger=None,
    teacher=None,
    generated=None,
    options=None,
    cache_dir=None,
    keep_sounds=False,
    model_name=None,
    teacher_name=None,
    progress=None,
    **changes,
):
    r"""
    Judge a model's sounds by recordings with captions, with bootstrap intervals and beside controls; see
    [`audiolcm_diffusers.evaluation`] for the protocol. Whatever can be refused is refused before a sound is made.

    Args:
        pipe ([`AudioLCMPipeline`], *optional*): Makes the sounds; `None` where `generated` holds them.
        clips ([`~audiolcm_diffusers.evaluation.references.References`], `Sequence[Clip]`, `str` or `Path`):
            Captioned recordings, or the folder that they are read from. Captions are the prompts.
        classifier ([`~audiolcm_diffusers.evaluation.networks.ClassifyingNetwork`], *optional*):
            From [`~audiolcm_diffusers.evaluation.networks.load_classifier`]: for `fad`, `kad`, `kl`, `is`, `acc` and
            `diversity`.
        clap ([`~audiolcm_diffusers.evaluation.networks.Clap`], *optional*):
            From [`~audiolcm_diffusers.evaluation.networks.load_clap`]: for `clap`, and without a classifier for `fad`,
            `kad` and `diversity`.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*):
            From [`~audiolcm_diffusers.evaluation.tagger.load_tagger`]: an outside ear, for `named`.
        teacher ([`AudioLCMPipeline`], *optional*): A second model to judge, by more steps.
        generated (`str`, `Path` or [`~audiolcm_diffusers.evaluation.references.MadeBefore`], *optional*):
            Sounds that were made before, or a captioned folder with as many sounds of each caption as clips.
        options ([`EvaluationOptions`], *optional*): All others.
        cache_dir (`str` or `Path`, *optional*):
            Where features are kept, under a hash of all that they depend on. By default they are not.
        keep_sounds (`bool`, defaults to `False`): Whether results hold the sounds, too, and save them.
        model_name, teacher_name (`str`, *optional*): What results call them; by default where they were loaded from.
        progress (`Callable[[str], None]`, *optional*): Is told the name of each row once it is there.
        changes: Single fields of [`EvaluationOptions`], such as `num_inference_steps=[1, 2]`.

    Returns:
        [`~audiolcm_diffusers.evaluation.results.EvaluationResults`].

    Raises:
        ValueError:
            If clips are too few or cannot be read, a metric lacks what it needs, a pipeline cannot do what is asked,
            or a sound is not finite.
        TypeError: If there is no such option.

    Example:

    ```python
    >>> from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline
    >>> from audiolcm_diffusers.evaluation import evaluate, load_classifier

    >>> pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    >>> judge = load_classifier("runs/judge/model", pipe.device)
    >>> results = evaluate(pipe, "DATA/validation", judge, num_inference_steps=[1, 2])
    >>> print(results)
    >>> results.save("runs/evaluation")
    ```
    """
    options = replace(options or EvaluationOptions(), **changes)
    if (pipe is None) == (generated is None):
        raise ValueError("Expected either `pipe`, which makes sounds, or `generated`, which holds them.")
    references = as_references(clips)
    captions = references.captions
    if generated is not None and not isinstance(generated, MadeBefore):
        generated = match_generated(generated, captions)
    if generated is not None and len(generated.waveforms) != len(captions):
        raise ValueError(f"Expected {len(captions)} sounds, one a clip, got {len(generated.waveforms)}.")
    if options.audio_length_in_s is None and pipe is None:
        raise ValueError("Expected `audio_length_in_s` with `generated`: there is no model whose default it could be.")
    judge = make_judge(classifier, clap, references, options, cache_dir, tagger)
    judge.check(len(captions))
    if generated is not None and teacher is None and options.takes > 1:
        raise ValueError(f"The sounds of `generated` are there already: they take no `takes`, got {options.takes}.")
    pipes = {role: made for role, made in (("model", pipe), ("teacher", teacher)) if made is not None}
    duration_s = options.audio_length_in_s or pipe.config.default_audio_length_in_s
    settings = plan(pipes, captions, duration_s, options)
    names = {"model": model_name, "teacher": teacher_name}
    made_with = {role: describe_pipeline(names[role] or name_of(made), made) for role, made in pipes.items()}

    table = Table(references, judge, options, duration_s, progress)
    if generated is not None:
        table.data["notes"].append("There is no reconstruction: the model that made the sounds is not known.")
    if options.controls:
        table.add_controls(pipe)
    if generated is not None:
        sounds = to_lengths(generated.waveforms, table.num_samples)
        table.add("generated", "generated", sounds, {"folder": generated.name})
    kept = {}
    for role, num_steps, guidance_scale in settings:
        name = row_name(role, num_steps, guidance_scale)
        sounds = table.add_made(name, role, pipes[role], made_with[role], num_steps, guidance_scale)
        if keep_sounds:
            kept[name] = sounds
    return EvaluationResults(table.finished(), kept, captions if keep_sounds else [])


def make_judge(classifier, clap, references, options, cache_dir=None, tagger=None):
    r"""
    The [`~audiolcm_diffusers.evaluation.judge.Judge`] that options ask for.

    Args:
        classifier, clap, cache_dir, tagger: See [`evaluate`].
        references ([`~audiolcm_diffusers.evaluation.references.References`]): What is asked for.
        options ([`EvaluationOptions`]): Its settings.

    Raises:
        ValueError: If a metric that is asked for lacks what it needs.
    """
    return Judge(
        classifier,
        clap,
        FeatureCache(cache_dir),
        metrics=options.metrics,
        fad_network=options.fad_network,
        allow_singular=options.allow_singular,
        num_splits=options.num_splits,
        num_resamples=options.num_resamples,
        seed=options.seed,
        batch_size=options.batch_size,
        captions=references.captions,
        takes=options.takes,
        tagger=tagger,
        sound_classes=references.sound_classes,
        tempos_bpm=references.tempos_bpm,
    )


def plan(pipes, captions, duration_s, options):
    r"""
    The settings to judge, each checked by its pipeline.

    Args:
        pipes (`dict[str, AudioLCMPipeline]`): `"model"` and `"teacher"`, those that there are.
        captions (`Sequence[str]`): The prompts.
        duration_s (`float`): Seconds of a sound.
        options ([`EvaluationOptions`]): Steps and scales.

    Returns:
        `list[tuple[str, int, float]]`: Key of the pipeline, steps and guidance scale.

    Raises:
        ValueError: If a pipeline cannot do one of them.
    """
    steps = {"model": options.num_inference_steps, "teacher": options.teacher_steps}
    scales = options.guidance_scales
    if scales is None:
        # One scale for both: two steps are to be set beside the hundred of the same scale.
        scales = [pipe.config.default_guidance_scale for pipe in pipes.values()][:1]
    settings = [(role, num_steps, scale) for role in pipes for scale in scales for num_steps in steps[role]]
    for role, num_steps, scale in settings:
        pipes[role].check_inputs(
            prompt=captions, audio_length_in_s=duration_s, num_inference_steps=num_steps, guidance_scale=scale
        )
    return settings


def row_name(role, num_steps, guidance_scale):
    r"""What a row of the table is called."""
    return f"{role}, {num_steps} step{'s' if num_steps != 1 else ''}, scale {guidance_scale:g}"


def name_of(pipe):
    r"""Where a pipeline was loaded from, or the name of its class."""
    return getattr(pipe, "name_or_path", None) or type(pipe).__name__


def describe_protocol(references, judge, seed, num_samples):
    r"""
    The protocol of a run, see [`audiolcm_diffusers.evaluation`].

    Args:
        references ([`~audiolcm_diffusers.evaluation.references.References`]): What sounds are judged by.
        judge ([`~audiolcm_diffusers.evaluation.judge.Judge`]): By what.
        seed (`int`): Of the run.
        num_samples (`int`): Length of a sound.

    Returns:
        `dict`: What a result must share with another to be compared with it.
    """
    return {
        "dataset": references.describe(num_samples),
        **fixed_rules(num_samples),
        "seed": seed,
        **judge.describe(),
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
    for name, what in (("named", "have a class that is not in the class map"), ("tempo", "have no tempo")):
        metric = protocol["metrics"].get(name)
        if metric and metric["num_clips"] < dataset["num_clips"]:
            rest = dataset["num_clips"] - metric["num_clips"]
            notes.append(f"{name}: {rest} of {dataset['num_clips']} clips {what}, and are left out.")
    for kind, network in protocol["networks"].items():
        if "hears_s" in network and network["hears_s"] * SAMPLING_RATE < protocol["num_samples"]:
            notes.append(f"The {kind} hears the first {network['hears_s']:g} s alone.")
    return notes


class Table:
    r"""
    The table while it is filled.

    Args:
        references ([`~audiolcm_diffusers.evaluation.references.References`]): What sounds are judged by.
        judge ([`~audiolcm_diffusers.evaluation.judge.Judge`]): By what.
        options ([`EvaluationOptions`]): Seed, takes and so on.
        duration_s (`float`): Length of a sound.
        progress (`Callable[[str], None]`, *optional*): Is told the name of each row.
    """

    def __init__(self, references, judge, options, duration_s, progress=None):
        self.judge, self.options, self.progress = judge, options, progress
        self.captions, self.duration_s = references.captions, duration_s
        self.num_samples = round(duration_s * SAMPLING_RATE)
        protocol = describe_protocol(references, judge, options.seed, self.num_samples)
        device = next(iter(judge.networks.values())).device
        self.data = {
            "format": FORMAT,
            "protocol": protocol,
            "software": software_versions(),
            "run": {"device": str(device), "batch_size": options.batch_size},
            "left_out": judge.left_out,
            "notes": notes_on(protocol, judge),
            "rows": [],
        }
        self.references = to_lengths([clip.waveform for clip in references.clips], self.num_samples)
        self.heard, self.texts = judge.listen(self.references), judge.read(self.captions)
        self.further = missing_takes(self.captions, options.takes) if "diversity" in judge.metrics else []

    def add_row(self, name, kind, metrics, generation=None, **facts):
        r"""Add what is known of a row."""
        row = {"name": name, "kind": kind, "metrics": metrics, "generation": generation, **facts}
        self.data["rows"].append(row)
        if self.progress is not None:
            self.progress(name)

    def add(self, name, kind, sounds, generation=None, further=()):
        r"""
        Add a row of sounds.

        Args:
            name, kind (`str`): What it is called, and what it is.
            sounds (`Sequence[torch.Tensor]`): int16, one a reference.
            generation (`dict`, *optional*): How they were made.
            further (`Sequence[torch.Tensor]`): Further takes, of the captions of `missing_takes`.
        """
        heard = self.judge.listen(further) if further else None
        listened = self.judge.listen(sounds)
        metrics = self.judge.estimates(self.heard, listened, self.texts, heard, self.further if further else ())
        self.add_row(name, kind, metrics, generation, num_silent=count_silent(sounds), **self.judge.facts(listened))

    def add_controls(self, pipe=None):
        r"""
        Add the rows whose worth is known beforehand.

        Args:
            pipe ([`AudioLCMPipeline`], *optional*): Whose autoencoder and vocoder the references pass through.
        """
        real = self.judge.real_against_real(self.heard, self.texts, self.captions)
        self.add_row("real against real", "ceiling", real, **self.judge.facts(self.heard))
        self.data["notes"] += self._notes_on_real(real)
        if pipe is not None:
            rebuilt = reconstruct(pipe, self.references, self.options.batch_size)
            self.add("reconstruction", "ceiling", to_lengths(rebuilt, self.num_samples))
        self.add_row("shuffled captions", "control", self.judge.shuffled(self.heard, self.texts, self.captions))
        self.add("white noise", "control", white_noise(self.references, self.options.seed))
        self.add("silence", "control", [reference * 0 for reference in self.references])

    def _notes_on_real(self, real):
        notes = []
        if "fad" in real:
            notes.append(
                f"real against real: FAD of {real['fad']['num_clips']} clips against as many others, so that it is "
                "rather too high beside the other rows."
            )
        if "kl" in real:
            notes.append(f"real against real: KL of {real['kl']['num_clips']} pairs of clips with one caption.")
        elif "kl" in self.judge.metrics:
            notes.append("real against real: no KL, as no caption occurs twice.")
        if "diversity" in real:
            notes.append(
                f"real against real: diversity over the {real['diversity']['num_prompts']} captions that occur twice "
                "or more."
            )
        elif "diversity" in self.judge.metrics:
            notes.append("real against real: no diversity, as no caption occurs twice.")
        return notes

    def add_made(self, name, role, pipe, made_with, num_steps, guidance_scale):
        r"""
        Make sounds, and add their row.

        Args:
            name, role (`str`): What the row is called, and which model it is of.
            pipe ([`AudioLCMPipeline`]): Makes the sounds.
            made_with (`dict`): What results record of it.
            num_steps (`int`), guidance_scale (`float`): How.

        Returns:
            `list[torch.Tensor]`: The sounds that were judged, int16, one a reference.
        """

        def make(captions, first):
            seeds = [clip_seed(self.options.seed, first + index) for index in range(len(captions))]
            batch_size = self.options.batch_size
            return make_sounds(pipe, captions, seeds, batch_size, self.duration_s, num_steps, guidance_scale)

        start = time.perf_counter()
        sounds = make(self.captions, 0)
        generation = {
            **made_with,
            "num_inference_steps": num_steps,
            "guidance_scale": guidance_scale,
            "generation_s": round(time.perf_counter() - start, 3),
        }
        sounds = to_lengths(sounds, self.num_samples)
        further = to_lengths(make(self.further, len(self.captions)), self.num_samples) if self.further else []
        self.add(name, role, sounds, generation, further)
        return sounds

    def finished(self):
        r"""`dict`: The results, with notes on silent sounds."""
        for row in self.data["rows"]:
            if row.get("num_silent") and row["name"] != "silence":
                self.data["notes"].append(
                    f"{row['name']}: {row['num_silent']} of {len(self.captions)} sounds are silent, below -60 dB."
                )
        return self.data

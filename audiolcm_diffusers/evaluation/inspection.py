# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a table of metrics does not show of a model: diversity, copies, lengths and wordings."""

from dataclasses import replace

from ..data.captioned_audio import load_clips
from ..data.latent_cache import clips_fingerprint
from .copies import neighbours_section
from .diversity import diversity_section
from .evaluation import name_of
from .lengths import lengths_section
from .options import InspectionOptions
from .protocol import CONFIDENCE, INSPECTION_FORMAT, SAMPLING_RATE, fixed_rules, software_versions
from .references import References, as_references, notes_on_references
from .results import InspectionResults
from .sounds import describe_pipeline
from .takes import Takes, pick_prompts
from .wordings import check_captions_of, check_paraphrases, wordings_of, wordings_section


# Share of unusable clips that the training scripts leave out by default.
MAX_BAD_FRACTION = 0.05


def inspect(
    pipe,
    clips,
    classifier,
    *,
    tagger=None,
    teacher=None,
    training=None,
    paraphrases=None,
    options=None,
    model_name=None,
    teacher_name=None,
    progress=None,
    **changes,
):
    r"""
    Look closer at a model than a table of metrics does: how far takes of one prompt differ, how near sounds come to
    training clips, sounds of several lengths with their levels and ends, and prompts in other words. Whatever can be
    refused is refused before a sound is made.

    Args:
        pipe ([`AudioLCMPipeline`]): The model.
        clips ([`~audiolcm_diffusers.evaluation.references.References`], `Sequence[Clip]`, `str` or `Path`):
            Captioned recordings that no model was trained on, or the folder that they are read from. The captions with
            the most clips are the prompts.
        classifier ([`~audiolcm_diffusers.evaluation.networks.ClassifyingNetwork`]):
            Whose embeddings are compared, and which names sounds where there is no tagger.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): An outside ear, which names sounds.
        teacher ([`AudioLCMPipeline`], *optional*): A second model, whose diversity and neighbours are shown.
        training (as `clips`, *optional*): What the model was trained on, to look for copies of it.
        paraphrases (`dict[str, list[str]]`, *optional*):
            Captions that sounds can be named as, and other wordings of each.
        options ([`InspectionOptions`], *optional*): All others.
        model_name, teacher_name (`str`, *optional*): What results call them; by default where they were loaded from.
        progress (`Callable[[str], None]`, *optional*): Is told what is done.
        changes: Single fields of [`InspectionOptions`], such as `takes=2`.

    Returns:
        [`~audiolcm_diffusers.evaluation.results.InspectionResults`].

    Raises:
        ValueError:
            If no caption has two clips, clips cannot be read or are in both sets, a caption of `paraphrases` is no
            class, a pipeline cannot do what is asked, or a sound is not finite.
        TypeError: If there is no such option.

    Example:

    ```python
    >>> from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline
    >>> from audiolcm_diffusers.evaluation import inspect, load_classifier

    >>> pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    >>> judge = load_classifier("runs/judge/model", pipe.device)
    >>> results = inspect(pipe, "DATA/validation", judge, training="DATA/train", takes=2)
    >>> print(results)
    >>> results.save("runs/inspection")
    ```
    """
    options = replace(options or InspectionOptions(), **changes)
    if options.guidance_scale is None:
        options = replace(options, guidance_scale=pipe.config.default_guidance_scale)
    paraphrases = dict(paraphrases or {})
    namer = classifier if tagger is None else tagger
    if paraphrases:
        check_paraphrases(paraphrases)
        check_captions_of(paraphrases, namer)
    references = as_references(clips)
    prompts = pick_prompts(references.captions, options.max_prompts)
    if training is not None:
        training = as_training_clips(training, references)
    pipes = {role: made for role, made in (("model", pipe), ("teacher", teacher)) if made is not None}
    duration_s = pipe.config.default_audio_length_in_s
    texts = [*prompts, *wordings_of(paraphrases)]
    check_calls(pipes, texts, [duration_s, *options.durations], options, training is not None)

    takes = Takes(pipes, classifier, references.clips, options, duration_s, progress, namer, references.sound_classes)
    names = {"model": model_name, "teacher": teacher_name}
    data = {
        "format": INSPECTION_FORMAT,
        "protocol": describe_protocol(takes, references, training, paraphrases),
        "software": software_versions(),
        "run": {"device": str(classifier.device), "batch_size": options.batch_size},
        "generation": {
            role: {
                **describe_pipeline(names[role] or name_of(made), made),
                "num_inference_steps": takes.num_steps[role],
                "guidance_scale": options.guidance_scale,
            }
            for role, made in pipes.items()
        },
        "left_out": left_out(neighbours=training, paraphrases=paraphrases, teacher=teacher),
        "notes": [],
        "sections": {},
    }
    data["notes"] = notes_on(takes, data, 0 if training is None else training.num_left_out)

    made = {role: takes.take_sounds(role) for role in pipes}
    heard = {role: takes.listen(sounds)["features"] for role, sounds in made.items()}
    sections = data["sections"]
    sections["diversity"] = diversity_section(takes, heard)
    if training is not None:
        sections["neighbours"] = neighbours_section(takes, made, heard, training.clips)
    sections["lengths"] = lengths_section(takes)
    if paraphrases:
        sections["paraphrases"] = wordings_section(takes, paraphrases)
    return InspectionResults(data)


def read_training_clips(folder, outside_paths=False):
    r"""
    Read the clips to look for copies of, without those that training leaves out.

    Args:
        folder (`str` or `Path`): Captioned clips.
        outside_paths (`bool`, defaults to `False`): Whether rows may name files outside of it.

    Returns:
        [`~audiolcm_diffusers.evaluation.references.References`]: Clips at 16 kHz; `num_left_out` says how many are
        left out because they are silent or cannot be read.

    Raises:
        ValueError: If there is no clip, or too many are bad.
    """
    bad = []
    clips = load_clips(
        folder, SAMPLING_RATE, max_bad_fraction=MAX_BAD_FRACTION, bad_clips=bad, outside_paths=outside_paths
    )
    return References(clips, str(folder), num_left_out=len(bad))


def as_training_clips(training, held_out, outside_paths=False):
    r"""
    The clips that a model was trained on. None may be held out: those show how near a sound comes that is no copy.

    Args:
        training ([`~audiolcm_diffusers.evaluation.references.References`], `Sequence[Clip]`, `str` or `Path`):
            The clips, or the folder that they are read from.
        held_out ([`~audiolcm_diffusers.evaluation.references.References`]): What the model was not trained on.
        outside_paths (`bool`, defaults to `False`): See [`read_training_clips`].

    Returns:
        [`~audiolcm_diffusers.evaluation.references.References`].

    Raises:
        ValueError: If there is no clip, too many are bad, or any is held out, too.
    """
    if not isinstance(training, (References, list, tuple)):
        training = read_training_clips(training, outside_paths)
    training = as_references(training)
    known = {clip.waveform.numpy().tobytes() for clip in training.clips}
    both = [clip.name for clip in held_out.clips if clip.waveform.numpy().tobytes() in known]
    if both:
        raise ValueError(
            f"Expected clips in `clips` that are not in `training`, got {len(both)} of {len(held_out.clips)} that are "
            f"in both: {', '.join(both[:5])}{', …' if len(both) > 5 else ''}."
        )
    return training


def check_calls(pipes, prompts, durations, options, look_for_copies):
    r"""
    Have the pipelines check all that they will be asked for.

    Args:
        pipes (`dict[str, AudioLCMPipeline]`): `"model"`, and `"teacher"` where there is one.
        prompts (`Sequence[str]`): All of them.
        durations (`Sequence[float]`): Seconds, first the model's own length, which is the teacher's, too.
        options ([`InspectionOptions`]): Steps and scale.
        look_for_copies (`bool`): Whether training clips pass through the model's autoencoder.

    Raises:
        ValueError: If one cannot do it.
    """
    for duration_s in durations:
        pipes["model"].check_inputs(
            prompt=prompts,
            audio_length_in_s=duration_s,
            num_inference_steps=options.num_inference_steps,
            guidance_scale=options.guidance_scale,
        )
    rate = pipes["model"].sampling_rate
    if look_for_copies and rate != SAMPLING_RATE:
        raise ValueError(f"Expected a model of {SAMPLING_RATE} Hz with `training`, got one of {rate} Hz.")
    if "teacher" in pipes:
        pipes["teacher"].check_inputs(
            prompt=prompts,
            audio_length_in_s=durations[0],
            num_inference_steps=options.teacher_steps,
            guidance_scale=options.guidance_scale,
        )


def describe_protocol(takes, references, training, paraphrases):
    r"""
    The protocol of a run, see [`audiolcm_diffusers.evaluation`].

    Args:
        takes ([`~audiolcm_diffusers.evaluation.takes.Takes`]): Prompts, real clips and options.
        references, training ([`~audiolcm_diffusers.evaluation.references.References`]): `training` may be `None`.
        paraphrases (`dict[str, list[str]]`): May be empty.

    Returns:
        `dict`: What a result must share with another to be compared with it.
    """
    options = takes.options
    return {
        "dataset": references.describe(takes.num_samples),
        "training": None
        if training is None
        else {
            "name": training.name,
            "fingerprint": clips_fingerprint(training.clips),
            "num_clips": len(training.clips),
        },
        **fixed_rules(takes.num_samples),
        "seeds": "seed + take, from take 0",
        "seed": options.seed,
        "takes": options.takes,
        "prompts": takes.prompts,
        "num_real": len(takes.real),
        "durations": list(options.durations),
        "paraphrases": paraphrases,
        "networks": {
            "classifier": takes.classifier.describe(),
            **({} if takes.namer is takes.classifier else {"tagger": takes.namer.describe()}),
        },
        "bootstrap": {"num_resamples": options.num_resamples, "confidence": CONFIDENCE, "seed": options.seed},
    }


def left_out(neighbours, paraphrases, teacher):
    r"""`dict[str, str]`: Sections and rows that lack what they need, and why."""
    found = {
        "neighbours": (neighbours is not None, "no --train"),
        "paraphrases": (bool(paraphrases), "no --paraphrases"),
        "teacher": (teacher is not None, "no --teacher"),
    }
    return {name: reason for name, (is_there, reason) in found.items() if not is_there}


def notes_on(takes, data, num_bad):
    r"""What a reader of the tables must know."""
    notes = [f"Left out: {name}, {reason}." for name, reason in data["left_out"].items()]
    notes += notes_on_references(data["protocol"]["dataset"])
    if num_bad:
        notes.append(f"{num_bad} training clips are silent or cannot be read, and are left out.")
    classifier, prompts = takes.classifier, takes.prompts
    whose = "of the classifier" if takes.namer is classifier else "in the tagger's class map"
    if not takes.nameable:
        notes.append(f"No prompt is a class {whose}: no share of the prompts' sounds is named.")
    elif len(takes.nameable) < len(prompts):
        notes.append(
            f"{len(prompts) - len(takes.nameable)} of {len(prompts)} prompts are no class {whose}; "
            "their sounds cannot be named."
        )
    heard_s = classifier.num_heard_samples / classifier.sampling_rate
    if heard_s < max(*takes.options.durations, takes.num_samples / SAMPLING_RATE):
        notes.append(f"The classifier hears the first {heard_s:g} s of a sound alone.")
    return notes

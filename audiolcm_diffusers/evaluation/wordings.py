# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Prompts in other words: whether they are named as what they mean."""

import json
from collections import Counter
from pathlib import Path

from .controls import to_lengths


def read_paraphrases(path):
    r"""
    Read other wordings of captions.

    Args:
        path (`str` or `Path`): JSON, an object of captions and lists of wordings.

    Returns:
        `dict[str, list[str]]`: At least one caption, each with at least one wording.

    Raises:
        ValueError: If the file is missing or holds something else, or a wording occurs twice.
    """
    try:
        paraphrases = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"`paraphrases` {str(path)!r} cannot be read: {error}.") from error
    check_paraphrases(paraphrases, str(path))
    return paraphrases


def check_paraphrases(paraphrases, name="paraphrases"):
    r"""
    Refuse what are no wordings of captions.

    Args:
        paraphrases (`dict[str, list[str]]`): Captions, and other wordings of each.
        name (`str`, defaults to `"paraphrases"`): Where they came from.

    Raises:
        ValueError: If they are something else, or a wording occurs twice.
    """
    expected = f"Expected `paraphrases` {name!r} to be an object of captions and lists of wordings"
    if not isinstance(paraphrases, dict) or not paraphrases:
        raise ValueError(f"{expected}, got {json.dumps(paraphrases)[:80]}.")
    for caption, wordings in paraphrases.items():
        is_list = isinstance(wordings, list) and wordings
        if not is_list or not all(isinstance(wording, str) and wording.strip() for wording in wordings):
            raise ValueError(f"{expected}, got {json.dumps(wordings)[:80]} for {caption!r}.")
    twice = [wording for wording, times in Counter(wordings_of(paraphrases)).items() if times > 1]
    if twice:
        raise ValueError(f"Expected the wordings of {name!r} to be all different, got {twice[0]!r} twice.")


def wordings_of(paraphrases):
    r"""`list[str]`: All captions, each followed by its other wordings."""
    return [text for caption, wordings in paraphrases.items() for text in (caption, *wordings)]


def check_captions_of(paraphrases, namer):
    r"""
    Refuse captions that sounds cannot be named as.

    Args:
        paraphrases (`dict[str, list[str]]`): From [`read_paraphrases`].
        namer ([`~audiolcm_diffusers.evaluation.networks.ClassifyingNetwork`]): Names sounds; or a tagger.

    Raises:
        ValueError: Naming them, and what it can.
    """
    unknown = [caption for caption in paraphrases if namer.class_of(caption) is None]
    if unknown:
        raise ValueError(
            f"Expected `paraphrases` of classes of {namer.name!r}, {', '.join(namer.classes)}; got "
            f"{', '.join(map(repr, unknown))}."
        )


def wordings_section(takes, paraphrases):
    r"""
    Whether sounds of other wordings are named as the captions that they stand for.

    Args:
        takes ([`~audiolcm_diffusers.evaluation.takes.Takes`]): Makes and names sounds.
        paraphrases (`dict[str, list[str]]`): From [`read_paraphrases`].

    Returns:
        `dict`: Of each caption, and over all: the shares of takes of the captions as they are and of other
        wordings.
    """
    texts = wordings_of(paraphrases)
    owners = [caption for caption, wordings in paraphrases.items() for _ in (caption, *wordings)]
    sounds = to_lengths(takes.make("model", texts, takes.num_samples), takes.num_samples)
    num_takes = takes.options.takes
    named = takes.named(sounds, [caption for caption in owners for _ in range(num_takes)])
    share = {text: sum(named[index * num_takes :][:num_takes]) / num_takes for index, text in enumerate(texts)}
    takes.say(f"{len(sounds)} sounds of {len(texts)} wordings")
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
            "caption": takes.mean([share[caption] for caption in paraphrases]),
            "mean": takes.mean([share[wording] for wordings in paraphrases.values() for wording in wordings]),
        },
    }

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How far sounds of one prompt differ."""

from collections import Counter

import torch

from .bootstrap import mean_over_prompts, ratio_over_prompts


def mean_pairwise_distance(features):
    r"""
    Mean Euclidean distance of all pairs of rows.

    Args:
        features (`torch.Tensor` of shape `(num_sounds, dim)`): A row a sound.

    Returns:
        `float`: Its expectation does not depend on the number of sounds.

    Raises:
        ValueError: If there are fewer than two sounds.
    """
    if features.ndim != 2 or features.shape[0] < 2:
        raise ValueError(f"Expected features of two sounds or more, got shape {tuple(features.shape)}.")
    return float(torch.pdist(features.double()).mean())


def distances_by_caption(features, captions):
    r"""
    [`mean_pairwise_distance`] of the sounds of each caption.

    Args:
        features (`torch.Tensor` of shape `(num_sounds, dim)`): A row a sound.
        captions (`Sequence[str]`): Of each sound.

    Returns:
        `dict[str, float]`: Of the captions with two sounds or more, in the order in which they first occur.

    Raises:
        ValueError: If there are more or fewer captions than sounds.
    """
    if len(captions) != features.shape[0]:
        raise ValueError(f"Expected a caption of each sound, got {len(captions)} of {features.shape[0]} sounds.")
    rows = {}
    for row, caption in enumerate(captions):
        rows.setdefault(caption, []).append(row)
    return {caption: mean_pairwise_distance(features[of]) for caption, of in rows.items() if len(of) > 1}


def missing_takes(captions, takes):
    r"""
    What must be made beside one sound of each clip, so that there are enough of every caption.

    Args:
        captions (`Sequence[str]`): Of each clip.
        takes (`int`): Sounds of a caption that are wanted.

    Returns:
        `list[str]`: A caption for each further sound, in the order in which captions first occur.
    """
    return [caption for caption, number in Counter(captions).items() for _ in range(takes - number)]


def diversity_section(takes, heard):
    r"""
    How far takes of one prompt, and real clips of one caption, differ.

    Args:
        takes ([`~audiolcm_diffusers.evaluation.takes.Takes`]): Prompts, real clips and what is drawn.
        heard (`dict[str, torch.Tensor]`): Embeddings of all takes, of the model and the teacher.

    Returns:
        `dict`: Distances of each prompt; `rows` and `ratios`, means over all prompts and over those with several
        clips.
    """
    options, prompts = takes.options, takes.prompts
    distances = {role: distances_by_caption(features, takes.prompt_of_each) for role, features in heard.items()}
    distances["real clips"] = distances_by_caption(takes.real_features, [clip.caption for clip in takes.real])
    columns = {
        "all prompts": prompts,
        "prompts with several clips": [prompt for prompt in prompts if prompt in distances["real clips"]],
    }

    def of(estimate, *names):
        return {
            column: estimate(*([distances[name][prompt] for prompt in chosen] for name in names))
            for column, chosen in columns.items()
            if all(prompt in distances[name] for name in names for prompt in chosen)
        }

    def ratio(above, below):
        if not all(below):
            return None  # takes that are all the same: nothing to be a multiple of
        return ratio_over_prompts(above, below, options.num_resamples, options.seed)

    def mean(values):
        return mean_over_prompts(values, options.num_resamples, options.seed)

    pairs = [(one, other) for one in heard for other in ("teacher", "real clips") if other in distances]
    takes.say("diversity")
    return {
        "rows": {name: of(mean, name) for name in distances},
        "ratios": {f"{one} / {other}": of(ratio, one, other) for one, other in pairs if one != other},
        "prompts": {prompt: {name: distances[name].get(prompt) for name in distances} for prompt in prompts},
    }

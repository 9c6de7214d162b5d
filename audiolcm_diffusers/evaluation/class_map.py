# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Which labels of a tagger stand for a class of sounds, and when a sound is named as its class."""

import json
from pathlib import Path

import numpy as np


NUM_LIKELIEST = 5  # labels of a sound, of which one of its class's must be


def read_class_map(path):
    r"""
    Read which labels stand for a class of sounds.

    Args:
        path (`str` or `Path`):
            JSON, an object of classes and lists of labels. A class is what a dataset's column `sound_class` holds, or
            a caption, in small letters and without a full stop.

    Returns:
        `dict[str, list[str]]`.

    Raises:
        ValueError: If the file is missing or holds something else.
    """
    try:
        class_map = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"The class map {str(path)!r} cannot be read: {error}.") from error
    check_class_map(class_map, str(path))
    return class_map


def check_class_map(class_map, name="class map"):
    r"""
    Refuse what is no class map.

    Args:
        class_map (`dict[str, list[str]]`): See [`read_class_map`].
        name (`str`): What errors call it.

    Raises:
        ValueError: If it is something else.
    """
    expected = f"Expected the class map {name!r} to be an object of classes and lists of labels"
    if not isinstance(class_map, dict) or not class_map:
        raise ValueError(f"{expected}, got {json.dumps(class_map)[:80]}.")
    for sound_class, labels in class_map.items():
        if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
            raise ValueError(f"{expected}, got {json.dumps(labels)[:80]} for {sound_class!r}.")


def class_of(class_map, caption, sound_class=None):
    r"""
    The class of a sound.

    Args:
        class_map (`dict[str, list[str]]`): See [`read_class_map`].
        caption (`str`): Its caption, which counts where no class is given.
        sound_class (`str`, *optional*): Its class.

    Returns:
        `str`, *optional*: `None` where the map has no such class.
    """
    name = sound_class or caption.strip().rstrip(".").lower()
    return name if name in class_map else None


def is_named(probabilities, columns):
    r"""
    Whether a sound is named as its class: one of the class's labels is among the five likeliest.

    Args:
        probabilities (`numpy.ndarray` of shape `(num_labels,)`): A tagger's, the mean over the sound's patches.
        columns (`Collection[int]`): Where the class's labels are.

    Returns:
        `bool`.
    """
    return not set(np.argsort(probabilities)[::-1][:NUM_LIKELIEST].tolist()).isdisjoint(columns)

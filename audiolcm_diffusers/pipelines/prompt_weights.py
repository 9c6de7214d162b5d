# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Words that count for more or less: `"(rain:1.3) and wind"`.

The embeddings of a phrase's tokens are moved away from those of the empty prompt, at the same places, or towards them:
`z' = z_empty + weight * (z - z_empty)`. A weight of 1 changes nothing, one of 0 says nothing. As written by users of
other tools; a bracket that is meant as one has a backslash before it.
"""

import re
from collections.abc import Sequence

from .prompt_events import event_text


MAX_WEIGHT = 10.0

_WEIGHTED = re.compile(r"(?<!\\)\(((?:[^()\\:]|\\.)+):\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)")
_ESCAPED = re.compile(r"\\([()])")


def parse_weights(prompt: str) -> tuple[str, list[tuple[str, float]]]:
    r"""
    Take the weights out of a prompt.

    Args:
        prompt (`str`): With phrases such as `(rain:1.3)`. Brackets without a weight are text, as are those after a
            backslash, which is taken out.

    Returns:
        `tuple[str, list[tuple[str, float]]]`: The prompt without weights, and its phrases with theirs, in order.

    Raises:
        ValueError: If a weight is below 0 or above 10.

    Example:

    ```python
    >>> parse_weights("(rain:1.3) and wind")
    ('rain and wind', [('rain', 1.3)])
    ```
    """
    phrases = []

    def plain(match: re.Match) -> str:
        weight = float(match[2])
        if not 0 <= weight <= MAX_WEIGHT:
            raise ValueError(f"Expected a weight from 0 to {MAX_WEIGHT:g} in the prompt {prompt!r}, got {match[0]!r}.")
        phrase = _ESCAPED.sub(r"\1", match[1]).strip()
        if phrase and weight != 1:
            phrases.append((phrase, weight))
        return match[1].strip()

    return _ESCAPED.sub(r"\1", _WEIGHTED.sub(plain, prompt)), phrases


def token_weights(
    caption: str, offsets: Sequence[tuple[int, int]], phrases: Sequence[tuple[str, float]]
) -> list[float]:
    r"""
    How much each token of a caption counts.

    Args:
        caption (`str`): What is tokenized.
        offsets (`Sequence[tuple[int, int]]`): Where in it each token begins and ends.
        phrases (`Sequence[tuple[str, float]]`): From [`parse_weights`], in the order in which they stand in it.

    Returns:
        `list[float]`: 1 for what is in no phrase.

    Raises:
        ValueError: If a phrase is not in the caption.
    """
    weights, place = [1.0] * len(offsets), 0
    for phrase, weight in phrases:
        spellings = dict.fromkeys((phrase, " ".join(phrase.split()), event_text(phrase)))
        found = next((text for text in spellings if text and caption.find(text, place) >= 0), None)
        if found is None:
            raise ValueError(f"The phrase {phrase!r} with the weight {weight:g} is not in {caption!r}.")
        start = caption.find(found, place)
        place = start + len(found)
        for index, (first, last) in enumerate(offsets):
            if first < place and start < last:
                weights[index] = weight
    return weights


def escape_weights(text: str) -> str:
    r"""The prompt of a text in which brackets are brackets, whatever stands in them."""
    return re.sub(r"([()])", r"\\\1", text)

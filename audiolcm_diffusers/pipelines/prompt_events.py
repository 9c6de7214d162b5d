# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Structured captions: what sounds, and when.

The second text stream of AudioLCM (arXiv:2406.00356), like Make-An-Audio 2 (arXiv:2305.18474), reads a caption as a
sequence of events, each with its place in time: `<rocket flying by& start>@<loud explosion& mid>`. A caption without
such places is one event that lasts all the time: `<a dog barking& all>`.
"""

import re
from collections.abc import Sequence


EVENT_ORDERS = ("all", "start", "mid", "end")

_EVENT = re.compile(r"<([^<>&@]+)&([^<>&@]*)>")
_STRUCTURED_CAPTION = re.compile(rf"\s*{_EVENT.pattern}(?:\s*@\s*{_EVENT.pattern})*\s*")


def event_text(text: str) -> str:
    r"""
    Write a text without the four characters that structure a caption: `&` and `@` as words, `<` and `>` not at all.

    Raises:
        ValueError: If it holds a surrogate, half of a character, which tokenizers do not take.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"Expected a prompt of whole characters, got {text!r}, in which {text[error.start]!r} is none: it stands "
            "for bytes that are no UTF-8, or for half of a character."
        ) from None
    spelled_out = text.replace("&", " and ").replace("@", " at ").replace("<", " ").replace(">", " ")
    return " ".join(spelled_out.split())


def format_events(events: Sequence[tuple[str, str]]) -> str:
    """
    Write events as a structured caption.

    Args:
        events (`Sequence[tuple[str, str]]`):
            At least one pair of a description and its order, which is one of `"all"`, `"start"`, `"mid"`, `"end"`.
            In a description, `&` and `@` are spelled out as "and" and "at", and `<` and `>` are left out, because
            they delimit the events.

    Returns:
        `str`: For example `"<dog barks& start>@<rain& all>"`.

    Raises:
        ValueError: If there is no event, an event is no pair of strings, a description says nothing, or an order is
            unknown.

    Example:

    ```python
    >>> format_events([("dog barks", "start"), ("rain", "all")])
    '<dog barks& start>@<rain& all>'
    ```
    """
    if isinstance(events, str) or not isinstance(events, Sequence) or len(events) == 0:
        raise ValueError(
            f"Expected events to be a list of (description, order) pairs with at least one, got {events!r}."
        )
    formatted = []
    for event in events:
        if (
            isinstance(event, str)
            or not isinstance(event, Sequence)
            or len(event) != 2
            or not all(isinstance(part, str) for part in event)
        ):
            raise ValueError(f"Expected an event to be a pair of strings (description, order), got {event!r}.")
        text, order = event_text(event[0]), event[1].strip()
        if not text:
            raise ValueError(f"Expected an event to have a description, got {event!r}.")
        if order not in EVENT_ORDERS:
            raise ValueError(f"Expected the order of an event to be one of {EVENT_ORDERS}, got {event!r}.")
        formatted.append(f"<{text}& {order}>")
    return "@".join(formatted)


def parse_events(prompt: str) -> list[tuple[str, str]] | None:
    """
    Read a structured caption back as events.

    Args:
        prompt (`str`):
            Any prompt.

    Returns:
        `list[tuple[str, str]]` or `None`: The (description, order) pairs; `None` where the prompt is not in structured
        form as a whole, so that it is plain text.
    """
    if _STRUCTURED_CAPTION.fullmatch(prompt) is None:
        return None
    return [(text.strip(), order.strip()) for text, order in _EVENT.findall(prompt)]


def structured_caption(prompt: str) -> str:
    """
    Turn a prompt into what the second text stream reads.

    Args:
        prompt (`str`):
            Plain text, or a caption in structured form already.

    Returns:
        `str`: A structured caption as it is; plain text as one event, `"<prompt& all>"`; an empty prompt, which
        stands for "no condition", as the empty string.

    Raises:
        ValueError: If the prompt is in structured form and an order is unknown or a description is empty.

    Example:

    ```python
    >>> structured_caption("a dog barking")
    '<a dog barking& all>'
    >>> structured_caption("<a sneeze& start>@<a door slams& end>")
    '<a sneeze& start>@<a door slams& end>'
    ```
    """
    events = parse_events(prompt)
    if events is not None:
        return format_events(events)
    if not event_text(prompt):
        return ""
    return format_events([(prompt, "all")])


def plain_caption(prompt: str) -> str:
    """
    Turn a prompt into what the first text stream reads, which knows no structure.

    Args:
        prompt (`str`):
            Plain text, or a caption in structured form.

    Returns:
        `str`: Plain text as it is; the descriptions of a structured caption joined by "and".

    Example:

    ```python
    >>> plain_caption("<a sneeze& start>@<a door slams& end>")
    'a sneeze and a door slams'
    ```
    """
    events = parse_events(prompt)
    return prompt if events is None else " and ".join(text for text, _ in events)


def structured_captions(events: Sequence) -> list[str]:
    """
    Write the events of one prompt, or of several, as structured captions.

    Args:
        events (`Sequence`):
            The (description, order) pairs of one prompt, or a list of such lists, one a prompt.

    Returns:
        `list[str]`: One structured caption a prompt.

    Raises:
        ValueError: As [`format_events`].
    """
    if isinstance(events, str) or not isinstance(events, Sequence) or len(events) == 0:
        return [format_events(events)]
    is_batch = all(isinstance(item, Sequence) and not any(isinstance(part, str) for part in item) for item in events)
    return [format_events(item) for item in events] if is_batch else [format_events(events)]

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Captions that were encoded before."""

from collections import OrderedDict
from collections.abc import Sequence

import torch

from .prompts import Captions, TextStream


class CaptionCache:
    r"""
    Tokens of the captions that were asked for last. What the text encoders hold is looked at: other ones, another
    precision or place, and weights that were changed begin anew.

    Args:
        size (`int`): Captions that are kept.
    """

    def __init__(self, size: int):
        self.size = size
        self._owner = None
        self._rows = OrderedDict()

    def encode(self, captions: Captions, streams: Sequence[TextStream], device: torch.device) -> torch.Tensor:
        r"""What [`~pipelines.prompts.Captions.encode`] gives; only captions that are new are encoded."""
        owner = _fingerprint(streams, device)
        if owner != self._owner:
            self._owner = owner
            self._rows.clear()
        keys = [
            (plain, structured, tuple(phrases))
            for plain, structured, phrases in zip(captions.plain, captions.structured, captions.phrases)
        ]
        rows = {key: self._rows[key] for key in keys if key in self._rows}
        new = [key for key in dict.fromkeys(keys) if key not in rows]
        if new:
            plain, structured, phrases = zip(*new)
            encoded = Captions([*plain], [*structured], [[*of_one] for of_one in phrases]).encode(streams, device)
            rows |= zip(new, encoded)
        for key in rows:
            self._rows[key] = rows[key]
            self._rows.move_to_end(key)
        while len(self._rows) > self.size:
            self._rows.popitem(last=False)
        return torch.stack([rows[key] for key in keys])


def _fingerprint(streams: Sequence[TextStream], device: torch.device) -> tuple:
    parts = [part for stream in streams for part in (stream.text_encoder, stream.projection) if part is not None]
    # Each change in place counts a tensor's version up.
    weights = [weight for part in parts for weight in part.parameters()]
    return (
        str(device),
        *map(id, parts),
        *(id(stream.tokenizer) for stream in streams),
        *{str(weight.dtype) for weight in weights},
        sum(weight._version for weight in weights),
        sum(weight.data_ptr() for weight in weights),
    )

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Numbers that are no sound: what is not finite is refused where it arises, and silence is told."""

import torch
from diffusers.utils import logging


logger = logging.get_logger(__name__)

# Peak below which nothing is heard: -80 dB of full scale.
SILENT_PEAK = 1e-4


def check_finite(values: torch.Tensor, what: str) -> None:
    r"""
    Refuse NaN and infinity.

    Args:
        values (`torch.Tensor`): Of any shape and floating-point type; whole numbers are finite.
        what (`str`): Where they come from, as the message's beginning.

    Raises:
        ValueError: Telling how many there are, and of a batch in which row the first one is.
    """
    if values.device.type == "meta":
        return  # shapes without values
    finite = torch.isfinite(values)
    if finite.all():
        return
    row = int((~finite.reshape(len(values), -1).all(dim=1)).nonzero()[0])
    raise ValueError(
        f"{what} to be finite, got {int((~finite).sum())} values of {values.numel()} that are NaN or infinite, the "
        f"first in row {row}."
    )


def warn_of_silence(waveforms: torch.Tensor) -> None:
    r"""
    Tell which sounds are silent.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sounds.
    """
    lowest, highest = waveforms.aminmax(dim=1)
    rows = (torch.maximum(-lowest, highest) < SILENT_PEAK).nonzero().flatten().tolist()
    if rows:
        logger.warning(
            f"Of {len(waveforms)} sounds, these are silent: {', '.join(map(str, rows))}. No peak reaches "
            f"{SILENT_PEAK:g}. Is the model in a precision that it cannot run in, or the length shorter than a fade?"
        )

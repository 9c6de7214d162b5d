# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
import torch.nn.functional as F

from audiolcm_diffusers.audio.overlap import overlap_add


@pytest.mark.parametrize(("length", "hop", "frames"), [(8, 2, 5), (8, 4, 1), (7, 3, 4), (6, 6, 3), (10, 4, 2)])
def test_frames_are_added_where_they_lie(length, hop, frames):
    """As `fold` does, to the last bit."""
    pieces = torch.randn(2, frames, length, generator=torch.Generator().manual_seed(0))
    samples = (frames - 1) * hop + length
    expected = F.fold(pieces.mT, (1, samples), (1, length), stride=(1, hop))[:, 0, 0]
    assert torch.equal(overlap_add(pieces, hop), expected)

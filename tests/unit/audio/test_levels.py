# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.audio.levels import PEAK, limit_peaks


def test_what_is_not_too_loud_stays_as_it_is():
    waveforms = torch.rand(2, 64, generator=torch.Generator().manual_seed(0)) * 2 * PEAK - PEAK
    assert torch.equal(limit_peaks(waveforms, 8), waveforms)


def test_gains_are_linear_between_blocks():
    """One sample of 2 in a block of 4: three blocks on either side have its gain, the next ones lead up to 1."""
    waveforms = torch.full((1, 64), 0.5)
    waveforms[0, 33] = -2.0
    gains = limit_peaks(waveforms, 4) / waveforms
    low = PEAK / 2
    expected = torch.ones(64)
    expected[22:46] = low  # from the middle of block 5 to that of block 11
    ramp = torch.tensor([0.125, 0.375, 0.625, 0.875])
    expected[18:22] = 1 - (1 - low) * ramp
    expected[46:50] = 1 - (1 - low) * ramp.flip(0)
    torch.testing.assert_close(gains[0], expected)
    assert limit_peaks(waveforms, 4).abs().max() == pytest.approx(PEAK)


@pytest.mark.parametrize("blocks", [1, 2, 300])
def test_nothing_leaves_the_range(blocks):
    waveforms = 3 * torch.randn(4, 16 * blocks, generator=torch.Generator().manual_seed(blocks))
    assert limit_peaks(waveforms, 16).abs().max() < 1

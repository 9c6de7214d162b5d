# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers.evaluation.levels import (
    LOWEST_LEVEL_DB,
    clipped_share,
    ends,
    level_db,
    level_difference_db,
    loudest_db,
)
from audiolcm_diffusers.evaluation.options import min_samples_of_ends


RATE = 16000


def test_levels():
    assert level_db(torch.full((100,), 0.1)) == pytest.approx(-20.0)
    # A sine has half the power of its peak: 10 log10 0.5.
    sine = torch.sin(2 * math.pi * torch.arange(1600) / 16)
    assert level_db(sine) == pytest.approx(10 * math.log10(0.5), abs=1e-5)
    assert level_db(torch.zeros(100)) == LOWEST_LEVEL_DB


def test_the_loudest_part_does_not_depend_on_silence():
    burst = torch.full((RATE // 10,), 0.1)
    assert loudest_db(torch.cat([torch.zeros(4800), burst, torch.zeros(4800)]), RATE) == pytest.approx(-20.0)
    assert loudest_db(burst[:100], RATE) == pytest.approx(-20.0)


def test_level_difference_is_a_median_of_differences_of_medians():
    levels = {"a": [-20.0, -10.0, -99.0], "b": [-30.0], "c": [0.0, -2.0]}
    real = {"a": [-25.0], "b": [-20.0, -40.0], "c": [-9.0]}
    # a: -20 + 25 = 5; b: -30 + 30 = 0; c: -1 + 9 = 8.
    assert level_difference_db(levels, real) == 5.0
    with pytest.raises(KeyError):
        level_difference_db(levels, {"a": [0.0]})


def test_clipped_share():
    below = 1.0 - 1.5 / 32768
    assert clipped_share(torch.tensor([1.0, -1.0, below, 0.0, 1.0 - 1 / 32768, 1.3, -below, 0.1])) == 0.5


def test_ends():
    # A first 10 ms of 0.5 before 100 ms of 0.05: 20 dB. The last 10 ms are as what is before them, and end at -0.05.
    waveform = torch.cat([torch.full((160,), 0.5), torch.full((4000,), 0.05), torch.full((160,), -0.05)])
    measured = ends(waveform, RATE)
    assert measured == pytest.approx(
        {"first_db": 20.0, "last_db": 0.0, "first_step": 0.5, "last_step": 0.05}, abs=1e-5
    )
    # Backwards, ends change places.
    backwards = ends(waveform.flip(0), RATE)
    assert [backwards[name] for name in ("last_db", "first_db", "last_step", "first_step")] == list(measured.values())
    # A sound that fades in from a tenth: -20 dB.
    faded = torch.cat([torch.full((160,), 0.01), torch.full((1600,), 0.1)])
    assert ends(faded, RATE)["first_db"] == pytest.approx(-20.0, abs=1e-4)
    assert min_samples_of_ends(RATE) == 160 + 1600
    with pytest.raises(ValueError, match="at least 1760 samples, got 1759"):
        ends(faded[1:], RATE)

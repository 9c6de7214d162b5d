# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers.metrics.inspection import (
    LOWEST_LEVEL_DB,
    clipped_share,
    ends,
    level_db,
    level_difference_db,
    loudest_db,
    mean_over_prompts,
    mean_pairwise_distance,
    min_samples_of_ends,
    nearest_clips,
    pattern_similarity,
    pieces,
    ratio_over_prompts,
)


RATE = 16000


def test_mean_pairwise_distance_of_a_triangle():
    # Sides 3, 4 and 5: (3 + 4 + 5) / 3.
    assert mean_pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])) == pytest.approx(4.0)
    assert mean_pairwise_distance(torch.ones(4, 2)) == 0.0
    with pytest.raises(ValueError, match=r"two sounds or more, got shape \(1, 2\)"):
        mean_pairwise_distance(torch.zeros(1, 2))


def test_means_over_prompts():
    estimate = mean_over_prompts([1.0, 2.0, 6.0], num_resamples=50, seed=0)
    assert estimate["value"] == pytest.approx(3.0) and estimate["num_prompts"] == 3
    assert estimate["low"] <= 3.0 <= estimate["high"]


def test_a_ratio_of_means_draws_both_values_of_a_prompt():
    # Each prompt's ratio is 2: so is that of every draw, however different the prompts are.
    estimate = ratio_over_prompts([2.0, 20.0, 6.0], [1.0, 10.0, 3.0], num_resamples=50, seed=0)
    assert [estimate[name] for name in ("low", "value", "high")] == pytest.approx([2.0] * 3)
    # Of means, (1 + 3) / (1 + 1), not the mean of ratios.
    assert ratio_over_prompts([1.0, 3.0], [0.5, 1.5], 10, 0)["value"] == pytest.approx(2.0)
    with pytest.raises(ValueError, match="positive denominators, got 0"):
        ratio_over_prompts([1.0], [0.0], 10, 0)
    with pytest.raises(ValueError, match="got 2 and 1 values"):
        ratio_over_prompts([1.0, 2.0], [1.0], 10, 0)


def test_pieces_cover_a_clip():
    waveform = torch.arange(1, 11, dtype=torch.int16)
    # 6 samples more than 4: pieces at 0, 2, 4 and 6, half a length apart.
    assert [piece.tolist() for piece in pieces(waveform, 4)] == [[i + 1, i + 2, i + 3, i + 4] for i in (0, 2, 4, 6)]
    # One sample more is enough for a second piece, which ends with the clip.
    assert [piece[0].item() for piece in pieces(waveform, 9)] == [1, 2]
    assert [piece.tolist() for piece in pieces(waveform[:2], 4)] == [[1, 2, 0, 0]]


def test_nearest_clips_are_as_near_as_their_nearest_pieces():
    pool = torch.tensor([[10.0], [1.0], [3.0], [0.5]])
    found = nearest_clips(torch.tensor([[0.0], [3.0]]), pool, clip_of=[0, 0, 1, 2], num_neighbours=2)
    assert found == [[(0.5, 2), (1.0, 0)], [(0.0, 1), (2.0, 0)]]
    # No more than there are.
    assert [clip for _, clip in nearest_clips(torch.zeros(1, 1), pool, [0, 0, 1, 2], 9)[0]] == [2, 0, 1]


def pattern(frames, seed):
    return torch.randn(8, frames, generator=torch.Generator().manual_seed(seed)).double() * 0.3


def test_a_shifted_copy_is_alike_and_another_pattern_is_not():
    long, other = pattern(100, 0), pattern(100, 1)
    for start in (0, 13, 60):
        assert pattern_similarity(long[:, start : start + 40], long) == pytest.approx(1.0)
    # More of the sound outside of the clip than half of it: what is left is not looked at.
    assert pattern_similarity(torch.cat([other[:, :15], long[:, :25]], dim=1), long) == pytest.approx(1.0)
    assert pattern_similarity(torch.cat([other[:, :25], long[:, :15]], dim=1), long) < 0.6
    assert pattern_similarity(long, other) < 0.4


def test_level_colour_and_envelope_do_not_make_sounds_alike():
    # Another level and colour: each bin and each frame is raised by a number of its own, above the floor throughout.
    a, b = pattern(60, 0), pattern(60, 1)
    colour, envelope = 0.05 * torch.arange(8.0)[:, None], 0.1 * torch.sin(torch.arange(60.0))[None]
    assert pattern_similarity(a, a + colour + envelope + 1.0) == pytest.approx(1.0)
    assert pattern_similarity(a + envelope, b + envelope) < 0.5
    assert pattern_similarity(a + colour, b + colour) < 0.5


def test_silence_is_no_likeness():
    # Two different sounds with the same long silence behind them, in which nothing is counted.
    silence = torch.full((8, 200), -5.0).double()
    a, b = (torch.cat([pattern(30, seed), silence], dim=1) for seed in (0, 1))
    assert pattern_similarity(a, b) < 0.5
    assert pattern_similarity(a, torch.cat([silence, a], dim=1)) == pytest.approx(1.0)
    # What does not change has no pattern.
    assert pattern_similarity(silence, silence) == 0.0
    assert pattern_similarity(a, silence) == 0.0


def test_spectrograms_of_other_bins_are_refused():
    with pytest.raises(ValueError, match=r"as many bins, got shapes \(8, 9\) and \(4, 9\)"):
        pattern_similarity(torch.zeros(8, 9), torch.zeros(4, 9))


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

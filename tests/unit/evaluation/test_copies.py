# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.evaluation.copies import nearest_clips, pattern_similarity, pieces


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

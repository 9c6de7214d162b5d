# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from collections import Counter

import pytest
import torch

from audiolcm_diffusers.evaluation.controls import choose, clip_seed, halves, other_captions, to_length, white_noise


CAPTIONS = ["dog"] * 5 + ["rain"] * 4 + ["sea"] * 2 + ["bell", "horn"]


def test_every_sound_has_one_length_and_16_bits():
    waveform = torch.tensor([0.5, -2.0, 1.0])
    assert to_length(waveform, 2).tolist() == [16384, -32767]
    assert to_length(waveform, 5).tolist() == [16384, -32767, 32767, 0, 0]
    stored = torch.tensor([3, -4], dtype=torch.int16)
    assert to_length(stored, 2).equal(stored)
    assert to_length(waveform, 2).dtype == to_length(stored, 3).dtype == torch.int16


def test_seeds_are_a_function_of_the_number_alone():
    seeds = [clip_seed(7, index) for index in range(20)]
    assert seeds == [clip_seed(7, index) for index in range(20)]
    assert len({*seeds, *(clip_seed(8, index) for index in range(20))}) == 40


def test_choice_of_clips():
    assert choose(4, None, 0) == [0, 1, 2, 3]
    assert choose(10, 4, 0) == choose(10, 4, 0) == sorted(set(choose(10, 4, 0)))
    assert choose(100, 10, 0) != choose(100, 10, 1)
    with pytest.raises(ValueError, match="the 4 clips that there are, got 5"):
        choose(4, 5, 0)


def test_white_noise_is_as_loud_as_the_clip():
    waveforms = [torch.full((20000,), 3000, dtype=torch.int16), torch.full((20000,), 30, dtype=torch.int16)]
    noises = white_noise(waveforms, 0)
    for waveform, noise in zip(waveforms, noises):
        assert noise.dtype == torch.int16
        assert float(noise.float().square().mean().sqrt()) == pytest.approx(float(waveform[0]), rel=0.03)
        # White: neighbours have nothing to do with each other; 1 / sqrt(20000) = 0.007.
        sound = noise.float() - noise.float().mean()
        assert abs((sound[1:] * sound[:-1]).mean() / sound.square().mean()) < 0.03
    assert white_noise(waveforms, 0)[1].equal(noises[1])
    assert not white_noise(waveforms, 1)[1].equal(noises[1])


@pytest.mark.parametrize("seed", range(5))
def test_halves_share_their_captions(seed):
    first, second, pairs = halves(CAPTIONS, seed)
    assert sorted(first + second) == list(range(13))
    assert len(first) - len(second) == 1
    counts = [Counter(CAPTIONS[index] for index in half) for half in (first, second)]
    assert all(abs(counts[0][caption] - counts[1][caption]) <= 1 for caption in CAPTIONS)
    # 2 + 2 + 1 pairs.
    assert len(pairs) == 5
    assert all(one in first and other in second and CAPTIONS[one] == CAPTIONS[other] for one, other in pairs)
    assert len({index for pair in pairs for index in pair}) == 10


@pytest.mark.parametrize("seed", range(5))
def test_nobody_meets_its_own_caption(seed):
    permutation = other_captions(CAPTIONS, seed)
    assert sorted(permutation) == list(range(13))
    assert all(CAPTIONS[other] != caption for caption, other in zip(CAPTIONS, permutation))
    # Exactly half are the same: they change places with the others.
    assert {other // 5 for other in other_captions(["dog"] * 5 + ["a", "b", "c", "d", "e"], seed)[:5]} == {1}


def test_too_many_of_one_caption_cannot_be_shuffled():
    assert other_captions(["dog", "dog", "rain"], 0) is None

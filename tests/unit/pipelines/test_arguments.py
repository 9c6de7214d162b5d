# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.pipelines.arguments import LengthLimits, SoundLength, max_latent_frames


def limits(**changes):
    defaults = {"sampling_rate": 1000, "hop_length": 10, "latent_hop": 2, "default_s": 5.0, "max_s": 60.0}
    defaults |= {"window_s": 10.0, "overlap_s": 2.0}
    return LengthLimits(**{**defaults, **changes})


class TestLength:
    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [
            # 10 samples a mel frame, 2 mel frames a latent frame; what is begun counts.
            (0.001, SoundLength(1, 1, 1)),
            (0.02, SoundLength(20, 2, 1)),
            (0.021, SoundLength(21, 3, 2)),
            (60, SoundLength(60000, 6000, 3000)),
        ],
    )
    def test_is_counted_in_frames(self, seconds, expected):
        assert limits().read(seconds) == expected

    def test_without_one_is_that_of_the_latents_or_the_default(self):
        assert limits().read(None, torch.zeros(1, 4, 7)) == SoundLength(140, 14, 7)
        assert limits().read(None) == SoundLength(5000, 500, 250)

    def test_the_default_is_cut_to_what_the_model_can(self):
        assert limits(max_latent_frames=100).read(None) == SoundLength(2000, 200, 100)
        assert limits(max_s=1.5).read(None).num_samples == 1500

    def test_more_than_the_model_can_is_refused(self):
        with pytest.raises(ValueError, match="at most 2 s, the limit of this model, got 2.001 s"):
            limits(max_s=2.0).read(2.001)

    def test_what_the_transformer_sees_at_once(self):
        """20 samples a latent frame at 1 kHz: 10 s are 500 frames, 2 s are 100."""
        assert (limits().window_frames, limits().overlap_frames) == (500, 100)
        few = limits(max_latent_frames=120)
        assert (few.window_frames, few.overlap_frames) == (120, 60)
        even, odd = limits().windows(limits().read(10))
        assert len(even) == len(odd) == 1
        even, odd = limits().windows(limits().read(10.02))
        assert (len(even), len(odd)) == (2, 3)
        # 19.98 s are 999 frames, 9 more than two windows of 500 that share 100 show.
        assert len(limits().windows(limits().read(19.98))[0]) == 3

    def test_loops_are_as_long_as_the_overlap(self):
        length = limits().read(1.98)
        assert len(limits().windows(length)[0]) == 1
        with pytest.raises(ValueError, match=r"a loop of at least 2 s, .* \(`window_overlap_in_s`\), got 1.98 s"):
            limits().windows(length, is_loop=True)
        assert len(limits().windows(limits().read(2.0), is_loop=True)[0]) == 1


def test_positions_are_shared_with_the_timestep_and_the_text_or_for_frames_alone():
    assert max_latent_frames({"max_position_embeddings": 200}, num_text_tokens=80) == 119
    assert max_latent_frames({"num_positions": 119}, num_text_tokens=80) == 119
    assert max_latent_frames({}, num_text_tokens=80) is None
    with pytest.raises(ValueError, match="at most 79 text tokens, .* 81 positions for sound, got 80"):
        max_latent_frames({"max_position_embeddings": 81}, num_text_tokens=80)

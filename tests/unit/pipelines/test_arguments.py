# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.pipelines.arguments import LengthLimits, SoundLength, max_latent_frames


def limits(**changes):
    defaults = {"sampling_rate": 1000, "hop_length": 10, "latent_hop": 2, "default_s": 5.0, "max_s": 60.0}
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

    @pytest.mark.parametrize("limit", [{"max_latent_frames": 100}, {"max_s": 2.0}])
    def test_more_than_the_model_can_is_refused(self, limit):
        with pytest.raises(ValueError, match="at most 2 s, the limit of this model, got 2.001 s"):
            limits(**limit).read(2.001)


def test_positions_are_shared_with_the_timestep_and_the_text_or_for_frames_alone():
    assert max_latent_frames({"max_position_embeddings": 200}, num_text_tokens=80) == 119
    assert max_latent_frames({"num_positions": 119}, num_text_tokens=80) == 119
    assert max_latent_frames({}, num_text_tokens=80) is None
    with pytest.raises(ValueError, match="at most 79 text tokens, .* 81 positions for sound, got 80"):
        max_latent_frames({"max_position_embeddings": 81}, num_text_tokens=80)

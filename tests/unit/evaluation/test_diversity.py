# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.evaluation.diversity import distances_by_caption, mean_pairwise_distance, missing_takes


def test_mean_pairwise_distance_of_a_triangle():
    # Sides 3, 4 and 5: (3 + 4 + 5) / 3.
    assert mean_pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])) == pytest.approx(4.0)
    assert mean_pairwise_distance(torch.ones(4, 2)) == 0.0
    with pytest.raises(ValueError, match=r"two sounds or more, got shape \(1, 2\)"):
        mean_pairwise_distance(torch.zeros(1, 2))


def test_distances_are_within_captions():
    # Of a: 0, 3 and 6, at distances 3, 3 and 6. Of b: 1 and 5. Of c one sound: nothing to differ from.
    features = torch.tensor([[0.0], [1.0], [3.0], [9.0], [6.0], [5.0]])
    assert distances_by_caption(features, ["a", "b", "a", "c", "a", "b"]) == {"a": 4.0, "b": 4.0}
    assert distances_by_caption(features[:2], ["a", "b"]) == {}
    with pytest.raises(ValueError, match="got 1 of 2 sounds"):
        distances_by_caption(features[:2], ["a"])


def test_further_takes_fill_up_what_clips_lack():
    assert missing_takes(["a", "b", "a", "c"], 1) == []
    assert missing_takes(["a", "b", "a", "c"], 3) == ["a", "b", "b", "c", "c"]

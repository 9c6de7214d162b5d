# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers.evaluation.scores import clap_scores, inception_score, kl_divergences


def logits_of(posteriors):
    return torch.tensor(posteriors).log()


def test_kl_of_known_distributions():
    even, uneven = logits_of([[0.5, 0.5]]), logits_of([[0.25, 0.75]])
    # 1/2 log 2 + 1/2 log 2/3, and the other way round 1/4 log 1/2 + 3/4 log 3/2.
    assert kl_divergences(even, uneven, "softmax").item() == pytest.approx(math.log(4 / 3) / 2)
    backwards = math.log(1 / 2) / 4 + math.log(3 / 2) * 3 / 4
    assert kl_divergences(uneven, even, "softmax").item() == pytest.approx(backwards)
    assert kl_divergences(even, even, "softmax").item() == 0.0


def test_kl_of_classes_that_do_not_exclude_each_other():
    # sigmoid(0) = 1/2 and sigmoid(-log 3) = 1/4: the same two events as above, and twice so much for two classes.
    one, two = torch.zeros(1, 1), torch.zeros(1, 2)
    expected = math.log(4 / 3) / 2
    assert kl_divergences(one, one - math.log(3), "sigmoid").item() == pytest.approx(expected)
    assert kl_divergences(two, two - math.log(3), "sigmoid").item() == pytest.approx(2 * expected)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_kl_of_certain_posteriors_is_finite(head):
    # Of a softmax, 0 - (-400) for the class that is certain; of sigmoids, 0 - (-200) for each of two.
    certain = torch.tensor([[200.0, -200.0]])
    assert kl_divergences(certain, -certain, head).item() == pytest.approx(400.0)
    assert kl_divergences(certain * 1e30, certain * 1e30, head).item() == 0.0


def test_kl_is_a_row_a_clip():
    even, uneven = [0.5, 0.5], [0.25, 0.75]
    scores = kl_divergences(logits_of([even, even]), logits_of([even, uneven]), "softmax")
    assert scores.tolist() == pytest.approx([0.0, math.log(4 / 3) / 2])
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(2, 2\)"):
        kl_divergences(logits_of([even, even]), logits_of([even]), "softmax")
    with pytest.raises(ValueError, match="got 'argmax'"):
        kl_divergences(logits_of([even]), logits_of([even]), "argmax")


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_inception_score_of_one_hot_posteriors_is_the_number_of_classes(head):
    logits = torch.where(torch.eye(4, dtype=torch.bool), 100.0, -100.0).repeat(3, 1)
    assert inception_score(logits, head) == pytest.approx(4.0)
    assert inception_score(logits[:1].repeat(5, 1), head) == pytest.approx(1.0)


def test_inception_score_of_splits():
    # Every other clip is of the other class: two splits have one class each, one split has both.
    logits = torch.tensor([[100.0, 0.0], [0.0, 100.0]]).repeat(4, 1)
    assert inception_score(logits, "softmax", num_splits=1) == pytest.approx(2.0)
    assert inception_score(logits, "softmax", num_splits=2) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="8 clips, got 9"):
        inception_score(logits, "softmax", num_splits=9)


def test_clap_scores():
    audio = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0]])
    text = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0]])
    assert clap_scores(audio, text).tolist() == pytest.approx([1.0, 0.0, -1.0])
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 2\)"):
        clap_scores(audio, text[:2])

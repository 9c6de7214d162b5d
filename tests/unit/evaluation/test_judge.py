# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.evaluation.controls import halves
from audiolcm_diffusers.evaluation.frechet import frechet_distance, gaussian_of
from audiolcm_diffusers.evaluation.kernel_distance import kernel_audio_distance, median_distance


CAPTIONS = ["dog", "rain"] * 3


def test_references_themselves(make_judge, sounds):
    judge = make_judge()
    said, texts = judge.listen(sounds), judge.read(CAPTIONS)
    found = judge.estimates(said, said, texts)
    assert list(found) == ["fad", "kad", "kl", "is", "clap"]
    assert found["fad"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert found["kl"] == {"value": 0.0, "low": 0.0, "high": 0.0, "num_clips": 6}
    assert found["clap"]["value"] == pytest.approx(float((said["clap"]["features"] * texts).sum(-1).mean()))
    assert -1.0 <= found["clap"]["low"] <= found["clap"]["value"] <= found["clap"]["high"] <= 1.0
    assert all(entry["num_clips"] == 6 for entry in found.values())


def test_sounds_are_named_as_their_captions_or_not(make_judge):
    # The third sound is named wrongly; the last one's caption is no class, and does not count.
    captions = ["LABEL_0", "LABEL_3", "LABEL_1", "LABEL_3", "a whale"]
    judge = make_judge(clap=False, metrics=["acc"], captions=captions)
    logits = torch.nn.functional.one_hot(torch.tensor([0, 3, 2, 3, 4]), 5).float()
    found = judge.estimates(sounds={"classifier": {"logits": logits}})
    assert found["acc"]["value"] == 3 / 4 and found["acc"]["num_clips"] == 4
    assert judge.describe()["metrics"] == {"acc": {"num_clips": 4}}
    with pytest.raises(ValueError, match="acc needs captions that are classes"):
        make_judge(clap=False, metrics=["acc"], captions=["a whale"])


def test_fad_is_of_the_features_asked_for(make_judge, sounds):
    for network in ("classifier", "clap"):
        judge = make_judge(metrics=["fad"], fad_network=network)
        said, others = judge.listen(sounds), judge.listen([sound // 2 for sound in sounds])
        expected = frechet_distance(*gaussian_of(said[network]["features"]), *gaussian_of(others[network]["features"]))
        assert judge.estimates(said, others)["fad"]["value"] == pytest.approx(expected, abs=1e-9)


def test_kad_of_halves_has_the_kernel_of_all_references(make_judge, sounds):
    judge = make_judge(metrics=["kad"])
    said = judge.listen(sounds)
    features = said["classifier"]["features"]
    first, second, _ = halves(CAPTIONS, judge.seed)
    expected = kernel_audio_distance(features[first], features[second], bandwidth=median_distance(features))
    found = judge.real_against_real(said, None, CAPTIONS)["kad"]
    assert found["value"] == pytest.approx(expected) and found["low"] <= found["value"] <= found["high"]
    # Four clips have two in each half, and no dimension to fill.
    make_judge(metrics=["kad"], allow_singular=False).check(4)


def test_diversity_is_over_captions(make_judge):
    judge = make_judge(clap=False, metrics=["diversity"], captions=["a", "b", "a", "b", "c"])
    # Of a, 0 and 2; of b, 1 and 5: the mean of 2 and 4. With 9 of c beside 3, that of 2, 4 and 6.
    sounds = {"classifier": {"features": torch.tensor([[0.0], [1.0], [2.0], [5.0], [3.0]])}}
    found = judge.estimates(sounds=sounds)["diversity"]
    assert (found["value"], found["num_prompts"]) == (3.0, 2)
    further = {"classifier": {"features": torch.tensor([[9.0]])}}
    found = judge.estimates(sounds=sounds, further=further, further_captions=["c"])["diversity"]
    assert (found["value"], found["num_prompts"]) == (4.0, 3)
    with pytest.raises(ValueError, match="diversity needs several sounds of a caption"):
        make_judge(metrics=["diversity"], captions=["a", "b"])


def test_real_against_real_and_shuffled(make_judge, sounds):
    judge = make_judge()
    said, texts = judge.listen(sounds), judge.read(CAPTIONS)
    real, shuffled = judge.real_against_real(said, texts, CAPTIONS), judge.shuffled(said, texts, CAPTIONS)
    # Halves of 3; of 3 clips a caption, 1 pair each.
    assert {name: entry["num_clips"] for name, entry in real.items()} == {
        **dict.fromkeys(("fad", "kad"), 3),
        "kl": 2,
        "is": 6,
        "clap": 6,
    }
    assert real["fad"]["value"] > 0
    # With two captions, each sound meets the other one.
    other = judge.read(CAPTIONS[::-1])
    assert shuffled.keys() == {"kl", "clap"}
    assert shuffled["clap"]["value"] == pytest.approx(judge.estimates(sounds=said, texts=other)["clap"]["value"])
    assert judge.shuffled(said, texts, ["dog"] * 6) == {}
    assert "kl" not in judge.real_against_real(said, texts, list("abcdef"))


def test_too_few_clips_are_told_how_many_are_needed(make_judge, sounds):
    judge = make_judge(allow_singular=False)
    judge.check(34)
    with pytest.raises(ValueError, match="16 dimensions needs at least 34 clips, 17 in each half .* got 33"):
        judge.check(33)
    said = judge.listen(sounds)
    with pytest.raises(ValueError, match="at least 17 clips .* got 6"):
        judge.estimates(said, said)
    make_judge().check(33)
    make_judge(allow_singular=False, metrics=["kl"]).check(4)
    with pytest.raises(ValueError, match="at least 4 clips"):
        make_judge().check(3)
    with pytest.raises(ValueError, match="no more splits .* 5, got 6"):
        make_judge(num_splits=6).check(5)

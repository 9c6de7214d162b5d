# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import importlib.util
import math
from pathlib import Path

import pytest
import torch

from audiolcm_diffusers import log_mel_spectrogram
from audiolcm_diffusers.evaluation.networks import load_classifier
from audiolcm_diffusers.evaluation.sound_classifier import (
    judge_input,
    judge_probabilities,
    make_judge,
    seconds_shown,
    windows,
)


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).parents[3] / "training/train_judge.py"
    spec = importlib.util.spec_from_file_location("train_judge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def judge():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_judge(["a dog", "other"], num_frames=32, widths=(4, 4, 8, 8)).eval()


def test_silence_is_minus_one_and_full_scale_one():
    shown = judge_input(torch.tensor([-5.0, -2.5, 0.0]).expand(2, 80, 3))
    assert shown.shape == (2, 1, 80, 3)
    torch.testing.assert_close(shown[0, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))


def test_windows_cover_a_sound_and_short_ones_are_filled_with_silence():
    mel = torch.arange(10.0).expand(80, 10)
    short = windows(mel, 12)
    assert short.shape == (1, 80, 12) and short[0, 0].tolist() == [*range(10), -5.0, -5.0]
    # 6 to spare beyond 4: pieces that begin 0, 2, 4 and 6 frames in.
    assert [piece[0].tolist() for piece in windows(mel, 4)] == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]
    # 5 to spare beyond 5: at most half a piece, 2 frames, apart, and the last at the end.
    assert [int(piece[0, 0]) for piece in windows(mel, 5)] == [0, 2, 3, 5]


def test_probabilities_are_a_mean_over_windows_and_survive_saving(judge, tmp_path):
    mel = torch.randn(80, 40, generator=torch.Generator().manual_seed(0)) - 3
    probabilities = judge_probabilities(judge, mel)
    assert probabilities.shape == (2,) and float(probabilities.sum()) == pytest.approx(1.0)
    apart = [judge_probabilities(judge, piece) for piece in windows(mel, 32)]
    torch.testing.assert_close(probabilities, torch.stack(apart).mean(0))
    judge.save_pretrained(tmp_path)
    again = type(judge).from_pretrained(tmp_path)
    assert again.config.num_frames == 32 and again.config.id2label == {0: "a dog", 1: "other"}
    torch.testing.assert_close(judge_probabilities(again, mel), probabilities)
    assert seconds_shown(again) == 32 * 256 / 16000


def test_a_judge_is_a_network_to_evaluate_with(judge, tmp_path):
    judge.save_pretrained(tmp_path / "judge")
    classifier = load_classifier(str(tmp_path / "judge"), "cpu")
    waveforms = [
        0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples)) for samples in (5000, 8192)
    ]
    heard = classifier.listen(waveforms, 16000, batch_size=1)
    assert heard["features"].shape == (2, 8) and (classifier.dim, classifier.head) == (8, "softmax")
    expected = judge_probabilities(judge, log_mel_spectrogram(waveforms[1][None])[0])
    torch.testing.assert_close(heard["logits"][1].softmax(dim=0), expected)
    assert classifier.describe()["num_classes"] == 2 and classifier.describe()["hears_s"] == 32 * 256 / 16000
    with pytest.raises(ValueError, match="expected `head` softmax, got 'sigmoid'"):
        load_classifier(str(tmp_path / "judge"), "cpu", head="sigmoid")


def test_frequent_captions_are_classes(script):
    captions = ["rain"] * 3 + ["a dog"] * 2 + ["a cat"]
    assert script.classes_of(captions, 2) == ["a dog", "rain", "other"]
    assert script.classes_of(captions[:5], 2) == ["a dog", "rain"]


def test_an_example_has_its_clip_and_a_background_far_below(script):
    config = script.JudgeConfig(
        data_dir="data",
        output_dir="run",
        num_frames=8,
        max_gain_db=0.0,
        background_share=1.0,
        masked_frames=0,
        recording_share=0.0,
    )
    mels = [torch.full((80, 12), -1.0), torch.full((80, 5), -2.0)]
    for seed in range(20):
        crop, label = script.draw_example(mels, [[0], [1]], config, torch.Generator().manual_seed(seed))
        assert crop.shape == (80, 8)
        level = [-1.0, -2.0][label]
        # A band may be silenced; elsewhere the clip, and at most a sound of -1 that is 10 dB softer.
        heard = crop[(crop > -4.9).any(dim=1)]
        loudest = math.log10(math.hypot(10.0**level, 10.0**-1.5))
        assert len(heard) >= 80 - 16 and float(heard.max()) <= loudest + 1e-4
        if label == 0:
            assert float(heard.min()) >= -1.0 - 1e-4
        else:
            assert int((heard[0] >= level - 1e-4).sum()) >= 5


def test_a_background_adds_its_power(script):
    # Two sounds of one level, the second 0 dB below: 3 dB more.
    together = torch.logaddexp(torch.tensor(-1.0 * script.LOG_POWER), torch.tensor(-1.0 * script.LOG_POWER))
    assert float(together / script.LOG_POWER) == pytest.approx(-1.0 + math.log10(2) / 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_clips", 1), ("background_share", 1.5), ("masked_frames", 400), ("masked_bins", 81), ("batch_size", 0)],
)
def test_impossible_options_are_quoted(script, name, value):
    with pytest.raises(ValueError, match=f"{name}.*got {value}"):
        script.JudgeConfig(data_dir="data", output_dir="run", **{name: value})

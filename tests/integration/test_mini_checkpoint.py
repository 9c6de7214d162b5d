# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The embedded model answers: what its sounds must have in common with what was asked for, whatever the seed."""

import pytest
import torch

from audiolcm_diffusers import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT, AudioLCMPipeline, log_mel_spectrogram
from audiolcm_diffusers.data.latent_cache import fingerprints
from audiolcm_diffusers.trainer import text_parts


NUM_TAKES = 4


@pytest.fixture(scope="module")
def pipe():
    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def takes(pipe, prompt, **options):
    generator = torch.Generator().manual_seed(0)
    return pipe(
        prompt, num_waveforms_per_prompt=NUM_TAKES, generator=generator, output_type="pt", **options
    ).audios.float()


def levels_db(waveforms):
    """Level of every frame of 16 ms in dB, the mean over mel bins, shape (takes, frames)."""
    return 20 * log_mel_spectrogram(waveforms).mean(dim=1)


def burstiness_db(waveforms):
    """How far the loudest twentieth of the frames lies above the median, the median over takes."""
    levels = levels_db(waveforms)
    return float((levels.quantile(0.95, dim=1) - levels.median(dim=1).values).median())


@pytest.mark.parametrize(
    "prompt", ["rain falling", "sea waves", "a helicopter", "a river flowing", "steam hissing", "wind"]
)
def test_steady_sounds_are_steady(pipe, prompt):
    assert burstiness_db(takes(pipe, prompt)) < 6.0


@pytest.mark.parametrize(
    "prompt",
    [
        "a dog barking",
        "a clock ticking",
        "a baby crying",
        "a rooster crowing",
        "a door slamming",
        "a gun shot",
        "a hand clap",
        "a guitar strum",
        "slow drums, 80 bpm",
    ],
)
def test_sounds_that_come_and_go_do(pipe, prompt):
    assert burstiness_db(takes(pipe, prompt)) > 8.0


def flatness(waveforms):
    """Geometric over arithmetic mean of the magnitudes of mel bins, 1 where all are alike; the median over frames."""
    magnitudes = 10.0 ** log_mel_spectrogram(waveforms)
    return float((magnitudes.log().mean(dim=1).exp() / magnitudes.mean(dim=1)).median())


def test_rain_is_spread_over_all_pitches_and_a_dog_is_not(pipe):
    assert flatness(takes(pipe, "rain falling")) > 0.5 > 0.4 > flatness(takes(pipe, "a dog barking"))


@pytest.mark.parametrize("steps", [1, 2])
def test_a_clock_ticks(pipe, steps):
    levels = levels_db(takes(pipe, "a clock ticking", num_inference_steps=steps))
    loud = levels > levels.median(dim=1, keepdim=True).values + 10.0
    starts = (loud[:, 1:] & ~loud[:, :-1]).sum(dim=1)
    # At least a tick a second, and most of the time none.
    assert starts.median() >= levels.shape[1] / 62.5 and loud.float().mean() < 0.3


@pytest.mark.parametrize("seconds", [1.0, 3.0, 10.0])
def test_any_length_is_audible_and_not_clipped(pipe, seconds):
    waveforms = takes(pipe, "rain falling", audio_length_in_s=seconds)
    assert waveforms.shape == (NUM_TAKES, round(seconds * 16000))
    assert 0.01 < waveforms.square().mean().sqrt() < 0.5 and waveforms.abs().max() < 0.99
    assert waveforms[:, [0, -1]].count_nonzero() == 0  # no click


def test_takes_differ(pipe):
    mels = log_mel_spectrogram(takes(pipe, "a dog barking"))
    distances = torch.cdist(mels.flatten(1), mels.flatten(1), p=1) / mels[0].numel()
    # A tenth of a decade is 2 dB, on average over all bins and frames.
    assert distances[~torch.eye(NUM_TAKES, dtype=torch.bool)].min() > 0.1


def test_the_teacher_shares_all_but_the_transformer(pipe):
    teacher = AudioLCMPipeline.from_pretrained(MINI_TEACHER_CHECKPOINT, dtype=torch.float32)
    assert not teacher.is_student and pipe.is_student
    assert fingerprints(teacher.vae, text_parts(teacher)) == fingerprints(pipe.vae, text_parts(pipe))
    teacher.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 8, "audio_length_in_s": 3.0}
    assert burstiness_db(takes(teacher, "rain falling", **options)) < 6.0
    assert burstiness_db(takes(teacher, "a dog barking", **options)) > 8.0


def test_both_are_small():
    sizes = [
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        for folder in (MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT)
    ]
    assert sum(sizes) < 90e6

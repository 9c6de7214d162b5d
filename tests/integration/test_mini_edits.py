# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is heard of edits, loops and long sounds of the embedded model, in numbers."""

import math

import numpy as np
import pytest
import torch

from audiolcm_diffusers import (
    MINI_CHECKPOINT,
    AudioLCMAudio2AudioPipeline,
    AudioLCMInpaintPipeline,
    AudioLCMPipeline,
    log_mel_spectrogram,
)


RATE = 16000


@pytest.fixture(scope="module")
def pipe():
    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def of_kind(cls, pipe):
    other = cls.from_pipe(pipe)
    other.set_progress_bar_config(disable=True)
    return other


def seed(value=0):
    return torch.Generator().manual_seed(value)


def levels(waveform, num_samples=400):
    """Levels of pieces of 25 ms."""
    waveform = torch.as_tensor(waveform)
    return (
        waveform[: len(waveform) // num_samples * num_samples].unflatten(0, (-1, num_samples)).square().mean(-1).sqrt()
    )


@pytest.fixture(scope="module")
def rain(pipe):
    return torch.from_numpy(pipe("rain falling", 4.0, generator=seed()).audios[0])


def test_likeness_falls_with_strength(pipe, rain):
    edit = of_kind(AudioLCMAudio2AudioPipeline, pipe)
    mel = log_mel_spectrogram(rain[None])
    alike = []
    for strength in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        made = edit(
            "a dog barking", rain, strength, generator=seed(), num_waveforms_per_prompt=2, output_type="pt"
        ).audios
        mels = log_mel_spectrogram(made)
        alike.append(
            float(np.mean([torch.corrcoef(torch.stack([mel.flatten(), other.flatten()]))[0, 1] for other in mels]))
        )
    assert alike == sorted(alike, reverse=True)
    assert alike[0] > 0.9 and alike[-1] < 0.5


@pytest.mark.parametrize("call", [{"mask_start_seconds": 1.5, "mask_end_seconds": 2.5}, {"extend_s": 2.0}])
def test_seams_are_as_the_rest(pipe, rain, call):
    """Rain in rain: what is kept is kept to the sample, and at no seam is there a step or a click."""
    edit = of_kind(AudioLCMInpaintPipeline, pipe)
    made = edit("rain falling", rain, generator=seed(1), num_inference_steps=4, output_type="pt", **call).audios[0]
    first, last = (1.5, 2.5) if "extend_s" not in call else (4.0, 6.0)
    kept = torch.ones(len(made), dtype=torch.bool)
    kept[max(0, round(first * RATE) - 800) : round(last * RATE) + 800] = False
    assert torch.equal(made[kept], torch.nn.functional.pad(rain, (0, len(made) - len(rain)))[kept])
    all_levels = levels(made)[4:-4]
    low, high = all_levels.quantile(0.02), all_levels.quantile(0.98)
    jumps, whole = made.diff().abs(), rain.diff().abs().quantile(0.999)
    # From one tenth of a second to the next, how far the spectrum moves, in log10 of each of 80 bands.
    mel = log_mel_spectrogram(made[None])[0]
    pieces = mel.unfold(-1, 6, 1).mean(dim=-1)
    moves = (pieces[:, 6:] - pieces[:, :-6]).abs().mean(dim=0)
    usual = torch.cat([moves[20 : round(first * 62.5) - 20], moves[round(last * 62.5) + 20 : -20]])
    for seam in (first, last) if "extend_s" not in call else (first,):
        around = levels(made[round((seam - 0.1) * RATE) : round((seam + 0.1) * RATE)])
        assert 0.5 * low < around.min() and around.max() < 2 * high
        at_seam = moves[round(seam * 62.5) - 9 : round(seam * 62.5) - 2]
        assert at_seam.max() < 1.5 * usual.max()
        assert jumps[round((seam - 0.06) * RATE) : round((seam + 0.06) * RATE)].max() < 2 * whole


@pytest.mark.parametrize("prompt", ["rain falling", "a helicopter", "music with a steady beat"])
def test_loops_meet(pipe, prompt):
    made = torch.from_numpy(pipe(prompt, 3.3, loop=True, generator=seed()).audios[0])
    assert len(made) == round(3.3 * RATE)
    jumps = torch.cat([made[-RATE:], made[:RATE]]).diff().abs()
    assert jumps[RATE - 50 : RATE + 50].max() < 1.5 * made.diff().abs().quantile(0.999)


def test_a_long_sound_is_one_texture(pipe):
    """
    A minute of rain is no more uneven from second to second than ten seconds are; separate takes are, three times.
    """

    def seconds(waveform):
        return log_mel_spectrogram(waveform)[..., :-3].mean(dim=1).unfold(-1, 62, 62).mean(dim=-1)

    takes = pipe("rain falling", 10.0, num_waveforms_per_prompt=6, generator=seed(), output_type="pt").audios
    within = float(seconds(takes).std(dim=1).mean())
    between = float(seconds(takes).mean(dim=1).std())
    long = pipe("rain falling", 60.0, generator=seed(), output_type="pt").audios
    wandering = float(seconds(long)[0].std())
    assert wandering < 1.3 * within + 0.01 and wandering < between + 0.02


def test_a_long_sound_has_no_period(pipe):
    """Levels of a minute are no more like themselves one window later than at other distances."""
    made = torch.from_numpy(pipe("rain falling", 90.0, generator=seed(), num_inference_steps=2).audios[0])
    log_levels = levels(made, 1600).log()
    log_levels = log_levels - log_levels.mean()

    def alike(distance):
        return float(torch.corrcoef(torch.stack([log_levels[:-distance], log_levels[distance:]]))[0, 1])

    # Ten a second; windows follow on each other after about 7 s.
    others = [alike(distance) for distance in (*range(40, 60), *range(90, 110))]
    near = [alike(distance) for distance in range(62, 82)]
    assert max(near) < max(others) + 3 * np.std(others)


def test_a_stream_is_the_whole(pipe):
    pieces = list(pipe.stream("rain falling", 15.0, generator=seed()))
    whole = pipe("rain falling", 15.0, generator=seed()).audios
    assert len(pieces) > 2 and np.array_equal(np.concatenate(pieces, axis=-1), whole)
    # A step of the level at a joint would be one of the largest.
    steps = levels(whole[0], 256)[4:-4].log().diff().abs()
    joints = np.cumsum([piece.shape[-1] for piece in pieces])[:-1] // 256 - 4
    assert all(float(steps[joint - 1 : joint + 3].max()) < float(steps.quantile(0.999)) + 0.3 for joint in joints)
    assert math.isfinite(float(steps.max()))


def test_events_are_heard_when_they_were_asked_for(pipe):
    """A dog out of silence, and in the rain: nothing a tenth of a second before, the most in the second behind."""
    for seconds in (1.5, 3.5):
        made = pipe(events=[("a dog barking", seconds)], audio_length_in_s=7.0, generator=seed()).audios[0]
        begin = round(seconds * RATE)
        assert np.abs(made[: begin - 2000]).max() == 0 and np.abs(made[begin + 2 * RATE + 500 :]).max() == 0
        assert np.abs(made[begin : begin + RATE]).max() > 0.05
    made = pipe("rain falling", events=[("a dog barking", 3.5)], audio_length_in_s=7.0, generator=seed()).audios[0]
    of_seconds = levels(made, RATE // 2)
    assert of_seconds[7:11].max() > 2 * of_seconds[:7].max() and of_seconds[:7].min() > 0.005


def test_prompts_follow_on_each_other(pipe):
    """From rain, which has all frequencies all the time, to a clock, which has them now and then."""
    events = [("rain falling", 0.0, 8.0), ("a clock ticking", 8.0, 16.0)]
    made = pipe(events=events, audio_length_in_s=16.0, generator=seed(), output_type="pt").audios
    frames = log_mel_spectrogram(made)[0].mean(dim=0)
    per_s = 62.5
    rain, clock = frames[: round(6 * per_s)], frames[round(10 * per_s) :]
    assert float(clock.std()) > 2 * float(rain.std()) and float(clock.median()) < float(rain.median()) - 0.3

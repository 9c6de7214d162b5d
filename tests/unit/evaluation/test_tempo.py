# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.evaluation.tempo import (
    is_in_tempo,
    onset_autocorrelation,
    onset_strength,
    tempo_bpm,
    tempo_near,
)


def clicks(bpm, duration_s=5.0, accents=(1.0,), noise=0.0):
    """A track of clicks of 10 ms, `accents` in turn, over noise."""
    generator = torch.Generator().manual_seed(0)
    waveform = noise * torch.randn(round(duration_s * 16000), generator=generator)
    click = torch.randn(160, generator=generator).clamp(-3, 3) / 6 * torch.linspace(1, 0, 160)
    first = 1600
    for beat in range(int((duration_s - 0.2) * bpm / 60)):
        start = first + round(beat * 60 / bpm * 16000)
        waveform[start : start + 160] += accents[beat % len(accents)] * click
    return waveform


@pytest.mark.parametrize("bpm", [60, 75, 90, 105, 120, 128.5, 140, 160])
def test_a_click_track_beats_as_fast_as_it_was_made(bpm):
    assert tempo_bpm(clicks(bpm)) == pytest.approx(bpm, rel=0.02)
    assert tempo_bpm(0.01 * clicks(bpm, accents=(1.0, 0.8), noise=0.02)) == pytest.approx(bpm, rel=0.02)


def test_very_fast_and_very_slow_beats_are_heard_in_another_octave():
    # Of 240 and 120 the latter is nearer to 120, as is 80 than 40 of beats with others between them.
    assert tempo_bpm(clicks(240)) == pytest.approx(120, rel=0.02)
    assert tempo_bpm(clicks(80, 8.0, accents=(1.0, 0.6))) == pytest.approx(80, rel=0.02)
    assert not is_in_tempo(120.0, 240.0) and is_in_tempo(120.0, 240.0, (0.5, 1.0, 2.0))


def test_eight_per_cent_are_near_enough():
    assert is_in_tempo(108.0, 100.0) and is_in_tempo(92.0, 100.0)
    assert not is_in_tempo(108.1, 100.0) and not is_in_tempo(91.9, 100.0)
    # Of half, too: 50 within 4.
    assert is_in_tempo(54.0, 100.0, (0.5, 1.0)) and not is_in_tempo(54.1, 100.0, (0.5, 1.0))
    assert not is_in_tempo(0.0, 100.0, (0.5, 1.0, 2.0))


def test_what_does_not_repeat_has_no_tempo():
    assert tempo_bpm(torch.zeros(80000)) == 0.0
    assert tempo_bpm(clicks(120, 0.2)) == 0.0
    # A single click repeats nowhere; noise does at random, and is not asked for.
    one = torch.zeros(80000)
    one[8000:8160] = 0.5
    assert not is_in_tempo(tempo_bpm(one), 120.0)


def test_onsets_are_where_it_becomes_louder():
    waveform = torch.zeros(16000)
    waveform[8000:8400] = 0.5 * torch.sin(torch.arange(400.0))
    strength = onset_strength(waveform)
    assert strength.shape == (201,) and bool((strength >= 0).all())
    # Half a window, 256 samples, before the sound begins, the window first touches it: from frame 96.8 on.
    assert 97 <= int(strength.argmax()) <= 103 and float(strength[:96].sum()) == 0.0
    assert torch.allclose(onset_strength(0.1 * waveform), strength, atol=1e-2)


@pytest.mark.parametrize("bpm", [70, 97, 120, 174])
@pytest.mark.parametrize("error", [0.9, 1.0, 1.15])
def test_of_the_tempos_near_to_one_the_clicks_are_found(bpm, error):
    # A frame is 5 ms, four beats of 174 a minute are 276 of them: half a frame is 0.2 per cent.
    assert tempo_near(clicks(bpm, 6.0), bpm * error) == pytest.approx(bpm, rel=0.01)


def test_onsets_repeat_after_a_beat():
    correlation = onset_autocorrelation(clicks(120, 6.0))
    # Half a second is 100 frames.
    assert correlation[100] > 0.7 * correlation[0] and abs(correlation[50]) < 0.2 * correlation[0]


def test_too_short_a_sound_has_no_tempo_near_to_one():
    with pytest.raises(ValueError, match="three beats of 85 bpm, got 1.0 s"):
        tempo_near(clicks(120, 1.0), 120)

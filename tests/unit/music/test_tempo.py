# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from music.tempo import repetition, tempo_near


def clicks(bpm, duration_s=6.0):
    waveform = torch.zeros(round(16000 * duration_s))
    period = 16000 * 60 / bpm
    burst = torch.randn(400, generator=torch.Generator().manual_seed(0)) * torch.linspace(1, 0, 400) ** 2
    for beat in range(int((len(waveform) - 400) / period)):
        start = round(beat * period)
        waveform[start : start + 400] = burst
    return waveform


@pytest.mark.parametrize("bpm", [70, 97, 120, 174])
@pytest.mark.parametrize("error", [0.9, 1.0, 1.15])
def test_clicks_are_timed(bpm, error):
    # A frame is 10 ms, four beats of 174 a minute are 138 of them: half a frame is 0.4 per cent.
    assert tempo_near(clicks(bpm), bpm * error) == pytest.approx(bpm, rel=0.01)


def test_onsets_repeat_after_a_beat():
    correlation = repetition(clicks(120))
    assert correlation[0] == 1 and correlation[50] > 0.8 and abs(correlation[25]) < 0.2


def test_too_short_a_sound_is_refused():
    with pytest.raises(ValueError, match="three beats of 85 bpm, got 1.0 s"):
        tempo_near(clicks(120, 1.0), 120)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from audiolcm_diffusers.evaluation.tempo import tempo_near
from music.composing import compose
from music.rendering import DEFAULT_SOUNDFONT, check_renderer, clip_of, synthesize
from music.repertoire import deck


ROOT = Path(__file__).parents[3]
needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not Path(DEFAULT_SOUNDFONT).is_file(),
    reason="fluidsynth or FluidR3_GM.sf2 is not installed",
)


def test_a_missing_program_is_named_with_its_packages(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="apt-get install fluidsynth fluid-soundfont-gm"):
        check_renderer(DEFAULT_SOUNDFONT)


def test_a_missing_soundfont_is_quoted(monkeypatch, tmp_path):
    program = tmp_path / "fluidsynth"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="no soundfont 'no.sf2'"):
        check_renderer("no.sf2")
    (tmp_path / "song.sf2").write_bytes(b"MThd and so on")
    with pytest.raises(ValueError, match="no SF2 file: it begins with b'MThd and so '"):
        check_renderer(tmp_path / "song.sf2")


def test_clips_begin_with_sound_and_end_in_a_fade():
    tone = 0.05 * torch.sin(2 * math.pi * 440 * torch.arange(48000) / 16000)
    clip = clip_of(torch.cat([torch.zeros(8000), tone]), 2.0)
    assert clip.shape == (32000,)
    assert clip.square().mean().sqrt() == pytest.approx(0.1, rel=1e-3)
    assert clip[:200].abs().max() > 0.05 and clip[-1].abs() < 1e-3
    # The middle of a fade of 0.15 s is 3 dB down: cos^2 of 45 degrees is half the amplitude, 6 dB.
    assert clip[-1300:-1100].abs().max() / clip[16000:17000].abs().max() == pytest.approx(0.5, abs=0.08)


def test_peaks_stay_below_full_scale():
    waveform = 0.001 * torch.randn(32000, generator=torch.Generator().manual_seed(0))
    waveform[16000] = 1.0
    assert clip_of(waveform * 0.5 + 0.01 * torch.sin(torch.arange(32000) / 5), 1.5).abs().max() == pytest.approx(0.89)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [(torch.zeros(32000), "silent"), (torch.full((32000,), math.nan), "not finite"), (torch.ones(8000), "got 0.50 s")],
)
def test_what_is_no_clip_is_refused(waveform, message):
    with pytest.raises(ValueError, match=message):
        clip_of(waveform, 1.0)


def test_every_class_has_labels_of_an_outside_ear():
    labels = json.loads((ROOT / "training/recipes/music/ear_labels.json").read_text())
    assert labels.keys() == {compose(0, index).sound_class for index in range(3 * len(deck()))}


@needs_fluidsynth
@pytest.mark.parametrize("style", ["rock", "house", "swing"])
def test_drums_have_their_tempo(style):
    pieces = (compose(0, index) for index in range(2 * len(deck())))
    piece = next(piece for piece in pieces if piece.style == style and piece.key is None)
    clip = clip_of(synthesize(piece.midi(), DEFAULT_SOUNDFONT, piece.room_size), piece.duration_s)
    assert tempo_near(clip, piece.tempo_bpm * 1.1) == pytest.approx(piece.tempo_bpm, rel=0.01)


@needs_fluidsynth
def test_what_is_rendered_is_in_tune():
    piece = next(p for p in (compose(0, index) for index in range(300)) if p.instruments == ("flute",))
    waveform = synthesize(piece.midi(), DEFAULT_SOUNDFONT)
    note = piece.parts[0].notes[0]
    start = round((note.start / 480 * 60 / piece.tempo_bpm + 0.05) * 16000)
    spectrum = torch.fft.rfft(waveform[start : start + 4000] * torch.hann_window(4000), 64000).abs()
    frequency = float(spectrum.argmax()) / 4
    octaves = math.log2(frequency / (440 * 2 ** ((note.pitch - 69) / 12)))
    # The loudest partial may be the octave.
    assert abs(octaves - round(octaves)) < 1 / 48

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import io
import math
import os
import re
import sys

import numpy as np
import pytest
import soundfile
import torch

from audiolcm_diffusers.audio.io import (
    check_audio_suffix,
    check_resampler,
    read_audio,
    replacing,
    resample,
    slug,
    write_audio,
)


def sine(frequency, rate, seconds=0.5):
    return torch.sin(2 * math.pi * frequency * torch.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize(("suffix", "container", "subtype"), [(".wav", "WAV", "PCM_16"), (".FLAC", "FLAC", "PCM_16")])
def test_sixteen_bits_come_back(tmp_path, suffix, container, subtype):
    path = tmp_path / f"sound{suffix}"
    waveform = 0.9 * sine(440, 16000)
    write_audio(path, waveform)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == (container, subtype, 16000, 1)
    # One step of a 16-bit sample is 2^-15.
    assert (read_audio(path) - waveform).abs().max() <= 2**-15


def test_ogg_is_written(tmp_path):
    write_audio(tmp_path / "sound.ogg", 0.5 * sine(440, 16000))
    assert soundfile.info(tmp_path / "sound.ogg").subtype == "VORBIS"
    assert read_audio(tmp_path / "sound.ogg").shape == (8000,)


def test_what_16_bits_cannot_hold_is_clipped(tmp_path):
    write_audio(tmp_path / "loud.wav", np.array([2.0, -2.0, 0.0]))
    assert soundfile.read(tmp_path / "loud.wav", dtype="int16")[0].tolist() == [32767, -32768, 0]


def test_sampling_rate_is_written(tmp_path):
    write_audio(tmp_path / "sound.wav", torch.zeros(10), sampling_rate=22050)
    assert soundfile.info(tmp_path / "sound.wav").samplerate == 22050


@pytest.mark.parametrize("resampler", ["scipy", "soxr"])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate, resampler):
    soundfile.write(tmp_path / "sound.wav", sine(440, rate).numpy(), rate, subtype="FLOAT")
    waveform = read_audio(tmp_path / "sound.wav", sampling_rate=16000, resampler=resampler)
    expected = sine(440, 16000)
    assert waveform.dtype == torch.float32
    assert abs(waveform.shape[0] - expected.shape[0]) <= 1
    # The resampler's filter reaches over the ends, where it sees silence; inside, the same sine comes out.
    inside = slice(400, 7600)
    assert (waveform[inside] - expected[inside]).abs().max() < 5e-3


def test_resampling_removes_what_the_rate_cannot_hold(tmp_path):
    # 15 kHz lies above half of 16 kHz: without a filter it would come out as 1 kHz at full loudness.
    soundfile.write(tmp_path / "high.wav", sine(15000, 48000).numpy(), 48000)
    assert read_audio(tmp_path / "high.wav")[400:7600].abs().max() < 0.01


@pytest.mark.parametrize("resampler", ["scipy", "soxr"])
def test_resamplers_keep_what_the_rate_holds_and_remove_the_rest(resampler):
    waveform = resample(sine(1000, 44100), 44100, 16000, resampler)
    assert waveform.dtype == torch.float32 and waveform.shape == (8000,)
    assert (waveform - sine(1000, 16000))[400:7600].abs().max() < 1e-2
    # 10 kHz would come out as 6 kHz.
    assert resample(sine(10000, 44100), 44100, 16000, resampler)[400:7600].abs().max() < 1e-2


@pytest.mark.parametrize("resampler", ["scipy", "soxr"])
def test_the_same_rate_is_no_resampling(resampler):
    waveform = sine(440, 16000)
    assert torch.equal(resample(waveform, 16000, 16000, resampler), waveform)


def test_unknown_and_missing_resamplers_are_refused(tmp_path, monkeypatch):
    write_audio(tmp_path / "sound.wav", sine(440, 16000))
    with pytest.raises(ValueError, match="one of scipy, soxr, got 'sinc'"):
        read_audio(tmp_path / "sound.wav", resampler="sinc")
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(ValueError, match="`pip install soxr`"):
        check_resampler("soxr")
    check_resampler("scipy")


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_content_and_open_files_are_read_as_files_are(tmp_path, container):
    path = tmp_path / "sound"
    soundfile.write(path, 0.5 * sine(440, 22050).numpy(), 22050, format=container)
    expected = read_audio(path)
    assert torch.equal(read_audio(path.read_bytes()), expected)
    with path.open("rb") as file:
        file.seek(5)
        assert torch.equal(read_audio(file), expected)
        assert not file.closed


def test_names_stand_for_paths_in_errors(tmp_path):
    file = io.BytesIO()
    soundfile.write(file, np.array([0.0, np.nan]), 16000, subtype="FLOAT", format="WAV")
    for audio in (b"no sound", b"", file, file.getvalue(), tmp_path / "lost.wav"):
        with pytest.raises(ValueError, match="'row 7'"):
            read_audio(audio, name="row 7")


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 16000, subtype="FLOAT")
    # (0.5 - 0.25) / 2
    assert torch.equal(read_audio(tmp_path / "stereo.wav"), torch.full((100,), 0.125))


@pytest.mark.parametrize("name", ["missing.wav", "text.wav", "empty.wav", "nan.wav", "folder"])
def test_what_is_no_sound_is_named(tmp_path, name):
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / name))):
        read_audio(tmp_path / name)


@pytest.mark.parametrize("name", ["sound.mp3", "sound", "sound.wav.txt", ".wav"])
def test_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=re.escape(f".wav, .flac, .ogg, got '{name}'")):
        check_audio_suffix(name)
    with pytest.raises(ValueError, match=re.escape(name)):
        write_audio(tmp_path / name, torch.zeros(10))


@pytest.mark.parametrize(
    ("waveform", "told"),
    [
        (torch.zeros(0), r"\(0,\)"),
        (torch.zeros(1, 2, 10), r"\(1, 2, 10\)"),
        (torch.tensor([0.0, torch.nan]), "NaN"),
        (torch.tensor([0.0, torch.inf]), "infinite"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, waveform, told):
    path = tmp_path / "sound.wav"
    path.write_bytes(b"an older sound")
    with pytest.raises(ValueError, match=told):
        write_audio(path, waveform)
    assert path.read_bytes() == b"an older sound"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "sound.wav"
    path.write_bytes(b"an older sound")

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(soundfile.SoundFile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_audio(path, torch.zeros(10))
    assert path.read_bytes() == b"an older sound"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_shows_nothing_before_the_end(tmp_path):
    path = tmp_path / "picture.png"
    with replacing(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
        assert temporary.suffix == ".png"
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_written_files_have_the_usual_mode(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    write_audio(tmp_path / "sound.wav", torch.zeros(10))
    assert (tmp_path / "sound.wav").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A dog barking", "a-dog-barking"),
        ("<a sneeze& start>@<a door slams& end>", "a-sneeze-start-a-door-slams-end"),
        ("../../etc/passwd", "etc-passwd"),
        ("Café ☕", "café"),
        ("☕", "sound"),
        ("word " * 40, "-".join(["word"] * 12)),
    ],
)
def test_slug(prompt, name):
    assert slug(prompt) == name


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG"])
def test_what_is_longer_than_is_taken(container):
    content = io.BytesIO()
    soundfile.write(content, 0.1 * np.ones(3 * 8000), 8000, format=container)
    assert len(read_audio(content.getvalue(), 16000, max_duration_s=3.0)) == 48000
    with pytest.raises(ValueError, match=r"'sound' is longer than 2.5 s, the most that is taken"):
        read_audio(content.getvalue(), 16000, name="sound", max_duration_s=2.5)

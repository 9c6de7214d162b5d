# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import io
import math

import numpy as np
import pytest
import soundfile
import torch

from audiolcm_diffusers.audio.io import resample, write_audio
from audiolcm_diffusers.pipelines.source_audio import read_source


TONE = 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(1600) / 16000)


def read(audio, sampling_rate=None, num_prompts=1):
    return read_source(audio, sampling_rate, 16000, num_prompts)


@pytest.mark.parametrize(
    "audio",
    [
        TONE,
        TONE.numpy(),
        TONE.tolist(),
        TONE[None],
        torch.stack([TONE, TONE]),
        TONE[None, None],
        TONE.double(),
        [TONE],
        {"array": TONE.numpy(), "sampling_rate": 16000},
        {"array": TONE.numpy(), "sampling_rate": 16000, "path": None},
    ],
)
def test_samples_of_the_models_rate(audio):
    torch.testing.assert_close(read(audio), TONE[None])


def test_channels_are_averaged():
    torch.testing.assert_close(read(torch.stack([TONE, torch.zeros(1600)])), TONE[None] / 2)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"), [(np.int16, 2**15, 0), (np.int32, 2**31, 0), (np.int8, 128, 0), (np.uint8, 128, 128)]
)
def test_whole_numbers_are_shares_of_their_full_scale(dtype, scale, zero):
    whole = (TONE.double().numpy() * scale + zero).astype(dtype)
    torch.testing.assert_close(read(whole), TONE[None], atol=1.01 / scale, rtol=1e-6)


def test_other_rates_are_resampled():
    expected = resample(TONE, 8000, 16000)
    assert expected.shape == (3200,)
    assert torch.equal(read(TONE, 8000)[0], expected)
    assert torch.equal(read({"array": TONE, "sampling_rate": 8000})[0], expected)


def test_files_say_their_rate(tmp_path):
    path = tmp_path / "tone.flac"
    write_audio(path, TONE, sampling_rate=8000)
    file = io.BytesIO(path.read_bytes())
    for audio in (path, str(path), path.read_bytes(), file, [path]):
        assert read(audio).shape == (1, 3200)
    assert read(path, 8000).shape == (1, 3200)
    with pytest.raises(
        ValueError, match=r"`sampling_rate` to be what '.*tone\.flac' says, 8000 Hz, or None, got 16000"
    ):
        read(path, 16000)
    with pytest.raises(ValueError, match="to be what `audio` says, 8000 Hz, or None, got 44100"):
        read({"array": TONE, "sampling_rate": 8000}, 44100)


def test_one_sound_or_one_a_prompt():
    other = TONE.flip(0)
    assert torch.equal(read([TONE, other], num_prompts=2), torch.stack([TONE, other]))
    assert read(TONE, num_prompts=3).shape == (1, 1600)
    assert torch.equal(read([TONE[None, None], other[None, None]], num_prompts=2), torch.stack([TONE, other]))
    assert read(torch.stack([TONE, other])[:, None], num_prompts=2).shape == (2, 1600)
    with pytest.raises(ValueError, match="one sound, or 3, as many as there are prompts, got 2"):
        read([TONE, other], num_prompts=3)
    with pytest.raises(ValueError, match=r"sounds of one length, got 0\.05, 0\.1 s"):
        read([TONE, other[:800]], num_prompts=2)


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (None, None, "`audio` to be a file, or an array or tensor of shape .*, got None"),
        (3.0, None, "`audio` to be a file, .*, got float"),
        ([], None, r"at least one sound, got \[\]"),
        (torch.zeros(0, 1, 5), None, r"at least one sound, got shape \(0, 1, 5\)"),
        (torch.zeros(0), None, "to hold samples, got none"),
        (torch.zeros(0, 5), None, "to hold samples|silent"),
        (torch.zeros(100), None, "to be heard, got a peak of 0: it is silent"),
        (1e-5 * TONE, None, r"got a peak of 5e-06: it is silent|got a peak of .*e-06: it is silent"),
        (torch.full((100,), float("nan")), None, "Expected `audio` to be finite, got 100 values"),
        (torch.tensor([0.1, float("inf")]), None, "Expected `audio` to be finite, got 1 values of 2"),
        (TONE * 20000, None, r"in \[-1, 1\], got samples up to 10000"),
        (torch.zeros(2, 2, 2, 2), None, r"got shape \(2, 2, 2, 2\) of torch.float32"),
        (torch.ones(100, dtype=torch.bool), None, r"got shape \(100,\) of torch.bool"),
        (torch.ones(100, dtype=torch.complex64), None, r"got shape \(100,\) of torch.complex64"),
        (torch.ones(1600, 2), None, r"shape \(channels, samples\), got \(1600, 2\), which looks like .* transpose it"),
        (TONE, 0, "a whole number from 1000 to 1000000 Hz, got 0"),
        (TONE, 16000.0, "a whole number from 1000 to 1000000 Hz, got 16000.0"),
        (TONE, -16000, "a whole number from 1000 to 1000000 Hz, got -16000"),
        ("nowhere.wav", None, "There is no audio file 'nowhere.wav'"),
        (b"no sound", None, "cannot be read as audio"),
        ([TONE, torch.zeros(1600)], None, "sound 1 of `audio` to be heard"),
    ],
)
def test_what_is_no_sound_is_quoted(audio, rate, message):
    with pytest.raises(ValueError, match=message):
        read(audio, rate)


def test_files_that_are_cut_off_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE.numpy(), 16000)
    content = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(ValueError, match="ends before its header says"):
        read(content[: len(content) // 2])

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import struct

import pytest
import soundfile
import torch

from audiolcm_diffusers.audio.io import read_audio, write_audio
from audiolcm_diffusers.audio.tags import SoundTags, read_settings


SUFFIXES = (".wav", ".flac", ".ogg")
SOUND = 0.3 * torch.sin(torch.arange(4001) / 5)
SETTINGS = {
    "prompt": "r\u00e9ain \u96e8 \U0001f327",
    "seed": 2**32 - 1,
    "guidance_scale": 5.0,
    "loop": False,
    "steps": None,
}


def write(path, **changes):
    tags = {"title": SETTINGS["prompt"], "settings": SETTINGS, "licence": "CC-BY-4.0", "software": "a test", **changes}
    write_audio(path, SOUND, 16000, SoundTags(**tags))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_settings_come_back(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    assert read_settings(path) == SETTINGS
    with soundfile.SoundFile(path) as sound:
        told = sound.copy_metadata()
    assert told["title"] == SETTINGS["prompt"] and told["copyright"] == "CC-BY-4.0"
    assert told["software"].startswith("a test")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_sound_is_the_same(tmp_path, suffix):
    write_audio(tmp_path / f"plain{suffix}", SOUND)
    tagged, plain = (read_audio(path) for path in (write(tmp_path / f"a{suffix}"), tmp_path / f"plain{suffix}"))
    assert torch.equal(tagged, plain)
    with pytest.raises(ValueError, match=r"plain.* does not say how it was made"):
        read_settings(tmp_path / f"plain{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("length", [1, 2, 2000, 10_000])
def test_long_texts_are_kept(tmp_path, suffix, length):
    settings = {"prompt": "\u96e8" * length}
    assert read_settings(write(tmp_path / f"a{suffix}", settings=settings)) == settings


def test_a_wav_file_is_a_whole_riff_file(tmp_path):
    content = write(tmp_path / "a.wav", settings={"prompt": "x"}).read_bytes()
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8 and len(content) % 2 == 0
    # Format, data of an odd number of samples, and the list.
    assert [content.count(name) for name in (b"fmt ", b"data", b"LIST", b"INFO")] == [1, 1, 1, 1]
    assert content.index(b"LIST") == 44 + 2 * 4001
    with pytest.raises(ValueError, match="ends before its header says"):
        read_audio(content[:3000])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_cannot_be_written_is_left_out(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", title="rain\0 and \ud800", settings={"prompt": "x"}, licence=None)
    with soundfile.SoundFile(path) as sound:
        told = sound.copy_metadata()
    assert told["title"] == "rain and ?" and "copyright" not in told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as audio"),
        (b"RIFF\x10\0\0\0WAVE", "does not say how it was made"),
        (b"RIFF\x10\0\0\0WAVELIST\xff\xff\xff\xffINFO", "does not say how it was made"),
        (b"RIFF\x24\0\0\0WAVELIST\x10\0\0\0INFOICMT\x04\0\0\0[1]\0", "does not say how it was made"),
        (b'RIFF\x28\0\0\0WAVELIST\x18\0\0\0INFOICMT\x0e\0\0\0{"audiolcm":1}\0', "does not say how it was made"),
        (b"no sound", "cannot be read as audio"),
    ],
)
def test_files_that_do_not_say(tmp_path, content, message):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_settings(tmp_path / "a.wav")
    with pytest.raises(ValueError, match="There is no sound file '.*nowhere"):
        read_settings(tmp_path / "nowhere.wav")

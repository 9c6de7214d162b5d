# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Files that were cut off are told from whole ones, whatever program wrote their headers."""

import io
import struct

import numpy as np
import pytest
import soundfile
import torch

from audiolcm_diffusers.audio.io import read_audio
from audiolcm_diffusers.audio.wholeness import _frame_length


NOISE = (0.1 * np.random.default_rng(0).standard_normal(24000)).astype("float32")


def written(container, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, NOISE, 16000, format=container, subtype=subtype)
    return file.getvalue()


KINDS = [
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AIFF", "FLOAT"),
    ("SVX", "PCM_16"),
    ("AU", "ULAW"),
    ("CAF", "PCM_16"),
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("VOC", "PCM_16"),
    ("AVR", "PCM_16"),
    ("AVR", "PCM_S8"),
    ("MAT4", "PCM_16"),
    ("MAT4", "DOUBLE"),
    ("MAT5", "PCM_16"),
    ("MAT5", "FLOAT"),
    ("MPC2K", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize(("container", "subtype"), KINDS)
def test_a_whole_file_is_read_and_what_is_left_of_one_is_not(container, subtype):
    content = written(container, subtype)
    assert abs(len(read_audio(content)) - 24000) < 600
    for kept in (len(content) // 2, len(content) * 3 // 4 + 1, len(content) - 600):
        with pytest.raises(ValueError, match="ends before its header says|cannot be read as audio|holds no samples"):
            read_audio(content[:kept])


def test_formats_of_one_rate():
    file = io.BytesIO()
    soundfile.write(file, NOISE[:8000], 8000, format="WVE", subtype="ALAW")
    assert len(read_audio(file.getvalue())) == 16000
    with pytest.raises(ValueError, match="ends before its header says"):
        read_audio(file.getvalue()[:4000])


def test_an_instrument_that_says_how_long_its_sample_is():
    file = io.BytesIO()
    soundfile.write(file, NOISE, 44100, format="XI", subtype="DPCM_16")
    content = bytearray(file.getvalue())
    content[298:302] = struct.pack("<I", 48000)
    assert abs(len(read_audio(bytes(content))) - 24000 * 16000 / 44100) < 2
    with pytest.raises(ValueError, match="ends before its header says"):
        read_audio(bytes(content[:30000]))


def test_an_mp3_without_a_count_of_its_frames():
    file = io.BytesIO()
    soundfile.write(file, NOISE, 16000, format="MP3", bitrate_mode="CONSTANT")
    content = file.getvalue()
    # The first frame is the one that counts; tags may stand before and behind.
    assert b"Xing" in content[:60] or b"Info" in content[:60]
    bare = content[_frame_length(content[:4]) :]
    tag = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    for whole in (bare, tag + bare, bare + b"TAG" + bytes(125)):
        assert len(read_audio(whole)) > 20000
    with pytest.raises(ValueError, match="ends before"):
        read_audio(bare[: len(bare) // 2 + 1])


def test_an_ogg_file_in_several_parts():
    """Streams one behind the other are one file, which libsndfile reads to the end of the first."""
    assert len(read_audio(written("OGG", "VORBIS") * 2)) >= 24000


def with_sizes(content, riff=None, data=None):
    content = bytearray(content)
    place = content.index(b"data") + 4
    if riff is not None:
        content[4:8] = struct.pack("<I", riff)
    if data is not None:
        content[place : place + 4] = struct.pack("<I", data)
    return bytes(content)


WAV = written("WAV")
EXPECTED = read_audio(WAV)


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0x7FFFF024, 0x7FFFF000),  # SoX to a pipe
        (0xFFFFFFFF, 0xFFFFFFFF),  # ffmpeg to a pipe
        (0, 0),
        (None, 0),
        (0, None),
        (0x80000024, 0x80000000),
        (0xFFFFFFFF, 0xFFFFFFFF - 36),
        (len(WAV), None),
        (len(WAV) - 16, None),
        (len(WAV) + 1000, None),
        (None, len(WAV) - 44 + 2),
    ],
)
def test_placeholders_and_sizes_a_little_off(riff, data):
    assert torch.equal(read_audio(with_sizes(WAV, riff, data)), EXPECTED)


def test_an_empty_chunk_of_data_before_another_chunk_is_empty():
    empty = with_sizes(WAV[:44], 36 + 12, 0) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(ValueError, match="holds no samples"):
        read_audio(empty)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_placeholders_of_au(size):
    content = bytearray(written("AU"))
    content[8:12] = struct.pack(">I", size)
    assert torch.equal(read_audio(bytes(content)), EXPECTED)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7F000008])
def test_placeholders_of_aiff(size):
    content = bytearray(written("AIFF"))
    place = content.index(b"SSND") + 4
    content[4:8] = content[place : place + 4] = struct.pack(">I", size)
    assert torch.equal(read_audio(bytes(content)), EXPECTED)


@pytest.mark.parametrize("size", [0, 2**63 - 1])
def test_placeholders_of_rf64(size):
    content = bytearray(written("RF64"))
    content[28:36] = struct.pack("<Q", size)
    assert torch.equal(read_audio(bytes(content)), EXPECTED)


class TestFloats:
    def read(self, samples):
        file = io.BytesIO()
        soundfile.write(file, samples, 16000, format="WAV", subtype="FLOAT")
        return read_audio(file)

    @pytest.mark.parametrize(("scale", "bits"), [(20000, 15), (2**15, 15), (2**20, 23), (2**31, 31)])
    def test_integers_keep_their_shape(self, scale, bits):
        wave = np.linspace(-1, 1, 101, dtype="float32")
        torch.testing.assert_close(self.read(wave * scale), torch.from_numpy(wave) * scale / 2**bits)

    @pytest.mark.parametrize("peak", [1.0, 1.5, 16.0])
    def test_what_is_louder_than_full_scale_is_not_clipped(self, peak):
        wave = np.linspace(-1, 1, 101, dtype="float32")
        torch.testing.assert_close(self.read(wave * peak), torch.from_numpy(wave))

    def test_quiet_sounds_stay_quiet(self):
        assert float(self.read(np.full(100, 0.25, dtype="float32")).max()) == 0.25

    def test_a_scale_with_overshoot(self):
        wave = np.linspace(-1, 1, 101, dtype="float32")
        torch.testing.assert_close(self.read(wave * 40000), torch.from_numpy(wave))

    @pytest.mark.parametrize("peak", [17.0, 255.0, 1e12])
    def test_no_scale_fits(self, peak):
        with pytest.raises(ValueError, match=r"samples up to .*, where full scale is 1"):
            self.read(np.full(100, peak, dtype="float32"))


class TestBounds:
    @pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
    def test_rates_that_are_none(self, rate):
        content = bytearray(WAV)
        content[24:28] = struct.pack("<I", rate)
        with pytest.raises(ValueError, match=f"has {rate} samples a second|cannot be read as audio"):
            read_audio(bytes(content))

    def test_a_header_that_claims_more_than_memory_holds(self):
        """Of FLAC, which says how many samples there are: 2^36 - 1 at most."""
        content = bytearray(written("FLAC"))
        content[21] |= 0x0F
        content[22:26] = b"\xff" * 4
        with pytest.raises(ValueError, match="cannot be read as audio|ends before"):
            read_audio(bytes(content))

    def test_lengths(self, monkeypatch):
        from audiolcm_diffusers.audio import io as audio_io

        monkeypatch.setattr(audio_io, "MAX_SAMPLES", 1000)
        with pytest.raises(ValueError, match="is longer than"):
            read_audio(WAV)

    def test_a_file_that_may_not_be_read(self, monkeypatch, tmp_path):
        from audiolcm_diffusers.audio import io as audio_io

        (tmp_path / "a.wav").write_bytes(WAV)

        def refuse(*args):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(audio_io, "missing_bytes", refuse)
        with pytest.raises(ValueError, match=r"a\.wav' cannot be read: Permission denied"):
            read_audio(tmp_path / "a.wav")

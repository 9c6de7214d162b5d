# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import soundfile

from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.audio.wav_stream import wav_header, wav_samples


def test_pieces_are_the_file(tmp_path):
    sound = np.linspace(-1.5, 1.5, 1000, dtype=np.float32)
    content = wav_header(len(sound), 16000) + wav_samples(sound[:300]) + wav_samples(sound[300:])
    (tmp_path / "stream.wav").write_bytes(content)
    write_audio(tmp_path / "file.wav", sound)
    read = {name: soundfile.read(tmp_path / name, dtype="int16") for name in ("stream.wav", "file.wav")}
    assert read["stream.wav"][1] == read["file.wav"][1] == 16000
    assert np.array_equal(read["stream.wav"][0], read["file.wav"][0])
    # 44 bytes of head, two a sample.
    assert len(content) == 44 + 2 * 1000

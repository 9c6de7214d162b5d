# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A WAV file of 16 bits as it is sent while it is made: its head, then piece after piece."""

import io
import struct

import numpy as np


def wav_header(num_samples, sampling_rate):
    r"""The head of a WAV file of one channel and 16 bits, whose samples follow."""
    data = 2 * num_samples
    return (
        b"RIFF"
        + struct.pack("<I", 36 + data)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, sampling_rate, 2 * sampling_rate, 2, 16)
        + b"data"
        + struct.pack("<I", data)
    )


def wav_samples(piece):
    r"""Samples as a WAV file of 16 bits has them."""
    import soundfile

    # By the library that writes files, so that both hold the same.
    samples = io.BytesIO()
    soundfile.write(samples, np.clip(piece, -1.0, 1.0), 16000, "PCM_16", "LITTLE", "RAW")
    return samples.getvalue()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Reading, resampling and writing audio files."""

import math
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch


FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}


def read_audio(path, sampling_rate=16000):
    r"""
    Read an audio file as mono.

    Args:
        path (`str` or `Path`): A file that libsndfile reads (WAV, FLAC, OGG, MP3, …), any rate, channels or depth.
        sampling_rate (`int`, defaults to 16000): Rate in Hz of the result; other rates are resampled (polyphase).

    Returns:
        `torch.Tensor` of shape `(samples,)`: float32, the mean of the channels.

    Raises:
        ValueError: If the file is missing, unreadable, empty or has values that are not finite.
    """
    import soundfile

    if not Path(path).is_file():
        raise ValueError(f"There is no audio file {str(path)!r}.")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{str(path)!r} cannot be read as audio: {error}") from error
    waveform = torch.from_numpy(samples).mean(dim=1)
    if waveform.numel() == 0:
        raise ValueError(f"{str(path)!r} holds no samples.")
    if not torch.isfinite(waveform).all():
        raise ValueError(f"{str(path)!r} holds samples that are NaN or infinite.")
    if rate != sampling_rate:
        from scipy.signal import resample_poly

        divisor = math.gcd(rate, sampling_rate)
        waveform = torch.from_numpy(resample_poly(waveform.numpy(), sampling_rate // divisor, rate // divisor))
    return waveform.contiguous()


def write_audio(path, waveform, sampling_rate=16000):
    r"""
    Write a mono waveform: 16-bit WAV or FLAC, or OGG Vorbis, by the suffix.

    The file is written under a temporary name in the same folder and renamed, so that an interrupted run leaves the
    file that was there before, or none.

    Args:
        path (`str` or `Path`): Ends in `.wav`, `.flac` or `.ogg`. Its folder exists.
        waveform (`torch.Tensor` or `numpy.ndarray` of shape `(samples,)`):
            Samples in `[-1, 1]`; what lies outside is clipped, as 16-bit files cannot hold it.
        sampling_rate (`int`, defaults to 16000): Samples per second.

    Raises:
        ValueError: If the suffix is unknown, or the waveform is empty, not one-dimensional, NaN or infinite.
    """
    import soundfile

    path = Path(path)
    check_audio_suffix(path)
    waveform = torch.as_tensor(waveform).detach().to("cpu", torch.float32)
    if waveform.ndim != 1 or waveform.numel() == 0:
        raise ValueError(f"Expected a waveform of shape (samples,), got {tuple(waveform.shape)} for {str(path)!r}.")
    if not torch.isfinite(waveform).all():
        raise ValueError(f"The waveform for {str(path)!r} holds NaN or infinite samples; nothing was written.")
    container, subtype = FORMATS[path.suffix.lower()]
    with replacing(path) as temporary:
        soundfile.write(temporary, waveform.clamp(-1.0, 1.0).numpy(), sampling_rate, subtype, format=container)


def check_audio_suffix(path):
    r"""
    Refuse a file name whose suffix names no format that [`write_audio`] writes.

    Raises:
        ValueError: If the suffix is unknown; the message lists the known ones.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"Expected a file name ending in {', '.join(FORMATS)}, got {str(path)!r}.")


@contextmanager
def replacing(path):
    r"""
    Write a file under a temporary name in the same folder, and give it its own name once it is whole.

    Args:
        path (`str` or `Path`): The file. Its folder exists.

    Yields:
        `Path`: Where to write, with the suffix of `path`. After an error in the block it is removed, and what was at
        `path` before stays as it was.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:32]}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; what is written here is as readable as other files of its owner.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

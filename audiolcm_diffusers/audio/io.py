# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Reading, resampling and writing audio files."""

import importlib.util
import io
import math
import os
import re
import unicodedata
from contextlib import nullcontext
from pathlib import Path

import torch

from ..files import replacing


RESAMPLERS = ("scipy", "soxr")
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
MAX_SLUG_LENGTH = 60


def read_audio(audio, sampling_rate=16000, resampler="scipy", name=None):
    r"""
    Read an audio file as mono.

    Args:
        audio (`str`, `Path`, `bytes` or binary file):
            What libsndfile reads (WAV, FLAC, OGG, MP3, …), any rate, channels or depth: a path, the content of a file,
            or an open file, read from its beginning.
        sampling_rate (`int`, defaults to 16000): Rate in Hz of the result; other rates are resampled.
        resampler (`str`, defaults to `"scipy"`): How, see [`resample`].
        name (`str`, *optional*): What errors call the audio; by default its path.

    Returns:
        `torch.Tensor` of shape `(samples,)`: float32, the mean of the channels.

    Raises:
        ValueError:
            If the file is missing, unreadable, empty or has values that are not finite, or if the resampler is unknown
            or not installed.
    """
    import soundfile

    check_resampler(resampler)
    name = audio_name(audio) if name is None else name
    with open_audio(audio, name) as file:
        try:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{name!r} cannot be read as audio: {error.error_string}") from error
    waveform = torch.from_numpy(samples).mean(dim=1)
    if waveform.numel() == 0:
        raise ValueError(f"{name!r} holds no samples.")
    if not torch.isfinite(waveform).all():
        raise ValueError(f"{name!r} holds samples that are NaN or infinite.")
    return resample(waveform, rate, sampling_rate, resampler)


def audio_name(audio):
    r"""What errors call an audio file that has no other name: its path, where it has one."""
    return str(audio) if isinstance(audio, (str, Path)) else str(getattr(audio, "name", "audio"))


def open_audio(audio, name):
    r"""
    Open what [`read_audio`] reads.

    Args:
        audio (`str`, `Path`, `bytes` or binary file): Path, content or open file; the latter is wound back.
        name (`str`): What errors call it.

    Returns:
        A context manager that yields a binary file. It leaves open what was open.

    Raises:
        ValueError: If there is no such file.
    """
    if isinstance(audio, (str, Path)):
        if not Path(audio).is_file():
            raise ValueError(f"There is no audio file {name!r}.")
        return Path(audio).open("rb")
    if isinstance(audio, bytes):
        return io.BytesIO(audio)
    audio.seek(0)
    return nullcontext(audio)


def check_resampler(resampler):
    r"""
    Refuse a resampler that [`resample`] does not have.

    Raises:
        ValueError: If it is unknown or not installed.
    """
    if resampler not in RESAMPLERS:
        raise ValueError(f"Expected resampler to be one of {', '.join(RESAMPLERS)}, got {resampler!r}.")
    if importlib.util.find_spec(resampler) is None:
        raise ValueError(f"The resampler {resampler} is not installed: `pip install {resampler}`.")


def resample(waveform, rate, sampling_rate, resampler="scipy"):
    r"""
    Bring a waveform to another rate.

    The two resamplers differ near half of the lower rate, scipy's filter being the shorter one, and by a sample in
    length; which one is used is therefore said, and does not depend on what is installed.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32.
        rate (`int`): Samples per second of `waveform`.
        sampling_rate (`int`): Samples per second of the result.
        resampler (`str`, defaults to `"scipy"`):
            `"scipy"`, a polyphase filter, or `"soxr"`, the SoX resampler in its high quality, which is steeper.

    Returns:
        `torch.Tensor` of shape `(about samples * sampling_rate / rate,)`: float32.
    """
    if rate == sampling_rate:
        return waveform.contiguous()
    if resampler == "soxr":
        import soxr

        return torch.from_numpy(soxr.resample(waveform.numpy(), rate, sampling_rate, quality="HQ"))
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, sampling_rate)
    resampled = resample_poly(waveform.numpy(), sampling_rate // divisor, rate // divisor)
    return torch.from_numpy(resampled).contiguous()


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
        # Its name as bytes, because soundfile takes no text that is not UTF-8.
        name, samples = os.fsencode(temporary), waveform.clamp(-1.0, 1.0).numpy()
        soundfile.write(name, samples, sampling_rate, subtype, format=container)


def check_audio_suffix(path):
    r"""
    Refuse a file name whose suffix names no format that [`write_audio`] writes.

    Raises:
        ValueError: If the suffix is unknown; the message lists the known ones.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"Expected a file name ending in {', '.join(FORMATS)}, got {str(path)!r}.")


def slug(prompt):
    r"""A file name for a prompt, without suffix: lower-case letters and digits, joined by hyphens."""
    text = unicodedata.normalize("NFKC", prompt).lower()
    return re.sub(r"[\W_]+", "-", text).strip("-")[:MAX_SLUG_LENGTH].rstrip("-") or "sound"

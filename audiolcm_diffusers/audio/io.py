# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Reading, resampling and writing audio files."""

import importlib.util
import io
import math
import os
import re
import tempfile
import unicodedata
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from ..files import replacing
from .tags import append_info
from .wholeness import is_mp3, missing_bytes


RESAMPLERS = ("scipy", "soxr")
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
MAX_SLUG_LENGTH = 60

# What is no rate of sound, though a damaged header may say so.
MIN_RATE, MAX_RATE = 1000, 1_000_000
# An hour and a half at 48 kHz, 1 GB of memory.
MAX_SAMPLES = 2**28
# Values read at a time, of all channels.
BLOCK_SAMPLES = 2**20
# 24 dB above full scale: more is no headroom, but another scale.
MAX_FLOAT_PEAK = 16.0


def read_audio(audio, sampling_rate=16000, resampler="scipy", name=None, max_duration_s=None, num_channels=None):
    r"""
    Read an audio file, as mono where nothing else is asked for.

    Args:
        audio (`str`, `Path`, `bytes` or binary file):
            What libsndfile reads (WAV, FLAC, OGG, MP3, …), any rate, channels or depth: a path, the content of a file,
            or an open file, read from its beginning.
        sampling_rate (`int`, defaults to 16000): Rate in Hz of the result; other rates are resampled.
        resampler (`str`, defaults to `"scipy"`): How, see [`resample`].
        name (`str`, *optional*): What errors call the audio; by default its path.
        max_duration_s (`float`, *optional*): Seconds beyond which it is refused; reading ends there.
        num_channels (`int`, *optional*):
            Channels of the result. A file that has as many keeps its own; the mean of all others' channels is
            repeated.

    Returns:
        `torch.Tensor` of shape `(samples,)`, with `num_channels` `(num_channels, samples)`: float32, the mean of the
        channels or the channels. Floating-point files that go beyond `[-1, 1]` are scaled as a whole; where they hold
        integers of 16, 24 or 32 bits, by these's full scale.

    Raises:
        ValueError:
            If the file is missing, unreadable, cut off, empty, longer than 2^28 samples or `max_duration_s`, of a rate
            below 1 kHz or above 1 MHz, or has values that are not finite, or if the resampler is unknown or not
            installed.
    """
    check_resampler(resampler)
    name = audio_name(audio) if name is None else name
    try:
        with open_audio(audio, name) as file, _decodable(file, audio, name) as source:
            waveform, rate = _read_channels(source, name, max_duration_s, num_channels)
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read: {error.strerror or error}.") from error
    return resample(waveform, rate, sampling_rate, resampler)


@contextmanager
def _decodable(file, audio, name):
    """What libsndfile reads of an open file that is whole: a path, or a binary file."""
    missing, repairs = missing_bytes(file)
    if missing:
        raise ValueError(f"{name!r} ends before its header says: {missing} bytes or more are missing.")
    content = None
    if repairs:
        content = bytearray(file.read())
        for place, length, values in repairs:
            content[place : place + length] = values
        file = io.BytesIO(bytes(content))
    if content is None and isinstance(audio, str | Path):
        # Its name as bytes, because soundfile takes no text that is not UTF-8.
        yield os.fsencode(audio)
    elif is_mp3(file):
        # libsndfile 1.2 reads MP3 from files alone; from memory it fails now and then ("bad data offset").
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "sound.mp3")
            path.write_bytes(file.read())
            yield os.fsencode(path)
    else:
        yield file


def _read_channels(source, name, max_duration_s, num_channels):
    """The mean of a sound's channels, or so many channels of it, and its rate."""
    import soundfile

    try:
        with soundfile.SoundFile(source, "r") as sound:
            rate, channels = sound.samplerate, sound.channels
            if not MIN_RATE <= rate <= MAX_RATE:
                raise ValueError(f"{name!r} has {rate} samples a second; {MIN_RATE} to {MAX_RATE} are expected.")
            # In blocks, because a header may claim more than there is and than memory holds.
            blocks, num_samples = [], 0
            while len(block := sound.read(max(1, BLOCK_SAMPLES // channels), dtype="float32", always_2d=True)):
                block = torch.from_numpy(block)
                if num_channels is None:
                    block = block.mean(dim=1)
                elif num_channels != channels:
                    block = block.mean(dim=1, keepdim=True).expand(-1, num_channels)
                blocks.append(block)
                num_samples += len(block)
                if num_samples > MAX_SAMPLES:
                    raise ValueError(f"{name!r} is longer than {MAX_SAMPLES} samples; cut it into pieces.")
                if max_duration_s is not None and num_samples > max_duration_s * rate:
                    raise ValueError(f"{name!r} is longer than {max_duration_s:g} s, the most that is taken.")
            is_float = sound.subtype in ("FLOAT", "DOUBLE")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{name!r} cannot be read as audio: {error.error_string}") from error
    waveform = torch.cat(blocks) if blocks else torch.zeros(0)
    if waveform.numel() == 0:
        raise ValueError(f"{name!r} holds no samples.")
    if not torch.isfinite(waveform).all():
        raise ValueError(f"{name!r} holds samples that are NaN or infinite.")
    waveform = _to_full_scale(waveform, name) if is_float else waveform
    return waveform.T.contiguous() if num_channels is not None else waveform, rate


def _to_full_scale(waveform, name):
    """
    Samples of a file of floating-point numbers in [-1, 1]: as they are where they fit, else scaled as a whole. What
    was converted from whole numbers may be as large as they were.
    """
    peak = float(waveform.abs().max())
    if peak <= 1.0:
        return waveform
    if peak <= MAX_FLOAT_PEAK:
        return waveform / peak
    # Some overshoot, as after resampling, is taken for the scale that it leaves; below a twentieth of the lowest scale
    # none can be told.
    bits = next((bits for bits in (15, 23, 31) if peak <= 1.5 * 2.0**bits), None)
    if bits is None or peak < 2.0**15 / 20:
        raise ValueError(f"{name!r} holds samples up to {peak:g}, where full scale is 1.")
    return waveform / max(2.0**bits, peak)


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
        refusal = getattr(audio, "refusal", None)  # of a path that a dataset may not name
        if refusal is not None:
            raise ValueError(refusal)
        try:
            is_file = Path(audio).is_file()
        except (OSError, ValueError) as error:  # a name that is too long, or holds a zero byte
            raise ValueError(f"There is no audio file {name!r}: {error}.") from error
        if not is_file:
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
        waveform (`torch.Tensor` of shape `(samples,)` or `(num_channels, samples)`): float32.
        rate (`int`): Samples per second of `waveform`.
        sampling_rate (`int`): Samples per second of the result.
        resampler (`str`, defaults to `"scipy"`):
            `"scipy"`, a polyphase filter, or `"soxr"`, the SoX resampler in its high quality, which is steeper.

    Returns:
        `torch.Tensor` of shape `(…, about samples * sampling_rate / rate)`: float32.
    """
    if rate == sampling_rate:
        return waveform.contiguous()
    if resampler == "soxr":
        import soxr

        # Its channels come last.
        resampled = soxr.resample(waveform.numpy().T, rate, sampling_rate, quality="HQ").T
        return torch.from_numpy(resampled).contiguous()
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, sampling_rate)
    resampled = resample_poly(waveform.numpy(), sampling_rate // divisor, rate // divisor, axis=-1)
    return torch.from_numpy(resampled).contiguous()


def write_audio(path, waveform, sampling_rate=16000, tags=None):
    r"""
    Write a waveform: 16-bit WAV or FLAC, or OGG Vorbis, by the suffix.

    The file is written under a temporary name in the same folder and renamed, so that an interrupted run leaves the
    file that was there before, or none.

    Args:
        path (`str` or `Path`): Ends in `.wav`, `.flac` or `.ogg`. Its folder exists.
        waveform (`torch.Tensor` or `numpy.ndarray` of shape `(samples,)` or `(num_channels, samples)`):
            Samples in `[-1, 1]`; what lies outside is clipped, as 16-bit files cannot hold it.
        sampling_rate (`int`, defaults to 16000): Samples per second.
        tags ([`~audiolcm_diffusers.audio.tags.SoundTags`], *optional*): What the file says of itself.

    Raises:
        ValueError: If the suffix is unknown, or the waveform is empty, of another shape, NaN or infinite.
    """
    check_audio_suffix(path)
    waveform = torch.as_tensor(waveform).detach().to("cpu", torch.float32)
    if waveform.ndim not in (1, 2) or waveform.numel() == 0:
        raise ValueError(
            f"Expected a waveform of shape (samples,) or (num_channels, samples), got {tuple(waveform.shape)} for "
            f"{str(path)!r}."
        )
    write_pieces(path, [waveform], sampling_rate, tags, num_channels=1 if waveform.ndim == 1 else len(waveform))


def write_pieces(path, pieces, sampling_rate=16000, tags=None, num_channels=1):
    r"""
    Write a waveform whose pieces come one by one, as [`write_audio`] does.

    Args:
        path, sampling_rate, tags: As of [`write_audio`].
        pieces (`Iterable[torch.Tensor]` of shape `(samples,)` or `(num_channels, samples)`):
            One behind the other, they are the sound.
        num_channels (`int`, defaults to 1): Of the pieces.

    Raises:
        ValueError: If the suffix is unknown, or a piece is NaN or infinite; the file is not written then.
    """
    import soundfile

    path = Path(path)
    check_audio_suffix(path)
    container, subtype = FORMATS[path.suffix.lower()]
    texts = {} if tags is None else tags.texts
    with replacing(path) as temporary:
        # Its name as bytes, because soundfile takes no text that is not UTF-8.
        name = os.fsencode(temporary)
        with soundfile.SoundFile(name, "w", sampling_rate, num_channels, subtype, format=container) as sound:
            for tag, text in texts.items() if container != "WAV" else ():
                setattr(sound, tag, text)
            for piece in pieces:
                piece = torch.as_tensor(piece).detach().to("cpu", torch.float32)
                if not torch.isfinite(piece).all():
                    raise ValueError(
                        f"The waveform for {str(path)!r} holds NaN or infinite samples; nothing was written."
                    )
                sound.write(piece.clamp(-1.0, 1.0).T.numpy() if piece.ndim == 2 else piece.clamp(-1.0, 1.0).numpy())
        if texts and container == "WAV":
            append_info(temporary, texts)


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

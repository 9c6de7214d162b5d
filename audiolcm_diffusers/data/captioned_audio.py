# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Captioned audio in the `audiofolder` and the published layout or from the Hub, and random crops of it."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..audio.io import audio_name, check_resampler, read_audio
from ..audio.mel import log_mel_spectrogram
from .metadata import captions_of, read_metadata


SILENCE = -5.0  # log10 mel of digital silence
INT16_SCALE = 32767.0


def unit(waveform):
    r"""A waveform of int16, as [`Clip`] has it, as float32 in `[-1, 1]`."""
    return waveform.float() / INT16_SCALE


@dataclass(frozen=True)
class Clip:
    r"""
    One captioned recording.

    Args:
        name (`str`): File name inside its folder, or row of its dataset.
        caption (`str`): What is heard, the first of several captions.
        waveform (`torch.Tensor` of shape `(samples,)` or `(num_channels, samples)`):
            int16, so that hours of audio fit in memory.
        other_captions (`tuple[str]`): The further ones.
    """

    name: str
    caption: str
    waveform: torch.Tensor
    other_captions: tuple = ()

    def draw_caption(self, generator):
        r"""Draw one of the clip's captions, all equally likely; nothing is drawn where there is one."""
        if not self.other_captions:
            return self.caption
        captions = (self.caption, *self.other_captions)
        return captions[int(torch.randint(len(captions), (), generator=generator))]


@dataclass(frozen=True)
class BadClip:
    r"""
    A row of the metadata that training leaves out.

    Args:
        name (`str`): File name as in the metadata, or row of its dataset.
        reason (`str`): What is wrong with it.
    """

    name: str
    reason: str


def read_clip(name, caption, audio, sampling_rate=16000, resampler="scipy", check_caption=None, num_channels=None):
    r"""
    Read a recording and refuse what nothing can be learnt from.

    Args:
        name (`str`):
            From [`~audiolcm_diffusers.data.metadata.read_metadata`] or a row of a
            [`~audiolcm_diffusers.data.hub_dataset.HubDataset`].
        caption (`str` or `list[str]`): Likewise. Of several captions, the empty ones are left out.
        audio (`Path`, `bytes`, *optional*): Likewise; `None` where the row has no audio.
        sampling_rate (`int`, defaults to 16000): Rate in Hz to which it is resampled.
        resampler (`str`, defaults to `"scipy"`): See [`~audiolcm_diffusers.audio.io.resample`].
        check_caption (`Callable[[str], Any]`, *optional*):
            Raises `ValueError` for a caption that whoever encodes it would refuse.
        num_channels (`int`, *optional*): See [`~audiolcm_diffusers.audio.io.read_audio`].

    Returns:
        [`Clip`].

    Raises:
        ValueError:
            If the caption is empty or no text, or the audio is missing, unreadable, cut off, empty, silent or not
            finite.
    """
    captions = captions_of(caption, name)
    for text in captions if check_caption is not None else ():
        try:
            check_caption(text)
        except ValueError as error:
            raise ValueError(f"{name!r} has a caption that cannot be learnt: {error}") from error
    if audio is None:
        raise ValueError(f"{name!r} has no audio.")
    source = name if isinstance(audio, bytes) else audio_name(audio)
    waveform = read_audio(audio, sampling_rate, resampler, name=source, num_channels=num_channels)
    stored = (waveform.clamp(-1.0, 1.0) * INT16_SCALE).round().to(torch.int16)
    if not stored.any():
        raise ValueError(f"{source!r} is silent.")
    return Clip(name, captions[0], stored, tuple(captions[1:]))


def load_clips(
    data,
    sampling_rate=16000,
    max_bad_fraction=0.0,
    bad_clips=None,
    resampler="scipy",
    max_clips=None,
    excluded_licences=(),
    outside_paths=False,
    check_caption=None,
    num_channels=None,
    max_bytes=None,
):
    r"""
    Read a dataset into memory, leaving out what cannot be used.

    In memory a clip takes two bytes a sample: at 16 kHz an hour of sound is 2 * 16000 * 3600 bytes, 115 MB.

    Args:
        data (`str`, `Path`, a list of them, or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]):
            Folders or `.tsv` files, see [`~audiolcm_diffusers.data.metadata.read_metadata`], or a dataset of the Hub.
        sampling_rate (`int`, defaults to 16000): Rate in Hz to which clips are resampled.
        max_bad_fraction (`float`, defaults to 0.0): Share of the rows that may be left out.
        bad_clips (`list`, *optional*): Is extended by a [`BadClip`] for every row left out.
        resampler (`str`, defaults to `"scipy"`): See [`~audiolcm_diffusers.audio.io.resample`].
        max_clips (`int`, *optional*):
            Usable clips after which reading ends. The share of bad rows is that of the rows read.
        excluded_licences (`Sequence[str]`, defaults to `()`), outside_paths (`bool`, defaults to `False`):
            See [`~audiolcm_diffusers.data.metadata.read_metadata`]; not for datasets of the Hub.
        check_caption (`Callable[[str], Any]`, *optional*), num_channels (`int`, *optional*): See [`read_clip`].
        max_bytes (`float`, *optional*): Memory that the clips may take.

    Returns:
        `list[Clip]`: The usable clips in the order of the metadata or dataset.

    Raises:
        ValueError:
            If the metadata cannot be read or names no clip, or if more than `max_bad_fraction` of its clips are bad;
            the message then lists them. Also if the resampler is unknown or not installed.
        TooMuchForMemory: If the clips take more than `max_bytes`.
    """
    check_resampler(resampler)
    rows = data.rows() if hasattr(data, "rows") else read_metadata(data, excluded_licences, outside_paths)
    clips, bad, num_bytes = [], [], 0
    for name, caption, audio in rows:
        try:
            clips.append(read_clip(name, caption, audio, sampling_rate, resampler, check_caption, num_channels))
            num_bytes += clips[-1].waveform.nbytes
        except ValueError as error:
            bad.append(BadClip(name, str(error)))
        if max_bytes is not None and num_bytes > max_bytes:
            raise TooMuchForMemory(clips)
        # A long stream need not end to be known as too bad for the clips that are wanted.
        if max_clips is not None and (len(clips) == max_clips or len(bad) > max_bad_fraction * (max_clips + len(bad))):
            break
    if bad_clips is not None:
        bad_clips.extend(bad)
    check_bad_share(bad, len(clips) + len(bad), max_bad_fraction, str(data))
    if not clips:
        raise ValueError(f"{str(data)!r} names no clip.")
    return clips


class TooMuchForMemory(Exception):
    r"""
    Data take more memory than they may.

    Args:
        clips (`list[Clip]`): Those that were read until then.
    """

    def __init__(self, clips):
        super().__init__(f"{len(clips)} clips take more memory than they may.")
        self.clips = clips


def check_bad_share(bad, num_rows, max_bad_fraction, name):
    r"""
    Refuse data of which too much cannot be used.

    Args:
        bad (`list[BadClip]`): What is left out.
        num_rows (`int`): Rows that were read.
        max_bad_fraction (`float`): Share of them that may be left out.
        name (`str`): What the error calls the data.

    Raises:
        ValueError: If it is more; the message lists what and why.
    """
    if len(bad) > max_bad_fraction * num_rows:
        listed = "\n".join(clip.reason for clip in bad)
        raise ValueError(
            f"{len(bad)} of {num_rows} clips of {name!r} cannot be used, more than the share of "
            f"{max_bad_fraction} that is allowed:\n{listed}"
        )


def clip_mels(clips):
    r"""
    Log-mel spectrogram of each clip.

    Args:
        clips (`list[Clip]`): Clips at 16 kHz. Those shorter than one analysis window are padded with silence.

    Returns:
        `list[torch.Tensor]`: float32, shape `(80, ceil(samples / 256))` each.
    """
    return [mel_of(unit(clip.waveform)) for clip in clips]


def mel_of(waveform):
    r"""
    Log-mel spectrogram of a waveform of any length.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): float32 at 16 kHz. What is missing to a window is silence.

    Returns:
        `torch.Tensor` of shape `(80, ceil(samples / 256))`: float32; of at least one window.
    """
    samples = max(1024, math.ceil(waveform.shape[0] / 256) * 256)
    return log_mel_spectrogram(F.pad(waveform, (0, samples - waveform.shape[0]))[None])[0]


def seeded_generator(*numbers):
    r"""Random numbers that are a function of some whole numbers, as seed and step, none of which is negative."""
    # A CPU generator keeps 32 bits of its seed; sums of seed and step would meet in them.
    (seed,) = np.random.SeedSequence(numbers).generate_state(1)
    return torch.Generator().manual_seed(int(seed))


def crop_or_pad(sequence, length, offset, value):
    r"""
    Cut `length` steps out of the last dimension from `offset` on; what lies beyond the end is `value`.

    Args:
        sequence (`torch.Tensor` of shape `(..., steps)`): Waveform or mel.
        length (`int`): Steps of the result.
        offset (`int`): First step taken, in `[0, steps)`.
        value (`float`): Padding.

    Returns:
        `torch.Tensor` of shape `(..., length)`.
    """
    piece = sequence[..., offset : offset + length]
    return F.pad(piece, (0, length - piece.shape[-1]), value=value)


def random_offset(steps, length, generator):
    r"""Draw where a crop of `length` starts in `steps`; 0 where the sequence is no longer than the crop."""
    return int(torch.randint(max(1, steps - length + 1), (), generator=generator))


def draw_crops(lengths, crop_length, generators):
    r"""
    Draw which crops make up a batch. Every second of audio is as likely as any other, but that clips longer than ten
    crops count as ten.

    Args:
        lengths (`list[int]`): Steps of each clip.
        crop_length (`int`): Steps of a crop.
        generators (`list[torch.Generator]`): Source of randomness of each crop.

    Returns:
        `list[tuple[int, int]]`: Clip index and first step of each crop.
    """
    weights = torch.tensor([min(length, 10 * crop_length) for length in lengths], dtype=torch.float32)
    picked = [int(torch.multinomial(weights, 1, generator=generator)) for generator in generators]
    return [
        (index, random_offset(lengths[index], crop_length, generator)) for index, generator in zip(picked, generators)
    ]


def draw_gains_db(max_gain_db, generators):
    r"""Draw a gain in decibels from each generator, uniform in `[-max_gain_db, max_gain_db]`."""
    return [(2 * float(torch.rand((), generator=generator)) - 1) * max_gain_db for generator in generators]


def gain_mel(mel, gain_db):
    r"""
    The mel of a waveform amplified by `gain_db` decibels, from the mel of the waveform.

    Exact but for the floors of the extractor: magnitudes scale with the waveform, and silence stays at -5.
    """
    return (mel + gain_db / 20.0).clamp(min=SILENCE)

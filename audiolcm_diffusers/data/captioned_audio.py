# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Captioned audio in the `audiofolder` layout, and random crops of it."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from ..audio.io import read_audio
from ..audio.mel import log_mel_spectrogram


SILENCE = -5.0  # log10 mel of digital silence
INT16_SCALE = 32767.0


@dataclass(frozen=True)
class Clip:
    r"""
    One captioned recording.

    Args:
        name (`str`): File name inside its folder.
        caption (`str`): What is heard.
        waveform (`torch.Tensor` of shape `(samples,)`): int16, so that hours of audio fit in memory.
    """

    name: str
    caption: str
    waveform: torch.Tensor


def load_clips(data_dir, sampling_rate=16000):
    r"""
    Read a folder with a `metadata.csv` (columns `file_name` and `caption`) into memory.

    Args:
        data_dir (`str` or `Path`): The folder.
        sampling_rate (`int`, defaults to 16000): Rate in Hz to which clips are resampled.

    Returns:
        `list[Clip]`: The clips in the order of the file.

    Raises:
        ValueError: If the folder has no `metadata.csv`, or a column, caption or clip is missing.
    """
    metadata = Path(data_dir) / "metadata.csv"
    if not metadata.is_file():
        raise ValueError(f"Expected a `metadata.csv` with columns file_name and caption in {str(data_dir)!r}.")
    clips = []
    with metadata.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, restval="")
        missing = {"file_name", "caption"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{metadata} has no column {sorted(missing)}; it has {reader.fieldnames}.")
        for row in reader:
            if not row["caption"].strip():
                raise ValueError(f"{metadata}: {row['file_name']!r} has no caption.")
            waveform = read_audio(metadata.parent / row["file_name"], sampling_rate=sampling_rate)
            stored = (waveform.clamp(-1.0, 1.0) * INT16_SCALE).round().to(torch.int16)
            clips.append(Clip(row["file_name"], row["caption"].strip(), stored))
    return clips


def clip_mels(clips):
    r"""
    Log-mel spectrogram of each clip.

    Args:
        clips (`list[Clip]`): Clips at 16 kHz. Those shorter than one analysis window are padded with silence.

    Returns:
        `list[torch.Tensor]`: float32, shape `(80, ceil(samples / 256))` each.
    """
    mels = []
    for clip in clips:
        samples = max(1024, math.ceil(clip.waveform.shape[0] / 256) * 256)
        waveform = F.pad(clip.waveform.float() / INT16_SCALE, (0, samples - clip.waveform.shape[0]))
        mels.append(log_mel_spectrogram(waveform[None])[0])
    return mels


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

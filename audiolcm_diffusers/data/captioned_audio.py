# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Captioned audio in the `audiofolder` and the published layout or from the Hub, and random crops of it."""

import csv
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from ..audio.io import audio_name, check_resampler, open_audio, read_audio
from ..audio.mel import log_mel_spectrogram


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
        waveform (`torch.Tensor` of shape `(samples,)`): int16, so that hours of audio fit in memory.
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


def read_metadata(data, excluded_licences=()):
    r"""
    List the clips of a dataset without opening them.

    Args:
        data (`str`, `Path`, or a list of them):
            A folder in the `audiofolder` layout, with a `metadata.csv` or `metadata.jsonl` whose rows have `file_name`
            and `caption`; or a `.tsv` file in the published layout, with columns `name`, `audio_path` and `caption`,
            whose paths are relative to the file's folder unless they are absolute. Clips of several are named by
            their paths, because two folders may have files of one name.
        excluded_licences (`Sequence[str]`, defaults to `()`):
            Rows whose column `licence` says one of these are left out.

    Returns:
        `list[tuple[str, str, Path]]`: Name, caption (empty where there is none) and path of every row.

    Raises:
        ValueError: If there is no such file, it lacks a column, or has a line that cannot be read.
    """
    if isinstance(data, (list, tuple)):
        rows = [row for one in data for row in read_metadata(one, excluded_licences)]
        return [(str(path), caption, path) for _, caption, path in rows]
    data, rows = Path(data), _rows_of(Path(data), needed=("licence",) if excluded_licences else ())
    if excluded_licences:
        rows = [row for row in rows if row["licence"] not in excluded_licences]
    if data.suffix.lower() == ".tsv":
        return [(row["name"], row["caption"], data.parent / row["audio_path"]) for row in rows]
    return [(row["file_name"], row["caption"], data / row["file_name"]) for row in rows]


def read_further_columns(data, columns):
    r"""
    Read columns of a dataset that it need not have.

    Args:
        data (`str` or `Path`): See [`read_metadata`].
        columns (`Sequence[str]`): Their names.

    Returns:
        `dict[str, list[str]]`: A text a row, empty where the row or the dataset has none.

    Raises:
        ValueError: As [`read_metadata`].
    """
    rows = _rows_of(Path(data), further=tuple(columns))
    return {column: [row[column] for row in rows] for column in columns}


def _rows_of(data, needed=(), further=()):
    if data.suffix.lower() == ".tsv":
        if not data.is_file():
            raise ValueError(f"There is no file {str(data)!r}.")
        return _rows_of_table(data, ("name", "audio_path", "caption", *needed), "\t", further)
    if (data / "metadata.csv").is_file():
        return _rows_of_table(data / "metadata.csv", ("file_name", "caption", *needed), ",", further)
    if (data / "metadata.jsonl").is_file():
        return _rows_of_json_lines(data / "metadata.jsonl", ("file_name", "caption", *needed), further)
    raise ValueError(
        f"Expected a folder with `metadata.csv` or `metadata.jsonl` (file_name and caption), or a `.tsv` file "
        f"(name, audio_path and caption), got {str(data)!r}."
    )


def _rows_of_table(path, columns, delimiter, further=()):
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, restval="", delimiter=delimiter)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path} has no column {sorted(missing)}; it has {reader.fieldnames}.")
        return [{column: row.get(column, "").strip() for column in (*columns, *further)} for row in reader]


def _rows_of_json_lines(path, columns, further=()):
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}, is no JSON: {error}") from error
        if not isinstance(row, dict) or not row.get("file_name"):
            raise ValueError(f"{path}, line {number}: expected an object with file_name and caption, got {line!r}.")
        rows.append({column: str(row.get(column) or "").strip() for column in (*columns, *further)})
    return rows


def read_clip(name, caption, audio, sampling_rate=16000, resampler="scipy"):
    r"""
    Read a recording and refuse what nothing can be learnt from.

    Args:
        name (`str`): From [`read_metadata`] or a row of a [`~audiolcm_diffusers.data.hub_dataset.HubDataset`].
        caption (`str` or `list[str]`): Likewise. Of several captions, the empty ones are left out.
        audio (`Path`, `bytes`, *optional*): Likewise; `None` where the row has no audio.
        sampling_rate (`int`, defaults to 16000): Rate in Hz to which it is resampled.
        resampler (`str`, defaults to `"scipy"`): See [`~audiolcm_diffusers.audio.io.resample`].

    Returns:
        [`Clip`].

    Raises:
        ValueError:
            If the caption is empty or no text, or the audio is missing, unreadable, cut off, empty, silent or not
            finite.
    """
    captions = caption if isinstance(caption, (list, tuple)) else [caption]
    for text in captions:
        if not isinstance(text, str | None):
            raise ValueError(f"{name!r} has a caption that is no text: {text!r}.")
    captions = [text.strip() for text in captions if text and text.strip()]
    if not captions:
        raise ValueError(f"{name!r} has no caption.")
    if audio is None:
        raise ValueError(f"{name!r} has no audio.")
    source = name if isinstance(audio, bytes) else audio_name(audio)
    waveform = read_audio(audio, sampling_rate, resampler, name=source)
    if is_cut_off(audio):
        raise ValueError(f"{source!r} ends before its header says.")
    stored = (waveform.clamp(-1.0, 1.0) * INT16_SCALE).round().to(torch.int16)
    if not stored.any():
        raise ValueError(f"{source!r} is silent.")
    return Clip(name, captions[0], stored, tuple(captions[1:]))


def is_cut_off(audio):
    r"""
    Whether a RIFF WAV file, a path or its content, is shorter than its header says, as after an interrupted copy.
    libsndfile reads what is left of such a file without a word; compressed formats it refuses itself.
    """
    with open_audio(audio, audio_name(audio)) as file:
        riff, size = file.read(4), int.from_bytes(file.read(4), "little")
        length = file.seek(0, os.SEEK_END)
    # A writer to a pipe, which cannot go back to the header, leaves 0 or the highest number there.
    return riff == b"RIFF" and 0 < size < 2**32 - 64 and size + 8 > length + 1


def load_clips(
    data,
    sampling_rate=16000,
    max_bad_fraction=0.0,
    bad_clips=None,
    resampler="scipy",
    max_clips=None,
    excluded_licences=(),
):
    r"""
    Read a dataset into memory, leaving out what cannot be used.

    In memory a clip takes two bytes a sample: at 16 kHz an hour of sound is 2 * 16000 * 3600 bytes, 115 MB.

    Args:
        data (`str`, `Path`, a list of them, or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]):
            Folders or `.tsv` files, see [`read_metadata`], or a dataset of the Hub.
        sampling_rate (`int`, defaults to 16000): Rate in Hz to which clips are resampled.
        max_bad_fraction (`float`, defaults to 0.0): Share of the rows that may be left out.
        bad_clips (`list`, *optional*): Is extended by a [`BadClip`] for every row left out.
        resampler (`str`, defaults to `"scipy"`): See [`~audiolcm_diffusers.audio.io.resample`].
        max_clips (`int`, *optional*):
            Usable clips after which reading ends. The share of bad rows is that of the rows read.
        excluded_licences (`Sequence[str]`, defaults to `()`): See [`read_metadata`]; not for datasets of the Hub.

    Returns:
        `list[Clip]`: The usable clips in the order of the metadata or dataset.

    Raises:
        ValueError:
            If the metadata cannot be read or names no clip, or if more than `max_bad_fraction` of its clips are bad;
            the message then lists them. Also if the resampler is unknown or not installed.
    """
    check_resampler(resampler)
    rows = data.rows() if hasattr(data, "rows") else read_metadata(data, excluded_licences)
    clips, bad = [], []
    for name, caption, audio in rows:
        try:
            clips.append(read_clip(name, caption, audio, sampling_rate, resampler))
        except ValueError as error:
            bad.append(BadClip(name, str(error)))
        # A long stream need not end to be known as too bad for the clips that are wanted.
        if max_clips is not None and (len(clips) == max_clips or len(bad) > max_bad_fraction * (max_clips + len(bad))):
            break
    if bad_clips is not None:
        bad_clips.extend(bad)
    num_rows = len(clips) + len(bad)
    if len(bad) > max_bad_fraction * num_rows:
        listed = "\n".join(clip.reason for clip in bad)
        raise ValueError(
            f"{len(bad)} of {num_rows} clips of {str(data)!r} cannot be used, more than the share of "
            f"{max_bad_fraction} that is allowed:\n{listed}"
        )
    if not clips:
        raise ValueError(f"{str(data)!r} names no clip.")
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
        waveform = F.pad(unit(clip.waveform), (0, samples - clip.waveform.shape[0]))
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

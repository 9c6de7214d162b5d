# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The recordings that sounds are judged by, and sounds that were made of their captions before."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile
import torch

from ..audio.io import open_audio, read_audio
from ..data.captioned_audio import Clip, load_clips
from ..data.latent_cache import clips_fingerprint
from ..data.metadata import captions_of, read_further_columns, read_metadata
from .controls import choose
from .protocol import SAMPLING_RATE


# What is known of each clip beside its sound and caption, and what errors call it.
PER_CLIP = {"sampling_rates": "sampling rate", "sound_classes": "sound class", "tempos_bpm": "tempo"}


@dataclass(frozen=True)
class References:
    r"""
    Captioned recordings, with what a protocol says of them.

    Args:
        clips (`Sequence[Clip]`): At 16 kHz. Each clip's caption is the prompt of one sound.
        name (`str`, defaults to `"clips in memory"`): What results call them.
        sampling_rates (`Sequence[int]`, *optional*): Rates in Hz that they were stored in, one a clip.
        num_left_out (`int`, defaults to 0): Clips that could not be used.
        sound_classes (`Sequence[str]`, *optional*):
            What each clip is a sound of, for the metric `named`; an empty text where its caption says it.
        tempos_bpm (`Sequence[float]`, *optional*):
            Beats a minute of each clip, for the metric `tempo`; `None` where it has none.
    """

    clips: list[Clip]
    name: str = "clips in memory"
    sampling_rates: list[int] | None = None
    num_left_out: int = 0
    sound_classes: list[str] | None = None
    tempos_bpm: list[float | None] | None = None

    def __post_init__(self):
        if not self.clips:
            raise ValueError(f"Expected clips to judge by, {self.name!r} has none.")
        for name, what in PER_CLIP.items():
            values = getattr(self, name)
            if values is not None and len(values) != len(self.clips):
                raise ValueError(f"Expected a {what} of each of the {len(self.clips)} clips, got {len(values)}.")

    @property
    def captions(self):
        r"""`list[str]`: Of each clip."""
        return [clip.caption for clip in self.clips]

    def draw(self, num_clips, seed=0):
        r"""
        The clips that are judged, see [`~audiolcm_diffusers.evaluation.controls.choose`].

        Args:
            num_clips (`int`, *optional*): How many, `None` for all.
            seed (`int`, defaults to 0): Of the draw.

        Returns:
            [`References`].

        Raises:
            ValueError: If there are not as many.
        """
        indices = choose(len(self.clips), num_clips, seed)
        drawn = {name: getattr(self, name) for name in ("clips", *PER_CLIP)}
        return replace(
            self,
            **{
                name: None if values is None else [values[index] for index in indices]
                for name, values in drawn.items()
            },
        )

    def describe(self, num_samples):
        r"""
        What the protocol records.

        Args:
            num_samples (`int`): Length that they are brought to.

        Returns:
            `dict`.
        """
        lengths = [clip.waveform.shape[0] for clip in self.clips]
        return {
            "name": self.name,
            "fingerprint": clips_fingerprint(self.clips),
            "num_clips": len(self.clips),
            "sampling_rates": {
                str(rate): number for rate, number in sorted(Counter(self.sampling_rates or ()).items())
            },
            "num_cropped": sum(length > num_samples for length in lengths),
            "num_padded": sum(length < num_samples for length in lengths),
        }


def as_references(clips):
    r"""
    Args:
        clips ([`References`], `Sequence[Clip]`, `str`, `Path` or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]):
            Recordings, or where [`read_references`] finds them.

    Returns:
        [`References`].
    """
    if isinstance(clips, References):
        return clips
    if isinstance(clips, (list, tuple)):
        return References(list(clips))
    return read_references(clips)


def read_references(dataset, outside_paths=False):
    r"""
    Read all clips; a bad one is no reference, and is refused.

    Args:
        dataset (`str`, `Path` or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]):
            Folder or `.tsv` file, see [`~audiolcm_diffusers.data.metadata.read_metadata`], or a dataset of the
            Hub.
        outside_paths (`bool`, defaults to `False`):
            Whether a folder's rows may name files outside of it. A dataset of the Hub says it itself.

    Returns:
        [`References`]: Clips at 16 kHz, the rates in Hz that they are stored in, and of a folder or `.tsv` file its
        columns `sound_class` and `tempo_bpm`, where it has them.

    Raises:
        ValueError: If there is no clip, or any is missing, silent, NaN or cannot be read; all are listed.

    Example:

    ```python
    >>> from audiolcm_diffusers.evaluation import read_references
    >>> clips = read_references("DATA/validation").draw(50, seed=0)
    ```
    """
    dataset = Path(dataset) if isinstance(dataset, str) else dataset
    rows = RowsWithRates(dataset, outside_paths)
    clips = load_clips(rows, SAMPLING_RATE)
    return References(clips, str(rows), rows.rates, **_asked_of(dataset))


def _asked_of(dataset):
    """Columns of what is asked for beside captions, without those that are empty."""
    if not isinstance(dataset, Path):
        return {}
    columns = read_further_columns(dataset, ("sound_class", "tempo_bpm"))
    found = {"sound_classes": columns["sound_class"]} if any(columns["sound_class"]) else {}
    if any(columns["tempo_bpm"]):
        found["tempos_bpm"] = [read_tempo(text, str(dataset)) for text in columns["tempo_bpm"]]
    return found


def read_tempo(text, name):
    r"""
    Read a tempo.

    Args:
        text (`str` or number): Beats a minute; nothing where there is none.
        name (`str`): Where it was found, for errors.

    Returns:
        `float`, *optional*.

    Raises:
        ValueError: If it is no positive number.
    """
    if text in ("", None):
        return None
    try:
        bpm = float(text)
    except (TypeError, ValueError):
        bpm = math.nan
    if not 0 < bpm < math.inf:
        raise ValueError(f"Expected tempo_bpm in {name!r} to be beats a minute, got {text!r}.")
    return bpm


class RowsWithRates:
    r"""
    The rows of a dataset, which takes down the rates of the clips while these are read.

    Args:
        dataset (`Path` or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]): Where rows come from.
        outside_paths (`bool`, defaults to `False`): See [`read_references`].

    Attributes:
        rates (`list[int | None]`): In Hz, of the rows read so far; `None` where there is no sound to tell.
    """

    def __init__(self, dataset, outside_paths=False):
        self.dataset, self.outside_paths, self.rates = dataset, outside_paths, []

    def __str__(self):
        return str(self.dataset)

    def rows(self):
        r"""Yield what [`~audiolcm_diffusers.data.hub_dataset.HubDataset.rows`] does."""
        is_folder = isinstance(self.dataset, Path)
        rows = read_metadata(self.dataset, outside_paths=self.outside_paths) if is_folder else self.dataset.rows()
        for row in rows:
            name, _, audio = row
            try:
                with open_audio(audio if audio is not None else b"", name) as file:
                    self.rates.append(soundfile.info(file).samplerate)
            except (ValueError, soundfile.LibsndfileError):
                # Whoever reads the clip says what is wrong with it.
                self.rates.append(None)
            yield row


def notes_on_references(dataset):
    r"""
    What was done to references.

    Args:
        dataset (`dict`): From [`References.describe`].

    Returns:
        `list[str]`: Sentences.
    """
    notes = []
    others = {rate: number for rate, number in dataset["sampling_rates"].items() if rate != str(SAMPLING_RATE)}
    if others:
        listed = ", ".join(f"{number} of {rate} Hz" for rate, number in others.items())
        notes.append(f"References resampled to {SAMPLING_RATE} Hz: {listed}.")
    if dataset["num_cropped"] or dataset["num_padded"]:
        notes.append(
            f"References cut to this length: {dataset['num_cropped']}; followed by silence up to it: "
            f"{dataset['num_padded']}."
        )
    return notes


@dataclass(frozen=True)
class MadeBefore:
    r"""
    Sounds that somebody made of the references' captions.

    Args:
        waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): float32 at 16 kHz, one a reference, in their order.
        name (`str`, defaults to `"sounds in memory"`): What results call them.
    """

    waveforms: list[torch.Tensor]
    name: str = "sounds in memory"


def match_generated(folder, captions, outside_paths=False):
    r"""
    Read sounds that were made before, and give each to a reference of its caption.

    Sounds of one caption are given in the order of the metadata. Silent ones are sounds, too.

    Args:
        folder (`str` or `Path`): With a `metadata.csv` or `metadata.jsonl`, as a dataset.
        captions (`Sequence[str]`): Of the references.
        outside_paths (`bool`, defaults to `False`): Whether rows may name files outside of the folder.

    Returns:
        [`MadeBefore`]: One sound a reference.

    Raises:
        ValueError: If there are more or fewer sounds of a caption than references, or any cannot be read.
    """
    paths = {}
    for name, caption, path in read_metadata(folder, outside_paths=outside_paths):
        paths.setdefault(captions_of(caption, name)[0], []).append(path)
    wanted, found = Counter(captions), {caption: len(files) for caption, files in paths.items()}
    wrong = [
        f"{caption!r} ({wanted[caption]} wanted, {found.get(caption, 0)} found)"
        for caption in sorted({*wanted, *found})
        if wanted[caption] != found.get(caption, 0)
    ]
    if wrong:
        raise ValueError(
            f"Expected as many sounds of each caption in {str(folder)!r} as references are judged; "
            f"{len(wrong)} captions differ: {', '.join(wrong[:5])}{', …' if len(wrong) > 5 else ''}."
        )
    queues = {caption: iter(files) for caption, files in paths.items()}
    waveforms, bad = [], []
    for caption in captions:
        try:
            waveforms.append(read_audio(next(queues[caption]), SAMPLING_RATE))
        except ValueError as error:
            bad.append(str(error))
    if bad:
        raise ValueError(f"{len(bad)} of {len(captions)} sounds cannot be judged: {' '.join(bad)}")
    return MadeBefore(waveforms, str(folder))

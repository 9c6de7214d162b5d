# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Options that say what is learnt from: the data, and the examples that are made of them."""

import csv
import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

from ..audio.io import check_resampler
from ..data.captioned_audio import TooMuchForMemory, load_clips, read_clip
from ..data.captions import ExampleDrawer, Wordings
from ..data.clip_parts import ClipParts, HeldClips, RowsOfStream, RowsOfTable
from ..data.hub_dataset import HubDataset
from ..data.metadata import iter_metadata
from ..data.row_table import RowTable
from ..data.spooled_clips import spool
from ..files import replacing
from .options import option
from .prompts import check_caption


# Options that say how a dataset is read; a folder has no use for them.
DATASET_OPTIONS = ("dataset_config_name", "dataset_split", "streaming", "audio_column", "caption_column")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    r"""Options that say what the data are."""

    data_dir: list[str] | None = option(
        None,
        "Folder with `metadata.csv` or `.jsonl` (file_name, caption) and the audio, or a `.tsv` file (name, "
        "audio_path, caption); several with spaces between.",
    )
    excluded_licences: list[str] | None = option(
        None, "Clips of data_dir whose `licence` in the metadata is one of these are left out."
    )
    outside_paths: bool = option(
        False, "Whether rows may name files of this machine outside of the data's folder; for data that you trust."
    )
    dataset_name: str | None = option(
        None, "In place of data_dir: a dataset of the Hub, owner/name, or a folder that `datasets` reads."
    )
    dataset_config_name: str | None = option(None, "Configuration of the dataset, where it has several.")
    dataset_split: str = option("train", 'Split of the dataset, or a slice of one as "train[:1000]".')
    streaming: bool = option(False, "Read the dataset as it arrives instead of downloading it first.")
    audio_column: str = option("audio", "The dataset's column of audio.")
    caption_column: str = option("caption", "The dataset's column of captions, a text or a list of texts a row.")
    max_clips: int | None = option(
        None, "Clips after which reading the data ends; an hour at 16 kHz takes 115 MB of memory."
    )
    clip_memory_mb: float = option(
        4000.0,
        "Memory for clips in each process. Data that take more are read part by part while training goes on, each "
        "process its share, and a part is drawn from until each of its clips has had its turn.",
    )
    resampler: str = option("scipy", 'How audio of other rates is resampled, "scipy" or "soxr".')
    max_bad_fraction: float = option(
        0.05, "Share of the clips that may be unusable; they are left out and listed in `bad_clips.csv`."
    )

    def __post_init__(self):
        given = [name for name in self.sources() if getattr(self, name) is not None]
        if len(given) != 1:
            got = ", ".join(f"{name}={getattr(self, name)!r}" for name in given) or "none of them"
            raise ValueError(f"Expected one of {', '.join(self.sources())}, got {got}.")
        if isinstance(self.data_dir, list) and len(self.data_dir) == 1:
            object.__setattr__(self, "data_dir", self.data_dir[0])
        if self.excluded_licences is not None and self.data_dir is None:
            raise ValueError(f"excluded_licences={self.excluded_licences} goes with data_dir; {given[0]} has none.")
        if self.outside_paths and self.data_dir is None and self.dataset_name is None:
            raise ValueError(f"outside_paths=True goes with data_dir or dataset_name; {given[0]} has neither.")
        if self.dataset_name is None:
            for name in DATASET_OPTIONS:
                value = getattr(self, name)
                if value != getattr(DataConfig, name):
                    raise ValueError(f"{name}={value!r} goes with dataset_name; {given[0]} has none.")
        if self.max_clips is not None and self.max_clips < 1:
            raise ValueError(f"Expected max_clips >= 1, got {self.max_clips}.")
        if not self.clip_memory_mb > 0:
            raise ValueError(f"Expected clip_memory_mb > 0, got {self.clip_memory_mb}.")
        check_resampler(self.resampler)
        if not 0.0 <= self.max_bad_fraction <= 1.0:
            raise ValueError(f"Expected 0 <= max_bad_fraction <= 1, got {self.max_bad_fraction}.")

    @classmethod
    def sources(cls):
        r"""`tuple[str, ...]`: Options that name data, of which exactly one is given."""
        return ("data_dir", "dataset_name")

    @property
    def data(self):
        r"""`str`, `list[str]` or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]: what the options name."""
        if self.dataset_name is None:
            return self.data_dir
        return HubDataset(
            self.dataset_name,
            self.dataset_config_name,
            self.dataset_split,
            self.streaming,
            self.audio_column,
            self.caption_column,
            self.outside_paths,
        )


@dataclass(frozen=True, kw_only=True)
class ExampleConfig:
    r"""Options that say what training examples are made of the data, see `audiolcm_diffusers.data.captions`."""

    wordings: str | None = option(None, "JSON file of other ways to write captions; without, only articles vary.")
    durations_s: str = option("2.048,5.12", "Lengths of training examples in seconds; each step draws one.")
    duration_shares: str = option("0.7,0.3", "How often each length is drawn.")
    mixture_share: float = option(0.2, "Share of examples with two sounds.")
    max_gain_db: float = option(6.0, "Sounds are amplified by up to plus or minus this many decibels.")

    @property
    def lengths_s(self):
        r"""`list[float]`: `durations_s` as numbers."""
        return [float(duration) for duration in self.durations_s.split(",")]

    def check_examples(self):
        r"""
        Refuse impossible values.

        Raises:
            ValueError: Quoting them.
        """
        if not 0.0 <= self.mixture_share <= 1.0:
            raise ValueError(f"Expected 0 <= mixture_share <= 1, got {self.mixture_share}.")
        if not self.max_gain_db >= 0.0:
            raise ValueError(f"Expected max_gain_db >= 0, got {self.max_gain_db}.")

    def example_drawer(
        self,
        clips,
        samples_multiple,
        sampling_rate,
        seconds_per_batch=None,
        unconditional_share=0.0,
        durations_s=None,
    ):
        r"""
        The [`~audiolcm_diffusers.data.captions.ExampleDrawer`] that the options describe, of sounds of whole latent
        frames; by default of batches with one example of the longest length.
        """
        durations_s = self.lengths_s if durations_s is None else durations_s
        wordings = Wordings() if self.wordings is None else Wordings.from_json(self.wordings)
        for text in wordings.texts():
            try:
                check_caption(text)
            except ValueError as error:
                raise ValueError(f"{self.wordings!r} has a wording that cannot be learnt: {error}") from error
        return ExampleDrawer(
            clips,
            wordings,
            durations_s,
            [float(share) for share in self.duration_shares.split(",")],
            seconds_per_batch or max(durations_s),
            samples_multiple,
            sampling_rate,
            mixture_share=self.mixture_share,
            unconditional_share=unconditional_share,
            max_gain_db=self.max_gain_db,
        )

    def example_options(self):
        r"""`dict`: The options, with the wordings told by a hash of their file."""
        options = {field.name: getattr(self, field.name) for field in fields(ExampleConfig)}
        if self.wordings is not None:
            options["wordings"] = hashlib.sha256(Path(self.wordings).read_bytes()).hexdigest()
        return options

    def chosen_example_options(self):
        r"""`dict`: Those of [`~ExampleConfig.example_options`] that are not left at their defaults."""
        defaults = {field.name: field.default for field in fields(ExampleConfig)}
        return {name: value for name, value in self.example_options().items() if value != defaults[name]}


class BadClipReport:
    r"""
    The list of what was left out of the data.

    Args:
        path (`Path` or `None`): CSV file, written where there is something to list.
    """

    def __init__(self, path):
        self.path, self._reasons = path, {}

    def add(self, bad):
        r"""List clips, each once, however often it was read."""
        if not bad:
            return
        self._reasons.update({clip.name: clip.reason for clip in bad})
        if self.path is None:
            return
        with replacing(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file_name", "reason"])
            writer.writerows(self._reasons.items())
        print(f"{len(self._reasons)} unusable clips are listed in {self.path}", flush=True)


def rows_of(config):
    r"""The rows of the data that options name: on disk, or a stream, which yields them once."""
    if config.dataset_name is None:
        data = config.data
        name = str(data) if isinstance(data, str) else ", ".join(map(str, data))
        return RowTable(name, iter_metadata(data, config.excluded_licences or (), config.outside_paths))
    return config.data if config.streaming else config.data.table()


def reader_of(config, sampling_rate, num_channels, check_caption):
    r"""A function that makes a clip of a row as options say, see [`read_clip`]."""

    def read(name, caption, audio):
        return read_clip(name, caption, audio, sampling_rate, config.resampler, check_caption, num_channels)

    return read


def spool_and_report(config, sampling_rate, report, folder, num_channels=None, check_caption=check_caption):
    r"""
    Write the dataset's clips to disk, see [`~audiolcm_diffusers.data.spooled_clips.spool`].

    Args:
        config, sampling_rate, report, num_channels, check_caption: See [`load_clips_and_report`].
        folder (`Path`): Where they go.
    """
    bad = []
    try:
        read = reader_of(config, sampling_rate, num_channels, check_caption)
        spool(rows_of(config), read, folder, config.max_bad_fraction, bad, config.max_clips)
    finally:
        BadClipReport(report).add(bad)


def clips_of_run(
    config, sampling_rate, report, sizes, step_of, share, seed, num_channels=None, check_caption=check_caption
):
    r"""
    The data of a training run, in memory where they fit there, else part by part.

    Args:
        config ([`DataConfig`]): Says what the data are.
        sampling_rate (`int`): Rate in Hz to which clips are resampled.
        report (`Path` or `None`): CSV file of the clips left out, written where there are some.
        sizes ([`~audiolcm_diffusers.data.clip_parts.PartSizes`]): How much is held at a time.
        step_of (`Callable[[], int]`): The step that the run is at.
        share ([`~audiolcm_diffusers.data.clip_parts.Share`]): This process's, of data that are read part by part.
        seed (`int`): Of the order of clips.
        num_channels, check_caption: See [`load_clips_and_report`].

    Returns:
        [`~audiolcm_diffusers.data.clip_parts.HeldClips`] or [`~audiolcm_diffusers.data.clip_parts.ClipParts`].

    Raises:
        ValueError: As [`load_clips_and_report`].
    """
    rows = rows_of(config)
    try:
        clips = load_clips_and_report(
            config, sampling_rate, report, num_channels, check_caption, data=rows, max_bytes=sizes.max_bytes
        )
        return HeldClips(clips)
    except TooMuchForMemory as error:
        # Two parts are held while one follows the other; of long clips pieces.
        held = [min(clip.waveform.shape[-1], sizes.max_clip_samples) for clip in error.clips]
        bytes_per_clip = sum(held) / len(held) * 2 * (num_channels or 1)
        part_size = max(2, int(sizes.max_bytes / 2 / bytes_per_clip))
    print(
        f"{rows} takes more than {sizes.max_bytes / 1e6:g} MB of memory: parts of about {part_size} clips are read "
        "one after the other",
        flush=True,
    )
    if config.streaming:
        source = RowsOfStream(config.data.row_stream(share, config.max_clips), part_size)
    else:
        source = RowsOfTable(rows, part_size, share, seed, config.max_clips)

    read = reader_of(config, sampling_rate, num_channels, check_caption)
    return ClipParts(source, read, sizes, config.max_bad_fraction, BadClipReport(report).add, step_of, seed)


def load_clips_and_report(
    config, sampling_rate, report, num_channels=None, check_caption=check_caption, data=None, max_bytes=None
):
    r"""
    Read the dataset into memory. What is left out is counted and listed, even where it is too much to go on.

    Args:
        config ([`DataConfig`]): Says what the data are.
        sampling_rate (`int`): Rate in Hz to which clips are resampled.
        report (`Path` or `None`): CSV file of the clips left out, written where there are some.
        num_channels (`int`, *optional*): Channels of the clips, mono without.
        check_caption (`Callable` or `None`): What refuses captions; by default what our pipeline would.
        data ([`~audiolcm_diffusers.data.row_table.RowTable`], *optional*): The data's rows, where they are at hand.
        max_bytes (`float`, *optional*): See [`~audiolcm_diffusers.data.captioned_audio.load_clips`].

    Returns:
        `list[Clip]`.
    """
    bad = []
    try:
        return load_clips(
            rows_of(config) if data is None else data,
            sampling_rate,
            config.max_bad_fraction,
            bad,
            resampler=config.resampler,
            max_clips=config.max_clips,
            check_caption=check_caption,
            num_channels=num_channels,
            max_bytes=max_bytes,
        )
    finally:
        BadClipReport(report).add(bad)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Captioned audio of the Hub, or whatever else `datasets.load_dataset` reads."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from .metadata import OutsidePath


@dataclass(frozen=True)
class HubDataset:
    r"""
    Where a dataset is, and which of its columns hold sound and captions.

    Audio is never decoded by `datasets`, which takes torchcodec for it: rows give the files as they are stored.

    Args:
        name (`str`): What `datasets.load_dataset` takes: an id of the Hub, `owner/name`, or a folder.
        config_name (`str`, *optional*): Configuration of a dataset that has several.
        split (`str`, defaults to `"train"`): Split, or a slice of one.
        streaming (`bool`, defaults to `False`): Read rows as they arrive, instead of downloading the dataset first.
        audio_column (`str`, defaults to `"audio"`): Column of audio files, their content or their paths.
        caption_column (`str`, defaults to `"caption"`): Column of captions, a text or a list of texts a row.
        outside_paths (`bool`, defaults to `False`):
            Whether rows may name files of this machine that are neither in the dataset's folder nor in the folders
            into which `datasets` and `huggingface_hub` download. Otherwise their paths are
            [`~audiolcm_diffusers.data.metadata.OutsidePath`], which nothing opens. Relative paths are those of the
            dataset's folder.

    Raises:
        ImportError: If `datasets` is not installed.
    """

    name: str
    config_name: str | None = None
    split: str = "train"
    streaming: bool = False
    audio_column: str = "audio"
    caption_column: str = "caption"
    outside_paths: bool = False

    def __post_init__(self):
        if importlib.util.find_spec("datasets") is None:
            raise ImportError(f"The dataset {self.name!r} needs datasets: `pip install datasets`.")

    def __str__(self):
        return self.name

    @property
    def hub_id(self):
        r"""`str`, *optional*: The id on the Hub, `owner/name`; `None` for a folder."""
        return self.name if self.name.count("/") == 1 and not Path(self.name).exists() else None

    def rows(self):
        r"""
        Read the dataset in its order.

        Yields:
            `tuple[str, str | list[str], Path | bytes | None]`: What
            [`~audiolcm_diffusers.data.captioned_audio.read_clip`] takes. The name is made of the row's number and the
            path of its audio, if there is one; the audio is `None` where the row has none or its URL leads nowhere.

        Raises:
            ValueError: If there is no such split or configuration, or a column is missing or holds something else.
            ImportError: If the dataset is in a form that `datasets` converts with torchcodec only.
        """
        for number, row in enumerate(self.stored()):
            yield self.row_of(number, row)

    def stored(self):
        r"""The columns with sound, as it is stored, and captions, see [`stored_columns`]."""
        return stored_columns(self.load(), self.audio_column, self.caption_column)

    def row_of(self, number, row):
        r"""A row of [`~HubDataset.stored`] as [`~HubDataset.rows`] yields it."""
        path, content = self._audio_of(row[self.audio_column])
        name = f"row {number}" if path is None else f"row {number}, {path}"
        if content is None and path is not None:
            content = self._file_of(path)
        return name, row[self.caption_column], content

    def table(self):
        r"""[`HubTable`]: The rows, any of which can be asked for; not of a stream."""
        return HubTable(self)

    def row_stream(self, share, max_rows=None):
        r"""[`RowStream`]: The rows of a process's share, one after the other and over again."""
        return RowStream(self, share, max_rows)

    def _file_of(self, path):
        """Content of a file on the net or in an archive, path of one on this machine."""
        local = local_part(path)
        if local is None:
            return read_remote(path)
        folder = Path(self.name)
        file = folder / local if folder.is_dir() else Path(local)
        if not self.outside_paths and not _is_inside(file, [folder, *_download_folders()]):
            file = OutsidePath(file)
            file.refusal = (
                f"{self.name!r} names {path!r}, which is neither in its folder nor among what was downloaded, and is "
                "not read; `outside_paths` allows it for data that you trust."
            )
            return file
        return file if local == path else read_remote(path.removesuffix(local) + str(file))

    def load(self):
        r"""The dataset as `datasets` reads it: `datasets.Dataset` or `datasets.IterableDataset`."""
        from datasets import load_dataset, load_dataset_builder
        from datasets.exceptions import DatasetGenerationError

        if self.streaming:
            return stream(load_dataset_builder(self.name, self.config_name), self.split)
        try:
            return load_dataset(self.name, self.config_name, split=self.split)
        except DatasetGenerationError as error:
            if isinstance(error.__cause__, ImportError):
                # Folders of files and tar archives, not Parquet.
                raise ImportError(
                    f"The dataset {self.name!r} is stored in a form that `datasets` converts with torchcodec only: "
                    "`pip install torchcodec`, or read it as a stream (streaming), which needs no conversion."
                ) from error
            raise

    def _audio_of(self, value):
        """Path and content of a row's audio, of which both, one or none are there."""
        if isinstance(value, dict) and value.keys() & {"path", "bytes"}:
            return value.get("path"), value.get("bytes")
        if value is None or isinstance(value, str):
            return value, None
        if isinstance(value, bytes):
            return None, value
        raise ValueError(
            f"Expected column {self.audio_column!r} of {self.name!r} to hold audio files, their content or their "
            f"paths, got {type(value).__name__}."
        )


class HubTable:
    r"""
    A dataset's rows, read from disk when they are asked for.

    Args:
        data ([`HubDataset`]): Not a stream.
    """

    def __init__(self, data):
        self.data, self.name = data, str(data)
        self._stored = data.stored()

    def __str__(self):
        return self.name

    def __len__(self):
        return len(self._stored)

    def __getitem__(self, index):
        r"""The row of a number, see [`~HubDataset.rows`]."""
        return self.data.row_of(index, self._stored[index])

    def rows(self):
        r"""Yield all rows."""
        for index in range(len(self)):
            yield self[index]


class RowStream:
    r"""
    A stream's rows, over again when they end.

    Args:
        data ([`HubDataset`]): A stream.
        share ([`~audiolcm_diffusers.data.clip_parts.Share`]):
            Files of the stream that are this process's; where there are too few, rows.
        max_rows (`int`, *optional*): Rows of all processes after which it begins anew.
    """

    def __init__(self, data, share, max_rows=None):
        from datasets.distributed import split_dataset_by_node

        self.data = data
        self._stored = data.stored()
        if share.num_shares > 1:
            self._stored = split_dataset_by_node(self._stored, rank=share.rank, world_size=share.num_shares)
        if max_rows is not None:
            self._stored = self._stored.take(max(1, max_rows // share.num_shares))
        self._begin = self._stored.state_dict()
        self._epoch, self._number, self._rows = 0, 0, None

    def __str__(self):
        return str(self.data)

    def next_row(self):
        r"""
        The next row, see [`~HubDataset.rows`].

        Raises:
            ValueError: If there is none at all.
        """
        for _ in range(2):
            if self._rows is None:
                self._rows = iter(self._stored)
            row = next(self._rows, None)
            if row is not None:
                self._number += 1
                return self.data.row_of(self._number - 1, row)
            self._stored.load_state_dict(self._begin)
            self._epoch, self._number, self._rows = self._epoch + 1, 0, None
        raise ValueError(f"{str(self.data)!r} has no row for this process.")

    def place(self):
        r"""`dict`: Before which row it stands, as JSON can write it."""
        return {"epoch": self._epoch, "number": self._number, "state": self._stored.state_dict()}

    def go_to(self, place):
        r"""Stand where it stood."""
        self._stored.load_state_dict(place["state"])
        self._epoch, self._number, self._rows = place["epoch"], place["number"], None


def _download_folders():
    import datasets
    import huggingface_hub

    return [
        datasets.config.HF_DATASETS_CACHE,
        datasets.config.DOWNLOADED_DATASETS_PATH,
        datasets.config.EXTRACTED_DATASETS_PATH,
        huggingface_hub.constants.HF_HUB_CACHE,
    ]


def _is_inside(file, folders):
    # A step up behind a link leads elsewhere than it reads.
    file = Path.cwd() / file
    return ".." not in file.parts and any(file.is_relative_to(Path.cwd() / folder) for folder in folders)


def local_part(path):
    r"""
    What of a path or URL names a file of this machine.

    Args:
        path (`str`): A path, or an URL of fsspec as `zip://low.wav::/sounds.zip`.

    Returns:
        `str`, *optional*: A path that `path` ends in; `None` if it names nothing here.
    """
    # Of a chain, what is read in the end comes last; what comes before it is within.
    last = path.rsplit("::", 1)[-1]
    protocol, separator, rest = last.rpartition("://")
    if not separator:
        return last
    return rest if protocol in ("file", "local") else None


def stream(builder, split):
    r"""
    A dataset whose rows arrive as they are read.

    Args:
        builder (`datasets.DatasetBuilder`): From `datasets.load_dataset_builder`.
        split (`str`): One of its splits.

    Returns:
        `datasets.IterableDataset`.
    """
    # Streams of folders on the Hub come with threads that decode.
    if hasattr(builder.config, "decode_num_threads"):
        builder.config.decode_num_threads = 0
    return builder.as_streaming_dataset(split=split)


def stored_columns(dataset, audio_column, caption_column):
    r"""
    Reduce a dataset to the columns with sound, as it is stored, and captions.

    Args:
        dataset (`datasets.Dataset` or `datasets.IterableDataset`): Any.
        audio_column, caption_column (`str`): The columns.

    Returns:
        Of the same class, with these two columns.

    Raises:
        ValueError: If it lacks a column; the message lists those that there are.
    """
    from datasets import Audio, IterableDataset

    class StoredAudio(Audio):
        """`Audio` takes torchcodec even to pass on a path or bytes that it is not to decode."""

        def encode_example(self, value):
            return value

    check_columns(dataset, (audio_column, caption_column))
    if dataset.features is not None and isinstance(dataset.features[audio_column], Audio):
        feature = StoredAudio(decode=False) if isinstance(dataset, IterableDataset) else Audio(decode=False)
        dataset = dataset.cast_column(audio_column, feature)
    return dataset.select_columns([audio_column, caption_column])


def check_columns(dataset, wanted):
    r"""
    Refuse a dataset that lacks columns.

    Args:
        dataset (`datasets.Dataset` or `datasets.IterableDataset`): Any.
        wanted (`Iterable[str]`): The columns.

    Raises:
        ValueError: If it lacks one; the message lists those that there are.
    """
    # Some streams do not know their columns before the first row.
    columns = dataset.column_names or list(next(iter(dataset), {}))
    missing = sorted(set(wanted) - set(columns))
    if missing:
        raise ValueError(f"The dataset has no column {missing}; it has {columns}.")


def read_remote(path):
    r"""
    Read a file that a row names by its URL, as `hf://…` or `zip://…::…`.

    Returns:
        `bytes`, *optional*: Its content, `None` if there is no such file. Other errors, such as those of a network
        that fails, are no property of the row, and are raised.
    """
    import fsspec

    try:
        with fsspec.open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Datasets that `datasets` reads, from the disk: the Hub's are the same files."""

import io
import math
import sys
import tarfile
import zipfile

import datasets
import huggingface_hub
import pyarrow.parquet as parquet
import pytest
import soundfile
import torch
from datasets import Audio, Dataset, load_dataset, load_dataset_builder

from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.data.captioned_audio import load_clips
from audiolcm_diffusers.data.hub_dataset import HubDataset, local_part, read_remote, stored_columns, stream


@pytest.fixture(autouse=True)
def _offline(tmp_path_factory, monkeypatch):
    """No network, and no cache but the test's own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def tone(frequency, rate=16000, seconds=0.25):
    return 0.5 * torch.sin(2 * math.pi * frequency * torch.arange(round(rate * seconds)) / rate)


def file_of(waveform, rate=16000, **options):
    """The content of a sound file."""
    file = io.BytesIO()
    soundfile.write(file, waveform.numpy(), rate, **{"format": "WAV", **options})
    return file.getvalue()


def save(folder, **columns):
    """A folder with a Parquet file, as datasets lie on the Hub."""
    folder.mkdir()
    dataset = Dataset.from_dict(columns)
    if "audio" in columns:
        dataset = dataset.cast_column("audio", Audio(decode=False))
    # `Dataset.to_parquet` would put the files that paths name into the table.
    table = dataset.with_format("arrow")[:].replace_schema_metadata(dataset.features.arrow_schema.metadata)
    parquet.write_table(table, folder / "train.parquet")
    return folder


@pytest.fixture
def folder(tmp_path):
    """Three sounds: with a path, at another rate and without a path, and without bytes."""
    middle = tmp_path / "parquet" / "middle.wav"
    folder = save(
        middle.parent,
        audio=[
            {"bytes": file_of(tone(300)), "path": "low.wav"},
            {"bytes": file_of(tone(2000, 44100), 44100, format="FLAC"), "path": None},
            {"bytes": None, "path": str(middle)},
        ],
        caption=["a low tone", "  a high tone ", "a tone"],
        captions=[["low", " deep ", ""], ["high"], ["neither low nor high"]],
        size=[1, 2, 3],
    )
    write_audio(middle, tone(900))
    return folder


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_become_clips_in_their_order(folder, tmp_path, streaming):
    assert isinstance(load_dataset(str(folder), split="train", streaming=streaming).features["audio"], Audio)
    clips = load_clips(HubDataset(str(folder), streaming=streaming))
    assert [(clip.name, clip.caption) for clip in clips] == [
        ("row 0, low.wav", "a low tone"),
        ("row 1", "a high tone"),
        (f"row 2, {folder}/middle.wav", "a tone"),
    ]
    # 11025 samples at 44.1 kHz are a quarter of a second, too.
    assert [clip.waveform.shape for clip in clips] == [(4000,)] * 3
    # Rounded to 16 bits in the file, and again in memory: at most a step of 2^-15 each.
    assert (clips[0].waveform.float() / 32767 - tone(300)).abs().max() <= 2 * 2**-15
    assert (clips[2].waveform.float() / 32767 - tone(900)).abs().max() <= 2 * 2**-15


@pytest.mark.parametrize("streaming", [False, True])
def test_a_list_of_captions_is_kept(folder, streaming):
    clips = load_clips(HubDataset(str(folder), streaming=streaming, caption_column="captions"))
    assert [(clip.caption, clip.other_captions) for clip in clips] == [
        ("low", ("deep",)),
        ("high", ()),
        ("neither low nor high", ()),
    ]


def test_a_split_can_be_a_slice(folder):
    assert [clip.caption for clip in load_clips(HubDataset(str(folder), split="train[1:]"))] == [
        "a high tone",
        "a tone",
    ]


@pytest.mark.parametrize("column", ["content", "path"])
@pytest.mark.parametrize("streaming", [False, True])
def test_columns_of_bytes_and_paths_are_audio_too(tmp_path, column, streaming):
    content = file_of(tone(300))
    # Of the dataset's folder, not of the one in which the process works.
    save(tmp_path / "parquet", content=[content, None], path=["low.wav", None], text=["a", "b"])
    (tmp_path / "parquet" / "low.wav").write_bytes(content)
    data = HubDataset(str(tmp_path / "parquet"), streaming=streaming, audio_column=column, caption_column="text")
    bad = []
    (clip,) = load_clips(data, max_bad_fraction=0.5, bad_clips=bad)
    assert clip.waveform.shape == (4000,)
    assert [(row.name, row.reason) for row in bad] == [("row 1", "'row 1' has no audio.")]


@pytest.mark.parametrize("streaming", [False, True])
def test_bad_rows_are_left_out_and_told(tmp_path, streaming):
    whole, flac = file_of(tone(300)), file_of(tone(300), format="FLAC")
    nan = file_of(torch.full((100,), math.nan), subtype="FLOAT")
    rows = [
        (whole, "a tone", None),
        (None, "a tone", "'row 1' has no audio."),
        (b"", "a tone", "'row 2' cannot be read as audio"),
        (b"no sound", "a tone", "'row 3' cannot be read as audio"),
        (whole[:2000], "a tone", "'row 4' ends before its header says"),
        (flac[: len(flac) // 2], "a tone", "'row 5' cannot be read as audio"),
        (nan, "a tone", "'row 6' holds samples that are NaN"),
        (file_of(torch.zeros(800)), "a tone", "'row 7' is silent."),
        (file_of(torch.zeros(0)), "a tone", "'row 8' holds no samples."),
        (whole, " ", "'row 9' has no caption."),
        (whole, None, "'row 10' has no caption."),
    ]
    audio = [None if content is None else {"bytes": content, "path": None} for content, _, _ in rows]
    audio.append({"bytes": None, "path": "lost.wav"})
    reasons = [reason for _, _, reason in rows[1:]] + [f"There is no audio file '{tmp_path}/parquet/lost.wav'."]
    save(tmp_path / "parquet", audio=audio, caption=[caption for _, caption, _ in rows] + ["a tone"])
    data = HubDataset(str(tmp_path / "parquet"), streaming=streaming)
    bad = []
    assert [clip.name for clip in load_clips(data, max_bad_fraction=0.92, bad_clips=bad)] == ["row 0"]
    assert len(bad) == len(reasons)
    for row, reason in zip(bad, reasons):
        assert row.reason.startswith(reason)
    with pytest.raises(ValueError, match="11 of 12 clips of .*parquet.* share of 0.9 ") as stop:
        load_clips(data, max_bad_fraction=0.9)
    assert all(reason in str(stop.value) for reason in reasons)


@pytest.mark.parametrize("streaming", [False, True])
def test_captions_are_text(folder, streaming):
    with pytest.raises(ValueError, match="'row 1' has a caption that is no text: 2"):
        load_clips(HubDataset(str(folder), streaming=streaming, caption_column="size"))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("option", "missing"), [("audio_column", "sound"), ("caption_column", "text")])
def test_missing_columns_are_told_with_those_that_there_are(folder, streaming, option, missing):
    data = HubDataset(str(folder), streaming=streaming, **{option: missing})
    columns = r"\['audio', 'caption', 'captions', 'size'\]"
    with pytest.raises(ValueError, match=rf"no column \['{missing}'\]; it has {columns}"):
        load_clips(data)


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_of_something_else_are_no_audio(folder, streaming):
    with pytest.raises(ValueError, match="column 'size' of .*parquet' to hold audio files.*got int"):
        load_clips(HubDataset(str(folder), streaming=streaming, audio_column="size"))


@pytest.mark.parametrize("streaming", [False, True])
def test_unknown_splits_and_datasets_are_told(folder, tmp_path, streaming):
    with pytest.raises(ValueError, match="test.*train"):
        load_clips(HubDataset(str(folder), split="test", streaming=streaming))
    with pytest.raises(ValueError, match="'large' not found"):
        load_clips(HubDataset(str(folder), config_name="large", streaming=streaming))
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_clips(HubDataset(str(tmp_path / "nothing"), streaming=streaming))


def test_reading_ends_after_max_clips(folder):
    rows = []

    class Counted(HubDataset):
        def rows(self):
            for row in super().rows():
                rows.append(row[0])
                yield row

    assert len(load_clips(Counted(str(folder), streaming=True), max_clips=2)) == 2
    assert rows == ["row 0, low.wav", "row 1"]
    assert len(load_clips(HubDataset(str(folder)), max_clips=9)) == 3


def test_a_hopeless_stream_is_not_read_to_its_end(tmp_path):
    save(tmp_path / "parquet", audio=[None] * 100, caption=["a tone"] * 100)
    # Of 3 clips and b bad rows half may be bad: b = 3 is the last that can end well, 4 > (3 + 4) / 2.
    with pytest.raises(ValueError, match="4 of 4 clips"):
        load_clips(HubDataset(str(tmp_path / "parquet"), streaming=True), max_bad_fraction=0.5, max_clips=3)


def audio_folder(folder):
    folder.mkdir()
    for name in ("low", "high"):
        write_audio(folder / f"{name}.wav", tone(300 if name == "low" else 2000))
    (folder / "metadata.csv").write_text("file_name,caption\nlow.wav,a low tone\nhigh.wav,a high tone\n")
    return HubDataset(str(folder), streaming=True)


def web_dataset(folder):
    folder.mkdir()
    with tarfile.open(folder / "train.tar", "w") as archive:
        for name, frequency in (("low", 300), ("high", 2000)):
            for suffix, content in (("wav", file_of(tone(frequency))), ("txt", f"a {name} tone".encode())):
                member = tarfile.TarInfo(f"{name}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return HubDataset(str(folder), streaming=True, audio_column="wav", caption_column="txt")


@pytest.mark.parametrize("make", [audio_folder, web_dataset])
def test_folders_and_archives_are_streamed_without_torchcodec(tmp_path, make):
    data = make(tmp_path / "data")
    assert [clip.caption for clip in load_clips(data)] == ["a low tone", "a high tone"]
    builder = load_dataset_builder(data.name)
    # On the Hub `datasets` would add threads that decode.
    builder.base_path = "hf://datasets/owner/sounds"
    rows = list(stored_columns(stream(builder, "train"), data.audio_column, data.caption_column))
    assert [row[data.caption_column] for row in rows] == ["a low tone", "a high tone"]


@pytest.mark.skipif(datasets.config.TORCHCODEC_AVAILABLE, reason="with torchcodec it can be converted")
@pytest.mark.parametrize("make", [audio_folder, web_dataset])
def test_what_only_torchcodec_converts_is_told(tmp_path, make):
    data = make(tmp_path / "data")
    with pytest.raises(ImportError, match="pip install torchcodec.*stream"):
        load_clips(HubDataset(data.name, audio_column=data.audio_column, caption_column=data.caption_column))


def test_streams_of_unknown_columns(tmp_path):
    (tmp_path / "data").mkdir()
    write_audio(tmp_path / "data" / "low.wav", tone(300))
    (tmp_path / "data" / "train.csv").write_text("path,text\nlow.wav,a low tone\n")
    assert load_dataset(str(tmp_path / "data"), split="train", streaming=True).column_names is None
    options = {"audio_column": "path", "streaming": True}
    (clip,) = load_clips(HubDataset(str(tmp_path / "data"), caption_column="text", **options))
    assert clip.caption == "a low tone"
    with pytest.raises(ValueError, match=r"no column \['caption'\]; it has \['path', 'text'\]"):
        load_clips(HubDataset(str(tmp_path / "data"), **options))


def test_files_behind_urls_are_read(tmp_path):
    content = file_of(tone(300))
    urls = [f"zip://{name}::file://{tmp_path}/parquet/sounds.zip" for name in ("low.wav", "lost.wav")]
    save(tmp_path / "parquet", audio=[{"bytes": None, "path": url} for url in urls], caption=["a tone"] * 2)
    with zipfile.ZipFile(tmp_path / "parquet" / "sounds.zip", "w") as archive:
        archive.writestr("low.wav", content)
    assert read_remote(urls[0]) == content and read_remote(urls[1]) is None
    bad = []
    (clip,) = load_clips(HubDataset(str(tmp_path / "parquet")), max_bad_fraction=0.5, bad_clips=bad)
    assert clip.name == f"row 0, {urls[0]}" and bad[0].reason == f"'row 1, {urls[1]}' has no audio."


OUTSIDE = ["{}/low.wav", "../low.wav", "data/../../low.wav", "file://{}/low.wav", "zip://low.wav::{}/sounds.zip"]


@pytest.mark.parametrize("path", [*OUTSIDE, "local://{}/low.wav", "zip://low.wav::file://{}/sounds.zip"])
@pytest.mark.parametrize("streaming", [False, True])
def test_rows_that_lead_out_of_the_folder_are_not_read(tmp_path, path, streaming):
    content = file_of(tone(300))
    (tmp_path / "low.wav").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as archive:
        archive.writestr("low.wav", content)
    path = path.format(tmp_path)
    folder = save(tmp_path / "parquet", audio=[{"bytes": None, "path": path}], caption=["a tone"])
    (folder / "data").mkdir()
    with pytest.raises(ValueError, match="is neither in its folder nor among what was downloaded, and is not read"):
        load_clips(HubDataset(str(folder), streaming=streaming))
    assert len(load_clips(HubDataset(str(folder), streaming=streaming, outside_paths=True))) == 1


def test_what_was_downloaded_is_inside(tmp_path, monkeypatch):
    file = datasets.config.HF_DATASETS_CACHE / "low.wav"
    file.write_bytes(file_of(tone(300)))
    folder = save(tmp_path / "parquet", audio=[{"bytes": None, "path": str(file)}], caption=["a tone"])
    assert len(load_clips(HubDataset(str(folder)))) == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.wav", "a/b.wav"),
        ("/a/b.wav", "/a/b.wav"),
        ("file:///a/b.wav", "/a/b.wav"),
        ("zip://b.wav::/a.zip", "/a.zip"),
        ("zip://b.wav::gzip://::file:///a.zip.gz", "/a.zip.gz"),
        ("hf://datasets/owner/name/b.wav", None),
        ("zip://b.wav::hf://datasets/owner/name/a.zip", None),
        ("https://host/file://b.wav", None),
    ],
)
def test_what_of_an_url_is_here(path, expected):
    assert local_part(path) == expected


def test_without_datasets_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="'owner/sounds' needs datasets: `pip install datasets`"):
        HubDataset("owner/sounds")


def test_an_id_of_the_hub_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert HubDataset("owner/sounds").hub_id == "owner/sounds"
    (tmp_path / "owner" / "sounds").mkdir(parents=True)
    for name in ("owner/sounds", str(tmp_path), "sounds", "a/b/c"):
        assert HubDataset(name).hub_id is None

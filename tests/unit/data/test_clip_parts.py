# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Data that do not fit into memory: what a part holds, whose it is, and that it is found again."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile
import torch

from audiolcm_diffusers.data.captioned_audio import Clip, TooMuchForMemory, load_clips
from audiolcm_diffusers.data.captions import ExampleDrawer, Wordings
from audiolcm_diffusers.data.clip_parts import ClipParts, HeldClips, PartSizes, RowsOfStream, RowsOfTable, Share
from audiolcm_diffusers.data.hub_dataset import HubDataset
from audiolcm_diffusers.data.metadata import OutsidePath, iter_metadata
from audiolcm_diffusers.data.row_table import RowTable


NUM_CLIPS, SAMPLES = 23, 800


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips whose samples all have their number, in hundredths, one of them four times as long."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["file_name,caption"]
    for index in range(NUM_CLIPS):
        samples = SAMPLES * (4 if index == 3 else 1)
        soundfile.write(folder / f"{index}.wav", np.full(samples, (1 + index) / 100), 16000)
        lines.append(f"{index}.wav,sound {index}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def parquet(folder):
    """The same clips as a dataset of two files."""
    from datasets import Dataset

    place = folder.parent / f"{folder.name}-parquet"
    place.mkdir()
    for shard, indices in enumerate((range(12), range(12, NUM_CLIPS))):
        rows = [{"audio": (folder / f"{index}.wav").read_bytes(), "caption": f"sound {index}"} for index in indices]
        Dataset.from_list(rows).to_parquet(place / f"train-{shard}.parquet")
    return place


def table(folder):
    return RowTable("clips", iter_metadata(folder))


def read(name, caption, audio):
    file = io.BytesIO(audio) if isinstance(audio, bytes) else audio
    waveform, _ = soundfile.read(file, dtype="int16")
    return Clip(caption, caption, torch.from_numpy(waveform))


class Steps:
    """Parts of a source as a run that is at `step` sees them."""

    def __init__(self, source, examples_per_step=1.0, read=read, max_bad_fraction=0.0, max_samples=2 * SAMPLES):
        self.step, self.bad = 0, []
        sizes = PartSizes(max_bytes=0.0, examples_per_step=examples_per_step, max_clip_samples=max_samples)
        self.parts = ClipParts(source, read, sizes, max_bad_fraction, self.bad.extend, lambda: self.step, seed=1)

    def at(self, step):
        self.step = step
        return [clip.name for clip in self.parts.now()]

    def part(self, number):
        return self.at(number * self.parts.steps_per_part)


def test_rows_on_disk_are_what_they_were(folder, tmp_path):
    (tmp_path / "metadata.jsonl").write_text(
        json.dumps({"file_name": "a.wav", "caption": ["one", "two"]})
        + "\n"
        + json.dumps({"file_name": "../b.wav", "caption": "out\ud800 there"})
        + "\n"
    )
    given = list(iter_metadata(tmp_path))
    rows = RowTable("rows", given)
    assert len(rows) == 2 and list(rows.rows()) == given and [rows[1], rows[0]] == given[::-1]
    assert isinstance(rows[1][2], OutsidePath) and rows[1][2].refusal == given[1][2].refusal
    with pytest.raises(IndexError, match="from 0 to 1, got 2"):
        rows[2]
    assert str(rows) == "rows" and len(RowTable("none", [])) == 0


@pytest.mark.parametrize("num_shares", [1, 3])
def test_an_epoch_has_each_clip_once_and_the_next_another_order(folder, num_shares):
    rows = table(folder)
    seen = []
    for rank in range(num_shares):
        source = RowsOfTable(rows, 4, Share(rank, num_shares), seed=5)
        own = -(-(NUM_CLIPS - rank) // num_shares)
        assert source.parts_per_epoch == -(-own // 4)
        epochs = [
            [index for part in range(source.parts_per_epoch) for index, _ in source.rows(first + part)]
            for first in (0, source.parts_per_epoch)
        ]
        assert all(sum(1 for _ in source.rows(part)) <= 4 for part in range(source.parts_per_epoch))
        assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(rank, NUM_CLIPS, num_shares))
        assert epochs[0] != epochs[1]
        seen += epochs[0]
    assert sorted(seen) == list(range(NUM_CLIPS))


def test_fewer_clips_than_processes_are_refused(folder):
    with pytest.raises(ValueError, match="'clips' has fewer rows than the 9 processes"):
        RowsOfTable(table(folder), 4, Share(8, 9), seed=0, max_rows=8)


def test_a_part_is_a_function_of_its_number(folder):
    def steps():
        return Steps(RowsOfTable(table(folder), 4, Share(), seed=5), examples_per_step=2.0)

    forward, anew = steps(), steps()
    parts = [forward.part(number) for number in range(9)]
    assert forward.parts.steps_per_part == 2  # of 3 clips, 2 a step
    assert forward.at(2 * 5) == forward.at(2 * 5 + 1) == parts[5]
    assert anew.part(7) == parts[7] and anew.part(2) == parts[2]
    # While a step draws from one part, what it draws from is one list, so that what is computed of it is kept.
    assert anew.parts.now() is anew.parts.now()


def test_of_a_long_clip_a_piece_is_held_that_is_another_in_each_epoch(folder):
    def marked(name, caption, audio):
        clip = read(name, caption, audio)
        return Clip(clip.name, clip.caption, torch.arange(clip.waveform.shape[0], dtype=torch.int16))

    steps = Steps(RowsOfTable(table(folder), 30, Share(), seed=5), read=marked)
    starts = []
    for epoch in range(6):
        steps.part(epoch)
        (clip,) = [clip for clip in steps.parts.now() if clip.name == "sound 3"]
        assert clip.waveform.shape == (2 * SAMPLES,)
        assert torch.equal(clip.waveform.diff(), torch.ones(2 * SAMPLES - 1, dtype=torch.int16))
        assert clip.waveform.untyped_storage().nbytes() == 2 * 2 * SAMPLES
        starts.append(int(clip.waveform[0]))
    assert len(set(starts)) > 3


def test_what_cannot_be_read_is_told_and_too_much_of_it_ends_the_run(folder):
    def picky(name, caption, audio):
        if name == "4.wav":
            raise ValueError("4 is bad")
        return read(name, caption, audio)

    source = RowsOfTable(table(folder), 30, Share(), seed=5)
    steps = Steps(source, read=picky, max_bad_fraction=0.1)
    assert len(steps.part(0)) == NUM_CLIPS - 1
    assert {(clip.name, clip.reason) for clip in steps.bad} == {("4.wav", "4 is bad")}
    with pytest.raises(ValueError, match="1 of 23 clips of 'clips' cannot be used"):
        Steps(source, read=picky, max_bad_fraction=0.01).part(0)


def test_a_stream_is_read_as_it_comes_and_over_again(parquet):
    data = HubDataset(str(parquet), streaming=True)
    steps = Steps(RowsOfStream(data.row_stream(Share()), 5))
    names = [name for part in range(10) for name in steps.part(part)]
    assert names == [f"sound {index % NUM_CLIPS}" for index in range(50)]


def test_a_stream_goes_on_where_a_checkpoint_says(parquet, tmp_path):
    data = HubDataset(str(parquet), streaming=True)
    steps = Steps(RowsOfStream(data.row_stream(Share()), 5))
    for part in range(7):
        steps.part(part)
    steps.parts.save_state(tmp_path / "data.json")
    expected = [steps.part(part) for part in (6, 7, 8)]

    class Counted:
        def __init__(self, stream):
            self.stream, self.rows = stream, 0
            self.place, self.go_to = stream.place, stream.go_to

        def next_row(self):
            self.rows += 1
            return self.stream.next_row()

    for is_told in (True, False):
        stream = Counted(data.row_stream(Share()))
        resumed = Steps(RowsOfStream(stream, 5))
        if is_told:
            resumed.parts.load_state(tmp_path / "data.json")
        assert [resumed.part(part) for part in (6, 7, 8)] == expected
        # Without being told it reads from the beginning; with the next part that is read ahead.
        assert stream.rows - 20 in ((0, -5) if is_told else (30, 25))


def test_tar_archives_are_streams(folder, tmp_path):
    # WebDataset: the files of a sample stand side by side, of one name.
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as tar:
            for index in range(5 * shard, 5 * shard + 5):
                for suffix, content in ((".wav", (folder / f"{index}.wav").read_bytes()), (".txt", b"a tone")):
                    info = tarfile.TarInfo(f"{index:02d}{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    data = HubDataset(str(tmp_path), streaming=True, audio_column="wav", caption_column="txt")
    stream = data.row_stream(Share())

    def numbers(count):
        return [int(soundfile.read(io.BytesIO(stream.next_row()[2]))[0][0] * 100 + 0.5) - 1 for _ in range(count)]

    assert numbers(4) == [0, 1, 2, 3]
    place = stream.place()
    assert numbers(8) == [4, 5, 6, 7, 8, 9, 0, 1]
    stream.go_to(json.loads(json.dumps(place)))
    assert numbers(3) == [4, 5, 6]


def test_processes_share_a_stream(parquet):
    data = HubDataset(str(parquet), streaming=True)
    seen = []
    for rank in range(2):
        steps = Steps(RowsOfStream(data.row_stream(Share(rank, 2)), 4))
        seen.append({name for part in range(3) for name in steps.part(part)})
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == NUM_CLIPS


def test_a_dataset_of_the_hub_is_a_table(parquet):
    rows = HubDataset(str(parquet)).table()
    assert len(rows) == NUM_CLIPS and rows[20][1] == "sound 20"
    steps = Steps(RowsOfTable(rows, 30, Share(), seed=0))
    assert sorted(steps.part(0)) == sorted(f"sound {index}" for index in range(NUM_CLIPS))


def test_captions_of_all_parts(folder, parquet):
    everything = sorted([f"sound {index}"] for index in range(NUM_CLIPS))
    in_parts = Steps(RowsOfTable(table(folder), 4, Share(), seed=5)).parts
    assert sorted(in_parts.captions()) == everything == sorted(HeldClips(load_clips(folder)).captions())
    data = HubDataset(str(parquet), streaming=True)
    stream = Steps(RowsOfStream(data.row_stream(Share()), 5)).parts
    assert list(stream.captions()) == [[f"sound {index}"] for index in range(5)]


def test_what_does_not_fit_is_told(folder):
    whole = sum(clip.waveform.nbytes for clip in load_clips(folder))
    assert len(load_clips(folder, max_bytes=whole)) == NUM_CLIPS
    with pytest.raises(TooMuchForMemory) as error:
        load_clips(folder, max_bytes=whole - 1)
    assert len(error.value.clips) == NUM_CLIPS


def test_examples_are_drawn_from_the_part_at_hand(folder):
    steps = Steps(RowsOfTable(table(folder), 4, Share(), seed=5), examples_per_step=2.0)
    wordings = Wordings(weights={f"sound {index}": 2.0 for index in range(NUM_CLIPS)})
    drawer = ExampleDrawer(steps.parts, wordings, [0.05], [1.0], 0.2, 1, mixture_share=0.0)
    for step in range(0, 20, 2):
        part = steps.at(step)
        _, examples = drawer.draw(0, [torch.Generator().manual_seed(index) for index in range(8)])
        assert {example.names[0] for example in examples} <= set(part)
        assert torch.equal(drawer.weights, torch.full((len(part),), 2.0))

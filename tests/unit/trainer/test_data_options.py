# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import csv
import json
import re

import pytest
import torch

from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.data.hub_dataset import HubDataset
from audiolcm_diffusers.trainer import DataConfig, ExampleConfig, RunConfig, load_clips_and_report, parse_config


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"data_dir": None}, "Expected one of data_dir, dataset_name, got none of them"),
        ({"dataset_name": "owner/sounds"}, "got data_dir='data', dataset_name='owner/sounds'"),
        ({"streaming": True}, "streaming=True goes with dataset_name; data_dir has none"),
        ({"dataset_config_name": "large"}, "dataset_config_name='large'"),
        ({"dataset_split": "test"}, "dataset_split='test'"),
        ({"audio_column": "sound"}, "audio_column='sound'"),
        ({"caption_column": "text"}, "caption_column='text'"),
        (
            {"data_dir": None, "dataset_name": "owner/sounds", "excluded_licences": ["x"]},
            "excluded_licences=['x'] goes with data_dir; dataset_name has none",
        ),
        ({"max_clips": 0}, "max_clips >= 1, got 0"),
        ({"resampler": "sinc"}, "scipy, soxr, got 'sinc'"),
    ],
)
def test_data_that_are_not_clearly_named_are_refused(make_options, values, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        make_options(**values)


def test_options_name_a_dataset(make_options):
    assert make_options().data == "data"
    flags = "--output_dir o --dataset_name owner/sounds --dataset_config_name large --dataset_split train[:9] "
    flags += "--streaming --audio_column sound --caption_column caption_1 --max_clips 9"
    config = parse_config(RunConfig, flags.split())
    assert config.data == HubDataset("owner/sounds", "large", "train[:9]", True, "sound", "caption_1")
    assert config.max_clips == 9


def test_options_name_several_folders():
    flags = ["--output_dir", "o", "--data_dir", "one", "two", "--excluded_licences", "CC BY (version not stated)"]
    config = parse_config(RunConfig, flags)
    assert config.data == ["one", "two"] and config.excluded_licences == ["CC BY (version not stated)"]


def test_examples_are_told_by_what_was_chosen_and_wordings_by_what_they_say(tmp_path):
    assert ExampleConfig().chosen_example_options() == {}
    for name in ("one.json", "other.json"):
        (tmp_path / name).write_text(json.dumps({"rain": ["drizzle"]}))
    one, other = (ExampleConfig(wordings=str(tmp_path / name), max_gain_db=3.0) for name in ("one.json", "other.json"))
    assert one.chosen_example_options() == other.chosen_example_options()
    assert one.chosen_example_options().keys() == {"wordings", "max_gain_db"}
    (tmp_path / "other.json").write_text(json.dumps({"rain": ["a shower"]}))
    assert one.chosen_example_options()["wordings"] != other.chosen_example_options()["wordings"]


def test_a_batch_is_one_example_of_the_longest_length_unless_it_is_said(make_vae):
    options = ExampleConfig(durations_s="1.024,0.256", duration_shares="0.5,0.5")
    # In 1.024 s there is room for one example of the first length or four of the second.
    assert options.example_drawer([], 512, 16000).batch_sizes == [1, 4]
    assert options.example_drawer([], 512, 16000, seconds_per_batch=2.048).batch_sizes == [2, 8]


@pytest.mark.parametrize(("most", "stops"), [(0.5, False), (0.4, True)])
def test_what_is_left_out_is_listed_even_where_it_is_too_much(tmp_path, capsys, most, stops):
    write_audio(tmp_path / "good.wav", 0.1 * torch.ones(1600))
    (tmp_path / "metadata.csv").write_text("file_name,caption\ngood.wav,a hum\nlost.wav,a bark\n")
    config, report = DataConfig(data_dir=str(tmp_path), max_bad_fraction=most), tmp_path / "bad_clips.csv"
    if stops:
        with pytest.raises(ValueError, match="lost.wav"):
            load_clips_and_report(config, 16000, report)
    else:
        assert [clip.name for clip in load_clips_and_report(config, 16000, report)] == ["good.wav"]
    with report.open(newline="") as file:
        header, (name, _) = csv.reader(file)
    assert header == ["file_name", "reason"] and name == "lost.wav"
    assert f"1 unusable clips are listed in {report}" in capsys.readouterr().out


def test_no_list_is_written_where_nothing_is_left_out_or_another_process_writes_it(tmp_path):
    write_audio(tmp_path / "good.wav", 0.1 * torch.ones(1600))
    (tmp_path / "metadata.csv").write_text("file_name,caption\ngood.wav,a hum\n")
    load_clips_and_report(DataConfig(data_dir=str(tmp_path)), 16000, tmp_path / "bad_clips.csv")
    (tmp_path / "metadata.csv").write_text("file_name,caption\ngood.wav,a hum\nlost.wav,a bark\n")
    load_clips_and_report(DataConfig(data_dir=str(tmp_path), max_bad_fraction=0.5), 16000, None)
    assert not (tmp_path / "bad_clips.csv").exists()

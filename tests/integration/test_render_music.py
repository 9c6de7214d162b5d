# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A folder of rendered music, `training/render_music.py`."""

import csv
import shutil
from pathlib import Path

import pytest
import soundfile
from script_runs import load_script

from audiolcm_diffusers.data.captioned_audio import load_clips
from audiolcm_diffusers.trainer import parse_config
from music.rendering import DEFAULT_SOUNDFONT


needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not Path(DEFAULT_SOUNDFONT).is_file(),
    reason="fluidsynth or FluidR3_GM.sf2 is not installed",
)


def config_of(**options):
    script = load_script("render_music")
    return script, parse_config(script.RenderConfig, [f"--{name}={value}" for name, value in options.items()])


def render(folder, **options):
    script, config = config_of(output_dir=folder, **{"seed": 1, "min_duration_s": 2, "max_duration_s": 3, **options})
    script.main(config)
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@needs_fluidsynth
def test_sets_are_extended_and_made_again(tmp_path):
    rows = render(tmp_path / "music", num_clips=2)
    before = {row["file_name"]: (tmp_path / "music" / row["file_name"]).read_bytes() for row in rows}
    (tmp_path / "music" / rows[1]["file_name"]).unlink()

    rows = render(tmp_path / "music", num_clips=3, jobs=2)
    assert [row["file_name"] for row in rows][:2] == list(before)
    for name, content in before.items():
        assert (tmp_path / "music" / name).read_bytes() == content
    for row in rows:
        info = soundfile.info(tmp_path / "music" / row["file_name"])
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.duration == pytest.approx(float(row["duration_s"]), abs=1e-3)
        assert row["kind"] == "music" and row["licence"] == "MIT" and row["author"].startswith("Frank Wen")
    assert len({row["group"] for row in rows}) == 3
    assert len(load_clips(tmp_path / "music")) == 3

    with pytest.raises(ValueError, match="holds clips with seed 1, not 2"):
        render(tmp_path / "music", num_clips=3, seed=2)
    with pytest.raises(ValueError, match="a set of 3 clips, more than 2"):
        render(tmp_path / "music", num_clips=2)


@needs_fluidsynth
def test_an_error_ends_the_run_and_names_the_clip(tmp_path):
    # Nothing but the head of an SF2 file. It must not be played by the soundfont that fluidsynth takes by default.
    (tmp_path / "empty.sf2").write_bytes(b"RIFF\x04\0\0\0sfbk")
    credited = {"soundfont_licence": "CC0 1.0", "soundfont_author": "Nobody", "soundfont_source": "here"}
    with pytest.raises((RuntimeError, ValueError), match=r"fluidsynth failed|Clip 0 of seed 1.*silent"):
        render(tmp_path / "music", num_clips=30, soundfont=tmp_path / "empty.sf2", **credited)
    assert not list((tmp_path / "music").glob("*.flac"))


@needs_fluidsynth
def test_folders_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ValueError, match="holds something else"):
        render(tmp_path, num_clips=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_clips": 0}, "num_clips >= 1, got 0"),
        ({"jobs": 0}, "jobs >= 1, got 0"),
        ({"min_duration_s": 8, "max_duration_s": 5}, "got 8.0 and 5.0"),
        ({"format": "mp3"}, "ending in .wav, .flac, .ogg"),
        ({"soundfont": "Other.sf2", "soundfont_author": "A. Nobody"}, "give --soundfont_licence, --soundfont_source"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        config_of(**{"output_dir": "runs/music", "num_clips": 1, **options})


def test_other_soundfonts_are_credited_as_told():
    _, config = config_of(
        output_dir="runs/music",
        num_clips=1,
        soundfont="/fonts/Other.sf2",
        soundfont_licence="CC0 1.0",
        soundfont_author="A. Nobody",
        soundfont_source="https://example.org",
    )
    assert config.credits() == {
        "source_set": "Other.sf2, played by training/render_music.py",
        "licence": "CC0 1.0",
        "author": "A. Nobody",
        "source": "https://example.org",
    }

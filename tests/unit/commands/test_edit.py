# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json

import numpy as np
import pytest
import soundfile
import torch

from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.audio.tags import read_settings
from audiolcm_diffusers.commands import edit, main, playing


TONE = 0.3 * torch.sin(torch.arange(16000) / 6)


@pytest.fixture
def model(make_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_pipeline(window_length_in_s=1.0).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """`run(*options)`: the document that `audiolcm edit tone.wav … --json` prints, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    write_audio("tone.wav", TONE)
    capsys.readouterr()

    def run(*options):
        assert main(["edit", "tone.wav", "rain", "--model", model, "--device", "cpu", "--json", *options]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return json.loads(shown.out)

    return run


def samples(path):
    return soundfile.read(path, dtype="int16")[0]


def test_strength(run):
    report = run("--strength", "0.3", "--num-waveforms", "2", "--seed", "4", "--output", "out.flac")
    assert [sound["path"] for sound in report["sounds"]] == ["out-1.flac", "out-2.flac"]
    assert [sound["seed"] for sound in report["sounds"]] == [4, 5]
    assert len(samples("out-1.flac")) == 16000
    settings = read_settings("out-1.flac")
    assert (settings["command"], settings["sound"], settings["strength"]) == ("edit", "tone.wav", 0.3)


def test_masks_keep_the_rest(run):
    report = run("--mask", "0.2:0.4", "--mask", "0.7:0.75", "--crossfade", "0.01")
    assert report["sounds"][0]["path"] == "tone-edited.wav"
    made, tone = samples("tone-edited.wav"), samples("tone.wav")
    for part in (slice(0, 3000), slice(6700, 11000), slice(12300, 16000)):
        assert np.array_equal(made[part], tone[part])
    assert not np.array_equal(made[3200:6400], tone[3200:6400])


def test_extensions_and_loops(run):
    run("--extend", "0.5", "--extend-before", "0.25", "--output", "long.wav")
    made = samples("long.wav")
    assert len(made) == 4000 + 16000 + 8000 and np.array_equal(made[5000:19000], samples("tone.wav")[1000:15000])
    run("--loop", "--output", "loop.wav", "--no-metadata")
    assert np.array_equal(samples("loop.wav")[1000:11000], samples("tone.wav")[1000:11000])
    with pytest.raises(ValueError, match="does not say how it was made"):
        read_settings("loop.wav")


def test_lines_for_people(run, model, capsys):
    assert main(["edit", "tone.wav", "rain", "--model", model, "--device", "cpu", "--quiet", "--spectrogram"]) == 0
    out = capsys.readouterr().out
    assert out == "tone-edited.wav, tone-edited.png: 1.00 s of sound, 'rain', seed 0\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["tone.wav", ""], "a prompt that says what is to be heard, got ''"),
        (["nowhere.wav", "rain"], "There is no audio file 'nowhere.wav'"),
        (["tone.wav", "rain", "--crossfade", "0.1"], "--crossfade belongs to --mask, --extend or --loop"),
        (["tone.wav", "rain", "--output", "folder"], "--output to be a file, got 'folder'"),
        (["tone.wav", "rain", "--output", "a.mp3"], "ending in .wav, .flac, .ogg, got 'a.mp3'"),
        (["tone.wav", "rain", "--output", "tone.wav"], "--output 'tone.wav' would replace the sound itself"),
        (["tone.wav", "rain", "--mask", "0.5:2"], r"within the sound's 1 s"),
        (["tone.wav", "rain", "--mask", "0:1"], "keeps nothing"),
        (["tone.wav", "rain", "--loop", "--crossfade", "2"], "Expected --crossfade to be from 0 to 1 second, got 2.0"),
        (["tone.wav", "rain", "--strength", "0.5", "--extend", "1"], "strength=0.5 begins with what is there"),
    ],
)
def test_what_makes_no_sense_is_refused(run, model, capsys, options, told):
    assert main(["edit", *options, "--model", model, "--device", "cpu", "--quiet"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--strength", "0"], "expected a number above 0 and up to 1, got '0'"),
        (["--strength", "1.5"], "up to 1, got '1.5'"),
        (["--mask", "3"], "a start and an end in seconds, such as 2:3.5, got '3'"),
        (["--mask", "3:2"], "an end after a start from 0, got '3:2'"),
        (["--mask", "a:2"], "an end after a start from 0, got 'a:2'"),
        (["--extend", "0"], "above 0, got '0'"),
    ],
)
def test_values_that_are_none(capsys, options, told):
    with pytest.raises(SystemExit):
        main(["edit", "tone.wav", "rain", *options])
    assert told in capsys.readouterr().err


def test_every_option_of_the_call_can_be_said():
    """What the command names in errors are its options."""
    assert set(edit.RENAMED.values()) == {"extend", "crossfade", "mask", "sound"}


class TestPlaying:
    def test_without_a_player_says_which_ones_it_knows(self, run, model, monkeypatch, capsys):
        monkeypatch.setattr(playing.shutil, "which", lambda name: None)
        assert main(["edit", "tone.wav", "rain", "--model", model, "--play"]) == 2
        assert "--play needs a player: ffplay" in capsys.readouterr().err
        assert main(["generate", "rain", "--model", model, "--play"]) == 2

    @pytest.fixture
    def player(self, tmp_path, monkeypatch):
        """A player that writes what it hears into a file."""
        (tmp_path / "bin").mkdir()
        script = tmp_path / "bin" / "aplay"
        script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/heard\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
        monkeypatch.setattr(playing.shutil, "which", lambda name: str(script) if name == "aplay" else None)
        return tmp_path / "heard"

    def test_a_result_is_played(self, run, player):
        run("--strength", "0.5", "--play")
        assert player.read_bytes() == open("tone-edited.wav", "rb").read()

    def test_a_stream_is_played_while_it_is_made(self, run, player, model):
        options = ["--model", model, "--device", "cpu", "--duration", "3", "--quiet"]
        assert main(["generate", "rain", *options, "--stream", "--play", "--no-metadata"]) == 0
        heard, _ = soundfile.read(player, dtype="int16")
        assert np.array_equal(heard, samples("rain.wav"))

    def test_a_player_that_goes_is_no_error(self, run, player, model, tmp_path):
        (tmp_path / "bin" / "aplay").write_text("#!/bin/sh\nexit 0\n")
        options = ["--model", model, "--device", "cpu", "--duration", "3", "--quiet"]
        assert main(["generate", "rain", *options, "--stream", "--play"]) == 0
        assert len(samples("rain.wav")) == 48000

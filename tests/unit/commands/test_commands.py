# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import subprocess
import sys

import pytest

from audiolcm_diffusers import __version__, commands
from audiolcm_diffusers.commands import build_parser, describe, main


def test_python_m_is_the_command():
    shown = subprocess.run(
        [sys.executable, "-m", "audiolcm_diffusers", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"audiolcm {__version__}\n"


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"{name} " in shown and summary in shown for name, summary in commands.SUMMARIES.items())


@pytest.mark.parametrize("name", commands.SUMMARIES)
def test_every_command_can_be_imported(name):
    parser, module = build_parser(name)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([name, "--help"])
    assert stop.value.code == 0
    assert callable(module.run)


@pytest.mark.parametrize("argv", [[], ["no-such-command"], ["--no-such-option"], ["generate", "--no-such-option"]])
def test_wrong_arguments_are_refused_in_one_line(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("audiolcm") and shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (KeyError("weights"), "KeyError: 'weights'"),
        (RuntimeError(), "RuntimeError"),
        (FileNotFoundError(2, "No such file", "dog.wav"), "[Errno 2] No such file: 'dog.wav'"),
    ],
)
def test_describe(error, line):
    assert describe(error) == line


def test_traceback_is_shown_only_when_asked_for(tmp_path, capsys):
    argv = ["generate", "a dog", "--model", str(tmp_path / "nowhere")]
    assert main(argv) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["--traceback", *argv]) == 2
    assert "Traceback" in capsys.readouterr().err

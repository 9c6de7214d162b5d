# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import importlib
import io
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
    # A long name stands above what it does.
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f" {name} {summary} " in shown for name, summary in commands.SUMMARIES.items())


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


@pytest.mark.parametrize("name", commands.SUMMARIES)
def test_every_command_prints_to_whatever_there_is(name, monkeypatch):
    def run(args):
        sys.stdout.write("FAD ↓ caf\udce9\n")

    module = importlib.import_module(commands.module_of(name))
    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "register", lambda subparsers: subparsers.add_parser(name))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    assert main([name]) == 0
    assert written.getvalue() == b"FAD \\u2193 caf\\udce9\n"


def test_help_is_printed_in_ascii(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with pytest.raises(SystemExit) as stop:
        main(["generate", "--help"])
    assert stop.value.code == 0
    assert rb"N+1, N+2, \u2026" in b" ".join(written.getvalue().split())


def test_a_reader_that_has_gone_does_not_end_the_work(tmp_path):
    (tmp_path / "script.py").write_text(
        """
import pathlib, sys
from audiolcm_diffusers import commands
from audiolcm_diffusers.commands import generate

def run(args):
    for _ in range(100):
        print("x" * 10000, flush=True)
    pathlib.Path(__file__).with_name("done").touch()

generate.register, generate.run = lambda subparsers: subparsers.add_parser("generate"), run
sys.exit(commands.main(["generate"]))
"""
    )
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    assert (tmp_path / "done").exists()

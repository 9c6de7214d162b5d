# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from audiolcm_diffusers.commands import build_parser, main
from audiolcm_diffusers.commands.serve import KEY_VARIABLE, limits_of
from audiolcm_diffusers.web.limits import Limits


def test_limits_are_options():
    parser, _ = build_parser("serve")
    words = "--max-duration 5 --max-characters 6 --max-events 7 --max-steps 8 --max-takes 2 --max-upload 0.5"
    words += " --max-waiting 9"
    limits = Limits(**limits_of(parser.parse_args(["serve", *words.split()])))
    assert limits == Limits(
        max_length_s=5.0,
        max_characters=6,
        max_events=7,
        max_steps=8,
        max_takes=2,
        max_upload_mb=0.5,
        max_waiting=9,
    )
    assert Limits(**limits_of(parser.parse_args(["serve"]))) == Limits()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "70000"], "expected a port from 0 to 65535, got '70000'"),
        (["--port", "x"], "got 'x'"),
        (["--max-duration", "0"], "above 0, got '0'"),
        (["--max-steps", "1.5"], "a whole number from 1, got '1.5'"),
        (["--workers", "0"], "a whole number from 1, got '0'"),
    ],
)
def test_values_that_are_none(capsys, options, told):
    with pytest.raises(SystemExit):
        main(["serve", *options])
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("key", ["", "  ", "tömato", "a\nb"])
def test_keys_that_are_none(monkeypatch, capsys, key):
    monkeypatch.setenv(KEY_VARIABLE, key)
    assert main(["serve"]) == 2
    error = capsys.readouterr().err
    assert f"{KEY_VARIABLE} is set, but holds no key" in error
    assert not key.strip() or key not in error


def test_what_is_refused_before_the_model_is_loaded(capsys):
    assert main(["serve", "--model", "nothing"]) == 2
    assert "'nothing'" in capsys.readouterr().err


def test_a_port_that_is_taken(capsys):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert main(["serve", "--port", str(port), "--no-page", "--quiet"]) == 2
    assert f"127.0.0.1:{port} cannot be listened at: " in capsys.readouterr().err


def test_served_until_interrupted():
    command = [sys.executable, "-m", "audiolcm_diffusers", "serve", "--port", "0", "--no-page", "--quiet"]
    environment = {**os.environ, KEY_VARIABLE: "tomato"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as server:
        try:
            lines = [server.stdout.readline() for _ in range(2)]
            assert lines[0] == "mini on cpu\n"
            address = re.fullmatch(r"API: (http://127\.0\.0\.1:\d+)/docs\n", lines[1])[1]
            with urllib.request.urlopen(f"{address}/health", timeout=30) as response:
                assert response.status == 200
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"{address}/v1/models", timeout=30)
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 130
            assert server.stderr.read() == "audiolcm: interrupted\n"
        finally:
            server.kill()

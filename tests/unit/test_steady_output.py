# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import io
import sys

import pytest

from audiolcm_diffusers.steady_output import SteadyStream, steady_output


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "FAD ↓ é …".encode()),
        # cp1252 has é (0xE9) and … (0x85), and no arrow, U+2193.
        ("cp1252", b"FAD \\u2193 \xe9 \x85"),
        ("ascii", b"FAD \\u2193 \\xe9 \\u2026"),
    ],
)
def test_what_an_encoding_lacks_is_escaped(encoding, written):
    content = io.BytesIO()
    stream = SteadyStream(io.TextIOWrapper(content, encoding=encoding))
    assert stream.write("FAD ↓ é …") == 9
    stream.flush()
    assert content.getvalue() == written
    assert stream.error is None


def test_bytes_of_a_name_that_is_no_utf8():
    # The last is what a system in the C locale has: what came in as bytes goes out as bytes.
    for encoding, errors, written in (
        ("utf-8", "strict", b"caf\\udce9.wav"),
        ("ascii", "strict", b"caf\\udce9.wav"),
        ("ascii", "surrogateescape", b"caf\xe9.wav"),
    ):
        content = io.BytesIO()
        stream = SteadyStream(io.TextIOWrapper(content, encoding=encoding, errors=errors))
        stream.write("caf\udce9.wav")
        stream.flush()
        assert content.getvalue() == written


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


class Gone(io.StringIO):
    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(("stream", "error"), [(Full(), OSError), (Gone(), BrokenPipeError)])
def test_what_cannot_be_written_is_remembered(stream, error, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream)
    with steady_output() as output:
        sys.stdout.write("one")
        sys.stdout.flush()
        sys.stdout.write("two")
        sys.stdout.flush()
    assert isinstance(output.error, error)
    assert sys.stdout is stream


def test_closed_stream_and_none(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with steady_output() as output:
        sys.stdout.write("one")
    assert isinstance(output.error, ValueError)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with steady_output() as output:
        assert (sys.stdout, sys.stderr, output) == (None, None, None)

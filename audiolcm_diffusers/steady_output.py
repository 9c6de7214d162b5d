# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Standard output and error that never end the work which prints to them."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout


class SteadyStream:
    r"""
    A text stream that writes characters which its encoding lacks as escapes, such as `\u2193`, and keeps quiet once it
    cannot be written to: a full disk, or a reader that has gone.

    Args:
        stream (text file): Where the text goes.
    """

    def __init__(self, stream):
        self._stream = stream
        self.error: Exception | None = None

    def write(self, text: str) -> int:
        r"""Write what can be written. Returns the number of characters that were given."""
        self._attempt(self._stream.write, self._encodable(text))
        return len(text)

    def writelines(self, lines):
        r"""Write all of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self):
        r"""Pass on what was written."""
        self._attempt(self._stream.flush)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def _encodable(self, text):
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            text.encode(encoding, getattr(self._stream, "errors", None) or "strict")
        except UnicodeEncodeError:
            return text.encode(encoding, "backslashreplace").decode(encoding)
        return text

    def _attempt(self, function, *arguments):
        if self.error is not None:
            return
        try:
            function(*arguments)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self.error = error

    def finish(self):
        r"""Flush, and let the interpreter, which flushes once more at its end, not fail at that."""
        self.flush()
        if self.error is None or self._stream not in (sys.__stdout__, sys.__stderr__):
            return
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        except (OSError, ValueError):
            pass


@contextmanager
def steady_output() -> Iterator[SteadyStream | None]:
    r"""
    Make the process's standard output and error a [`SteadyStream`] each.

    Yields:
        [`SteadyStream`] or `None`: Standard output, whose `error` tells afterwards what became of it; `None` where the
        process has none.
    """
    # A process that was started without them has neither, and printing does nothing.
    output, error = (stream and SteadyStream(stream) for stream in (sys.stdout, sys.stderr))
    with ExitStack() as stack:
        for stream, redirect in ((output, redirect_stdout), (error, redirect_stderr)):
            if stream is not None:
                stack.callback(stream.finish)
                stack.enter_context(redirect(stream))
        yield output

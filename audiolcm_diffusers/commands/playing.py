# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sound that is heard at once: players of the system, and WAV as a stream."""

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from ..audio.wav_stream import wav_header, wav_samples


# Commands that play a sound file from standard input, and one that plays files alone.
PLAYERS = {
    "ffplay": ["-nodisp", "-autoexit", "-loglevel", "error", "-"],
    "aplay": ["-q", "-"],
    "play": ["-q", "-t", "wav", "-"],
    "afplay": None,
}


def find_player():
    r"""
    The player of this machine.

    Returns:
        `str`: Its name in [`PLAYERS`].

    Raises:
        ValueError: If there is none.
    """
    for name in PLAYERS:
        if shutil.which(name) is not None:
            return name
    raise ValueError(
        "--play needs a player: ffplay (of FFmpeg), aplay (of ALSA), play (of SoX) or afplay (of macOS); there is "
        "none."
    )


def play_file(player, path):
    r"""Play a file to its end. Returns the player's exit status."""
    options = PLAYERS[player]
    if options is None:
        return subprocess.run([player, str(path)], stdin=subprocess.DEVNULL).returncode
    with Path(path).open("rb") as file:
        return subprocess.run([player, *options], stdin=file).returncode


@contextmanager
def play_to(player):
    r"""
    Play what is written.

    Args:
        player (`str`): Of [`PLAYERS`], one that takes standard input.

    Yields:
        binary file: Its input. Once it has gone, what is written is lost, and no error.
    """
    process = subprocess.Popen([player, *PLAYERS[player]], stdin=subprocess.PIPE)
    try:
        yield _UntilClosed(process.stdin)
    finally:
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.wait()


class _UntilClosed:
    def __init__(self, file):
        self._file = file

    def write(self, content):
        try:
            self._file.write(content)
        except BrokenPipeError:
            pass

    def flush(self):
        try:
            self._file.flush()
        except BrokenPipeError:
            pass


class WavStream:
    r"""
    Somewhere that takes a WAV file piece by piece.

    Args:
        file (binary file): Standard output, or the input of a player.
        num_samples (`int`): Of the sound.
        sampling_rate (`int`): In Hz.
    """

    def __init__(self, file, num_samples, sampling_rate):
        self.file = file
        self.file.write(wav_header(num_samples, sampling_rate))

    def add(self, piece):
        r"""Pass on a piece, `(samples,)`."""
        self.file.write(wav_samples(piece))
        self.file.flush()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
What a sound file says of itself: title, licence, software, and in the comment a JSON document of all that it takes to
make it again.

FLAC and Ogg files hold this as Vorbis comments, written by libsndfile. Of a WAV file libsndfile loses texts beyond
some 2000 bytes, so that the chunk `LIST INFO` of RIFF is written here, behind the sound.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .wholeness import chunks_of


KEY = "audiolcm"

# Tags as soundfile calls them, and as RIFF does.
_RIFF_NAMES = {"title": b"INAM", "copyright": b"ICOP", "software": b"ISFT", "comment": b"ICMT"}
# More is no metadata of ours.
_MAX_BYTES = 2**24


@dataclass(frozen=True)
class SoundTags:
    r"""
    What is written into a sound file.

    Args:
        title (`str`): What is heard, such as the prompt.
        settings (`dict`): What it takes to make the sound again, as JSON can write it.
        licence (`str`, *optional*): Under which terms the model, and what it makes, may be used.
        software (`str`, *optional*): What made it.
    """

    title: str
    settings: dict[str, Any]
    licence: str | None = None
    software: str | None = None

    @property
    def texts(self) -> dict[str, str]:
        r"""`dict[str, str]`: The tags, by the names that soundfile has for them."""
        texts = {
            "title": self.title,
            "comment": json.dumps({KEY: self.settings}, ensure_ascii=False, sort_keys=True),
            "copyright": self.licence,
            "license": self.licence,
            "software": self.software,
        }
        # A zero byte would end a text; a half of a character cannot be written.
        return {
            name: text.replace("\0", "").encode("utf-8", "replace").decode()
            for name, text in texts.items()
            if text  # libsndfile writes no empty ones
        }


def append_info(path: str | Path, texts: dict[str, str]) -> None:
    r"""
    Write tags behind the sound of a WAV file.

    Args:
        path (`str` or `Path`): The file, which is whole and has no such tags.
        texts (`dict[str, str]`): By soundfile's names; those that RIFF has no place for are left out.
    """
    info = b"INFO"
    for name, riff_name in _RIFF_NAMES.items():
        if texts.get(name):
            value = texts[name].encode() + b"\0"
            info += riff_name + len(value).to_bytes(4, "little") + value + bytes(len(value) % 2)
    with Path(path).open("r+b") as file:
        length = file.seek(0, os.SEEK_END)
        file.write(bytes(length % 2) + b"LIST" + len(info).to_bytes(4, "little") + info)
        length = file.tell()
        file.seek(4)
        file.write((length - 8).to_bytes(4, "little"))


def read_settings(path: str | Path) -> dict[str, Any]:
    r"""
    What it takes to make a sound file again.

    Args:
        path (`str` or `Path`): WAV, FLAC or Ogg.

    Returns:
        `dict`: The `settings` of [`SoundTags`].

    Raises:
        ValueError: If it is no such file, or does not say how it was made.
    """
    comment = _read_comment(Path(path))
    try:
        settings = json.loads(comment)[KEY]
    except (ValueError, KeyError, TypeError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(
            f"{str(path)!r} does not say how it was made: it was not made by audiolcm, or with --no-metadata, or what "
            "it said was taken out."
        )
    return settings


def _read_comment(path):
    import soundfile

    if not path.is_file():
        raise ValueError(f"There is no sound file {str(path)!r}.")
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            for name, begin, size in chunks_of(file, length, 12):
                file.seek(begin)
                if name == b"LIST" and size <= _MAX_BYTES and file.read(4) == b"INFO":
                    for tag, place, tag_size in chunks_of(file, min(begin + size, length), begin + 4):
                        if tag == b"ICMT" and tag_size <= _MAX_BYTES:
                            file.seek(place)
                            return file.read(tag_size).rstrip(b"\0").decode(errors="replace")
            return ""
    try:
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            return sound.copy_metadata().get("comment", "")
    except (soundfile.LibsndfileError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} cannot be read as audio: {error}") from error

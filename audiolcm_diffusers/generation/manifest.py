# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
A list of the sounds of a folder that processes and machines make together: a line of JSON a sound, written as soon as
its file is there.

Whoever makes a sound claims it first. A claim is a lock that ends with its process, so that what a killed one did not
finish is made by the next. What the list has is not made again.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..audio.tags import read_settings
from ..files import replacing
from .planning import Sound


NAME = "manifest.jsonl"
# What makes two sounds of one name the same.
SAME = (
    "prompt",
    "seed",
    "model_hash",
    "audio_length_in_s",
    "num_inference_steps",
    "guidance_scale",
    "negative_prompt",
)


class Manifest:
    r"""
    The list of a folder.

    Args:
        path (`Path`): The file, in the folder of the sounds or elsewhere. It need not exist.
        folder (`Path`): Where the sounds go.

    Raises:
        ValueError: If the file is no such list.
    """

    def __init__(self, path: Path, folder: Path):
        self.path, self.folder = path, folder
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), is_singleton=True)
        self._read_to, self._lines, self._inode = 0, {}, None
        if path.is_file():
            self._read_new()

    def _read_new(self) -> None:
        """Take in what others have added. A last line without an end is what a killed process left."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if inode != self._inode:
                # Somebody has put another one in its place.
                self._read_to, self._lines, self._inode = 0, {}, inode
            file.seek(self._read_to)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
                raise ValueError(
                    f"{str(self.path)!r} is no list of sounds: expected objects with a file, got {line[:200]!r}."
                )
            self._lines[entry["file"]] = entry
        self._read_to += len(whole)

    def name_of(self, sound: Sound) -> str:
        r"""What the list calls a sound's file."""
        return sound.path.name

    def check(self, sounds: Sequence[Sound], entries: Sequence[dict[str, Any]]) -> None:
        r"""
        Refuse to go on with a list of other sounds.

        Args:
            sounds (`Sequence[Sound]`): That are to be made.
            entries (`Sequence[dict]`): What the list would say of each.

        Raises:
            ValueError: If sounds of these names were made by another model or with other settings.
        """
        for sound, entry in zip(sounds, entries):
            there = self._lines.get(self.name_of(sound))
            differ = [key for key in SAME if there is not None and there.get(key) != entry.get(key)]
            if differ:
                raise ValueError(
                    f"{str(self.path)!r} has {self.name_of(sound)!r} with {differ[0]}={there.get(differ[0])!r}, which "
                    f"is to be made with {entry.get(differ[0])!r}: name another folder, or remove the list and its "
                    "sounds."
                )

    def prepare(self, sounds: Sequence[Sound], entries: Sequence[dict[str, Any]]) -> None:
        r"""
        Let the list say what there is: lines of files that are gone are taken out, whole files that say of themselves
        that they are what is to be made are put in.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._read_new()
            there = {entry.name for entry in os.scandir(self.folder)} if self.folder.is_dir() else set()
            kept = {name: line for name, line in self._lines.items() if name in there}
            for sound, entry in zip(sounds, entries):
                name = self.name_of(sound)
                if name in there and name not in kept and self._says_it_is(sound, entry):
                    kept[name] = entry
            length = self.path.stat().st_size if self.path.is_file() else 0
            if kept != self._lines or length != self._read_to:
                with replacing(self.path) as temporary:
                    temporary.write_text("".join(map(_line, kept.values())), encoding="utf-8")
                self._lines, there = kept, self.path.stat()
                self._read_to, self._inode = there.st_size, there.st_ino

    @staticmethod
    def _says_it_is(sound, entry):
        try:
            settings = read_settings(sound.path)
        except ValueError:
            return False
        return all(settings.get(key) == entry.get(key) for key in SAME)

    def is_done(self, sound: Sound) -> bool:
        r"""Whether the list has a sound."""
        return self.name_of(sound) in self._lines

    @contextmanager
    def claimed(self, sounds: Sequence[Sound]) -> Iterator[list[Sound]]:
        r"""
        Claim sounds, for as long as the block takes.

        Yields:
            `list[Sound]`: Those that nobody else is making and the list does not have.
        """
        folder = self.path.with_name(f".{self.path.name}.claims")
        with ExitStack() as claims:
            mine = []
            for sound in sounds:
                folder.mkdir(exist_ok=True)
                lock = FileLock(folder / _claim_of(self.name_of(sound)))
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                claims.callback(_release, lock)
                mine.append(sound)
            # What others finished before they let go of it.
            with self._lock:
                self._read_new()
            yield [sound for sound in mine if not self.is_done(sound)]
        try:
            folder.rmdir()
        except OSError:  # somebody's claims
            self._drop_claims_of_done(folder)

    def _drop_claims_of_done(self, folder):
        """Remove claims that were left by one who was killed between listing a sound and letting go of it."""
        done = {_claim_of(name) for name in self._lines}
        try:
            for path in folder.iterdir():
                if path.name in done:
                    # Nobody makes it again, whoever holds it.
                    path.unlink(missing_ok=True)
            folder.rmdir()
        except OSError:
            pass

    def add(self, entries: Sequence[dict[str, Any]]) -> None:
        r"""Add lines, whose files are there."""
        with self._lock, self.path.open("ab") as file:
            file.write("".join(map(_line, entries)).encode())
            file.flush()
            os.fsync(file.fileno())


def _claim_of(name):
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:24]


def _line(entry):
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _release(lock):
    # Removed first: whoever opens it anew finds the sound in the list.
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()

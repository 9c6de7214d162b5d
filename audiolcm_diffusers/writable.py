# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Whether files can be written, found out before the work whose results they are to hold."""

import os
import secrets
import stat
from pathlib import Path


def check_replaceable(path):
    r"""
    Refuse to replace what is not the user's own plain file: a folder, a link, a pipe, a device, a file that is
    read-only or that its folder keeps for its owner. Nothing has to be there.

    Args:
        path (`str` or `Path`): The file that is to be written.

    Raises:
        ValueError: Naming what is in the way.
    """
    path = Path(path)
    if "\0" in str(path):
        raise ValueError(f"Expected the name of a file, got {str(path)!r}, which holds a zero byte.")
    try:
        there = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be written: {error.strerror}.") from error
    if stat.S_ISLNK(there.st_mode):
        raise ValueError(
            f"{str(path)!r} is a link to {str(path.readlink())!r}: name the file that it leads to, or remove it."
        )
    if stat.S_ISDIR(there.st_mode):
        raise ValueError(f"{str(path)!r} is a folder.")
    if not stat.S_ISREG(there.st_mode):
        raise ValueError(f"{str(path)!r} is no file but a pipe, a socket or a device.")
    # The superuser may write to everything, but a file that nobody may write to was meant to stay.
    if not there.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise ValueError(f"{str(path)!r} is read-only: name another file, or make it writable.")
    folder = path.absolute().parent.stat()
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, there.st_uid):
        raise ValueError(f"{str(path)!r} belongs to somebody else, in a folder where only owners replace their files.")


_TRIED = ".partial"


def _hidden_like(name):
    """
    A hidden name as long as another one and of the same kind: whoever is killed while it is tried leaves no empty file
    that looks like a result.
    """
    hidden = f"{_TRIED}{name[len(_TRIED) :]}"
    return hidden + "x" * max(0, len(os.fsencode(name)) - len(os.fsencode(hidden)))


def remove_tried_names(folder):
    r"""Remove the empty files that processes left which were killed in [`check_can_create`]."""
    for path in Path(folder).glob(f"{_TRIED}*"):
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()


def check_can_create(folder, name=None):
    r"""
    Refuse a folder in which no file can be made, by making one and removing it.

    Args:
        folder (`str` or `Path`): The folder. Where it does not exist, it is made, too, and removed.
        name (`str`, *optional*): A file that is to be made, whose name may be too long or not allowed.

    Raises:
        ValueError: Naming what is in the way.
    """
    folder = Path(folder).absolute()
    if "\0" in str(folder):
        raise ValueError(f"Expected the name of a folder, got {str(folder)!r}, which holds a zero byte.")
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    ancestor = missing[-1].parent if missing else folder
    if not ancestor.is_dir():
        raise ValueError(f"{str(ancestor)!r} is no folder.")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise ValueError(f"no permission to write to {str(ancestor)!r}.")
    file = folder / _hidden_like(name or secrets.token_hex(8))
    made = []
    try:
        for path in reversed(missing):
            path.mkdir()
            made.append(path)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        made.append(file)
    except FileExistsError:
        return
    except OSError as error:
        raise ValueError(f"{str(file)!r} cannot be made: {error.strerror}.") from error
    finally:
        for path in reversed(made):
            try:
                path.unlink() if path == file else path.rmdir()
            except OSError:  # somebody else has begun to use the folder
                pass

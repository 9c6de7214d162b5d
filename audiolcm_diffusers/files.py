# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Files and folders that are whole or not there: written under a temporary name beside their place, then renamed.

Temporary names begin with a dot and have `.partial` or `.replaced` in them; [`clean_leftovers`] removes what killed
processes left.
"""

import ctypes
import errno
import os
import secrets
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path


LOCK = ".lock"

# Of Linux' renameat2: from the working folder; swap the two.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def replacing(path):
    r"""
    Write a file under a temporary name in the same folder, and give it its own name once it is whole.

    Args:
        path (`str` or `Path`): The file. Its folder exists.

    Yields:
        `Path`: Where to write, with the suffix of `path`. After an error in the block it is removed, and what was at
        `path` before stays as it was.

    Raises:
        OSError: If it cannot be written; where the disk is full, saying so.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:32]}-{secrets.token_hex(4)}.partial{path.suffix}")
    # A file that is made so has the mode that the process's umask leaves, which nothing else can tell without setting
    # it for all threads.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = temporary.stat().st_mode & 0o777
    try:
        try:
            yield temporary
        except OSError:
            raise
        except Exception as error:
            # Libraries have their own errors, and their own words, for a disk that is full.
            if _is_full(temporary):
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} while writing", str(path)) from error
            raise
        _set_mode(temporary, mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _set_mode(path, mode):
    """Some libraries make private files. Where a file system refuses modes, the file counts more."""
    if path.stat().st_mode & 0o777 != mode:
        try:
            path.chmod(mode)
        except OSError:
            pass


def _is_full(path):
    try:
        with path.open("ab") as file:
            file.write(bytes(65536))
            file.flush()
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return False


def save_folder(save, folder):
    r"""
    Let `save(path)` write a folder under a temporary name, then put it in the place of `folder`.

    An interrupted save leaves what was there before. Files get the mode that the process's umask leaves.

    Args:
        save (`Callable[[Path], None]`): Writes into the empty folder that it is given.
        folder (`str` or `Path`): Where the folder goes.
    """
    recover_folder(folder)
    temporary = empty_folder_beside(folder)
    save(temporary)
    put_in_place(temporary, folder)


def folder_beside(folder):
    r"""The folder in which what is to lie in `folder` is written first."""
    return Path(folder).with_name(f".{Path(folder).name}.partial")


def _replaced_beside(folder):
    return Path(folder).with_name(f".{Path(folder).name}.replaced")


def empty_folder_beside(folder):
    r"""The folder beside, made empty."""
    temporary = folder_beside(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def put_in_place(temporary, folder):
    r"""
    Put a folder that is complete in the place of `folder`, its files on the disk. Where the system can swap two
    folders there is one in place at every moment; elsewhere [`recover_folder`] brings back what an interruption left
    aside.
    """
    temporary, folder = Path(temporary), Path(folder)
    _share_and_sync(temporary)
    if not folder.exists():
        os.replace(temporary, folder)
    elif _exchange(temporary, folder):
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        replaced = _replaced_beside(folder)
        shutil.rmtree(replaced, ignore_errors=True)
        os.replace(folder, replaced)
        os.replace(temporary, folder)
        shutil.rmtree(replaced, ignore_errors=True)
    _sync(folder.parent)


def recover_folder(folder):
    r"""Bring back a folder that was set aside for one that never came."""
    replaced = _replaced_beside(folder)
    if replaced.is_dir() and not Path(folder).exists():
        os.replace(replaced, folder)


def remove_folder(folder):
    r"""Remove a folder so that no half of it ever has its name."""
    replaced = _replaced_beside(folder)
    shutil.rmtree(replaced, ignore_errors=True)
    os.replace(folder, replaced)
    shutil.rmtree(replaced, ignore_errors=True)


def clean_leftovers(folder):
    r"""
    Remove what killed processes left in a folder under temporary names, and bring back folders that were set aside. To
    be called where no other process writes, see [`locked`].

    Args:
        folder (`str` or `Path`): The folder.

    Returns:
        `list[str]`: Names of what was removed.
    """
    removed = []
    for path in sorted(Path(folder).glob(".*")):
        if path.name.endswith(".replaced") and path.is_dir():
            place = path.with_name(path.name.removeprefix(".").removesuffix(".replaced"))
            # A checkpoint that was to be removed is none any more; everything else was to be replaced.
            if not place.exists() and not place.name.startswith("checkpoint-"):
                os.replace(path, place)
                continue
        elif ".partial" not in path.name:
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        removed.append(path.name)
    return removed


@contextmanager
def locked(folder, what):
    r"""
    Keep other processes from writing into a folder. The lock ends with the process, however that ends.

    Args:
        folder (`str` or `Path`): The folder, which is made where there is none.
        what (`str`): What writes there, for the message.

    Raises:
        ValueError: If another process has it.
    """
    from filelock import FileLock, Timeout

    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder) / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"{what} is writing into {str(folder)!r}: wait for its end, or name another folder."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _exchange(one, other):
    """Swap two folders in one moment; `False` where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0


def _share_and_sync(folder):
    """What was written is as readable as other files of its owner, and on the disk."""
    probe = folder / f".{secrets.token_hex(4)}.partial"
    os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for root, _, names in os.walk(folder):
        for name in names:
            _set_mode(Path(root, name), mode)
            _sync(Path(root, name))
        _sync(Path(root))


def _sync(path):
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # folders cannot be opened everywhere
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)

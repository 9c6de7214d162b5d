# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What may stand in the folder of a saved model: plain files of sizes that fit, and names that stay in the folder."""

import json
import stat
from pathlib import Path


MAX_CONFIG_MB = 16
# A tokenizer's file holds its whole vocabulary.
MAX_TOKENIZER_MB = 512


def check_plain_files(folder):
    r"""
    Refuse a folder with something in it, or in the folders in it, that is no file: reading a pipe would wait for ever,
    and reading a device never end. Links to files are files; hidden names are not looked at.

    Args:
        folder (`str` or `Path`): The folder.

    Raises:
        ValueError: Naming what is no file.
    """
    folder = Path(folder)
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        try:
            mode = path.stat().st_mode
        except OSError:  # a link that leads nowhere, which whoever needs the file names
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not path.name.startswith("."):
            raise ValueError(f"Expected files in {str(folder)!r}, but {str(path)!r} is none: a pipe or a device.")


def check_plain_name(name, where):
    r"""
    Refuse a name that leads out of its folder.

    Args:
        name: The name that a file gives to another one.
        where (`str` or `Path`): That file, for the message.

    Returns:
        `str`: The name.

    Raises:
        ValueError: If it is no name of a file in the same folder.
    """
    # Both separators, whatever the system: a folder may have been made on another.
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise ValueError(f"Expected names of files beside it in {str(where)!r}, got {name!r}.")
    return name


def read_small_text(path, limit_mb=None):
    r"""
    Read a file of UTF-8 text that ought to be small.

    Args:
        path (`Path`): The file.
        limit_mb (`float`, *optional*): How large it may be; by default `MAX_CONFIG_MB`.

    Returns:
        `str`: Its content.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no file, too large or no such text.
    """
    limit_mb = MAX_CONFIG_MB if limit_mb is None else limit_mb
    info = path.stat()
    if not stat.S_ISREG(info.st_mode):
        raise ValueError("it is no file")
    if info.st_size > limit_mb * 2**20:
        raise ValueError(f"it has {info.st_size} bytes, and at most {limit_mb} MB are expected")
    return path.read_text(encoding="utf-8")


def read_json(path):
    r"""
    Read one of a model's JSON files.

    Args:
        path (`Path`): The file.

    Returns:
        `dict` or whatever else it holds.

    Raises:
        ValueError: If it is missing, no file, too large or no JSON, naming the file.
    """
    path = Path(path)
    limit_mb = MAX_TOKENIZER_MB if path.name == "tokenizer.json" else MAX_CONFIG_MB
    try:
        return json.loads(read_small_text(path, limit_mb))
    except RecursionError:
        raise ValueError(f"The file {str(path)!r} is damaged: its lists are nested too deeply.") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"The checkpoint's {str(path)!r} is missing or damaged: {error}.") from error


def component_names(index):
    r"""
    Parts of a saved pipeline.

    Args:
        index (`dict`): The content of its `model_index.json`.

    Returns:
        `list[str]`: Names of pairs of a library and a class; those that are `[null, null]` and configuration are none.
    """
    return [
        name
        for name, value in index.items()
        if not name.startswith("_")
        and isinstance(value, list)
        and len(value) == 2
        and all(isinstance(part, str) for part in value)
    ]

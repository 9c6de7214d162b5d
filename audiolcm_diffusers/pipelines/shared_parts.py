# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Parts that two saved pipelines have in common and one of them keeps: a teacher and its student, side by side."""

import filecmp
import json
import shutil
from pathlib import Path

from ..model_files import component_names


# In `model_index.json`: the folder beside this one that has the components which are missing here.
SHARED_WITH = "_shared_with"


def part_folder(folder, name, index):
    r"""
    Where a component of a saved pipeline is.

    Args:
        folder (`Path`): The pipeline's folder.
        name (`str`): The component.
        index (`dict`): The content of its `model_index.json`.

    Returns:
        `Path`: A folder in `folder`, or in the one beside it that `_shared_with` names.

    Raises:
        ValueError: If that is no name of a folder beside it.
    """
    beside = index.get(SHARED_WITH)
    if beside is None or (folder / name).is_dir():
        return folder / name
    if not isinstance(beside, str) or beside in ("", ".", "..") or Path(beside).name != beside:
        raise ValueError(
            f"Expected {SHARED_WITH} of {str(folder / 'model_index.json')!r} to be the name of a folder beside "
            f"it, got {beside!r}."
        )
    return folder.resolve().parent / beside / name


def load_shared_parts(pipeline_class, path, options):
    r"""
    Load what a saved pipeline leaves to the one beside it.

    Args:
        pipeline_class (`type`): Class of the pipeline beside it, or one whose `from_pretrained` finds it out.
        path (`str` or `Path`): What `from_pretrained` is given.
        options (`dict`): Its other arguments, components among them, which are not loaded.

    Returns:
        `dict`: Components by their names; empty where nothing is left out.

    Raises:
        ValueError: If the folder beside it is missing or has not got them.
    """
    folder = Path(path)
    if not (folder / "model_index.json").is_file():
        return {}
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except ValueError:  # whoever reads it next names it
        return {}
    if not isinstance(index, dict) or SHARED_WITH not in index:
        return {}
    names = component_names(index)
    shared = {name: part_folder(folder, name, index) for name in names if name not in options}
    shared = {name: part for name, part in shared.items() if part.parent != folder}
    missing = [str(part) for part in shared.values() if not part.is_dir()]
    if missing:
        raise ValueError(
            f"{str(folder)!r} shares parts with the folder {index[SHARED_WITH]!r} beside it. There is no "
            f"{missing[0]!r}: keep the two side by side, or save the pipeline with `save_pretrained`, which "
            "writes all of its parts."
        )
    if not shared:
        return {}
    beside = next(iter(shared.values())).parent
    left_out = {name: None for name in names if name not in shared}
    others = {name: value for name, value in options.items() if name not in names}
    components = pipeline_class.from_pretrained(beside, **others, **left_out).components
    return {name: components[name] for name in shared}


def leave_out_shared_parts(folder, beside):
    r"""
    Remove from a saved pipeline what another one has, byte for byte, and write down where it is.

    Args:
        folder (`Path`): The pipeline's folder.
        beside (`Path`): The other pipeline's. It has to be beside `folder` when that is loaded.

    Returns:
        `list[str]`: The components that were removed.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    removed = [name for name in component_names(index) if _are_equal(folder / name, beside / name)]
    for name in removed:
        shutil.rmtree(folder / name)
    if removed:
        index[SHARED_WITH] = beside.name
        (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return removed


def _are_equal(folder, other):
    if not folder.is_dir() or not other.is_dir():
        return False
    names = sorted(file.name for file in folder.iterdir())
    if sorted(file.name for file in other.iterdir()) != names:
        return False
    return all(
        _settings(folder / name) == _settings(other / name)
        if name.endswith("config.json")
        else filecmp.cmp(folder / name, other / name, shallow=False)
        for name in names
    )


def _settings(path):
    """A configuration, without where it was loaded from."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in values.items() if name != "_name_or_path"}

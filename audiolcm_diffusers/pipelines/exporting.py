# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A saved pipeline as a repository that brings its own code, file by file: no weight is loaded or converted."""

import json
import shutil
from pathlib import Path

from ..model_files import component_names, read_json
from ..remote_code import add_code, without_code
from .cards import companions
from .shared_parts import SHARED_WITH, part_folder


# What is in the folder of a part that is of use to whoever loads it.
SUFFIXES = (".json", ".safetensors", ".txt", ".model", ".jinja")


def export_with_code(source: Path, target: Path, name: str | None = None) -> None:
    r"""
    Write the repository.

    Args:
        source (`Path`): Folder of a saved pipeline, whose files [`~loading.check_pipeline_folder`] has checked.
        target (`Path`): An empty folder.
        name (`str`, *optional*): Repository that it is to be, "owner/name".
    """
    index = without_code(read_json(source / "model_index.json"))
    for part in component_names(index):
        (target / part).mkdir()
        for file in sorted(part_folder(source, part, index).iterdir()):
            if file.suffix in SUFFIXES and file.is_file():
                shutil.copyfile(file, target / part / file.name)
    for path in companions(source):
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
    whole = {key: value for key, value in index.items() if key != SHARED_WITH}
    (target / "model_index.json").write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    add_code(target, name)

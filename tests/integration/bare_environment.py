# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A virtual environment that has some packages of this one, and what they need, but not this one's own."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement


def closure(names):
    """Distributions, and all that they need without extras."""
    found, todo = {}, list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform
            continue
        for text in found[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
    return found


def make_bare_environment(folder, names):
    """
    Make it.

    Args:
        folder (`Path`): Where.
        names (`list[str]`): Distributions.

    Returns:
        `Path`: Its Python.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    for dist in closure(names).values():
        for part in {file.parts[0] for file in dist.files or ()} - {"..", "__pycache__"}:
            source, target = dist.locate_file(part), packages / part
            if not target.exists():
                target.symlink_to(source)
    return folder / "bin/python"

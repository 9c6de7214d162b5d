# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Who imports whom, where import-linter, which reads the package alone, does not look."""

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(ROOT.glob("training/**/*.py"))


def imported_modules(code):
    """The dotted names that a module imports, wherever it does; `from a import b` may be of a module `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def of_commands(code):
    return {name for name in imported_modules(code) if f"{name}.".startswith("audiolcm_diffusers.commands.")}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import audiolcm_diffusers.commands", 1),
        ("from audiolcm_diffusers import commands as c", 1),
        ("def f():\n    from audiolcm_diffusers.commands.evaluate import run, register", 2),
        ("from audiolcm_diffusers.evaluation import evaluate", 0),
        ("from accelerate.commands import launch", 0),
    ],
)
def test_imports_are_found(code, found):
    assert len(of_commands(code)) == found


def test_there_are_scripts():
    assert len(SCRIPTS) >= 9


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "training")))
def test_scripts_import_no_commands(script):
    # What a script can use, a Python user can: it belongs in the library.
    assert not of_commands(script.read_text(encoding="utf-8"))

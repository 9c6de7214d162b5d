# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""Names of a package that are imported when they are first used, so that naming one does not import all."""

import importlib
import sys
from collections.abc import Callable


def lazy_names(package: str, modules: dict[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    r"""
    What a package's `__getattr__` and `__dir__` are to be (PEP 562).

    Args:
        package (`str`): The package's `__name__`.
        modules (`dict[str, str]`): Where each of its names lies: a module, relative to the package or absolute.

    Returns:
        `tuple[Callable, Callable]`: `__getattr__`, which imports a name and keeps it in the package, and `__dir__`.
    """
    namespace = vars(sys.modules[package])

    def __getattr__(name: str):
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(modules[name], package), name)
        namespace[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*namespace, *modules})

    return __getattr__, __dir__

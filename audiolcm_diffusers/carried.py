# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
A package that lies in the variable of a file instead of a folder.

Repositories on the Hub carry this package's inference code in one file, because diffusers takes no more than one from
them. It begins with this module, which imports nothing of the package.
"""

import importlib.abc
import importlib.util
import sys


# In front of each line of a carried source, so that whatever reads a file's imports does not find those in it.
MARGIN = "| "


class CarriedPackage(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    r"""
    Finds and loads the modules of a package from their sources.

    Args:
        name (`str`): The package's.
        sources (`dict[str, str]`): By the modules' names, `""` for the package itself and `"models.vae"` for a module
            in a folder; each line has a [`MARGIN`].
        version (`str`): The package's.
        origin (`str`): The file that carries it.
    """

    def __init__(self, name: str, sources: dict[str, str], version: str, origin: str):
        self.name, self.sources, self.version, self.origin = name, sources, version, origin

    def get_source(self, fullname: str) -> str:
        r"""Source of a module, as the package has it."""
        lines = self.sources[self._key(fullname)].splitlines(keepends=True)
        return "".join(line.removeprefix(MARGIN.rstrip()).removeprefix(" ") for line in lines)

    def is_package(self, fullname: str) -> bool:
        r"""Whether a module is a folder of others."""
        key = self._key(fullname)
        return key == "" or any(other.startswith(f"{key}.") for other in self.sources)

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name and not fullname.startswith(f"{self.name}."):
            return None
        if self._key(fullname) not in self.sources:
            raise ModuleNotFoundError(
                f"{fullname} is not among the inference code that {self.origin} carries: "
                "`pip install audiolcm-diffusers`.",
                name=fullname,
            )
        is_package = self.is_package(fullname)
        spec = importlib.util.spec_from_loader(fullname, self, origin=self._path(fullname), is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = []
        return spec

    def exec_module(self, module):
        name = module.__spec__.name
        exec(compile(self.get_source(name), self._path(name), "exec", dont_inherit=True), module.__dict__)

    def _key(self, fullname):
        return fullname[len(self.name) + 1 :]

    def _path(self, fullname):
        inner = "/__init__.py" if self.is_package(fullname) else ".py"
        return f"<{self.origin}>/{fullname.replace('.', '/')}{inner}"


def import_or_carry(name: str, sources: dict[str, str], version: str, origin: str) -> object:
    r"""
    Import a package: the one that is installed, or else the one that is carried.

    Args:
        name, sources, version, origin: As of [`CarriedPackage`].

    Returns:
        The package.
    """
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        sys.meta_path.append(CarriedPackage(name, sources, version, origin))
    package = importlib.import_module(name)
    if package.__version__ != version:
        import logging

        logging.getLogger(name).warning(
            f"{origin} carries {name} {version}, and {package.__version__} is imported already: that one is used."
        )
    return package

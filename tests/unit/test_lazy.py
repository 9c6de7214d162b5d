# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import sys
from fractions import Fraction
from types import ModuleType

import pytest

from audiolcm_diffusers.lazy import lazy_names


@pytest.fixture
def package(monkeypatch):
    module = ModuleType("lazy_package")
    monkeypatch.setitem(sys.modules, "lazy_package", module)
    module.__getattr__, module.__dir__ = lazy_names("lazy_package", {"Fraction": "fractions", "nothing": "fractions"})
    return module


def test_a_name_is_imported_when_it_is_used_and_kept(package):
    assert "Fraction" not in vars(package) and "Fraction" in dir(package)
    assert package.Fraction is Fraction
    assert vars(package)["Fraction"] is Fraction


def test_an_unknown_name_is_refused_as_python_does(package):
    with pytest.raises(AttributeError, match="module 'lazy_package' has no attribute 'Decimal'"):
        package.__getattr__("Decimal")
    with pytest.raises(AttributeError, match="nothing"):
        package.__getattr__("nothing")

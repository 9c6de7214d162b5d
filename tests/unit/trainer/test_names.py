# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import importlib
import subprocess
import sys

import pytest

from audiolcm_diffusers import trainer


def test_scripts_find_what_they_need_in_one_place():
    for name, module in trainer._NAMES.items():
        assert getattr(trainer, name) is getattr(importlib.import_module(module, trainer.__name__), name)
        assert name in dir(trainer)
    with pytest.raises(AttributeError, match="no attribute 'TrainerRun'"):
        trainer.TrainerRun  # noqa: B018


def test_nothing_heavy_is_imported_before_it_is_used():
    code = "import sys, audiolcm_diffusers.trainer; print('torch' in sys.modules, 'accelerate' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.split() == ["False", "False"]

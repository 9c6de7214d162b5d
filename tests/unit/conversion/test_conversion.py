# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import subprocess
import sys

import pytest

from audiolcm_diffusers import conversion


def test_every_public_function_is_found():
    assert len(conversion.__all__) == 6
    for name in conversion.__all__:
        assert callable(getattr(conversion, name))
        assert name in dir(conversion)
    with pytest.raises(AttributeError, match="has no attribute 'audioldm_from_original'"):
        _ = conversion.audioldm_from_original


def test_importing_it_imports_no_model():
    code = "import sys, audiolcm_diffusers.conversion; print('torch' in sys.modules, 'transformers' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"

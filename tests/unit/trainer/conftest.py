# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Options of a run, and an accelerator."""

import pytest
from accelerate import Accelerator

from audiolcm_diffusers.trainer import RunConfig


@pytest.fixture
def make_options(tmp_path):
    """`make_options(**values)`: options of a run in `run`, with a line of the log a step."""
    common = {"data_dir": "data", "output_dir": str(tmp_path / "run"), "logging_steps": 1}
    return lambda **values: RunConfig(**{**common, **values})


@pytest.fixture
def accelerator():
    """What stands in the way of nothing: one process, float32, no accumulation."""
    return Accelerator()

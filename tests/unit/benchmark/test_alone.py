# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import os

import pytest

from audiolcm_diffusers.benchmark.alone import run_alone
from audiolcm_diffusers.benchmark.training import measure_alone


def test_result_and_arguments_go_through():
    assert run_alone(json.dumps, {"obj": {"a": [1, None, "é"]}}, "The text") == '{"a": [1, null, "\\u00e9"]}'


def test_it_is_a_process_of_its_own_with_an_empty_cache_of_compiled_code():
    assert run_alone(os.getpid, {}, "The process") != os.getpid()
    cache = run_alone(os.getenv, {"key": "TORCHINDUCTOR_CACHE_DIR"}, "The process")
    assert cache is not None and not os.path.exists(cache)


def test_a_process_that_fails_is_quoted():
    message = (
        r"^The variant 'naive' alone ended with status 1: ValueError: Expected size to be one of .* got 'huge'\.$"
    )
    with pytest.raises(ChildProcessError, match=message):
        run_alone(measure_alone, {"size": "huge"}, "The variant 'naive'")

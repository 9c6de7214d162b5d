# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from argparse import Namespace

import pytest

from audiolcm_diffusers.commands.options import errors_with_flags, flags


def test_flags():
    assert flags(["save_audio", "cache"]) == "--cache, --save-audio"


def test_arguments_of_the_library_are_called_as_options_are():
    args = Namespace(batch_size=1, steps=None)
    message = "`batch_size`, `num_inference_steps`, `elsewhere` and `pip install x`"
    with pytest.raises(ValueError, match="^--batch-size, --steps, `elsewhere` and `pip install x`$"):
        with errors_with_flags(args, num_inference_steps="steps"):
            raise ValueError(message)


def test_other_errors_stay_as_they_are():
    error = ValueError("of `elsewhere`")
    with pytest.raises(ValueError) as raised:
        with errors_with_flags(Namespace(steps=1)):
            raise error
    assert raised.value is error
    with pytest.raises(KeyError):
        with errors_with_flags(Namespace(steps=1)):
            raise KeyError("`steps`")

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


def test_what_a_killed_check_has_left_is_no_result(tmp_path):
    from audiolcm_diffusers.commands.convert import check_output

    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".partial01234567").touch()
    check_output(folder)
    assert not any(folder.iterdir())
    # What holds something, or has another name, is somebody's.
    for name, content in ((".partial01234567", "x"), ("file", "")):
        (folder / name).write_text(content)
        with pytest.raises(FileExistsError):
            check_output(folder)
        (folder / name).unlink()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a saved pipeline says of itself where it is a student whose class has no place for that."""

import json
from pathlib import Path

from ..files import replacing


# In a student's `model_index.json`: how it was distilled. Names with an underscore are passed over by diffusers.
STUDENT_MARK = "_few_step_student"


def mark_student(folder: Path, how: dict) -> None:
    r"""
    Say in a saved pipeline's folder that it is a student.

    Args:
        folder (`Path`): From `save_pretrained`.
        how (`dict`): What whoever calls it has to know.
    """
    index = Path(folder) / "model_index.json"
    told = {**json.loads(index.read_text(encoding="utf-8")), STUDENT_MARK: how}
    with replacing(index) as temporary:
        temporary.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")

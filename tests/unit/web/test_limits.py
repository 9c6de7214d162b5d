# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest

from audiolcm_diffusers.web.limits import Limits, OutOfLimits


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("max_length_s", 0, "number"),
        ("max_length_s", -1.0, "number"),
        ("max_length_s", math.nan, "number"),
        ("max_length_s", math.inf, "number"),
        ("max_steps", 2.5, "whole number"),
        ("max_steps", True, "whole number"),
        ("max_upload_mb", "20", "number"),
    ],
)
def test_what_is_no_limit(name, value, kind):
    with pytest.raises(ValueError, match=f"Expected {name} to be a {kind} above 0, got {value!r}"):
        Limits(**{name: value})


def test_limits_are_told():
    limits = Limits(max_length_s=5, max_characters=10, max_steps=3, max_events=2, max_upload_mb=0.5)
    limits.check_length("audio_length_in_s", 5)
    limits.check_text("prompt", "0123456789")
    limits.check_text("prompt", None)
    limits.check_steps("num_inference_steps", 3)
    limits.check_events("events", [1, 2])
    assert limits.max_upload_bytes == 500_000
    for check, value, told in [
        (limits.check_length, 5.5, "asks for 5.5 s of sound; this server makes 5 s at most"),
        (limits.check_text, "01234567890", "has 11 characters; this server takes 10 at most"),
        (limits.check_steps, 4, "is 4; this server takes 3 at most"),
        (limits.check_events, [1, 2, 3], "are 3; this server takes 2 at most"),
    ]:
        with pytest.raises(OutOfLimits, match=f"`field` {told}") as caught:
            check("field", value)
        assert caught.value.name == "field"

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json

import numpy as np
import pytest

from audiolcm_diffusers.evaluation.class_map import class_of, is_named, read_class_map


MAP = {"rain": ["Rain"], "a dog barking": ["Dog", "Bark"]}


def test_a_class_is_given_or_said_by_the_caption():
    assert class_of(MAP, "drops on a roof", "rain") == "rain"
    assert class_of(MAP, " A dog barking. ") == class_of(MAP, "a dog barking", "") == "a dog barking"
    # A class that is given counts, even where the caption is one.
    assert class_of(MAP, "rain", "thunder") is None
    assert class_of(MAP, "a dog barking twice") is None


def test_a_label_among_the_five_likeliest_names_a_sound():
    probabilities = np.array([0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4])  # in order: 1, 3, 5, 6, 4, then 2 and 0
    assert is_named(probabilities, {4}) and is_named(probabilities, {0, 1})
    assert not is_named(probabilities, {2}) and not is_named(probabilities, {0, 2})


def test_maps_are_read_or_refused(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps(MAP))
    assert read_class_map(path) == MAP
    for wrong, told in (
        ([], "got \\[\\]"),
        ({}, "got {}"),
        ({"rain": "Rain"}, "got \"Rain\" for 'rain'"),
        ({"a": []}, "'a'"),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=f"to be an object of classes and lists of labels, .*{told}"):
            read_class_map(path)
    with pytest.raises(ValueError, match="nowhere' cannot be read"):
        read_class_map(tmp_path / "nowhere")

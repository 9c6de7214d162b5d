# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import copy
import json

import pytest

from audiolcm_diffusers.evaluation.protocol import compare, differences, flatten, read_results, software_versions


def estimate(value):
    return {"value": value, "low": value - 1, "high": value + 1, "num_clips": 8}


@pytest.fixture
def results():
    return {
        "format": 1,
        "protocol": {
            "dataset": {"name": "data", "fingerprint": "abc", "num_clips": 8},
            "seed": 0,
            "networks": {"classifier": {"name": "here/judge", "fingerprint": "123"}},
            "metrics": {"fad": {"features": "classifier"}, "kl": {}},
        },
        "software": {"torch": "2.6"},
        "rows": [
            {"name": "silence", "metrics": {"fad": estimate(9.0), "kl": estimate(5.0)}},
            {"name": "model, 2 steps", "metrics": {"fad": estimate(2.0)}},
        ],
    }


def test_results_of_one_protocol_are_set_side_by_side(results):
    other = copy.deepcopy(results)
    other["protocol"]["dataset"]["name"] = other["protocol"]["networks"]["classifier"]["name"] = "elsewhere"
    other["rows"] = [
        {"name": "model, 2 steps", "metrics": {"fad": estimate(3.0), "kl": estimate(1.0)}},
        {"name": "model, 4 steps", "metrics": {"fad": estimate(1.0)}},
    ]
    assert compare(results, other) == {"model, 2 steps": {"fad": (estimate(2.0), estimate(3.0))}}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("protocol", "dataset", "num_clips"), 9, "dataset.num_clips is 8 and 9"),
        (("protocol", "seed"), 1, "seed is 0 and 1"),
        (
            ("protocol", "networks", "classifier", "fingerprint"),
            "124",
            "networks.classifier.fingerprint is '123' and '124'",
        ),
        (("protocol", "networks", "clap"), {"fingerprint": "7"}, "networks.clap.fingerprint is None and '7'"),
        (("software", "torch"), "2.7", "torch is '2.6' and '2.7'"),
    ],
)
def test_results_of_different_protocols_are_refused(results, path, value, told):
    other = copy.deepcopy(results)
    *parents, last = path
    entry = other
    for name in parents:
        entry = entry[name]
    entry[last] = value
    with pytest.raises(ValueError, match=told):
        compare(results, other)
    assert len(differences(results, other)) == 1


def test_other_software_is_allowed_when_asked_for(results):
    other = copy.deepcopy(results)
    other["software"]["torch"] = "2.7"
    assert compare(results, other, other_software=True).keys() == {"silence", "model, 2 steps"}
    other["protocol"]["seed"] = 1
    with pytest.raises(ValueError, match=r"compared: seed is 0 and 1\."):
        compare(results, other, other_software=True)


def test_every_difference_is_named(results):
    other = copy.deepcopy(results)
    other["protocol"] |= {"seed": 1, "num_samples": 5}
    with pytest.raises(ValueError, match="num_samples is None and 5; seed is 0 and 1"):
        compare(results, other)


def test_results_are_read_from_their_folder_or_file(results, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert read_results(tmp_path) == read_results(tmp_path / "results.json") == results
    (tmp_path / "other.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="Expected results of format 1 in .*other.json"):
        read_results(tmp_path / "other.json")
    with pytest.raises(ValueError, match="There are no results in .*nowhere"):
        read_results(tmp_path / "nowhere")


def test_flatten():
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


def test_versions_are_of_what_is_installed():
    import torch

    versions = software_versions()
    # Whether a build names its CUDA in the installed version, too, differs.
    assert torch.__version__.startswith(versions["torch"].split("+")[0])
    assert {"python", "transformers", "torchaudio"} <= versions.keys()

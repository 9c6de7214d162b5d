# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import shutil

import pytest
import torch

from audiolcm_diffusers import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT
from audiolcm_diffusers.generation.provenance import licence_of, model_hash, tags_of


def test_a_hash_is_of_what_the_model_computes(make_pipeline, tmp_path):
    pipe = make_pipeline()
    for name in ("one", "two"):
        pipe.save_pretrained(tmp_path / name)
    expected = model_hash(tmp_path / "one")
    assert len(expected) == 16 and expected == model_hash(tmp_path / "two")
    (tmp_path / "two" / "README.md").write_text("another card")
    assert model_hash(tmp_path / "two") == expected
    with torch.no_grad():
        next(pipe.vocoder.parameters()).add_(1.0)
    pipe.save_pretrained(tmp_path / "other")
    assert model_hash(tmp_path / "other") != expected


def test_shared_parts_count(tmp_path):
    shutil.copytree(MINI_TEACHER_CHECKPOINT, tmp_path / "teacher")
    assert model_hash(MINI_TEACHER_CHECKPOINT) != model_hash(MINI_CHECKPOINT)
    index = json.loads((tmp_path / "teacher" / "model_index.json").read_text())
    shutil.copytree(MINI_CHECKPOINT, tmp_path / index["_shared_with"])
    assert model_hash(tmp_path / "teacher") == model_hash(MINI_TEACHER_CHECKPOINT)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: cc-by-4.0\n---\n", "cc-by-4.0"),
        ("---\nlicense:\n- mit\n- apache-2.0\n---\n", "mit, apache-2.0"),
        ("---\nlicense: other\nlicense_name: several\nlicense_link: CREDITS.csv\n---\n", "several, CREDITS.csv"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags: []\n---\n", None),
        ("no front matter", None),
        ("---\n: [\n---\n", None),
        (None, None),
    ],
)
def test_licences_are_those_of_cards(tmp_path, card, licence):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


def test_the_embedded_model_says_where_its_licences_are():
    assert licence_of(MINI_CHECKPOINT) == "several, CREDITS.csv"
    assert (MINI_CHECKPOINT / "CREDITS.csv").is_file()


def test_tags():
    tags = tags_of({"prompt": "rain", "seed": 1}, "CC0")
    assert tags.title == "rain" and tags.settings == {"prompt": "rain", "seed": 1, "licence": "CC0"}
    assert tags.software.startswith("audiolcm-diffusers ")

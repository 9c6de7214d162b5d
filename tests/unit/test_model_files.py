# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import os
import re

import pytest
from transformers import BertConfig

from audiolcm_diffusers import AudioLCMPipeline, model_files
from audiolcm_diffusers.conversion import checkpoint
from audiolcm_diffusers.evaluation.networks import load_clap
from audiolcm_diffusers.model_files import check_plain_files, check_plain_name, read_json
from audiolcm_diffusers.pipelines.loading import find_model


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device])
@pytest.mark.parametrize(
    "name", ["model_index.json", "transformer/config.json", "vae/diffusion_pytorch_model.safetensors"]
)
def test_a_pipe_or_a_device_in_a_model_is_refused(make, name, make_pipeline, tmp_path):
    make_pipeline().save_pretrained(tmp_path)
    make(tmp_path / name)
    for load in (find_model, AudioLCMPipeline.from_pretrained):
        with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path / name))}' is none: a pipe or a device"):
            load(str(tmp_path))


def test_links_to_files_are_files(tmp_path):
    # As in the Hub's cache.
    (tmp_path / "blob").write_text("{}")
    (tmp_path / "config.json").symlink_to("blob")
    (tmp_path / "nowhere.json").symlink_to("nothing")
    check_plain_files(tmp_path)
    assert read_json(tmp_path / "config.json") == {}


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\0b", None, 3])
def test_names_stay_in_their_folder(name):
    with pytest.raises(ValueError, match="'index.json', got"):
        check_plain_name(name, "index.json")
    assert check_plain_name("model-00001-of-00002.safetensors", "index.json") == "model-00001-of-00002.safetensors"


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "Expecting"), ("[" * 100_000, "nested too deeply"), ("9" * 5000, "digits"), ("x" * 2**20, "1048576 bytes")],
)
def test_json_that_cannot_be_read(text, told, tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "MAX_CONFIG_MB", 0.5)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=f"config.json' is .*damaged: .*{told}"):
        read_json(tmp_path / "config.json")


def test_a_vocabulary_may_be_large(tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "MAX_CONFIG_MB", 0.0)
    (tmp_path / "tokenizer.json").write_text("[1]")
    assert read_json(tmp_path / "tokenizer.json") == [1]


def test_pipes_in_other_folders_are_refused_too(tmp_path, make_clap):
    model, processor = make_clap()
    model.save_pretrained(tmp_path / "clap")
    processor.save_pretrained(tmp_path / "clap")
    (tmp_path / "bert").mkdir()
    for folder in ("clap", "bert"):
        os.mkfifo(tmp_path / folder / "added_tokens.json")
    for load in (
        lambda: load_clap(str(tmp_path / "clap")),
        lambda: checkpoint._load_text_folder(tmp_path / "bert", BertConfig),
    ):
        with pytest.raises(ValueError, match="added_tokens.json' is none: a pipe or a device"):
            load()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("audiolcm.yaml", "[" * 5000, "nested too deeply"),
        ("config.json", "[" * 100_000, "nested too deeply"),
        ("audiolcm.yaml", "#" * 2**20, "1048576 bytes"),
        ("audiolcm.yaml", "a: !!python/object/apply:os.getcwd []", "cannot be read as yaml"),
    ],
)
def test_published_configuration_that_cannot_be_read(name, text, told, tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "MAX_CONFIG_MB", 0.5)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name}' cannot be read.*{told}|{name}' {told}"):
        checkpoint.read_config(tmp_path / name)

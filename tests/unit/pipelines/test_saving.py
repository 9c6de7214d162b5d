# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Cards, licences and credits go where the weights go."""

import shutil
from types import SimpleNamespace

import huggingface_hub
import pytest
from diffusers import DiffusionPipeline
from huggingface_hub import ModelCard

from audiolcm_diffusers import AudioLCMPipeline, hub


BESIDE = {"README.md": "# Rain\nby me", "CREDITS.csv": "who", "LICENSE.txt": "CC0", "samples/mels.png": "picture"}


@pytest.fixture
def folder(make_pipeline, tmp_path):
    """A saved pipeline with a card."""
    folder = tmp_path / "rain"
    make_pipeline().save_pretrained(folder)
    (folder / "samples").mkdir()
    for name, text in BESIDE.items():
        (folder / name).write_text(text)
    (folder / "notes.md").write_text("private")
    return folder


def beside(folder):
    return {name: (folder / name).read_text() for name in BESIDE if (folder / name).exists()}


def test_a_pipeline_without_a_card_gets_one(make_pipeline, tmp_path):
    pipe = make_pipeline()
    pipe.save_pretrained(tmp_path / "rain")
    card = ModelCard.load(tmp_path / "rain/README.md")
    assert card.data.library_name == "diffusers" and card.data.pipeline_tag == "text-to-audio"
    assert "# rain\n" in card.text and "AudioLCMPipeline.from_pretrained('rain')" in card.text
    assert "| `vae` | `AutoencoderKLMel1D` |" in card.text and "Model ID" not in card.text
    assert "takes 2 steps at a guidance scale of 5 where" in card.text


@pytest.mark.parametrize("pipeline_class", [AudioLCMPipeline, DiffusionPipeline])
@pytest.mark.parametrize("made", ["loaded", "of components", "from_pipe"])
def test_a_card_goes_along(folder, tmp_path, pipeline_class, made):
    pipe = pipeline_class.from_pretrained(folder)
    if made == "of components":
        pipe = AudioLCMPipeline(**pipe.components)
    elif made == "from_pipe":
        pipe = AudioLCMPipeline.from_pipe(pipe)
    pipe.save_pretrained(tmp_path / "copy")
    assert beside(tmp_path / "copy") == BESIDE
    assert not (tmp_path / "copy/notes.md").exists()


def test_what_lies_in_the_folder_is_kept(folder, tmp_path):
    pipe = AudioLCMPipeline.from_pretrained(folder)
    pipe.save_pretrained(folder)
    assert beside(folder) == BESIDE
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/README.md").write_text("mine")
    pipe.save_pretrained(tmp_path / "copy")
    assert beside(tmp_path / "copy") == {**BESIDE, "README.md": "mine"}


def test_a_pipeline_whose_folder_has_gone_is_saved(folder, tmp_path):
    pipe = AudioLCMPipeline.from_pretrained(folder)
    shutil.rmtree(folder)
    pipe.save_pretrained(tmp_path / "copy")
    assert "# copy\n" in (tmp_path / "copy/README.md").read_text()


def test_the_card_of_a_model_on_the_hub(folder, make_pipeline, monkeypatch, tmp_path):
    names = [*BESIDE, "model_index.json", "vae/README.md"]
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, name: names)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, name: str(folder / name))
    pipe = make_pipeline()
    pipe.register_to_config(_name_or_path="owner/rain")
    pipe.save_pretrained(tmp_path / "copy")
    assert beside(tmp_path / "copy") == {name: text for name, text in BESIDE.items() if "/" not in name}


@pytest.mark.parametrize("card_exists", [False, True])
@pytest.mark.parametrize("entrance", ["push_to_hub", "save_pretrained"])
def test_an_upload_has_the_card(folder, tmp_path, monkeypatch, entrance, card_exists):
    asked = []

    def upload_folder(repo_id, folder_path, ignore_patterns, **options):
        asked.append((repo_id, beside(folder_path), ignore_patterns))
        return "address"

    def create_repo(name, exist_ok, private, token):
        asked.append((name, private, token, list((tmp_path / "copy").glob("*"))))
        return SimpleNamespace(repo_id=f"me/{name}")

    monkeypatch.setattr(hub, "create_repo", create_repo)
    monkeypatch.setattr(hub, "file_exists", lambda *args, **kwargs: card_exists)
    monkeypatch.setattr(hub, "upload_folder", upload_folder)
    pipe = AudioLCMPipeline.from_pretrained(folder)
    if entrance == "push_to_hub":
        assert pipe.push_to_hub("copy", private=True, token="t") == "address"
    else:
        pipe.save_pretrained(tmp_path / "copy", push_to_hub=True, private=True, token="t")
    assert asked == [("copy", True, "t", []), ("me/copy", BESIDE, ["README.md"] if card_exists else None)]


def test_a_file_in_the_way(make_pipeline, tmp_path):
    (tmp_path / "rain").touch()
    with pytest.raises(ValueError, match=r"to be a folder, got the file '.*rain'"):
        make_pipeline().save_pretrained(tmp_path / "rain")

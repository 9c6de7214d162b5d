# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from types import SimpleNamespace

import pytest

from audiolcm_diffusers.trainer import saving
from audiolcm_diffusers.trainer.saving import save_lora_weights, save_with_card, upload


def test_a_model_lies_beside_its_card_and_samples(tmp_path):
    (tmp_path / "step-3").mkdir()
    (tmp_path / "step-3/00.wav").write_text("sound")
    save_with_card(lambda folder: (folder / "weights").touch(), "# Card", tmp_path / "step-3", tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "samples", "weights"]
    assert (tmp_path / "model/README.md").read_text() == "# Card"
    assert (tmp_path / "model/samples/00.wav").read_text() == "sound"
    save_with_card(lambda folder: (folder / "other").touch(), "# Card", None, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "other"]


def test_what_was_there_stays_where_samples_are_lost(tmp_path):
    save_with_card(lambda folder: None, "# Old", None, tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        save_with_card(lambda folder: None, "# New", tmp_path / "lost", tmp_path / "model")
    assert (tmp_path / "model/README.md").read_text() == "# Old"


def test_an_adapter_is_saved_as_the_pipeline_loads_it(make_pipeline, tmp_path):
    pytest.importorskip("peft")
    from audiolcm_diffusers.trainer import LoraOptions

    pipe = make_pipeline()
    options = LoraOptions(lora_rank=2, lora_alpha=6.0, lora_target_modules="to_q")
    save_lora_weights(options.with_adapter(pipe.transformer), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_lora_weights.safetensors"]
    pipe.load_lora_weights(tmp_path)
    assert pipe.transformer.transformer_blocks[0].attn.to_q.scaling == {"default_0": 3.0}


def test_a_folder_is_uploaded_under_the_name_that_the_hub_gives(monkeypatch, tmp_path):
    sent = {}
    # The Hub puts the user's name before one without an owner.
    monkeypatch.setattr(saving, "create_repo", lambda name, exist_ok: SimpleNamespace(repo_id=f"me/{name}"))
    monkeypatch.setattr(saving, "upload_folder", lambda **arguments: sent.update(arguments))
    upload(tmp_path, "run")
    assert (sent["repo_id"], sent["folder_path"]) == ("me/run", tmp_path)

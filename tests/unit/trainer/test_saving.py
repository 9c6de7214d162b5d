# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import LocalTokenNotFoundError

from audiolcm_diffusers import hub
from audiolcm_diffusers.trainer import TrainingRun
from audiolcm_diffusers.trainer.cards import model_card
from audiolcm_diffusers.trainer.saving import repository_of, save_lora_weights, save_with_card, upload


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
    transformer = options.with_adapter(pipe.transformer)
    for layer in transformer.transformer_blocks:
        torch.nn.init.ones_(layer.attn.to_q.lora_B["default"].weight)
    save_lora_weights(transformer, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_lora_weights.safetensors"]
    pipe.load_lora_weights(tmp_path)
    assert pipe.transformer.transformer_blocks[0].attn.to_q.scaling == {"default_0": 3.0}


class TestHub:
    """Against a Hub that remembers what it is asked."""

    @pytest.fixture
    def asked(self, monkeypatch):
        asked = []

        def create_repo(name, exist_ok, private, token):
            asked.append(("create", name, private, token))
            return SimpleNamespace(repo_id=f"me/{name}")  # the Hub puts the owner before a name without one

        monkeypatch.setattr(hub, "create_repo", create_repo)
        monkeypatch.setattr(hub, "file_exists", lambda *args, **kwargs: True)
        monkeypatch.setattr(
            hub,
            "upload_folder",
            lambda **options: asked.append(
                ("upload", options["repo_id"], options["token"], options["ignore_patterns"])
            ),
        )
        return asked

    def test_a_repository_is_made_before_and_filled_after(self, asked, make_options, tmp_path):
        options = make_options(push_to_hub=True, hub_private_repo=True, hub_token="secret", hub_model_id="run")
        repository = repository_of(options, "run")
        assert asked == [("create", "run", True, "secret")]
        upload(tmp_path, repository)
        # The card of an earlier training would be wrong.
        assert asked[1:] == [("upload", "me/run", "secret", None)]

    def test_a_run_that_cannot_be_uploaded_does_not_begin(self, monkeypatch, make_options, tmp_path):
        def refuse(*args, **kwargs):
            raise LocalTokenNotFoundError("Token is required.")

        monkeypatch.setattr(hub, "create_repo", refuse)
        options = make_options(output_dir=str(tmp_path / "run"), push_to_hub=True, report_to="none")
        with pytest.raises(ValueError, match="the repository 'run' can neither .*hf auth login.*required"):
            TrainingRun(options)
        assert not (tmp_path / "run/config.json").exists()

    def test_a_failed_upload_tells_what_to_do(self, monkeypatch, asked, tmp_path):
        def fail(**options):
            raise ConnectionError("gone")

        monkeypatch.setattr(hub, "upload_folder", fail)
        with pytest.raises(RuntimeError, match=f"{tmp_path}.* was not uploaded: gone.* hf upload me/run {tmp_path}"):
            upload(tmp_path, hub.Repository(name="me/run"))

    def test_a_token_is_written_nowhere(self, asked, make_options, tmp_path):
        options = make_options(
            output_dir=str(tmp_path / "run"), push_to_hub=True, hub_token="hf_secret", report_to="tensorboard"
        )
        run = TrainingRun(options)
        run.save_checkpoint()
        card = model_card(options, "run", 0, "load(it)", {})
        run._held.close()
        run._stop.let_go()
        run.accelerator.end_training()
        assert "hf_secret" not in card
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(written) > 3 and not any(b"hf_secret" in path.read_bytes() for path in written)

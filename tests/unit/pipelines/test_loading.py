# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import re

import pytest
import torch
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file, save_file

from audiolcm_diffusers import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT
from audiolcm_diffusers.pipelines.loading import find_model, load_pipeline, pick_device, pick_dtype


CPU = torch.device("cpu")


@pytest.fixture
def folder(make_pipeline, tmp_path):
    make_pipeline().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_embedded_models_have_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mini", "mini-teacher"):
        # A folder of the same name is `./mini`.
        (tmp_path / name).mkdir()
    assert find_model("mini") == MINI_CHECKPOINT
    assert find_model("mini-teacher") == MINI_TEACHER_CHECKPOINT


def test_folder_is_found(folder, monkeypatch):
    assert find_model(str(folder)) == folder
    monkeypatch.chdir(folder.parent)
    assert find_model("model").resolve() == folder


def test_hub_name_is_kept():
    assert find_model("owner/name") == "owner/name"


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "a/b/c", "", "owner/na me"])
def test_unknown_model_is_quoted(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"{re.escape(repr(name))}|model_index.json"):
        find_model(name)


def test_weights_are_converted_whatever_their_precision(make_pipeline, tmp_path):
    pipe = make_pipeline().to(torch.float16)
    pipe.save_pretrained(tmp_path)
    loaded = load_pipeline(find_model(str(tmp_path)), CPU, torch.float32)
    for name in ("transformer", "vae", "vocoder", "text_encoder", "text_encoder_2", "projection_model"):
        weights = load_file(next((tmp_path / name).glob("*.safetensors")))
        assert {value.dtype for value in weights.values()} == {torch.float16}
        assert {value.dtype for value in getattr(loaded, name).parameters()} == {torch.float32}


def test_progress_bars_are_off_while_loading_and_on_again(folder, capsys):
    assert diffusers_logging.is_progress_bar_enabled()
    load_pipeline(folder, CPU, torch.float32)
    assert capsys.readouterr().err == ""
    assert diffusers_logging.is_progress_bar_enabled()


def truncate(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def scribble(file):
    file.write_bytes(b"no json, no safetensors")


def remove(file):
    file.unlink()


@pytest.mark.parametrize("damage", [truncate, scribble, remove])
@pytest.mark.parametrize(
    "file",
    [
        "model_index.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder_2/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_missing_or_damaged_file_is_named(folder, file, damage):
    damage(folder / file)
    # Weights may have many names: where there are none, the message cannot say which one is missed.
    named = folder / file
    if damage is remove and named.suffix == ".safetensors":
        named = named.with_stem("*")
    with pytest.raises(ValueError, match=re.escape(str(named))):
        find_model(str(folder))


def test_missing_component_is_named(folder):
    (folder / "vocoder").rename(folder / "elsewhere")
    with pytest.raises(ValueError, match="vocoder"):
        find_model(str(folder))


def test_absent_text_stream_is_no_damage(make_pipeline, tmp_path):
    pipe = make_pipeline(text_encoder=None, tokenizer=None, projection_model=None)
    pipe.save_pretrained(tmp_path)
    assert load_pipeline(find_model(str(tmp_path)), CPU, torch.float32).text_encoder is None


def test_sharded_weights_need_every_shard(make_pipeline, tmp_path):
    pipe = make_pipeline()
    pipe.save_pretrained(tmp_path)
    for file in (tmp_path / "transformer").glob("*.safetensors"):
        file.unlink()
    pipe.transformer.save_pretrained(tmp_path / "transformer", max_shard_size="20KB")
    shards = sorted((tmp_path / "transformer").glob("*.safetensors"))
    assert len(shards) > 1
    assert find_model(str(tmp_path)) == tmp_path
    shards[-1].unlink()
    with pytest.raises(ValueError, match=shards[-1].name):
        find_model(str(tmp_path))


def test_pipeline_of_another_class_is_refused(folder):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableAudioPipeline"}))
    with pytest.raises(ValueError, match="'StableAudioPipeline'"):
        find_model(str(folder))


def test_missing_parameter_is_named(folder):
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    name = sorted(weights)[0]
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"lacks weights of its LLaMATransformer1DModel: {re.escape(name)}\."):
        load_pipeline(folder, CPU, torch.float32)


def test_device_and_dtype():
    assert pick_device("cpu") == CPU
    assert pick_device(None).type in ("cuda", "mps", "cpu")
    assert pick_dtype(None, CPU) == torch.float32
    assert pick_dtype(None, torch.device("cuda")) == torch.float16
    assert pick_dtype("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize("name", ["cuda:99", "toaster", ""])
def test_device_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match=f"got '{name}'"):
        pick_device(name)


def rename_weights(folder, name):
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_name(f"{file.name.removesuffix('safetensors')}{name}"))


def test_variant_alone_needs_its_name(folder):
    rename_weights(folder, "fp16.safetensors")
    assert find_model(str(folder), "fp16") == folder
    assert load_pipeline(folder, CPU, torch.float32, variant="fp16").dtype == torch.float32
    with pytest.raises(ValueError, match="those of --variant fp16 alone; got None"):
        find_model(str(folder))
    with pytest.raises(ValueError, match="those of --variant fp16 alone; got 'bf16'"):
        find_model(str(folder), "bf16")


def test_variant_that_no_network_has(folder):
    with pytest.raises(ValueError, match=f"no weights of --variant 'fp16' in {str(folder)!r}"):
        find_model(str(folder), "fp16")


@pytest.mark.parametrize("content", ['{"weight_map": {"w": "../elsewhere.safetensors"}}', '{"weight_map": 3}', "[]"])
def test_damaged_index_of_shards(folder, content):
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(content)
    with pytest.raises(ValueError, match=re.escape(str(index))):
        find_model(str(folder))


def test_component_that_leads_out_of_the_folder(folder):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "../vae": ["diffusers", "AutoencoderKL"]}))
    with pytest.raises(ValueError, match="got '../vae'"):
        find_model(str(folder))

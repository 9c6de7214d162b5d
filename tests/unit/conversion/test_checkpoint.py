# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from safetensors.torch import save_file

from audiolcm_diffusers import AutoencoderKLMel1D, LLaMATransformer1DModel
from audiolcm_diffusers.conversion.checkpoint import (
    find_file,
    read_config,
    read_weights,
    transformer_from_checkpoint,
)
from audiolcm_diffusers.loaders.complete import cast_weights


WEIGHTS = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("value", [{"state_dict": WEIGHTS, "epoch": 3}, WEIGHTS])
def test_reads_weights(tmp_path, value, zipped):
    torch.save(value, tmp_path / "weights.ckpt", _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / "weights.ckpt", "state_dict")
    assert weights.keys() == WEIGHTS.keys()
    assert torch.equal(weights["conv.weight"], WEIGHTS["conv.weight"])


def test_reads_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    assert read_weights(tmp_path / "weights.safetensors", "state_dict").keys() == WEIGHTS.keys()
    (tmp_path / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="weights.safetensors' is damaged"):
        read_weights(tmp_path / "weights.safetensors", "state_dict")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"epoch": 3, "weights": WEIGHTS}, "Expected weights or 'state_dict' in .* no tensors: 'epoch', 'weights'"),
        ([1, 2], "Expected a dictionary of weights in .*, got list"),
        ({"state_dict": {}}, "Expected a dictionary of weights"),
    ],
)
def test_files_without_weights_are_refused(tmp_path, value, message):
    torch.save(value, tmp_path / "weights.ckpt")
    with pytest.raises(ValueError, match=message):
        read_weights(tmp_path / "weights.ckpt", "state_dict")


@pytest.mark.parametrize("damage", [b"", b"nonsense", "half"])
def test_damaged_files_are_named(tmp_path, damage):
    path = tmp_path / "weights.ckpt"
    torch.save({"state_dict": WEIGHTS}, path)
    path.write_bytes(path.read_bytes()[:-400] if damage == "half" else damage)
    with pytest.raises(ValueError, match="weights.ckpt' (is damaged|was refused)"):
        read_weights(path, "state_dict")


def test_missing_files_are_named(tmp_path):
    for read in (lambda path: read_weights(path, "state_dict"), read_config):
        with pytest.raises(FileNotFoundError, match="There is no file '.*nowhere'"):
            read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.yaml", "a: [1", "config.yaml' cannot be read as yaml"),
        ("config.json", "a: 1", "config.json' cannot be read as json"),
        ("config.yaml", "- 1", "Expected a dictionary in .*config.yaml', got list"),
        ("config.yaml", "a: !!python/object/apply:os.getcwd []", "config.yaml' cannot be read as yaml"),
        ("config.yaml", "", "got NoneType"),
    ],
)
def test_configs_that_cannot_be_read_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config(tmp_path / name)


def test_reads_yaml_and_json(tmp_path):
    (tmp_path / "args.yml").write_text("ch_mult: [1, 2]\nscale: 1.5\n")
    (tmp_path / "config.json").write_text('{"ch_mult": [1, 2], "scale": 1.5}')
    assert (
        read_config(tmp_path / "args.yml")
        == read_config(tmp_path / "config.json")
        == {
            "ch_mult": [1, 2],
            "scale": 1.5,
        }
    )


def test_finds_the_first_kind_of_file_that_there_is(tmp_path):
    patterns = ("best_netG.pt", "g_*", "*.pt")
    with pytest.raises(FileNotFoundError, match="There is no vocoder in .*; looked for best_netG.pt, g_\\*, \\*.pt"):
        find_file(tmp_path, patterns, "vocoder")
    (tmp_path / "do_00000001.pt").touch()
    assert find_file(tmp_path, patterns, "vocoder").name == "do_00000001.pt"
    (tmp_path / "g_00000001").touch()
    assert find_file(tmp_path, patterns, "vocoder").name == "g_00000001"
    (tmp_path / "g_00000002").touch()
    with pytest.raises(ValueError, match="Expected one vocoder in .*, found g_00000001, g_00000002"):
        find_file(tmp_path, patterns, "vocoder")
    with pytest.raises(FileNotFoundError, match="There is no folder '.*nowhere'"):
        find_file(tmp_path / "nowhere", patterns, "vocoder")


def test_the_weights_tell_the_transformer(load_weights):
    weights, config = load_weights("llama_transformer")
    assert isinstance(transformer_from_checkpoint(weights, config), LLaMATransformer1DModel)


def test_casting_spares_what_a_model_wants_in_float32(make_llama_transformer, make_vae, make_t5):
    transformer = make_llama_transformer()
    cast_weights(transformer, torch.bfloat16)
    for name, parameter in transformer.named_parameters():
        assert parameter.dtype == (torch.float32 if name.startswith("time_embedding.") else torch.bfloat16), name
    vae = make_vae()
    assert isinstance(vae, AutoencoderKLMel1D)
    cast_weights(vae, torch.float16)
    assert {parameter.dtype for parameter in vae.parameters()} == {torch.float16}
    t5 = make_t5()
    cast_weights(t5, torch.float16)
    assert {parameter.dtype for parameter in t5.parameters()} == {torch.float16}
    assert t5.shared.weight is t5.encoder.embed_tokens.weight

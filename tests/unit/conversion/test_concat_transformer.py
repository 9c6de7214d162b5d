# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.conversion import concat_transformer_from_original


@pytest.fixture
def original(load_weights):
    return load_weights("concat_transformer")


def test_shares_memory_and_is_in_eval_mode(original):
    weights, config = original
    model = concat_transformer_from_original(weights, config)
    assert not model.training
    assert model.proj_in.weight.data_ptr() == weights["proj_in.weight"].data_ptr()
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_keeps_the_dtype(original):
    weights, config = original
    model = concat_transformer_from_original({key: weight.half() for key, weight in weights.items()}, config)
    assert model.dtype == torch.float16


def test_the_weights_tell_the_sizes(original):
    weights, config = original
    model = concat_transformer_from_original(weights, {"num_heads": config["num_heads"]})
    assert model.config == concat_transformer_from_original(weights, config).config
    assert model.config.attention_head_dim == 32 // 4
    assert model.config.max_position_embeddings == 120


def test_without_a_guidance_projection_it_is_a_teacher(original):
    weights, config = original
    del weights["t_embedder.proj_w.weight"]
    assert concat_transformer_from_original(weights, config).config.time_cond_proj_dim is None


def test_lists_all_that_does_not_fit(original):
    weights, config = original
    del weights["blocks.1.transformer_blocks.0.ff.net.2.bias"], weights["c2_embedder.mlp.3.bias"]
    weights["blocks.0.proj_out.weight"] = torch.zeros(32, 31, 1)
    weights["blocks.2.norm.weight"] = torch.zeros(32)
    with pytest.raises(ValueError) as error:
        concat_transformer_from_original(weights, config)
    message = str(error.value)
    assert "2 missing: 'c2_embedder.mlp.3.bias', 'blocks.1.transformer_blocks.0.ff.net.2.bias'" in message
    assert "1 left over: 'blocks.2.norm.weight'" in message
    assert "1 mis-shaped: 'blocks.0.proj_out.weight' (32, 31, 1) for (32, 32, 1)" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 64}, "mis-shaped: 'proj_in.weight' \\(32, 20, 5\\) for \\(64, 20, 5\\)"),
        ({"depth": 3}, "missing: 'blocks.2."),
        ({"depth": 1}, "left over: 'blocks.1."),
        ({"max_len": 100}, "mis-shaped: 'pos_emb.weight'"),
        ({"num_heads": 5}, "Expected num_heads to divide hidden_size, got 5 for 32"),
    ],
)
def test_a_config_of_other_sizes_is_refused(original, change, message):
    weights, config = original
    with pytest.raises(ValueError, match=message):
        concat_transformer_from_original(weights, {**config, **change})


def test_an_incomplete_config_is_refused(original):
    weights, config = original
    with pytest.raises(ValueError, match="config has no 'num_heads'; it has 'in_channels', 'depth'"):
        concat_transformer_from_original(weights, {"in_channels": 20, "depth": 2})


def test_weights_of_another_model_are_refused(original):
    _, config = original
    with pytest.raises(ValueError, match="missing 'proj_in.weight' \\(there are 1 other keys\\)"):
        concat_transformer_from_original({"conv_pre.weight": torch.zeros(1)}, config)
    with pytest.raises(ValueError, match="mis-shaped 'proj_in.weight' \\(64, 20\\), expected 3 dimensions"):
        concat_transformer_from_original({"proj_in.weight": torch.zeros(64, 20)}, config)

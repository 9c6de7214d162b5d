# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.conversion import llama_transformer_from_original


@pytest.fixture
def original(load_weights):
    return load_weights("llama_transformer")


def test_the_weights_tell_the_sizes(original):
    weights, config = original
    model = llama_transformer_from_original(weights, {"num_heads": config["num_heads"]})
    assert model.config == llama_transformer_from_original(weights, config).config
    assert model.config.num_key_value_heads is None
    assert not model.training


@torch.no_grad()
def test_grouped_queries_are_repeated_heads(original, load_reference, relative_error):
    weights, config = original
    # Two of the four key and value heads, and the same two repeated for the query heads that share them.
    grouped, repeated = dict(weights), dict(weights)
    for key in weights:
        if key.endswith(("wk.weight", "wv.weight", "wk_y.weight", "wv_y.weight")):
            grouped[key] = weights[key][:32]
            repeated[key] = weights[key][:32].unflatten(0, (2, 16)).repeat_interleave(2, dim=0).flatten(0, 1)
    model = llama_transformer_from_original(grouped, config)
    assert model.config.num_key_value_heads == 2
    tensors, _ = load_reference("llama_transformer")
    inputs = [tensors[name] for name in ("sample", "timestep", "encoder_hidden_states")]
    expected = llama_transformer_from_original(repeated, config)(*inputs).sample
    assert relative_error(model(*inputs).sample, expected) < 1e-5
    assert relative_error(expected, tensors["output"]) > 1e-2


def test_guidance_projection_makes_a_student(original):
    weights, config = original
    weights["t_embedder.proj_w.weight"] = torch.ones(256, 256)
    model = llama_transformer_from_original(weights, config)
    assert model.config.time_cond_proj_dim == 256
    assert model.time_embedding.cond_proj.weight.eq(1).all()


def test_reads_qk_norm_from_the_weights(load_weights):
    weights, config = load_weights("llama_transformer_qknorm_rope")
    assert llama_transformer_from_original(weights, {"num_heads": 4}).config.qk_norm == "layer_norm"
    with pytest.raises(ValueError, match="12 left over: .*'blocks.1.attention.q_norm.weight'"):
        llama_transformer_from_original(weights, {**config, "qk_norm": False})


def test_lists_all_that_does_not_fit(original):
    weights, config = original
    del weights["blocks.0.feed_forward.w3.weight"]
    weights["blocks.1.feed_forward.w1.weight"] = torch.zeros(255, 64)
    weights["blocks.1.feed_forward.w3.weight"] = torch.zeros(256, 63)
    weights["blocks.0.attention.wk.weight"] = torch.zeros(48, 64)
    weights["freqs"] = torch.zeros(1)
    with pytest.raises(ValueError) as error:
        llama_transformer_from_original(weights, config)
    message = str(error.value)
    assert "1 missing: 'blocks.0.feed_forward.w3.weight'" in message
    assert "1 left over: 'freqs'" in message
    assert "2 mis-shaped: 'blocks.0.attention.wk.weight' (48, 64) for (64, 64)" in message
    assert "'blocks.1.feed_forward.w3.weight' (256, 63) and 'blocks.1.feed_forward.w1.weight' (255, 64)" in message


def test_feed_forward_width_follows_the_config(original):
    weights, config = original
    with pytest.raises(ValueError, match=r"'blocks.0.feed_forward.w1.weight' \(256, 64\) for \(352, 64\)"):
        llama_transformer_from_original(weights, {**config, "multiple_of": 16})

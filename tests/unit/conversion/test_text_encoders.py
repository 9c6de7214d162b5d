# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from transformers import BertConfig, T5Config

from audiolcm_diffusers.conversion import text_encoders_from_original


@pytest.fixture
def original(load_weights):
    weights, config = load_weights("text_encoders")
    return weights, config["bert"], config["t5"]


def test_configs_may_be_objects(original):
    weights, bert_config, t5_config = original
    bert, projection, t5 = text_encoders_from_original(weights, BertConfig(**bert_config), T5Config(**t5_config))
    assert (projection.config.in_features, projection.config.out_features) == (32, 48)
    assert not any(model.training for model in (bert, projection, t5))
    assert t5.shared.weight is t5.encoder.embed_tokens.weight
    assert bert.pooler.dense.weight.data_ptr() == weights["caption_encoder.base.pooler.dense.weight"].data_ptr()


@torch.no_grad()
def test_nothing_is_left_without_memory(original):
    models = text_encoders_from_original(*original)
    for model in models:
        assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {"cpu"}
    # BERT's own positions and token types, which no file holds: as if they were given.
    bert, token_ids = models[0], torch.arange(10).view(2, 5)
    expected = bert(token_ids, position_ids=torch.arange(5)[None], token_type_ids=torch.zeros(2, 5, dtype=torch.long))
    assert torch.equal(bert(token_ids).last_hidden_state, expected.last_hidden_state)


def test_save_and_load(original, tmp_path):
    bert, projection, t5 = text_encoders_from_original(*original)
    for name, model in (("bert", bert), ("projection", projection), ("t5", t5)):
        model.save_pretrained(tmp_path / name)
        loaded = type(model).from_pretrained(tmp_path / name)
        for key, weight in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], weight), key


def test_keeps_the_dtype(original):
    weights, bert_config, t5_config = original
    weights = {key: weight.bfloat16() for key, weight in weights.items()}
    for model in text_encoders_from_original(weights, bert_config, t5_config):
        assert model.dtype == torch.bfloat16


def test_lists_what_does_not_fit_in_all_three(original):
    weights, bert_config, t5_config = original
    del weights["caption_encoder.base.pooler.dense.bias"], weights["t5_transformer.shared.weight"]
    weights["caption_encoder.projection.linear2.weight"] = torch.zeros(48, 32)
    weights["t5_transformer.encoder.block.2.layer.0.layer_norm.weight"] = torch.zeros(48)
    weights["clip.weight"] = torch.zeros(1)
    with pytest.raises(ValueError) as error:
        text_encoders_from_original(weights, bert_config, t5_config)
    message = str(error.value)
    assert "'caption_encoder.base.pooler.dense.bias'" in message
    assert "'t5_transformer.shared.weight'" in message
    assert "left over: 't5_transformer.encoder.block.2.layer.0.layer_norm.weight', 'clip.weight'" in message
    assert "1 mis-shaped: 'caption_encoder.projection.linear2.weight' (48, 32) for (48, 48)" in message

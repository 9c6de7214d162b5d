# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import re

import pytest
import torch

from audiolcm_diffusers.trainer import LoraOptions


pytest.importorskip("peft")


def test_an_adapter_shares_the_weights_and_changes_nothing_at_first(make_llama_transformer):
    transformer = make_llama_transformer().requires_grad_(False)
    adapted = LoraOptions(lora_rank=3, lora_target_modules="to_q,ff.net.2").with_adapter(transformer)
    weights = {id(parameter) for parameter in transformer.parameters()}
    trained = {name: parameter for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert weights == {id(parameter) for parameter in adapted.parameters()} - {id(each) for each in trained.values()}
    # Two matrices of rank 3 a layer, two layers a block.
    assert len(trained) == 2 * 2 * len(transformer.transformer_blocks)
    assert all(3 in parameter.shape for parameter in trained.values())
    assert {name.split(".lora_")[0].split(".", 2)[2] for name in trained} == {"attn.to_q", "ff.net.2"}
    inputs = torch.ones(1, 4, 8), torch.tensor([500]), torch.ones(1, 5, 16), torch.zeros(1, 256)
    with torch.no_grad():
        outputs = [model(*inputs[:3], timestep_cond=inputs[3]).sample for model in (transformer, adapted)]
    assert torch.equal(*outputs)


@pytest.mark.parametrize(("alpha", "scale"), [(None, 1.0), (6.0, 2.0)])
def test_an_adapter_is_scaled_by_alpha_over_rank(make_llama_transformer, alpha, scale):
    adapted = LoraOptions(lora_rank=3, lora_alpha=alpha, lora_target_modules="to_q").with_adapter(
        make_llama_transformer()
    )
    assert adapted.transformer_blocks[0].attn.to_q.scaling["default"] == scale


def test_by_default_attention_and_feed_forward_of_all_blocks_are_adapted(
    make_llama_transformer, make_concat_transformer
):
    for transformer in (make_llama_transformer(), make_concat_transformer()):
        layers = {
            name
            for name, module in transformer.named_modules()
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d))
            and name.startswith("transformer_blocks.")
            and re.search(r"\.(attn|attn1|attn2|ff|adaln)\b", name)
        }
        adapted = LoraOptions(lora_rank=2).with_adapter(transformer)
        names = {name.split(".lora_")[0] for name, _ in adapted.named_parameters() if ".lora_" in name}
        assert {name for name in names if name.startswith("transformer_blocks.")} == layers


def test_a_target_that_is_no_layer_is_told_with_those_that_are(make_llama_transformer):
    with pytest.raises(ValueError, match=r"ends of proj_in, .*attn.to_q.*, got 'to_q,query'"):
        LoraOptions(lora_rank=2, lora_target_modules="to_q,query").with_adapter(make_llama_transformer())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"lora_alpha": 4.0}, "lora_alpha=4.0 needs lora_rank, got None"),
        ({"lora_target_modules": "to_q"}, "lora_target_modules='to_q' needs lora_rank"),
        ({"lora_rank": 0}, "lora_rank >= 1, got 0"),
        ({"lora_rank": 2, "lora_alpha": 0.0}, "lora_alpha > 0, got 0.0"),
    ],
)
def test_impossible_adapters_are_refused(values, told):
    LoraOptions().check_lora()
    with pytest.raises(ValueError, match=told):
        LoraOptions(**values).check_lora()

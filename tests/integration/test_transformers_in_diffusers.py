# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What diffusers offers for every transformer works on both of ours, and changes no number that it should not."""

import copy
import warnings

import pytest
import torch
from diffusers.hooks import FirstBlockCacheConfig, MagCacheConfig, PyramidAttentionBroadcastConfig
from diffusers.hooks._helpers import TransformerBlockRegistry
from diffusers.models.attention_dispatch import attention_backend


MASK = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.bool)


LLAMAS = {
    "llama": {},
    "llama with grouped queries and normalised keys": {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "qk_norm": "layer_norm",
    },
    "llama with learned positions, GELU and LayerNorm": {
        "position_embedding": "learned",
        "num_positions": 13,
        "activation_fn": "gelu",
        "norm_type": "layer_norm",
    },
}


@pytest.fixture(params=[*LLAMAS, "concat"])
def make_transformer(request, make_llama_transformer, make_concat_transformer):
    if request.param == "concat":
        return make_concat_transformer
    return lambda **config: make_llama_transformer(**{**LLAMAS[request.param], **config})


@pytest.fixture
def inputs(transformer_inputs):
    return {**transformer_inputs, "encoder_attention_mask": MASK}


@torch.no_grad()
def run(model, inputs, **replaced):
    return model(**{**inputs, **replaced}, return_dict=False)[0]


def test_output_object_and_tuple_are_equal(make_transformer, inputs):
    model = make_transformer()
    with torch.no_grad():
        assert torch.equal(model(**inputs).sample, run(model, inputs))


def test_gradient_checkpointing_gives_the_same_gradients(make_transformer, inputs):
    def gradients(checkpointing):
        model = make_transformer().train()
        num_block_runs = 0

        def count(*_):
            nonlocal num_block_runs
            num_block_runs += 1

        model.transformer_blocks[0].register_forward_pre_hook(count)
        if checkpointing:
            model.enable_gradient_checkpointing()
        model(**inputs).sample.square().mean().backward()
        return num_block_runs, {name: parameter.grad for name, parameter in model.named_parameters()}

    once, plain = gradients(checkpointing=False)
    twice, checkpointed = gradients(checkpointing=True)
    assert (once, twice) == (1, 2)
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, msg=name)


def test_every_parameter_learns(make_transformer, inputs):
    model = make_transformer().train()
    model(**inputs).sample.square().mean().backward()
    untouched = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert untouched == []


def test_fused_projections(make_transformer, inputs, relative_error):
    model = make_transformer()
    expected = run(model, inputs)
    names = list(model.state_dict())
    model.fuse_qkv_projections()
    assert any(name.endswith("to_qkv.weight") for name in model.state_dict())
    assert relative_error(run(model, inputs), expected) < 1e-5
    model.unfuse_qkv_projections()
    assert list(model.state_dict()) == names
    assert torch.equal(run(model, inputs), expected)


@pytest.mark.parametrize("backend", ["native", "_native_math"])
def test_attention_backends(make_transformer, inputs, relative_error, backend):
    model = make_transformer()
    expected = run(model, inputs)
    model.set_attention_backend(backend)
    processors = model.attn_processors.values()
    assert {processor._attention_backend.value for processor in processors} == {backend}
    assert relative_error(run(model, inputs), expected) < 1e-5
    model.reset_attention_backend()
    with attention_backend(backend):
        assert relative_error(run(model, inputs), expected) < 1e-5


def test_attention_kwargs_reach_every_processor(make_transformer, inputs):
    model = make_transformer()
    seen = []

    class Recording(type(next(iter(model.attn_processors.values())))):
        def __call__(self, *args, recorded, **kwargs):
            seen.append(recorded)
            return super().__call__(*args, **kwargs)

    expected = run(model, inputs)
    model.set_attn_processor(Recording())
    assert torch.equal(run(model, inputs, attention_kwargs={"recorded": "value"}), expected)
    assert seen == ["value"] * len(model.attn_processors)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(make_transformer, inputs, relative_error, tmp_path, dtype):
    """Timesteps and guidance stay in float32, where their last digits matter."""
    model = make_transformer()
    expected = run(model, inputs)
    model.save_pretrained(tmp_path)
    half = type(model).from_pretrained(tmp_path, dtype=dtype)
    assert half.dtype == dtype
    assert {parameter.dtype for parameter in half.time_embedding.parameters()} == {torch.float32}
    halved = {name: inputs[name].to(dtype) for name in ("hidden_states", "encoder_hidden_states")}
    output = run(half, inputs, **halved)
    assert output.dtype == dtype
    assert relative_error(output.float(), expected) < (2e-2 if dtype == torch.bfloat16 else 3e-3)


def test_a_model_moved_to_half_precision_as_a_whole_runs(make_transformer, inputs):
    model = make_transformer().to(torch.bfloat16)
    halved = {name: inputs[name].bfloat16() for name in ("hidden_states", "encoder_hidden_states")}
    output = run(model, inputs, **halved)
    assert output.dtype == torch.bfloat16
    assert output.isfinite().all()


def test_layerwise_casting(make_transformer, inputs, relative_error):
    model = make_transformer()
    expected = run(model, inputs)
    model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    dtypes = {name: parameter.dtype for name, parameter in model.named_parameters()}
    assert dtypes["transformer_blocks.0.norm1.weight"] == torch.float32
    assert dtypes["time_embedding.cond_proj.weight"] == torch.float32
    stored = [name for name, dtype in dtypes.items() if dtype == torch.float8_e4m3fn]
    assert any("to_q" in name for name in stored)
    # Three bits of mantissa round by up to 1/16.
    assert relative_error(run(model, inputs), expected) < 0.15


def test_compiles_as_one_graph(make_transformer, inputs, relative_error):
    model = make_transformer()
    expected = run(model, inputs)
    unmasked = run(model, inputs, encoder_attention_mask=None)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert relative_error(run(compiled, inputs), expected) < 1e-5
    assert relative_error(run(compiled, inputs, encoder_attention_mask=None), unmasked) < 1e-5


def test_two_sounds_export_for_any_number_and_length(make_transformer, inputs):
    model = make_transformer()
    sizes = {name: {0: torch.export.Dim("batch_size", min=1)} for name in inputs}
    sizes["hidden_states"][2] = torch.export.Dim("frames", min=1, max=13)
    exported = torch.export.export(model, (), inputs, dynamic_shapes=sizes, strict=False).module()
    for batch_size in (1, 3):
        others = {name: values.repeat(2, *[1] * (values.ndim - 1))[:batch_size] for name, values in inputs.items()}
        others["hidden_states"] = others["hidden_states"][..., :9]
        torch.testing.assert_close(exported(**others).sample, model(**others).sample)


def test_dynamic_quantization_is_near(make_transformer, inputs, relative_error):
    model = make_transformer()
    expected = run(model, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        quantized = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    assert any("quantized" in type(module).__module__ for module in quantized.modules())
    assert 0 < relative_error(run(quantized, inputs), expected) < 0.1


def test_repeated_blocks_compile_once(make_transformer, inputs, relative_error):
    model = make_transformer(num_layers=3)
    expected = run(model, inputs)
    torch.compiler.reset()
    model.compile_repeated_blocks(backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        assert relative_error(run(model, inputs), expected) < 1e-5


def test_blocks_are_registered_for_caches(make_transformer):
    metadata = TransformerBlockRegistry.get(type(make_transformer().transformer_blocks[0]))
    assert metadata.return_hidden_states_index == 0
    assert metadata.return_encoder_hidden_states_index is None


class TestCaches:
    @pytest.mark.parametrize(
        "config",
        [
            FirstBlockCacheConfig(threshold=1.0),
            MagCacheConfig(threshold=1e3, mag_ratios=[1.0] * 4, num_inference_steps=4, retention_ratio=0.0),
        ],
        ids=["first block", "magnitude"],
    )
    def test_later_blocks_are_left_out_on_a_similar_input(self, make_transformer, inputs, config):
        model = make_transformer(num_layers=3)
        num_runs = 0

        def count(*_):
            nonlocal num_runs
            num_runs += 1

        model.transformer_blocks[1].norm1.register_forward_hook(count)
        model.enable_cache(config)
        similar = inputs["hidden_states"] + 1e-3
        with model.cache_context("cond"):
            run(model, inputs)
            first = num_runs
            cached = run(model, inputs, hidden_states=similar)
        assert first == 1
        assert num_runs == 1
        model.disable_cache()
        assert not torch.equal(run(model, inputs, hidden_states=similar), cached)

    def test_contexts_do_not_mix(self, make_transformer, inputs):
        model = make_transformer()
        expected = run(model, inputs)
        model.enable_cache(FirstBlockCacheConfig(threshold=1.0))
        for name in ("cond", "uncond"):
            with model.cache_context(name):
                torch.testing.assert_close(run(model, inputs), expected)

    def test_pyramid_attention_broadcast_finds_the_attentions(self, make_transformer, inputs):
        model = make_transformer()
        config = PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2, current_timestep_callback=lambda: 500
        )
        model.enable_cache(config)
        run(model, inputs)
        other = inputs["hidden_states"].flip(-1)
        broadcast = run(model, inputs, hidden_states=other)
        model.disable_cache()
        assert not torch.allclose(run(model, inputs, hidden_states=other), broadcast)


class TestAdapters:
    def test_a_lora_scales_saves_and_loads(self, make_transformer, inputs, tmp_path):
        from peft import LoraConfig

        model = make_transformer()
        plain = copy.deepcopy(model)
        expected = run(model, inputs)
        model.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
        adapted = run(model, inputs)
        assert not torch.allclose(adapted, expected)
        assert torch.allclose(run(model, inputs, attention_kwargs={"scale": 0.0}), expected, atol=1e-6)
        model.save_lora_adapter(tmp_path)
        plain.load_lora_adapter(tmp_path, prefix=None, use_safetensors=True)
        torch.testing.assert_close(run(plain, inputs), adapted)

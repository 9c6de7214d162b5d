# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""One LoRA as it is saved by diffusers, PEFT, kohya's scripts and others changes the transformer alike."""

import json

import pytest
import torch
from diffusers import DDIMScheduler
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import nn

from audiolcm_diffusers.loaders import lora
from audiolcm_diffusers.loaders.lora_formats import changes_something


CONFIG = {"r": 4, "lora_alpha": 8, "rank_pattern": {"to_k": 2}, "target_modules": ["to_q", "to_k", "proj_in"]}
SCALES = {"to_q": 2.0, "to_k": 4.0, "proj_in": 2.0}


@pytest.fixture
def make_pipe(make_pipeline, make_llama_transformer):
    return lambda: make_pipeline(
        transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler(clip_sample=False)
    )


@pytest.fixture
def trained(make_llama_transformer):
    """A transformer with a LoRA whose factors are random, both."""
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer.add_adapter(LoraConfig(init_lora_weights=False, **CONFIG))
    return transformer


@torch.no_grad()
def run(transformer):
    generator = torch.Generator().manual_seed(0)
    latents, text = (torch.randn(shape, generator=generator) for shape in ((1, 4, 5), (1, 6, 16)))
    return transformer(latents, 519, text).sample


def scale_of(name):
    return SCALES[next(target for target in SCALES if name.endswith(target))]


def renamed(trained, prefix, part_of, is_flat=False, alphas=False):
    """The weights under the names of another tool, with each module's alpha or with the scale in lora_B."""
    weights = {}
    for key, weight in get_peft_model_state_dict(trained).items():
        module, _, part = key.partition(".lora_")
        name = prefix + (module.replace(".", "_") if is_flat else module)
        if part == "B.weight" and not alphas:
            weight = weight * scale_of(module)
        weights[name + part_of[part]] = weight.contiguous()
        if part == "A.weight" and alphas:
            weights[f"{name}.alpha"] = torch.tensor(scale_of(module) * len(weight))
    return weights


PEFT_PARTS = {"A.weight": ".lora_A.weight", "B.weight": ".lora_B.weight"}
WITH_ADAPTER = {"A.weight": ".lora_A.default.weight", "B.weight": ".lora_B.default.weight"}
KOHYA_PARTS = {"A.weight": ".lora_down.weight", "B.weight": ".lora_up.weight"}
OLD_PARTS = {"A.weight": ".lora.down.weight", "B.weight": ".lora.up.weight"}


@pytest.mark.parametrize("alphas", [False, True])
@pytest.mark.parametrize(
    ("prefix", "parts", "is_flat"),
    [
        ("transformer.", PEFT_PARTS, False),
        ("", PEFT_PARTS, False),
        ("base_model.model.", PEFT_PARTS, False),
        ("base_model.model.transformer.", WITH_ADAPTER, False),
        ("diffusion_model.", PEFT_PARTS, False),
        ("model.diffusion_model.", KOHYA_PARTS, False),
        ("module.", PEFT_PARTS, False),
        ("lora_unet_", KOHYA_PARTS, True),
        ("lora_transformer_", KOHYA_PARTS, True),
        ("lycoris_", KOHYA_PARTS, True),
        ("transformer.", OLD_PARTS, False),
        ("unet.", OLD_PARTS, False),
    ],
)
def test_names(make_pipe, trained, tmp_path, prefix, parts, is_flat, alphas):
    save_file(renamed(trained, prefix, parts, is_flat, alphas), tmp_path / "lora.safetensors")
    pipe = make_pipe()
    before = run(pipe.transformer)
    pipe.load_lora_weights(tmp_path / "lora.safetensors", adapter_name="rain")
    torch.testing.assert_close(run(pipe.transformer), run(trained), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(run(pipe.transformer), before, rtol=1e-2)
    layer = pipe.transformer.transformer_blocks[0].attn
    if alphas:
        assert layer.to_q.scaling["rain"] == 2.0 and layer.to_k.scaling["rain"] == 4.0
        assert layer.to_q.r["rain"] == 4 and layer.to_k.r["rain"] == 2


@pytest.mark.parametrize("name", ["folder", "file"])
@pytest.mark.parametrize("saved_by", ["peft", "save_lora_adapter"])
def test_what_peft_and_models_save(make_pipe, make_llama_transformer, trained, tmp_path, saved_by, name):
    if saved_by == "peft":
        model = get_peft_model(make_llama_transformer(time_cond_proj_dim=None), LoraConfig(**CONFIG))
        model.load_state_dict(
            {
                f"base_model.model.{key.replace('_A.', '_A.default.').replace('_B.', '_B.default.')}": weight
                for key, weight in get_peft_model_state_dict(trained).items()
            },
            strict=False,
        )
        model.save_pretrained(tmp_path)
        file = tmp_path / "adapter_model.safetensors"
        assert json.loads((tmp_path / "adapter_config.json").read_text())["lora_alpha"] == 8
    else:
        trained.save_lora_adapter(tmp_path)
        file = tmp_path / "pytorch_lora_weights.safetensors"
    pipe = make_pipe()
    pipe.load_lora_weights(tmp_path if name == "folder" else file)
    torch.testing.assert_close(run(pipe.transformer), run(trained), rtol=1e-4, atol=1e-5)
    assert pipe.transformer.peft_config["default_0"].lora_alpha == 8


def test_a_dora_of_kohya(make_pipe, make_llama_transformer):
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer.add_adapter(
            LoraConfig(init_lora_weights=False, r=2, lora_alpha=2, target_modules=["to_q"], use_dora=True)
        )
    weights = {}
    for key, weight in get_peft_model_state_dict(transformer).items():
        module, _, part = key.partition(".lora_")
        part = {"A.weight": "lora_down.weight", "B.weight": "lora_up.weight"}.get(part, "dora_scale")
        weight = 1.5 * weight[:, None] if part == "dora_scale" else weight
        weights[f"lora_unet_{module.replace('.', '_')}.{part}"] = weight
        weights[f"lora_unet_{module.replace('.', '_')}.alpha"] = torch.tensor(2.0)
    for block in transformer.transformer_blocks:
        block.attn.to_q.lora_magnitude_vector["default"].weight.data *= 1.5
    pipe = make_pipe()
    pipe.load_lora_weights(weights)
    torch.testing.assert_close(run(pipe.transformer), run(transformer), rtol=1e-4, atol=1e-5)


def test_from_the_hub(make_pipe, trained, tmp_path, monkeypatch):
    """What PEFT has uploaded is found where there is no file of diffusers."""
    from huggingface_hub.errors import EntryNotFoundError

    weights = renamed(trained, "base_model.model.", PEFT_PARTS, alphas=False)
    save_file(weights, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 4, "rank_pattern": {"to_k": 2}}))
    asked = []

    def download(name, filename, **kwargs):
        asked.append(filename)
        if not (tmp_path / filename).is_file():
            raise EntryNotFoundError(filename)
        return str(tmp_path / filename)

    monkeypatch.setattr(lora, "hf_hub_download", download)
    pipe = make_pipe()
    pipe.load_lora_weights("owner/name")
    assert asked == ["pytorch_lora_weights.safetensors", "adapter_model.safetensors", "adapter_config.json"]
    assert pipe.transformer.transformer_blocks[0].attn.to_q.scaling["default_0"] == 1.0
    assert pipe.transformer.transformer_blocks[0].attn.to_k.scaling["default_0"] == 2.0
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(EntryNotFoundError, match="pytorch_lora_weights"):
        make_pipe().load_lora_weights("owner/name")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"peft_type": "LOHA"}, "got an adapter of the kind 'LOHA'"),
        ({"peft_type": "LORA", "r": 2, "init_lora_weights": "pissa_niter_4"}, "began as 'pissa_niter_4'"),
        ({"r": 2, "of_the_future": {"x": 1}}, "does not know what the LoRA's metadata ask for: {'of_the_future'"),
    ],
)
def test_configurations_that_ask_for_more(make_pipe, trained, tmp_path, config, message):
    save_file(renamed(trained, "base_model.model.", PEFT_PARTS), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        make_pipe().load_lora_weights(tmp_path)


def test_one_weight_under_two_names(make_pipe, trained):
    weights = renamed(trained, "transformer.", PEFT_PARTS) | renamed(trained, "lora_unet_", KOHYA_PARTS, is_flat=True)
    with pytest.raises(ValueError, match=r"proj_in's lora_A\.weight twice: 'transformer\.proj_in"):
        make_pipe().load_lora_weights(weights)


@pytest.mark.parametrize("alpha", [torch.tensor(float("nan")), torch.tensor([1.0, 2.0])])
def test_alphas_that_are_no_number(make_pipe, trained, alpha):
    weights = renamed(trained, "transformer.", PEFT_PARTS) | {"transformer.proj_in.alpha": alpha}
    with pytest.raises(ValueError, match=r"Expected a finite number as 'transformer\.proj_in\.alpha'"):
        make_pipe().load_lora_weights(weights)


@pytest.mark.parametrize(
    ("changed", "alphas", "expected"),
    [
        ({}, {}, False),
        ({"a.lora_B.weight": 1.0}, {}, True),
        ({"a.lora_B.bias": 0.0}, {}, False),
        ({"a.lora_B.bias": 1.0}, {}, True),
        # One module has factors and no scale, the other a scale and no factors.
        ({"a.lora_B.weight": 1.0}, {"^a": 0.0}, False),
        ({"a.lora_B.weight": 1.0}, {"^b": 0.0}, True),
        # The weights of `a` have rows of length 5, and nothing is known of those of `b`.
        ({"a.lora_magnitude_vector": 5.0}, {}, False),
        ({"a.lora_magnitude_vector": 5.002}, {}, False),
        ({"a.lora_magnitude_vector": 5.1}, {}, True),
        ({"b.lora_magnitude_vector": 5.0}, {}, True),
    ],
)
def test_what_changes_something(changed, alphas, expected):
    weights = {f"t.{module}.lora_{part}.weight": torch.ones(2, 2) * (part == "A") for module in "ab" for part in "AB"}
    for key, value in changed.items():
        weights[f"t.{key}"] = torch.full((2, 2) if key.endswith("weight") else (2,), value)
    base = nn.Linear(2, 2)
    base.weight.data = torch.tensor([[3.0, 4.0], [-5.0, 0.0]])
    options = {"t.alpha_pattern": alphas, "t.lora_alpha": 2.0}
    assert changes_something(weights, options, {"a": base}, "t") is expected


def test_an_alpha_without_weights(make_pipe, trained):
    weights = renamed(trained, "transformer.", PEFT_PARTS)
    with pytest.raises(ValueError, match=r"an alpha, and no weights, for transformer_blocks\.0\.attn\.to_v"):
        make_pipe().load_lora_weights(
            weights | {"transformer.transformer_blocks.0.attn.to_v.alpha": torch.tensor(1.0)}
        )


class TestSavingAPipelineWithALora:
    @pytest.fixture
    def pipe(self, make_pipe, trained):
        pipe = make_pipe()
        pipe.load_lora_weights(renamed(trained, "transformer.", PEFT_PARTS), adapter_name="rain")
        return pipe

    @pytest.mark.parametrize("part", ["pipeline", "transformer"])
    def test_beside_the_weights_it_is_refused(self, pipe, tmp_path, part):
        saved = pipe if part == "pipeline" else pipe.transformer
        with pytest.raises(ValueError, match=r"LoRAs \['rain'\].*fuse_lora\(\).*save_lora_weights"):
            saved.save_pretrained(tmp_path / "model")
        assert not list(tmp_path.rglob("*.safetensors"))

    @pytest.mark.parametrize("is_unloaded", [False, True])
    def test_in_the_weights_what_is_heard_is_saved(self, pipe, tmp_path, is_unloaded):
        expected = run(pipe.transformer)
        pipe.fuse_lora()
        if is_unloaded:
            pipe.unload_lora_weights()
        pipe.save_pretrained(tmp_path)
        assert not any("lora" in key or "base_layer" in key for key in self.keys(tmp_path / "transformer"))
        again = type(pipe).from_pretrained(tmp_path)
        torch.testing.assert_close(run(again.transformer), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(run(pipe.transformer), expected, rtol=1e-4, atol=1e-5)
        if not is_unloaded:
            pipe.unfuse_lora()
            torch.testing.assert_close(run(pipe.transformer), expected, rtol=1e-4, atol=1e-5)

    def test_unloaded_the_model_is_saved_alone(self, pipe, make_pipe, tmp_path):
        pipe.unload_lora_weights()
        pipe.save_pretrained(tmp_path)
        again = type(pipe).from_pretrained(tmp_path)
        torch.testing.assert_close(run(again.transformer), run(make_pipe().transformer))

    def keys(self, folder):
        return load_file(folder / "diffusion_pytorch_model.safetensors")

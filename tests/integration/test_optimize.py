# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`pipe.optimize`: the same sounds, with less work."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline
from audiolcm_diffusers.pipelines import optimizing, stages
from audiolcm_diffusers.pipelines.optimizing import faster_dtype


@pytest.fixture
def mini():
    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def latents_of(pipe, prompt="rain falling", seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return torch.as_tensor(
        pipe(prompt, generator=generator, audio_length_in_s=1.0, output_type="latent", **options).audios
    )


def count_calls(module):
    calls = []
    module.register_forward_hook(lambda module, args, output: calls.append(args))
    return calls


def test_sounds_stay_as_they_are(mini):
    before = latents_of(mini)
    assert mini.optimize() is mini
    fused = [part for part in mini.transformer.modules() if getattr(part, "fused_projections", False)]
    assert len(fused) == mini.transformer.config.num_layers
    torch.testing.assert_close(latents_of(mini), before, atol=1e-4, rtol=1e-4)
    # Once more changes nothing.
    torch.testing.assert_close(latents_of(mini.optimize()), before, atol=1e-4, rtol=1e-4)
    mini.transformer.unfuse_qkv_projections()
    torch.testing.assert_close(latents_of(mini), before, atol=1e-4, rtol=1e-4)


def test_a_prompt_is_encoded_once(mini):
    mini.optimize(fuse_projections=False, text_cache_size=2)
    fresh = AudioLCMPipeline(**mini.components, **mini.options)
    calls = count_calls(mini.text_encoder_2)
    batch = latents_of(mini, ["rain falling", "a dog barking", "rain falling"])
    assert len(calls) == 1 and len(calls[0][0]) == 2
    again = latents_of(mini, ["a dog barking", "rain falling", "rain falling"])
    assert len(calls) == 1
    assert torch.equal(again[2], batch[2]) and not torch.equal(again[0], batch[0])
    torch.testing.assert_close(batch, latents_of(fresh, ["rain falling", "a dog barking", "rain falling"]))
    # A third caption takes the place of the one that was asked for longest ago.
    del calls[:]
    latents_of(mini, "a clock ticking")
    latents_of(mini, "rain falling")
    latents_of(mini, "a dog barking")
    assert len(calls) == 2
    # Phrases that count for more are another caption.
    del calls[:]
    latents_of(mini, "(a dog:1.5) barking")
    assert len(calls) > 0


def test_what_was_encoded_by_other_weights_is_forgotten(mini):
    mini.optimize(fuse_projections=False)
    before = latents_of(mini)
    with torch.no_grad():
        mini.text_encoder_2.shared.weight.mul_(1.5)
    fresh = AudioLCMPipeline(**mini.components, **mini.options)
    assert torch.equal(latents_of(mini), latents_of(fresh)) and not torch.equal(latents_of(mini), before)
    mini.optimize(fuse_projections=False, text_cache_size=0)
    calls = count_calls(mini.text_encoder_2)
    latents_of(mini), latents_of(mini)
    assert len(calls) == 2


def test_half_precision_on_processors_that_are_faster_with_it(mini, monkeypatch):
    for times, dtype in (((0.3, 0.1), torch.bfloat16), ((0.1, 0.09), torch.float32)):
        taken = dict(zip((torch.float32, torch.bfloat16), times))
        monkeypatch.setattr(optimizing, "_product_s", taken.get)
        assert faster_dtype("cpu") == dtype
    assert faster_dtype("mps") == torch.float32
    monkeypatch.setattr(optimizing, "_product_s", {torch.float32: 0.3, torch.bfloat16: 0.1}.get)
    before = latents_of(mini)
    mini.optimize("auto")
    assert mini.transformer.dtype == torch.bfloat16
    # As it is where a model is loaded so.
    loaded = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT, dtype=torch.bfloat16)
    for name in ("transformer", "vae", "text_encoder_2"):
        weights, expected = (getattr(pipe, name).state_dict() for pipe in (mini, loaded))
        # Fused projections stand beside those that they are made of.
        assert all(torch.equal(weights[key], weight) for key, weight in expected.items())
        assert {key: weights[key].dtype for key in expected} == {key: weight.dtype for key, weight in expected.items()}
    apart = (latents_of(mini) - before).std() / before.std()
    assert 0 < apart < 0.1


def test_compiled_blocks_make_the_same(mini):
    before = latents_of(mini)
    mini.optimize(compile=True)
    compiled = [block for block in mini.transformer.transformer_blocks if block._compiled_call_impl is not None]
    assert len(compiled) == mini.transformer.config.num_layers
    assert mini.vae.decoder._compiled_call_impl is not None
    # Compiling takes longer than a test may: eager code stands in for what would be compiled.
    for block in (*compiled, mini.vae.decoder):
        block._compiled_call_impl = None
    torch.testing.assert_close(latents_of(mini), before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "bf16"}, "`dtype` to be \"auto\" or .*, got 'bf16'"),
        ({"text_cache_size": -1}, "integer >= 0, got -1"),
        ({"text_cache_size": True}, "integer >= 0, got True"),
        ({"cuda_graphs": True}, "needs `compile=True`"),
        ({"cuda_graphs": True, "compile": True}, "needs a CUDA device, got 'cpu'"),
    ],
)
def test_what_cannot_be_had_is_refused(mini, options, message):
    with pytest.raises(ValueError, match=message):
        mini.optimize(**options)


def test_an_adapter_is_fused_first(mini):
    peft = pytest.importorskip("peft")
    mini.transformer.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q"]))
    with pytest.raises(ValueError, match="cannot be fused"):
        mini.optimize()
    mini.optimize(fuse_projections=False)


class Waits(TorchDispatchMode):
    """Counts what a program has to wait for a card for: numbers that are read, and shapes that depend on values."""

    OPS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::item", "aten::is_nonzero", "aten::masked_select"}

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.name().split(".")[0] in self.OPS:
            self.seen.append(function.name())
        return function(*args, **(kwargs or {}))


def test_what_a_student_is_told_is_computed_once_a_call(mini, monkeypatch):
    stages._told.cache_clear()
    computed = []
    whole = stages.guidance_embedding
    monkeypatch.setattr(stages, "guidance_embedding", lambda *args: computed.append(args) or whole(*args))
    latents_of(mini, num_inference_steps=4, guidance_scale=3.25)
    assert len(computed) == 1
    latents_of(mini, ["rain", "a dog"], num_inference_steps=2, guidance_scale=[3.25, 2.0])
    assert len(computed) == 2


def test_the_loop_waits_for_nothing(mini):
    seen = []
    step = type(mini)._predict
    with Waits() as waits:
        mini._predict = lambda *args: (seen.append(len(waits.seen)), step(mini, *args))[1]
        latents_of(mini, num_inference_steps=4)
    # From the first prediction to the last.
    assert len(seen) == 4 and seen[-1] == seen[0], waits.seen


def test_a_number_that_is_read_is_found():
    with Waits() as waits:
        float(torch.ones(3).sum())
    assert waits.seen == ["aten::_local_scalar_dense"]

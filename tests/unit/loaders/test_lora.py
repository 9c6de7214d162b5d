# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import copy
import io
import itertools
import logging
import subprocess
import sys

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from peft import LoraConfig, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler


# Linear layers of all kinds, at all depths, and in the released transformer convolutions, too.
TARGETS = {
    "llama": ["proj_in", "time_embedding.linear_1", "adaln", "to_q", "add_v_proj", "to_out.0", "ff.net.2"],
    "concat": ["proj_in", "time_embedding.linear_1", "text_embedder_1.linear_2", "to_q", "to_out.0", "ff.proj_out"],
}
TO_Q = {"llama": "transformer_blocks.0.attn.to_q", "concat": "transformer_blocks.0.attn1.to_q"}


@pytest.fixture(params=["llama", "concat"])
def kind(request):
    return request.param


@pytest.fixture
def make_transformer(kind, make_llama_transformer, make_concat_transformer):
    return {"llama": make_llama_transformer, "concat": make_concat_transformer}[kind]


@pytest.fixture
def make_teacher(make_pipeline, make_transformer):
    """A pipeline without a guidance embedding, whose noise is not that of our scheduler's defaults."""
    scheduler = {"beta_start": 0.001, "beta_end": 0.02, "beta_schedule": "linear", "clip_sample": False}
    return lambda: make_pipeline(
        transformer=make_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler(**scheduler)
    )


@pytest.fixture
def save_lora(make_transformer, kind, tmp_path):
    """`save_lora(name)`: a folder with a LoRA of random weights, not the zeros that training starts from."""

    def save(name="lora", seed=0, metadata=True, target_modules=None, time_cond_proj_dim=None, **config):
        transformer = make_transformer(time_cond_proj_dim=time_cond_proj_dim)
        config = {"r": 2, "lora_alpha": 3, "target_modules": target_modules or TARGETS[kind], **config}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer.add_adapter(LoraConfig(**{"init_lora_weights": False, **config}))
        AudioLCMPipeline.save_lora_weights(
            tmp_path / name,
            get_peft_model_state_dict(transformer),
            transformer_lora_adapter_metadata=transformer.peft_config["default"].to_dict() if metadata else None,
        )
        return tmp_path / name

    return save


def run(pipe, **kwargs):
    kwargs = {"audio_length_in_s": 0.1, "guidance_scale": 1.0, "output_type": "latent", **kwargs}
    return pipe("rain", generator=torch.Generator().manual_seed(0), **kwargs).audios


def close(left, right):
    return torch.allclose(left, right, atol=1e-4, rtol=1e-4)


def assert_close(left, right):
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


def file_of(folder):
    return folder / "pytorch_lora_weights.safetensors"


def change(folder, change_weights):
    """Rewrite a LoRA's weights, and leave its metadata."""
    with safe_open(file_of(folder), framework="pt") as file:
        metadata = file.metadata()
    weights = load_file(file_of(folder))
    change_weights(weights)
    save_file(weights, file_of(folder), metadata=metadata)
    return folder


@pytest.fixture
def capture_warnings():
    """A function that returns what diffusers has warned of so far."""
    warned = io.StringIO()
    handler = logging.StreamHandler(warned)
    logging.getLogger("diffusers").addHandler(handler)
    yield warned.getvalue
    logging.getLogger("diffusers").removeHandler(handler)


class TestSavingAndLoading:
    def test_the_output_is_that_of_the_transformer_it_was_taken_from(self, make_teacher, save_lora, kind, tmp_path):
        pipe = make_teacher()
        expected_without = run(pipe)
        pipe.load_lora_weights(save_lora())
        expected = run(pipe)
        assert not close(expected, expected_without)

        pipe.save_lora_weights(
            tmp_path / "again",
            get_peft_model_state_dict(pipe.transformer, adapter_name="default_0"),
            transformer_lora_adapter_metadata=pipe.transformer.peft_config["default_0"].to_dict(),
        )
        other = make_teacher()
        other.load_lora_weights(tmp_path / "again")
        assert_close(run(other), expected)

    def test_a_layer_adds_alpha_over_rank_times_b_a(self, make_teacher, save_lora, kind):
        pipe = make_teacher()
        layer = pipe.transformer.get_submodule(TO_Q[kind])
        folder = save_lora()
        weights = pipe.lora_state_dict(folder)
        up, down = (weights[f"transformer.{TO_Q[kind]}.lora_{factor}.weight"] for factor in "BA")
        hidden_states = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(0))
        expected = layer(hidden_states) + 3 / 2 * hidden_states @ down.T @ up.T
        pipe.load_lora_weights(folder)
        torch.testing.assert_close(pipe.transformer.get_submodule(TO_Q[kind])(hidden_states), expected)

    def test_metadata_keeps_alpha_and_ranks(self, make_teacher, save_lora, kind, tmp_path):
        folder = save_lora(rank_pattern={"to_q": 4}, alpha_pattern={"to_q": 1})
        pipe = make_teacher()
        pipe.load_lora_weights(folder, adapter_name="lcm")
        config = pipe.transformer.peft_config["lcm"]
        assert (config.r, config.lora_alpha) == (2, 3)
        assert (config.rank_pattern, config.alpha_pattern) == ({"to_q": 4}, {"to_q": 1})
        assert pipe.transformer.get_submodule(TO_Q[kind]).scaling == {"lcm": 1 / 4}
        assert pipe.transformer.proj_in.scaling == {"lcm": 3 / 2}
        _, metadata = pipe.lora_state_dict(folder, return_lora_metadata=True)
        assert metadata["transformer.lora_alpha"] == 3

    def test_without_metadata_the_scale_is_one(self, make_teacher, save_lora):
        pipe = make_teacher()
        folder = save_lora(metadata=False, rank_pattern={"to_q": 4})
        assert pipe.lora_state_dict(folder, return_lora_metadata=True)[1] is None
        pipe.load_lora_weights(folder)
        assert pipe.transformer.proj_in.scaling == {"default_0": 1.0}

    def test_file_folder_subfolder_and_dictionary_are_the_same(self, make_teacher, save_lora, tmp_path):
        folder = save_lora("deep/lora")
        outputs = []
        for source, kwargs in (
            (folder, {}),
            (str(file_of(folder)), {}),
            (tmp_path / "deep", {"subfolder": "lora"}),
            (folder, {"weight_name": "pytorch_lora_weights.safetensors", "low_cpu_mem_usage": False}),
        ):
            pipe = make_teacher()
            pipe.load_lora_weights(source, **kwargs)
            outputs.append(run(pipe))
        for output in outputs[1:]:
            assert_close(output, outputs[0])

        # A dictionary brings no metadata: its scale is 1, not 3 / 2.
        pipe = make_teacher()
        weights = pipe.lora_state_dict(folder)
        before = list(weights)
        pipe.load_lora_weights(weights)
        assert list(weights) == before
        pipe.set_adapters("default_0", 3 / 2)
        assert_close(run(pipe), outputs[0])

    def test_a_file_of_another_name_is_found(self, make_teacher, save_lora):
        folder = save_lora()
        file_of(folder).rename(folder / "rain.safetensors")
        make_teacher().load_lora_weights(folder)

    def test_one_process_writes(self, make_teacher, save_lora, tmp_path):
        weights = {"proj_in.lora_A.weight": torch.ones(1)}
        AudioLCMPipeline.save_lora_weights(tmp_path / "other", weights, is_main_process=False)
        assert not (tmp_path / "other").exists()

    def test_a_lora_with_biases(self, make_teacher, save_lora):
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora(lora_bias=True, target_modules=["proj_in"]))
        assert pipe.transformer.proj_in.lora_B["default_0"].bias is not None

    def test_a_dora(self, make_teacher, save_lora, kind):
        pipe = make_teacher()
        without = run(pipe)
        pipe.load_lora_weights(save_lora(use_dora=True, target_modules=["to_q", "to_v"]))
        assert not close(run(pipe), without)
        assert "default_0" in pipe.transformer.get_submodule(TO_Q[kind]).lora_magnitude_vector

    def test_a_dora_that_changes_nothing(self, make_teacher, save_lora, kind):
        """As it begins, for a linear layer and a convolution: what PEFT computes as lengths is what is compared."""
        pipe = make_teacher()
        path = save_lora(use_dora=True, target_modules=["to_q", "proj_in"], init_lora_weights=True)
        with pytest.raises(ValueError, match="This LoRA changes nothing: .* and its magnitudes, where it is a DoRA"):
            pipe.load_lora_weights(path)

    def test_hotswap_replaces_the_weights(self, make_teacher, save_lora):
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora("b", seed=1))
        expected = run(pipe)
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora("a"), adapter_name="lcm")
        pipe.load_lora_weights(save_lora("b", seed=1), adapter_name="lcm", hotswap=True)
        assert pipe.get_list_adapters() == {"transformer": ["lcm"]}
        assert_close(run(pipe), expected)

    def test_half_precision(self, make_teacher, save_lora):
        pipe = make_teacher().to(torch.bfloat16)
        without = run(pipe)
        pipe.load_lora_weights(save_lora())
        output = run(pipe)
        assert output.dtype == torch.bfloat16
        assert output.isfinite().all() and not torch.equal(output, without)


class TestAsAFewStepModel:
    def calls(self, pipe, **kwargs):
        calls = []
        hook = pipe.transformer.register_forward_pre_hook(
            lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True
        )
        run(pipe, **kwargs)
        hook.remove()
        return calls

    @pytest.fixture
    def pipe(self, make_teacher, save_lora):
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora(), adapter_name="lcm")
        pipe.scheduler = LCMAudioScheduler.from_config(pipe.scheduler.config)
        return pipe

    def test_unguided_the_teacher_runs_once_a_step(self, pipe):
        calls = self.calls(pipe)
        assert [call["timestep"].tolist() for call in calls] == [[999], [499]]
        assert all(call["timestep_cond"] is None for call in calls)
        assert not pipe.is_student
        assert not pipe.do_classifier_free_guidance

    def test_a_scale_above_one_asks_for_classifier_free_guidance(self, pipe):
        calls = self.calls(pipe, guidance_scale=1.5, num_inference_steps=4, negative_prompt="music")
        assert [call["timestep"].tolist() for call in calls] == [[t, t] for t in (999, 759, 499, 259)]
        assert not torch.equal(run(pipe, guidance_scale=1.5), run(pipe))

    def test_the_scheduler_keeps_the_noise_of_the_teacher(self, pipe, make_teacher):
        expected = DDIMScheduler(beta_start=0.001, beta_end=0.02, beta_schedule="linear").alphas_cumprod
        torch.testing.assert_close(pipe.scheduler.alphas_cumprod, expected, atol=1e-6, rtol=1e-5)
        solver = DPMSolverMultistepScheduler.from_config(make_teacher().scheduler.config)
        assert torch.equal(LCMAudioScheduler.from_config(solver.config).alphas_cumprod, pipe.scheduler.alphas_cumprod)
        pipe.scheduler = LCMAudioScheduler.from_config(pipe.scheduler.config, original_inference_steps=10)
        assert [call["timestep"].item() for call in self.calls(pipe, num_inference_steps=3)] == [999, 699, 399]

    def test_a_step_written_out(self, pipe):
        """In one step the output is the prediction for clean latents, of the transformer with its LoRA."""
        start = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(1))
        embeds = pipe.encode_prompt("rain", do_classifier_free_guidance=False)[0]
        with torch.no_grad():
            noise = pipe.transformer(start, 999, embeds).sample
        alpha_prod = pipe.scheduler.alphas_cumprod[999]
        x0_hat = (start - (1 - alpha_prod).sqrt() * noise) / alpha_prod.sqrt()
        assert_close(run(pipe, latents=start, num_inference_steps=1), x0_hat)

    def test_a_student_has_its_loras_too(self, make_pipeline, make_transformer, save_lora):
        pipe = make_pipeline(transformer=make_transformer())
        without = run(pipe, guidance_scale=5.0)
        targets = ["to_q", "time_embedding.cond_proj"]
        pipe.load_lora_weights(save_lora(target_modules=targets, time_cond_proj_dim=256))
        calls = self.calls(pipe, guidance_scale=5.0)
        assert len(calls) == 2 and all(call["timestep_cond"] is not None for call in calls)
        assert not close(run(pipe, guidance_scale=5.0), without)

    def test_a_teacher_has_no_guidance_embedding_to_change(self, make_teacher, save_lora):
        folder = save_lora(target_modules=["to_q", "time_embedding.cond_proj"], time_cond_proj_dim=256)
        with pytest.raises(ValueError, match="made for a student: this .* has no guidance embedding"):
            make_teacher().load_lora_weights(folder)


class TestScales:
    def test_a_call_weighs_the_lora(self, make_teacher, save_lora):
        pipe = make_teacher()
        without = run(pipe)
        pipe.load_lora_weights(save_lora())
        expected = run(pipe)
        assert_close(run(pipe, attention_kwargs={"scale": 1.0}), expected)
        half = run(pipe, attention_kwargs={"scale": 0.5})
        assert not close(half, expected) and not close(half, without)
        assert_close(run(pipe), expected)
        pipe.set_adapters("default_0", 0.5)
        assert_close(run(pipe), half)
        assert_close(run(pipe, attention_kwargs={"scale": 2.0}), expected)
        assert_close(run(pipe, attention_kwargs={"scale": 0.0}), without)

    def test_fused_at_a_scale_is_called_at_that_scale(self, make_teacher, save_lora):
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora())
        expected = run(pipe, attention_kwargs={"scale": 0.5})
        pipe.fuse_lora(lora_scale=0.5)
        assert_close(run(pipe), expected)

    @pytest.fixture
    def pipe(self, make_teacher, save_lora):
        """Two LoRAs, "rain" and "wind"; the last one that was loaded is active."""
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora("rain", seed=1), adapter_name="rain")
        pipe.load_lora_weights(save_lora("wind", seed=2), adapter_name="wind")
        return pipe

    def test_several_loras(self, pipe, make_teacher, save_lora):
        assert pipe.get_list_adapters() == {"transformer": ["rain", "wind"]}
        outputs = {}
        for names in (["rain"], ["wind"], ["rain", "wind"]):
            pipe.set_adapters(names)
            assert pipe.get_active_adapters() == names
            outputs["".join(names)] = run(pipe)
        assert not any(close(outputs[left], outputs[right]) for left, right in itertools.combinations(outputs, 2))
        pipe.set_adapters(["rain", "wind"], [1.0, 0.0])
        assert_close(run(pipe), outputs["rain"])
        pipe.set_adapters(["rain", "wind"], [None, {"transformer": 0.0}])
        assert_close(run(pipe), outputs["rain"])

        pipe.delete_adapters("rain")
        assert pipe.get_list_adapters() == {"transformer": ["wind"]}
        pipe.set_adapters("wind")
        assert_close(run(pipe), outputs["wind"])

    def test_disabled_and_enabled(self, pipe, make_teacher):
        expected = run(pipe)
        pipe.disable_lora()
        assert_close(run(pipe), run(make_teacher()))
        pipe.enable_lora()
        assert_close(run(pipe), expected)

    def test_unloaded_nothing_is_left(self, pipe, make_teacher, save_lora):
        pipe.unload_lora_weights()
        assert pipe.get_list_adapters() == {}
        plain = make_teacher()
        assert pipe.transformer.state_dict().keys() == plain.transformer.state_dict().keys()
        assert_close(run(pipe), run(plain))
        pipe.load_lora_weights(save_lora("rain", seed=1), adapter_name="rain")

    def test_blocks_have_weights_of_their_own(self, pipe, kind):
        parts = {"transformer_blocks.1": 0.5, "transformer_blocks.1.adaln": 0.25, "to_q": 0.0}
        if kind == "concat":
            parts["transformer_blocks.1.ff"] = parts.pop("transformer_blocks.1.adaln")
        pipe.set_adapters("rain", {"transformer": parts})
        layers = pipe.transformer.get_submodule
        assert layers("proj_in").scaling["rain"] == 3 / 2
        assert layers("time_embedding.linear_1").scaling["rain"] == 3 / 2
        assert layers(TO_Q[kind]).scaling["rain"] == 0
        # The longer part counts.
        assert layers(TO_Q[kind].replace("0", "1")).scaling["rain"] == 3 / 4
        deepest = {"llama": "transformer_blocks.1.adaln", "concat": "transformer_blocks.1.ff.proj_out"}[kind]
        assert layers(deepest).scaling["rain"] == 3 / 8
        assert layers(deepest.replace("1", "0")).scaling["rain"] == 3 / 2

    def test_block_1_is_not_block_10(self, make_pipeline, make_transformer, kind):
        pipe = make_pipeline(transformer=make_transformer(num_layers=11))
        pipe.transformer.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q"]), "rain")
        pipe.set_adapters("rain", {"transformer": {"transformer_blocks.1": 0.5}})
        blocks = {i: pipe.transformer.get_submodule(TO_Q[kind].replace("0", str(i))) for i in (0, 1, 10)}
        assert [blocks[i].scaling["rain"] for i in (0, 1, 10)] == [1, 0.5, 1]

    @pytest.mark.parametrize(
        ("names", "weights", "message"),
        [
            ("hail", None, "'hail'.* not in the list of present adapters"),
            (["rain", "wind"], [1.0], "2 is not equal to the length of the weights 1"),
            ("rain", {"unet": 0.5}, r"weights for \['transformer'\], got \{'unet': 0.5\}"),
            ("rain", {"transformer": {"transformer_blocks.7": 0.5, "to": 1}}, r"got \['to', 'transformer_blocks.7'\]"),
        ],
    )
    def test_wrong_names_and_weights(self, pipe, names, weights, message):
        with pytest.raises(ValueError, match=message):
            pipe.set_adapters(names, weights)


class TestFusing:
    @pytest.fixture
    def pipe(self, make_teacher, save_lora):
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora("rain", seed=1), adapter_name="rain")
        return pipe

    @pytest.mark.parametrize("lora_scale", [1.0, 0.5, 0.0])
    def test_what_was_fused_is_taken_out_again(self, pipe, lora_scale):
        expected = run(pipe)
        weights = copy.deepcopy(pipe.transformer.state_dict())
        pipe.fuse_lora(lora_scale=lora_scale, safe_fusing=True)
        assert pipe.fused_loras == {"rain"} and pipe.num_fused_loras == 1
        if lora_scale == 1.0:
            assert_close(run(pipe), expected)
        pipe.unfuse_lora()
        assert pipe.num_fused_loras == 0
        assert_close(run(pipe), expected)
        torch.testing.assert_close(pipe.transformer.state_dict(), weights)
        pipe.set_adapters("rain", 0.5)

    def test_fused_and_unloaded_it_stays_in_the_weights(self, pipe, make_teacher, tmp_path):
        expected = run(pipe)
        pipe.fuse_lora()
        pipe.unload_lora_weights()
        assert_close(run(pipe), expected)
        pipe.save_pretrained(tmp_path / "fused")
        loaded = AudioLCMPipeline.from_pretrained(tmp_path / "fused")
        loaded.set_progress_bar_config(disable=True)
        torch.testing.assert_close(run(loaded), run(pipe))

    def test_one_of_several(self, pipe, save_lora):
        expected = run(pipe)
        pipe.load_lora_weights(save_lora("wind", seed=2), adapter_name="wind")
        pipe.set_adapters(["rain", "wind"])
        both = run(pipe)
        pipe.fuse_lora(adapter_names=["rain"])
        assert pipe.fused_loras == {"rain"}
        assert_close(run(pipe), expected)
        pipe.fuse_lora(adapter_names=["wind"])
        assert pipe.num_fused_loras == 2
        assert_close(run(pipe), both)
        pipe.unfuse_lora()
        assert_close(run(pipe), both)

    def test_nan_is_not_fused(self, make_teacher, save_lora, kind):
        key = f"transformer.{TO_Q[kind]}.lora_B.weight"
        pipe = make_teacher()
        pipe.load_lora_weights(change(save_lora(), lambda weights: weights[key].fill_(torch.nan)))
        weights = copy.deepcopy(pipe.transformer.state_dict())
        with pytest.raises(ValueError, match="NaNs detected"):
            pipe.fuse_lora(safe_fusing=True)
        pipe.unfuse_lora()
        torch.testing.assert_close(pipe.transformer.state_dict(), weights, equal_nan=True)

    def test_fused_weights_do_not_change(self, pipe):
        pipe.fuse_lora()
        with pytest.raises(ValueError, match="Fused LoRAs have the weights .* call `unfuse_lora"):
            pipe.set_adapters("rain", 0.5)
        with pytest.raises(ValueError, match="fused already, which lora_scale=0.5 would change"):
            pipe.fuse_lora(lora_scale=0.5)

    def test_there_must_be_one(self, pipe, make_teacher):
        with pytest.raises(ValueError, match=r"those that are loaded, \['rain'\], got \['wind'\]"):
            pipe.fuse_lora(adapter_names=["wind"])
        with pytest.raises(ValueError, match=r"those that are loaded, \[\], got None"):
            make_teacher().fuse_lora()
        with pytest.raises(ValueError, match="vae is not found"):
            pipe.fuse_lora(components=["vae"])


class TestBadInput:
    def test_missing_files(self, make_teacher, tmp_path):
        pipe = make_teacher()
        (tmp_path / "empty").mkdir()
        with pytest.raises(FileNotFoundError, match="no 'pytorch_lora_weights.safetensors' in '.*empty'"):
            pipe.load_lora_weights(tmp_path / "empty")
        for source in (tmp_path / "none", "lora.safetensors", "some/lora.safetensors", "lora"):
            with pytest.raises(
                FileNotFoundError, match='file or folder with a LoRA, or "owner/name" on the Hub; got '
            ):
                pipe.load_lora_weights(source)
        with pytest.raises(FileNotFoundError):
            pipe.load_lora_weights("owner/name", local_files_only=True, cache_dir=tmp_path)

    def test_several_files(self, make_teacher, save_lora):
        folder = save_lora()
        for name in ("a", "b"):
            save_file({}, folder / f"{name}.safetensors")
        make_teacher().load_lora_weights(folder)
        file_of(folder).unlink()
        with pytest.raises(FileNotFoundError, match=r"one of \['a.safetensors', 'b.safetensors'\] with `weight_name`"):
            make_teacher().load_lora_weights(folder)

    def test_pickles(self, make_teacher, tmp_path):
        pipe = make_teacher()
        torch.save({}, tmp_path / "lora.pt")
        for source, kwargs in (
            (tmp_path, {}),
            (tmp_path / "lora.pt", {}),
            ("owner/name", {"weight_name": "pytorch_lora_weights.bin"}),
        ):
            with pytest.raises(ValueError, match="is a pickle, which can run any code"):
                pipe.load_lora_weights(source, **kwargs)
        with pytest.raises(ValueError, match="use_safetensors=False"):
            pipe.load_lora_weights(tmp_path, use_safetensors=False)

    def test_damaged_files(self, make_teacher, save_lora, tmp_path):
        file = file_of(save_lora())
        file.write_bytes(file.read_bytes()[:-8])
        with pytest.raises(ValueError, match="The LoRA in .* is damaged"):
            make_teacher().load_lora_weights(file)
        save_file({}, tmp_path / "x.safetensors", metadata={"lora_adapter_metadata": "{"})
        with pytest.raises(ValueError, match="The LoRA in .*x.safetensors' is damaged"):
            make_teacher().load_lora_weights(tmp_path / "x.safetensors")

    def test_an_unknown_option(self, make_teacher, save_lora):
        with pytest.raises(TypeError, match="unexpected keyword argument 'wait_name'"):
            make_teacher().load_lora_weights(save_lora(), wait_name="a")

    def test_an_empty_lora(self, make_teacher, tmp_path):
        with pytest.raises(ValueError, match="at least one layer, got an empty state dict"):
            make_teacher().load_lora_weights({})
        with pytest.raises(ValueError, match="`transformer_lora_layers` with at least one, got {}"):
            AudioLCMPipeline.save_lora_weights(tmp_path, {})

    def test_keys_that_fit_nothing(self, make_teacher, save_lora, kind):
        pipe = make_teacher()
        name = "transformer.blocks.0.attn.lora_A.weight"
        with pytest.raises(
            ValueError,
            match=rf"^None of the adapter's 1 weights fits .* of this {type(pipe.transformer).__name__}: {name}. "
            rf"Expected a LoRA with names like transformer.{TO_Q[kind]}.lora_A.weight",
        ):
            pipe.load_lora_weights({name: torch.zeros(2, 2)})
        assert pipe.get_list_adapters() == {}

    @pytest.mark.parametrize(
        ("key", "kind_of_adapter"),
        [
            ("transformer.wrong.lora_A.weight", ""),
            ("text_encoder.encoder.q.lora_A.weight", ""),
            ("lora_te_encoder_q.lora_down.weight", ""),
            ("diffusion_model.TO_Q.hada_w1_a", ", got LoHa"),
            ("transformer.TO_Q.lokr_w1", ", got LoKr"),
            ("diffusion_model.TO_Q.diff", ", got a difference of whole weights"),
            ("transformer.TO_Q.lora_A.default.other.weight", ""),
        ],
    )
    def test_a_lora_is_not_loaded_in_part(self, make_teacher, save_lora, kind, key, kind_of_adapter):
        pipe = make_teacher()
        key = key.replace("TO_Q", TO_Q[kind])
        weights = pipe.lora_state_dict(save_lora(target_modules=["to_q"])) | {key: torch.zeros(2, 2)}
        with pytest.raises(
            ValueError, match=rf"^1 of the adapter's {len(weights)} weights fit no .*: {key}\. .*{kind_of_adapter}"
        ):
            pipe.load_lora_weights(weights)
        assert pipe.get_list_adapters() == {}

    @pytest.mark.parametrize("factor", "AB")
    def test_both_factors_must_be_there(self, make_teacher, save_lora, kind, factor):
        pipe = make_teacher()
        weights = pipe.lora_state_dict(save_lora(target_modules=["to_q"]))
        del weights[f"transformer.{TO_Q[kind]}.lora_{factor}.weight"]
        with pytest.raises(ValueError, match=rf"The LoRA lacks lora_{factor}.weight for {TO_Q[kind]}"):
            pipe.load_lora_weights(weights)

    def test_one_that_changes_nothing(self, make_teacher, save_lora, kind):
        pipe = make_teacher()
        weights = pipe.lora_state_dict(save_lora(target_modules=["to_q"]))
        unborn = {key: torch.zeros_like(weight) if "lora_B" in key else weight for key, weight in weights.items()}
        silent = weights | {
            f"transformer.{name.removeprefix('transformer.').removesuffix('.lora_A.weight')}.alpha": torch.tensor(0.0)
            for name in weights
            if "lora_A" in name
        }
        for changes_nothing in (unborn, silent):
            with pytest.raises(ValueError, match="This LoRA changes nothing"):
                pipe.load_lora_weights(changes_nothing)
        assert pipe.get_list_adapters() == {}

    def test_wrong_shapes(self, make_teacher, save_lora, kind):
        pipe = make_teacher()
        key = f"transformer.{TO_Q[kind]}.lora_A.weight"
        weights = pipe.lora_state_dict(save_lora(target_modules=["to_q"]))
        width = pipe.transformer.get_submodule(TO_Q[kind]).in_features
        with pytest.raises(
            ValueError, match=rf"another transformer: .*\(2, {width}\).* for {TO_Q[kind]} .*, got .*\(2, 99\)"
        ):
            pipe.load_lora_weights({**weights, key: torch.zeros(2, 99)})
        with pytest.raises(
            ValueError, match=rf"\(3, {width}\).*\({width}, 3\).*, got .*\(3, {width}\).*\({width}, 2\)"
        ):
            pipe.load_lora_weights({**weights, key: torch.zeros(3, width)})
        assert pipe.get_list_adapters() == {}

    def test_a_rank_that_the_metadata_does_not_name(self, make_teacher, save_lora, kind):
        def widen(weights):
            for factor, dim in (("A", 0), ("B", 1)):
                key = f"transformer.{TO_Q[kind]}.lora_{factor}.weight"
                weights[key] = torch.cat([weights[key]] * 2, dim)

        with pytest.raises(ValueError, match=rf"metadata names for {TO_Q[kind]}, one of \[2\], got .* rank 4"):
            make_teacher().load_lora_weights(change(save_lora(), widen))

    def test_names_that_are_taken_or_not(self, make_teacher, save_lora):
        pipe = make_teacher()
        pipe.load_lora_weights(save_lora(), adapter_name="rain")
        with pytest.raises(ValueError, match="rain already in use"):
            pipe.load_lora_weights(save_lora(), adapter_name="rain")
        with pytest.raises(ValueError, match="no existing adapter by that name"):
            pipe.load_lora_weights(save_lora(), adapter_name="wind", hotswap=True)

    def test_fused_projections(self, make_teacher, save_lora, kind):
        pipe = make_teacher()
        pipe.transformer.fuse_qkv_projections()
        with pytest.raises(ValueError, match=rf"for {TO_Q[kind]}, which .* `unfuse_qkv_projections\(\)` first"):
            pipe.load_lora_weights(save_lora())
        pipe.transformer.unfuse_qkv_projections()
        pipe.load_lora_weights(save_lora())

    def test_no_transformer(self, make_pipeline, save_lora):
        with pytest.raises(ValueError, match="needs the pipeline's `transformer`, which is None"):
            make_pipeline(transformer=None).load_lora_weights(save_lora())

    def test_saving_where_or_what_cannot_be_saved(self, tmp_path):
        weights = {"proj_in.lora_A.weight": torch.ones(1)}
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="to be a folder, got the file '.*file'"):
            AudioLCMPipeline.save_lora_weights(tmp_path / "file", weights)
        with pytest.raises(ValueError, match="safe_serialization=False"):
            AudioLCMPipeline.save_lora_weights(tmp_path, weights, safe_serialization=False)
        with pytest.raises(ValueError, match="'lora.bin' is a pickle"):
            AudioLCMPipeline.save_lora_weights(tmp_path, weights, weight_name="lora.bin")


def test_without_peft_the_pipeline_works_and_says_what_is_missing():
    code = """
import sys
sys.modules["peft"] = None
from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline
pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
pipe.set_progress_bar_config(disable=True)
pipe("rain", audio_length_in_s=0.1)
try:
    pipe.load_lora_weights("runs/lora")
except ImportError as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "LoRAs need PEFT 0.21 or later; install it with `pip install 'audiolcm-diffusers[lora]'`" in process.stdout

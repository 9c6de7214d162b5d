# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Saved models come back as they were, through every entrance of diffusers."""

import json
import subprocess
import sys

import diffusers
import pytest
import torch
import yaml
from diffusers import AutoModel, AutoPipelineForText2Audio, DDIMScheduler, DiffusionPipeline
from safetensors.torch import save_file

import audiolcm_diffusers
from audiolcm_diffusers import (
    AudioLCMPipeline,
    AutoencoderKLMel1D,
    BigVGANVocoder,
    CLAPProjection,
    ConcatTransformer1DModel,
    LCMAudioScheduler,
    LLaMATransformer1DModel,
    VocosVocoder,
)


@torch.no_grad()
def run(model):
    """Run any of the models on something of the right shape."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(shape, generator=generator)

    if isinstance(model, AutoencoderKLMel1D):
        return model.decode(randn(1, 4, 5)).sample
    if isinstance(model, (BigVGANVocoder, VocosVocoder)):
        return model(randn(1, 80, 3))
    if isinstance(model, CLAPProjection):
        return model(randn(1, 3, 12))
    return model(randn(1, 4, 5), 519, randn(1, 6, 16), timestep_cond=randn(1, 256)).sample


def assert_same(output, expected):
    """Equal up to rounding: loaded weights lie elsewhere in memory, which may change the order of sums."""
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def public_config(model):
    """A config as JSON keeps it, without what diffusers notes for itself."""
    return json.loads(json.dumps({key: value for key, value in model.config.items() if not key.startswith("_")}))


def sound(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"audio_length_in_s": 0.1, "generator": torch.Generator().manual_seed(0), "output_type": "pt", **options}
    return pipe("rain", **options).audios


class TestPipeline:
    @pytest.fixture
    def saved(self, make_pipeline, tmp_path):
        pipe = make_pipeline()
        pipe.save_pretrained(tmp_path)
        return pipe, tmp_path

    def test_names_in_the_index(self, saved):
        index = json.loads((saved[1] / "model_index.json").read_text())
        assert index["_class_name"] == "AudioLCMPipeline"
        for component, class_name in {
            "vae": "AutoencoderKLMel1D",
            "projection_model": "CLAPProjection",
            "transformer": "LLaMATransformer1DModel",
            "scheduler": "LCMAudioScheduler",
            "vocoder": "BigVGANVocoder",
        }.items():
            assert index[component] == ["audiolcm_diffusers", class_name]
        assert index["text_encoder"] == ["transformers", "BertModel"]
        assert index["text_encoder_2"] == ["transformers", "T5EncoderModel"]

    @pytest.mark.parametrize("entrance", [AudioLCMPipeline, DiffusionPipeline, AutoPipelineForText2Audio])
    def test_same_sound_through_every_entrance(self, saved, entrance):
        pipe, folder = saved
        loaded = entrance.from_pretrained(folder)
        assert type(loaded) is AudioLCMPipeline
        assert_same(sound(loaded), sound(pipe))

    def test_half_precision_variant(self, saved, tmp_path, relative_error):
        pipe, _ = saved
        expected = sound(pipe)
        pipe.to(torch.float16).save_pretrained(tmp_path / "half", variant="fp16")
        for name in ("vae", "projection_model", "transformer", "vocoder"):
            assert (tmp_path / "half" / name / "diffusion_pytorch_model.fp16.safetensors").is_file()
        loaded = AudioLCMPipeline.from_pretrained(tmp_path / "half", variant="fp16", dtype=torch.float32)
        assert loaded.transformer.dtype == torch.float32
        assert relative_error(sound(loaded), expected) < 0.05

    def test_lengths_of_the_model_are_kept(self, make_components, tmp_path):
        pipe = AudioLCMPipeline(**make_components(), default_audio_length_in_s=0.25, max_audio_length_in_s=0.5)
        pipe.save_pretrained(tmp_path)
        loaded = AudioLCMPipeline.from_pretrained(tmp_path)
        loaded.set_progress_bar_config(disable=True)
        assert loaded("rain").audios.shape == (1, 4000)
        with pytest.raises(ValueError, match="at most 0.5 s, the limit of this model, got 0.75 s"):
            loaded("rain", audio_length_in_s=0.75)

    def test_steps_and_scale_of_the_model_are_kept(self, make_components, tmp_path):
        pipe = AudioLCMPipeline(**make_components(), default_num_inference_steps=3, default_guidance_scale=2.5)
        pipe.save_pretrained(tmp_path)
        loaded = AudioLCMPipeline.from_pretrained(tmp_path)
        assert_same(sound(loaded), sound(pipe, num_inference_steps=3, guidance_scale=2.5))
        assert (loaded.num_timesteps, loaded.guidance_scale) == (3, 2.5)
        assert not torch.equal(sound(loaded), sound(pipe, guidance_scale=5.0))
        # All that a pipeline of other components takes over.
        assert AudioLCMPipeline(**make_components(), **loaded.options).options == pipe.options

    def test_streams_that_are_not_there(self, make_pipeline, tmp_path):
        pipe = make_pipeline(text_encoder=None, tokenizer=None, projection_model=None)
        pipe.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "model_index.json").read_text())["text_encoder"] == [None, None]
        loaded = DiffusionPipeline.from_pretrained(tmp_path)
        assert loaded.text_encoder is None
        assert_same(sound(loaded), sound(pipe))

    def test_a_component_of_ones_own_replaces_the_saved_one(self, saved, make_llama_transformer):
        teacher = make_llama_transformer(time_cond_proj_dim=None)
        loaded = DiffusionPipeline.from_pretrained(saved[1], transformer=teacher, scheduler=DDIMScheduler())
        assert loaded.transformer is teacher
        assert not loaded.is_student
        assert sound(loaded).isfinite().all()

    def test_from_pipe_shares_the_components(self, saved):
        pipe = saved[0]
        copy = AudioLCMPipeline.from_pipe(pipe)
        assert copy.transformer is pipe.transformer
        assert_same(sound(copy), sound(pipe))

    def test_a_fresh_interpreter_loads_it_after_one_import(self, saved):
        code = (
            "import sys; from audiolcm_diffusers import AudioLCMPipeline; from diffusers import DiffusionPipeline;"
            "pipe = DiffusionPipeline.from_pretrained(sys.argv[1]); assert type(pipe) is AudioLCMPipeline"
        )
        process = subprocess.run([sys.executable, "-c", code, str(saved[1])], capture_output=True, text=True)
        assert process.returncode == 0, process.stderr


class TestModels:
    @pytest.fixture(
        params=[
            "vae",
            "projection",
            "llama_transformer",
            "plain_transformer",
            "concat_transformer",
            "vocoder",
            "vocos",
        ]
    )
    def model(self, request):
        if request.param == "plain_transformer":
            return request.getfixturevalue("make_llama_transformer")(
                position_embedding="learned", num_positions=5, activation_fn="gelu", norm_type="layer_norm"
            )
        return request.getfixturevalue(f"make_{request.param}")()

    @pytest.mark.parametrize("by_name", [True, False])
    def test_same_output_after_loading(self, model, tmp_path, by_name):
        model.save_pretrained(tmp_path)
        loaded = (AutoModel if by_name else type(model)).from_pretrained(str(tmp_path))
        assert type(loaded) is type(model)
        assert not loaded.training
        assert loaded.state_dict().keys() == model.state_dict().keys()
        for name, weight in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], weight)
        assert public_config(loaded) == public_config(model)
        assert_same(run(loaded), run(model))

    def test_loads_from_a_subfolder_of_a_pipeline(self, make_pipeline, tmp_path):
        pipe = make_pipeline()
        pipe.save_pretrained(tmp_path)
        loaded = AutoModel.from_pretrained(str(tmp_path), subfolder="transformer")
        assert_same(run(loaded), run(pipe.transformer))

    def test_the_config_of_a_class_names_it(self, model, tmp_path):
        model.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["_class_name"] == type(model).__name__
        assert type(model).__name__ in audiolcm_diffusers.PUBLIC_CLASSES

    def test_sharded_weights(self, make_llama_transformer, tmp_path):
        model = make_llama_transformer()
        model.save_pretrained(tmp_path, max_shard_size="20KB")
        assert len(list(tmp_path.glob("*.safetensors"))) > 1
        assert_same(run(LLaMATransformer1DModel.from_pretrained(tmp_path)), run(model))

    def test_a_config_from_before_the_options_loads(self, make_llama_transformer, tmp_path):
        """A config that says nothing of positions, activation and norms means LLaMA's."""
        model = make_llama_transformer()
        model.save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        for name in ("position_embedding", "num_positions", "activation_fn", "norm_type"):
            del config[name]
        (tmp_path / "config.json").write_text(json.dumps(config))
        loaded = LLaMATransformer1DModel.from_pretrained(tmp_path)
        assert public_config(loaded) == public_config(model)
        assert_same(run(loaded), run(model))


class TestScheduler:
    def test_config_is_shared_with_diffusers_own(self, tmp_path):
        diffusers.LCMScheduler(beta_end=0.02).save_pretrained(tmp_path)
        scheduler = LCMAudioScheduler.from_pretrained(tmp_path)
        assert scheduler.config.beta_end == 0.02
        assert LCMAudioScheduler in scheduler.compatibles
        assert DDIMScheduler.from_config(scheduler.config).config.beta_end == 0.02


class TestSingleFile:
    """Published weights in one file, as in a whole checkpoint and on their own."""

    @pytest.fixture(params=["concat_transformer", "llama_transformer", "llama_transformer_qknorm_rope"])
    def published(self, request, load_reference, load_weights):
        tensors, _ = load_reference(request.param)
        weights, config = load_weights(request.param)
        model_class = ConcatTransformer1DModel if "concat" in request.param else LLaMATransformer1DModel
        cond = tensors.get("guidance_embedding")
        inputs = (tensors["sample"], tensors["timestep"], tensors["encoder_hidden_states"], None, cond)
        return model_class, weights, config, inputs, tensors["output"]

    @pytest.mark.parametrize("prefix", ["", "unet.diffusion_model."])
    def test_with_the_published_config(self, published, relative_error, tmp_path, prefix):
        model_class, weights, config, inputs, expected = published
        file = tmp_path / "model.safetensors"
        checkpoint = {f"{prefix}{name}": tensor.contiguous() for name, tensor in weights.items()}
        if prefix:
            checkpoint["target_unet.diffusion_model.proj_in.bias"] = torch.zeros(3)
        save_file(checkpoint, file)
        model = model_class.from_single_file(str(file), original_config=config)
        with torch.no_grad():
            assert relative_error(model(*inputs).sample, expected) < 1e-5

    @pytest.mark.parametrize("as_file", ["dictionary", "string", "path"])
    def test_with_the_whole_published_config(self, published, relative_error, tmp_path, as_file):
        """Nested as `audiolcm convert` reads it."""
        model_class, weights, config, inputs, expected = published
        whole = {"model": {"params": {"timesteps": 1000, "unet_config": {"target": "x.y", "params": dict(config)}}}}
        file = tmp_path / "audiolcm.yaml"
        file.write_text(yaml.safe_dump(whole))
        original_config = {"dictionary": whole, "string": str(file), "path": file}[as_file]
        model = model_class.from_single_file(dict(weights), original_config=original_config)
        with torch.no_grad():
            assert relative_error(model(*inputs).sample, expected) < 1e-5
        with pytest.raises(ValueError, match=r"Expected model\.params\.unet_config\.params"):
            model_class.from_single_file(dict(weights), original_config={"model": {"params": {}}})

    def test_without_a_config_sizes_are_the_published_ones(self, make_concat_transformer, tmp_path):
        """Read from the weights but for the heads, of which the published model has 8."""
        weights, config = self.reference("concat_transformer")
        model = ConcatTransformer1DModel.from_single_file(dict(weights))
        assert model.config.num_attention_heads == 8 and model.config.num_layers == config["depth"]
        make_concat_transformer().save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="neither `original_config`, the published configuration, nor `config`"):
            ConcatTransformer1DModel.from_single_file(tmp_path / "diffusion_pytorch_model.safetensors")

    @pytest.fixture(autouse=True)
    def _references(self, load_weights):
        self.reference = load_weights

    @pytest.mark.parametrize("is_whole", [False, True])
    def test_vae(self, load_reference, relative_error, tmp_path, is_whole):
        tensors, _ = load_reference("mel_vae")
        weights, config = self.reference("mel_vae")
        config = dict(config)
        section = {"embed_dim": config.pop("embed_dim"), "ddconfig": config}
        if is_whole:
            weights = {f"first_stage_model.{key}": weight for key, weight in weights.items()}
            weights |= {"scale_factor": torch.tensor(1.5), "unet.diffusion_model.proj_in.bias": torch.zeros(3)}
            section = {"model": {"params": {"first_stage_config": {"params": section}}}}
        else:
            section["scale_factor"] = 1.5
        torch.save({"state_dict": weights}, tmp_path / "audiolcm.ckpt")
        (tmp_path / "audiolcm.yaml").write_text(yaml.safe_dump(section))
        vae = AutoencoderKLMel1D.from_single_file(
            tmp_path / "audiolcm.ckpt", original_config=tmp_path / "audiolcm.yaml"
        )
        assert vae.config.scaling_factor == 1.5
        with torch.no_grad():
            assert relative_error(vae.decode(tensors["latent_mean"]).sample, tensors["decoded"]) < 1e-5
        vae.save_config(tmp_path)
        again = AutoencoderKLMel1D.from_single_file(dict(weights), config=str(tmp_path))
        assert all(torch.equal(one, other) for one, other in zip(vae.parameters(), again.parameters()))

    @pytest.mark.parametrize("is_whole", [False, True])
    def test_vocoder(self, load_reference, relative_error, tmp_path, is_whole):
        tensors, _ = load_reference("bigvgan")
        weights, config = self.reference("bigvgan")
        torch.save({"generator": weights} if is_whole else weights, tmp_path / "best_netG.pt")
        (tmp_path / "args.yml").write_text(yaml.safe_dump({**config, "fmin": 125, "fmax": 7600}))
        vocoder = BigVGANVocoder.from_single_file(
            tmp_path / "best_netG.pt", original_config=str(tmp_path / "args.yml")
        )
        with torch.no_grad():
            assert relative_error(vocoder(tensors["mel"]), tensors["waveform"]) < 1e-5
        vocoder.save_config(tmp_path)
        again = BigVGANVocoder.from_single_file(str(tmp_path / "best_netG.pt"), config=str(tmp_path))
        assert all(torch.equal(one, other) for one, other in zip(vocoder.parameters(), again.parameters()))
        with pytest.raises(ValueError, match="The published model's sizes were taken"):
            BigVGANVocoder.from_single_file(str(tmp_path / "best_netG.pt"))

    def test_with_a_saved_config(self, published, relative_error, tmp_path):
        model_class, weights, config, inputs, expected = published
        model_class.from_single_file(dict(weights), original_config=config).save_config(tmp_path)
        model = model_class.from_single_file(dict(weights), config=str(tmp_path))
        with torch.no_grad():
            assert relative_error(model(*inputs).sample, expected) < 1e-5

    PARTS = (
        {"position_embedding": "learned", "num_positions": 5},
        {"activation_fn": "gelu"},
        {"norm_type": "layer_norm"},
    )

    @pytest.mark.parametrize("parts", [{}, *PARTS])
    def test_our_own_weights(self, make_llama_transformer, tmp_path, parts):
        model = make_llama_transformer(**parts)
        model.save_pretrained(tmp_path)
        file = tmp_path / "diffusion_pytorch_model.safetensors"
        loaded = LLaMATransformer1DModel.from_single_file(str(file), config=str(tmp_path))
        assert_same(run(loaded), run(model))

    @pytest.mark.parametrize("parts", PARTS)
    def test_published_weights_have_the_published_parts(self, load_weights, make_llama_transformer, tmp_path, parts):
        weights, _ = load_weights("llama_transformer")
        make_llama_transformer(**parts).save_config(tmp_path)
        name, value = next(iter(parts.items()))
        with pytest.raises(ValueError, match=f"the authors' layout need {name}='.*', got {name}='{value}'"):
            LLaMATransformer1DModel.from_single_file(weights, config=str(tmp_path))


class TestDamage:
    @pytest.fixture
    def folder(self, make_pipeline, tmp_path):
        make_pipeline().save_pretrained(tmp_path)
        return tmp_path

    def test_truncated_weights_are_named(self, folder):
        file = folder / "transformer/diffusion_pytorch_model.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
        with pytest.raises(OSError, match="transformer/diffusion_pytorch_model.safetensors"):
            AudioLCMPipeline.from_pretrained(folder)

    @pytest.mark.parametrize("file", ["model_index.json", "transformer/config.json"])
    def test_a_truncated_config_is_named(self, folder, file):
        (folder / file).write_text((folder / file).read_text()[:50])
        with pytest.raises(OSError, match=f"{file}' is not a valid JSON file"):
            AudioLCMPipeline.from_pretrained(folder)

    def test_missing_weights_are_named(self, folder):
        (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(OSError, match=r"diffusion_pytorch_model.* found in directory .*vae"):
            AudioLCMPipeline.from_pretrained(folder)

    def test_a_missing_config_is_named(self, folder):
        (folder / "vocoder/config.json").unlink()
        with pytest.raises(OSError, match=r"config.json found in directory .*vocoder"):
            AudioLCMPipeline.from_pretrained(folder)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is missing is not drawn at random, and what asks for code of its own is not run."""

import json

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from audiolcm_diffusers import AudioLCMPipeline, AutoencoderKLMel1D
from audiolcm_diffusers.commands import main
from audiolcm_diffusers.conversion import components_from_original
from audiolcm_diffusers.evaluation.networks import load_clap, load_classifier
from audiolcm_diffusers.loaders.complete import check_complete, load_complete
from audiolcm_diffusers.trainer.loading import load_text_encoder
from audiolcm_diffusers.trainer.sentences import SentenceEncoder


@pytest.fixture
def folder(make_pipeline, tmp_path):
    make_pipeline().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def take_out(folder, name):
    """Remove the first weight with a name like that from a part's file; returns its name."""
    file = next(folder.glob("*.safetensors"))
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    weights = load_file(file)
    key = next(key for key in weights if name in key)
    del weights[key]
    save_file(weights, file, metadata=metadata)
    return key


PARTS = [
    ("text_encoder", "attention.self.query.weight"),
    ("text_encoder_2", "SelfAttention.o.weight"),
    ("text_encoder_2", "shared.weight"),
    ("projection_model", "linear"),
    ("transformer", "to_q.weight"),
    ("vae", "decoder.conv_in.weight"),
    ("vocoder", "conv"),
]


@pytest.mark.parametrize(("part", "name"), PARTS)
def test_a_pipeline_without_all_of_its_weights(folder, part, name):
    key = take_out(folder / part, name)
    with pytest.raises(ValueError, match=rf"{part}' are not all there: it lacks weights of its \w+: .*{key}"):
        AudioLCMPipeline.from_pretrained(folder)
    if part not in ("text_encoder", "text_encoder_2"):
        with pytest.raises(ValueError, match=f"lacks weights .*{key}"):
            DiffusionPipeline.from_pretrained(folder)


@pytest.mark.parametrize(("part", "name"), [PARTS[0], PARTS[1], PARTS[4], PARTS[5]])
def test_weights_of_another_shape(folder, part, name):
    file = next((folder / part).glob("*.safetensors"))
    weights = load_file(file)
    key = next(key for key in weights if name in key)
    save_file({**weights, key: weights[key][:1].clone()}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=key):
        AudioLCMPipeline.from_pretrained(folder)


@pytest.mark.parametrize("options", [{}, {"low_cpu_mem_usage": False}, {"ignore_mismatched_sizes": True}])
def test_a_model_without_all_of_its_weights(folder, options):
    key = take_out(folder / "vae", "decoder.conv_in.weight")
    with pytest.raises(ValueError, match=f"lacks weights of its AutoencoderKLMel1D: {key}"):
        AutoencoderKLMel1D.from_pretrained(folder / "vae", **options)


@pytest.mark.parametrize(("part", "name"), PARTS[1:2])
def test_generate_does_not_make_noise(folder, tmp_path, capsys, part, name):
    key = take_out(folder / part, name)
    assert main(["generate", "rain", "--model", str(folder), "--output", str(tmp_path / "rain.wav")]) == 2
    assert key in capsys.readouterr().err and not (tmp_path / "rain.wav").exists()


def test_a_text_encoder_of_its_own(folder):
    for file in (folder / "tokenizer_2").iterdir():
        file.rename(folder / "text_encoder_2" / file.name)
    load_text_encoder(str(folder / "text_encoder_2"))
    key = take_out(folder / "text_encoder_2", "SelfAttention.o.weight")
    with pytest.raises(ValueError, match=f"lacks weights of its T5EncoderModel: {key}"):
        load_text_encoder(str(folder / "text_encoder_2"))


def test_names_of_weights_may_differ_from_the_models(make_bert, tmp_path):
    """As in old files, which transformers renames."""
    make_bert().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = {f"bert.{key}".replace("LayerNorm.weight", "LayerNorm.gamma"): w for key, w in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    model = load_complete(type(make_bert()), str(tmp_path))
    check_complete(model)
    take_out(tmp_path, "query.weight")
    with pytest.raises(ValueError, match=r"lacks weights of its BertModel: encoder\.layer\.0"):
        check_complete(model)


class TestOwnCode:
    """`auto_map` names a file of the folder as the class to be loaded. It leaves a trace where it is run."""

    @pytest.fixture
    def evil(self, tmp_path):
        def make(folder, config="config.json", model_type="evil"):
            (folder / "evil.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\nclass Evil: ...\n")
            path = folder / config
            values = json.loads(path.read_text()) if path.exists() else {}
            values |= {"auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": "evil.Evil"}}
            path.write_text(json.dumps(values | ({"model_type": model_type} if model_type else {})))
            return str(folder)

        yield make
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("model_type", ["evil", None])
    def test_networks_that_judge(self, evil, make_classifier, make_clap, tmp_path, model_type):
        for load, make in ((load_classifier, make_classifier), (load_clap, make_clap)):
            place = tmp_path / load.__name__
            for part in make():
                part.save_pretrained(place)
            with pytest.raises(ValueError, match=r"config\.json' names code of the model's own .*evil\.Evil"):
                load(evil(place, model_type=model_type))

    @pytest.mark.parametrize("config", ["config.json", "tokenizer_config.json"])
    def test_text_encoders(self, evil, folder, config):
        for file in (folder / "tokenizer_2").iterdir():
            file.rename(folder / "text_encoder_2" / file.name)
        place = evil(folder / "text_encoder_2", config, None)
        for load in (load_text_encoder, SentenceEncoder):
            with pytest.raises(ValueError, match=f"{config}' names code of the model's own"):
                load(place)

    @pytest.mark.parametrize("config", ["config.json", "tokenizer_config.json"])
    def test_conversion(self, evil, make_bert, make_tokenizer, tmp_path, config):
        make_bert().config.save_pretrained(tmp_path / "bert")
        make_tokenizer(bert=True).save_pretrained(tmp_path / "bert")
        (tmp_path / "vocoder").mkdir()
        for name in ("args.yml", "best_netG.pt"):
            (tmp_path / "vocoder" / name).write_text("{}")
        part = (
            "{params: {unet_config: {params: {a: 1}}, first_stage_config: {params: {embed_dim: 4, ddconfig: {a: 1}}}}}"
        )
        (tmp_path / "audiolcm.yaml").write_text(f"model: {part}")
        evil(tmp_path / "bert", config, None)
        with pytest.raises(ValueError, match=f"{config}' names code of the model's own"):
            components_from_original(
                tmp_path / "audiolcm.ckpt",
                tmp_path / "audiolcm.yaml",
                tmp_path / "vocoder",
                tmp_path / "bert",
                tmp_path / "t5",
            )


def test_weights_that_are_there_are_loaded_as_they_are(folder):
    one, other = AudioLCMPipeline.from_pretrained(folder), DiffusionPipeline.from_pretrained(folder)
    for name, model in one.components.items():
        if isinstance(model, torch.nn.Module):
            same = zip(model.parameters(), other.components[name].parameters(), strict=True)
            assert all(torch.equal(left, right) for left, right in same)

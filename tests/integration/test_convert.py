# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm convert` from files in the published layout to a pipeline that makes sound."""

import json
import os
import pickle
import re
import subprocess
import sys
from functools import partial

import pytest
import torch
import transformers
import yaml
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from audiolcm_diffusers import AudioLCMPipeline
from audiolcm_diffusers.commands import main
from audiolcm_diffusers.conversion import components_from_original


# The fixtures' tokenizer knows that many bytes and special tokens.
VOCAB_SIZE = 261
NUM_POSITIONS = 300


def grow(tensor, num_rows):
    """More rows, so that small reference weights serve a real tokenizer and a full length of text."""
    generator = torch.Generator().manual_seed(0)
    more = torch.randn(num_rows - tensor.shape[0], tensor.shape[1], generator=generator)
    return torch.cat([tensor, more / tensor.shape[1] ** 0.5])


@pytest.fixture
def published(load_weights, make_tokenizer, tmp_path):
    """A folder of small files in the published layout, and the command line that converts them."""
    student, config = load_weights("end_to_end")
    student["pos_emb.weight"] = grow(student["pos_emb.weight"], NUM_POSITIONS)
    text = load_weights("text_encoders", "cond_stage_model.")[0]
    for key in (
        "cond_stage_model.caption_encoder.base.embeddings.word_embeddings.weight",
        "cond_stage_model.t5_transformer.shared.weight",
    ):
        text[key] = grow(text[key], VOCAB_SIZE)
    state_dict = {
        **{f"model.diffusion_model.{key}": torch.zeros_like(weight) for key, weight in student.items()},
        **{f"unet.diffusion_model.{key}": weight for key, weight in student.items()},
        **{f"target_unet.diffusion_model.{key}": torch.zeros_like(weight) for key, weight in student.items()},
        **load_weights("mel_vae", "first_stage_model.")[0],
        **text,
        "scale_factor": torch.tensor(1.5),
        "alphas_cumprod": (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2)
        .cumprod(0)
        .float(),
        "logvar": torch.zeros(1000),
    }
    torch.save({"epoch": 3, "state_dict": state_dict}, tmp_path / "audiolcm.ckpt")

    embed_dim = config["vae"].pop("embed_dim")
    params = {
        "linear_start": 0.00085,
        "linear_end": 0.012,
        "timesteps": 1000,
        "unet_config": {"params": {**config["transformer"], "max_len": NUM_POSITIONS}},
        "first_stage_config": {"params": {"embed_dim": embed_dim, "ddconfig": config["vae"]}},
    }
    (tmp_path / "audiolcm.yaml").write_text(yaml.safe_dump({"model": {"params": params}}))

    vocoder = tmp_path / "vocoder"
    vocoder.mkdir()
    generator, vocoder_config = load_weights("bigvgan")
    torch.save({"generator": generator}, vocoder / "best_netG.pt")
    (vocoder / "args.yml").write_text(yaml.safe_dump({**vocoder_config, "fmin": 125, "fmax": 7600}))

    for name, model_type in (("bert", "bert"), ("t5", "t5")):
        make_tokenizer(model_max_length=512, bert=name == "bert").save_pretrained(tmp_path / name)
        sizes = {**config[name], "vocab_size": VOCAB_SIZE, "model_type": model_type}
        (tmp_path / name / "config.json").write_text(json.dumps(sizes))
    return tmp_path


def command(folder, *more):
    options = {"checkpoint": "audiolcm.ckpt", "config": "audiolcm.yaml"}
    options |= {name: name for name in ("vocoder", "bert", "t5")} | {"output": "converted"}
    arguments = [argument for name, file in options.items() for argument in (f"--{name}", str(folder / file))]
    return ["convert", *arguments, *more]


def test_converts_to_a_pipeline_that_makes_sound(published, capsys):
    assert main(command(published)) == 0
    assert "converted" in capsys.readouterr().out
    output = published / "converted"
    assert sorted(path.name for path in output.glob("*/*.safetensors")) == [
        *["diffusion_pytorch_model.safetensors"] * 4,
        *["model.safetensors"] * 2,
    ]
    assert not list(output.glob("**/*.bin"))
    card = (output / "README.md").read_text()
    assert card.count("# converted\n") == 1 and "`audiolcm.ckpt`, `audiolcm.yaml`" in card and "Model ID" not in card
    pipe = AudioLCMPipeline.from_pretrained(output)
    assert pipe.vae.config.scaling_factor == 1.5
    assert pipe.tokenizer.model_max_length == pipe.tokenizer_2.model_max_length == 77
    audio = pipe("a dog barking", audio_length_in_s=0.5, generator=torch.manual_seed(0)).audios
    assert audio.shape == (1, 8000)
    assert audio.std() > 0

    # What was saved computes what the converted models compute.
    arguments = [published / name for name in ("audiolcm.ckpt", "audiolcm.yaml", "vocoder", "bert", "t5")]
    converted = AudioLCMPipeline(**components_from_original(*arguments))
    again = converted("a dog barking", audio_length_in_s=0.5, generator=torch.manual_seed(0)).audios
    assert (audio == again).all()


def test_the_student_is_converted(published, load_weights):
    main(command(published))
    pipe = AudioLCMPipeline.from_pretrained(published / "converted")
    weights, _ = load_weights("end_to_end")
    assert torch.equal(pipe.transformer.proj_in.weight, weights["proj_in.weight"])


def test_dtype_keeps_in_float32_what_needs_it(published):
    assert main(command(published, "--dtype", "float16")) == 0
    pipe = AudioLCMPipeline.from_pretrained(published / "converted", dtype=torch.float16)
    exact = AudioLCMPipeline(
        **components_from_original(
            *(published / name for name in ("audiolcm.ckpt", "audiolcm.yaml", "vocoder", "bert", "t5"))
        )
    )
    assert pipe.transformer.proj_in.weight.dtype == torch.float16
    # The guidance embedding differs in digits that half precision does not have: not rounded on the way either.
    assert torch.equal(
        pipe.transformer.time_embedding.cond_proj.weight, exact.transformer.time_embedding.cond_proj.weight
    )


class RunsCode:
    """What unpickling turns into a call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_pickle(protocol):
    return lambda value, path: path.write_bytes(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    "save",
    [
        torch.save,
        partial(torch.save, pickle_protocol=4),
        partial(torch.save, _use_new_zipfile_serialization=False),
        write_pickle(2),
        write_pickle(4),
    ],
)
def test_a_pickle_that_wants_to_run_code_is_refused(published, capfd, save):
    harm = published / "harm"
    save({"state_dict": {}, "extra": RunsCode(harm)}, published / "audiolcm.ckpt")
    assert main(command(published)) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert f"{str(published / 'audiolcm.ckpt')!r} was refused" in error
    assert not harm.exists()
    assert not (published / "converted").exists()


def test_a_vocoder_that_wants_to_run_code_is_refused_by_name(published, capfd):
    torch.save({"generator": {}, "extra": RunsCode(published / "harm")}, published / "vocoder" / "best_netG.pt")
    assert main(command(published)) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "best_netG.pt" in error
    assert "mkdir" in error
    assert not (published / "harm").exists()
    # It would have.
    torch.load(published / "vocoder" / "best_netG.pt", weights_only=False)
    assert (published / "harm").exists()


def test_nothing_is_left_behind_when_saving_fails(published, monkeypatch, capsys):
    before = sorted(published.iterdir())

    def save_half(self, folder, **kwargs):
        (folder / "vae").mkdir(parents=True)
        raise OSError("No space left on device")

    monkeypatch.setattr(AudioLCMPipeline, "save_pretrained", save_half)
    assert main(command(published)) == 2
    assert capsys.readouterr().err == "audiolcm: error: No space left on device\n"
    assert sorted(published.iterdir()) == before


class AllocatedBytes(TorchDispatchMode):
    """Counts the bytes of all CPU memory that operations allocate, whether they free it again or not."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        known = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
        for leaf in tree_leaves(output):
            if torch.is_tensor(leaf) and leaf.device.type == "cpu" and leaf.untyped_storage()._cdata not in known:
                self.total += leaf.untyped_storage().nbytes()
        return output


def test_weights_are_mapped_and_not_copied(published):
    arguments = [published / name for name in ("audiolcm.ckpt", "audiolcm.yaml", "vocoder", "bert", "t5")]
    with AllocatedBytes() as allocated:
        components = components_from_original(*arguments)
    size = {
        name: sum(parameter.nbytes for parameter in model.parameters())
        for name, model in components.items()
        if isinstance(model, torch.nn.Module)
    }
    # All that is computed is the vocoder's fold, which takes the weights and their norms; and small tables.
    assert size["vocoder"] < allocated.total < 1.5 * size["vocoder"]
    assert allocated.total < sum(size.values()) / 4


def test_an_empty_output_folder_is_filled(published):
    (published / "converted").mkdir()
    assert main(command(published)) == 0
    assert (published / "converted" / "model_index.json").is_file()


def test_the_output_is_refused_before_anything_is_read(published, capsys):
    (published / "audiolcm.ckpt").unlink()
    (published / "converted").mkdir()
    (published / "converted" / "mine.txt").touch()
    assert main(command(published)) == 2
    assert "converted' exists already" in capsys.readouterr().err
    assert [path.name for path in (published / "converted").iterdir()] == ["mine.txt"]


def edit_yaml(change):
    def apply(folder):
        config = yaml.safe_load((folder / "audiolcm.yaml").read_text())
        change(config["model"]["params"])
        (folder / "audiolcm.yaml").write_text(yaml.safe_dump(config))

    return apply


def edit_checkpoint(change):
    def apply(folder):
        state_dict = torch.load(folder / "audiolcm.ckpt")["state_dict"]
        change(state_dict)
        torch.save({"state_dict": state_dict}, folder / "audiolcm.ckpt")

    return apply


def small_vocabulary(folder):
    config = json.loads((folder / "t5" / "config.json").read_text())
    (folder / "t5" / "config.json").write_text(json.dumps({**config, "vocab_size": 260}))


def drop_student(state_dict):
    for key in [key for key in state_dict if key.startswith("unet.")]:
        del state_dict[key]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "audiolcm.ckpt").unlink(), "There is no file '.*audiolcm.ckpt'"),
        (lambda folder: (folder / "audiolcm.yaml").unlink(), "There is no file '.*audiolcm.yaml'"),
        (
            lambda folder: (folder / "vocoder" / "args.yml").unlink(),
            "There is no vocoder configuration in '.*vocoder'",
        ),
        (lambda folder: (folder / "vocoder" / "best_netG.pt").unlink(), "There is no file of vocoder weights in"),
        (lambda folder: (folder / "bert").rename(folder / "elsewhere"), "There is no folder '.*bert'"),
        (lambda folder: (folder / "bert" / "config.json").unlink(), "There is no configuration in '.*bert'"),
        (lambda folder: (folder / "t5" / "tokenizer.json").unlink(), "There is no tokenizer in '.*t5'; looked for"),
        (
            lambda folder: (folder / "t5" / "config.json").replace(folder / "bert" / "config.json"),
            "Expected a BertConfig in '.*bert', got T5Config",
        ),
        (small_vocabulary, "tokenizer in '.*t5' knows 261 tokens, but the encoder's vocab_size is 260"),
        (edit_yaml(lambda params: params.pop("unet_config")), "a dictionary under 'model.params.unet_config' in"),
        (edit_yaml(lambda params: params["unet_config"]["params"].pop("num_heads")), "config has no 'num_heads'"),
        (edit_yaml(lambda params: params.update(linear_end=0.02)), "is not the schedule that its config makes"),
        (edit_yaml(lambda params: params.update(timesteps=500)), "is not the schedule that its config makes"),
        (edit_checkpoint(lambda weights: weights.update({"a.b": torch.zeros(1)})), "1 keys of unknown use: 'a.b'"),
        (edit_checkpoint(drop_student), "audiolcm.ckpt' has no key that begins with 'unet.diffusion_model.'"),
        (
            edit_checkpoint(lambda weights: weights.pop("first_stage_model.quant_conv.bias")),
            "The mel VAE's weights do not fit its config. 1 missing: 'quant_conv.bias'",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_written(published, capsys, spoil, message):
    spoil(published)
    before = sorted(published.iterdir())
    assert main(command(published)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert sorted(published.iterdir()) == before


def test_what_reads_a_sentencepiece_vocabulary_is_named(published, capsys, monkeypatch):
    (published / "t5" / "tokenizer.json").rename(published / "t5" / "spiece.model")
    monkeypatch.setattr(transformers.utils, "is_protobuf_available", lambda: False)
    assert main(command(published)) == 2
    assert re.search(
        "spiece.model' is read with sentencepiece and protobuf, .* tokenizer.json", capsys.readouterr().err
    )


def test_help_needs_no_torch():
    code = "from audiolcm_diffusers.commands import main; main(['convert', '--help'])"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    assert "--checkpoint FILE" in result.stdout
    assert not re.search(r"\| +torch$", result.stderr, re.MULTILINE)

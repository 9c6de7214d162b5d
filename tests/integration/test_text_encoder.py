# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A text encoder distilled from a tiny sentence encoder, and teachers that go on from it."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from script_runs import TEXT_ENCODER, TRAINING, load_script, run_script, teacher_options
from transformers import AutoTokenizer, T5EncoderModel
from wordnet_files import write_wordnet

from audiolcm_diffusers import AudioLCMPipeline
from audiolcm_diffusers.trainer import Phrase, parse_config


@pytest.fixture
def text_options(make_bert, make_tokenizer, data_dir, tmp_path):
    """Options of a tiny text encoder of all kinds of phrases."""
    make_bert().save_pretrained(tmp_path / "bert")
    make_tokenizer(bert=True).save_pretrained(tmp_path / "bert")
    (tmp_path / "phrases.txt").write_text("a dog barking\n\na bell humming\n")
    (tmp_path / "synonyms.json").write_text(json.dumps({"a tone": ["a beep", "a hum"], "a noise": ["hiss"]}))
    return {
        "data_dir": data_dir,
        "teacher_dir": tmp_path / "bert",
        "embeddings_dir": tmp_path / "embeddings",
        "wordnet_dir": write_wordnet(tmp_path / "wordnet"),
        "phrases": tmp_path / "phrases.txt",
        "synonyms": tmp_path / "synonyms.json",
        "num_deeds": 4,
        "vocab_size": 150,
        "batch_size": 4,
        "max_train_steps": 3,
        "warmup_steps": 1,
        "logging_steps": 1,
        "text_encoder_config": json.dumps(TEXT_ENCODER),
    }


def train(options, output_dir, **more):
    run_script("train_text_encoder", "TextEncoderConfig", output_dir=output_dir, **{**options, **more})
    return output_dir / "model"


def teacher_of(model, options, data_dir, output_dir, **more):
    options = {**options, "text_encoder_dir": model, "data_dir": data_dir, "output_dir": output_dir, **more}
    for name in ("vocab_size", "text_encoder_config"):
        del options[name]
    common = {"max_train_steps": 2, "warmup_steps": 1, "logging_steps": 1, "seconds_per_batch": 0.512}
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        **{"durations_s": "0.256", "duration_shares": "1", **common, **options},
    )
    return AudioLCMPipeline.from_pretrained(output_dir / "model")


def test_a_text_encoder_is_trained_and_read_by_teachers(text_options, trained, data_dir, tmp_path):
    model = train(text_options, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"loss", "distance", "divergence", "order"} <= lines[0].keys()
    assert all(math.isfinite(value) for line in lines for value in line.values())
    text_encoder, tokenizer = T5EncoderModel.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    assert text_encoder.config.vocab_size == len(tokenizer) <= 150 and tokenizer.model_max_length == 24
    report = json.loads((model / "synonyms.json").read_text())
    assert set(report) == {"teacher", "teacher, prompted", "student, all tokens", "student, words' tokens"}
    # Of two captions each is among the nearest five.
    assert all(shares["five"] == 1.0 and shares["nearest"] in (0.0, 0.3333, 0.6667, 1.0) for shares in report.values())
    assert "T5EncoderModel" in (model / "README.md").read_text()

    options = teacher_options(trained / "vae/model")
    frozen = teacher_of(model, options, data_dir, tmp_path / "frozen", freeze_text_encoder=True)
    assert frozen.transformer.config.cross_attention_dim == TEXT_ENCODER["d_model"] == text_encoder.config.d_model
    weights = text_encoder.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in frozen.text_encoder_2.state_dict().items())
    assert frozen.tokenizer_2("a noise").input_ids == tokenizer("a noise").input_ids
    # Output and modulations start at zero: it takes some steps until the text gets a gradient.
    slow = teacher_of(model, options, data_dir, tmp_path / "slow", text_learning_rate=1e-6, max_train_steps=6)
    moved = [(weight - weights[name]).abs().max() for name, weight in slow.text_encoder_2.state_dict().items()]
    # Adam moves a weight by at most about its rate in a step.
    assert 0 < max(moved) < 1e-5


def test_a_stopped_run_goes_on_with_embeddings_that_it_has(text_options, tmp_path, monkeypatch):
    whole = load_file(train(text_options, tmp_path / "whole", checkpointing_steps=2) / "model.safetensors")
    shards = sorted((tmp_path / "embeddings").iterdir())
    (tmp_path / "whole/checkpoint-3").rename(tmp_path / "away")
    resumed = train(text_options, tmp_path / "whole", resume_from_checkpoint="latest") / "model.safetensors"
    assert all(torch.equal(weight, whole[name]) for name, weight in load_file(resumed).items())
    assert sorted((tmp_path / "embeddings").iterdir()) == shards


def test_captions_alone_make_a_text_encoder(text_options, tmp_path):
    for name in ("wordnet_dir", "num_deeds", "phrases", "synonyms"):
        del text_options[name]
    model = train(text_options, tmp_path / "run")
    assert not (model / "synonyms.json").exists() and (model / "model.safetensors").exists()


def test_phrases_lie_in_the_principal_components_of_what_the_teacher_says():
    script = load_script("train_text_encoder")
    groups = {
        "captions": [Phrase(("a",), (("a", 1.0),)), Phrase(("b",), (("b", 1.0),))],
        "words": [Phrase(("c",), (("c", 1.0), ("d", 1.0)))],
        "glosses": [],
    }
    rows = {text: index for index, text in enumerate("abcd")}
    embeddings = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0]])
    shares = {"captions": 0.75, "words": 0.25, "glosses": 1.0}
    meanings = script.Meanings(groups, shares, rows, embeddings, 2)
    # Mean of the directions, as often as drawn: .75 * 0 + .25 * (0, 1, 0). Moments about it: along the first axis .75,
    # along the second .75 * .25^2 + .25 * .75^2 = .1875, along the third nothing.
    assert meanings.mean.tolist() == [0.0, 0.25, 0.0]
    assert meanings.explained == pytest.approx(1.0)
    assert meanings.axes.abs().tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    captions, words = meanings.of_kind["captions"], meanings.of_kind["words"]
    expected = F.normalize(torch.tensor([1.0, 0.25]), dim=0)
    assert torch.allclose(captions[0].abs(), expected) and torch.allclose(words[0].abs(), torch.tensor([0.0, 1.0]))
    assert torch.allclose(meanings.of(embeddings[:1]), captions[:1])
    # Two phrases lie between both: opposite in the first axis, they leave the second.
    both = meanings.of_phrases((("captions", 0), ("captions", 1)))
    assert torch.allclose(both.abs(), torch.tensor([0.0, 1.0]), atol=1e-6)
    # A text encoder that is wider than the teacher has zeros to spare.
    assert script.Meanings(groups, shares, rows, embeddings, 5).of_kind["captions"].shape == (2, 5)


def test_states_where_they_ought_to_be_have_no_loss():
    script = load_script("train_text_encoder")
    meanings = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    distance, divergence = script.similarity_loss(3.0 * meanings, meanings, 0.05)
    assert float(distance) == pytest.approx(0.0, abs=1e-6) and float(divergence) == pytest.approx(0.0, abs=1e-5)
    # The opposite of the only one in its batch: cosine -1, and a softmax of one element.
    distance, divergence = script.similarity_loss(-meanings[:1], meanings[:1], 0.05)
    assert float(distance) == pytest.approx(2.0) and float(divergence) == pytest.approx(0.0)
    # Two opposite meanings, the states of which are exchanged: with temperature 1 softmax of (1, -1) against (-1, 1),
    # whose divergence is (p - q) * 2 = 2 tanh(1).
    meanings = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert float(script.similarity_loss(meanings.flip(0), meanings, 1.0)[1]) == pytest.approx(2 * math.tanh(1.0))


def test_an_encoder_starts_with_what_its_tokens_mean(make_tokenizer):
    script = load_script("train_text_encoder")
    # One head, as wide as the encoder, so that what a token says arrives whole.
    text_encoder_config = json.dumps({**TEXT_ENCODER, "d_kv": 16, "num_heads": 1})
    config = script.TextEncoderConfig(
        data_dir="data", output_dir="run", teacher_dir="t", text_encoder_config=text_encoder_config
    )
    tokenizer = make_tokenizer(model_max_length=8)
    token_meanings = F.normalize(torch.randn(len(tokenizer), 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    text_encoder = script.start_text_encoder(config, tokenizer, token_meanings).eval()
    input_ids = tokenizer("a!", padding="max_length", return_tensors="pt").input_ids
    states = text_encoder(input_ids)[0][0]
    # Only the "a" says something, and all tokens are about it.
    meaning = token_meanings[input_ids[0, 0]]
    assert torch.allclose(F.normalize(states, dim=-1), meaning.expand(8, -1), atol=1e-3)
    assert torch.allclose(states.square().mean(dim=-1), torch.ones(8), atol=1e-2)


def test_the_nearest_caption_is_counted():
    script = load_script("train_text_encoder")
    captions = torch.eye(3)
    vectors = torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.1, 5.0], [3.0, 2.0, 1.0]])
    # The second lies nearest to another; the last has two others before its own.
    assert script.understood(vectors, torch.tensor([0, 0, 2, 2]), captions) == {"nearest": 0.5, "five": 1.0}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"teacher_dir": None}, "Expected teacher_dir, .* got None"),
        ({"teacher_prompt": "the sound"}, "one {}, got 'the sound'"),
        ({"batch_size": 1}, "batch_size >= 2, got 1"),
        ({"caption_share": 0.0}, "caption_share > 0, got 0"),
        ({"wordnet_dir": "w", "gloss_share": -0.1}, "gloss_share >= 0, got -0.1"),
        ({"temperature": 0.0}, "temperature > 0, got 0"),
        ({"token_dropout": 2.0}, "token_dropout <= 1, got 2"),
        ({"max_clips": 5}, "max_clips=5 has no use: no sound is read"),
        ({"word_share": 0.5}, "word_share=0.5 has no use: there is no wordnet_dir"),
        ({"phrases": "no.txt"}, "no file of phrases 'no.txt'"),
        ({"data_dir": None, "dataset_name": "owner/sounds"}, "Expected one of data_dir, got none of them"),
    ],
)
def test_impossible_text_encoders_are_refused_when_options_are_read(options, told):
    config_class = load_script("train_text_encoder").TextEncoderConfig
    with pytest.raises(ValueError, match=told):
        config_class(**{"data_dir": "data", "output_dir": "run", "teacher_dir": "t", **options})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pipeline_dir": "p", "text_encoder_dir": "t"}, "'p' has a text encoder of its own: .* got 't'"),
        ({"text_encoder_dir": "t", "vocab_size": 90}, "vocab_size is that of the text encoder in 't': .* got 90"),
        ({"text_encoder_dir": "t", "num_text_tokens": 9}, "num_text_tokens is .* in 't': .* got 9"),
        ({"text_encoder_dir": "t", "text_encoder_config": "{}"}, "text_encoder_config is .* got '{}'"),
        ({"pipeline_dir": "p", "vocab_size": 90}, "vocab_size is .* in 'p': .* got 90"),
        ({"freeze_text_encoder": True}, "needs pipeline_dir or text_encoder_dir, got neither"),
        ({"transformer_config": '{"cross_attention_dim": 8}'}, "cross_attention_dim is that of .* got '{\"cross"),
        ({"vocab_size": 1}, "vocab_size >= 2, got 1"),
    ],
)
def test_a_teacher_has_one_text_encoder(options, told):
    with pytest.raises(ValueError, match=told):
        load_script("train_text_to_audio").TextToAudioConfig(
            **{"data_dir": "data", "output_dir": "run", "vae_dir": "v", **options}
        )


def test_a_folder_without_text_encoder_is_refused(text_options, trained, data_dir, tmp_path):
    with pytest.raises(ValueError, match="Expected a T5 encoder and its tokenizer in '.*nothing'"):
        teacher_of(tmp_path / "nothing", teacher_options(trained / "vae/model"), data_dir, tmp_path / "run")


def test_the_recipe_is_options():
    path = TRAINING / "recipes/mini/text_encoder.json"
    flags = ["--data_dir", "data", "--output_dir", "run", "--teacher_dir", "t"]
    config = parse_config(load_script("train_text_encoder").TextEncoderConfig, [str(path), *flags])
    options = json.loads(path.read_text())
    assert {name: getattr(config, name) for name in options} == options

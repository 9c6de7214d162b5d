# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.trainer import SentenceEncoder, cached_embeddings


@pytest.fixture
def teacher_dir(make_bert, make_tokenizer, tmp_path):
    make_bert().save_pretrained(tmp_path / "teacher")
    make_tokenizer(bert=True).save_pretrained(tmp_path / "teacher")
    return str(tmp_path / "teacher")


def test_an_embedding_is_the_mean_of_the_tokens_whatever_stands_beside(teacher_dir, make_bert, make_tokenizer):
    encoder = SentenceEncoder(teacher_dir)
    rain, long = encoder.encode(["rain", "a dog barking"])
    with torch.no_grad():
        states = make_bert()(**make_tokenizer(bert=True)("rain", return_tensors="pt")).last_hidden_state[0]
    mean = states.mean(dim=0)
    assert torch.allclose(rain, mean / mean.norm(), atol=1e-6)
    assert torch.allclose(encoder.encode(["rain"])[0], rain, atol=1e-6)
    assert float(long.norm()) == pytest.approx(1.0)
    # Tokens after the last that it takes are not read.
    short = SentenceEncoder(teacher_dir, max_length=6)
    assert torch.equal(*short.encode(["rain", "rainfall"]))


def test_embeddings_are_computed_once(teacher_dir, tmp_path, monkeypatch):
    encoder = SentenceEncoder(teacher_dir)
    folder = tmp_path / "embeddings"
    rows, embeddings = cached_embeddings(encoder, ["a dog", "rain", "a dog"], folder, batch_size=1, shard_size=1)
    assert set(rows) == {"a dog", "rain"} and len(list(folder.iterdir())) == 2
    assert torch.allclose(embeddings[rows["rain"]], encoder.encode(["rain"])[0], atol=1e-3)
    read = []
    monkeypatch.setattr(encoder, "encode", lambda texts: read.extend(texts) or SentenceEncoder.encode(encoder, texts))
    more, again = cached_embeddings(encoder, ["wind", "rain"], folder)
    assert read == ["wind"] and set(more) == {"a dog", "rain", "wind"}
    assert torch.equal(again[more["rain"]], embeddings[rows["rain"]])


def test_embeddings_of_another_teacher_and_folders_without_one_are_refused(teacher_dir, tmp_path):
    encoder = SentenceEncoder(teacher_dir)
    cached_embeddings(encoder, ["rain"], tmp_path / "embeddings")
    with torch.no_grad():
        encoder.model.embeddings.word_embeddings.weight.mul_(2.0)
    del encoder.fingerprint
    with pytest.raises(ValueError, match=r"00000-\w+\.pt' holds embeddings of another teacher"):
        cached_embeddings(encoder, ["rain"], tmp_path / "embeddings")
    with pytest.raises(ValueError, match="Expected a sentence encoder with its tokenizer in '.*nothing'"):
        SentenceEncoder(str(tmp_path / "nothing"))

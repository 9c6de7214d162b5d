# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from audiolcm_diffusers.audio.io import resample
from audiolcm_diffusers.evaluation.networks import Clap, Classifier, load_clap, load_classifier


CPU = torch.device("cpu")


@pytest.fixture
def sounds():
    """Three sounds of 1.5 s at 16 kHz: longer than any of the networks can hear."""
    generator = torch.Generator().manual_seed(0)
    times = torch.arange(24000) / 16000
    tones = [0.5 * torch.sin(2 * torch.pi * frequency * times) for frequency in (300, 1200)]
    return [*tones, 0.2 * torch.randn(24000, generator=generator)]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_classifier_says_what_the_model_says(make_classifier, sounds):
    model, extractor = make_classifier()
    said = Classifier(model, extractor, "judge").listen(sounds, 16000, batch_size=2)
    inputs = extractor([sound.numpy() for sound in sounds], sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs, output_hidden_states=True)
    assert torch.allclose(said["logits"], expected.logits, atol=1e-6)
    # What the head reads: the head of the features is the logits.
    assert said["features"].shape == (3, 16)
    assert torch.allclose(model.classifier(said["features"]), expected.logits, atol=1e-6)


def test_classifier_hears_as_much_as_it_says(make_classifier, sounds):
    classifier = Classifier(*make_classifier(), "judge")
    described = classifier.describe()
    # 56 frames of 25 ms, 10 ms apart.
    assert described["hears_s"] == pytest.approx(0.55 + 0.025)
    heard = classifier.num_heard_samples
    changed = [torch.cat([sound[:heard], -sound[heard:].flip(0)]) for sound in sounds]
    assert same(classifier.listen(changed, 16000, 3), classifier.listen(sounds, 16000, 3))
    changed[0][heard - 200 :] = 0.5
    assert not same(classifier.listen(changed, 16000, 3), classifier.listen(sounds, 16000, 3))


@pytest.mark.parametrize("fusion", [False, True])
def test_clap_does_not_hear_by_chance(make_clap, sounds, fusion):
    config = {"enable_fusion": True, "fusion_type": "aff_2d"} if fusion else {}
    clap = Clap(*make_clap(**config), "clap")
    said = []
    for seed in range(3):
        # transformers draws where it cuts, and which sound of a batch it calls long, from the global generator.
        np.random.seed(seed)
        said.append(clap.listen(sounds, 16000, batch_size=3))
    assert same(said[0], said[1]) and same(said[0], said[2])
    beginnings = [sound[:16000] for sound in sounds]
    assert torch.allclose(clap.listen(beginnings, 16000, 3)["features"], said[0]["features"], atol=0.02)
    # One at a time, no other sound can be called long in its place.
    assert torch.allclose(clap.listen(sounds, 16000, 1)["features"], said[0]["features"], atol=1e-5)


def test_clap_listens_at_its_own_rate(make_clap, sounds):
    model, processor = make_clap()
    clap = Clap(model, processor, "clap")
    said = clap.listen(sounds[:1], 16000, 1)["features"]
    heard = resample(sounds[0], 16000, 8000)[:8000]
    inputs = processor.feature_extractor(heard.numpy(), sampling_rate=8000, return_tensors="pt")
    with torch.no_grad():
        expected = model.get_audio_features(inputs.input_features.float()).pooler_output
    assert torch.allclose(said, expected, atol=1e-6)
    assert said.norm().item() == pytest.approx(1.0, abs=1e-5)


def test_clap_reads_captions_alike_in_any_company(make_clap):
    clap = Clap(*make_clap(), "clap")
    captions = ["a dog", "a dog barking far away", "rain"]
    together, alone = clap.read(captions, 3), clap.read(captions, 1)
    assert together.shape == (3, 8)
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.norm(dim=-1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_fingerprints_tell_networks_apart_and_outlast_saving(make_classifier, make_clap, tmp_path):
    for folder, parts, load in (("ast", make_classifier(), load_classifier), ("clap", make_clap(), load_clap)):
        for part in parts:
            part.save_pretrained(tmp_path / folder)
        loaded = load(str(tmp_path / folder), CPU)
        network = type(loaded)(*parts, "elsewhere")
        assert loaded.fingerprint() == network.fingerprint() and loaded.name != network.name
        before = network.fingerprint()
        with torch.no_grad():
            next(network.model.parameters()).flatten()[0] += 1e-3
        assert network.fingerprint() != before
    model, extractor = make_classifier()
    before = Classifier(model, extractor, "judge").fingerprint()
    extractor.mean += 0.5
    assert Classifier(model, extractor, "judge").fingerprint() != before


def test_outputs_that_are_not_finite_are_refused(make_classifier, sounds):
    model, extractor = make_classifier()
    classifier = Classifier(model, extractor, "judge")
    broken = [*sounds[:2], torch.full((16000,), torch.nan)]
    with pytest.raises(ValueError, match="features of 'judge' for sound 2 are not finite"):
        classifier.listen(broken, 16000, 2)


def test_head_is_read_from_the_configuration_or_named(make_classifier):
    heads = {"single_label_classification": "softmax", "multi_label_classification": "sigmoid"}
    for problem_type, head in heads.items():
        assert Classifier(*make_classifier(problem_type=problem_type), "judge").describe()["head"] == head
    unknown = make_classifier(problem_type=None)
    assert Classifier(*unknown, "judge", head="sigmoid").head == "sigmoid"
    with pytest.raises(ValueError, match="'judge' does not say .* `head`"):
        Classifier(*unknown, "judge")
    with pytest.raises(ValueError, match="got 'argmax'"):
        Classifier(*unknown, "judge", head="argmax")


def test_another_network_is_refused(make_clap, make_classifier, tmp_path):
    for part in make_clap():
        part.save_pretrained(tmp_path / "clap")
    with pytest.raises(ValueError, match="to be a ASTForAudioClassification .* got a 'clap' network"):
        load_classifier(str(tmp_path / "clap"), CPU)


def test_weights_that_are_missing_are_not_drawn(make_classifier, tmp_path):
    for part in make_classifier():
        part.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    del weights["classifier.dense.bias"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks weights .* classifier.dense.bias"):
        load_classifier(str(tmp_path), CPU)

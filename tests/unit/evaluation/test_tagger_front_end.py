# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import math

import numpy as np
import pytest

from audiolcm_diffusers.evaluation.tagger_front_end import TaggerConfig, read_labels, read_tagger_config


def test_silence_is_the_offset():
    patches = TaggerConfig().patches(np.zeros(16000, np.float32))
    assert patches.shape == (1, 96, 64) and patches.dtype == np.float32
    assert np.allclose(patches, math.log(0.001))


@pytest.mark.parametrize(
    # A patch is 95 hops of 160 samples and a window of 400; the next one begins 48 hops later.
    ("num_samples", "num_patches"),
    [(1, 1), (15600, 1), (15600 + 48 * 160 - 1, 1), (15600 + 48 * 160, 2), (15600 + 2 * 48 * 160, 3)],
)
def test_patches_overlap_by_half(num_samples, num_patches):
    patches = TaggerConfig().patches(np.random.default_rng(0).normal(size=num_samples))
    assert len(patches) == num_patches
    for one, following in zip(patches, patches[1:]):
        assert np.array_equal(one[48:], following[:48])


def test_bands_are_equally_spaced_in_mel():
    config = TaggerConfig()
    low, high = (1127 * math.log(1 + hertz / 700) for hertz in (125, 7500))
    times = np.arange(16000) / 16000
    for band in (10, 30, 60):
        # The middle of band k is the edge k + 1 of 66 between the lowest and the highest frequency.
        hertz = 700 * (math.exp((low + (high - low) * (band + 1) / 65) / 1127) - 1)
        patch = config.patches(0.5 * np.sin(2 * np.pi * hertz * times))[0]
        assert abs(int(patch.mean(axis=0).argmax()) - band) <= 1


def test_magnitudes_and_powers():
    # One band over all of Hz whose filter is 1 in its middle, 4 kHz, the bin 4 of 8: a cosine there of amplitude a has
    # a magnitude of a / 2 times the sum of the window, 8, and half of that, 2 a, in the bins beside, at 3/4 of it.
    config = {"num_mel_bins": 1, "min_frequency": 0.0, "max_frequency": 8000.0, "mel_scale": "htk"}
    config |= {"window_length": 16, "fft_length": 16, "hop_length": 16, "patch_frames": 1, "log_offset": 1e-9}
    waveform = 0.5 * np.cos(2 * np.pi * 4000 * np.arange(16) / 16000)
    for power in (1.0, 2.0):
        quiet, loud = (TaggerConfig(power=power, **config).patches(gain * waveform).item() for gain in (1.0, math.e))
        assert loud - quiet == pytest.approx(power, abs=1e-5)


def test_integers_in_and_out():
    config = TaggerConfig(input_scale=0.05, input_zero_point=144.0, output_scale=0.5, output_zero_point=2.0)
    values = np.array([0.0, 1.0, -6.9, -60.0, 60.0], np.float32)
    # 144; 144 + 20; 144 - 138; and what lies outside.
    assert config.quantised(values, np.dtype("uint8")).tolist() == [144, 164, 6, 0, 255]
    assert config.probabilities(np.array([2, 3], np.uint8)).tolist() == [0.0, 0.5]
    logits = TaggerConfig(output_scale=math.log(3), output_zero_point=2.0, outputs="logits")
    assert logits.probabilities(np.array([1, 2, 3], np.uint8)) == pytest.approx([0.25, 0.5, 0.75])
    assert TaggerConfig().quantised(values, np.dtype("float32")).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"hops": 3}, "to be an object of model, labels, .*; got \\['hops'\\]"),
        ([1], "to be an object of .*; got \\[1\\]"),
        ({"hop_length": 0}, "hop_length of a tagger from 1, got 0"),
        ({"hop_length": 1.5}, "hop_length of a tagger to be a whole number, got 1.5"),
        ({"patch_frames": True}, "patch_frames of a tagger to be a whole number, got True"),
        ({"log_offset": "small"}, "log_offset of a tagger to be a number, got 'small'"),
        ({"log_offset": 0}, "log_offset of a tagger to be positive, got 0"),
        ({"triangles_in_mel": 1}, "triangles_in_mel of a tagger to be true or false, got 1"),
        ({"labels": None}, "labels of a tagger to be a text, got None"),
        ({"fft_length": 256}, "at least its window_length, 400, got 256"),
        ({"max_frequency": 9000}, "max_frequency <= 8000 of a tagger, got 125 and 9000"),
        ({"outputs": "softmax"}, "outputs of a tagger among probabilities, logits, got 'softmax'"),
        ({"mel_scale": "bark"}, "mel_scale of a tagger among kaldi, htk, slaney, got 'bark'"),
    ],
)
def test_descriptions_that_make_no_sense(values, told, tmp_path):
    path = tmp_path / "tagger.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=told):
        read_tagger_config(path)


def test_a_description_is_read(tmp_path):
    path = tmp_path / "tagger.json"
    path.write_text('{"outputs": "logits", "input_scale": 0.05, "input_zero_point": 144}')
    assert read_tagger_config(path) == TaggerConfig(outputs="logits", input_scale=0.05, input_zero_point=144)
    with pytest.raises(ValueError, match="nowhere.json' cannot be read"):
        read_tagger_config(tmp_path / "nowhere.json")


def test_labels_in_three_forms(tmp_path):
    labels = ["Bee, wasp, etc.", "Rain"]
    (tmp_path / "a.csv").write_text('index,mid,display_name\n0,/m/1,"Bee, wasp, etc."\n1,/m/2,Rain\n')
    (tmp_path / "a.json").write_text(json.dumps(labels))
    (tmp_path / "a.txt").write_text("\n".join(labels) + "\n")
    for path in tmp_path.iterdir():
        assert read_labels(path) == labels
    (tmp_path / "b.csv").write_text("index,name\n0,Rain\n")
    with pytest.raises(ValueError, match="b.csv' have no column 'display_name'"):
        read_labels(tmp_path / "b.csv")
    (tmp_path / "b.json").write_text("[1]")
    with pytest.raises(ValueError, match="to be a list of names"):
        read_labels(tmp_path / "b.json")
    with pytest.raises(ValueError, match="c.txt' cannot be read"):
        read_labels(tmp_path / "c.txt")

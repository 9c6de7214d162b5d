# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import soundfile
import torch

from audiolcm_diffusers.commands import main
from audiolcm_diffusers.data.captioned_audio import unit
from audiolcm_diffusers.evaluation import load_tagger
from audiolcm_diffusers.evaluation.tagger import Tagger, without_quiet_end
from audiolcm_diffusers.evaluation.tagger_front_end import read_tagger_config


def test_probabilities_are_means_over_patches(make_tagger, band_config, tones):
    tagger = make_tagger()
    sounds = [unit(clip.waveform) for clip in tones(["a low tone", "a high tone"])]
    heard = tagger.listen(sounds, 16000, 1)["probabilities"]
    assert heard.shape == (2, 12)
    for row, sound in zip(heard, sounds):
        patches = torch.from_numpy(band_config.patches(without_quiet_end(sound).numpy()))
        assert len(patches) > 1
        assert torch.allclose(row, patches.mean(dim=1).sigmoid().mean(dim=0))
    assert tagger.are_named({"probabilities": heard}, ["a low tone", "a high tone"]) == [True, True]
    assert tagger.are_named({"probabilities": heard}, ["a high tone", "a low tone"]) == [False, False]
    assert tagger.are_named({"probabilities": heard}, [None, "a high tone"]) == [False, True]


def test_silence_that_follows_is_not_heard(make_tagger, tones):
    tagger = make_tagger()
    sound = unit(tones(["a low tone"])[0].waveform)
    followed = torch.cat([sound, 1e-4 * torch.ones(16000)])
    (one, other) = (tagger.listen([heard], 16000, 1)["probabilities"] for heard in (sound, followed))
    assert torch.equal(one, other)
    assert without_quiet_end(torch.zeros(100)).shape == (1,)
    assert without_quiet_end(torch.tensor([0.0, 0.5, 0.0005, -0.2, 0.001, 0.0])).shape == (4,)


def test_a_protocol_says_which_tagger_it_was(make_tagger):
    one, other = make_tagger(), make_tagger({"noise": ["band 11"]})
    assert one.fingerprint() == other.fingerprint() and one.describe()["class_map"] != other.describe()["class_map"]
    assert one.describe()["num_labels"] == 12
    config = replace(one.config, log_offset=0.01)
    assert Tagger(one.session, config, one.labels, one.class_map).fingerprint() != one.fingerprint()


def test_what_does_not_fit_is_refused(make_tagger, band_config):
    tagger = make_tagger()
    with pytest.raises(ValueError, match="none called 'Rain', 'Wind'"):
        make_tagger({"a": ["Wind", "band 1"], "b": ["Rain"]})
    more = Tagger(tagger.session, band_config, [*tagger.labels, "band 12"], tagger.class_map)
    with pytest.raises(ValueError, match="for its 13 labels, got 12"):
        more.listen([torch.zeros(9)], 16000, 1)

    def with_input(kind="tensor(float)", shape=(1, 12, 12), **changes):
        session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="patch", type=kind, shape=list(shape))])
        return Tagger(session, replace(band_config, **changes), tagger.labels, tagger.class_map, "ear")

    with_input(shape=(1, 1, "frames", 12))
    for wrong in ({"kind": "tensor(int64)"}, {"shape": (1, 16000)}, {"shape": (1, 64, 96)}):
        with pytest.raises(
            ValueError, match=r"'ear' to have one input .* of shape \(1, 12, 12\), or \(1, 1, 12, 12\)"
        ):
            with_input(**wrong)
    with pytest.raises(ValueError, match="input_scale of 'ear' exactly where it takes integers; it takes uint8"):
        with_input(kind="tensor(uint8)")
    with pytest.raises(ValueError, match="it takes float32, and input_scale is 0.5"):
        with_input(input_scale=0.5)


@pytest.fixture
def folder(write_tagger, band_config, tmp_path):
    """A tagger's folder, with all that describes it."""
    write_tagger(tmp_path / "bands.onnx", 12, 12)
    (tmp_path / "bands.txt").write_text("\n".join(f"band {band}" for band in range(12)))
    config = asdict(replace(band_config, input_scale=0.125, input_zero_point=128.0))
    (tmp_path / "tagger.json").write_text(json.dumps(config))
    (tmp_path / "class_map.json").write_text('{"noise": ["band 11"]}')
    return tmp_path


def test_a_folder_is_loaded(folder, make_tagger, tones):
    pytest.importorskip("onnxruntime", reason="taggers run in onnxruntime")
    tagger, own = load_tagger(folder), make_tagger()
    sounds = [unit(clip.waveform) for clip in tones(["a low tone", "noise"])]
    heard, expected = (one.listen(sounds, 16000, 1)["probabilities"] for one in (tagger, own))
    # Steps of an eighth: a mean of rounded logits is off by less than half a step, and a sigmoid's slope is 1/4.
    assert float((heard - expected).abs().max()) < 0.0625 / 4
    assert not torch.equal(heard, expected)
    by_file = load_tagger(str(folder / "bands.onnx"), {"a": ["band 1"]}, str(folder / "tagger.json"))
    assert by_file.fingerprint() == tagger.fingerprint() and by_file.classes == ["a"]
    config = replace(tagger.config, log_offset=0.1)
    assert load_tagger(folder, config=config).fingerprint() != tagger.fingerprint()
    # Weights beside the network count where it names their file.
    (folder / "other.bin").write_bytes(b"0")
    assert load_tagger(folder).fingerprint() == tagger.fingerprint()
    (folder / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="broken.onnx' cannot be loaded"):
        load_tagger(folder / "broken.onnx")


def test_commands_hear_with_it(folder, pipe, make_classifier, tones, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="taggers run in onnxruntime")
    for part in make_classifier():
        part.save_pretrained(tmp_path / "classifier")
    pipe.save_pretrained(tmp_path / "model")
    (tmp_path / "data").mkdir()
    lines = ["file_name,caption,sound_class"]
    for clip in tones(["noise", "noise", "a low tone", "a low tone"]):
        soundfile.write(tmp_path / "data" / clip.name, clip.waveform.numpy(), 16000)
        lines.append(f"{clip.name},{clip.caption},")
    (tmp_path / "data" / "metadata.csv").write_text("\n".join(lines))
    (tmp_path / "prompts.json").write_text('[{"prompt": "a hiss", "sound_class": "noise"}]')
    shared = ["--tagger", str(folder), "--model", str(tmp_path / "model"), "--device", "cpu", "--steps", "1", "--json"]
    shared += ["--num-resamples", "5", "--output"]
    data = ["--dataset", str(tmp_path / "data")]
    capsys.readouterr()

    def printed(*words):
        assert main(list(words)) == 0
        return json.loads(capsys.readouterr().out)

    results = printed("evaluate", *data, *shared, str(tmp_path / "one"))
    assert results["rows"][0]["metrics"]["named"]["value"] == 1.0
    assert (tmp_path / "one" / "features").is_dir()
    results = printed("evaluate", "--prompts", str(tmp_path / "prompts.json"), *data, *shared, str(tmp_path / "two"))
    assert results["rows"][0]["metrics"]["named"]["num_clips"] == 2
    words = [*data, *shared, str(tmp_path / "three"), "--classifier", str(tmp_path / "classifier"), "--takes", "2"]
    results = printed("inspect", *words, "--durations", "0.2")
    assert results["sections"]["lengths"]["durations"]["0.2"]["named_real"]["num_prompts"] == 1
    assert main(["inspect", *data, *words[4:-2], "--class-map", "c.json", "--output", str(tmp_path / "four")]) == 2
    assert "--class-map belongs to --tagger" in capsys.readouterr().err


def test_a_folder_that_lacks_something_is_refused(folder, monkeypatch):
    (folder / "more.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match="an .onnx file or a folder with one, got .*: bands.onnx, more.onnx"):
        load_tagger(folder)
    (folder / "more.onnx").unlink()
    config = read_tagger_config(folder / "tagger.json")
    with pytest.raises(ValueError, match="labels of a tagger .*nowhere.txt' cannot be read"):
        load_tagger(folder, config=replace(config, labels="nowhere.txt"))
    with pytest.raises(ValueError, match="got .*: no other.onnx"):
        load_tagger(folder, config=replace(config, model="other.onnx"))
    (folder / "class_map.json").unlink()
    with pytest.raises(ValueError, match="The class map .*class_map.json' cannot be read"):
        load_tagger(folder)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="A tagger needs onnxruntime: `pip install onnxruntime`"):
        load_tagger(folder, {"noise": ["band 11"]})

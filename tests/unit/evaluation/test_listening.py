# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import torch
from safetensors.torch import load_file, save_file

from audiolcm_diffusers.evaluation.judge import Judge


CAPTIONS = ["dog", "rain"] * 3


def test_features_are_kept_and_used(make_judge, sounds, tmp_path):
    said = make_judge(clap=False).listen(sounds)
    (file,) = (tmp_path / "cache").iterdir()
    # What is found is used, whatever it is; only the name tells.
    save_file({name: value + 1.0 for name, value in load_file(file).items()}, file)
    again = make_judge(clap=False).listen(sounds)
    assert torch.equal(again["classifier"]["logits"], said["classifier"]["logits"] + 1.0)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [file.name]


def test_stale_features_are_never_used(make_judge, sounds, tmp_path):
    def num_files():
        return len(list((tmp_path / "cache").iterdir()))

    make_judge(clap=False).listen(sounds)
    assert num_files() == 1
    changed = make_judge(clap=False)
    with torch.no_grad():
        changed.networks["classifier"].model.classifier.dense.bias += 1.0
    judge = Judge(changed.networks["classifier"], None, changed.cache)
    judge.listen(sounds)
    assert num_files() == 2
    # One sample, the order, and a cut elsewhere.
    judge.listen([sounds[0] + (torch.arange(4800) == 9).to(torch.int16), *sounds[1:]])
    judge.listen(sounds[::-1])
    assert num_files() == 4
    joined = torch.cat(sounds)
    judge.listen([joined[:4000], *joined[4000:].split(4960)])
    assert num_files() == 5


def test_damaged_features_are_made_again(make_judge, sounds, tmp_path):
    said = make_judge(clap=False).listen(sounds)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    again = make_judge(clap=False).listen(sounds)
    assert torch.equal(again["classifier"]["features"], said["classifier"]["features"])


def test_captions_are_kept_apart_from_sounds(make_judge, tmp_path):
    judge = make_judge(classifier=False)
    embeds = judge.read(CAPTIONS)
    assert torch.equal(judge.read(CAPTIONS), embeds)
    assert not torch.equal(judge.read(CAPTIONS[::-1]), embeds)
    assert make_judge(clap=False).read(CAPTIONS) is None


def test_without_a_folder_nothing_is_kept(make_judge, sounds, tmp_path):
    kept = make_judge(clap=False)
    judge = Judge(kept.networks["classifier"], None)
    assert torch.equal(judge.listen(sounds)["classifier"]["logits"], kept.listen(sounds)["classifier"]["logits"])
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1

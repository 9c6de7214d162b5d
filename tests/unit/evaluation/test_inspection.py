# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`inspect`, called as a Python user would."""

import pytest

from audiolcm_diffusers.data.captioned_audio import unit
from audiolcm_diffusers.evaluation import InspectionResults, References, inspect
from audiolcm_diffusers.evaluation.diversity import mean_pairwise_distance


CAPTIONS = ["a low tone", "noise", "a low tone", "noise", "a dog"]
QUICK = {"takes": 2, "durations": [0.2], "num_resamples": 5}


def test_all_sections(pipe, make_pipeline, tones, classifier, tmp_path, capsys):
    clips, told = tones(CAPTIONS), []
    results = inspect(
        pipe,
        clips,
        classifier,
        teacher=make_pipeline(),
        teacher_steps=3,
        training=tones(["a low tone", "noise"], first=10),
        paraphrases={"noise": ["a hiss", "static"]},
        model_name="mine",
        progress=told.append,
        **QUICK,
    )
    assert capsys.readouterr().out == "" and told[0] == "6 sounds of the model"
    assert list(results.sections) == ["diversity", "neighbours", "lengths", "paraphrases"]
    assert results.data["left_out"] == {}
    generation = results.data["generation"]
    assert (generation["model"]["model"], generation["teacher"]["num_inference_steps"]) == ("mine", 3)
    # Clips 0 and 2 are of one caption.
    real = classifier.listen([unit(clips[index].waveform) for index in (0, 2)], 16000, 8)["features"]
    of_prompt = results.sections["diversity"]["prompts"]["a low tone"]
    assert of_prompt["real clips"] == pytest.approx(mean_pairwise_distance(real))
    assert results.protocol["training"]["num_clips"] == 2

    assert str(results).startswith("## Diversity") and "- model: mine, steps 2" in str(results)
    results.save(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", "report.md"}
    assert (tmp_path / "out" / "report.md").read_text() == f"{results}\n"
    again = InspectionResults.load(tmp_path / "out")
    assert again.data == results.data
    with pytest.raises(ValueError, match="`folder` holds results already"):
        results.save(tmp_path / "out")
    results.save(tmp_path / "out", overwrite=True)


def test_an_outside_ear_names_sounds(pipe, tones, classifier, make_tagger):
    clips = References(tones(CAPTIONS), sound_classes=["", "", "", "", "noise"])
    results = inspect(pipe, clips, classifier, tagger=make_tagger(), paraphrases={"a high tone": ["a beep"]}, **QUICK)
    # The classifier knows no high tone, and a dog is called noise.
    lengths = results.sections["lengths"]["durations"]["0.2"]
    assert lengths["named_real"]["num_prompts"] == 3
    assert results.sections["paraphrases"]["captions"].keys() == {"a high tone"}
    assert results.protocol["networks"].keys() == {"classifier", "tagger"}
    assert "named as asked, by the tagger" in str(results) and "takes that the tagger names" in str(results)
    assert not any("cannot be named" in note for note in results.data["notes"])
    with pytest.raises(ValueError, match="classes of 'bands', a low tone, a high tone, noise; got 'x'"):
        inspect(pipe, clips, classifier, tagger=make_tagger(), paraphrases={"x": ["y"]})


def test_inspections_are_compared_with_those_of_their_protocol_alone(pipe, tones, classifier):
    one, other, seeded = (inspect(pipe, tones(CAPTIONS), classifier, seed=seed, **QUICK) for seed in (0, 0, 1))
    compared = one.compare(other)
    assert compared.rows["diversity"]["rows.model.all prompts.value"] == (
        one.sections["diversity"]["rows"]["model"]["all prompts"]["value"],
        other.sections["diversity"]["rows"]["model"]["all prompts"]["value"],
    )
    assert any(line.startswith("| lengths | durations.0.2.clipped | ") for line in str(compared).splitlines())
    with pytest.raises(ValueError, match="bootstrap.seed is 0 and 1; seed is 0 and 1"):
        one.compare(seeded)


def test_what_makes_no_sense_is_refused(pipe, tones, classifier, monkeypatch):
    from audiolcm_diffusers.evaluation import takes

    monkeypatch.setattr(takes, "make_sounds", None)
    clips = tones(CAPTIONS)
    with pytest.raises(ValueError, match="all 2 captions of `clips` are different"):
        inspect(pipe, clips[:2], classifier)
    with pytest.raises(ValueError, match="`clips` that are not in `training`, got 1 of 5 that are in both: 0.wav"):
        inspect(pipe, clips, classifier, training=References(clips[:1]))
    with pytest.raises(ValueError, match="`paraphrases` of classes of 'judge', .*; got 'a dog'"):
        inspect(pipe, clips, classifier, paraphrases={"a dog": ["a puppy"]})
    with pytest.raises(ValueError, match="Expected `paraphrases` .* got \"a hiss\" for 'noise'"):
        inspect(pipe, clips, classifier, paraphrases={"noise": "a hiss"})
    with pytest.raises(ValueError, match="at most 3600 s"):
        inspect(pipe, clips, classifier, durations=[3601.0])
    with pytest.raises(TypeError, match="steps"):
        inspect(pipe, clips, classifier, steps=2)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`evaluate`, called as a Python user would."""

import json

import pytest
import soundfile
import torch
from diffusers import DDIMScheduler
from PIL import Image

from audiolcm_diffusers.commands import main
from audiolcm_diffusers.data.captioned_audio import unit
from audiolcm_diffusers.evaluation import (
    EvaluationOptions,
    EvaluationResults,
    MadeBefore,
    References,
    evaluate,
    evaluation,
    load_classifier,
    read_references,
)
from audiolcm_diffusers.evaluation import results as results_module
from audiolcm_diffusers.evaluation.diversity import mean_pairwise_distance
from audiolcm_diffusers.evaluation.kernel_distance import kernel_audio_distance
from audiolcm_diffusers.evaluation.networks import Clap


CAPTIONS = ["a low tone", "a high tone", "noise", "a low tone", "a high tone", "noise"]
QUICK = {"num_inference_steps": 1, "num_resamples": 5}


@pytest.fixture
def no_sounds(monkeypatch):
    def make_sounds(*args, **kwargs):
        raise AssertionError("a sound was made")

    monkeypatch.setattr(evaluation, "make_sounds", make_sounds)


def test_a_table_of_everything(
    pipe, make_pipeline, make_llama_transformer, tones, classifier, make_clap, tmp_path, capsys
):
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    teacher = make_pipeline(transformer=transformer, scheduler=DDIMScheduler())
    told = []
    results = evaluate(
        pipe,
        tones(CAPTIONS),
        classifier,
        Clap(*make_clap(), "clap"),
        teacher=teacher,
        num_inference_steps=[1, 2],
        teacher_steps=3,
        allow_singular=True,
        num_resamples=5,
        cache_dir=tmp_path / "features",
        progress=told.append,
    )
    assert capsys.readouterr().out == ""
    controls = ["real against real", "reconstruction", "shuffled captions", "white noise", "silence"]
    made = ["model, 1 step, scale 5", "model, 2 steps, scale 5", "teacher, 3 steps, scale 5"]
    assert list(results.metrics) == told == controls + made
    for name in made:
        assert list(results.metrics[name]) == ["fad", "kad", "kl", "is", "clap", "acc", "diversity"]
    assert results.metrics["silence"]["diversity"] == {"value": 0.0, "low": 0.0, "high": 0.0, "num_prompts": 3}
    assert results.metrics["real against real"]["kad"]["num_clips"] == 3
    assert results.metrics["silence"]["kad"]["value"] > results.metrics["real against real"]["kad"]["value"]
    assert results.protocol["metrics"]["kad"] == {
        "features": "classifier",
        "estimator": "unbiased MMD^2",
        "kernel": "gaussian",
        "bandwidth": "median distance of the references",
        "scale": 100.0,
    }
    assert results.data["rows"][-1]["generation"]["model"] == "AudioLCMPipeline"
    assert "clips in memory" in str(results) and "| KAD ↓ |" in str(results).splitlines()[0]
    assert any((tmp_path / "features").iterdir())

    results.save(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", "table.md", "steps.png"}
    assert (tmp_path / "out" / "table.md").read_text() == f"{results}\n"
    with Image.open(tmp_path / "out" / "steps.png") as picture:
        picture.verify()
    again = EvaluationResults.load(tmp_path / "out")
    assert again.data == results.data and str(again) == str(results)
    with pytest.raises(ValueError, match="`folder` holds results already, .*results.json"):
        results.save(tmp_path / "out")
    results.save(tmp_path / "out", overwrite=True, plot=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", "table.md"}


@pytest.mark.parametrize("killed_at", ["table.md", "steps.png", "results.json"])
def test_what_a_killed_process_left_is_no_result(killed_at, pipe, tones, classifier, tmp_path, monkeypatch):
    results = evaluate(pipe, tones(CAPTIONS), classifier, metrics=["kad"], keep_sounds=True, **QUICK)
    with monkeypatch.context() as patched:

        def write(path, *args):
            if path.name == killed_at:
                raise KeyboardInterrupt

        patched.setattr(results_module, "_write", write)
        patched.setattr(results_module, "plot_steps", write)
        with pytest.raises(KeyboardInterrupt):
            results.save(tmp_path / "out")
    results.save(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", "table.md", "steps.png", "audio"}
    # Somebody's own files of these names, on the other hand, are kept.
    (tmp_path / "own").mkdir()
    (tmp_path / "own/table.md").touch()
    with pytest.raises(ValueError, match="holds results already, .*own/table.md"):
        results.save(tmp_path / "own")


def test_kad_and_diversity_are_of_the_classifiers_features(pipe, tones, classifier):
    clips = tones(CAPTIONS)
    results = evaluate(pipe, clips, classifier, metrics=["kad", "diversity"], keep_sounds=True, **QUICK)
    name = "model, 1 step, scale 5"
    assert list(results.sounds) == [name] and results.captions == CAPTIONS

    def features(sounds):
        return classifier.listen([unit(sound) for sound in sounds], 16000, 8)["features"]

    real, made = features([clip.waveform for clip in clips]), features(results.sounds[name])
    metrics = results.metrics[name]
    assert metrics["kad"]["value"] == pytest.approx(kernel_audio_distance(real, made))
    # Sounds 0 and 3 are of one caption, as are 1 and 4, and 2 and 5.
    for row, of in ((name, made), ("real against real", real)):
        expected = sum(mean_pairwise_distance(of[[first, first + 3]]) for first in range(3)) / 3
        assert results.metrics[row]["diversity"]["value"] == pytest.approx(expected)
    assert "diversity" not in results.metrics["shuffled captions"]


def test_takes_are_for_diversity_alone(pipe, tones, classifier):
    clips = tones(["a low tone", "a high tone", "noise", "noise", "another tone"])
    options = {"metrics": ["kl", "diversity"], **QUICK}
    once, twice = (evaluate(pipe, clips, classifier, takes=takes, **options) for takes in (1, 2))
    name = "model, 1 step, scale 5"
    assert once.metrics[name]["kl"] == twice.metrics[name]["kl"]
    assert once.metrics[name]["diversity"]["num_prompts"] == 1
    assert twice.metrics[name]["diversity"]["num_prompts"] == 4
    # Real clips are those that there are.
    assert twice.metrics["real against real"]["diversity"] == once.metrics["real against real"]["diversity"]
    assert "real against real: diversity over the 1 captions that occur twice or more." in twice.data["notes"]
    with pytest.raises(ValueError, match="metrics.diversity.takes is 1 and 2"):
        once.compare(twice)


def test_captions_that_occur_once(pipe, tones, classifier):
    clips = tones(["a low tone", "a high tone", "noise", "another tone"])
    results = evaluate(pipe, clips, classifier, metrics=["kad", "diversity"], takes=2, **QUICK)
    assert results.metrics["model, 1 step, scale 5"]["diversity"]["num_prompts"] == 4
    assert "diversity" not in results.metrics["real against real"]
    assert "real against real: no diversity, as no caption occurs twice." in results.data["notes"]
    results = evaluate(pipe, clips, classifier, allow_singular=True, **QUICK)
    assert results.data["left_out"]["diversity"] == "no caption occurs twice, and one take of each is made"
    with pytest.raises(ValueError, match="diversity needs several sounds .* `takes` of at least 2"):
        evaluate(pipe, clips, classifier, metrics=["diversity"], **QUICK)


def test_an_outside_ear_and_tempos_stand_beside_the_classifier(pipe, tones, classifier, make_tagger, tmp_path):
    # Two clips are of a class that the map does not have, and one of a class that its caption does not say.
    classes = ["", "", "", "a whale", "noise", "a whale"]
    clips = References(tones(CAPTIONS), "tones", sound_classes=classes, tempos_bpm=[None, 90.0, *[None] * 4])
    results = evaluate(pipe, clips, classifier, tagger=make_tagger(), allow_singular=True, **QUICK)
    assert list(results.protocol["metrics"]) == ["fad", "kad", "kl", "is", "acc", "named", "tempo", "diversity"]
    assert results.protocol["networks"].keys() == {"classifier", "tagger"}
    named = results.metrics["real against real"]["named"]
    # Of a low tone, a high one, noise and a high one that is called noise, three are named.
    assert (named["value"], named["num_clips"]) == (0.75, 4) and named["low"] <= 0.75 <= named["high"]
    assert results.data["rows"][0]["classes"] == {
        "a high tone": {"named": {"share": 1.0, "num_sounds": 1}, "tempo": {"share": 0.0, "num_sounds": 1}},
        "a low tone": {"named": {"share": 1.0, "num_sounds": 1}},
        "noise": {"named": {"share": 0.5, "num_sounds": 2}},
    }
    assert "named" in results.metrics["shuffled captions"]
    assert "named: 2 of 6 clips have a class that is not in the class map, and are left out." in results.data["notes"]
    assert "tempo: 5 of 6 clips have no tempo, and are left out." in results.data["notes"]
    assert "| noise | 0.50 (2) | " in str(results) and "tagger: bands (Tagger, 12 labels" in str(results)
    results.save(tmp_path / "out")
    # An ear alone says nothing else.
    alone = evaluate(pipe, tones(CAPTIONS), tagger=make_tagger(), controls=False, **QUICK)
    assert list(alone.protocol["metrics"]) == ["named"] and alone.data["left_out"]["fad"] == "no --classifier"
    assert alone.data["left_out"]["tempo"] == "no tempo_bpm"
    with pytest.raises(ValueError, match="named needs sounds whose class is in the class map"):
        evaluate(pipe, tones(CAPTIONS), tagger=make_tagger({"a whale": ["band 1"]}), metrics=["named"], **QUICK)


def test_what_is_asked_for_is_read_from_columns(tones, tmp_path):
    columns = [["sound_class", "tempo_bpm"], ["rain", ""], ["", "90"], ["rain", "120.5"]]
    rows = [["file_name", "caption"]]
    for clip in tones(CAPTIONS[:3]):
        soundfile.write(tmp_path / clip.name, clip.waveform.numpy(), 16000)
        rows.append([clip.name, clip.caption])
    metadata = tmp_path / "metadata.csv"
    metadata.write_text("\n".join(",".join(row + further) for row, further in zip(rows, columns)))
    references = read_references(tmp_path)
    assert references.sound_classes == ["rain", "", "rain"] and references.tempos_bpm == [None, 90.0, 120.5]
    drawn = references.draw(2, seed=0)
    kept = [references.captions.index(caption) for caption in drawn.captions]
    assert drawn.sound_classes == [references.sound_classes[index] for index in kept]
    metadata.write_text("\n".join(",".join([*row, tempo]) for row, tempo in zip(rows, ["tempo_bpm", "", "", "x"])))
    with pytest.raises(ValueError, match="to be beats a minute, got 'x'"):
        read_references(tmp_path)


def test_results_are_compared_with_those_of_their_protocol_alone(pipe, make_pipeline, tones, classifier):
    clips = tones(CAPTIONS)
    options = {"metrics": ["kad", "kl"], "controls": False, **QUICK}
    one = evaluate(pipe, clips, classifier, **options)
    other = evaluate(make_pipeline(default_audio_length_in_s=0.3), clips, classifier, **options)
    assert list(one.metrics) == ["model, 1 step, scale 5"]
    compared = one.compare(other, names=("mine", "yours"))
    assert compared.rows["model, 1 step, scale 5"].keys() == {"kad", "kl"}
    assert str(compared).splitlines()[0] == "| | metric | mine | yours |"
    seeded = evaluate(pipe, clips, classifier, seed=1, **options)
    with pytest.raises(ValueError, match="bootstrap.seed is 0 and 1; seed is 0 and 1"):
        one.compare(seeded)
    with pytest.raises(ValueError, match="metrics.kad.bandwidth is .* and None"):
        one.compare(evaluate(pipe, clips, classifier, **{**options, "metrics": ["kl"]}))


def test_sounds_that_were_kept_are_judged_again(pipe, tones, classifier, tmp_path):
    clips = tones(CAPTIONS)
    options = {"metrics": ["kad", "kl", "diversity"], "num_resamples": 5}
    results = evaluate(pipe, clips, classifier, num_inference_steps=1, keep_sounds=True, **options)
    results.save(tmp_path / "out", plot=False)
    folder = tmp_path / "out" / "audio" / "model-1-step-scale-5"
    assert len(list(folder.glob("*.wav"))) == 6 and soundfile.info(folder / "00002-noise.wav").frames == 4800
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    sounds = [unit(sound) for sound in results.sounds["model, 1 step, scale 5"]]
    for generated in (folder, str(folder), MadeBefore(sounds)):
        again = evaluate(None, clips, classifier, generated=generated, audio_length_in_s=0.3, **options)
        for metric, estimate in again.metrics["generated"].items():
            expected = results.metrics["model, 1 step, scale 5"][metric]["value"]
            assert estimate["value"] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert "reconstruction" not in again.metrics
    with pytest.raises(ValueError, match="no steps to draw"):
        again.plot(tmp_path / "steps.png")


def test_the_command_says_the_same(pipe, tones, make_classifier, tmp_path, capsys):
    for part in make_classifier():
        part.save_pretrained(tmp_path / "classifier")
    pipe.save_pretrained(tmp_path / "model")
    (tmp_path / "data").mkdir()
    lines = ["file_name,caption"]
    for clip in tones(CAPTIONS):
        soundfile.write(tmp_path / "data" / clip.name, clip.waveform.numpy(), 16000)
        lines.append(f"{clip.name},{clip.caption}")
    (tmp_path / "data" / "metadata.csv").write_text("\n".join(lines))
    words = [
        "--dataset",
        str(tmp_path / "data"),
        "--num-clips",
        "5",
        "--model",
        str(tmp_path / "model"),
        "--takes",
        "2",
    ]
    words += ["--classifier", str(tmp_path / "classifier"), "--output", str(tmp_path / "out"), "--device", "cpu"]
    capsys.readouterr()
    assert main(["evaluate", *words, "--steps", "1", "--allow-singular", "--num-resamples", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    clips = read_references(tmp_path / "data").draw(5)
    network = load_classifier(str(tmp_path / "classifier"))
    results = evaluate(pipe, clips, network, takes=2, allow_singular=True, **QUICK)
    assert {row["name"]: row["metrics"] for row in printed["rows"]} == results.metrics
    assert printed["protocol"] == results.protocol and printed["notes"] == results.data["notes"]
    assert EvaluationResults.load(tmp_path / "out").compare(results).rows.keys() == results.metrics.keys()


def test_what_cannot_be_judged_is_refused_before_a_sound_is_made(no_sounds, pipe, tones, classifier):
    clips = tones(CAPTIONS)
    with pytest.raises(ValueError, match="either `pipe`, .* or `generated`"):
        evaluate(None, clips, classifier)
    with pytest.raises(ValueError, match="either `pipe`, .* or `generated`"):
        evaluate(pipe, clips, classifier, generated=MadeBefore([]))
    made = MadeBefore([unit(clip.waveform) for clip in clips])
    with pytest.raises(ValueError, match="Expected `audio_length_in_s` with `generated`"):
        evaluate(None, clips, classifier, generated=made)
    with pytest.raises(ValueError, match="Expected 6 sounds, one a clip, got 5"):
        evaluate(None, clips, classifier, generated=MadeBefore(made.waveforms[:5]), audio_length_in_s=0.3)
    with pytest.raises(ValueError, match="they take no `takes`, got 2"):
        evaluate(None, clips, classifier, generated=made, audio_length_in_s=0.3, takes=2, allow_singular=True)
    with pytest.raises(ValueError, match="Expected a network to judge by: `classifier`"):
        evaluate(pipe, clips)
    with pytest.raises(ValueError, match="at least 34 clips, .* got 6. `allow_singular`"):
        evaluate(pipe, clips, classifier)
    with pytest.raises(ValueError, match="got 51"):
        evaluate(pipe, clips, classifier, metrics=["kl"], num_inference_steps=[1, 51])
    with pytest.raises(ValueError, match="'clips in memory' has none"):
        evaluate(pipe, [], classifier)
    with pytest.raises(TypeError, match="num_steps"):
        evaluate(pipe, clips, classifier, num_steps=2)
    # A kernel as wide as the distance of clips that are all the same tells nothing apart.
    with pytest.raises(ValueError, match="whose features differ, got a median distance of 0"):
        evaluate(pipe, [clips[0]] * 4, classifier, metrics=["kad"])


def test_options_of_one_object_are_changed_one_by_one(pipe, tones, classifier):
    options = EvaluationOptions(metrics=["kl"], controls=False, num_resamples=5, seed=3)
    results = evaluate(pipe, tones(CAPTIONS), classifier, options=options, num_inference_steps=(2,))
    assert list(results.metrics) == ["model, 2 steps, scale 5"]
    assert results.protocol["seed"] == 3 and list(results.protocol["metrics"]) == ["kl"]


def test_without_a_scale_both_are_judged_at_the_models(pipe, make_pipeline, make_llama_transformer, tones, classifier):
    pipe.register_to_config(default_guidance_scale=2.5)
    teacher = make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler())
    options = EvaluationOptions(
        metrics=["kl"], controls=False, num_resamples=5, num_inference_steps=1, teacher_steps=2
    )
    results = evaluate(pipe, tones(CAPTIONS), classifier, options=options, teacher=teacher)
    assert list(results.metrics) == ["model, 1 step, scale 2.5", "teacher, 2 steps, scale 2.5"]
    results = evaluate(pipe, tones(CAPTIONS), classifier, options=options, guidance_scales=4)
    assert list(results.metrics) == ["model, 1 step, scale 4"]


def test_references_know_their_rates(tones):
    references = References(tones(CAPTIONS), "tones", [16000, 44100, 8000, 16000, 16000, 16000])
    drawn = references.draw(3, seed=1)
    assert [clip.caption for clip in drawn.clips] == drawn.captions and len(drawn.sampling_rates) == 3
    assert references.draw(None) == references
    assert references.describe(4000)["sampling_rates"] == {"8000": 1, "16000": 4, "44100": 1}
    assert (references.describe(4000)["num_cropped"], references.describe(5000)["num_padded"]) == (6, 6)
    with pytest.raises(ValueError, match="`num_clips` between 1 and the 6 clips that there are, got 7"):
        references.draw(7)
    with pytest.raises(ValueError, match="each of the 6 clips, got 1"):
        References(tones(CAPTIONS), "tones", [16000])


def test_sounds_of_one_clip_do_not_depend_on_further_takes(pipe, tones, classifier):
    # What is made of a clip has a seed of its own, whatever is made beside it.
    clips = tones(CAPTIONS[:4])
    options = {"metrics": ["diversity"], "controls": False, "keep_sounds": True, **QUICK}
    one, other = (evaluate(pipe, clips, classifier, takes=takes, **options) for takes in (2, 3))
    for a, b in zip(*(results.sounds["model, 1 step, scale 5"] for results in (one, other))):
        assert torch.equal(a, b)

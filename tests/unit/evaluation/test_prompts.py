# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Prompts that no recording belongs to, judged as a Python user would."""

import json

import pytest
import soundfile
import torch

from audiolcm_diffusers.commands import main
from audiolcm_diffusers.data.captioned_audio import unit
from audiolcm_diffusers.evaluation import (
    EvaluationResults,
    Prompts,
    References,
    evaluate_prompts,
    prompts,
    read_prompts,
)


QUICK = {"num_inference_steps": 1, "num_resamples": 5}
WORDINGS = Prompts(
    ["a hum", "static", "a bang", "a groove"],
    ["a low tone", "noise", "a gun", ""],
    [None, None, None, 120.0],
)


@pytest.fixture
def ideal(monkeypatch, tones):
    """Sounds as they should be of the prompts of `WORDINGS`, but that static's second take is a low tone."""

    def make_sounds(pipe, texts, seeds, *args):
        takes = {"a hum": ["a low tone"] * 2, "static": ["noise", "a low tone"], "a groove": ["noise"] * 2}
        assert texts == [text for text in takes for _ in range(2)] and len(set(seeds)) == 6
        return [unit(clip.waveform) for clip in tones(sum(takes.values(), []))]

    monkeypatch.setattr(prompts, "make_sounds", make_sounds)


def test_prompts_are_named_or_not(ideal, pipe, make_tagger, tones, tmp_path):
    clips = References(tones(["a low tone", "a low tone", "noise", "a high tone"]), "tones")
    told = []
    results = evaluate_prompts(pipe, WORDINGS, make_tagger(), clips=clips, takes=2, progress=told.append, **QUICK)
    assert list(results.metrics) == told == ["real clips", "white noise", "silence", "model, 1 step, scale 5"]
    row = results.data["rows"][-1]
    # Of a hum both takes, of static one; nobody asks for the names of the others.
    assert row["prompts"]["named"] == {"a hum": 1.0, "static": 0.5}
    assert row["metrics"]["named"]["value"] == 0.75 and row["metrics"]["named"]["num_prompts"] == 2
    assert row["classes"]["noise"]["named"] == {"share": 0.5, "num_sounds": 2}
    assert row["prompts"]["tempo"] == {"a groove": 0.0} and row["metrics"]["tempo"]["num_prompts"] == 1
    # Three clips are of the classes that prompts ask for, and none has a tempo.
    real = results.metrics["real clips"]
    assert list(real) == ["named"] and real["named"]["value"] == 1.0 and real["named"]["num_clips"] == 3
    assert results.metrics["silence"]["tempo"]["value"] == 0.0
    assert results.metrics["white noise"]["named"]["value"] == 0.5  # as noise, and not as a low tone
    notes = results.data["notes"]
    assert "1 of 4 prompts ask for nothing that is judged." in notes
    assert "real clips: 3 of the classes that prompts ask for." in notes
    lines = str(results).splitlines()
    assert lines[0] == "| | named ↑ | tempo ↑ |"
    assert any(line.startswith("3 prompts of prompts in memory, sounds of each: 2, 0.3 s each") for line in lines)
    # In digital silence all bands are equal, and the last ones come first.
    assert "| noise | 1.00 (1) | 1.00 (2) | 1.00 (2) | 0.50 (2) |" in lines
    assert "| a low tone | 1.00 (2) | 0.00 (2) | 0.00 (2) | 1.00 (2) |" in lines
    assert "| all, × real clips | 1.00 | 0.50 | 0.50 | 0.75 |" in lines
    results.save(tmp_path / "out")
    again = EvaluationResults.load(tmp_path / "out")
    assert str(again) == str(results)
    assert again.compare(results).rows.keys() == results.metrics.keys()


def test_sounds_do_not_depend_on_other_prompts_after_them(pipe, make_tagger):
    options = {"controls": False, "keep_sounds": True, **QUICK}
    both = evaluate_prompts(pipe, Prompts(["noise", "a low tone"]), make_tagger(), **options)
    one = evaluate_prompts(pipe, Prompts(["noise"]), make_tagger(), **options)
    name = "model, 1 step, scale 5"
    assert torch.allclose(both.sounds[name][0].float(), one.sounds[name][0].float(), atol=2)
    assert list(one.metrics) == [name] and one.protocol["metrics"].keys() == {"named"}
    with pytest.raises(ValueError, match="prompts.fingerprint is"):
        one.compare(both)


def test_tempo_needs_no_tagger(pipe, tones):
    groove = Prompts(["a groove"], tempos_bpm=[120.0])
    clips = References(tones(["a", "b"]), tempos_bpm=[None, 90.0])
    results = evaluate_prompts(pipe, groove, clips=clips, **QUICK)
    assert results.protocol["metrics"].keys() == {"tempo"} and results.protocol["networks"] == {}
    assert results.metrics["real clips"]["tempo"]["num_clips"] == 1


def test_what_cannot_be_judged_is_refused(pipe, make_tagger, tones, monkeypatch):
    monkeypatch.setattr(prompts, "make_sounds", None)
    tagger = make_tagger()
    with pytest.raises(ValueError, match="a class of the tagger's class map or a tempo"):
        evaluate_prompts(pipe, Prompts(["a gun"]), tagger)
    with pytest.raises(ValueError, match="asks for what the metric tempo needs"):
        evaluate_prompts(pipe, Prompts(["noise"]), tagger, metrics=["named", "tempo"])
    with pytest.raises(ValueError, match="`metrics` of prompts among named, tempo, got kl"):
        evaluate_prompts(pipe, Prompts(["noise"]), tagger, metrics=["kl"])
    with pytest.raises(ValueError, match="`allow_singular` belongs to metrics that need recordings"):
        evaluate_prompts(pipe, Prompts(["noise"]), tagger, allow_singular=True)
    with pytest.raises(ValueError, match="No clip of 'clips in memory' is of a class"):
        evaluate_prompts(pipe, Prompts(["noise"]), tagger, clips=tones(["a low tone"]))
    with pytest.raises(ValueError, match="got 51"):
        evaluate_prompts(pipe, Prompts(["noise"]), tagger, num_inference_steps=51)
    with pytest.raises(ValueError, match="all different, got 'noise' twice"):
        Prompts(["noise", "noise"])
    with pytest.raises(ValueError, match="none of them empty"):
        Prompts(["noise", " "])
    with pytest.raises(ValueError, match="`sound_classes` of each of 1 prompts, got 2"):
        Prompts(["noise"], ["a", "b"])


def test_files_of_prompts(tmp_path):
    table, listed = tmp_path / "prompts.csv", tmp_path / "prompts.json"
    table.write_text('prompt,sound_class,tempo_bpm\n"drums, fast",drum loop,140\nhail,rain,\n')
    rows = [{"prompt": "drums, fast", "sound_class": "drum loop", "tempo_bpm": 140}, {"prompt": "hail"}]
    rows[1]["sound_class"] = "rain"
    listed.write_text(json.dumps(rows))
    for path in (table, listed):
        read = read_prompts(path)
        assert (read.texts, read.sound_classes, read.tempos_bpm) == (
            ["drums, fast", "hail"],
            ["drum loop", "rain"],
            [140.0, None],
        )
    for content, told in (
        ("prompt,bpm\na,1\n", "Expected columns prompt, sound_class, tempo_bpm in .*, got bpm"),
        ("caption\na\n", "a column prompt"),
        ("prompt,tempo_bpm\na,fast\n", "tempo_bpm in .* to be beats a minute, got 'fast'"),
        ("prompt,tempo_bpm\na,-1\n", "beats a minute, got '-1'"),
    ):
        table.write_text(content)
        with pytest.raises(ValueError, match=told):
            read_prompts(table)
    with pytest.raises(ValueError, match="`prompts` .*nowhere.csv' cannot be read"):
        read_prompts(tmp_path / "nowhere.csv")


def test_the_command_judges_prompts(pipe, tmp_path, capsys):
    # Of tempo alone, which needs no tagger.
    pipe.save_pretrained(tmp_path / "model")
    (tmp_path / "prompts.csv").write_text("prompt,tempo_bpm\ndrums,120\n")
    words = ["--prompts", str(tmp_path / "prompts.csv"), "--model", str(tmp_path / "model"), "--device", "cpu"]
    words += ["--steps", "1", "--takes", "2", "--num-resamples", "5", "--output", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(["evaluate", *words, "--save-audio", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["name"] for row in printed["rows"]][-1] == "model, 1 step, scale 5"
    folder = tmp_path / "out" / "audio" / "model-1-step-scale-5"
    assert len(list(folder.glob("*.wav"))) == 2 and soundfile.info(folder / "00001-drums.wav").frames == 4800
    for wrong, told in (
        (["--classifier", "c"], "--prompts are judged by --tagger and tempo alone, and take no --classifier"),
        (["--num-clips", "2"], "--num-clips belongs to --dataset"),
        (["--class-map", "m.json"], "--class-map belongs to --tagger"),
        (["--tagger", str(tmp_path)], "class_map.json"),
    ):
        assert main(["evaluate", *words[:-1], str(tmp_path / "other"), *wrong]) == 2
        assert told in capsys.readouterr().err

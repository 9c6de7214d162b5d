# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is counted, measured and reported of making sound; times themselves are no matter here."""

import json

import pytest
import torch
from diffusers import DDPMScheduler

from audiolcm_diffusers.benchmark import GenerationOptions, GenerationReport, benchmark_generation
from audiolcm_diffusers.benchmark.ceilings import Ceilings
from audiolcm_diffusers.benchmark.clock import Clock
from audiolcm_diffusers.benchmark.peers import PEERS, Peer, time_peer
from audiolcm_diffusers.benchmark.random_pipeline import random_pipeline
from audiolcm_diffusers.benchmark.stages import Stage, measure_stages, stages_of
from audiolcm_diffusers.commands import main


TINY = {"size": "tiny", "durations": (0.5, 1.0), "device": "cpu", "repeats": 1}


@pytest.fixture(scope="module")
def report():
    options = GenerationOptions(**TINY, batch_sizes=(1, 2), variants=("plain", "ours", "optimized"), threads=1)
    return benchmark_generation(options)


def test_every_length_batch_and_variant_is_measured(report):
    rows = report.document["rows"]
    assert [(row["variant"], row["batch_size"], row["duration_s"]) for row in rows] == [
        (variant, batch_size, duration_s)
        for variant in ("plain", "ours", "optimized")
        for batch_size in (1, 2)
        for duration_s in (0.5, 1.0)
    ]
    for row in rows:
        assert row["rtf"] == pytest.approx(row["time_s"] / row["batch_size"] / row["duration_s"])
    assert report.document["num_inference_steps"] == 2 and report.document["threads"] == 1
    assert json.loads(report.to_json()) == report.document


def test_stages_are_those_of_a_call(report):
    for stages in report.document["stages"]:
        rows = {row["name"]: row for row in stages["rows"]}
        assert [*rows] == ["text", "transformer step", "VAE decoder", "vocoder"]
        assert rows["transformer step"]["times"] == 2
        # A machine is not faster than what was measured of it, but for what shakes both; small calls are far from it.
        assert all(0 < row["share"] < 1.5 and row["time_ms"] > 0 for row in rows.values())
    # Operations are counted as they are defined, whatever the order of work.
    plain, ours, _ = report.document["stages"]
    assert [row["flops"] for row in plain["rows"]] == [row["flops"] for row in ours["rows"]]


def test_operations_and_bytes_are_counted():
    linear = torch.nn.Linear(64, 32, bias=False)
    stage = Stage("product", lambda: linear(torch.ones(8, 64)), (linear,))
    ceilings = Ceilings("cpu", "float32", matmul_flops_per_s=1e9, copy_bytes_per_s=1e9)
    (row,) = measure_stages([stage], Clock(torch.device("cpu")), ceilings, repeats=1)
    assert row["flops"] == 2 * 8 * 64 * 32
    assert row["bytes"] == 4 * (64 * 32 + 8 * 32)
    assert row["share"] == pytest.approx(1000 * row["flops"] / 1e9 / row["time_ms"])


def test_a_stage_computes_what_a_call_computes():
    pipe, encoders = random_pipeline("tiny")
    embeds = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = {}
    for name, part in (("transformer step", pipe.transformer), ("VAE decoder", pipe.vae.decoder)):
        part.register_forward_hook(
            lambda module, args, kwargs, output, name=name: seen.setdefault(name, []).append(
                kwargs.get("hidden_states", args[0] if args else None).shape
            ),
            with_kwargs=True,
        )
    pipe(prompt_embeds=embeds, audio_length_in_s=1.0, generator=torch.Generator().manual_seed(0))
    in_call = {name: shapes[0] for name, shapes in seen.items()}
    seen.clear()
    for stage in stages_of(pipe, embeds, 1.0, 2, lambda: None, ()):
        with torch.no_grad():
            stage.call()
    assert {name: shapes[-1] for name, shapes in seen.items()} == in_call


def test_the_report_says_what_was_compared(report):
    told = str(report)
    assert "| 1. plain, float32 | 1 | 0.5 |" in told
    assert "Times as fast as plain in float32: ours in float32" in told
    peers = [
        {"name": "whole", "num_inference_steps": 4, "duration_s": 10.0, "time_s": 5.0, "is_whole": True},
        {"name": "told", "num_inference_steps": 100, "duration_s": 10.0, "time_s": 201.0, "is_whole": False}
        | {"step_s": 2.0, "rest_s": 1.0},
    ]
    told = str(GenerationReport({**report.document, "peers": peers}))
    assert "| whole | 4 | 10 | 5.00 | 0.500 | whole |" in told
    assert "| told | 100 | 10 | 201.00 | 20.100 | 2.00 s a step × steps, + 1.00 s |" in told


class Pipe:
    """Counts its steps, and takes as long as they say."""

    def __init__(self, clock):
        self.clock, self.components, self.asked = clock, {"part": torch.nn.Linear(2, 3)}, []

    def __call__(self, num_inference_steps, generator, duration, prompt):
        self.asked.append(num_inference_steps)
        self.clock[0] += 5.0 + 2.0 * num_inference_steps


@pytest.mark.parametrize(("whole_s", "is_whole"), [(100.0, True), (10.0, False)])
def test_a_peer_that_takes_long_is_told_from_short_calls(monkeypatch, whole_s, is_whole):
    clock = [0.0]
    monkeypatch.setattr("audiolcm_diffusers.benchmark.peers.time.perf_counter", lambda: clock[0])
    pipe = Pipe(clock)
    peer = Peer(lambda: pipe, "duration", 8)
    told = time_peer(pipe, peer, 10.0, torch.device("cpu"), whole_s)
    assert (told["step_s"], told["rest_s"], told["time_s"]) == (2.0, 5.0, 21.0)
    assert told["is_whole"] is is_whole and (8 in pipe.asked) is is_whole
    assert told["num_parameters"] == 9


def test_peers_have_the_steps_that_they_take_by_default():
    assert {name: peer.num_inference_steps for name, peer in PEERS.items()} == {
        "audioldm2": 200,
        "stable-audio": 100,
        "stable-audio-3": 8,
        "ace-step": 8,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ("fast",)}, "variants to be of plain, .*, got fast"),
        ({"compare": ("bark",)}, "compare to be of audioldm2, .*, got bark"),
        ({"dtypes": ("int8",)}, "dtypes to be of float32, .*, got int8"),
        ({"durations": ()}, "at least one of durations"),
        ({"durations": (0.0,)}, r"durations=\(0.0,\)"),
        ({"batch_sizes": (0,)}, r"batch_sizes=\(0,\)"),
        ({"size": "huge"}, "size to be one of .*, got 'huge'"),
        ({"variants": ("cuda-graphs",), "device": "cpu"}, "cuda-graphs needs a CUDA device, got 'cpu'"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GenerationOptions(**options)


WORDS = ["benchmark", "generation", "--device", "cpu", "--threads", "1"]


def test_from_the_command_line(tmp_path, capsys):
    words = [*WORDS, "--size", "tiny", "--durations", "0.5", "--repeats", "1", "--variants", "ours"]
    assert main([*words, "--json", "--memory", "--output", str(tmp_path / "speed")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["variant"] for row in document["rows"]] == ["ours"]
    # At least what Python and torch take.
    assert all(100 < row["peak_mb"] < 5000 for row in document["rows"])
    assert json.loads((tmp_path / "speed/report.json").read_text()) == document
    assert (tmp_path / "speed/report.md").read_text().startswith("Stages, ours, float32, 1 × 0.5 s:")
    assert (tmp_path / "speed/scaling.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--output", str(tmp_path / "speed")]) == 2
    assert "speed" in capsys.readouterr().err


def test_a_model_that_was_saved_is_measured(make_pipeline, tmp_path, capsys):
    teacher = DDPMScheduler(clip_sample=False)
    make_pipeline(scheduler=teacher, max_audio_length_in_s=2.0).save_pretrained(tmp_path)
    words = [*WORDS, "--model", str(tmp_path), "--repeats", "1", "--num-inference-steps", "3", "--variants", "ours"]
    capsys.readouterr()
    assert main([*words, "--durations", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == str(tmp_path) and document["num_inference_steps"] == 3
    assert {row["name"]: row["times"] for row in document["stages"][0]["rows"]}["transformer step"] == 3
    assert main([*words, "--durations", "1,3"]) == 2
    assert "at most 2 s, the limit of this model, got 3 s" in capsys.readouterr().err


def test_edits_from_the_command_line(make_pipeline, tmp_path, capsys):
    make_pipeline(window_length_in_s=2.0, max_audio_length_in_s=20.0).save_pretrained(tmp_path)
    capsys.readouterr()
    words = [*WORDS, "--edits", "--model", str(tmp_path), "--repeats", "1"]
    assert main([*words, "--long", "11", "--dtypes", "bfloat16", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["long_s"], report["dtype"]) == (11, "bfloat16")
    assert main([*words, "--long", "30"]) == 2
    assert "at most 20 s, the limit of this model, got 30 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--edits", "--durations", "3", "--quick"], "--edits measures other things: leave out --durations, --quick"),
        (
            ["--edits", "--dtypes", "float32,float16"],
            "--edits takes one of --dtypes, of float32, bfloat16, float16; got float32, float16",
        ),
        (["--edits", "--dtypes", "int8"], "of float32, bfloat16, float16; got int8"),
        (["--long", "3"], "--long goes with --edits"),
        (["--quick", "--durations", "3"], "--quick says --durations itself"),
        (["--model", "mini", "--size", "tiny"], "--size tiny has random weights: leave out --model, got 'mini'"),
        (["--variants", "fast"], "variants to be of plain"),
        (["--variants", "cuda-graphs"], "cuda-graphs needs a CUDA device"),
    ],
)
def test_options_that_contradict_each_other_are_refused(words, message, capsys):
    assert main([*WORDS, *words]) == 2
    assert message in capsys.readouterr().err


def test_a_list_of_numbers_is_read_one_by_one(capsys):
    with pytest.raises(SystemExit):
        main([*WORDS, "--batch-sizes", "1,x"])
    assert "expected a whole number from 1, got 'x'" in capsys.readouterr().err

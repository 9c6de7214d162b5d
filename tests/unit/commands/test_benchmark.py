# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import math

import pytest

from audiolcm_diffusers.benchmark import TrainingOptions
from audiolcm_diffusers.commands import build_parser, main


TINY = [
    *["benchmark", "training", "--size", "tiny", "--device", "cpu", "--threads", "1"],
    *["--batch-size", "2", "--duration", "0.5", "--warmup", "1", "--repeats", "2"],
]


@pytest.fixture
def run(capsys):
    """`run(*options)`: what `audiolcm benchmark training …` prints at the tiny size."""

    def run(*options):
        capsys.readouterr()
        assert main([*TINY, *options]) == 0
        return capsys.readouterr().out

    return run


def test_options_are_those_of_the_library():
    parser, module = build_parser("benchmark")
    options = module.training_options(parser.parse_args(["benchmark", "training", "--device", "cpu"]))
    assert options == TrainingOptions(device="cpu")
    words = ["--device", "cpu", "--compile", "--size", "tiny", "--duration", "1.5", "--num-solver-steps", "3"]
    changed = module.training_options(parser.parse_args(["benchmark", "training", *words]))
    assert changed == TrainingOptions(
        size="tiny",
        duration_s=1.5,
        num_solver_steps=3,
        variants=("naive", "ours", "compiled"),
        device="cpu",
    )


def test_table(run):
    lines = run("--variant", "ours").splitlines()
    assert lines[0].startswith("one distillation step, size tiny (parameters: student ")
    assert lines[1].startswith("2 sounds of 0.5 s (16 latent frames), num_solver_steps 1, mixed precision no")
    assert lines[5:7] == ["| | ours |", "|---|---|"]
    assert [line.split(" | ")[0] for line in lines[7:]] == [
        *["| samples/s", "| peak memory, GB", "| one step, ms", "| … vae", "| … text encoders", "| … teacher"],
        *["| … student", "| … target", "| … optimizer", "| … average", "| … other"],
    ]


@pytest.mark.parametrize(
    "options",
    [
        ["--num-solver-steps", "2"],
        ["--seed", "1"],
        ["--mixed-precision", "bf16"],
        ["--duration", "1"],
    ],
    ids=" ".join,
)
def test_options_reach_the_step(run, options):
    plain, changed = (
        json.loads(run("--variant", "ours", "--json", *more))["variants"]["ours"]["losses"] for more in ([], options)
    )
    assert all(math.isfinite(loss) for loss in changed)
    assert plain[0] != changed[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variant", "ours", "--compile"], "--compile adds a variant to compare, but --variant ours measures one"),
        (["--mfu"], "Expected --mfu and --peak-tflops together"),
        (["--peak-tflops", "989"], "Expected --mfu and --peak-tflops together"),
        (["--mfu", "--peak-tflops", "989"], "MFU is measured on CUDA alone, got --mfu on cpu"),
        (["--clock", "processor", "--threads", "2"], "--threads 1, got device cpu and --threads 2."),
        (["--clock", "processor", "--compile"], "Compilers are processes of their own"),
        (["--attention-backend", "flush"], "got 'flush'"),
        (["--device", "meta"], "got 'meta'"),
        # One frame is 32 ms; less than half of one is none.
        (["--duration", "0.01"], "Expected --duration of at least a latent frame, 0.032 s, got 0.01 s."),
        # 1000 positions, less one of the timestep and 2 × 77 of text, are 845 frames.
        (["--size", "published", "--duration", "28"], "at most 27.04 s with --size published, got 28 s."),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_impossible_options(options, message, capsys):
    assert main([*TINY, *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err and shown.err.count("\n") == 1


@pytest.mark.parametrize("value", ["0", "-1", "nan", "many"])
def test_peak_must_be_a_positive_number(value, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*TINY, "--mfu", f"--peak-tflops={value}"])
    assert stop.value.code == 2
    assert repr(value) in capsys.readouterr().err

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import argparse
import json
import math

import pytest
import torch
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode

from audiolcm_diffusers import MINI_CHECKPOINT
from audiolcm_diffusers.commands import benchmark, build_parser, main
from audiolcm_diffusers.commands.benchmark_training import (
    W_MAX,
    W_MIN,
    Clock,
    Encoders,
    Variant,
    count_flops,
    draw_batch,
    num_parameters,
    size_named,
)
from audiolcm_diffusers.distillation import SolverSchedule, draw_step
from audiolcm_diffusers.schedulers.scheduling_lcm_audio import LCMAudioScheduler


TINY = [
    *["benchmark", "training", "--size", "tiny", "--device", "cpu", "--threads", "1"],
    *["--batch-size", "2", "--duration", "0.5", "--warmup", "1", "--repeats", "2"],
]


@pytest.fixture
def run(capsys):
    """`run(*options)`: the document that `audiolcm benchmark training … --json` prints at the tiny size."""

    def run(*options):
        capsys.readouterr()
        assert main([*TINY, "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def parse(*options):
    return build_parser("benchmark")[0].parse_args([*TINY, *options])


def test_comparison(run):
    report = run()
    assert (report["subject"], report["size"], report["device"], report["threads"]) == ("training", "tiny", "cpu", 1)
    # 0.5 s at 16 kHz, 512 samples a latent frame: 15.6 frames.
    assert (report["batch_size"], report["duration_s"], report["latent_frames"]) == (2, 0.5, 16)
    assert set(report["versions"]) == {"audiolcm_diffusers", "python", "torch", "diffusers", "transformers"}
    assert set(report["parameters"]) == {"student", "teacher", "vae", "text encoders"}
    # The guidance embedding's projection, 256 × 256 without bias, is the student's alone.
    assert report["parameters"]["student"] - report["parameters"]["teacher"] == 256 * 256

    naive, ours = report["variants"]["naive"], report["variants"]["ours"]
    assert naive["parts_ms"].keys() == ours["parts_ms"].keys()
    zero = {part for part, time_ms in ours["parts_ms"].items() if time_ms == 0}
    assert zero == {"vae", "text encoders"}
    assert all(time_ms > 0 for time_ms in naive["parts_ms"].values())
    for variant in (naive, ours):
        assert variant["samples_per_s"] == pytest.approx(2 / (variant["step_ms"] / 1000))
        assert len(variant["step_ms_all"]) == 2 and len(variant["losses"]) == 3
        assert variant["peak_memory_bytes"] > 1e8
    assert report["speedup"] == pytest.approx(ours["samples_per_s"] / naive["samples_per_s"])
    assert report["memory_ratio"] == ours["peak_memory_bytes"] / naive["peak_memory_bytes"]

    # The same training step, so that losses agree also after steps were taken.
    assert all(loss > 0 for loss in ours["losses"]) and len(set(ours["losses"])) == 3
    assert ours["losses"] == pytest.approx(naive["losses"], rel=1e-5)
    assert report["loss_difference"] < 1e-5

    lines = "\n".join(benchmark.report_lines(report))
    assert "| | naive | ours |" in lines
    assert f"ours is {report['speedup']:.2f} times as fast as naive" in lines


def test_a_variant_alone_takes_the_same_steps(run):
    naive, ours = (run("--variant", name) for name in ("naive", "ours"))
    assert list(naive["variants"]) == ["naive"] and "speedup" not in naive
    expected = naive["variants"]["naive"]["losses"]
    assert ours["variants"]["ours"]["losses"] == pytest.approx(expected, rel=1e-5)


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
    plain, changed = (run("--variant", "ours", *more)["variants"]["ours"]["losses"] for more in ([], options))
    assert all(math.isfinite(loss) for loss in changed)
    assert plain[0] != changed[0]


def test_clock_tells_the_parts():
    clock = Clock(torch.device("cpu"), "processor")
    matrix = torch.ones(64, 64)
    start = clock.milliseconds()
    for name in ("one", "other", "one"):
        with clock.part(name):
            clock.timed("inner", torch.matmul)(matrix, matrix)
    total_ms, times = clock.milliseconds() - start, clock.read()
    assert set(times) == {"one", "other", "inner"}
    assert 0 < times["inner"] < times["one"] + times["other"] < total_ms
    assert clock.read() == {}


def test_settings_of_the_process_are_put_back(run):
    num_threads, state = torch.get_num_threads(), torch.get_rng_state()
    assert run("--variant", "ours", "--threads", str(num_threads + 1))["threads"] == num_threads + 1
    assert torch.get_num_threads() == num_threads
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32


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


def test_a_process_that_fails_is_quoted():
    args = argparse.Namespace(**{**vars(parse()), "size": "huge"})
    with pytest.raises(ChildProcessError, match=r"'naive' alone ended with status 2: .*invalid choice: 'huge'"):
        benchmark.run_alone(args, "naive")


def test_published_size():
    size = size_named("published")
    with torch.device("meta"):
        encoders, student = Encoders(size), size.transformer_class(**size.transformer)
    # Vocabulary, relative positions (32 buckets, 16 heads), last norm; a layer has four attention projections, three
    # of the gated feed-forward network, two norms.
    layer = 4 * 1024 * 1024 + 3 * 1024 * 2816 + 2 * 1024
    assert num_parameters(encoders.t5) == 32128 * 1024 + 32 * 16 + 24 * layer + 1024
    assert encoders.bert.config.hidden_size == 768 and encoders.bert.config.num_hidden_layers == 12
    # "160 M parameters"
    assert round(num_parameters(student) / 1e6) == 160
    assert size.samples_per_latent == 512


@pytest.mark.parametrize(
    ("part", "file"), [("vae", "vae/diffusion_pytorch_model"), ("t5", "text_encoder_2/model"), ("student", None)]
)
def test_mini_size_is_the_embedded_model(part, file):
    size = size_named("mini")
    with torch.device("meta"):
        encoders = Encoders(size)
        student = size.transformer_class(**size.transformer)
    module = student if part == "student" else getattr(encoders, part)
    with safe_open(MINI_CHECKPOINT / f"{file or 'transformer/diffusion_pytorch_model'}.safetensors", "pt") as weights:
        shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}
    built = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    assert shapes == built
    assert encoders.bert is None and size.num_text_tokens == 24


def test_both_variants_compute_as_much_but_for_the_encoders():
    args, size = parse(), size_named("tiny")
    encoders = Encoders(size)
    schedule = SolverSchedule.from_scheduler(LCMAudioScheduler())
    clock = Clock(torch.device("cpu"))
    batch, _ = draw_batch(args, size, encoders, clock)
    draw = draw_step(batch.latents, 50, W_MIN, W_MAX, torch.Generator().manual_seed(0))
    teacher = size.transformer_class(**size.transformer, time_cond_proj_dim=None).requires_grad_(False)
    flops = {}
    for name in ("naive", "ours"):
        variant = Variant(
            name,
            size.transformer_class(**size.transformer),
            teacher,
            encoders,
            schedule,
            1,
            1e-5,
            clock,
            lambda: torch.autocast("cpu", enabled=False),
        )
        flops[name] = count_flops(variant, batch, draw)
    with FlopCounterMode(display=False) as counter:
        encoders.encode_sound(batch.waveforms)
        encoders.encode_text(batch.token_ids)
    assert counter.get_total_flops() > 0
    assert flops["naive"] == flops["ours"] + counter.get_total_flops()

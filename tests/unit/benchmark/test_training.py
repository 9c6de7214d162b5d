# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from audiolcm_diffusers.benchmark import TrainingOptions, benchmark_training
from audiolcm_diffusers.benchmark.clock import Clock
from audiolcm_diffusers.benchmark.encoders import Encoders, draw_batch
from audiolcm_diffusers.benchmark.flops import CPU_ATTENTION, count_flops
from audiolcm_diffusers.benchmark.sizes import size_named
from audiolcm_diffusers.benchmark.training import W_MAX, W_MIN, Variant, compare
from audiolcm_diffusers.distillation import SolverSchedule, draw_step
from audiolcm_diffusers.schedulers.scheduling_lcm_audio import LCMAudioScheduler


TINY = {"size": "tiny", "device": "cpu", "threads": 1, "batch_size": 2, "duration_s": 0.5, "warmup": 1, "repeats": 2}


def test_comparison():
    measured = benchmark_training(**TINY)
    report = measured.document
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

    shown = str(measured)
    assert "| | naive | ours |" in shown
    assert f"ours is {report['speedup']:.2f} times as fast as naive" in shown


def test_a_variant_alone_takes_the_same_steps():
    naive, ours = (benchmark_training(**TINY, variants=(name,)).document for name in ("naive", "ours"))
    assert list(naive["variants"]) == ["naive"] and "speedup" not in naive
    expected = naive["variants"]["naive"]["losses"]
    assert ours["variants"]["ours"]["losses"] == pytest.approx(expected, rel=1e-5)


def test_comparison_of_numbers_that_are_known():
    def variant(samples_per_s, losses):
        return {"samples_per_s": samples_per_s, "losses": losses}

    def alone(name, peak_bytes, first_ms=0.0, step_ms=0.0):
        entry = {"peak_memory_bytes": peak_bytes, "first_step_ms": first_ms, "step_ms": step_ms}
        return {"variants": {name: entry}}

    document = {
        "variants": {
            "naive": variant(2.0, [4.0, 2.0]),
            "ours": variant(3.0, [4.0, 1.5]),
            "compiled": variant(4.5, [4.0, 2.0]),
        }
    }
    compare(
        document,
        {"naive": alone("naive", 400), "ours": alone("ours", 100), "compiled": alone("compiled", 50, 2250.0, 250.0)},
    )
    assert [entry["peak_memory_bytes"] for entry in document["variants"].values()] == [400, 100, 50]
    # 3 / 2, 100 / 400; |1.5 - 2| / 2; 4.5 / 3; the first step took 2250 ms, and one that is compiled takes 250.
    assert (document["speedup"], document["memory_ratio"], document["loss_difference"]) == (1.5, 0.25, 0.25)
    assert (document["compile_speedup"], document["compile_s"]) == (1.5, 2.0)


def test_settings_of_the_process_are_put_back():
    num_threads, state = torch.get_num_threads(), torch.get_rng_state()
    measured = benchmark_training(**{**TINY, "threads": num_threads + 1, "variants": ["ours"]})
    assert measured.document["threads"] == num_threads + 1
    assert torch.get_num_threads() == num_threads
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "huge"}, "Expected size to be one of .*, got 'huge'"),
        ({"clock": "sun"}, "Expected clock to be one of .*, got 'sun'"),
        ({"mixed_precision": "fp8"}, "Expected mixed_precision to be one of .*, got 'fp8'"),
        ({"variants": ()}, r"each once; got \(\)"),
        ({"variants": ("ours", "ours")}, r"each once; got \('ours', 'ours'\)"),
        ({"variants": ("theirs",)}, r"each once; got \('theirs',\)"),
        ({"repeats": 0}, "Expected repeats > 0, got repeats=0"),
        ({"duration_s": float("nan")}, "Expected duration_s > 0, got duration_s=nan"),
        ({"device": "mps"}, "Expected device to be a CPU or CUDA device, .* got mps"),
        ({"clock": "processor", "threads": 2}, "with threads 1, got device cpu and threads 2"),
        ({"clock": "processor", "variants": ("compiled",)}, "whose time clock processor does not see"),
        ({"peak_tflops": 989.0}, "MFU is measured on CUDA alone, got peak_tflops on cpu"),
        ({"device": "cuda", "peak_tflops": 989.0, "variants": ("naive", "compiled")}, 'expected "ours" beside'),
        ({"attention_backend": "flush"}, "Expected attention_backend to be one of .* got 'flush'"),
        ({"duration_s": 0.01}, "Expected duration_s of at least a latent frame, 0.032 s, got 0.01 s"),
        # 200 positions, less one of the timestep and 2 × 8 of text, are 183 frames of 32 ms.
        ({"duration_s": 6.0}, "Expected duration_s of at most 5.856 s with size tiny, got 6 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value),
)
def test_impossible_options_are_refused_by_their_names_in_python(options, message):
    with pytest.raises(ValueError, match=message):
        benchmark_training(**{**TINY, **options})


def test_variants_of_options_are_a_tuple():
    assert TrainingOptions(variants=["ours"]) == TrainingOptions(variants=("ours",))


def test_both_variants_compute_as_much_but_for_the_encoders():
    size = size_named("tiny")
    encoders = Encoders(size)
    schedule = SolverSchedule.from_scheduler(LCMAudioScheduler())
    clock = Clock(torch.device("cpu"))
    batch, _ = draw_batch(size, encoders, batch_size=2, duration_s=0.5, seed=0, clock=clock)
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
        flops[name] = count_flops(variant.step, (batch, draw))
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        encoders.encode_sound(batch.waveforms)
        encoders.encode_text(batch.token_ids)
    assert counter.get_total_flops() > 0
    assert flops["naive"] == flops["ours"] + counter.get_total_flops()

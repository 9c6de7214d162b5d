# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Runs of the training scripts at the smallest sizes, in this process or others."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from audiolcm_diffusers.trainer import TrainingRun, parse_config


TRAINING = Path(__file__).parents[2] / "training"
VOCODER = {
    "upsample_initial_channel": 8,
    "upsample_rates": [16, 16],
    "upsample_kernel_sizes": [16, 16],
    "resblock_type": "2",
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1]],
}
TRANSFORMER = {"num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 8, "multiple_of": 8}
TEXT_ENCODER = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}


def load_script(name):
    """A training script as a module, read anew by each call."""
    spec = importlib.util.spec_from_file_location(name, TRAINING / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def run_script(name, config_class, prepare=lambda script: None, **options):
    """Run a script with options as flags; `prepare(script)` comes first and may put something to watch it in place."""
    script = load_script(name)
    prepare(script)
    flags = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    script.main(parse_config(getattr(script, config_class), flags))


def teacher_options(vae_dir, **transformer):
    """Options of a tiny teacher from scratch; `transformer` says what its transformer has besides."""
    return {
        "vae_dir": vae_dir,
        "vocab_size": 120,
        "transformer_config": json.dumps({**TRANSFORMER, **transformer}),
        "text_encoder_config": json.dumps(TEXT_ENCODER),
    }


def distillation_options(trained, data_dir, output_dir):
    return {
        "data_dir": data_dir,
        "output_dir": output_dir,
        "teacher_dir": trained / "teacher/model",
        "vocoder_dir": trained / "vocoder/model",
        "durations_s": "0.256,0.512",
        "duration_shares": "0.5,0.5",
        "warmup_steps": 1,
        "logging_steps": 1,
        "learning_rate": 1e-3,
    }


def distil(trained, data_dir, output_dir, processes=1, **options):
    """Distil, three steps by default; the losses, and the student's weights."""
    options = {**distillation_options(trained, data_dir, output_dir), "max_train_steps": 3, **options}
    if processes == 1:
        run_script("train_audiolcm_distill", "DistillationConfig", **options)
    else:
        # On CPUs of one machine accelerate's own launcher starts one process, whatever it is told.
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        finish(start_script("train_audiolcm_distill", launch, **options))
    return losses_and_weights(output_dir)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]


def start_script(name, launch=(), environment=None, **options):
    flags = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    return subprocess.Popen(
        [sys.executable, *launch, str(TRAINING / f"{name}.py"), *flags],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses_and_weights(output_dir):
    lines = [json.loads(line) for line in (output_dir / "log.jsonl").read_text().splitlines()]
    weights = load_file(output_dir / "model/transformer/diffusion_pytorch_model.safetensors")
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return (
        [line["loss"] for line in lines],
        torch.cat([weights[name].flatten() for name in sorted(weights)]),
        [line["lr"] for line in lines],
    )


def cache(trained, data_dir, output_dir, **options):
    options = {"durations_s": "0.256", "duration_shares": "1", "examples_per_clip": 2, "shard_size": 2, **options}
    run_script("cache_latents", "CacheConfig", data_dir=data_dir, output_dir=output_dir, **options)
    return output_dir


def forbid(monkeypatch, *functions):
    """Make methods fail that must not run."""

    def fail(*args, **kwargs):
        raise AssertionError("This was not to run.")

    for owner, name in functions:
        monkeypatch.setattr(owner, name, fail)


class WatchedRun(TrainingRun):
    r"""
    A run that notes what each of its batches is made from, in `notes`:

    - `draws`: the first number that each example of the batch draws, by step;
    - `names`: the clips of the batch, by step;
    - `global_draws`: a number of the process's own random state, drawn in each step as dropout would, by step;
    - `wrapped`: what the network in training is wrapped in.
    """

    def __init__(self, config, **options):
        super().__init__(config, **options)
        self.notes = {"draws": {}, "names": {}, "global_draws": {}, "wrapped": None}

    def example_generators(self, batch_size):
        generators = super().example_generators(batch_size)
        copies = [torch.Generator().set_state(generator.get_state()) for generator in generators]
        drawn = [torch.rand((), generator=copy).item() for copy in copies]
        self.notes["draws"].setdefault(self.step + 1, []).extend(drawn)
        return generators

    def after_step(self, names=(), **values):
        self.notes["names"].setdefault(self.step + 1, []).extend(names)
        self.notes["global_draws"].setdefault(self.step + 1, []).append(torch.rand(()).item())
        super().after_step(names=names, **values)


def watch(notes):
    """For `prepare` of [`run_script`]: a script that distils gets a [`WatchedRun`], whose notes go into a list."""

    def prepare(script):
        class Run(WatchedRun):
            def __init__(self, config, **options):
                super().__init__(config, **options)
                notes.append(self.notes)

        def distillation_loss(student, *args, loss=script.distillation_loss, **options):
            notes[-1]["wrapped"] = type(student).__name__
            return loss(student, *args, **options)

        script.TrainingRun, script.distillation_loss = Run, distillation_loss

    return prepare


def distil_as_rank(rank, world_size, ports, folder, runs):
    """What each of several processes does: distil as the options of each run say, and save its notes."""
    notes = []
    for port, options in zip(ports, runs):
        # The end of a run ends the group of processes; accelerate is to make another.
        AcceleratorState._reset_state(reset_partial_state=True)
        os.environ.update(
            ACCELERATE_USE_CPU="true",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
            WORLD_SIZE=str(world_size),
            RANK=str(rank),
            LOCAL_RANK=str(rank),
        )
        run_script("train_audiolcm_distill", "DistillationConfig", prepare=watch(notes), **options)
    torch.save(notes, folder / f"notes-{rank}.pt")


def distil_on_two_processes(folder, *runs, timeout_s=300):
    """Runs one after the other on two processes; the notes of both, a list with those of each run."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in runs]
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    arguments = (2, ports, folder, runs)
    processes = torch.multiprocessing.spawn(distil_as_rank, arguments, nprocs=2, join=False, daemon=True)
    deadline = time.monotonic() + timeout_s
    # Each call waits for the next process to end, and raises what a process has raised.
    while not processes.join(timeout=max(0.0, deadline - time.monotonic())):
        assert time.monotonic() < deadline, "The processes wait for each other."
    return [torch.load(folder / f"notes-{rank}.pt") for rank in range(2)]

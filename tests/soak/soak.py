# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Tries to make the library lose what it has, run what it should not, hang, or grow: `make soak`, in less than 20 minutes
on two cores. `--short` is what `make test` runs. Every attempt has a process of its own.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path


os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}

import torch


ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

import clients  # noqa: E402
import dirty_data  # noqa: E402
import hostile_models  # noqa: E402
import material  # noqa: E402
import one_process  # noqa: E402
import writers  # noqa: E402
from trial import attempt  # noqa: E402


def rows(place, seed, short, only):
    """Yield the lines of the table as they are done."""
    for name, row in attempts(place, seed, short):
        if only in name:
            yield row()


def attempts(place, seed, short):
    """Yield the names of lines, and what makes each."""

    def drawing(name):
        return random.Random(f"{seed} {name}")

    made = place / "material"
    material.make_recordings(made / "data")
    if not short:
        make_material(made)
    everything = writers.writers(made)
    chosen = [writer for writer in everything if not short or writer.name == "generate"]
    for writer in chosen:
        random_of = drawing(f"killed {writer.name}")
        yield f"killed: {writer.name}", partial(writers.kills, writer, place / "k", random_of, 1 if short else 6)
    for writer in chosen:
        random_of = drawing(f"disk full {writer.name}")
        yield (
            f"disk full: {writer.name}",
            partial(writers.full_disks, writer, place / "d", random_of, 1 if short else 4),
        )
    for writer in chosen:
        yield f"read-only: {writer.name}", partial(writers.read_only_folders, writer, place / "r")
    model = ROOT / "audiolcm_diffusers/checkpoints/mini"
    for name, function, few, many in (
        ("dirty recordings", dirty_data.dirty_recordings, 15, 300),
        ("dirty metadata", dirty_data.dirty_metadata, 15, 300),
        ("hostile configurations", partial(hostile_models.hostile_configurations, model), 6, 120),
        ("hostile weights", partial(hostile_models.hostile_weights, model), 4, 60),
    ):
        yield name, partial(function, place / name.replace(" ", "-"), drawing(name), few if short else many)
    if not short:
        yield "files that run code", partial(hostile_models.hostile_code, model, made, place / "code")
    yield "threads, a pipeline each", partial(one_process.threads, 4 if short else 64)
    yield "threads, one pipeline", partial(one_process.one_pipeline, 8 if short else 64)
    yield "sounds in one process", partial(one_process.many_sounds, place / "sounds", 25 if short else 500)
    yield "clients of a server", partial(clients.many_clients, 4 if short else 50, 2 if short else 4)
    if not short:
        yield "clients that mean ill", partial(clients.ill_clients, 200, drawing("clients that mean ill"))


def make_material(made):
    """What scripts and commands start from. In a process of its own, so that none inherits its state."""

    def run():
        material.make_trained(made / "runs", made / "data")
        material.make_judge_folder(made / "judge")
        material.make_published(made / "published")

    outcome = attempt(run, timeout_s=180)
    if outcome.how != "survived":
        raise RuntimeError(f"The material cannot be made: {outcome.words}")


HEADER = "| | tried | refused | survived | lost | hung or crashed | code run | memory growth |"


def line_of(tally):
    numbers = tally.tried, tally.refused, tally.survived, tally.lost, tally.broke, tally.code_run
    return f"| {tally.name} | {' | '.join(map(str, numbers))} | {tally.growth} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few of each, in half a minute")
    parser.add_argument("--only", default="", metavar="TEXT", help="what has this in its name (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    import audiolcm_diffusers  # noqa: F401
    from audiolcm_diffusers import AudioLCMPipeline  # noqa: F401  so that every attempt has it already

    start = time.monotonic()
    print(f"{HEADER}\n|---|" + "---|" * 7, flush=True)
    notes, total = [], writers.Tally("all")
    try:
        with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as place:
            for tally in rows(Path(place), arguments.seed, arguments.short, arguments.only):
                print(line_of(tally), flush=True)
                notes += [f"{tally.name}: {note}" for note in tally.notes]
                for name in ("tried", "refused", "survived", "lost", "broke", "code_run"):
                    setattr(total, name, getattr(total, name) + getattr(tally, name))
    finally:
        print(line_of(total))
        print(f"\nseed {arguments.seed}, {time.monotonic() - start:.0f} s\n" + "\n".join(notes))
    return 1 if total.lost or total.broke or total.code_run else 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A list of prompts that two processes share, of which one is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import soundfile


NUM_PROMPTS = 24


def start(folder, rank=None):
    command = [sys.executable, "-m", "audiolcm_diffusers", "generate", "--prompts-file", str(folder / "p.txt")]
    command += ["--output", str(folder / "out/"), "--duration", "0.5", "--quiet", "--device", "cpu"]
    world = {} if rank is None else {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    environment = {**os.environ, **world, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def lines(folder):
    path = folder / "out" / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_one_is_killed_and_the_next_start_ends_the_work(tmp_path):
    """As `torchrun` starts them, each with half of the list."""
    (tmp_path / "p.txt").write_text("".join(f"rain number {index}\n" for index in range(NUM_PROMPTS)))
    first, second = (start(tmp_path, rank) for rank in range(2))
    deadline = time.monotonic() + 90
    while len(lines(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    told = first.communicate(timeout=90)[0]
    assert first.returncode == 0, told
    assert len(lines(tmp_path)) < NUM_PROMPTS
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")}
    last = start(tmp_path)
    told = last.communicate(timeout=90)[0]
    assert last.returncode == 0, told

    files = [line["file"] for line in lines(tmp_path)]
    assert sorted(files) == sorted(f"rain-number-{index}.wav" for index in range(NUM_PROMPTS))
    assert all(path.stat().st_mtime_ns == before[path] for path in before)
    for line in lines(tmp_path):
        assert soundfile.info(tmp_path / "out" / line["file"]).frames == 8000 and line["seed"] == 0
    # Nothing is left of the one that was killed.
    left = {path.name for path in (tmp_path / "out").iterdir()} - set(files)
    assert left <= {"manifest.jsonl", ".manifest.jsonl.lock"}, left

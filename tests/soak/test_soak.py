# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A short cut of `make soak`, and that it can fail."""

import random
import subprocess
import sys
from pathlib import Path

import pytest


SOAK = Path(__file__).with_name("soak.py")


def test_a_few_of_each():
    done = subprocess.run([sys.executable, str(SOAK), "--short"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    total = [cell.strip() for cell in done.stdout.split("| all |")[1].splitlines()[0].split("|")]
    tried, refused, survived, lost, broke, code_run = map(int, total[:6])
    assert tried == refused + survived > 40 and lost == broke == code_run == 0


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.syspath_prepend(str(SOAK.parent))
    import trial

    return trial


def test_a_process_that_hangs_crashes_or_runs_code_is_told(trial, tmp_path):
    def hang():
        import time

        time.sleep(60)

    def crash():
        import os

        os.abort()

    assert trial.attempt(hang, timeout_s=1).how not in ("survived", "refused")
    assert trial.attempt(crash, timeout_s=20).how not in ("survived", "refused")
    assert trial.attempt(lambda: None, timeout_s=20).how == "survived"

    def refuse():
        raise ValueError("no")

    assert trial.attempt(refuse, timeout_s=20).how == "refused"
    assert not trial.attempt(refuse, timeout_s=20).code_run
    assert trial.attempt(lambda: eval(trial.RUN_CODE), timeout_s=20).code_run


@pytest.mark.parametrize("is_safe", [True, False])
def test_what_a_kill_or_a_full_disk_loses_is_told(trial, tmp_path, is_safe):
    """A writer that writes over what is there, and one that renames what is whole."""
    from writers import Writer, full_disks, kills

    def prepare(folder):
        (folder / "results.json").write_text("[]")

    def write(folder):
        path = folder / ("new.json.partial" if is_safe else "results.json")
        with path.open("w") as file:
            for part in ("[" + "1, " * 50_000, "1]"):
                file.write(part)
                file.flush()
                (folder / ".step").touch()
        path.replace(folder / "results.json")

    writer = Writer("a list", write, prepare, timeout_s=20)
    killed = kills(writer, tmp_path / "kills", random.Random(0), 8)
    filled = full_disks(writer, tmp_path / "disks", random.Random(0), 4)
    assert killed.tried == 8 and filled.tried == 4
    if is_safe:
        assert killed.lost == filled.lost == 0, (killed.notes, filled.notes)
    else:
        assert killed.lost > 0 and filled.lost > 0
        assert "lost: a list: results.json: JSONDecodeError" in killed.notes[0]

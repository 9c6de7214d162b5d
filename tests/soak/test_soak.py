# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A short cut of `make soak`, and that it can fail."""

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

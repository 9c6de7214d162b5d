# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import os
import signal
import threading

import pytest

from audiolcm_diffusers.trainer.stopping import StopRequest


@pytest.fixture
def handler():
    """The handler of SIGTERM, which is put back after the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield before
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("asks_others", [True, False])
def test_a_signal_is_noted_and_the_process_goes_on(accelerator, handler, asks_others):
    stop = StopRequest(accelerator)
    assert not stop.is_made(asks_others)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.is_made(asks_others) and stop.is_made(asks_others)
    stop.let_go()
    assert signal.getsignal(signal.SIGTERM) == handler


def test_what_came_after_it_was_let_go_is_left_alone(accelerator, handler):
    stop = StopRequest(accelerator)
    stop.let_go()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop.let_go()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_beside_the_main_thread_nothing_changes(accelerator, handler):
    made = []
    thread = threading.Thread(target=lambda: made.append(StopRequest(accelerator)))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == handler
    made[0].let_go()
    assert not made[0].is_made(asks_others=True)

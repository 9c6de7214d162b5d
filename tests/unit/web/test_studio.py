# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch

from audiolcm_diffusers import AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline
from audiolcm_diffusers.generation.edits import edit_call
from audiolcm_diffusers.web.limits import Busy
from audiolcm_diffusers.web.studio import Task


WAIT_S = 30


def rain(seed=0, seconds=0.5, **call):
    return Task(seed, {"prompt": "rain", "audio_length_in_s": seconds, **call})


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def tone():
    return 0.3 * torch.sin(torch.arange(8000) / 16000 * 2 * torch.pi * 440)


def test_sounds_are_those_of_the_pipelines(make_studio, make_pipeline, tone):
    pipe = make_pipeline()
    studio = make_studio(pipe=pipe)

    def made(task):
        studio.check(task)
        return studio.submit(task).future.result(WAIT_S)

    expected = pipe("rain", audio_length_in_s=0.5, generator=generator(3)).audios[0]
    assert np.array_equal(made(rain(3)), expected)

    restyle = AudioLCMAudio2AudioPipeline.from_pipe(pipe)
    call = edit_call(prompt="rain", strength=0.5)
    expected = restyle("rain", audio=tone, strength=0.5, generator=generator(3)).audios[0]
    assert np.array_equal(made(Task(3, call, tone)), expected)

    mend = AudioLCMInpaintPipeline.from_pipe(pipe)
    call = edit_call(masks=[(0.1, 0.2)], extend_s=0.25, prompt="rain")
    masks = {"mask_start_seconds": 0.1, "mask_end_seconds": 0.2, "extend_s": (0.0, 0.25)}
    expected = mend("rain", audio=tone, **masks, generator=generator(3)).audios[0]
    assert np.array_equal(made(Task(3, call, tone)), expected)
    assert studio.num_made == 3


def test_pieces_come_one_by_one_and_are_the_sound(make_studio, make_pipeline):
    pipe = make_pipeline()
    pipe.register_to_config(window_length_in_s=0.5, window_overlap_in_s=0.1)
    pieces = []
    job = make_studio(pipe=pipe).submit(rain(seconds=2.0), pieces.append)
    sound = job.future.result(WAIT_S)
    assert len(pieces) > 1
    assert np.array_equal(np.concatenate(pieces), sound)


def test_workers_share_weights_and_do_not_meet(make_studio, make_pipeline):
    pipe = make_pipeline()
    alone = [pipe("rain", audio_length_in_s=0.5, generator=generator(seed)).audios[0] for seed in range(12)]
    studio = make_studio(num_workers=3, pipe=pipe)
    jobs = [studio.submit(rain(seed)) for seed in range(12)]
    for job, expected in zip(jobs, alone):
        assert np.array_equal(job.future.result(WAIT_S), expected)
    workers = [studio._free.get_nowait() for _ in range(3)]
    assert len({id(worker.pipe.transformer) for worker in workers}) == 1
    assert len({id(worker.pipe.scheduler) for worker in workers}) == 3


class Held:
    """Keeps a worker busy with its first piece until it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, piece):
        self.begun.set()
        assert self.go.wait(WAIT_S)


def test_no_more_wait_than_may(make_studio):
    studio = make_studio(max_waiting=2)
    held = Held()
    first = studio.submit(rain(), held)
    assert held.begun.wait(WAIT_S)
    waiting = [studio.submit(rain(seed)) for seed in (1, 2)]
    assert studio.num_waiting == 2
    with pytest.raises(Busy, match="2 requests wait already"):
        studio.submit(rain(3))
    # Who goes away leaves the queue, and makes room.
    waiting[0].cancel()
    assert studio.num_waiting == 1
    studio.submit(rain(3)).cancel()
    held.go.set()
    first.future.result(WAIT_S)
    waiting[1].future.result(WAIT_S)
    assert studio.num_made == 2


def test_what_nobody_waits_for_is_left_off(make_studio, make_pipeline):
    pipe = make_pipeline()
    pipe.register_to_config(window_length_in_s=0.5, window_overlap_in_s=0.1)
    studio = make_studio(pipe=pipe)
    pieces = []

    def take(piece):
        pieces.append(piece)
        job_made.wait(WAIT_S)
        job.cancel()

    job_made = threading.Event()
    job = studio.submit(rain(seconds=5.0), take)
    job_made.set()
    with pytest.raises(CancelledError):
        job.future.result(WAIT_S)
    assert len(pieces) == 1
    # And the worker is free again.
    assert len(studio.submit(rain()).future.result(WAIT_S)) == 8000


def test_an_error_is_of_its_task_alone(make_studio):
    studio = make_studio()
    bad = studio.submit(Task(0, {"prompt": "rain", "audio_length_in_s": -1.0}))
    good = studio.submit(rain())
    with pytest.raises(ValueError, match="got -1"):
        bad.future.result(WAIT_S)
    assert len(good.future.result(WAIT_S)) == 8000


def test_limits_come_before_work(make_studio, tone):
    studio = make_studio(max_length_s=1.0, max_characters=8, max_steps=4, max_events=1)
    for task, told in [
        (rain(seconds=1.5), "`audio_length_in_s` asks for 1.5 s"),
        (rain(num_inference_steps=5), "`num_inference_steps` is 5"),
        (Task(0, {"prompt": "rain and wind"}), "`prompt` has 13 characters"),
        (Task(0, {"events": [("rain", "start"), ("wind", "end")]}), "`events` are 2"),
        (Task(0, {"events": [("rain and wind", "start")]}), "`events` has 13 characters"),
        (Task(0, edit_call(extend_s=0.6, prompt="rain"), tone), r"`extend_s` asks for 1.1 s"),
        (Task(0, edit_call(extend_s=0.6, extend_before_s=-0.5, prompt="rain"), tone), r"`extend_s` asks for 1.1 s"),
        (Task(0, edit_call(prompt="rain"), tone.repeat(3)), r"`audio` asks for 1.5 s"),
        (Task(0, edit_call(prompt="rain", strength=2.0), tone), "strength"),
    ]:
        with pytest.raises(ValueError, match=told):
            studio.check(task)


def test_closing_leaves_nobody_waiting(make_studio):
    studio = make_studio()
    held = Held()
    first = studio.submit(rain(), held)
    assert held.begun.wait(WAIT_S)
    second = studio.submit(rain(1))
    studio.close()
    held.go.set()
    for job in (first, second):
        with pytest.raises(CancelledError):
            job.future.result(WAIT_S)

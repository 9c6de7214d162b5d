# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
One model for many who ask at once: each gets the sound that they asked for, in turn, and no more wait than may.

Workers share the weights. What a call changes, the scheduler's state, each of them has of its own.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from ..audio.io import read_audio
from ..generation.edits import pipeline_of
from ..generation.requests import check_prompt
from .limits import Busy, Limits


@dataclass(frozen=True)
class Task:
    r"""
    One sound that is asked for.

    Args:
        seed (`int`): Of its random numbers.
        call (`Mapping`): Arguments of the pipeline; with a `source`, from [`~generation.edits.edit_call`].
        source (`torch.Tensor` of shape `(samples,)`, *optional*): A sound to change, at the model's rate.
    """

    seed: int
    call: Mapping[str, Any]
    source: torch.Tensor | None = None


class Worker:
    r"""
    A pipeline that shares the weights of another, and its kinds that edit.

    Args:
        pipe ([`AudioLCMPipeline`]): The other one.
    """

    def __init__(self, pipe: Any):
        scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
        self.pipe = type(pipe)(**{**pipe.components, "scheduler": scheduler, **pipe.options})
        self.pipe.set_progress_bar_config(disable=True)
        self._editors = {}

    def pipe_for(self, task: Task) -> Any:
        r"""The pipeline that does a task."""
        if task.source is None:
            return self.pipe
        kind = "loop" in task.call
        if kind not in self._editors:
            self._editors[kind] = pipeline_of(self.pipe, task.call)
            self._editors[kind].set_progress_bar_config(disable=True)
        return self._editors[kind]

    def pieces(self, task: Task, is_cancelled: Callable[[], bool]) -> Iterator[np.ndarray]:
        r"""
        Make a sound.

        Args:
            task ([`Task`]): What is asked for.
            is_cancelled (`Callable[[], bool]`): Whether nobody waits for it any more; looked at between steps.

        Yields:
            `np.ndarray` of shape `(samples,)`: One behind the other, they are the sound.
        """
        pipe = self.pipe_for(task)
        call = {**task.call, "generator": [torch.Generator().manual_seed(task.seed)]}
        if task.source is None:
            for piece in pipe.stream(**call):
                if is_cancelled():
                    return
                yield piece[0]
            return

        def stop_if_cancelled(pipe, index, timestep, tensors):
            pipe._interrupt = is_cancelled()
            return tensors

        yield pipe(audio=task.source, callback_on_step_end=stop_if_cancelled, **call).audios[0]


@dataclass(eq=False)
class Job:
    r"""
    A task on its way.

    Args:
        task ([`Task`]): What is asked for.
        on_piece (`Callable`, *optional*): Gets each piece once it is there, in the worker's thread.
    """

    task: Task
    on_piece: Callable[[np.ndarray], None] | None = None
    future: Future = field(default_factory=Future)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        r"""Nobody waits for it any more: it is left out, or left off at its next step."""
        self._cancelled.set()
        self.future.cancel()

    def run(self, worker: Worker) -> np.ndarray:
        r"""Make the sound."""
        pieces = []
        for piece in worker.pieces(self.task, self._cancelled.is_set):
            pieces.append(piece)
            if self.on_piece is not None:
                self.on_piece(piece)
        if self._cancelled.is_set():
            raise CancelledError
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class Studio:
    r"""
    Makes sounds for many, in the order in which they ask.

    Args:
        pipe ([`AudioLCMPipeline`]): The model.
        limits ([`~web.limits.Limits`], *optional*): How much is done.
        num_workers (`int`, defaults to 1):
            Sounds made at the same time. On a CPU one sound keeps all cores busy already.
    """

    def __init__(self, pipe: Any, limits: Limits | None = None, num_workers: int = 1):
        self.limits = limits or Limits()
        self.sampling_rate = pipe.sampling_rate
        self.defaults = {
            "audio_length_in_s": min(pipe.config.default_audio_length_in_s, self.limits.max_length_s),
            "num_inference_steps": pipe.config.default_num_inference_steps,
            "guidance_scale": pipe.config.default_guidance_scale,
        }
        self.is_student = pipe.is_student
        # Looks at what is asked for, and makes nothing: it is never busy.
        self._front = Worker(pipe)
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for _ in range(num_workers):
            self._free.put(Worker(pipe))
        self._threads = ThreadPoolExecutor(num_workers, thread_name_prefix="audiolcm")
        self._lock = threading.Lock()
        self._jobs: set[Job] = set()
        self.num_made = 0
        self.num_workers = num_workers

    @property
    def num_waiting(self) -> int:
        r"""`int`: Tasks that are not begun."""
        return max(0, len(self._jobs) - self.num_workers)

    def read_source(self, audio: str | bytes, name: str) -> torch.Tensor:
        r"""
        A sound that somebody sent, at the model's rate.

        Args:
            audio (`str` or `bytes`): Path or content of a file.
            name (`str`): What errors call it.

        Raises:
            ValueError: If it cannot be read, or is longer than the limits allow.
        """
        return read_audio(audio, self.sampling_rate, name=name, max_duration_s=self.limits.max_length_s)

    def check(self, task: Task) -> None:
        r"""
        Refuse what the model cannot do, or what is more than the limits allow, before it waits for its turn.

        Raises:
            ValueError: Quoting what does not fit, and saying what does.
        """
        call, limits = task.call, self.limits
        for name in ("prompt", "negative_prompt"):
            limits.check_text(name, call.get(name))
        limits.check_steps("num_inference_steps", call.get("num_inference_steps"))
        events = call.get("events") or []
        limits.check_events("events", events)
        for event in events:
            limits.check_text("events", str(event[0]) if event else None)
        if not events or call.get("prompt"):
            check_prompt(call.get("prompt") or "")
        pipe = self._front.pipe_for(task)
        if task.source is None:
            length_s = call.get("audio_length_in_s")
            if length_s is not None:
                limits.check_length("audio_length_in_s", length_s)
            pipe.check_inputs(**call)
            return
        # Beyond the sum, one of them is no number.
        extended = sum(seconds for seconds in call.get("extend_s", ()) if seconds > 0)
        limits.check_length("extend_s" if extended else "audio", len(task.source) / self.sampling_rate + extended)
        pipe.check_inputs(audio=task.source, **call)

    def submit(self, task: Task, on_piece: Callable[[np.ndarray], None] | None = None) -> Job:
        r"""
        Have a sound made.

        Args:
            task ([`Task`]): From [`~Studio.check`].
            on_piece (`Callable`, *optional*): Gets each piece, in another thread.

        Returns:
            [`Job`]: Its `future` has the sound, `np.ndarray` of shape `(samples,)`.

        Raises:
            Busy: If too many wait already.
        """
        job = Job(task, on_piece)
        with self._lock:
            if self.num_waiting >= self.limits.max_waiting:
                raise Busy(f"{self.num_waiting} requests wait already, the most that may. Try again later.")
            self._jobs.add(job)
        job.future.add_done_callback(lambda future: self._note_done(job))
        self._threads.submit(self._work, job)
        return job

    def _note_done(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)
            self.num_made += not job.future.cancelled() and job.future.exception() is None

    def _work(self, job: Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        worker = self._free.get()
        try:
            job.future.set_result(job.run(worker))
        except BaseException as error:  # whoever waits is told, whatever it is
            job.future.set_exception(error)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        r"""Take no more tasks, and leave off those that are open."""
        for job in tuple(self._jobs):
            job.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

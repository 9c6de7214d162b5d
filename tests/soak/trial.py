# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""One attempt in a process of its own, which may be killed or starved, and what came of it."""

import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path


# What code that must not run writes, if it does.
CANARY = Path(tempfile.gettempdir()) / f"soak-canary-{os.getpid()}"
RUN_CODE = f"open({str(CANARY)!r}, 'w').close()"


class RunsCode:
    """What unpickling turns into a call."""

    def __reduce__(self):
        return eval, (RUN_CODE,)


@dataclass
class Outcome:
    """
    What came of an attempt: `how` is "survived", "refused", "killed" or "broke", the last with the reason in `words`.
    """

    how: str
    words: str = ""
    peak_mb: float = 0.0
    code_run: bool = False


class Refusal(Exception):
    """An error that is as it ought to be: in words, at the end."""


def run_command(*words):
    """Run a sub-command. An error in one line, which is no failure of the machine's, is a refusal."""
    from audiolcm_diffusers.commands import main

    with tempfile.TemporaryFile("w+") as told:
        before = sys.stderr
        sys.stderr = told
        try:
            status = main([str(word) for word in words])
        finally:
            sys.stderr = before
        told.seek(0)
        lines = told.read().splitlines()
    errors = [line for line in lines if line.startswith("audiolcm")]
    if status == 0:
        return
    if len(errors) != 1 or re.search(r"error: (MemoryError|RecursionError|SystemError|AssertionError)", errors[0]):
        raise RuntimeError(f"status {status}: {' / '.join(lines)[-400:]}")
    raise Refusal(errors[0])


def attempt(function, *, refusals=(ValueError, OSError, ImportError), timeout_s=60, memory_gb=None, file_bytes=None):
    """
    Call a function in a process of its own.

    Args:
        function (`Callable[[], None]`): What is tried.
        refusals (`tuple[type]`): Errors that are refusals; all others are failures.
        timeout_s (`float`): Time after which it counts as hung.
        memory_gb (`float`, *optional*): Address space that it may take beyond what this process has.
        file_bytes (`int`, *optional*): How large a file may become, as on a disk that is full.

    Returns:
        [`Outcome`].
    """
    for _ in range(3):
        outcome = _attempt(function, refusals, timeout_s, memory_gb, file_bytes)
        # What torch says once in a thousand processes that were forked from one with threads.
        if "Invalid thread pool" not in outcome.words:
            break
    return outcome


def _attempt(function, refusals, timeout_s, memory_gb, file_bytes):
    CANARY.unlink(missing_ok=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _in_child(function, refusals, memory_gb, file_bytes, writer)
    os.close(writer)
    deadline = time.monotonic() + timeout_s
    told = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            break
        piece = os.read(reader, 65536)
        if not piece:
            break
        told += piece
    os.close(reader)
    hung = time.monotonic() >= deadline
    if hung:
        os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    words = told.decode(errors="replace")
    code_run = CANARY.exists()
    CANARY.unlink(missing_ok=True)
    if hung:
        how, words = "broke", f"hung for {timeout_s} s"
    elif os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        how = "killed" if number in (signal.SIGKILL, signal.SIGALRM) else "broke"
        words = f"ended by {signal.Signals(number).name}"
    else:
        how = {0: "survived", 2: "refused"}.get(os.waitstatus_to_exitcode(status), "broke")
    return Outcome(how, words, usage.ru_maxrss / 1024, code_run)


def _in_child(function, refusals, memory_gb, file_bytes, writer):
    status = 3
    try:
        os.setsid()
        null, out = os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_WRONLY)
        yes, says_yes = os.pipe()
        os.write(says_yes, b"y\n" * 100)  # whoever asks whether to trust something is told yes
        os.close(says_yes)
        for source, target in ((yes, 0), (out, 1), (null, 2)):
            os.dup2(source, target)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
        if memory_gb is not None:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            limit = size + int(memory_gb * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            told = function() or ""
            status = 0
        except (*refusals, Refusal) as error:
            status, told = 2, f"{type(error).__name__}: {error}"
        except BaseException as error:
            told = "".join(traceback.format_exception(error)[-2:])[-800:]
        os.write(writer, str(told).encode(errors="replace")[:8000])
    finally:
        os._exit(status)


def kill_at_change(number, folder, delay_s=0.0):
    """
    To be called in the child: end the process without a word when it is about to change a folder for the n-th time, or
    a moment later.

    Args:
        number (`int`): Which change.
        folder (`Path`): Changes of names and openings for writing in here count.
        delay_s (`float`, defaults to 0.0): How much later.
    """
    count = 0
    # A timer's signal ends the process, as it has no handler, in the middle of whatever it does.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def end():
        nonlocal count
        count += 1
        if count == number:
            if delay_s == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            signal.setitimer(signal.ITIMER_REAL, delay_s)

    sys.addaudithook(_on_changes(folder, end))


def count_changes(function, folder):
    """`Callable`: The function, which then tells how many changes of a folder it made."""

    def counting():
        count = 0

        def add():
            nonlocal count
            count += 1

        sys.addaudithook(_on_changes(folder, add))
        function()
        return count

    return counting


def _on_changes(folder, do):
    folder = str(folder)
    changes = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.link", "os.symlink")

    def hook(event, arguments):
        if event == "open":
            is_change = bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            is_change = event in changes
        if is_change and isinstance(arguments[0], (str, bytes, os.PathLike)):
            if os.fsdecode(arguments[0]).startswith(folder):
                do()

    return hook

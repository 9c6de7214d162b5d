# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a call comes to in a process of its own, where nothing else was compiled or held before."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any


def run_alone(function: Callable, arguments: dict[str, Any], name: str) -> Any:
    r"""
    Call a function in a process of its own, whose peak memory is thus its own.

    Args:
        function (`Callable`): A function of a module, which can be imported.
        arguments (`dict`): Its keyword arguments. They and the result go through JSON.
        name (`str`): What the call is, for the message, such as `"The variant 'ours'"`.

    Returns:
        `Any`: What the function returned.

    Raises:
        ChildProcessError: With the process's last line, if it fails.
    """
    with tempfile.TemporaryDirectory() as cache:
        # Compiled code that an earlier run left behind would hide how long compiling takes.
        done = subprocess.run(
            [sys.executable, "-m", __name__, function.__module__, function.__name__],
            env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache},
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise ChildProcessError(f"{name} alone ended with status {done.returncode}: {''.join(last) or 'no message'}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    r"""The other process: the function's place is its command line, its arguments are its standard input."""
    module, name = sys.argv[1:]
    try:
        result = getattr(importlib.import_module(module), name)(**json.load(sys.stdin))
    except Exception as error:
        # One line, which the process that waits can quote.
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()

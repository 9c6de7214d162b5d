# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
The `audiolcm` command. Every sub-command is a module here with `register(subparsers)` and `run(args)`; only the one
that is asked for is imported.
"""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence

from ..steady_output import steady_output
from .options import hub_token


SUMMARIES = {
    "generate": "make sound from text",
    "edit": "change a sound, mend, continue or loop it",
    "serve": "a page and an API to make sound with",
    "export-hub": "write a model as a repository that brings its own code",
    "export-onnx": "write a model as ONNX files",
    "convert": "turn the published AudioLCM checkpoint into a pipeline folder",
    "evaluate": "judge generated sound by FAD, KL, inception and CLAP score",
    "inspect": "look at diversity, copies, lengths and wordings",
    "benchmark": "measure speed and memory",
}

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage in front."""

    def error(self, message):
        self.exit(EXIT_ERROR, f"{self.prog}: error: {message} (see `{self.prog} --help`)\n")


def module_of(command: str) -> str:
    """The module of a sub-command."""
    return f"{__name__}.{command.replace('-', '_')}"


def build_parser(command: str | None) -> tuple[argparse.ArgumentParser, object | None]:
    """
    Build the parser of the whole command line, with the options of one sub-command.

    Args:
        command (`str`, *optional*): Sub-command whose module is imported; the others are listed only.

    Returns:
        `tuple`: the parser, and the sub-command's module or `None`.
    """
    from .. import __version__

    parser = OneLineParser(prog="audiolcm", description="Text to sound in two steps.")
    parser.add_argument("--version", action="version", version=f"audiolcm {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from, for a bug report")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module = None
    for name, summary in SUMMARIES.items():
        if name == command:
            module = importlib.import_module(module_of(name))
            module.register(subparsers)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser, module


def describe(error: BaseException) -> str:
    """One line that says what went wrong. Errors that are no user's mistake are named by their type, too."""
    message = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError, ImportError)) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Args:
        argv (`Sequence[str]`, *optional*): Arguments, without the program's name; `sys.argv[1:]` by default.

    Returns:
        `int`: Exit status: 0, 2 after an error (one line on standard error), 130 after an interruption.

    Raises:
        SystemExit: After `--help` and `--version`, and with status 2 if the arguments cannot be parsed.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    with steady_output() as output:
        status = _run(argv)
    # A reader that has gone, as `head` does, wants no more; everything else is told, as what was printed is lost.
    if output is None or output.error is None or isinstance(output.error, BrokenPipeError):
        return status
    print(f"audiolcm: error: standard output cannot be written: {describe(output.error)}", file=sys.stderr)
    return status or EXIT_ERROR


def _run(argv):
    try:
        command = next((argument for argument in argv if not argument.startswith("-")), None)
        parser, module = build_parser(command)
        args = parser.parse_args(argv)
        with hub_token(getattr(args, "token", None)):
            status = module.run(args)
    except KeyboardInterrupt:
        print("audiolcm: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if "--traceback" in argv:
            traceback.print_exc()
        print(f"audiolcm: error: {describe(error)}", file=sys.stderr)
        return EXIT_ERROR
    return 0 if status is None else status

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How options are declared, and read from flags and files."""

import json
import sys
from dataclasses import field
from pathlib import Path

import yaml
from transformers import HfArgumentParser


def option(default, help_text):
    r"""A dataclass field with a help text, which `HfArgumentParser` turns into a flag."""
    return field(default=default, metadata={"help": help_text})


def parse_config(config_class, args=None):
    r"""
    Read a script's options from the command line: flags, and before them, if wanted, a JSON or YAML file of options
    that the flags override.

    Raises:
        ValueError: If the file is missing or does not hold an object of options.
    """
    args = sys.argv[1:] if args is None else list(args)
    if args and Path(args[0]).suffix in (".json", ".yaml", ".yml"):
        args = [*flags_of(options_of_file(args[0])), *args[1:]]
    return HfArgumentParser(config_class).parse_args_into_dataclasses(args)[0]


def options_of_file(path):
    r"""
    Read a JSON or YAML file of options.

    Returns:
        `dict`: Values by the options' names.

    Raises:
        ValueError: If the file is missing or does not hold an object.
    """
    if not Path(path).is_file():
        raise ValueError(f"There is no file of options {str(path)!r}.")
    # JSON is YAML but for exponents without a point, which YAML takes for text; both end as text in flags.
    options = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(options, dict):
        raise ValueError(f"Expected {str(path)!r} to hold an object of options, got {type(options).__name__}.")
    return options


def flags_of(options):
    r"""
    The flags that say what a `dict` of options says: none where a value is `None`, an object as JSON, of a list a word
    for each item.
    """
    flags = []
    for name, value in options.items():
        if value is None:
            continue
        words = value if isinstance(value, list) else [json.dumps(value) if isinstance(value, dict) else value]
        flags += [f"--{name}", *map(str, words)]
    return flags

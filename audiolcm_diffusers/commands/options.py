# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Options that several sub-commands have, and what errors call options."""

import argparse
import os
import re
from contextlib import contextmanager
from pathlib import Path

from ..pipelines.loading import MINI


DTYPES = ("float32", "float16", "bfloat16")
MODEL_HELP = (
    '"mini" or "mini-teacher", which come with the package; a folder that a pipeline was saved to; or a model on the '
    'Hub, "owner/name" (default: mini)'
)


def add_model_options(parser, default=MINI):
    r"""Add `--model`, what belongs to it, `--device` and `--dtype` to a sub-command's parser."""
    add_model_option(parser, default)
    add_device_options(parser)


def add_model_option(parser, default=MINI):
    r"""Add `--model` and what belongs to it to a sub-command's parser."""
    parser.add_argument("--model", default=default, metavar="MODEL", help=MODEL_HELP)
    add_hub_options(parser)


def add_output_folder(parser):
    r"""Add the folder that a sub-command writes, for [`~commands.convert.check_output`]."""
    parser.add_argument("output", type=Path, metavar="FOLDER", help="to write; must not exist yet, or be empty")


def add_hub_options(parser):
    r"""Add `--variant`, `--revision` and `--token` to a sub-command's parser."""
    parser.add_argument(
        "--variant", metavar="NAME", help="which weights of --model, such as fp16 of model.fp16.safetensors"
    )
    parser.add_argument(
        "--revision", metavar="NAME", help="which state of a --model on the Hub: a branch, a tag or a commit"
    )
    parser.add_argument(
        "--token",
        type=token,
        help="to read what is not public on the Hub; others of this machine may see it, but not the variable HF_TOKEN "
        "(default: that variable, or what `hf auth login` stored)",
    )


def token(text):
    r"""A token of the Hub, for argparse, whose message would quote it."""
    if not text.isascii() or not text.isprintable() or not text.strip():
        raise argparse.ArgumentTypeError("expected a token of the Hub, such as hf_…")
    return text.strip()


@contextmanager
def hub_token(value):
    r"""
    Let all that is read from the Hub be read with a token.

    Args:
        value (`str`, *optional*): The token; by default the one that the machine has.
    """
    before = os.environ.get("HF_TOKEN")
    if value is not None:
        os.environ["HF_TOKEN"] = value
    try:
        yield
    finally:
        if before is not None:
            os.environ["HF_TOKEN"] = before
        elif value is not None:
            del os.environ["HF_TOKEN"]


def add_device_options(parser):
    r"""Add `--device` and `--dtype` to a sub-command's parser."""
    parser.add_argument(
        "--device", help='where to run, such as "cpu", "cuda", "cuda:1" or "mps" (default: the fastest there is)'
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help="precision of the computation (default: float16 on CUDA, float32 elsewhere)",
    )


def add_tagger_options(parser):
    r"""Add `--tagger`, `--tagger-config` and `--class-map` to a sub-command's parser."""
    parser.add_argument(
        "--tagger",
        metavar="NETWORK",
        help="an outside ear that names sounds: an .onnx file of a tagger such as YAMNet, or its folder",
    )
    parser.add_argument(
        "--tagger-config",
        metavar="FILE.json",
        help="how it hears (default: tagger.json in its folder, and without one as YAMNet)",
    )
    parser.add_argument(
        "--class-map",
        metavar="FILE.json",
        help="an object of classes, or captions, and lists of the tagger's labels that stand for each (default: "
        "class_map.json in its folder)",
    )


def add_metadata_option(parser):
    r"""Add `--no-metadata` to a sub-command's parser."""
    parser.add_argument(
        "--no-metadata",
        action="store_true",
        help="do not write into each file what made it: prompt, seed, settings, model and licence",
    )


def add_outside_paths_option(parser):
    r"""Add the option that allows a dataset to name any file."""
    parser.add_argument(
        "--outside-paths",
        action="store_true",
        help="let rows of captioned clips name files of this machine outside of their folder; for data that you trust",
    )


def flags(names):
    r"""Options as they are written."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))


@contextmanager
def errors_with_flags(args, **renamed):
    r"""
    Let errors of the library, which name arguments as Python has them, between backticks, name options.

    Args:
        args (`argparse.Namespace`): The options.
        renamed (`str`): Options that have another name than their argument: `argument="option"`.

    Raises:
        ValueError: With `--batch-size` for an argument `batch_size` in the message, and so on.
    """
    names = {name: name for name in vars(args)} | renamed

    def flag(match):
        return flags([names[match[1]]]) if match[1] in names else match[0]

    try:
        yield
    except ValueError as error:
        message = re.sub(r"`(\w+)`", flag, str(error))
        if message == str(error):
            raise
        raise ValueError(message) from error

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm convert`: a pipeline folder from the published checkpoint."""

import os
import shutil
import tempfile
from pathlib import Path

from .. import __version__
from ..writable import check_can_create, remove_tried_names
from .options import DTYPES


DESCRIPTION = """\
Turn the published AudioLCM checkpoint into a folder that `AudioLCMPipeline.from_pretrained` and
`audiolcm generate --model` load. Nothing that the files hold is run. The folder appears when it is complete.
"""


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser(
        "convert", help="turn the published AudioLCM checkpoint into a pipeline folder", description=DESCRIPTION
    )
    required = parser.add_argument_group("files")
    for option, metavar, text in (
        ("--checkpoint", "FILE", "the published checkpoint, audiolcm.ckpt"),
        ("--config", "FILE", "its configuration, audiolcm.yaml"),
        ("--vocoder", "DIR", "folder of the published BigVGAN: args.yml and best_netG.pt, or files like them"),
        ("--bert", "DIR", "folder with the configuration and tokenizer of bert-base-uncased"),
        ("--t5", "DIR", "folder with the configuration and tokenizer of t5-v1_1-large or flan-t5-large"),
        ("--output", "DIR", "folder to write, which must not exist yet or be empty"),
    ):
        required.add_argument(option, type=Path, metavar=metavar, required=True, help=text)
    parser.add_argument("--dtype", choices=DTYPES, help="precision of the weights written (default: as they are)")


def check_output(output, option="--output"):
    r"""
    Refuse an output folder that cannot be written, before anything is read.

    Args:
        output (`Path`): The folder.
        option (`str`, defaults to `"--output"`): What errors call it.

    Raises:
        FileExistsError: If there is something already.
        FileNotFoundError: If the folder to hold it is missing.
        ValueError: If nothing can be made there.
    """
    if output.is_symlink():
        raise FileExistsError(f"{option} {str(output)!r} is a link; name a folder.")
    if output.is_dir():
        remove_tried_names(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(
            f"{option} {str(output)!r} exists already; name a folder that does not, or an empty one."
        )
    if not output.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(output.parent)!r} to write {option} {output.name!r} to.")
    try:
        check_can_create(output)
    except ValueError as error:
        raise ValueError(f"{option} cannot be written: {error}") from error


def save_complete(save, output):
    r"""
    Let `save(folder)` write a folder that appears only when it is complete: under another name in the same place, then
    renamed. Whatever stops it leaves nothing behind.
    """
    temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        # One folder deeper, as mkdtemp makes private ones.
        save(temporary / output.name)
        os.replace(temporary / output.name, output)
    finally:
        shutil.rmtree(temporary)


def run(args):
    r"""Convert. Imports late: `--help` and a mistyped option need not wait for torch."""
    output = Path(os.path.abspath(args.output))
    check_output(output)

    import torch

    from ..conversion.checkpoint import components_from_original
    from ..loaders.complete import cast_weights
    from ..pipelines.pipeline_audiolcm import AudioLCMPipeline

    components = components_from_original(args.checkpoint, args.config, args.vocoder, args.bert, args.t5)
    models = {name: model for name, model in components.items() if isinstance(model, torch.nn.Module)}
    for model in models.values():
        if args.dtype is not None:
            cast_weights(model, getattr(torch, args.dtype))
    description = (
        f"Converted by `audiolcm convert` of audiolcm-diffusers {__version__} from `{Path(args.checkpoint).name}`, "
        f"`{Path(args.config).name}` and the vocoder in `{Path(args.vocoder).resolve().name}`, weights of AudioLCM "
        "(arXiv:2406.00356) by their authors."
    )
    pipe = AudioLCMPipeline(**components)
    save_complete(lambda folder: pipe.save_pretrained(folder, description=description), output)
    for name, model in models.items():
        size = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name:17} {type(model).__name__:24} {size / 1e6:8.1f} M parameters")
    print(f"wrote {args.output}")

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm export-onnx`: a model as ONNX files."""

import os
from pathlib import Path

from ..pipelines.loading import find_model, load_pipeline
from .convert import check_output, save_complete
from .options import add_model_option, add_output_folder


DESCRIPTION = """\
Write text encoder, transformer, VAE decoder and vocoder of a model as ONNX files, with run.py, a page of code that
makes sound of them with onnxruntime, numpy and tokenizers alone. The folder appears when it is complete.
"""


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser("export-onnx", help="write a model as ONNX files", description=DESCRIPTION)
    add_output_folder(parser)
    add_model_option(parser)
    parser.add_argument(
        "--int8", action="store_true", help="weights of 8 bits in text encoder and transformer: smaller, and faster"
    )


def run(args):
    r"""
    Export.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    output = Path(os.path.abspath(args.output))
    check_output(output, "FOLDER")
    model = find_model(args.model, args.variant, args.revision)

    import torch

    from ..generation.provenance import model_folder
    from ..onnx.export import check_exportable, export_onnx

    pipe = load_pipeline(model, torch.device("cpu"), torch.float32, variant=args.variant, revision=args.revision)
    check_exportable(pipe)
    source = model_folder(model, args.revision)

    def save(folder):
        folder.mkdir()
        export_onnx(pipe, folder, source, int8=args.int8)

    save_complete(save, output)
    print(f"wrote {args.output}")

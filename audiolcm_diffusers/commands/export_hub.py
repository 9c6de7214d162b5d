# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm export-hub`: a model as a repository that brings its own code."""

import os
from pathlib import Path

from ..pipelines.loading import find_model
from .convert import check_output, save_complete
from .options import add_model_option, add_output_folder


DESCRIPTION = """\
Write a model as a repository for the Hub that diffusers loads with trust_remote_code=True where audiolcm-diffusers is
not installed, as a pipeline and as a modular one. The folder appears when it is complete. Upload it with `hf upload`,
or say --push.
"""


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser(
        "export-hub", help="write a model as a repository that brings its own code", description=DESCRIPTION
    )
    add_output_folder(parser)
    add_model_option(parser)
    parser.add_argument(
        "--repo-id", metavar="OWNER/NAME", help="repository that it is to be; where a modular pipeline finds its parts"
    )
    parser.add_argument("--push", action="store_true", help="make the repository of --repo-id, and upload the folder")
    parser.add_argument("--private", action="store_true", help="with --push: make it a private one")


def run(args):
    r"""
    Export.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    from huggingface_hub.utils import validate_repo_id

    output = Path(os.path.abspath(args.output))
    check_output(output, "FOLDER")
    if args.repo_id is not None:
        validate_repo_id(args.repo_id)
    elif args.push:
        raise ValueError("--push needs --repo-id, the repository to upload to.")
    if args.private and not args.push:
        raise ValueError("--private belongs to --push, which is not given.")
    model = find_model(args.model, args.variant, args.revision)

    from .. import AudioLCMPipeline
    from ..pipelines.exporting import export_with_code
    from ..pipelines.loading import check_pipeline_folder

    if not isinstance(model, Path):
        model = Path(
            AudioLCMPipeline.download(model, variant=args.variant, revision=args.revision, use_safetensors=True)
        )
        check_pipeline_folder(model, args.variant)
    repository = None
    if args.push:
        from ..hub import Repository

        repository = Repository.of(args.repo_id, private=args.private or None)

    def save(folder):
        folder.mkdir()
        export_with_code(model, folder, args.repo_id)

    save_complete(save, output)
    print(f"wrote {args.output}")
    if repository is not None:
        print(repository.upload(output, "Upload AudioLCMPipeline with its code"))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm serve`: a page and an API."""

import os
from dataclasses import fields

from ..pipelines.loading import find_model
from .generate import load
from .options import add_model_options
from .values import count, positive


KEY_VARIABLE = "AUDIOLCM_API_KEY"

DESCRIPTION = f"""\
Serve a page to make and edit sound with, and the same as an API (POST /v1/audio/generations and /v1/audio/edits; /docs
tells more). Only this machine is served unless --host says otherwise. With a key, in the variable {KEY_VARIABLE},
clients must send it, and the page asks for it.
"""


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser("serve", help="a page and an API to make sound with", description=DESCRIPTION)
    add_model_options(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all (default: this machine alone)"
    )
    parser.add_argument(
        "--port", type=port, default=7860, metavar="N", help="port to listen at; 0 for a free one (default: 7860)"
    )
    parser.add_argument("--no-page", action="store_true", help="the API alone")
    parser.add_argument(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        help="sounds made at the same time; one keeps a CPU busy (default: 1)",
    )
    parser.add_argument("--max-duration", type=positive, metavar="SECONDS", help="longest sound (default: 60)")
    parser.add_argument("--max-characters", type=count, metavar="N", help="longest text (default: 1000)")
    parser.add_argument("--max-events", type=count, metavar="N", help="most events of a sound (default: 16)")
    parser.add_argument("--max-steps", type=count, metavar="N", help="most denoising steps (default: 100)")
    parser.add_argument("--max-takes", type=count, metavar="N", help="most takes on the page (default: 4)")
    parser.add_argument("--max-upload", type=positive, metavar="MB", help="largest file that is taken (default: 20)")
    parser.add_argument(
        "--max-waiting", type=count, metavar="N", help="most requests that wait; more are sent away (default: 64)"
    )
    parser.add_argument("--quiet", action="store_true", help="log no requests")


def port(text):
    r"""A port, for argparse."""
    import argparse

    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def run(args):
    r"""
    Serve until interrupted.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    key = os.environ.get(KEY_VARIABLE)
    if key is not None and (not key.strip() or not key.isascii() or not key.isprintable()):
        raise ValueError(f"{KEY_VARIABLE} is set, but holds no key: expected printable ASCII characters.")
    model = find_model(args.model, args.variant, args.revision)
    try:
        from ..web.limits import Limits
        from ..web.server import hosts_of, make_app
        from ..web.server import run as serve
        from ..web.studio import Studio
    except ImportError as error:
        raise ImportError(
            f"`audiolcm serve` needs more packages: pip install 'audiolcm-diffusers[demo]' ({error})."
        ) from error

    limits = Limits(**limits_of(args))
    args.json = False
    device, _, pipe, origin = load(args, args.model, model, args.variant, args.revision, is_told=True)
    studio = Studio(pipe, limits, args.workers)
    app = make_app(studio, origin, not args.no_page, key, hosts_of(args.host))

    def tell(address):
        page = "" if args.no_page else f"page: {address}\n"
        print(f"{args.model} on {device}\n{page}API: {address}/docs", flush=True)

    try:
        serve(app, args.host, args.port, tell, args.quiet)
    finally:
        studio.close()


def limits_of(args):
    r"""Limits that options name, by the names of [`~web.limits.Limits`]."""
    from ..web.limits import Limits

    names = {"max_length_s": "max_duration", "max_upload_mb": "max_upload"}
    given = {field.name: getattr(args, names.get(field.name, field.name)) for field in fields(Limits)}
    return {name: value for name, value in given.items() if value is not None}

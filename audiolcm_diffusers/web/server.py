# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A server of page and API, ready to be run."""

from collections.abc import Callable, Collection
from typing import Any

from .api import make_api
from .guards import LOOPBACK, Guard
from .studio import Studio


# Of a form, beside the file in it.
FORM_BYTES = 100_000


def make_app(
    studio: Studio,
    origin: dict[str, Any],
    with_page: bool = True,
    api_key: str | None = None,
    hosts: Collection[str] | None = LOOPBACK,
) -> Callable:
    r"""
    The ASGI app of a studio.

    Args:
        studio ([`~web.studio.Studio`]): Makes sounds.
        origin (`dict`): What files say of the model: `model`, `model_hash`, `licence` and so on.
        with_page (`bool`, defaults to `True`): Whether it has the page, at `/`, beside the API.
        api_key (`str`, *optional*): What clients must have; whoever opens the page is asked for it, too.
        hosts (`Collection[str]`, *optional*): Names that it is called by; any where it is `None`.
    """
    app = make_api(studio, origin)
    if with_page:
        from .page import mount_page

        app = mount_page(app, studio, origin, api_key)
    return Guard(app, api_key, hosts, studio.limits.max_upload_bytes + FORM_BYTES)


def hosts_of(host: str) -> Collection[str] | None:
    r"""Names that a server is called by that listens at an address; any where that is not this machine's own."""
    return LOOPBACK if host in LOOPBACK or host.startswith("127.") else None


def run(app: Callable, host: str, port: int, on_start: Callable[[str], None], quiet: bool = False) -> None:
    r"""
    Serve until interrupted.

    Args:
        app (`Callable`): From [`make_app`].
        host (`str`): Address to listen at.
        port (`int`): Port to listen at; 0 for any that is free.
        on_start (`Callable`): Called with the server's address, once it listens.
        quiet (`bool`, defaults to `False`): Whether requests are not logged.

    Raises:
        OSError: If the address cannot be listened at.
    """
    import asyncio
    import socket

    import uvicorn

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise OSError(f"{host}:{port} cannot be listened at: {error.strerror or error}.") from error
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="warning" if quiet else "info", access_log=not quiet, timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)

        async def serve():
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not task.done():
                await asyncio.sleep(0.05)
            if not task.done():
                on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}")
            await task

        asyncio.run(serve())

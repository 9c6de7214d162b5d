# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What is turned away before a request is read: strangers without the key, other sites' pages, bodies that are too large.

A server of this machine is reached by every page that its browser shows. Such a page cannot read answers of another
site, but it can send requests, and with a name that it has its own DNS lead here, it can read them, too. Requests are
therefore taken only for names that the server is known by, and from pages of its own.
"""

import hmac
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from .errors import Refusal


LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    r"""
    An ASGI app in front of another.

    Args:
        app (`Callable`): The other one.
        api_key (`str`, *optional*): What clients of `/v1` must send as `Authorization: Bearer`.
        hosts (`Collection[str]`, *optional*): Names that the server is called by; all where it is `None`.
        max_body_bytes (`int`): Largest request that is read.
    """

    def __init__(self, app: Callable, api_key: str | None, hosts: Collection[str] | None, max_body_bytes: int):
        self.app, self.api_key, self.hosts, self.max_body_bytes = app, api_key, hosts, max_body_bytes

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
            return
        answered = False
        read = 0

        async def limited_receive():
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self.max_body_bytes:
                    raise self._too_large(f"more than {self.max_body_bytes}")
            return message

        async def noted_send(message):
            nonlocal answered
            answered |= message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, limited_receive, noted_send)
        except Refusal as refusal:
            if answered:
                raise
            await refusal.response()(scope, receive, send)

    def _check(self, scope, headers: Headers) -> None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if self.hosts is not None and host not in self.hosts:
            names = ", ".join(sorted(self.hosts))
            raise Refusal(421, f"This server is not called {headers.get('host', '')!r}; it answers to {names}.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            raise Refusal(403, f"Pages of {origin!r} may not use this server.")
        if self.api_key is not None and scope["path"].startswith("/v1"):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            is_right = scheme.lower() == "bearer" and hmac.compare_digest(
                given.strip().encode(), self.api_key.encode()
            )
            if not is_right:
                what = "is not the server's" if given else "is missing"
                raise Refusal(
                    401,
                    f"The API key {what}: send it as `Authorization: Bearer KEY`.",
                    kind="authentication_error",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise Refusal(400, f"Expected a Content-Length in bytes, got {length[:40]!r}.")
        if int(length) > self.max_body_bytes:
            raise self._too_large(length)

    def _too_large(self, length: str) -> Refusal:
        return Refusal(413, f"The request has {length} bytes; this server takes {self.max_body_bytes} at most.")

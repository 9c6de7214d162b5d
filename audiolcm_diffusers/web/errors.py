# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Errors as clients read them: JSON with a reason, in the form that speech and image APIs have; never a traceback."""

import json
import logging
import re
from concurrent.futures import CancelledError
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .limits import Busy, OutOfLimits


logger = logging.getLogger(__name__)

MAX_QUOTED = 80


class Refusal(HTTPException):
    r"""
    An answer that is an error.

    Args:
        status (`int`): Of HTTP.
        message (`str`): The reason.
        param (`str`, *optional*): The field that it is about.
        kind (`str`, defaults to `"invalid_request_error"`): What sort of error.
        headers (`dict`, *optional*): Of the answer.
    """

    def __init__(self, status, message, param=None, kind="invalid_request_error", headers=None):
        super().__init__(status, message, headers)
        self.param, self.kind = param, kind

    def response(self) -> Response:
        r"""The answer."""
        error = {"message": self.detail, "type": self.kind, "param": self.param}
        # ASCII alone, because a message may quote halves of characters.
        return Response(
            json.dumps({"error": error}), self.status_code, media_type="application/json", headers=self.headers
        )


def refusal_of(error: BaseException) -> Refusal:
    r"""The answer to what went wrong. What no client did is logged, and told in general words."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OutOfLimits):
        return Refusal(400, str(error), error.name)
    if isinstance(error, Busy):
        return Refusal(503, str(error), kind="overloaded", headers={"Retry-After": "5"})
    if isinstance(error, CancelledError):
        return Refusal(503, "The server is stopping.", kind="overloaded")
    if isinstance(error, ValueError):
        named = re.search(r"`([a-z_]+)`", str(error))
        return Refusal(400, str(error), named and named[1])
    logger.error("A request failed.", exc_info=error)
    return Refusal(500, "The server failed at this request; its log says why.", kind="server_error")


def _of_validation(error: RequestValidationError) -> Refusal:
    first = error.errors()[0]
    places = [str(place) for place in first["loc"] if place not in ("body", "query")]
    if first["type"] == "json_invalid":
        return Refusal(400, f"The request is no JSON: {first.get('ctx', {}).get('error', first['msg'])}.")
    if first["type"] == "missing":
        return Refusal(400, f"`{'.'.join(places) or 'the request'}` is missing.", ".".join(places) or None)
    told = {"extra_forbidden": "there is no such field"}.get(first["type"], first["msg"])
    field = ".".join(places) or None
    return Refusal(400, f"`{field or 'the request'}`: {told}; got {_quoted(first.get('input'))}.", field)


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"


def answer_errors_as_json(app: FastAPI) -> None:
    r"""Have an app answer all errors of its routes as JSON."""

    async def on_validation(request: Request, error: RequestValidationError) -> Response:
        return _of_validation(error).response()

    async def on_http(request: Request, error: HTTPException) -> Response:
        told = {404: f"There is nothing at {request.url.path}.", 405: f"{request.method} is not taken here."}
        headers = dict(error.headers or {})
        return Refusal(error.status_code, told.get(error.status_code, str(error.detail)), headers=headers).response()

    async def on_any(request: Request, error: Exception) -> Response:
        return refusal_of(error).response()

    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    for kind in (Refusal, Busy, ValueError, CancelledError, Exception):
        app.add_exception_handler(kind, on_any)

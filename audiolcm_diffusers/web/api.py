# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The API: `POST /v1/audio/generations` and `/v1/audio/edits`, what is there, and how the server fares."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response, StreamingResponse

from .. import __version__
from ..audio.io import write_audio
from ..audio.tags import SoundTags
from ..audio.wav_stream import wav_header, wav_samples
from ..generation.edits import edit_call, read_segments
from ..generation.provenance import tags_of
from ..generation.requests import MAX_SEED
from .errors import Refusal, answer_errors_as_json
from .limits import Limits
from .studio import Studio, Task


MEDIA_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"}
# How often a waiting client is looked after.
POLL_S = 1.0

DESCRIPTION = """\
Sound from text. Answers are sound files; errors are JSON: `{"error": {"message": …, "type": …, "param": …}}`.
"""


def draw_seed() -> int:
    r"""`int`: A seed where none is asked for."""
    return secrets.randbelow(MAX_SEED + 1)


def title_of(task: Task) -> str:
    r"""What is to be heard: the prompt, and what events say."""
    events = [event[0] for event in task.call.get("events") or ()]
    return " and ".join(dict.fromkeys(filter(None, [task.call.get("prompt"), *events])))


def tags_for(task: Task, said: dict[str, Any], origin: dict[str, Any]) -> SoundTags:
    r"""
    What the file of a sound says of itself.

    Args:
        task ([`~web.studio.Task`]): What was asked for.
        said (`dict`): What else it says, its `command` among it.
        origin (`dict`): What files say of the model.
    """
    settings = {"prompt": title_of(task), "seed": task.seed, **task.call, **said, **origin}
    return tags_of(settings, origin["licence"])


def request_models(limits: Limits) -> tuple[type[BaseModel], type[BaseModel]]:
    r"""
    What clients may ask for, with the limits that the OpenAPI page shows.

    Returns:
        `tuple[type[BaseModel], type[BaseModel]]`: Of a generation and of an edit.
    """
    number = {"allow_inf_nan": False}
    text = Annotated[str, Field(max_length=limits.max_characters)]
    shared = {
        "model": (str | None, Field(None, description="The model that is served, or nothing.")),
        "prompt": (text | None, Field(None, description="What is to be heard.", examples=["a dog barking"])),
        "negative_prompt": (text | None, Field(None, description="What is not to be heard; for teachers only.")),
        "num_inference_steps": (
            int | None,
            Field(None, ge=1, le=limits.max_steps, description="Denoising steps; the model's by default."),
        ),
        "guidance_scale": (float | None, Field(None, description="How strongly it follows the prompt.", **number)),
        "seed": (
            int | None,
            Field(None, ge=0, le=MAX_SEED, description="Of the random numbers; drawn, and told, by default."),
        ),
        "response_format": (Literal["wav", "flac", "ogg"], Field("wav", description="16 bits, or Ogg Vorbis.")),
    }
    seconds = {"gt": 0, "le": limits.max_length_s, **number}
    event = Annotated[list[text | float], Field(min_length=2, max_length=3)]
    generation = {
        "audio_length_in_s": (float | None, Field(None, description="Seconds; the model's by default.", **seconds)),
        "loop": (bool, Field(False, description="Whether the end is to meet the beginning.")),
        "events": (
            Annotated[list[event], Field(max_length=limits.max_events)] | None,
            Field(
                None,
                description='Sounds in their places: `["a door slams", 3.5]` begins at a second, `["rain", 0, 4]` '
                'lasts from one to another; or `["a sneeze", "start"]`, with the orders start, mid, end and all.',
            ),
        ),
        "stream": (bool, Field(False, description="Send the sound while it is made; wav alone.")),
    }
    edit = {
        "strength": (
            float | None,
            Field(None, gt=0, le=1, description="How much is made anew; 0.6 by default, of masks all.", **number),
        ),
        "masks": (str | None, Field(None, description="Seconds to make anew.", examples=["1:1.5, 3:4"])),
        "extend_s": (float | None, Field(None, description="Seconds to make behind it.", **seconds)),
        "extend_before_s": (float | None, Field(None, description="Seconds to make before it.", **seconds)),
        "loop": (bool, Field(False, description="Whether the end is to meet the beginning.")),
        "crossfade_s": (
            float | None,
            Field(None, ge=0, le=1, description="From what is kept to what is made.", **number),
        ),
    }
    # JSON has types of its own, and means them; a form has texts.
    strict = ConfigDict(extra="forbid", strict=True)
    return (
        create_model("Generation", __config__=strict, **shared, **generation),
        create_model("Edit", __config__=ConfigDict(extra="forbid"), **shared, **edit),
    )


class Answers:
    r"""
    Makes answers of what a studio makes.

    Args:
        studio ([`~web.studio.Studio`]): Makes sounds.
        origin (`dict`): What files say of the model: `model`, `model_hash`, `licence` and so on.
    """

    def __init__(self, studio: Studio, origin: dict[str, Any]):
        self.studio, self.origin = studio, origin

    def check_model(self, name: str | None) -> None:
        r"""Refuse another model than the one that is served."""
        if name not in (None, self.origin["model"]):
            raise Refusal(404, f"The model {name[:80]!r} is not served here; {self.origin['model']!r} is.", "model")

    def file(self, task: Task, waveform: np.ndarray, suffix: str, said: dict[str, Any]) -> bytes:
        r"""
        A sound file that says what made it.

        Args:
            task ([`~web.studio.Task`]): What was asked for.
            waveform (`np.ndarray` of shape `(samples,)`): What came of it.
            suffix (`str`): `"wav"`, `"flac"` or `"ogg"`.
            said (`dict`): What else it says, its `command` among it.
        """
        with tempfile.TemporaryDirectory(prefix="audiolcm-") as folder:
            path = Path(folder, f"sound.{suffix}")
            write_audio(path, waveform, self.studio.sampling_rate, tags_for(task, said, self.origin))
            return path.read_bytes()

    async def whole(self, request: Request, task: Task, suffix: str, said: dict[str, Any]) -> Response:
        r"""The answer to a request for a sound, once it is there."""
        begin = time.perf_counter()
        job = self.studio.submit(task)
        try:
            waveform = await _while_connected(request, asyncio.wrap_future(job.future))
        finally:
            job.cancel()
        content = await run_in_threadpool(self.file, task, waveform, suffix, said)
        return Response(
            content,
            media_type=MEDIA_TYPES[suffix],
            headers={
                **_headers(task, len(waveform) / self.studio.sampling_rate, suffix),
                "X-Generation-Seconds": f"{time.perf_counter() - begin:.3f}",
            },
        )

    async def stream(self, request: Request, task: Task) -> Response:
        r"""The answer to a request for a sound, piece by piece; it begins with the first piece."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

        def pass_on(content: bytes | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(pieces.put_nowait, content)

        job = self.studio.submit(task, lambda piece: pass_on(wav_samples(piece)))
        job.future.add_done_callback(lambda future: pass_on(None))
        try:
            first = await _while_connected(request, asyncio.ensure_future(pieces.get()))
            if first is None:
                job.future.result()
        except BaseException:
            job.cancel()
            raise
        rate = self.studio.sampling_rate
        seconds = task.call["audio_length_in_s"]

        async def content() -> AsyncIterator[bytes]:
            try:
                yield wav_header(round(seconds * rate), rate) + first
                while (piece := await pieces.get()) is not None:
                    yield piece
                job.future.result()  # what went wrong cuts the answer off, so that nobody takes it for whole
            finally:
                job.cancel()

        return StreamingResponse(content(), media_type=MEDIA_TYPES["wav"], headers=_headers(task, seconds, "wav"))


async def _while_connected(request: Request, future: asyncio.Future) -> Any:
    """What comes of a future, unless the client goes away before."""
    try:
        while not (await asyncio.wait({future}, timeout=POLL_S))[0]:
            if await request.is_disconnected():
                raise Refusal(499, "The client went away.")
        return future.result()
    finally:
        future.cancel()


def _headers(task: Task, seconds: float, suffix: str) -> dict[str, str]:
    return {
        "X-Seed": str(task.seed),
        "X-Audio-Seconds": f"{seconds:g}",
        "Content-Disposition": f'inline; filename="sound-{task.seed}.{suffix}"',
    }


def make_api(studio: Studio, origin: dict[str, Any]) -> FastAPI:
    r"""
    The API of a studio.

    Args:
        studio ([`~web.studio.Studio`]): Makes sounds.
        origin (`dict`): What files say of the model: `model`, `model_hash`, `licence` and so on.

    Returns:
        `FastAPI`: With `/v1/audio/generations`, `/v1/audio/edits`, `/v1/models`, `/health`, and `/docs`, its page.
    """
    answers = Answers(studio, origin)
    generation_model, edit_model = request_models(studio.limits)
    app = FastAPIOffline(title="audiolcm", version=__version__, description=DESCRIPTION)
    answer_errors_as_json(app)
    sounds = {200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}, "description": "The sound."}}
    errors = {
        status: {"description": what}
        for status, what in {
            400: "What was asked for does not fit.",
            401: "The key is missing or wrong.",
            413: "The request is too large.",
            503: "Too many wait already.",
        }.items()
    }

    @app.post("/v1/audio/generations", response_class=Response, responses=sounds | errors, summary="Text to sound")
    async def generate(asked: generation_model, request: Request) -> Response:
        answers.check_model(asked.model)
        if asked.stream and asked.response_format != "wav":
            raise Refusal(400, f"`stream` sends wav alone, got {asked.response_format!r}.", "response_format")
        given = asked.model_dump(exclude_none=True, exclude={"model", "seed", "response_format", "stream"})
        if "events" in given:
            given["events"] = [tuple(event) for event in given["events"]]
        call = {**studio.defaults, **given}
        task = Task(draw_seed() if asked.seed is None else asked.seed, call)
        studio.check(task)
        if asked.stream:
            return await answers.stream(request, task)
        return await answers.whole(request, task, asked.response_format, {"command": "generate"})

    schema = {"schema": {"$ref": "#/components/schemas/Edit"}}

    @app.post(
        "/v1/audio/edits",
        response_class=Response,
        responses=sounds | errors,
        summary="A sound changed, mended, continued or made a loop",
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": schema}}},
    )
    async def edit(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=32) as form:
            asked, file = _read_form(edit_model, form)
            answers.check_model(asked.model)
            source = await run_in_threadpool(studio.read_source, await file.read(), (file.filename or "audio")[:80])
        call = edit_call(
            None if asked.masks is None else _masks(asked.masks),
            asked.extend_s,
            asked.extend_before_s,
            asked.loop,
            asked.crossfade_s,
            **asked.model_dump(
                include={"prompt", "strength", "num_inference_steps", "guidance_scale", "negative_prompt"}
            ),
        )
        task = Task(draw_seed() if asked.seed is None else asked.seed, call, source)
        studio.check(task)
        return await answers.whole(
            request, task, asked.response_format, {"command": "edit", "sound": file.filename or "sound"}
        )

    @app.get("/v1/models", summary="The model that is served")
    async def models() -> dict:
        return {"object": "list", "data": [{"id": origin["model"], "object": "model", "licence": origin["licence"]}]}

    @app.get("/health", summary="Whether the server works, and how much it has to do")
    async def health() -> dict:
        return {
            "status": "ok",
            "model": origin["model"],
            "waiting": studio.num_waiting,
            "made": studio.num_made,
            "version": __version__,
        }

    @app.api_route("/v1/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def nothing(path: str, request: Request) -> Response:
        raise Refusal(404, f"There is nothing at {request.url.path[:200]}.")

    _describe_edits(app, edit_model)
    return app


def _read_form(edit_model: type[BaseModel], form: FormData) -> tuple[BaseModel, UploadFile]:
    """The fields of a form, and its sound."""
    file = form.get("audio")
    if not isinstance(file, UploadFile):
        raise Refusal(400, "`audio` is missing: send a sound file in a form's field of this name.", "audio")
    twice = next((name for name in form if len(form.getlist(name)) > 1), None)
    if twice is not None:
        raise Refusal(400, f"`{twice}` is given several times.", twice)
    fields = {name: value for name, value in form.items() if name != "audio"}
    try:
        return edit_model.model_validate(fields), file
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _masks(text: str) -> list[tuple[float, float]]:
    try:
        return read_segments(text)
    except ValueError as error:
        raise Refusal(400, f"`masks`: {error}.", "masks") from error


def _describe_edits(app: FastAPI, edit_model: type[BaseModel]) -> None:
    """A form is read by hand, so that the page of the API is told of its fields by hand, too."""
    plain = app.openapi

    def openapi() -> dict:
        document = plain()
        schema = edit_model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["properties"]["audio"] = {"type": "string", "format": "binary", "description": "The sound to change."}
        schema["required"] = ["audio", "prompt"]
        document["components"]["schemas"]["Edit"] = schema
        return document

    app.openapi = openapi

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import io
import json
import threading

import numpy as np
import pytest
import soundfile
import torch
from starlette.testclient import TestClient

from audiolcm_diffusers.audio.tags import read_settings
from audiolcm_diffusers.web.server import hosts_of, make_app
from audiolcm_diffusers.web.studio import Task

from .conftest import ORIGIN


GENERATIONS, EDITS = "/v1/audio/generations", "/v1/audio/edits"


@pytest.fixture
def make_client(make_studio):
    """`make_client(api_key=None, **studio)`: a client of a server on this machine."""

    def make(api_key=None, **options):
        app = make_app(make_studio(**options), ORIGIN, with_page=False, api_key=api_key)
        return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)

    return make


@pytest.fixture
def tone_file():
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(np.arange(16000) / 5), 32000, format="WAV")
    return file.getvalue()


def error_of(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert "Traceback" not in error["message"]
    return error


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_sound_of_text(make_client, make_pipeline, tmp_path, suffix):
    asked = {"prompt": "rain", "audio_length_in_s": 0.5, "seed": 7, "response_format": suffix}
    response = make_client().post(GENERATIONS, json=asked)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == f"audio/{suffix}"
    assert (response.headers["x-seed"], response.headers["x-audio-seconds"]) == ("7", "0.5")
    sound, rate = soundfile.read(io.BytesIO(response.content), dtype="float32")
    expected = make_pipeline()("rain", audio_length_in_s=0.5, generator=torch.manual_seed(7)).audios[0]
    assert rate == 16000
    assert len(sound) == len(expected)
    if suffix != "ogg":
        assert np.abs(sound - expected).max() <= 2**-15
    path = tmp_path / f"sound.{suffix}"
    path.write_bytes(response.content)
    said = read_settings(path)
    assert (said["prompt"], said["seed"], said["model"], said["licence"]) == ("rain", 7, "tiny", "cc0-1.0")


def test_a_seed_is_drawn_and_told(make_client):
    client = make_client()
    asked = {"prompt": "rain", "audio_length_in_s": 0.25}
    first, second = client.post(GENERATIONS, json=asked), client.post(GENERATIONS, json=asked)
    assert first.headers["x-seed"] != second.headers["x-seed"]
    again = client.post(GENERATIONS, json={**asked, "seed": int(first.headers["x-seed"])})
    assert again.content == first.content


def test_streams_are_the_sound(make_client, make_pipeline):
    pipe = make_pipeline()
    pipe.register_to_config(window_length_in_s=0.5, window_overlap_in_s=0.1)
    client = make_client(pipe=pipe)
    asked = {"prompt": "rain", "audio_length_in_s": 2.0, "seed": 1}
    whole, rate = soundfile.read(io.BytesIO(client.post(GENERATIONS, json=asked).content))
    with client.stream("POST", GENERATIONS, json={**asked, "stream": True}) as response:
        assert response.headers["content-type"] == "audio/wav"
        content = b"".join(response.iter_bytes())
    streamed, _ = soundfile.read(io.BytesIO(content))
    assert np.array_equal(streamed, whole)
    assert len(streamed) == 2 * rate


def test_events(make_client, tmp_path):
    asked = {"events": [["rain", 0.0, 0.25], ["wind", 0.25]], "audio_length_in_s": 0.5, "seed": 1}
    for suffix in ("wav", "flac", "ogg"):
        response = make_client().post(GENERATIONS, json={**asked, "response_format": suffix})
        assert response.status_code == 200, response.text
        path = tmp_path / f"sound.{suffix}"
        path.write_bytes(response.content)
        said = read_settings(path)
        assert said["prompt"] == "rain and wind"
        assert said["events"] == [["rain", 0.0, 0.25], ["wind", 0.25]]


def test_edits(make_client, tone_file):
    client = make_client()
    source, rate = soundfile.read(io.BytesIO(tone_file))
    assert rate == 32000
    fields = {"prompt": "rain", "masks": "0.1:0.2", "extend_s": "0.25", "seed": "1"}
    response = client.post(EDITS, data=fields, files={"audio": ("tone.wav", tone_file)})
    assert response.status_code == 200, response.text
    sound, rate = soundfile.read(io.BytesIO(response.content))
    assert (len(sound), rate) == (12000, 16000)
    # What is kept, beyond the crossfade of 50 ms, is what it was: at half the rate every other sample, nearly.
    assert np.abs(sound[4500:6500] - source[9000:13000:2]).max() < 0.01
    assert client.post(EDITS, data={"prompt": "rain"}, files={"audio": ("tone.wav", tone_file)}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "param", "told"),
    [
        ({}, None, "prompt"),
        ({"prompt": ""}, None, "prompt"),
        ({"prompt": 3}, "prompt", "valid string; got 3"),
        ({"prompt": "x" * 1001}, "prompt", "at most 1000 characters"),
        ({"prompt": "rain", "audio_length_in_s": 61}, "audio_length_in_s", "less than or equal to 60; got 61"),
        ({"prompt": "rain", "audio_length_in_s": 0}, "audio_length_in_s", "greater than 0"),
        ({"prompt": "rain", "audio_length_in_s": "5"}, "audio_length_in_s", "valid number; got '5'"),
        ({"prompt": "rain", "num_inference_steps": 101}, "num_inference_steps", "less than or equal to 100"),
        ({"prompt": "rain", "num_inference_steps": True}, "num_inference_steps", "valid integer; got True"),
        ({"prompt": "rain", "seed": -1}, "seed", "greater than or equal to 0; got -1"),
        ({"prompt": "rain", "seed": 2**70}, "seed", "less than or equal to"),
        ({"prompt": "rain", "response_format": "mp3"}, "response_format", "'wav', 'flac' or 'ogg'; got 'mp3'"),
        ({"prompt": "rain", "response_format": "ogg", "stream": True}, "response_format", "wav alone, got 'ogg'"),
        ({"prompt": "rain", "steps": 2}, "steps", "there is no such field; got 2"),
        ({"prompt": "rain", "events": [["rain", "noon"]]}, None, "noon"),
        ({"prompt": "rain", "events": [["rain", 0, 1]] * 17}, "events", "at most 16 items"),
        ({"prompt": "rain", "negative_prompt": "wind"}, None, "student"),
        ({"prompt": "rain", "guidance_scale": 1e400}, None, ""),
    ],
)
def test_what_is_refused(make_client, asked, param, told):
    # As Python's JSON writes numbers that are none.
    response = make_client().post(GENERATIONS, content=json.dumps(asked), headers={"content-type": "application/json"})
    error = error_of(response, 400)
    assert told in error["message"]
    assert param is None or error["param"] == param


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '"rain"', "[" * 100_000, '{"prompt": "\\ud800"}', '{"prompt": NaN}', b"\xff\xfe"],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_request(make_client, content):
    response = make_client().post(GENERATIONS, content=content, headers={"content-type": "application/json"})
    error_of(response, 400)


def test_a_form_is_no_json(make_client):
    # What a page of another site can send without asking first.
    for media_type in ("text/plain", "application/x-www-form-urlencoded"):
        response = make_client().post(GENERATIONS, content='{"prompt": "rain"}', headers={"content-type": media_type})
        error_of(response, 400)


@pytest.mark.parametrize(
    ("fields", "content", "told"),
    [
        ({"prompt": "rain"}, None, "`audio` is missing"),
        ({"prompt": "rain"}, b"", "cannot be read as audio"),
        ({"prompt": "rain"}, b"no sound at all", "cannot be read as audio"),
        ({"prompt": "rain", "masks": "x"}, "tone", "`masks`: expected a start and an end"),
        ({"prompt": "rain", "masks": "0.1:9"}, "tone", "9"),
        ({"prompt": "rain", "strength": "2"}, "tone", "`strength`: Input should be less than or equal to 1; got '2'"),
        ({"prompt": "rain", "extend_s": "59.9"}, "tone", "`extend_s` asks for 60.4 s"),
        ({"prompt": "rain", "crossfade_s": "0.1"}, "tone", "`crossfade_s` belongs to masks"),
        ({"prompt": "rain", "mask": "1:2"}, "tone", "there is no such field"),
        ({"prompt": ["rain", "wind"]}, "tone", "`prompt` is given several times"),
        ({}, "tone", "prompt"),
    ],
)
def test_edits_that_are_refused(make_client, tone_file, fields, content, told):
    files = None if content is None else {"audio": ("a.wav", tone_file if content == "tone" else content)}
    response = make_client().post(EDITS, data=fields, files=files)
    assert told in error_of(response, 400)["message"]


def test_a_path_is_no_upload(make_client, tmp_path, tone_file):
    path = tmp_path / "secret.wav"
    path.write_bytes(tone_file)
    response = make_client().post(EDITS, data={"prompt": "rain", "audio": str(path)}, files={"other": ("o", b"x")})
    assert "`audio` is missing" in error_of(response, 400)["message"]


def test_long_uploads_are_refused_as_they_are_read(make_client):
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.ones(48000), 16000, format="OGG")
    response = make_client(max_length_s=2.0).post(EDITS, data={"prompt": "rain"}, files={"audio": ("a.ogg", file)})
    assert "'a.ogg' is longer than 2 s" in error_of(response, 400)["message"]


def test_large_requests_are_not_read(make_client):
    client = make_client(max_upload_mb=0.1)
    files = {"audio": ("a.wav", bytes(300_000))}
    assert "200000 at most" in error_of(client.post(EDITS, data={"prompt": "rain"}, files=files), 413)["message"]

    def chunks():
        for _ in range(30):
            yield bytes(10_000)

    # Nor where no length was told.
    response = client.post(GENERATIONS, content=chunks(), headers={"content-type": "application/json"})
    assert "more than 200000" in error_of(response, 413)["message"]


def test_keys(make_client):
    client = make_client(api_key="tomato")
    asked = {"prompt": "rain", "audio_length_in_s": 0.25}
    assert client.get("/health").status_code == 200
    for headers, told in [
        ({}, "is missing"),
        ({"authorization": "Bearer potato"}, "is not the server's"),
        ({"authorization": "Bearer tomato2"}, "is not the server's"),
        ({"authorization": "Basic tomato"}, "is not the server's"),
        ({"authorization": "Bearer \xe4".encode("latin-1").decode("latin-1")}, "is not the server's"),
    ]:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        error = error_of(client.post(GENERATIONS, json=asked, headers=encoded), 401)
        assert told in error["message"]
        assert error["type"] == "authentication_error"
    headers = {"authorization": "Bearer tomato"}
    assert client.post(GENERATIONS, json=asked, headers=headers).status_code == 200
    error_of(client.get("/v1/models"), 401)


def test_names_and_pages_of_others(make_client):
    client = make_client()
    assert client.get("/health", headers={"host": "localhost:7860"}).status_code == 200
    assert (
        "not called 'evil.example'"
        in error_of(client.get("/health", headers={"host": "evil.example"}), 421)["message"]
    )
    own, other = "http://127.0.0.1:7860", "https://evil.example"
    assert client.get("/health", headers={"origin": own}).status_code == 200
    assert (
        "'https://evil.example' may not" in error_of(client.get("/health", headers={"origin": other}), 403)["message"]
    )
    assert hosts_of("127.0.0.1") and hosts_of("::1") and hosts_of("0.0.0.0") is None


def test_what_else_there_is(make_client):
    client = make_client()
    health = client.get("/health").json()
    assert (health["status"], health["model"], health["waiting"], health["made"]) == ("ok", "tiny", 0, 0)
    assert client.get("/v1/models").json()["data"] == [{"id": "tiny", "object": "model", "licence": "cc0-1.0"}]
    error_of(client.get("/v1/nothing"), 404)
    error_of(client.get("/nothing"), 404)
    error_of(client.get(GENERATIONS), 404)
    error = error_of(client.post(GENERATIONS, json={"prompt": "rain", "model": "other"}), 404)
    assert "'other' is not served here; 'tiny' is" in error["message"]


def test_the_document_says_what_is_taken(make_client):
    client = make_client(max_length_s=7.0, max_steps=9)
    document = client.get("/openapi.json").json()
    assert {GENERATIONS, EDITS, "/v1/models", "/health"} <= set(document["paths"])
    generation, edit = (document["components"]["schemas"][name]["properties"] for name in ("Generation", "Edit"))
    assert generation["audio_length_in_s"]["anyOf"][0]["maximum"] == 7.0
    assert edit["num_inference_steps"]["anyOf"][0]["maximum"] == 9
    assert edit["audio"]["format"] == "binary"
    page = client.get("/docs").text
    # All that it shows comes from this server.
    assert "https://" not in page.replace("https://fastapi.tiangolo.com", "")


def test_what_fails_is_logged_and_told_in_general(make_client, make_pipeline, caplog):
    pipe = make_pipeline()
    client = make_client(pipe=pipe)
    pipe.transformer.forward = None  # which no client did
    asked = {"prompt": "rain", "audio_length_in_s": 0.25}
    error = error_of(client.post(GENERATIONS, json=asked), 500)
    assert error["message"] == "The server failed at this request; its log says why."
    assert "NoneType" in caplog.text
    error_of(client.post(GENERATIONS, json={**asked, "stream": True}), 500)


def test_too_many_are_sent_away(make_studio):
    studio = make_studio(max_waiting=1)
    client = TestClient(make_app(studio, ORIGIN, with_page=False), base_url="http://127.0.0.1:7860")
    begun, go = threading.Event(), threading.Event()

    def hold(piece):
        begun.set()
        go.wait(30)

    task = Task(0, {"prompt": "rain", "audio_length_in_s": 0.25})
    jobs = [studio.submit(task, hold)]
    assert begun.wait(30)
    jobs.append(studio.submit(task))
    response = client.post(GENERATIONS, json={"prompt": "rain"})
    assert "1 requests wait already" in error_of(response, 503)["message"]
    assert response.headers["retry-after"] == "5"
    assert client.get("/health").json()["waiting"] == 1
    go.set()
    for job in jobs:
        job.future.result(30)
    assert client.post(GENERATIONS, json={"prompt": "rain", "audio_length_in_s": 0.25}).status_code == 200

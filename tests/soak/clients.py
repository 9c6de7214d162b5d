# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Many clients of a server: they all get their own sound, and those who mean ill take nothing from the others."""

import json
import os
import random
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from one_process import PROMPTS, load, run_all
from trial import attempt
from writers import Tally


GENERATIONS = "/v1/audio/generations"
# Of 32768: sums are rounded otherwise in other threads, and sounds of other seeds are far away.
MAX_STEPS_APART = 4
# Beyond what threads and pools take once.
MAX_GROWTH_MB = 50


def asked(index):
    return {"prompt": PROMPTS[index % len(PROMPTS)], "seed": index, "audio_length_in_s": 0.5 + 0.25 * (index % 4)}


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def served(pipe, **limits):
    """A studio, and the port that its server listens at."""
    import uvicorn

    from audiolcm_diffusers.web.limits import Limits
    from audiolcm_diffusers.web.server import make_app
    from audiolcm_diffusers.web.studio import Studio

    studio = Studio(pipe, Limits(**limits))
    app = make_app(studio, {"model": "mini", "model_hash": None, "licence": None})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield studio, listener.getsockname()[1]
        server.should_exit = True


def alone(pipe, index):
    import torch

    call = asked(index)
    generator = torch.Generator().manual_seed(call.pop("seed"))
    sound = pipe(generator=generator, **call).audios[0]
    return np.round(np.clip(sound, -1.0, 1.0) * 32767)


def heard(content):
    import io

    import soundfile

    return soundfile.read(io.BytesIO(content), dtype="int16")[0].astype(np.float64)


def many_clients(number, rounds):
    """All are served at once, each with the sound that it asked for; memory after the first round stays."""
    tally = Tally(f"{number} clients of a server at once")

    def run():
        import httpx

        pipe = load()
        expected = [alone(pipe, index) for index in range(number)]
        wrong, growth = [], []
        with served(pipe, max_waiting=number) as (_, port):

            def ask(index):
                try:
                    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
                        response = client.post(GENERATIONS, json=asked(index))
                    sound = heard(response.content) if response.status_code == 200 else np.zeros(0)
                    if len(sound) != len(expected[index]) or np.abs(sound - expected[index]).max() > MAX_STEPS_APART:
                        wrong.append(f"{index}: {response.status_code}")
                except Exception as error:
                    wrong.append(f"{index}: {error!r}")

            for _ in range(rounds):
                run_all([threading.Thread(target=ask, args=(index,)) for index in range(number)])
                growth.append(resident_mb())
        assert not wrong, wrong[:5]
        return f"{max(growth[1:], default=growth[0]) - growth[0]:.1f}"

    return _with_growth(tally, attempt(run, timeout_s=600))


def ill_clients(number, random_of):
    """Half requests, nonsense, clients that go away: the server then serves as before, and nothing of it is kept."""
    tally = Tally(f"{number} clients that mean ill")
    seed = random_of.random()

    def run():
        import httpx

        pipe = load()
        drawn = random.Random(seed)
        with served(pipe, max_waiting=4, max_upload_mb=0.2) as (studio, port):
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

            def is_well():
                deadline = time.monotonic() + 60
                while client.get("/health").json()["waiting"] and time.monotonic() < deadline:
                    time.sleep(0.05)
                response = client.post(GENERATIONS, json=asked(0))
                assert response.status_code == 200, response.text[:200]
                assert np.abs(heard(response.content) - expected).max() <= MAX_STEPS_APART

            expected = alone(pipe, 0)
            is_well()
            start = None
            for index in range(number):
                status, told = ill(drawn, client, port)
                assert status is None or 400 <= status < 500 or status == 503 or status == 200, f"{status}: {told}"
                assert "Traceback" not in told, told
                if index == number // 5:
                    is_well()
                    start = resident_mb()
            is_well()
            assert not studio._jobs
            return f"{resident_mb() - start:.1f}"

    return _with_growth(tally, attempt(run, timeout_s=600))


def ill(drawn, client, port):
    """One of them, and what it was told."""
    kind = drawn.randrange(7)
    body = json.dumps({"prompt": "rain", "audio_length_in_s": 0.25, "seed": 1}).encode()
    headers = {"content-type": "application/json"}
    if kind == 0:  # bytes that are wrong
        content = bytearray(body)
        for _ in range(drawn.randint(1, 5)):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        response = client.post(GENERATIONS, content=bytes(content), headers=headers)
    elif kind == 1:  # values that are none
        value = drawn.choice([None, -1, 2**80, 1e300, "x" * 5000, [], {}, "\x00", "\ud800", True, [[[]]]])
        name = drawn.choice(["prompt", "seed", "audio_length_in_s", "num_inference_steps", "guidance_scale", "events"])
        content = json.dumps({"prompt": "rain", "audio_length_in_s": 0.25, name: value})
        response = client.post(GENERATIONS, content=content, headers=headers)
    elif kind == 2:  # an upload of noise, or of too much
        content = drawn.randbytes(drawn.choice([0, 10, 5000, 400_000]))
        head = drawn.choice([b"", b"RIFF\xff\xff\xff\x7fWAVEfmt ", b"fLaC", b"OggS", b"ID3"])
        response = client.post("/v1/audio/edits", data={"prompt": "rain"}, files={"audio": ("a.wav", head + content)})
    elif kind == 3:  # paths of the machine
        path = drawn.choice(["/gradio_api/file=/etc/passwd", "/../../etc/passwd", "/v1/%2e%2e/etc", "/static/../x"])
        response = client.get(path)
        assert "root:" not in response.text
        if response.status_code == 200:  # the page itself
            return None, ""
    elif kind == 4:  # no HTTP
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(drawn.randbytes(200) + b"\r\n\r\n")
            return None, connection.recv(2000).decode("latin-1")
    elif kind == 5:  # half a request
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"POST " + GENERATIONS.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            connection.sendall(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        return None, ""
    else:  # gone before the sound is there
        body = json.dumps({"prompt": "rain", "audio_length_in_s": 60, "stream": drawn.random() < 0.5}).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"POST " + GENERATIONS.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            connection.sendall(
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            time.sleep(0.05)
        return None, ""
    return response.status_code, response.text[:300] if response.status_code != 200 else ""


def _with_growth(tally, outcome):
    tally.add(outcome)
    if outcome.how == "survived":
        tally.growth = f"{outcome.words} MB"
        if float(outcome.words) > MAX_GROWTH_MB:
            tally.broke += 1
    return tally

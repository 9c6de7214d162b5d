# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The page in a real browser, with the embedded model."""

import io
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline

from .serving import served


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")

WAIT_MS = 60_000
LIMITS = {"max_length_s": 12.0, "max_upload_mb": 1.0, "max_steps": 8}
TEXT = "textarea, input[type=text]"


@pytest.fixture(scope="module")
def pipe():
    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def make_address(pipe, tmp_path_factory):
    """`make_address(api_key=None)`: a context in which a server runs, and its address."""
    from audiolcm_diffusers.web.limits import Limits
    from audiolcm_diffusers.web.server import make_app
    from audiolcm_diffusers.web.studio import Studio

    origin = {"model": "mini", "model_hash": "0123456789abcdef", "licence": "CREDITS.csv"}
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))

    @contextmanager
    def make(api_key=None):
        studio = Studio(pipe, Limits(**LIMITS))
        with served(make_app(studio, origin, api_key=api_key)) as address:
            yield address
        studio.close()

    yield make
    if before is None:
        del os.environ["GRADIO_TEMP_DIR"]
    else:
        os.environ["GRADIO_TEMP_DIR"] = before


@pytest.fixture(scope="module")
def address(make_address):
    with make_address() as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root has no sandbox.
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """`open_page()`: the page in a browser of its own, which reaches nothing but the server."""
    contexts, outside = [], []

    def open_one():
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT_MS)

        def only_here(route):
            if route.request.url.startswith(address):
                route.continue_()
            else:
                outside.append(route.request.url)
                route.abort()

        page.route(re.compile("^https?:"), only_here)
        page.goto(address)
        page.wait_for_selector("#text-make")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert outside == []


def fill(page, name, text):
    page.locator(f"#{name}").locator(TEXT).first.fill(text)


def set_settings(page, seed, takes=1):
    """Open the settings and fill them in, again where they were filled in before the page was ready to be told."""
    page.get_by_text("Settings").click()
    fields = {"#seed input": seed, "#takes input[type=number]": takes}
    for _ in range(20):
        for field, value in fields.items():
            page.locator(field).fill(str(value))
            page.locator(field).press("Tab")
        page.wait_for_timeout(250)
        shown = [page.locator(field).input_value() for field in (*fields, "#takes input[type=range]")]
        if shown == [str(seed), str(takes), str(takes)]:
            return
    raise AssertionError(f"The settings stay {shown}.")


def wait_for_sound(page, told=r"made in"):
    page.wait_for_function("told => new RegExp(told).test(document.querySelector('#told').innerText)", arg=told)
    return page.inner_text("#told")


def sound_of(page, place=0):
    """What the page's download link leads to."""
    link = page.wait_for_selector(f"#take-{place} a.download-link")
    response = page.request.get(link.get_attribute("href"))
    assert response.ok
    return soundfile.read(io.BytesIO(response.body()), dtype="float32")


@pytest.fixture
def tone_file(tmp_path):
    tone = 0.3 * np.sin(np.arange(2 * 16000) / 16000 * 2 * np.pi * 440)
    soundfile.write(tmp_path / "tone.wav", tone, 16000)
    return tmp_path / "tone.wav"


def message(page):
    return page.wait_for_selector(".toast-body").inner_text()


def test_text_to_sound(open_page, pipe):
    page = open_page()
    fill(page, "text-prompt", "a dog barking")
    set_settings(page, seed=3)
    page.click("#text-make")
    assert re.search(r"5\.00 s, made in \d+\.\d\d s\. Seed: 3$", wait_for_sound(page).strip())
    sound, rate = sound_of(page)
    expected = pipe("a dog barking", generator=torch.Generator().manual_seed(3)).audios[0]
    assert rate == 16000
    assert len(sound) == 80000
    assert np.abs(sound - expected).max() <= 2**-15
    # The browser itself takes it for five seconds of sound.
    source = page.wait_for_selector("#take-0 a.download-link").get_attribute("href")
    load = "source => new Promise((good, bad) => { const sound = new Audio(source); sound.onerror = bad; "
    load += "sound.onloadedmetadata = () => good(sound.duration); })"
    assert page.evaluate(load, source) == pytest.approx(5.0, abs=0.01)
    picture = page.wait_for_selector("#picture-0 img")
    assert picture.evaluate("picture => picture.complete && picture.naturalWidth") > 400


def test_takes_beside_each_other(open_page):
    page = open_page()
    set_settings(page, seed=7, takes=3)
    page.get_by_role("button", name="rain falling").click()
    page.wait_for_function("document.querySelector('#text-prompt textarea, #text-prompt input').value")
    page.click("#text-make")
    assert "3 sounds of 5.00 s" in wait_for_sound(page)
    sounds = [sound_of(page, place)[0] for place in range(3)]
    assert not np.array_equal(sounds[0], sounds[1]) and not np.array_equal(sounds[1], sounds[2])
    assert page.locator("#take-3").count() == 0 or not page.locator("#take-3").is_visible()


def test_a_region_is_picked_and_made_anew(open_page, tone_file):
    page = open_page()
    page.get_by_role("tab", name="Mend").click()
    page.set_input_files("#mend-sound input[type=file]", tone_file)
    page.wait_for_function("document.querySelectorAll('#mend-picker .bar').length == 200")
    wave = page.locator("#mend-picker .wave").bounding_box()
    middle = wave["y"] + wave["height"] / 2
    page.mouse.move(wave["x"] + 0.75 * wave["width"], middle)
    page.mouse.down()
    page.mouse.move(wave["x"] + 0.6 * wave["width"], middle, steps=3)
    page.mouse.move(wave["x"] + 0.5 * wave["width"], middle)
    page.mouse.up()
    regions = page.locator("#mend-regions").locator(TEXT).first
    page.wait_for_function("document.querySelector('#mend-regions textarea, #mend-regions input').value")
    start, end = (float(seconds) for seconds in regions.input_value().split(":"))
    assert (start, end) == (pytest.approx(1.0, abs=0.02), pytest.approx(1.5, abs=0.02))
    assert page.locator("#mend-picker .region").count() == 1
    fill(page, "mend-prompt", "rain falling")
    page.click("#mend-make")
    wait_for_sound(page)
    sound, _ = sound_of(page)
    tone, _ = soundfile.read(tone_file, dtype="float32")
    assert len(sound) == len(tone)
    assert np.array_equal(sound[:15000], tone[:15000])
    assert np.array_equal(sound[25500:], tone[25500:])
    assert np.abs(sound[17000:23000] - tone[17000:23000]).max() > 0.05


def test_sounds_are_changed_and_continued(open_page, tone_file):
    page = open_page()
    page.get_by_role("tab", name="Sound to sound").click()
    page.set_input_files("#restyle-sound input[type=file]", tone_file)
    page.wait_for_selector("#restyle-sound a.download-link")
    fill(page, "restyle-prompt", "rain falling")
    page.click("#restyle-make")
    wait_for_sound(page, r"2\.00 s, made in")
    # A take is the next sound to change.
    page.click("#again-0")
    page.get_by_role("tab", name="Continue").click()
    page.wait_for_selector("#continue-sound a.download-link")
    fill(page, "continue-prompt", "rain falling")
    page.click("#continue-make")
    wait_for_sound(page, r"5\.00 s, made in")


def test_events(open_page):
    page = open_page()
    page.get_by_role("tab", name="Events").click()
    page.click("#events-make")
    wait_for_sound(page, r"5\.00 s, made in")


def test_messages(open_page, tmp_path, tone_file):
    page = open_page()
    page.click("#text-make")
    assert "Expected a prompt that says what is to be heard" in message(page)
    page.reload()

    page.get_by_role("tab", name="Sound to sound").click()
    fill(page, "restyle-prompt", "rain")
    page.click("#restyle-make")
    assert "There is no sound to change yet" in message(page)
    page.reload()

    page.get_by_role("tab", name="Sound to sound").click()
    (tmp_path / "text.wav").write_text("no sound")
    page.set_input_files("#restyle-sound input[type=file]", tmp_path / "text.wav")
    page.wait_for_selector("#restyle-sound a.download-link")
    fill(page, "restyle-prompt", "rain")
    page.click("#restyle-make")
    assert "'text.wav' cannot be read as audio" in message(page)
    page.reload()

    soundfile.write(tmp_path / "long.ogg", 0.1 * np.random.default_rng(0).standard_normal(13 * 16000), 16000)
    page.get_by_role("tab", name="Sound to sound").click()
    page.set_input_files("#restyle-sound input[type=file]", tmp_path / "long.ogg")
    page.wait_for_selector("#restyle-sound a.download-link")
    fill(page, "restyle-prompt", "rain")
    page.click("#restyle-make")
    assert "'long.ogg' is longer than 12 s" in message(page)


def test_two_browsers_get_their_own_sounds(open_page, pipe):
    pages = [open_page(), open_page()]
    for number, page in enumerate(pages):
        fill(page, "text-prompt", ("a dog barking", "rain falling")[number])
        set_settings(page, seed=number)
    for page in pages:
        page.click("#text-make")
    for number, page in enumerate(pages):
        assert f"Seed: {number}" in wait_for_sound(page)
        prompt = ("a dog barking", "rain falling")[number]
        expected = pipe(prompt, generator=torch.Generator().manual_seed(number)).audios[0]
        assert np.abs(sound_of(page)[0] - expected).max() <= 2**-15


def test_paths_are_never_read(address, tone_file):
    import httpx

    from audiolcm_diffusers.web.page import Desk

    tone_file = tone_file.rename(tone_file.with_name("private.wav"))
    client = httpx.Client(base_url=address, timeout=60)
    for path in ("/etc/hostname", str(tone_file)):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)
    config = client.get("/config").json()
    restyle = [part["id"] for part in config["components"] if part["props"].get("elem_id") == "restyle-make"]
    (number,) = [
        event["id"] for event in config["dependencies"] if [restyle[0], "click"] in map(list, event["targets"])
    ]
    # As the page would send it, were the sound one of the server's own.
    data = [{"path": str(tone_file), "meta": {"_type": "gradio.FileData"}}, "rain", 0.6, 2, 5, "", 1, 1]
    asked = {"data": data, "fn_index": number, "session_hash": "abc"}
    assert client.post("/gradio_api/queue/join", json=asked).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "abc"}) as events:
        told = events.read().decode()
    assert '"success":false' in told
    assert "made in" not in told
    # Nor is it copied to where it could be fetched.
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert not list(folder.rglob("private.wav"))
    with pytest.raises(ValueError, match="was not uploaded"):
        Desk(None, {}, folder).source(str(tone_file))
    large = client.post("/gradio_api/upload", files={"files": ("large.wav", bytes(1_500_000))})
    assert large.status_code == 413


def test_a_key_is_asked_for(make_address, browser):
    with make_address(api_key="tomato") as address:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(address)
        fields = page.locator("input")
        fields.first.wait_for()
        assert page.locator("#text-make").count() == 0
        fields.nth(0).fill("me")
        fields.nth(1).fill("potato")
        page.get_by_role("button", name="Login").click()
        page.get_by_text("Incorrect").wait_for()
        assert page.request.get(f"{address}/config").status == 401
        page.reload()
        fields.first.wait_for()
        fields.nth(0).fill("me")
        fields.nth(1).fill("tomato")
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("#text-make")
        context.close()

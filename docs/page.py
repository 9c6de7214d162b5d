# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Make the pictures of the page that the README shows, with the embedded model in Chromium: `python docs/page.py`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright


DOCS = Path(__file__).parent
WIDTH = 1100


def main():
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    command = [sys.executable, "-m", "audiolcm_diffusers", "serve", "--port", "0", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(re.search(r"page: (\S+)", line)[1] for line in server.stdout if line.startswith("page: "))
        take_pictures(browser_path, address)
    finally:
        server.terminate()


def take_pictures(browser_path, address):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 800})
        page.goto(address)
        fill(page, "text-prompt", "a dog barking")
        page.get_by_text("Settings").click()
        page.wait_for_timeout(1000)
        page.locator("#takes input[type=number]").fill("3")
        page.locator("#seed input").fill("0")
        make(page, "text")
        take_picture(page, "page.png")

        page.click("#again-0")
        page.get_by_role("tab", name="Mend").click()
        page.wait_for_function("document.querySelectorAll('#mend-picker .bar').length == 200")
        wave = page.locator("#mend-picker .wave").bounding_box()
        for begin, end in ((0.3, 0.5), (0.7, 0.78)):
            page.mouse.move(wave["x"] + begin * wave["width"], wave["y"] + 40)
            page.mouse.down()
            page.mouse.move(wave["x"] + end * wave["width"], wave["y"] + 40, steps=4)
            page.mouse.up()
        page.wait_for_function("document.querySelectorAll('#mend-picker .region').length == 2")
        fill(page, "mend-prompt", "a rooster crowing")
        page.locator("#takes input[type=number]").fill("1")
        make(page, "mend")
        take_picture(page, "page_mend.png")
        browser.close()


def fill(page, name, text):
    page.locator(f"#{name}").locator("textarea, input[type=text]").first.fill(text)


def make(page, tab):
    before = page.inner_text("#told")
    page.click(f"#{tab}-make")
    page.wait_for_function(
        "before => { const told = document.querySelector('#told').innerText; "
        "return told.includes('made in') && told !== before && !told.includes('processing'); }",
        arg=before,
    )
    # Players draw their waveforms a moment later.
    page.wait_for_timeout(2000)


def take_picture(page, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        page.screenshot(path=path, full_page=True)
        # Few colours, so that the picture is small.
        Image.open(path).convert("RGB").quantize(128).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The page: text to sound, sounds changed, mended, continued, and put in their places in time."""

import asyncio
import hmac
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from ..audio.io import slug, write_audio
from ..audio.plots import draw_mels, mel_of_waveform
from ..generation.edits import edit_call, read_segments
from ..generation.requests import MAX_SEED
from .api import draw_seed, tags_for, title_of
from .errors import refusal_of
from .region import peaks_of, region_picker
from .studio import Studio, Task


# Before gradio is imported, which would call home.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr


# Seconds after which sounds that nobody took are deleted, and how often that is looked after.
KEPT_S, SWEEP_S = 3600, 600
EXAMPLES = ("a dog barking", "rain falling", "a clock ticking", "birds chirping", "a fire crackling", "piano music")
NUM_EVENT_ROWS = 4

CSS = """
.takes audio { width: 100%; }
#told { min-height: 1.6em; }
footer { display: none !important; }
"""


def mount_page(app: FastAPI, studio: Studio, origin: dict[str, Any], api_key: str | None = None) -> FastAPI:
    r"""
    Put the page of a studio at `/` of an app.

    Args:
        app (`FastAPI`): Has the API.
        studio ([`~web.studio.Studio`]): Makes sounds.
        origin (`dict`): What files say of the model.
        api_key (`str`, *optional*): Who opens the page is asked for it.
    """
    page = make_page(studio, origin)
    page.queue(max_size=studio.limits.max_waiting, default_concurrency_limit=None)
    # Gradio takes files that clients name only where they were uploaded, but checks it in pages alone that it launched
    # itself: one that is mounted would read any file of the machine (gradio 6.31, `processing_utils._check_allowed`).
    page.has_launched = True

    def is_key(name: str, given: str) -> bool:
        return hmac.compare_digest(given.encode(), api_key.encode())

    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        auth=is_key if api_key is not None else None,
        auth_message="Any name, and the server's key as password." if api_key is not None else None,
        max_file_size=studio.limits.max_upload_bytes,
        show_error=True,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        css=CSS,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )


class Desk:
    r"""
    What the page's buttons do.

    Args:
        studio ([`~web.studio.Studio`]): Makes sounds.
        origin (`dict`): What files say of the model.
        folder (`Path`): Where files lie until they are taken, those that were uploaded and those that are made.
    """

    def __init__(self, studio: Studio, origin: dict[str, Any], folder: Path):
        self.studio, self.origin, self.folder = studio, origin, folder

    def settings(self, steps: float | None, scale: float | None, negative_prompt: str | None) -> dict[str, Any]:
        r"""Arguments of every call."""
        call = {}
        if steps is not None:
            if not is_whole(steps):
                raise ValueError(f"Expected a whole number of steps, got {steps:g}.")
            call["num_inference_steps"] = int(steps)
        if scale is not None:
            call["guidance_scale"] = float(scale)
        if negative_prompt:
            call["negative_prompt"] = negative_prompt
        return call

    def seeds(self, seed: float | None, takes: float) -> list[int]:
        r"""One a take: drawn where none is asked for."""
        if seed is not None and not (is_whole(seed) and 0 <= seed <= MAX_SEED):
            raise ValueError(f"Expected a seed from 0 to {MAX_SEED}, got {seed:g}.")
        if not 1 <= takes <= self.studio.limits.max_takes:
            raise ValueError(f"Expected 1 to {self.studio.limits.max_takes} takes, got {takes:g}.")
        first = draw_seed() if seed is None else int(seed)
        return [(first + number) % (MAX_SEED + 1) for number in range(int(takes))]

    def source(self, path: str | None) -> Any:
        r"""A sound that was sent to the page, which has checked that this is where it put it."""
        if path is None:
            raise ValueError("There is no sound to change yet: choose a file, or record one.")
        if not Path(path).resolve().is_relative_to(self.folder.resolve()):
            raise ValueError("The sound to change was not uploaded.")
        return self.studio.read_source(path, Path(path).name)

    async def make(self, tasks: list[Task], said: dict[str, Any]) -> list[Any]:
        r"""
        Make takes.

        Returns:
            `list`: What is told, then a file, a picture and a button for each place on the page.
        """
        for task in tasks:
            self.studio.check(task)
        begin = time.perf_counter()
        jobs = []
        try:
            # One by one, so that those are taken back that came before one for which there is no room.
            for task in tasks:
                jobs.append(self.studio.submit(task))
            waveforms = [await asyncio.wrap_future(job.future) for job in jobs]
        finally:
            for job in jobs:
                job.cancel()
        elapsed = time.perf_counter() - begin
        shown = await run_in_threadpool(
            lambda: [self.show(task, waveform, said) for task, waveform in zip(tasks, waveforms)]
        )
        seconds = len(waveforms[0]) / self.studio.sampling_rate
        seeds = ", ".join(str(task.seed) for task in tasks)
        several = f"{len(tasks)} sounds of " if len(tasks) > 1 else ""
        told = f"{several}{seconds:.2f} s, made in {elapsed:.2f} s. Seed: {seeds}"
        outputs = [told]
        for place in range(self.studio.limits.max_takes):
            if place < len(shown):
                file, picture = shown[place]
                label = f"Seed {tasks[place].seed}"
                outputs += [
                    gr.Audio(value=str(file), visible=True, label=label),
                    gr.Image(value=picture, visible=True),
                ]
            else:
                outputs += [gr.Audio(value=None, visible=False), gr.Image(value=None, visible=False)]
            outputs.append(gr.Button(visible=place < len(shown)))
        return outputs

    def show(self, task: Task, waveform: np.ndarray, said: dict[str, Any]) -> tuple[Path, Any]:
        r"""The file of a sound, and its picture."""
        # Where gradio's own files lie, so that it makes no second copy.
        place = Path(tempfile.mkdtemp(dir=self.folder))
        path = place / f"{slug(title_of(task))}-{task.seed}.wav"
        write_audio(path, waveform, self.studio.sampling_rate, tags_for(task, said, self.origin))
        return path, draw_mels([mel_of_waveform(waveform)])

    async def text(self, prompt, length, loop, *shared):
        r"""Text to sound."""
        *settings, seed, takes = shared
        call = {"prompt": prompt or "", "audio_length_in_s": length, "loop": bool(loop), **self.settings(*settings)}
        tasks = [Task(seed, call) for seed in self.seeds(seed, takes)]
        return await self.make(tasks, {"command": "generate"})

    async def events(self, rows, background, length, *shared):
        r"""Sounds in their places."""
        *settings, seed, takes = shared
        events = read_rows(rows)
        call = {"events": events, "audio_length_in_s": length, **self.settings(*settings)}
        if background:
            call["prompt"] = background
        tasks = [Task(seed, call) for seed in self.seeds(seed, takes)]
        return await self.make(tasks, {"command": "generate"})

    async def edit(self, path, prompt, edit, *shared):
        r"""What all edits have in common; `edit` are arguments of [`~generation.edits.edit_call`]."""
        *settings, seed, takes = shared
        source = await run_in_threadpool(self.source, path)
        call = edit_call(**edit, prompt=prompt or "", **self.settings(*settings))
        tasks = [Task(seed, call, source) for seed in self.seeds(seed, takes)]
        return await self.make(tasks, {"command": "edit", "sound": Path(path).name})

    async def restyle(self, path, prompt, strength, *shared):
        r"""Sound to sound."""
        return await self.edit(path, prompt, {"strength": strength}, *shared)

    async def mend(self, path, prompt, regions, *shared):
        r"""Parts of a sound made anew."""
        return await self.edit(path, prompt, {"masks": read_segments(regions or "")}, *shared)

    async def go_on(self, path, prompt, behind, before, loop, *shared):
        r"""A sound continued."""
        edit = {"extend_s": behind or None, "extend_before_s": before or None, "loop": bool(loop)}
        if not any(edit.values()):
            raise ValueError("There is nothing to make: say how many seconds, or ask for a loop.")
        return await self.edit(path, prompt, edit, *shared)

    def look(self, path):
        r"""The outline of a sound that was sent, for the picker of regions; an error here is told by the button."""
        try:
            source = self.source(path) if path else None
        except ValueError:
            source = None
        return gr.HTML(value="", **peaks_of(source, self.studio.sampling_rate)), ""


def is_whole(number: float) -> bool:
    r"""`bool`: Whether a number is finite, and has no fraction."""
    return math.isfinite(number) and number == int(number)


def read_rows(rows: list[list[Any]]) -> list[tuple]:
    r"""
    Events of the page's table: what is heard, from when, and if need be to when.

    Raises:
        ValueError: If there is none, or a time is none.
    """
    events = []
    for number, row in enumerate(rows, start=1):
        texts = ["" if value is None or value != value else str(value).strip() for value in row]
        if not any(texts):
            continue
        if not texts[0]:
            raise ValueError(f"Row {number} does not say what is to be heard.")
        if texts[2] and not texts[1]:
            raise ValueError(f"Row {number} says when {texts[0]!r} ends, and not when it begins.")
        try:
            times = [float(text) for text in texts[1:] if text]
        except ValueError:
            raise ValueError(f"Row {number}: expected seconds as numbers, got {texts[1:]}.") from None
        events.append((texts[0], *(times or ["all"])))
    if not events:
        raise ValueError("There are no events: say what is to be heard, and from which second on.")
    return events


def told_to_people(button: Callable) -> Callable:
    r"""What a button does, with errors as messages of the page."""

    async def press(*values):
        try:
            return await button(*values)
        except gr.Error:
            raise
        except Exception as error:
            told = refusal_of(error).detail
            raise gr.Error(told[:1].upper() + told[1:], duration=20, print_exception=False) from error

    return press


def make_page(studio: Studio, origin: dict[str, Any]) -> gr.Blocks:
    r"""
    The page of a studio.

    Args:
        studio ([`~web.studio.Studio`]): Makes sounds.
        origin (`dict`): What files say of the model.
    """
    limits, defaults = studio.limits, studio.defaults
    # Where gradio lets files be read, and deletes them after a time.
    cache = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir(), "gradio"))
    cache.mkdir(parents=True, exist_ok=True)
    desk = Desk(studio, origin, cache)
    page = gr.Blocks(title="AudioLCM", delete_cache=(SWEEP_S, KEPT_S), analytics_enabled=False)

    def sound_input(name):
        return gr.Audio(type="filepath", label="Sound", editable=False, buttons=["download"], elem_id=f"{name}-sound")

    def prompt_input(name, label="Prompt"):
        return gr.Textbox(
            label=label, placeholder="a dog barking", max_length=limits.max_characters, elem_id=f"{name}-prompt"
        )

    def length_input():
        longest = limits.max_length_s
        return gr.Slider(0.5, longest, value=defaults["audio_length_in_s"], step=0.5, label="Length in seconds")

    with page:
        gr.Markdown(
            f"# AudioLCM\nText in, sound out. Model: `{origin['model']}`, licence: {origin['licence'] or '?'}."
        )
        buttons = []
        with gr.Tab("Text to sound"):
            prompt = prompt_input("text")
            with gr.Row():
                length, loop = length_input(), gr.Checkbox(label="Loop: the end meets the beginning")
            button = gr.Button("Make sound", variant="primary", elem_id="text-make")
            gr.Examples([[text] for text in EXAMPLES], [prompt], cache_examples=False)
            buttons.append((button, desk.text, [prompt, length, loop]))
            # Enter is the button.
            buttons.append((prompt, desk.text, [prompt, length, loop]))
        with gr.Tab("Sound to sound"):
            sound, prompt = sound_input("restyle"), prompt_input("restyle")
            strength = gr.Slider(0.05, 1.0, value=0.6, step=0.05, label="Strength: how much is made anew")
            button = gr.Button("Make sound", variant="primary", elem_id="restyle-make")
            buttons.append((button, desk.restyle, [sound, prompt, strength]))
            sources = [sound]
        with gr.Tab("Mend"):
            sound, prompt = sound_input("mend"), prompt_input("mend")
            picker = region_picker(label="Drag over what is to be made anew", elem_id="mend-picker")
            regions = gr.Textbox(
                label="Seconds to make anew", placeholder="1:1.5, 3:4", max_length=500, elem_id="mend-regions"
            )
            picker.input(lambda text: text, picker, regions, queue=False, api_visibility="private")
            regions.input(lambda text: text, regions, picker, queue=False, api_visibility="private")
            sound.change(desk.look, sound, [picker, regions], api_visibility="private")
            button = gr.Button("Make sound", variant="primary", elem_id="mend-make")
            buttons.append((button, desk.mend, [sound, prompt, regions]))
            sources.append(sound)
        with gr.Tab("Continue"):
            sound, prompt = sound_input("continue"), prompt_input("continue")
            with gr.Row():
                behind = gr.Number(3.0, minimum=0, maximum=limits.max_length_s, label="Seconds behind it")
                before = gr.Number(0.0, minimum=0, maximum=limits.max_length_s, label="Seconds before it")
                loop = gr.Checkbox(label="Loop: the end meets the beginning")
            button = gr.Button("Make sound", variant="primary", elem_id="continue-make")
            buttons.append((button, desk.go_on, [sound, prompt, behind, before, loop]))
            sources.append(sound)
        with gr.Tab("Events"):
            table = gr.Dataframe(
                [["a dog barking", 0.5, ""], ["a door slams", 3, ""], *([["", "", ""]] * (NUM_EVENT_ROWS - 2))],
                headers=["what is heard", "from second", "to second (may be left out)"],
                datatype="str",
                type="array",
                column_count=(3, "fixed"),
                elem_id="events-table",
            )
            background = prompt_input("events", "All the time (may be left out)")
            length = length_input()
            button = gr.Button("Make sound", variant="primary", elem_id="events-make")
            buttons.append((button, desk.events, [table, background, length]))

        with gr.Accordion("Settings", open=False):
            with gr.Row():
                steps = gr.Number(defaults["num_inference_steps"], minimum=1, maximum=limits.max_steps, label="Steps")
                scale = gr.Number(defaults["guidance_scale"], label="Guidance scale")
                takes = gr.Slider(1, limits.max_takes, value=1, step=1, label="Takes", elem_id="takes")
                seed = gr.Number(
                    None, minimum=0, maximum=MAX_SEED, label="Seed (drawn where there is none)", elem_id="seed"
                )
            negative = gr.Textbox(
                label="What is not to be heard",
                max_length=limits.max_characters,
                visible=not studio.is_student,
            )
        told = gr.Markdown(elem_id="told")
        outputs = [told]
        with gr.Row(elem_classes="takes"):
            for place in range(limits.max_takes):
                with gr.Column(min_width=280):
                    audio = gr.Audio(
                        type="filepath",
                        interactive=False,
                        visible=False,
                        elem_id=f"take-{place}",
                        buttons=["download"],
                    )
                    picture = gr.Image(visible=False, show_label=False, buttons=[], elem_id=f"picture-{place}")
                    again = gr.Button("Change this sound", visible=False, size="sm", elem_id=f"again-{place}")
                    outputs += [audio, picture, again]
                    again.click(
                        lambda path: [path] * len(sources), audio, sources, queue=False, api_visibility="private"
                    )
        shared = [steps, scale, negative, seed, takes]
        for trigger, press, inputs in buttons:
            listen = trigger.submit if isinstance(trigger, gr.Textbox) else trigger.click
            listen(told_to_people(press), inputs + shared, outputs, api_visibility="private")
    return page

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Prompts with their settings, from text files, tables, JSON lines and datasets."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.metadata import lines_of, read_table, read_text
from ..pipelines.prompt_events import structured_caption


MAX_SEED = 2**32 - 1  # torch takes 64 bits: room to count up

# Names that columns may have, and what they stand for.
COLUMNS = {
    "prompt": "prompt",
    "caption": "prompt",
    "id": "id",
    "seed": "seed",
    "audio_length_in_s": "audio_length_in_s",
    "duration": "audio_length_in_s",
    "num_inference_steps": "num_inference_steps",
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "scale": "guidance_scale",
    "negative_prompt": "negative_prompt",
}


@dataclass(frozen=True)
class Request:
    r"""
    A prompt, and what is said of it alone.

    Args:
        prompt (`str`): What is to be heard.
        id (`str`, *optional*): What its files are called, without suffix.
        seed (`int`, *optional*): Of its first sound.
        settings (`dict`): Arguments of the pipeline: `audio_length_in_s`, `num_inference_steps`, `guidance_scale` and
            `negative_prompt`, those that are given.
    """

    prompt: str
    id: str | None = None
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def of_prompts(prompts: Iterable[str]) -> list[Request]:
    r"""
    Requests of prompts alone.

    Raises:
        ValueError: If one says nothing, or is no valid structured caption.
    """
    prompts = list(prompts)
    for prompt in dict.fromkeys(prompts):
        check_prompt(prompt)
    return [Request(prompt) for prompt in prompts]


def check_prompt(prompt: str) -> None:
    r"""
    Refuse a prompt that says nothing, or is no valid structured caption.

    Raises:
        ValueError: Quoting it.
    """
    if not structured_caption(prompt):
        raise ValueError(f"Expected a prompt that says what is to be heard, got {prompt!r}.")


def read_requests(path: str | Path) -> list[Request]:
    r"""
    Read prompts from a file.

    Args:
        path (`str` or `Path`): UTF-8. A `.csv` or `.tsv` table or `.jsonl` lines with a column `prompt` (or
            `caption`), and if need be `id`, `seed`, `audio_length_in_s` (`duration`), `num_inference_steps` (`steps`),
            `guidance_scale` (`scale`) and `negative_prompt`, empty where nothing is said; any other file is text with
            a prompt a line, of which empty ones are left out.

    Returns:
        `list[Request]`: At least one.

    Raises:
        ValueError: If it cannot be read, holds no prompt, has a column that is none of these or a value that is none;
            naming the line.
    """
    path = Path(path)
    try:
        suffix = path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            requests = _of_rows(_rows_of_table(path, "," if suffix == ".csv" else "\t"))
        elif suffix == ".jsonl":
            requests = _of_rows(_rows_of_json(path))
        else:
            requests = of_prompts(line.strip() for line in lines_of(read_text(path)) if line.strip())
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    if not requests:
        raise ValueError(f"{str(path)!r} holds no prompt.")
    return requests


def _rows_of_table(path, delimiter):
    for number, row in read_table(path, delimiter):
        if number == 1:
            _check_columns(row, f"{path}, line 1")
        else:
            yield f"{path}, line {number}", {name: text.strip() for name, text in row.items()}


def _rows_of_json(path):
    for number, line in enumerate(lines_of(read_text(path)), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{place}, is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{place}: expected an object with a prompt, got {line!r}.")
        _check_columns(row, place)
        yield place, row


def _check_columns(names, place):
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise ValueError(f"{place}: expected columns from {', '.join(COLUMNS)}, got {unknown[0]!r}.")
    known = [COLUMNS[name] for name in names]
    doubled = next((name for name in known if known.count(name) > 1), None)
    if doubled is not None:
        raise ValueError(f"{place}: {doubled} is given by several columns: {list(names)}.")
    if "prompt" not in known:
        raise ValueError(f"{place}: expected a column prompt or caption, got {list(names)}.")


def _of_rows(rows):
    """Requests of places, for messages, and rows by the names of columns."""
    requests, places = [], {}
    for place, row in rows:
        values = {COLUMNS[name]: value for name, value in row.items() if value not in ("", None)}
        try:
            request = _read_row(values)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
        if request.id is not None:
            if request.id in places:
                raise ValueError(f"{place}: the id {request.id!r} is that of {places[request.id]}, too.")
            places[request.id] = place
        requests.append(request)
    return requests


def _read_row(values):
    prompt = values.pop("prompt", "")
    if not isinstance(prompt, str):
        raise ValueError(f"expected a text as prompt, got {prompt!r}.")
    check_prompt(prompt.strip())
    name = values.pop("id", None)
    if name is not None:
        name = _read_id(name)
    seed = values.pop("seed", None)
    if seed is not None:
        seed = _read_number("seed", seed, whole=True)
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"expected a seed from 0 to {MAX_SEED}, got {seed}.")
    settings = {}
    for key in ("audio_length_in_s", "num_inference_steps", "guidance_scale"):
        if key in values:
            settings[key] = _read_number(key, values[key], whole=key == "num_inference_steps")
    if "negative_prompt" in values:
        if not isinstance(values["negative_prompt"], str):
            raise ValueError(f"expected a text as negative_prompt, got {values['negative_prompt']!r}.")
        structured_caption(values["negative_prompt"])
        settings["negative_prompt"] = values["negative_prompt"]
    return Request(prompt.strip(), name, seed, settings)


def _read_id(name):
    text = str(name).strip() if isinstance(name, (str, int)) and not isinstance(name, bool) else ""
    # It becomes a file name, on any system.
    if not text or text in (".", "..") or text[0] == "." or any(sign in '/\\:*?"<>|\0' or sign < " " for sign in text):
        raise ValueError(f"expected an id that can be the name of a file, got {name!r}.")
    return text


def _read_number(key, value, whole):
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (whole and number != int(number)):
        raise ValueError(f"expected a {'whole ' if whole else ''}number as {key}, got {value!r}.")
    return int(number) if whole else number


def requests_of_dataset(
    name: str,
    config_name: str | None = None,
    split: str = "train",
    caption_column: str = "caption",
    id_column: str | None = None,
    streaming: bool = False,
) -> list[Request]:
    r"""
    Take the captions of a dataset as prompts; no sound of it is read.

    Args:
        name (`str`): What `datasets.load_dataset` takes: an id of the Hub, `owner/name`, or a folder.
        config_name (`str`, *optional*): Configuration of a dataset that has several.
        split (`str`, defaults to `"train"`): Split, or a slice of one.
        caption_column (`str`, defaults to `"caption"`): Its column of captions; of a list of them, the first one.
        id_column (`str`, *optional*): Its column of ids.
        streaming (`bool`, defaults to `False`): Read rows as they arrive.

    Returns:
        `list[Request]`.

    Raises:
        ValueError: If there is no such column, or a row is no prompt; naming it.
        ImportError: If `datasets` is not installed.
    """
    from ..data.hub_dataset import HubDataset, check_columns

    dataset = HubDataset(name, config_name, split, streaming).load()
    wanted = {"prompt": caption_column} | ({} if id_column is None else {"id": id_column})
    check_columns(dataset, wanted.values())
    rows = dataset.select_columns(list(wanted.values()))

    def of_row(row):
        values = {key: row[column] for key, column in wanted.items()}
        if isinstance(values["prompt"], (list, tuple)) and values["prompt"]:
            values["prompt"] = values["prompt"][0]
        return values

    requests = _of_rows((f"{name!r}, row {number}", of_row(row)) for number, row in enumerate(rows))
    if not requests:
        raise ValueError(f"The dataset {name!r} holds no prompt.")
    return requests

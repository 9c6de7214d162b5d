# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Where a sound comes from: which model made it, under which licence, and with which settings."""

import hashlib
from pathlib import Path
from typing import Any

from .. import __version__
from ..audio.tags import SoundTags
from ..model_files import read_json
from ..pipelines.shared_parts import SHARED_WITH


# Of a hash, what tells models apart.
HASH_DIGITS = 16


def model_folder(model: str | Path, revision: str | None = None) -> Path:
    r"""
    Where the files of a model lie that was loaded: its folder, or that of the Hub's cache.

    Args:
        model (`Path` or `str`): From [`~audiolcm_diffusers.pipelines.loading.find_model`].
        revision (`str`, *optional*): Of a model on the Hub.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(str(model), "model_index.json", revision=revision)).parent


def model_hash(folder: str | Path) -> str:
    r"""
    What a model is, whatever precision it runs in: a hash of its weights, configurations and vocabularies.

    Args:
        folder (`str` or `Path`): Of a saved pipeline. Parts that it shares with the folder beside it count.

    Returns:
        `str`: 16 hexadecimal digits.
    """
    folder = Path(folder)
    index = read_json(folder / "model_index.json")
    folders = [folder]
    beside = index.get(SHARED_WITH)
    if beside is not None:
        folders.append(folder.resolve().parent / beside)
    hasher = hashlib.sha256()
    for name in sorted(name for name, value in index.items() if isinstance(value, list)):
        part = next((place / name for place in folders if (place / name).is_dir()), None)
        for file in sorted(part.iterdir(), key=lambda file: file.name) if part is not None else ():
            if file.suffix in (".safetensors", ".json", ".model", ".txt"):
                hasher.update(f"{name}/{file.name}".encode())
                with file.open("rb") as content:
                    hasher.update(hashlib.file_digest(content, "sha256").digest())
    return hasher.hexdigest()[:HASH_DIGITS]


def licence_of(folder: str | Path) -> str | None:
    r"""
    The licence that a model's card names.

    Args:
        folder (`str` or `Path`): Of a saved pipeline.

    Returns:
        `str`, *optional*: Its identifier; where that is "other", its name and where it can be read.
    """
    card = Path(folder, "README.md")
    if not card.is_file():
        return None
    import yaml
    from huggingface_hub import ModelCardData
    from huggingface_hub.repocard import RepoCard

    try:
        data: ModelCardData = RepoCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except (ValueError, OSError, yaml.YAMLError):  # a card that says something else at its top
        return None
    values = data.to_dict()
    licence = values.get("license")
    licence = ", ".join(map(str, licence)) if isinstance(licence, list) else licence
    if licence == "other":
        further = [str(values[name]) for name in ("license_name", "license_link") if values.get(name)]
        return ", ".join(further) or "other"
    return licence


def tags_of(settings: dict[str, Any], licence: str | None) -> SoundTags:
    r"""
    What is written into a sound file.

    Args:
        settings (`dict`): What it takes to make it again, its `prompt` among them.
        licence (`str`, *optional*): From [`licence_of`].
    """
    software = f"audiolcm-diffusers {__version__}"
    return SoundTags(settings.get("prompt") or "", {**settings, "licence": licence}, licence, software)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What a checkpoint says of itself, `run.json`: its step, the options that it was trained with, and its files. By it a
damaged checkpoint is known, and a run that would go on with something else.
"""

import json
import zlib
from pathlib import Path

from .checkpoint_states import DCP_METADATA, STATES


MANIFEST = "run.json"


# Options that say how a run goes, or how fast it learns, which a resumed run honours. All others say what is trained.
FREE_OPTIONS = frozenset(
    """
    output_dir resume_from_checkpoint resume_with_changed max_train_steps learning_rate text_learning_rate warmup_steps
    max_grad_norm checkpointing_steps checkpoints_total_limit logging_steps report_to push_to_hub hub_model_id
    hub_private_repo hub_token validation_prompts validation_steps validation_inference_steps compile
    gradient_checkpointing attention_backend mixed_precision max_bad_fraction gradient_accumulation_steps
    """.split()
)


def write_manifest(folder, step, options):
    r"""
    Write `run.json` into a folder that is complete but for it.

    Args:
        folder (`Path`): The checkpoint.
        step (`int`): Its step.
        options (`dict`): Those of the run.
    """
    paths = {name: folder / name for name in _files_of(folder)}
    files = {name: [path.stat().st_size, _checksum(path)] for name, path in paths.items()}
    manifest = {"step": step, "options": options, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def check_whole(folder):
    r"""
    Make sure that a checkpoint's files are those that were saved.

    Raises:
        ValueError: Naming the file that is missing, changed or was not saved with it.
    """
    files = read_manifest(folder)["files"]
    for name, (size, checksum) in files.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"The checkpoint {str(folder)!r} is damaged: it lacks {name!r}.")
        if path.stat().st_size != size or _checksum(path) != checksum:
            raise ValueError(f"The checkpoint {str(folder)!r} is damaged: {name!r} is not as it was saved.")
    for name in _files_of(folder):
        if name not in files and (Path(name).suffix in STATES or Path(name).name == DCP_METADATA):
            raise ValueError(f"The checkpoint {str(folder)!r} holds {name!r}, which was not saved with it: remove it.")


def read_manifest(folder):
    r"""
    What a checkpoint says of itself: `step`, `options` and `files`, with size and checksum of each.

    Raises:
        ValueError: If it says nothing, as one of an earlier version, whose averages were pickles.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {str(name): (int(size), int(checksum)) for name, (size, checksum) in manifest["files"].items()}
        return {"step": int(manifest["step"]), "options": dict(manifest["options"]), "files": files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The checkpoint {str(folder)!r} is damaged, or of an earlier version: its {MANIFEST} cannot be read "
            f"({error})."
        ) from error


def _files_of(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).as_posix() != MANIFEST
    )


def _checksum(path):
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def refuse_changed_options(folder, saved, options, allowed=()):
    r"""
    Refuse to go on with something else: weights would be of one thing and cards tell of another.

    Args:
        folder (`Path`): The checkpoint.
        saved (`dict`): The options that it was saved with.
        options (`dict`): Those of this run.
        allowed (`Sequence[str]`, defaults to `()`): Options that may differ, as paths that were moved.

    Raises:
        ValueError: Quoting the options that differ.
    """
    fixed = sorted((saved.keys() | options.keys()) - FREE_OPTIONS - set(allowed))
    # As JSON: tuples are lists there.
    both = [json.loads(json.dumps(values)) for values in (saved, options)]
    changed = [name for name in fixed if name in saved and both[0].get(name) != both[1].get(name)]
    if changed:
        told = "; ".join(f"{name}={both[0][name]!r}, got {both[1].get(name)!r}" for name in changed)
        raise ValueError(
            f"{str(folder)!r} was trained with {told}. Leave that as it was, start a run in another folder, or name "
            f"what may differ, such as a path that was moved: --resume_with_changed {' '.join(changed)}."
        )

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints of a run, `checkpoint-<step>`, and folders that are whole or not there."""

import os
import shutil
from pathlib import Path

from .log import LOG


def checkpoint_step(name):
    r"""The number in a name `checkpoint-<step>`."""
    return int(name.removeprefix("checkpoint-"))


def checkpoints_to_remove(names, keep):
    r"""Pick the oldest `checkpoint-<step>` names beyond the newest `keep`."""
    by_step = sorted(names, key=checkpoint_step)
    return by_step[: max(0, len(by_step) - keep)]


def checkpoint_names(output_dir):
    r"""Names of the complete checkpoints in a folder, in no order."""
    return [
        path.name
        for path in Path(output_dir).glob("checkpoint-*")
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdigit()
    ]


def newest_checkpoint(output_dir):
    r"""Name of the complete checkpoint of the highest step in a folder; `None` where there is none."""
    return max(checkpoint_names(output_dir), key=checkpoint_step, default=None)


def checkpoint_to_resume(source, output_dir):
    r"""
    The checkpoint from which a run is to go on.

    Args:
        source (`str`): `"latest"` or the path of a folder `checkpoint-<step>`.
        output_dir (`str` or `Path`): The run's folder, in which the latest is looked for.

    Returns:
        `Path` or `None`: `None` where there is no latest: the run was stopped before its first one, or has not begun.

    Raises:
        ValueError: If the path is that of no checkpoint.
    """
    if source == "latest":
        newest = newest_checkpoint(output_dir)
        return None if newest is None else Path(output_dir) / newest
    folder = Path(source)
    if folder.name not in checkpoint_names(folder.parent):
        raise ValueError(f'Expected "latest" or a folder `checkpoint-<step>`, got {source!r}.')
    return folder


def save_checkpoint(accelerator, output_dir, step, keep):
    r"""
    Write `checkpoint-<step>` under a temporary name, rename it, and drop the oldest. To be called on all processes:
    each has random numbers, and under FSDP and DeepSpeed a share of weights or optimizer, to save.

    Args:
        accelerator (`Accelerator`): Whose state is saved.
        output_dir (`Path`): The run's folder.
        step (`int`): The step that has just ended.
        keep (`int`): Checkpoints that stay.
    """
    folder = output_dir / f"checkpoint-{step}"
    if accelerator.is_main_process:
        empty_folder_beside(folder)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(folder_beside(folder)))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        put_in_place(folder_beside(folder), folder)
        for old in checkpoints_to_remove(checkpoint_names(output_dir), keep):
            shutil.rmtree(output_dir / old)
    accelerator.wait_for_everyone()


def load_checkpoint(accelerator, folder):
    r"""
    Load a checkpoint, once everything is prepared.

    Args:
        accelerator (`Accelerator`): Whose state is loaded.
        folder (`Path`): From [`checkpoint_to_resume`].

    Returns:
        `int`: Its step.

    Raises:
        ValueError: If it was saved under FSDP and the run is not, or the other way round.
    """
    if any(folder.glob("pytorch_model_fsdp*")) != accelerator.is_fsdp2:
        way = "under" if accelerator.is_fsdp2 else "without"
        raise ValueError(f"Expected a checkpoint that was saved {way} FSDP, got {str(folder)!r}.")
    accelerator.load_state(str(folder))
    return checkpoint_step(folder.name)


def refuse_another_run(output_dir):
    r"""
    Keep two runs from mixing their checkpoints and logs.

    Raises:
        ValueError: If the folder has checkpoints or a log.
    """
    held = sorted(checkpoint_names(output_dir), key=checkpoint_step)
    if (Path(output_dir) / LOG).is_file():
        held.append(LOG)
    if held:
        raise ValueError(
            f"Expected output_dir to hold no other run, got {str(output_dir)!r} with {held[0]}: "
            "name another folder, or go on with --resume_from_checkpoint latest."
        )


def save_folder(save, folder):
    r"""
    Let `save(path)` write a folder under a temporary name, then put it in the place of `folder`.

    An interrupted save leaves what was there before.
    """
    temporary = empty_folder_beside(folder)
    save(temporary)
    put_in_place(temporary, folder)


def folder_beside(folder):
    r"""The folder in which what is to lie in `folder` is written first."""
    return Path(folder).with_name(f".{Path(folder).name}.partial")


def empty_folder_beside(folder):
    r"""The folder beside, made empty."""
    temporary = folder_beside(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def put_in_place(temporary, folder):
    r"""Put a folder that is complete in the place of `folder`."""
    replaced = Path(folder).with_name(f".{Path(folder).name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if Path(folder).exists():
        os.replace(folder, replaced)
    os.replace(temporary, folder)
    shutil.rmtree(replaced, ignore_errors=True)

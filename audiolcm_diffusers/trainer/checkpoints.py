# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints of a run, `checkpoint-<step>`."""

import logging
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..files import empty_folder_beside, folder_beside, put_in_place, remove_folder
from .checkpoint_manifest import check_whole, write_manifest
from .checkpoint_states import check_states
from .log import LOG


logger = logging.getLogger(__name__)

SUPERSEDED = "superseded"


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
        A latest one that is damaged is passed over for the one before it, and named in a warning.

    Raises:
        ValueError: If the path is that of no checkpoint, or it, or every one that there is, is damaged.
    """
    if source != "latest":
        folder = Path(source)
        if folder.name not in checkpoint_names(folder.parent):
            raise ValueError(f'Expected "latest" or a folder `checkpoint-<step>`, got {source!r}.')
        check_whole(folder)
        return folder
    names = sorted(checkpoint_names(output_dir), key=checkpoint_step, reverse=True)
    damages = []
    for name in names:
        try:
            check_whole(Path(output_dir) / name)
        except ValueError as error:
            damages.append(str(error))
            continue
        for damage in damages:
            logger.warning(f"{damage} Going on from {name}.")
        return Path(output_dir) / name
    if damages:
        raise ValueError(" ".join(damages))
    return None


def save_checkpoint(accelerator, output_dir, step, keep, averages=(), options=None, beside=lambda folder: None):
    r"""
    Write `checkpoint-<step>` under a temporary name, rename it, and drop the oldest. To be called on all processes:
    each has random numbers, and under FSDP and DeepSpeed a share of weights or optimizer, to save.

    Args:
        accelerator (`Accelerator`): Whose state is saved.
        output_dir (`Path`): The run's folder.
        step (`int`): The step that has just ended.
        keep (`int`): Checkpoints that stay.
        averages (`Sequence[CheckpointedAverage]`, defaults to `()`): Saved as safetensors.
        options (`dict`, *optional*): Those of the run, saved as JSON.
        beside (`Callable[[Path], None]`): Writes what else a process has into the folder.
    """
    folder = output_dir / f"checkpoint-{step}"
    temporary = folder_beside(folder)
    if accelerator.is_main_process:
        empty_folder_beside(folder)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    beside(temporary)
    for index, average in enumerate(averages):
        weights = average.state_dict()
        if accelerator.is_main_process:
            # Copies, because tied weights are one tensor, which safetensors does not write twice.
            copies = {name: weight.detach().to("cpu", copy=True).contiguous() for name, weight in weights.items()}
            save_file(copies, temporary / average_name(index))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        write_manifest(temporary, step, options or {})
        put_in_place(temporary, folder)
        for old in checkpoints_to_remove(checkpoint_names(output_dir), keep):
            remove_folder(output_dir / old)
    accelerator.wait_for_everyone()


def average_name(index):
    r"""File name of an average in a checkpoint."""
    return f"average_{index}.safetensors"


def load_checkpoint(accelerator, folder, averages=()):
    r"""
    Load a checkpoint, once everything is prepared. Nothing in it is run: its pickles, which torch writes, are read
    without objects.

    Args:
        accelerator (`Accelerator`): Whose state is loaded.
        folder (`Path`): From [`checkpoint_to_resume`].
        averages (`Sequence[CheckpointedAverage]`, defaults to `()`): Those that it was saved with.

    Returns:
        `int`: Its step.

    Raises:
        ValueError:
            If it was saved under FSDP and the run is not, or the other way round; or naming the file that is missing
            or holds something else, be it code.
    """
    if any(folder.glob("pytorch_model_fsdp*")) != accelerator.is_fsdp2:
        way = "under" if accelerator.is_fsdp2 else "without"
        raise ValueError(f"Expected a checkpoint that was saved {way} FSDP, got {str(folder)!r}.")
    check_states(folder, accelerator.process_index)
    weights = []
    for index in range(len(averages)):
        path = folder / average_name(index)
        try:
            weights.append(load_file(path))
        except (OSError, SafetensorError) as error:
            raise ValueError(f"The checkpoint's {str(path)!r} is missing or damaged: {error}") from error
    accelerator.load_state(str(folder))
    for average, values in zip(averages, weights):
        average.load_state_dict(values)
    return checkpoint_step(folder.name)


def set_aside(output_dir, step):
    r"""
    Move checkpoints beyond a step into `superseded`: a run that goes back to an earlier one goes another way, and they
    would be taken for its newest.

    Args:
        output_dir (`Path`): The run's folder.
        step (`int`): The step from which the run goes on.
    """
    beyond = [name for name in checkpoint_names(output_dir) if checkpoint_step(name) > step]
    for name in sorted(beyond, key=checkpoint_step):
        target = output_dir / SUPERSEDED / name
        target.parent.mkdir(exist_ok=True)
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{name}.{number}")
        os.replace(output_dir / name, target)
        logger.warning(f"{name} is beyond step {step}, from which this run goes on: it is in {str(target)!r} now.")


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

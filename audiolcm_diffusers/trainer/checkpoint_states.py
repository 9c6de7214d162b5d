# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Pickles in a checkpoint, which torch and accelerate write: read without objects, and none that could run code."""

import io
import pickle

import torch
from accelerate.utils import load


# What torch's and accelerate's states are called, and the metadata of sharded ones (torch.distributed.checkpoint).
STATES = (".bin", ".pkl", ".pt", ".pth", ".distcp")
DCP_METADATA = ".metadata"
RANDOM_STATES = {"random_state", "numpy_random_seed", "torch_manual_seed"}


class _MetadataReader(pickle.Unpickler):
    """Reads the metadata of sharded states, which torch unpickles, of nothing but their own classes."""

    def find_class(self, module, name):
        known = module.startswith("torch.distributed.checkpoint.") or (module, name) in _METADATA_NAMES
        found = super().find_class(module, name) if known else None
        if not known or (module.startswith("torch.distributed.checkpoint.") and not isinstance(found, type)):
            raise pickle.UnpicklingError(f"{module}.{name} is none of its classes")
        return found


_METADATA_NAMES = {
    ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    *(
        ("torch", str(dtype).removeprefix("torch."))
        for dtype in vars(torch).values()
        if isinstance(dtype, torch.dtype)
    ),
}


def check_states(folder, process_index):
    r"""
    Read what accelerate will read: it names no file, and goes on without random numbers.

    Args:
        folder (`Path`): The checkpoint.
        process_index (`int`): Of this process, whose random numbers are needed.

    Raises:
        ValueError: Naming the file that is missing, damaged, or could run code.
    """
    random_states = folder / f"random_states_{process_index}.pkl"
    if not random_states.is_file():
        raise ValueError(
            f"The checkpoint {str(folder)!r} has no {random_states.name!r}, the random numbers of process "
            f"{process_index}: go on with as many processes as it was saved by."
        )
    for path in folder.rglob(DCP_METADATA):
        try:
            _MetadataReader(io.BytesIO(path.read_bytes())).load()
        except Exception as error:  # a damaged pickle may raise anything
            raise ValueError(f"The checkpoint's {str(path)!r} is damaged, or could run code: {error}.") from error
    for path in sorted(folder.iterdir()):
        if path.suffix not in STATES:
            continue
        if path.name.startswith("custom_checkpoint"):
            raise ValueError(f"The checkpoint's {str(path)!r} is a pickle, which could run code: it is not read.")
        try:
            state = load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # of pickle, zip files and torch
            raise ValueError(
                f"The checkpoint's {str(path)!r} is damaged, or a pickle that could run code: it is not read."
            ) from error
        if path == random_states and not (isinstance(state, dict) and RANDOM_STATES <= state.keys()):
            raise ValueError(f"The checkpoint's {str(path)!r} holds no random numbers.")

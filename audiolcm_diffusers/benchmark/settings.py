# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How something is measured: device, threads, seed, dtype, attention. What belongs to the process is put back."""

import contextlib

import torch
from diffusers.models.attention_dispatch import AttentionBackendName


@contextlib.contextmanager
def process_settings(device: torch.device, threads: int | None, seed: int):
    r"""
    Seed torch and set its threads. These are settings of the whole process, which may be somebody else's: they are put
    back.
    """
    with contextlib.ExitStack() as settings:
        settings.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        if threads is not None:
            settings.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(threads)
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def defaults(device: torch.device, dtype: torch.dtype):
    r"""Build modules on a device and in a dtype: what is drawn there need not be copied there."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def check_attention_backend(name: str | None, named=str) -> None:
    r"""
    Refuse an attention backend that diffusers does not know.

    Args:
        name (`str`, *optional*): What the option `attention_backend` names.
        named (`Callable[[str], str]`, defaults to `str`): How the caller writes an option's name, for the message.

    Raises:
        ValueError: Listing those that it knows.
    """
    known = [backend.value for backend in AttentionBackendName]
    if name is not None and name not in known:
        raise ValueError(f"Expected {named('attention_backend')} to be one of {', '.join(known)}; got {name!r}.")

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds that a call is given, read into waveforms of the model's rate before any model runs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..audio.io import MAX_RATE, MAX_SAMPLES, MIN_RATE, audio_name, read_audio, resample
from .arguments import is_count
from .finite import SILENT_PEAK, check_finite


_EXPECTED = (
    "a file, or an array or tensor of shape (samples,), (channels, samples) or (batch_size, channels, samples), or a "
    "list of them"
)


def read_source(audio: Any, sampling_rate: int | None, model_rate: int, num_prompts: int) -> torch.Tensor:
    r"""
    Read the sounds that are to be changed.

    Args:
        audio (`str`, `Path`, `bytes`, binary file, `np.ndarray`, `torch.Tensor`, `dict`, or a list of them):
            One sound for all prompts or one a prompt; see [`~AudioLCMAudio2AudioPipeline.__call__`].
        sampling_rate (`int`, *optional*): Of arrays and tensors, in Hz; by default the model's. Files say theirs.
        model_rate (`int`): The model's sampling rate, to which sounds are brought.
        num_prompts (`int`): Prompts of the call.

    Returns:
        `torch.Tensor` of shape `(1, samples)` or `(num_prompts, samples)`: float32, mono.

    Raises:
        ValueError: If a sound is none, empty, silent, not finite, or of another length than the others; if its rate is
            none or contradicts what its file says; or if there are neither one nor as many as prompts.
    """
    if sampling_rate is not None and (not is_count(sampling_rate) or not MIN_RATE <= sampling_rate <= MAX_RATE):
        raise ValueError(
            f"Expected `sampling_rate` to be a whole number from {MIN_RATE} to {MAX_RATE} Hz, got {sampling_rate!r}."
        )
    sounds = [_read_one(item, sampling_rate, model_rate) for item in _listed(audio)]
    for index, sound in enumerate(sounds):
        what = "`audio`" if len(sounds) == 1 else f"sound {index} of `audio`"
        if sound.numel() == 0:
            raise ValueError(f"Expected {what} to hold samples, got none.")
        check_finite(sound[None], f"Expected {what}")
        peak = float(sound.abs().max())
        if peak < SILENT_PEAK:
            raise ValueError(f"Expected {what} to be heard, got a peak of {peak:g}: it is silent.")
    lengths = sorted({len(sound) for sound in sounds})
    if len(lengths) > 1:
        raise ValueError(
            f"Expected sounds of one length, got {', '.join(f'{length / model_rate:g}' for length in lengths)} s: "
            "call the pipeline once for each length."
        )
    if len(sounds) not in (1, num_prompts):
        raise ValueError(
            f"Expected one sound, or {num_prompts}, as many as there are prompts, got {len(sounds)} in `audio`."
        )
    return torch.stack(sounds)


def _listed(audio: Any) -> list:
    if audio is None:
        raise ValueError(f"Expected `audio` to be {_EXPECTED}, got None.")
    if isinstance(audio, (list, tuple)) and not audio:
        raise ValueError(f"Expected `audio` to hold at least one sound, got {audio!r}.")
    if isinstance(audio, (list, tuple)) and all(isinstance(item, (int, float)) for item in audio):
        return [np.array(audio, dtype=np.float32)]
    sounds = []
    for item in audio if isinstance(audio, (list, tuple)) else [audio]:
        is_batch = isinstance(item, (torch.Tensor, np.ndarray)) and item.ndim == 3
        if is_batch and len(item) == 0:
            raise ValueError(f"Expected `audio` to hold at least one sound, got shape {tuple(item.shape)}.")
        sounds += list(item) if is_batch else [item]
    return sounds


def _read_one(audio: Any, sampling_rate: int | None, model_rate: int) -> torch.Tensor:
    if isinstance(audio, dict) and "array" in audio and "sampling_rate" in audio:
        # As `datasets` and the processors of transformers have it.
        _check_rates(sampling_rate, audio["sampling_rate"], "`audio`")
        return _read_one(audio["array"], audio["sampling_rate"], model_rate)
    if isinstance(audio, (np.ndarray, torch.Tensor)):
        return resample(_mono(audio), sampling_rate or model_rate, model_rate)
    if isinstance(audio, (str, Path, bytes)) or hasattr(audio, "read"):
        waveform = read_audio(audio, model_rate)
        if sampling_rate is not None:
            import soundfile

            from ..audio.io import open_audio

            name = audio_name(audio)
            with open_audio(audio, name) as file:
                _check_rates(sampling_rate, soundfile.info(file).samplerate, repr(name))
        return waveform
    raise ValueError(f"Expected `audio` to be {_EXPECTED}, got {type(audio).__name__}.")


def _check_rates(said: int | None, found: int, name: str) -> None:
    if said is not None and said != found:
        raise ValueError(f"Expected `sampling_rate` to be what {name} says, {found} Hz, or None, got {said}.")


def _mono(audio: np.ndarray | torch.Tensor) -> torch.Tensor:
    """The mean of an array's channels, in `[-1, 1]`."""
    waveform = torch.as_tensor(np.ascontiguousarray(audio) if isinstance(audio, np.ndarray) else audio).detach().cpu()
    shape = tuple(waveform.shape)
    if waveform.ndim not in (1, 2) or waveform.is_complex() or waveform.dtype == torch.bool:
        raise ValueError(f"Expected `audio` to be {_EXPECTED}, got shape {shape} of {waveform.dtype}.")
    if waveform.ndim == 2 and shape[0] > 8 and shape[0] > shape[1]:
        raise ValueError(
            f"Expected `audio` of shape (channels, samples), got {shape}, which looks like (samples, channels): "
            "transpose it."
        )
    if waveform.numel() > MAX_SAMPLES:
        raise ValueError(f"Expected `audio` of at most {MAX_SAMPLES} samples, got {waveform.numel()}.")
    if not waveform.is_floating_point():
        # What scipy and others read of 16-bit files.
        if waveform.dtype == torch.uint8:
            waveform = (waveform.float() - 128) / 128
        else:
            waveform = waveform.double() / -float(torch.iinfo(waveform.dtype).min)
    waveform = waveform.float()
    if waveform.ndim == 2:
        waveform = waveform.mean(dim=0) if shape[0] else waveform.flatten()
    peak = float(waveform.abs().max()) if waveform.numel() else 0.0
    if 1.5 < peak < float("inf"):
        raise ValueError(
            f"Expected `audio` in [-1, 1], got samples up to {peak:g}: divide it by its full scale, or pass the whole "
            "numbers as they are."
        )
    return waveform

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
What a tagger is shown: log-mel patches as its description says.

The description of a tagger is a small JSON object, `tagger.json` beside the network or a file that is named, of the
fields of [`TaggerConfig`]. What it does not say is as in YAMNet.
"""

import json
import math
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from ..data.metadata import lines_of, read_table, read_text


OUTPUTS = ("probabilities", "logits")
MEL_SCALES = ("kaldi", "htk", "slaney")
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True, kw_only=True)
class TaggerConfig:
    r"""
    How a tagger hears. The defaults are those of YAMNet, with float input and probabilities.

    A spectrum is of frames without centring, under a periodic Hann window; a patch is `ln(mel + log_offset)`.

    Args:
        model (`str`, *optional*): File of the network in its folder; by default the only `.onnx` there.
        labels (`str`, defaults to `"yamnet_class_map.csv"`):
            File of the names of its outputs, in their order: a `.csv` with a column `display_name`, a `.json` list, or
            a text of one name a line.
        sampling_rate (`int`, defaults to 16000): In Hz.
        window_length, hop_length, fft_length (`int`, default to 400, 160 and 512): In samples.
        power (`float`, defaults to 1.0): 1 for magnitudes, 2 for powers.
        num_mel_bins (`int`, defaults to 64): Mel bands.
        mel_scale (`str`, defaults to `"kaldi"`): `"kaldi"`, `"htk"` or `"slaney"`; the first two are one scale.
        mel_norm (`str`, *optional*): `"slaney"` for filters of equal area.
        triangles_in_mel (`bool`, defaults to `True`): Whether filters are triangles over mel, or else over Hz.
        min_frequency, max_frequency (`float`, default to 125.0 and 7500.0): Range of the bands in Hz.
        log_offset (`float`, defaults to 0.001): Added before the logarithm.
        patch_frames, patch_hop_frames (`int`, default to 96 and 48): Length of a patch, and from one to the next.
        input_scale (`float`, *optional*), input_zero_point (`float`, defaults to 0.0):
            Where the network takes integers: `round(value / input_scale + input_zero_point)`.
        output_scale (`float`, *optional*), output_zero_point (`float`, defaults to 0.0):
            Where it gives integers: `output_scale * (output - output_zero_point)`.
        outputs (`str`, defaults to `"probabilities"`): `"logits"` where a sigmoid is still to be taken.

    Raises:
        ValueError: If a value makes no sense; the message quotes it.
    """

    model: str | None = None
    labels: str = "yamnet_class_map.csv"
    sampling_rate: int = 16000
    window_length: int = 400
    hop_length: int = 160
    fft_length: int = 512
    power: float = 1.0
    num_mel_bins: int = 64
    mel_scale: str = "kaldi"
    mel_norm: str | None = None
    triangles_in_mel: bool = True
    min_frequency: float = 125.0
    max_frequency: float = 7500.0
    log_offset: float = 0.001
    patch_frames: int = 96
    patch_hop_frames: int = 48
    input_scale: float | None = None
    input_zero_point: float = 0.0
    output_scale: float | None = None
    output_zero_point: float = 0.0
    outputs: str = "probabilities"

    def __post_init__(self):
        for field in fields(self):
            self._check_type(field)
        counts = ("sampling_rate", "window_length", "hop_length", "num_mel_bins", "patch_frames", "patch_hop_frames")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of a tagger from 1, got {getattr(self, name)}.")
        for name in ("power", "log_offset", "input_scale", "output_scale"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"Expected {name} of a tagger to be positive, got {value}.")
        if self.fft_length < self.window_length:
            raise ValueError(
                f"Expected fft_length of a tagger of at least its window_length, {self.window_length}, got "
                f"{self.fft_length}."
            )
        if not 0 <= self.min_frequency < self.max_frequency <= self.sampling_rate / 2:
            raise ValueError(
                f"Expected 0 <= min_frequency < max_frequency <= {self.sampling_rate / 2:g} of a tagger, got "
                f"{self.min_frequency:g} and {self.max_frequency:g}."
            )
        for name, known in (("outputs", OUTPUTS), ("mel_scale", MEL_SCALES), ("mel_norm", (None, "slaney"))):
            if getattr(self, name) not in known:
                listed = ", ".join(str(value) for value in known if value is not None)
                raise ValueError(f"Expected {name} of a tagger among {listed}, got {getattr(self, name)!r}.")

    def _check_type(self, field):
        value, expected = getattr(self, field.name), field.type
        if value is None and "None" in str(expected):
            return
        kind = next(kind for kind in _TYPES if kind.__name__ in str(expected))
        fits = isinstance(value, (int, float) if kind is float else kind) and (kind is bool) == isinstance(value, bool)
        if not fits or (kind is float and not math.isfinite(value)):
            raise ValueError(f"Expected {field.name} of a tagger to be {_TYPES[kind]}, got {value!r}.")

    @property
    def min_samples(self):
        r"""`int`: Samples of one patch. What is shorter is followed by zeros."""
        return (self.patch_frames - 1) * self.hop_length + self.window_length

    @cached_property
    def _filters(self):
        from transformers.audio_utils import mel_filter_bank

        return mel_filter_bank(
            num_frequency_bins=self.fft_length // 2 + 1,
            num_mel_filters=self.num_mel_bins,
            min_frequency=self.min_frequency,
            max_frequency=self.max_frequency,
            sampling_rate=self.sampling_rate,
            norm=self.mel_norm,
            mel_scale=self.mel_scale,
            triangularize_in_mel_space=self.triangles_in_mel,
        )

    def patches(self, waveform):
        r"""
        Log-mel patches of a sound.

        Args:
            waveform (`numpy.ndarray` of shape `(samples,)`): At `sampling_rate`, in `[-1, 1]`.

        Returns:
            `numpy.ndarray` of shape `(num_patches, patch_frames, num_mel_bins)`: float32, at least one. Samples at the
            end that fill no patch are not heard.
        """
        waveform = np.pad(waveform, (0, max(0, self.min_samples - len(waveform))))
        frames = np.lib.stride_tricks.sliding_window_view(waveform, self.window_length)[:: self.hop_length]
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window_length) / self.window_length)
        spectrum = np.abs(np.fft.rfft(frames * window, self.fft_length)) ** self.power
        mels = np.log(spectrum @ self._filters + self.log_offset).astype(np.float32)
        starts = range(0, len(mels) - self.patch_frames + 1, self.patch_hop_frames)
        return np.stack([mels[start : start + self.patch_frames] for start in starts])

    def quantised(self, patches, dtype):
        r"""
        Patches as a network of integers takes them.

        Args:
            patches (`numpy.ndarray`): float32.
            dtype (`numpy.dtype`): Of the network's input. What lies outside of its range is clipped.

        Returns:
            `numpy.ndarray`: Of this type.
        """
        if self.input_scale is None:
            return patches.astype(dtype)
        steps = np.round(patches / self.input_scale + self.input_zero_point)
        return np.clip(steps, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)

    def probabilities(self, outputs):
        r"""
        What a network's outputs say.

        Args:
            outputs (`numpy.ndarray`): As they come.

        Returns:
            `numpy.ndarray`: float32, of the same shape.
        """
        values = outputs.astype(np.float32)
        if self.output_scale is not None:
            values = self.output_scale * (values - self.output_zero_point)
        return values if self.outputs == "probabilities" else 1 / (1 + np.exp(-values.clip(-60, 60)))


def read_tagger_config(source):
    r"""
    Read a tagger's description.

    Args:
        source (`str` or `Path`): JSON, an object of the fields of [`TaggerConfig`], all of them optional.

    Returns:
        [`TaggerConfig`].

    Raises:
        ValueError: If the file is missing or holds something else, or a value makes no sense.
    """
    try:
        values = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"The description of a tagger {str(source)!r} cannot be read: {error}.") from error
    known = [field.name for field in fields(TaggerConfig)]
    if not isinstance(values, dict) or set(values) - set(known):
        got = sorted(set(values) - set(known)) if isinstance(values, dict) else values
        raise ValueError(
            f"Expected the description of a tagger {str(source)!r} to be an object of {', '.join(known)}; got {got}."
        )
    try:
        return TaggerConfig(**values)
    except ValueError as error:
        raise ValueError(f"{str(source)!r}: {error}") from error


def read_labels(path):
    r"""
    Read the names of a tagger's outputs.

    Args:
        path (`str` or `Path`): See [`TaggerConfig`].

    Returns:
        `list[str]`.

    Raises:
        ValueError: If the file is missing or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".json":
            labels = json.loads(read_text(path))
        elif path.suffix.lower() == ".csv":
            labels = [row["display_name"] for number, row in read_table(path) if number > 1]
        else:
            labels = [line.strip() for line in lines_of(read_text(path)) if line.strip()]
    except (OSError, ValueError) as error:
        raise ValueError(f"The labels of a tagger {str(path)!r} cannot be read: {error}.") from error
    except KeyError as error:
        raise ValueError(f"The labels of a tagger {str(path)!r} have no column {error}.") from error
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"Expected the labels of a tagger {str(path)!r} to be a list of names.")
    return labels

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
An outside ear: a tagger of many labels as ONNX, such as YAMNet, that did not hear the clips which a model learnt from.

It says how many sounds are named as they were asked for, which a classifier of the training data cannot be believed
about. onnxruntime, which runs it, is imported when one is loaded.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ..data.latent_cache import digest
from .class_map import check_class_map, class_of, is_named, read_class_map
from .networks import Network
from .tagger_front_end import TaggerConfig, read_labels, read_tagger_config


CONFIG, CLASS_MAP = "tagger.json", "class_map.json"
# Peaks below which the end of a sound is taken for silence, of full scale.
QUIET = 10 ** (-60 / 20)


class Tagger(Network):
    r"""
    A tagger with the classes that it is asked about.

    It hears a sound up to its last sample above -60 dB of full scale: the silence that shorter sounds are followed by
    would be one of the things it names.

    Args:
        session (`onnxruntime.InferenceSession`):
            The network. Its one input is a patch, of shape `(1, frames, mels)` or `(1, 1, frames, mels)`; its first
            output has a value a label.
        config ([`~audiolcm_diffusers.evaluation.tagger_front_end.TaggerConfig`]): How it hears.
        labels (`Sequence[str]`): Names of its outputs.
        class_map (`dict[str, list[str]]`): See [`~audiolcm_diffusers.evaluation.class_map.read_class_map`].
        name (`str`, defaults to `"tagger"`): What it is called in reports.
        weights_digest (`str`, defaults to `""`): Hash of its files.

    Raises:
        ValueError: If its input is something else, or the class map has labels that it does not know.
    """

    num_heard_samples = None  # all of them
    device = torch.device("cpu")

    def __init__(self, session, config, labels, class_map, name="tagger", weights_digest=""):
        self.session, self.config, self.labels, self.name = session, config, list(labels), name
        self.class_map, self.weights_digest = class_map, weights_digest
        self.sampling_rate = config.sampling_rate
        self._input = session.get_inputs()[0]
        self._dtype = _input_type(session.get_inputs(), config, name)
        check_class_map(class_map)
        columns = {label: column for column, label in enumerate(self.labels)}
        unknown = sorted({label for wanted in class_map.values() for label in wanted if label not in columns})
        if unknown:
            raise ValueError(
                f"Expected a class map of labels of {name!r}; it has none called {', '.join(map(repr, unknown))}."
            )
        self._columns = {sound_class: {columns[label] for label in of} for sound_class, of in class_map.items()}

    def fingerprint(self):
        return digest(self.weights_digest, asdict(self.config), self.labels)

    def describe(self):
        r"""`dict`: What the protocol records of it."""
        return {
            "name": self.name,
            "class": type(self).__name__,
            "fingerprint": self.fingerprint(),
            "class_map": digest(self.class_map),
            "sampling_rate": self.sampling_rate,
            "num_labels": len(self.labels),
            "end": "the last sample above -60 dB of full scale",
        }

    def listen(self, waveforms, sampling_rate, batch_size):
        r"""See [`~audiolcm_diffusers.evaluation.networks.Network.listen`]: `probabilities` of each label."""
        return super().listen([without_quiet_end(waveform) for waveform in waveforms], sampling_rate, batch_size)

    def _run(self, waveforms):
        means = [self.config.probabilities(self._outputs(waveform)).mean(axis=0) for waveform in waveforms]
        return {"probabilities": torch.from_numpy(np.stack(means))}

    def _outputs(self, waveform):
        patches = self.config.quantised(self.config.patches(waveform), self._dtype)
        # One at a time: many such files are of one batch size.
        shape = (1,) * (len(self._input.shape) - 2) + patches.shape[1:]
        outputs = [
            self.session.run(None, {self._input.name: patch.reshape(shape)})[0].reshape(-1) for patch in patches
        ]
        if outputs[0].shape[0] != len(self.labels):
            raise ValueError(
                f"Expected outputs of {self.name!r} for its {len(self.labels)} labels, got {outputs[0].shape[0]}."
            )
        return np.stack(outputs)

    def class_of(self, caption, sound_class=None):
        r"""The class that a sound can be named as, see [`~audiolcm_diffusers.evaluation.class_map.class_of`]."""
        return class_of(self.class_map, caption, sound_class)

    @property
    def classes(self):
        r"""`list[str]`: What sounds can be named as."""
        return list(self.class_map)

    def are_named(self, heard, classes):
        r"""
        Which sounds are named as their classes.

        Args:
            heard (`dict[str, torch.Tensor]`): From [`Tagger.listen`].
            classes (`Sequence[str]`): Of each sound, one of `classes`; `None` is never named.

        Returns:
            `list[bool]`.
        """
        rows = heard["probabilities"].numpy()
        return [name is not None and is_named(row, self._columns[name]) for row, name in zip(rows, classes)]


def without_quiet_end(waveform):
    r"""A waveform up to its last sample above -60 dB of full scale, at least one sample."""
    loud = torch.nonzero(waveform.abs() > QUIET)
    return waveform[: int(loud[-1]) + 1 if len(loud) else 1]


def _input_type(inputs, config, name):
    """The numpy type of a network's input, which must be one patch of log-mels."""
    types = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
    shapes = [list(one.shape) for one in inputs]
    expected = [1, 1, config.patch_frames, config.num_mel_bins]
    # A number that is not fixed has a name, or none.
    fits = len(shapes) == 1 and len(shapes[0]) in (3, 4) and inputs[0].type in types
    if not fits or any(isinstance(n, int) and n != m for n, m in zip(shapes[0][::-1], expected[::-1])):
        raise ValueError(
            f"Expected {name!r} to have one input of {', '.join(types)} and of shape "
            f"(1, {config.patch_frames}, {config.num_mel_bins}), or {tuple(expected)}, got "
            f"{', '.join(f'{one.type} {one.shape}' for one in inputs)}."
        )
    dtype = np.dtype(types[inputs[0].type])
    if (dtype.kind == "f") != (config.input_scale is None):
        raise ValueError(
            f"Expected input_scale of {name!r} exactly where it takes integers; it takes {dtype}, and input_scale is "
            f"{config.input_scale}."
        )
    return dtype


def load_tagger(path, class_map=None, config=None):
    r"""
    Load a tagger.

    Args:
        path (`str` or `Path`): An `.onnx` file, or the folder that it is in.
        class_map (`dict[str, list[str]]`, `str` or `Path`, *optional*):
            Which labels stand for a class, see [`~audiolcm_diffusers.evaluation.class_map.read_class_map`]. By default
            `class_map.json` beside the network.
        config ([`~audiolcm_diffusers.evaluation.tagger_front_end.TaggerConfig`], `str` or `Path`, *optional*):
            How it hears, or the JSON file that says so. By default `tagger.json` beside the network, and where there
            is none, as YAMNet. Files that it names are beside the network.

    Returns:
        [`Tagger`]: On the CPU, on one thread.

    Raises:
        ValueError: If a file is missing or holds something else.
        ImportError: If onnxruntime is not installed.

    Example:

    ```python
    >>> from audiolcm_diffusers.evaluation import evaluate, load_tagger
    >>> tagger = load_tagger("yamnet/", class_map="class_map.json")
    >>> print(evaluate(pipe, "DATA/validation", tagger=tagger, num_inference_steps=2))
    ```
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if config is None:
        config = folder / CONFIG if (folder / CONFIG).is_file() else TaggerConfig()
    if not isinstance(config, TaggerConfig):
        config = read_tagger_config(config)
    if class_map is None:
        class_map = folder / CLASS_MAP
    if not isinstance(class_map, dict):
        class_map = read_class_map(class_map)
    model = _model_file(path, config)
    labels = read_labels(folder / config.labels)
    return Tagger(_session(model), config, labels, class_map, str(path), _files_digest(model))


def _model_file(path, config):
    if path.is_file():
        return path
    found = sorted(path.glob("*.onnx")) if config.model is None else [path / config.model]
    if len(found) != 1 or not found[0].is_file():
        listed = ", ".join(file.name for file in found) if config.model is None else f"no {config.model}"
        raise ValueError(
            f"Expected a tagger, an .onnx file or a folder with one, got {str(path)!r}: {listed or 'none'}."
        )
    return found[0]


def _session(model):
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("A tagger needs onnxruntime: `pip install onnxruntime`.") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no public class of their own
        raise ValueError(f"The tagger {str(model)!r} cannot be loaded: {error}") from error


def _files_digest(model):
    """Hash of an ONNX file and of the files beside it that hold its weights, which it names."""
    content = model.read_bytes()
    beside = sorted(file for file in model.parent.iterdir() if file.is_file() and file != model)
    return digest(content, *(file.read_bytes() for file in beside if file.name.encode() in content))

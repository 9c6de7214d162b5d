# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The protocol that every result carries, and the refusal to compare results of different ones."""

import importlib.metadata
import json
import platform
from pathlib import Path


FORMAT = 1
INSPECTION_FORMAT = "inspection 1"
CONFIDENCE = 0.95  # of bootstrap intervals
SAMPLING_RATE = 16000
METRICS = ("fad", "kad", "kl", "is", "clap", "acc", "named", "tempo", "diversity")
NETWORKS = ("classifier", "clap")  # those with features
HEADS = ("softmax", "sigmoid")
RESULTS = "results.json"
# torchaudio is not needed, but where it is installed it computes the classifier's filter banks.
LIBRARIES = (
    "audiolcm-diffusers",
    "diffusers",
    "transformers",
    "torch",
    "torchaudio",
    "numpy",
    "scipy",
    "soundfile",
    "onnxruntime",
)
# Names differ from machine to machine; what they stand for is compared by its hash.
NAMES = (
    "dataset.name",
    "prompts.name",
    "training.name",
    "networks.classifier.name",
    "networks.clap.name",
    "networks.tagger.name",
)


def software_versions():
    r"""`dict[str, str | None]`: Versions of Python and of what computes results, `None` where it is not installed."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = None
    return versions


def fixed_rules(num_samples):
    r"""
    The rules that have no option, and the length.

    Args:
        num_samples (`int`): Samples of every sound.

    Returns:
        `dict`: For the protocol.
    """
    return {
        "captions": "the first of each clip",
        "seeds": "numpy.random.SeedSequence((seed, index)).generate_state(1)[0]",
        "sampling_rate": SAMPLING_RATE,
        "resampler": "scipy.signal.resample_poly",
        "channels": "mean",
        "sample_format": "int16",
        "num_samples": num_samples,
        "crop": "from the beginning; what is shorter is followed by zeros",
    }


def flatten(value, prefix=""):
    r"""
    Write nested dictionaries as one.

    Args:
        value (`dict`): Keys are `str`.
        prefix (`str`, defaults to `""`): Put before all keys.

    Returns:
        `dict[str, object]`: Keys joined by dots.
    """
    flat = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            flat |= flatten(inner, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = inner
    return flat


def differences(results_a, results_b, other_software=False):
    r"""
    What two results' protocols differ in.

    Args:
        results_a, results_b (`dict`): Results, see [`read_results`].
        other_software (`bool`, defaults to `False`): Whether versions of software may differ.

    Returns:
        `dict[str, tuple]`: Both values of every entry that differs, `None` where there is none.
    """
    parts = ("protocol",) if other_software else ("protocol", "software")
    flat_a, flat_b = (
        {name: value for part in parts for name, value in flatten(results[part]).items() if name not in NAMES}
        for results in (results_a, results_b)
    )
    return {
        name: (flat_a.get(name), flat_b.get(name))
        for name in sorted(flat_a.keys() | flat_b.keys())
        if flat_a.get(name) != flat_b.get(name)
    }


def check_same_protocol(results_a, results_b, other_software=False):
    r"""
    Refuse to set results side by side that came about in different ways.

    Args:
        results_a, results_b (`dict`): Results, see [`read_results`].
        other_software (`bool`, defaults to `False`): Whether versions of software may differ.

    Raises:
        ValueError: If their protocols differ; the message names every difference.
    """
    found = differences(results_a, results_b, other_software)
    if found:
        listed = "; ".join(f"{name} is {a!r} and {b!r}" for name, (a, b) in found.items())
        raise ValueError(f"Results of different protocols cannot be compared: {listed}.")


def compare(results_a, results_b, other_software=False):
    r"""
    Set two tables of metrics side by side.

    Args:
        results_a, results_b, other_software: See [`check_same_protocol`].

    Returns:
        `dict[str, dict[str, tuple[dict, dict]]]`: For every row that both have, and every metric, both estimates.

    Raises:
        ValueError: If their protocols differ; the message names every difference.
    """
    check_same_protocol(results_a, results_b, other_software)
    rows_b = {row["name"]: row["metrics"] for row in results_b["rows"]}
    return {
        row["name"]: {
            metric: (estimate, rows_b[row["name"]][metric])
            for metric, estimate in row["metrics"].items()
            if metric in rows_b[row["name"]]
        }
        for row in results_a["rows"]
        if row["name"] in rows_b
    }


def read_results(path, result_format=FORMAT):
    r"""
    Read results.

    Args:
        path (`str` or `Path`): File, or the output folder that it is in.
        result_format (`int` or `str`, defaults to `FORMAT`): Which results are expected, those of `evaluate`.

    Returns:
        `dict`: `protocol`, `software`, `rows`, and how they came about.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    path = Path(path)
    path = path / RESULTS if path.is_dir() else path
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"There are no results in {str(path)!r}: {error}.") from error
    if not isinstance(results, dict) or results.get("format") != result_format:
        raise ValueError(f"Expected results of format {result_format} in {str(path)!r}.")
    return results

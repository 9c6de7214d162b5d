# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Models whose files lack weights are refused: libraries draw what is missing at random, and say so in passing."""

import json
import threading
from functools import partial
from pathlib import Path

import torch
from diffusers import ModelMixin
from diffusers.utils import is_accelerate_available
from torch import nn

from ..model_files import read_json


class CompleteWeightsMixin:
    r"""`from_pretrained` of a diffusers model, which refuses files that lack weights."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        r"""
        Load a model, see [`~diffusers.ModelMixin.from_pretrained`].

        Raises:
            ValueError: If the files lack weights of the model; it names them.
        """
        wants_info = kwargs.pop("output_loading_info", False)
        load = partial(super().from_pretrained, pretrained_model_name_or_path, output_loading_info=True)
        if cls._keep_in_fp32_modules and not is_accelerate_available():
            model, info = _load_without_accelerate(cls, load, **kwargs)
        else:
            model, info = load(**kwargs)
        _refuse_lacking(info["missing_keys"], pretrained_model_name_or_path, cls)
        return (model, info) if wants_info else model


# Held while a class says that it keeps nothing in float32.
_loading = threading.Lock()


def _load_without_accelerate(model_class, load, dtype=None, torch_dtype=None, **kwargs):
    """diffusers refuses to load parts in float32 without accelerate: all is, and the rest is cast then."""
    dtype = dtype or torch_dtype
    kept = model_class._keep_in_fp32_modules
    with _loading:
        try:
            model_class._keep_in_fp32_modules = None
            model, info = load(**kwargs)
        finally:
            model_class._keep_in_fp32_modules = kept
    if isinstance(dtype, torch.dtype):
        cast_weights(model, dtype)
    return model, info


def cast_weights(model: torch.nn.Module, dtype: torch.dtype) -> None:
    r"""
    Change a model's weights to another dtype, one at a time; those that a diffusers model wants in float32 stay so.
    """
    kept = set(model._keep_in_fp32_modules or ()) if isinstance(model, ModelMixin) else set()
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(torch.float32 if kept & set(name.split(".")) else dtype)


def load_complete(model_class: type, name: str, unused: tuple[str, ...] = (), **kwargs) -> nn.Module:
    r"""
    Load a model of transformers all of whose weights are there.

    Args:
        model_class (`type`): With transformers' `from_pretrained`.
        name (`str`): Folder or Hub id.
        unused (`tuple[str, ...]`): Beginnings of the names of weights that may be missing.
        kwargs: Of `from_pretrained`.

    Raises:
        ValueError: If the files lack weights of the model or have some of other shapes; it names them.
    """
    refuse_own_code(name)
    model, info = model_class.from_pretrained(
        name, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **kwargs
    )
    lacking = map(str, [*info["missing_keys"], *info["mismatched_keys"]])
    _refuse_lacking([key for key in lacking if not key.startswith(unused or ("\0",))], name, model_class)
    return model


def check_complete(model: nn.Module, variant: str | None = None) -> None:
    r"""
    Make sure that a model of transformers that somebody else has loaded from a folder had all of its weights.

    Args:
        model (`PreTrainedModel`): As it was loaded.
        variant (`str`, *optional*): Of its weights.

    Raises:
        ValueError: If the folder's files lack some of them; it names them.
    """
    folder = Path(getattr(model, "name_or_path", None) or "")
    if not (folder / "config.json").is_file():
        return
    # Files may have other names for weights than models, which transformers knows best: it is asked where they differ.
    if not _has_all(model, folder):
        load_complete(type(model), str(folder), variant=variant)


def _has_all(model, folder):
    from safetensors import SafetensorError, safe_open

    found = set()
    try:
        for file in folder.glob("*.safetensors"):
            with safe_open(file, framework="pt") as weights:
                found |= set(weights.keys())
    except SafetensorError:
        return False
    weights = model.state_dict()
    # Weights that are tied are stored once.
    places = {weight.data_ptr() for name, weight in weights.items() if name in found}
    return all(name in found or weight.data_ptr() in places for name, weight in weights.items())


def _refuse_lacking(names, source, model_class):
    lacking = sorted(map(str, names))
    if lacking:
        raise ValueError(
            f"The weights in {str(source)!r} are not all there: it lacks weights of its {model_class.__name__}: "
            f"{', '.join(lacking[:5])}{', …' if len(lacking) > 5 else ''}."
        )


def refuse_own_code(name: str | Path) -> None:
    r"""
    Refuse a model whose configuration names code of its own: libraries ask whether they may run it.

    Args:
        name (`str` or `Path`): Its folder; of what is no folder nothing is known yet.

    Raises:
        ValueError: If a configuration in the folder has an `auto_map`.
    """
    folder = Path(name)
    for path in sorted(folder.glob("*config.json")) if folder.is_dir() else ():
        config = read_json(path)
        if isinstance(config, dict) and config.get("auto_map"):
            raise ValueError(
                f"{str(path)!r} names code of the model's own to be run (auto_map: {json.dumps(config['auto_map'])}). "
                "Nothing that comes with a model is run here: take a model whose classes are transformers' own."
            )

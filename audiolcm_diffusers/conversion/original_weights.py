# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What all conversions share: building a model without weights, and filling it from original ones, strictly."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn


# A checkpoint of another kind lacks every key there is: that many show what is wrong, all of them show nothing.
MAX_KEYS_LISTED = 20


class Source(NamedTuple):
    r"""
    Where a weight comes from.

    Args:
        keys (`tuple[str, ...]`): Original keys.
        combine (`Callable`): Makes the weight from the original tensors; by default the only one as it is.
    """

    keys: tuple[str, ...]
    combine: Callable[..., torch.Tensor] = lambda tensor: tensor


def rename(name: str, rules: Sequence[tuple[str, str]]) -> str:
    r"""Apply regular expressions, each with its replacement, one after the other."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def require(config: Mapping[str, Any], key: str, what: str) -> Any:
    r"""
    Read an entry that an original configuration cannot do without.

    Raises:
        ValueError: If it is missing; the message lists the entries that there are.
    """
    if key not in config:
        raise ValueError(f"The {what}'s config has no {key!r}; it has {', '.join(map(repr, config)) or 'no entries'}.")
    return config[key]


def shape_of(state_dict: Mapping[str, torch.Tensor], key: str, num_dims: int, what: str) -> tuple[int, ...]:
    r"""
    Shape of an original weight from which sizes are read that no configuration names.

    Raises:
        ValueError: If the key is missing or the weight has another number of dimensions.
    """
    if key not in state_dict:
        raise ValueError(f"The {what}'s weights do not fit: missing {key!r} (there are {len(state_dict)} other keys).")
    shape = tuple(state_dict[key].shape)
    if len(shape) != num_dims:
        raise ValueError(
            f"The {what}'s weights do not fit: mis-shaped {key!r} {shape}, expected {num_dims} dimensions."
        )
    return shape


def count_modules(state_dict: Mapping[str, torch.Tensor], prefix: str) -> int:
    r"""How many modules of a list `<prefix>.0`, `<prefix>.1`, … have weights in a state dict."""
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    return len({match[1] for match in map(pattern.match, state_dict) if match})


def build_on_meta(model_class: type[nn.Module], *args, **kwargs) -> nn.Module:
    r"""Build a model whose parameters and buffers have shapes but no memory, in eval mode."""
    with torch.device("meta"):
        return model_class(*args, **kwargs).eval()


def listed(entries: Sequence[str]) -> str:
    shown = ", ".join(entries[:MAX_KEYS_LISTED])
    hidden = len(entries) - MAX_KEYS_LISTED
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def load_original_weights(
    model: nn.Module,
    state_dict: Mapping[str, torch.Tensor],
    find_source: Callable[[str], Source],
    what: str,
    ignore: Callable[[str], bool] = lambda key: False,
) -> None:
    r"""
    Fill a model that was built on the meta device, using every original weight exactly once.

    Tensors are taken over without a copy where they need no change, so the model shares memory with `state_dict`.

    Args:
        model (`torch.nn.Module`): What [`build_on_meta`] built.
        state_dict (`Mapping[str, torch.Tensor]`): Original weights; may lie on the meta device themselves.
        find_source (`Callable[[str], Source]`): Tells for a key of the model's own state dict where it comes from.
        what (`str`): Name of the model in error messages.
        ignore (`Callable[[str], bool]`, *optional*): Tells which original keys may be left over.

    Raises:
        ValueError: If keys are missing, left over or mis-shaped. The message names them as the original does.
    """
    weights, used, missing, misshaped = {}, set(), [], []
    for name, expected in model.state_dict().items():
        source = find_source(name)
        used.update(source.keys)
        absent = [key for key in source.keys if key not in state_dict]
        if absent:
            missing.extend(repr(key) for key in absent)
            continue
        originals = [state_dict[key] for key in source.keys]
        try:
            weight = source.combine(*originals)
            fits = weight.shape == expected.shape
        except (RuntimeError, IndexError):  # shapes that do not even go together
            fits = False
        if fits:
            weights[name] = weight.detach().contiguous()
        else:
            shapes = " and ".join(f"{key!r} {tuple(tensor.shape)}" for key, tensor in zip(source.keys, originals))
            misshaped.append(f"{shapes} for {tuple(expected.shape)}")
    left_over = [repr(key) for key in state_dict if key not in used and not ignore(key)]

    problems = {"missing": missing, "left over": left_over, "mis-shaped": misshaped}
    if any(problems.values()):
        lists = "; ".join(f"{len(keys)} {kind}: {listed(keys)}" for kind, keys in problems.items() if keys)
        raise ValueError(f"The {what}'s weights do not fit its config. {lists}.")
    model.load_state_dict(weights, assign=True)

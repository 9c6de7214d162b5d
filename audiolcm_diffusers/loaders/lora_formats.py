# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The names that tools give to a LoRA's weights, and what they say of its scale."""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch


# What stands before a module's name: diffusers', PEFT's, ComfyUI's, wrappers' of training scripts.
_PREFIXES = ("transformer", "base_model.model", "diffusion_model", "model.diffusion_model", "unet", "module", "model")
# The same where a name's dots are underscores (kohya's scripts).
_FLAT_PREFIXES = ("lora_unet", "lora_transformer", "lora_diffusion_model", "lycoris", "lora", "unet", "transformer")

# What stands behind it, and what PEFT calls that. An adapter's name may stand within.
_PARTS = tuple(
    (re.compile(rf"(?P<module>.+?){pattern}"), part)
    for pattern, part in (
        (r"\.lora_A(\.[^.]+)?\.weight", "lora_A.weight"),
        (r"\.lora_B(\.[^.]+)?\.weight", "lora_B.weight"),
        (r"\.lora_B(\.[^.]+)?\.bias", "lora_B.bias"),
        (r"\.lora_magnitude_vector(\.[^.]+)?(\.weight)?", "lora_magnitude_vector"),
        (r"\.lora_(down|linear_layer\.down)\.weight", "lora_A.weight"),
        (r"\.lora_(up|linear_layer\.up)\.weight", "lora_B.weight"),
        (r"[._]lora\.down\.weight", "lora_A.weight"),
        (r"[._]lora\.up\.weight", "lora_B.weight"),
        (r"\.dora_scale", "lora_magnitude_vector"),
        (r"\.(lora_)?alpha", "alpha"),
    )
)

# Adapters that are no LoRAs, by what their weights are called.
_OTHER_KINDS = {
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "oft_": "OFT",
    "ia3_": "IA3",
    ".diff": "a difference of whole weights",
    "vera_lambda": "VeRA",
}
# Starts of training that change the weights beside the LoRA, too.
_CHANGED_BASES = ("pissa", "olora", "corda", "loftq")


def read_names(
    state_dict: Mapping[str, torch.Tensor], modules: Iterable[str], prefix: str
) -> tuple[dict[str, torch.Tensor], dict[str, float], list[str]]:
    r"""
    Bring a LoRA's weights under the names that diffusers expects.

    Args:
        state_dict (`Mapping[str, torch.Tensor]`): Weights, under the names of diffusers, PEFT, kohya and others.
        modules (`Iterable[str]`): Names of the model's modules.
        prefix (`str`): The model's name in its pipeline.

    Returns:
        `tuple`: The weights, `{prefix}.{module}.lora_A.weight` and so on; the alpha of each module that has one; and
        the keys that are neither.

    Raises:
        ValueError: If two keys mean one weight, or an alpha is no finite number.
    """
    by_name = {name: name for name in modules if name}
    by_flat_name = {name.replace(".", "_"): name for name in by_name}
    weights, sources, alphas, unknown = {}, {}, {}, []
    for key, weight in state_dict.items():
        module, part = _module_and_part(key, by_name, by_flat_name)
        if module is None:
            unknown.append(key)
            continue
        target = f"{prefix}.{module}.{part}"
        if target in sources:
            raise ValueError(f"The LoRA has {module}'s {part} twice: {sources[target]!r} and {key!r}.")
        sources[target] = key
        if part == "alpha":
            alpha = float(weight) if torch.as_tensor(weight).numel() == 1 else float("nan")
            if not -float("inf") < alpha < float("inf"):
                raise ValueError(f"Expected a finite number as {key!r}, got {weight}.")
            alphas[module] = alpha
        else:
            weights[target] = weight.reshape(-1) if part == "lora_magnitude_vector" else weight
    return weights, alphas, unknown


def _module_and_part(key, by_name, by_flat_name):
    for pattern, part in _PARTS:
        match = pattern.fullmatch(key)
        if match is None:
            continue
        # Attention processors of early versions had the layers: `attn.processor.to_q_lora.down.weight`.
        name = match["module"].replace(".processor.", ".")
        for candidate in _without(name, _PREFIXES, "."):
            if candidate in by_name:
                return candidate, part
        for candidate in _without(name, _FLAT_PREFIXES, "_"):
            if candidate in by_flat_name:
                return by_flat_name[candidate], part
    return None, None


def _without(name, prefixes, separator):
    """The name, and it without one prefix after the other."""
    yield name
    for prefix in prefixes:
        if name.startswith(prefix + separator):
            yield from _without(name.removeprefix(prefix + separator), prefixes, separator)


def kind_of(keys: Iterable[str]) -> str:
    r"""What keys say that an adapter is, for an error message: `"a LoRA"`, or another kind."""
    for key in keys:
        for mark, kind in _OTHER_KINDS.items():
            if mark in key:
                return kind
    return "a LoRA"


def with_alphas(
    weights: Mapping[str, torch.Tensor], alphas: Mapping[str, float], metadata: Mapping[str, Any] | None, prefix: str
) -> dict[str, Any] | None:
    r"""
    The metadata of a LoRA whose file has an alpha for each module, which comes before what metadata say.

    Args:
        weights (`Mapping[str, torch.Tensor]`): From [`read_names`].
        alphas (`Mapping[str, float]`): From [`read_names`]; modules without one have that of their rank, a scale of 1.
        metadata (`Mapping[str, Any]`, *optional*): What the file has besides, its names after `{prefix}.`.
        prefix (`str`): The model's name in its pipeline.

    Returns:
        `dict`, or `None` where there are neither alphas nor metadata: Arguments of `peft.LoraConfig`, their names
        after `{prefix}.`.
    """
    if not alphas:
        return None if metadata is None else dict(metadata)
    ranks = {
        key.removeprefix(f"{prefix}.").removesuffix(".lora_A.weight"): len(weight)
        for key, weight in weights.items()
        if key.endswith(".lora_A.weight")
    }
    if not ranks:
        return None
    scales = {module: alphas.get(module, rank) for module, rank in ranks.items()}
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, scales))

    def pattern(values, most):
        # Anchored: a name is a part of others'.
        return {f"^{re.escape(module)}": value for module, value in values.items() if value != most}

    options = {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": pattern(ranks, rank),
        "alpha_pattern": pattern(scales, alpha),
        "use_rslora": False,
        "target_modules": sorted(ranks),
        "use_dora": any(key.endswith(".lora_magnitude_vector") for key in weights),
        "lora_bias": any(key.endswith(".lora_B.bias") for key in weights),
    }
    return {**(metadata or {}), **{f"{prefix}.{name}": value for name, value in options.items()}}


def read_metadata(metadata: Mapping[str, Any] | None, prefix: str) -> dict[str, Any] | None:
    r"""
    A LoRA's metadata as diffusers expects them of a pipeline, whoever wrote them.

    Args:
        metadata (`Mapping[str, Any]`, *optional*):
            Arguments of `peft.LoraConfig`: under names after `{prefix}.` (a pipeline's `save_lora_weights`) or plain
            ones (`transformer.save_lora_adapter`, PEFT's `adapter_config.json`).
        prefix (`str`): The model's name in its pipeline.

    Returns:
        `dict` or `None`: Under names after `{prefix}.`.

    Raises:
        ValueError: If they ask for something that this version of PEFT does not know, or the LoRA belongs to weights
            that were changed with it.
    """
    if metadata is None:
        return None
    from peft import LoraConfig

    plain = {name.removeprefix(f"{prefix}."): value for name, value in metadata.items() if name.startswith(prefix)}
    plain = plain or dict(metadata)
    if plain.get("peft_type", "LORA") not in ("LORA", None):
        raise ValueError(f"Expected a LoRA, got an adapter of the kind {plain['peft_type']!r}.")
    known = {field.name for field in dataclasses.fields(LoraConfig)}
    unknown = {name: value for name, value in plain.items() if name not in known and value}
    if unknown:
        raise ValueError(f"This version of PEFT does not know what the LoRA's metadata ask for: {unknown}.")
    start = plain.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGED_BASES):
        raise ValueError(
            f"This LoRA began as {start!r}, for which the weights beside it were changed, too. Convert it with PEFT's "
            "`save_pretrained(..., path_initial_model_for_weight_conversion=...)` first."
        )
    return {f"{prefix}.{name}": value for name, value in plain.items() if name in known}


def changes_something(
    weights: Mapping[str, torch.Tensor],
    metadata: Mapping[str, Any] | None,
    modules: Mapping[str, torch.nn.Module],
    prefix: str,
) -> bool:
    r"""
    Whether a LoRA can change what the model computes: some factors are not 0, nor is their scale; or, of a DoRA, some
    magnitudes are not the lengths of the model's own weights.
    """
    options = metadata or {}
    alphas = options.get(f"{prefix}.alpha_pattern") or {}
    parts = defaultdict(dict)
    for key, weight in weights.items():
        module, _, part = key.removeprefix(f"{prefix}.").rpartition(".lora_")
        parts[module][part] = weight
    for module, factors in parts.items():
        # As PEFT finds them: a pattern is the end of a module's name, or an expression for it.
        found = (alpha for pattern, alpha in alphas.items() if re.match(rf"(.*\.)?({pattern})$", module))
        if not next(found, options.get(f"{prefix}.lora_alpha", 1)):
            continue
        if factors.get("B.bias") is not None and factors["B.bias"].any():
            return True
        if "magnitude_vector" in factors and not _are_lengths(factors["magnitude_vector"], modules.get(module)):
            return True
        if all(factors.get(name) is not None and factors[name].any() for name in ("A.weight", "B.weight")):
            return True
    return False


def _are_lengths(magnitudes, module):
    """Whether magnitudes are the lengths of a layer's own weights; not known of weights that are packed."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point() or len(weight) != magnitudes.numel():
        return False
    lengths = weight.detach().flatten(1).float().norm(dim=1)
    # Either may have been stored in half precision.
    return torch.allclose(magnitudes.flatten().to(lengths), lengths, rtol=1e-3, atol=1e-6)

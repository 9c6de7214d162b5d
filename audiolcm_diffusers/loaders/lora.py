# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Loads, saves, weighs and fuses the LoRAs of a pipeline's transformer (LoRA: Hu et al., arXiv:2106.09685)."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY, LORA_WEIGHT_NAME_SAFE, LoraBaseMixin
from diffusers.utils import USE_PEFT_BACKEND
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open
from torch import nn

from ..model_files import read_small_text
from .lora_formats import changes_something, kind_of, read_metadata, read_names, with_alphas


PICKLE_SUFFIXES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")

# What PEFT's own `save_pretrained` writes.
PEFT_WEIGHTS, PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"


def _check_peft() -> None:
    if not USE_PEFT_BACKEND:
        raise ImportError("LoRAs need PEFT 0.21 or later; install it with `pip install 'audiolcm-diffusers[lora]'`.")


def _refuse_pickle(name: str) -> None:
    if name.endswith(PICKLE_SUFFIXES):
        raise ValueError(
            f"{name!r} is a pickle, which can run any code when it is read. LoRAs are read from .safetensors files "
            "alone; convert it where you trust it."
        )


def _find_file(folder: Path, weight_name: str | None) -> Path:
    """The file of a folder with a LoRA: the one named, or the one that there can be no doubt about."""
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    if weight_name is None:
        weight_name = names[0] if len(names) == 1 else LORA_WEIGHT_NAME_SAFE
    if (folder / weight_name).is_file():
        return folder / weight_name
    if names:
        raise FileNotFoundError(
            f"There is no {weight_name!r} in {str(folder)!r}; name one of {names} with `weight_name`."
        )
    for path in sorted(folder.glob("*")):
        _refuse_pickle(str(path))
    raise FileNotFoundError(f"There is no {weight_name!r} in {str(folder)!r}.")


def _read_file(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """The weights of a LoRA, and what `peft.LoraConfig` made them, if the file or PEFT's own beside it says so."""
    try:
        with safe_open(path, framework="pt") as file:
            state_dict = {key: file.get_tensor(key) for key in file.keys()}
            metadata = (file.metadata() or {}).get(LORA_ADAPTER_METADATA_KEY)
        config = path.with_name(PEFT_CONFIG)
        if metadata is None and path.name == PEFT_WEIGHTS and config.is_file():
            metadata = read_small_text(config)
        return state_dict, None if metadata is None else json.loads(metadata)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"The LoRA in {str(path)!r} is damaged: {error}.") from error


def _download(name: str, weight_name: str | None, **kwargs) -> Path:
    """The file of a LoRA on the Hub: the one named, that of diffusers, or that of PEFT with its configuration."""
    if weight_name is None:
        try:
            return Path(hf_hub_download(name, filename=LORA_WEIGHT_NAME_SAFE, **kwargs))
        except EntryNotFoundError as error:
            try:
                path = Path(hf_hub_download(name, filename=PEFT_WEIGHTS, **kwargs))
                hf_hub_download(name, filename=PEFT_CONFIG, **kwargs)
            except EntryNotFoundError:
                raise error from None
            return path
    return Path(hf_hub_download(name, filename=weight_name, **kwargs))


def _lora_layers(model: nn.Module) -> dict[str, nn.Module]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


def _weight_shapes(layer: nn.Linear | nn.Conv1d, rank: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a layer's LoRA. Not taken from its weight, which may be quantized and packed."""
    if isinstance(layer, nn.Linear):
        return {"lora_A.weight": (rank, layer.in_features), "lora_B.weight": (layer.out_features, rank)}
    return {
        "lora_A.weight": (rank, layer.in_channels // layer.groups, *layer.kernel_size),
        "lora_B.weight": (layer.out_channels, rank, 1),
    }


def _fitting(
    state_dict: dict[str, torch.Tensor], metadata: dict[str, Any] | None, transformer: nn.Module, prefix: str
) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """
    A LoRA under the names of diffusers, whoever saved it. One of which something fits nowhere, is missing or has the
    wrong shape is refused, and so is one that changes nothing.
    """
    model_name = transformer.__class__.__name__
    if not state_dict:
        raise ValueError("Expected a LoRA with at least one layer, got an empty state dict.")
    modules = {name: getattr(module, "base_layer", module) for name, module in transformer.named_modules()}
    targets = [name for name, module in modules.items() if isinstance(module, nn.Linear | nn.Conv1d)]
    weights, alphas, unknown = read_names(state_dict, targets, prefix)
    if any("cond_proj." in key for key in unknown):
        raise ValueError(f"This LoRA was made for a student: this {model_name} has no guidance embedding to change.")
    if unknown:
        kind = kind_of(unknown)
        example = next(name for name in targets if name.endswith("to_q"))
        raise ValueError(
            f"{len(unknown) if weights else 'None'} of the adapter's {len(state_dict)} weights "
            f"{'fit no' if weights else 'fits a'} linear layer or convolution of this {model_name}: "
            f"{', '.join(unknown[:3])}. Expected a LoRA with names like {prefix}.{example}.lora_A.weight"
            + (f", got {kind}." if kind != "a LoRA" else ".")
        )
    metadata = with_alphas(weights, alphas, read_metadata(metadata, prefix), prefix)
    layers = {}
    for key, weight in weights.items():
        name, _, part = key.removeprefix(f"{prefix}.").rpartition(".lora_")
        layers.setdefault(name, {})[f"lora_{part}"] = weight
    _check_layers(layers, metadata, modules, model_name, prefix)
    if metadata is not None and not isinstance(metadata.get(f"{prefix}.target_modules"), list | set | tuple):
        # PEFT's expressions are for whole models, and without one it asks what kind of language model this is.
        metadata[f"{prefix}.target_modules"] = sorted(layers)
    orphans = sorted(set(alphas) - set(layers))
    if orphans:
        raise ValueError(f"The LoRA has an alpha, and no weights, for {', '.join(orphans[:3])}.")
    if not changes_something(weights, metadata, modules, prefix):
        raise ValueError(
            "This LoRA changes nothing: all of its weights lora_B, or its alpha, are 0, and its magnitudes, where it "
            "is a DoRA, those of the model."
        )
    return weights, metadata


def _check_layers(layers, metadata, modules, model_name, prefix):
    """Refuse weights that are missing, or of a shape or rank that does not fit."""
    ranks = None
    if metadata is not None:
        ranks = {metadata.get(f"{prefix}.r"), *(metadata.get(f"{prefix}.rank_pattern") or {}).values()}
    for name, weights in layers.items():
        parent, _, child = name.rpartition(".")
        if child in ("to_q", "to_k", "to_v") and getattr(modules[parent], "fused_projections", False):
            raise ValueError(
                f"This LoRA is for {name}, which this {model_name} does not use while its projections are fused; "
                "call its `unfuse_qkv_projections()` first."
            )
        missing = sorted({"lora_A.weight", "lora_B.weight"} - weights.keys())
        if missing:
            raise ValueError(f"The LoRA lacks {missing[0]} for {name}, for which it has {sorted(weights)}.")
        rank = len(weights["lora_A.weight"])
        expected = _weight_shapes(modules[name], rank)
        shapes = {key: tuple(weights[key].shape) for key in expected}
        if shapes != expected:
            raise ValueError(
                f"This LoRA was made for another transformer: expected weights of shape {expected} for {name} of this "
                f"{model_name}, got {shapes}."
            )
        if ranks is not None and rank not in ranks:
            raise ValueError(
                f"Expected the rank that the LoRA's metadata names for {name}, one of {sorted(ranks, key=str)}, got "
                f"weights of rank {rank}."
            )


class AudioLCMLoraLoaderMixin(LoraBaseMixin):
    r"""
    LoRAs for the transformer of [`AudioLCMPipeline`], a [`LLaMATransformer1DModel`] or [`ConcatTransformer1DModel`].

    Needs PEFT (`pip install 'audiolcm-diffusers[lora]'`). `unload_lora_weights`, `delete_adapters`,
    `get_list_adapters`, `get_active_adapters`, `enable_lora`, `disable_lora` and `enable_lora_hotswap` are those of
    every pipeline of diffusers. `attention_kwargs={"scale": 0.5}` in a call weighs all active LoRAs for that call.

    An LCM-LoRA (arXiv:2311.05556) makes a few-step model of a teacher. It is distilled with guidance and without a
    guidance embedding, so that the guidance is part of its weights. Everything else that makes the steps few is the
    scheduler, which no LoRA holds: after loading, set `pipe.scheduler = LCMAudioScheduler.from_config(
    pipe.scheduler.config)` (with the `original_inference_steps` of the distillation, where those are not the default)
    and call with `guidance_scale=1.0`, at which the transformer runs once a step. A scale above 1, the default of 5
    included, adds classifier-free guidance to the guidance learnt: keep it well below a teacher's.

    A LoRA that was trained on a student is for students, whose guidance scale works as ever. If it changes the
    guidance embedding, a teacher has no layer for it, and loading says so.
    """

    _lora_loadable_modules = ["transformer"]
    transformer_name = "transformer"

    @classmethod
    def lora_state_dict(
        cls,
        pretrained_model_name_or_path_or_dict: str | os.PathLike | dict[str, torch.Tensor],
        weight_name: str | None = None,
        subfolder: str | None = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        use_safetensors: bool | None = None,
        return_lora_metadata: bool = False,
    ) -> dict[str, torch.Tensor] | tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
        r"""
        Read a LoRA, without looking whether it fits.

        Args:
            pretrained_model_name_or_path_or_dict (`str`, `os.PathLike` or `dict[str, torch.Tensor]`):
                A safetensors file, a folder with one, the name of a model on the Hub ("owner/name"), or the weights
                themselves. What exists as a file or folder comes before the Hub.
            weight_name (`str`, *optional*):
                Name of the file. By default the only safetensors file of a folder, else
                "pytorch_lora_weights.safetensors".
            subfolder (`str`, *optional*):
                Where the file lies in the folder or on the Hub.
            revision (`str`, *optional*):
                Branch, tag or commit on the Hub.
            cache_dir (`str` or `os.PathLike`, *optional*):
                Where downloads are kept.
            force_download (`bool`, defaults to `False`):
                Whether to download again what was downloaded before.
            local_files_only (`bool`, defaults to `False`):
                Whether to take from the Hub only what was downloaded before.
            token (`str` or `bool`, *optional*):
                For private models on the Hub.
            use_safetensors (`bool`, *optional*):
                Anything but `False`, which asks for a pickle.
            return_lora_metadata (`bool`, defaults to `False`):
                Whether to return the metadata, too.

        Returns:
            `dict[str, torch.Tensor]`: Weights on the CPU, under the file's names, such as
            `transformer.transformer_blocks.0.attn.to_q.lora_A.weight`; with `return_lora_metadata`, a tuple of these
            and of the arguments of `peft.LoraConfig`, from the file or from PEFT's `adapter_config.json` beside it, or
            `None` where there are none.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is a pickle, or damaged.
        """
        source = pretrained_model_name_or_path_or_dict
        if use_safetensors is False:
            raise ValueError("LoRAs are read from .safetensors files alone, got use_safetensors=False.")
        if isinstance(source, dict):
            state_dict, metadata = dict(source), None
        else:
            for name in (str(source), weight_name or ""):
                _refuse_pickle(name)
            path = Path(source).expanduser()
            if path.is_dir():
                path = _find_file(path / (subfolder or ""), weight_name)
            elif not path.is_file():
                try:
                    validate_repo_id(str(source))
                    is_hub_name = str(source).count("/") == 1 and path.suffix != ".safetensors"
                except HFValidationError:
                    is_hub_name = False
                if not is_hub_name:
                    raise FileNotFoundError(
                        f'Expected a file or folder with a LoRA, or "owner/name" on the Hub; got {str(source)!r}.'
                    )
                path = _download(
                    str(source),
                    weight_name,
                    subfolder=subfolder,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            state_dict, metadata = _read_file(path)
        return (state_dict, metadata) if return_lora_metadata else state_dict

    def load_lora_weights(
        self,
        pretrained_model_name_or_path_or_dict: str | os.PathLike | dict[str, torch.Tensor],
        adapter_name: str | None = None,
        hotswap: bool = False,
        low_cpu_mem_usage: bool = True,
        **kwargs,
    ) -> None:
        r"""
        Load a LoRA into the transformer and make it the active one, beside those that are there.

        Read are the files of this library and of diffusers, of PEFT (`get_peft_model(...).save_pretrained`,
        `transformer.save_lora_adapter`), and weights under the names of kohya's scripts (`lora_unet_…`,
        `lora_down`/`lora_up`, `.alpha`, DoRAs included) and of ComfyUI (`diffusion_model.…`).

        Args:
            pretrained_model_name_or_path_or_dict (`str`, `os.PathLike` or `dict[str, torch.Tensor]`):
                See [`~AudioLCMLoraLoaderMixin.lora_state_dict`].
            adapter_name (`str`, *optional*):
                What to call it, "default_0" and so on by default.
            hotswap (`bool`, defaults to `False`):
                Whether to replace the weights of the LoRA of that name, which a compiled transformer does not notice.
            low_cpu_mem_usage (`bool`, defaults to `True`):
                Whether to leave out the random start of weights that are overwritten anyway.
            kwargs:
                Further arguments of [`~AudioLCMLoraLoaderMixin.lora_state_dict`].

        Raises:
            ImportError: If PEFT is not installed.
            FileNotFoundError: If there is no such file.
            ValueError: If the file is a pickle or damaged, a weight of the LoRA fits nothing in the transformer or is
                missing, the LoRA changes nothing, or the name is taken (or with `hotswap` not taken).
        """
        _check_peft()
        state_dict, metadata = self.lora_state_dict(
            pretrained_model_name_or_path_or_dict, **kwargs, return_lora_metadata=True
        )
        self.load_lora_into_transformer(
            state_dict,
            transformer=getattr(self, self.transformer_name),
            adapter_name=adapter_name,
            metadata=metadata,
            low_cpu_mem_usage=low_cpu_mem_usage,
            hotswap=hotswap,
            _pipeline=self,
        )

    @classmethod
    def load_lora_into_transformer(
        cls,
        state_dict: dict[str, torch.Tensor],
        transformer: nn.Module,
        adapter_name: str | None = None,
        metadata: dict[str, Any] | None = None,
        low_cpu_mem_usage: bool = True,
        hotswap: bool = False,
        _pipeline: "AudioLCMLoraLoaderMixin | None" = None,
    ) -> None:
        r"""
        Load a LoRA that was read into a transformer.

        Args:
            state_dict (`dict[str, torch.Tensor]`):
                From [`~AudioLCMLoraLoaderMixin.lora_state_dict`].
            transformer ([`LLaMATransformer1DModel`] or [`ConcatTransformer1DModel`]):
                Where it goes.
            adapter_name, low_cpu_mem_usage, hotswap:
                As in [`~AudioLCMLoraLoaderMixin.load_lora_weights`].
            metadata (`dict`, *optional*):
                From [`~AudioLCMLoraLoaderMixin.lora_state_dict`]. Without, and without alphas among the weights, the
                LoRA's scale is taken to be 1 (`lora_alpha` equal to the rank).
            _pipeline ([`AudioLCMPipeline`], *optional*):
                The transformer's pipeline, whose offloading is set up anew.

        Raises:
            ImportError: If PEFT is not installed.
            ValueError: If the LoRA does not fit the transformer, or the name is taken (or with `hotswap` not taken).
        """
        _check_peft()
        if transformer is None:
            raise ValueError("A LoRA needs the pipeline's `transformer`, which is None.")
        state_dict, metadata = _fitting(state_dict, metadata, transformer, cls.transformer_name)
        transformer.load_lora_adapter(
            state_dict,
            prefix=cls.transformer_name,
            adapter_name=adapter_name,
            metadata=metadata,
            low_cpu_mem_usage=low_cpu_mem_usage,
            hotswap=hotswap,
            _pipeline=_pipeline,
        )

    @classmethod
    def save_lora_weights(
        cls,
        save_directory: str | os.PathLike,
        transformer_lora_layers: dict[str, torch.Tensor | nn.Module] | nn.Module,
        is_main_process: bool = True,
        weight_name: str | None = None,
        save_function: Callable | None = None,
        safe_serialization: bool = True,
        transformer_lora_adapter_metadata: dict[str, Any] | None = None,
    ) -> None:
        r"""
        Write a LoRA into a safetensors file, as [`~AudioLCMLoraLoaderMixin.load_lora_weights`] reads it.

        Args:
            save_directory (`str` or `os.PathLike`):
                Folder, made where there is none.
            transformer_lora_layers (`dict[str, torch.Tensor]`):
                What `peft.get_peft_model_state_dict(transformer, adapter_name=…)` returns.
            is_main_process (`bool`, defaults to `True`):
                Whether this process writes; of several, one does.
            weight_name (`str`, defaults to "pytorch_lora_weights.safetensors"):
                Name of the file.
            save_function (`Callable`, *optional*):
                Called with weights and path instead of writing; gets no metadata.
            safe_serialization (`bool`, defaults to `True`):
                Anything but `True` would write a pickle, and is refused.
            transformer_lora_adapter_metadata (`dict`, *optional*):
                `transformer.peft_config[adapter_name].to_dict()`. Without, the LoRA will be loaded with a scale of 1,
                whatever its `lora_alpha`.

        Raises:
            ValueError: If there are no layers, the folder is a file, or a pickle is asked for.
        """
        if not transformer_lora_layers:
            raise ValueError(f"Expected `transformer_lora_layers` with at least one, got {transformer_lora_layers!r}.")
        if not safe_serialization:
            raise ValueError("LoRAs are written to .safetensors files alone, got safe_serialization=False.")
        _refuse_pickle(weight_name or "")
        if Path(save_directory).is_file():
            raise ValueError(f"Expected `save_directory` to be a folder, got the file {str(save_directory)!r}.")
        if is_main_process:
            cls._save_lora_weights(
                save_directory,
                lora_layers={cls.transformer_name: transformer_lora_layers},
                lora_metadata={cls.transformer_name: transformer_lora_adapter_metadata},
                weight_name=weight_name,
                save_function=save_function,
            )

    def set_adapters(
        self,
        adapter_names: list[str] | str,
        adapter_weights: float | dict | list[float] | list[dict] | None = None,
    ) -> None:
        r"""
        Make LoRAs the active ones, alone or weighed together.

        Args:
            adapter_names (`str` or `list[str]`):
                Names of LoRAs that were loaded.
            adapter_weights (`float`, `dict` or a list of these, *optional*):
                What each is multiplied by, 1 by default: one for all or one each. A dictionary weighs parts,
                `{"transformer": {"transformer_blocks.0": 0.5, "to_q": 0.0}}`: its keys are whole parts of the names of
                modules, the longest that fits counts, and what fits none is multiplied by 1.

        Raises:
            ImportError: If PEFT is not installed.
            ValueError: If a name is unknown, a part fits no layer of the LoRAs, numbers of names and weights differ,
                or a LoRA is fused.
        """
        _check_peft()
        layers = _lora_layers(getattr(self, self.transformer_name))
        if any(layer.merged for layer in layers.values()):
            raise ValueError("Fused LoRAs have the weights that they were fused with; call `unfuse_lora()` first.")
        if isinstance(adapter_weights, list):
            adapter_weights = [self._layer_weights(weights, list(layers)) for weights in adapter_weights]
        else:
            adapter_weights = self._layer_weights(adapter_weights, list(layers))
        super().set_adapters(adapter_names, adapter_weights)

    def _layer_weights(self, weights: Any, layer_names: list[str]) -> Any:
        """
        Spell the weights of parts out for every layer. diffusers takes the first part that is found anywhere in a
        layer's name, so that block 1 would be block 10 as well, and expects names of at least four parts.
        """
        if not isinstance(weights, dict):
            return weights
        if set(weights) != {self.transformer_name}:
            raise ValueError(f"Expected weights for {self._lora_loadable_modules}, got {weights}.")
        parts = weights[self.transformer_name]
        if not isinstance(parts, dict):
            return weights
        fitting = {name: [part for part in parts if f".{part}." in f".{name}."] for name in layer_names}
        unknown = sorted(set(parts).difference(*fitting.values()))
        if unknown:
            raise ValueError(f"Expected parts of the names of LoRA layers, such as {layer_names[:2]}, got {unknown}.")
        # Longest first, so that diffusers finds each layer by its whole name.
        names = sorted(layer_names, key=len, reverse=True)
        return {
            self.transformer_name: {
                name: parts[max(fitting[name], key=len)] if fitting[name] else 1.0 for name in names
            }
        }

    def fuse_lora(
        self,
        components: Sequence[str] = ("transformer",),
        lora_scale: float = 1.0,
        safe_fusing: bool = False,
        adapter_names: list[str] | None = None,
    ) -> None:
        r"""
        Add the active LoRAs to the weights that they change, so that they cost nothing in a call.

        Args:
            components (`list[str]`, defaults to `["transformer"]`):
                Where.
            lora_scale (`float`, defaults to 1.0):
                What all active LoRAs are multiplied by, beyond their weights.
            safe_fusing (`bool`, defaults to `False`):
                Whether to refuse to add NaN or infinite values.
            adapter_names (`list[str]`, *optional*):
                LoRAs to add instead of the active ones.

        Raises:
            ImportError: If PEFT is not installed.
            ValueError: If there is no LoRA or none of that name, a LoRA is fused already and `lora_scale` is not 1,
                or with `safe_fusing` a value is not finite. What was added until then,
                [`~AudioLCMLoraLoaderMixin.unfuse_lora`] takes away.
        """
        _check_peft()
        transformer = getattr(self, self.transformer_name)
        layers = list(_lora_layers(transformer).values())
        known = list(getattr(transformer, "peft_config", {}))
        if not known or not set(adapter_names or ()) <= set(known):
            raise ValueError(f"Expected LoRAs to fuse of those that are loaded, {known}, got {adapter_names}.")
        if lora_scale != 1.0 and any(layer.merged for layer in layers):
            raise ValueError(
                f"A LoRA is fused already, which lora_scale={lora_scale} would change; call `unfuse_lora()` first."
            )
        # PEFT multiplies the scales and leaves them so: it needs them to take away what it has added.
        for layer in layers:
            if not hasattr(layer, "scaling_before_fusing"):
                layer.scaling_before_fusing = dict(layer.scaling)
        super().fuse_lora(
            components=components, lora_scale=lora_scale, safe_fusing=safe_fusing, adapter_names=adapter_names
        )

    def unfuse_lora(self, components: Sequence[str] = ("transformer",)) -> None:
        r"""
        Take the LoRAs out of the weights again, and let them work beside these as before
        [`~AudioLCMLoraLoaderMixin.fuse_lora`].

        Args:
            components (`list[str]`, defaults to `["transformer"]`):
                Where.

        Raises:
            ImportError: If PEFT is not installed.
        """
        _check_peft()
        super().unfuse_lora(components=components)
        for layer in _lora_layers(getattr(self, self.transformer_name)).values():
            scaling = layer.__dict__.pop("scaling_before_fusing", {})
            layer.scaling.update({name: scale for name, scale in scaling.items() if name in layer.scaling})

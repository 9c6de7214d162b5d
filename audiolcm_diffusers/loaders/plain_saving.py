# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Models whose weights lie in layers that a folder of the model cannot hold are saved as what they compute."""

import os
from collections.abc import Callable, Mapping

import torch
from diffusers.utils import USE_PEFT_BACKEND


class SavedPlainMixin:
    r"""`save_pretrained` (and `push_to_hub`, which calls it) of a model that may have to be made plain first."""

    # A pipeline passes on those options of its own `save_pretrained` that it finds in this signature.
    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        save_function: Callable | None = None,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str = "10GB",
        push_to_hub: bool = False,
        **kwargs,
    ):
        r"""
        Save the model with plain weights; the model itself stays as it is. Weight normalisation is folded into what is
        written, and LoRAs that were fused are part of it.

        Args:
            save_directory (`str` or `os.PathLike`): Folder to write to.
            is_main_process, save_function, safe_serialization, variant, max_shard_size, push_to_hub, kwargs:
                See [`~diffusers.ModelMixin.save_pretrained`].

        Raises:
            ValueError: If the model has LoRAs that are not fused.
        """
        kwargs.update(
            is_main_process=is_main_process,
            save_function=save_function,
            safe_serialization=safe_serialization,
            variant=variant,
            max_shard_size=max_shard_size,
            push_to_hub=push_to_hub,
        )
        weights = self._plain_weights()
        if weights is None:
            super().save_pretrained(save_directory, **kwargs)
            return
        with torch.device("meta"):
            plain = type(self).from_config(self.config)
        plain.load_state_dict(weights, assign=True)
        plain.save_pretrained(save_directory, **kwargs)

    def _plain_weights(self) -> Mapping[str, torch.Tensor] | None:
        """Weights of a plain model that computes the same; `None` where the model is plain."""
        return None


class SavedWithoutLoraMixin(SavedPlainMixin):
    r"""
    For a model that may have LoRAs. Weights that lie beside a LoRA have other names, so that a folder of them loads as
    noise.
    """

    def check_no_lora_beside(self) -> None:
        r"""
        Make sure that a folder can hold the model.

        Raises:
            ValueError: If it has LoRAs that are not fused.
        """
        if not all(layer.merged for layer in _lora_layers(self)):
            raise ValueError(
                f"{type(self).__name__} has the LoRAs {sorted(getattr(self, 'peft_config', {}))} beside its weights, "
                "which a folder of the model cannot hold. Call the pipeline's `fuse_lora()` first to save what is "
                "heard, or `save_lora_weights` for the LoRA and `unload_lora_weights()` before the model is saved."
            )

    def _plain_weights(self) -> Mapping[str, torch.Tensor] | None:
        self.check_no_lora_beside()
        if not _lora_layers(self):
            return None
        return {
            key.replace(".base_layer.", "."): weight
            for key, weight in self.state_dict().items()
            if ".base_layer." in key or ".lora_" not in key
        }


def _lora_layers(model) -> list:
    if not USE_PEFT_BACKEND:
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Training a low-rank adapter in place of all weights."""

import copy
import importlib.util
from dataclasses import dataclass

import torch

from .options import option


ADAPTABLE_LAYERS = (torch.nn.Linear, torch.nn.Conv1d)
# Linear layers of a transformer block, by the ends of their names: attention and feed-forward of both transformers,
# and of other families.
LORA_TARGET_MODULES = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "add_k_proj",
    "add_v_proj",
    "adaln",
    "ff.net.0.proj",
    "ff.net.2",
    "ff.proj_in",
    "ff.proj_out",
    "ffn.ff.0",
    "ffn.ff.3",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    r"""Options of the scripts that train a low-rank adapter (LoRA, arXiv:2106.09685) in place of all weights."""

    lora_rank: int | None = option(None, "Train an adapter of this rank in place of all weights.")
    lora_alpha: float | None = option(
        None, "The adapter's output is scaled by lora_alpha / lora_rank; the rank by default."
    )
    lora_target_modules: str | None = option(
        None, "Layers that are adapted, by the ends of their names, with commas between; by default all of a block."
    )

    def check_lora(self):
        r"""
        Refuse impossible values.

        Raises:
            ValueError: Quoting them, or if peft is not installed.
        """
        if self.lora_rank is None:
            for name in ("lora_alpha", "lora_target_modules"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r} needs lora_rank, got None.")
            return
        if self.lora_rank < 1:
            raise ValueError(f"Expected lora_rank >= 1, got {self.lora_rank}.")
        if self.lora_alpha is not None and not self.lora_alpha > 0:
            raise ValueError(f"Expected lora_alpha > 0, got {self.lora_alpha}.")
        if importlib.util.find_spec("peft") is None:
            raise ValueError("lora_rank needs peft: `pip install peft`.")

    def with_adapter(self, transformer):
        r"""
        A copy of a frozen transformer with an adapter to train. The copy has the weights themselves in common with the
        transformer, so that both need little more memory than one.

        Raises:
            ValueError: If a target module is the end of no layer's name.
        """
        from peft import LoraConfig, inject_adapter_in_model

        layers = [name for name, module in transformer.named_modules() if isinstance(module, ADAPTABLE_LAYERS)]
        chosen = LORA_TARGET_MODULES if self.lora_target_modules is None else self.lora_target_modules.split(",")
        found = [target for target in chosen if any(f".{name}".endswith(f".{target}") for name in layers)]
        if self.lora_target_modules is not None and len(found) < len(chosen):
            raise ValueError(
                f"Expected lora_target_modules to be ends of {', '.join(layers)}, got {self.lora_target_modules!r}."
            )
        adapted = copy.deepcopy(transformer, {id(parameter): parameter for parameter in transformer.parameters()})
        if not found:
            raise ValueError(
                f"{type(transformer).__name__} has none of the layers {', '.join(chosen)}: name lora_target_modules, "
                f"ends of {', '.join(layers)}."
            )
        how = LoraConfig(r=self.lora_rank, lora_alpha=self.lora_alpha or self.lora_rank, target_modules=found)
        if hasattr(adapted, "add_adapter"):
            adapted.add_adapter(how)
        else:
            # Of diffusers' networks some have no methods for adapters.
            inject_adapter_in_model(how, adapted)
            adapted.peft_config = {"default": how}
        return adapted

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Where half precision does not do."""

from contextlib import nullcontext

import torch


def without_autocast(tensor: torch.Tensor):
    r"""A context in which what is computed on a tensor's device keeps its dtype; devices without autocast have it."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()

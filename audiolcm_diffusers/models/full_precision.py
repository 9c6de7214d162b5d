# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Where half precision does not do."""

from contextlib import nullcontext

import torch


def without_autocast(tensor: torch.Tensor):
    r"""A context in which what is computed on a tensor's device keeps its dtype. `meta` knows no other."""
    return nullcontext() if tensor.device.type == "meta" else torch.autocast(tensor.device.type, enabled=False)

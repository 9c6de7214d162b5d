# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from .transformer_llama_1d import LLaMATransformer1DModel

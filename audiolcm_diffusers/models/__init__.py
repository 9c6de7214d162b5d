# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
from .clap_projection import CLAPProjection
from .transformer_concat_1d import ConcatTransformer1DModel
from .transformer_llama_1d import LLaMATransformer1DModel

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from safetensors import safe_open

from audiolcm_diffusers import MINI_CHECKPOINT
from audiolcm_diffusers.benchmark.encoders import Encoders, num_parameters
from audiolcm_diffusers.benchmark.sizes import size_named


def test_published_size():
    size = size_named("published")
    with torch.device("meta"):
        encoders, student = Encoders(size), size.transformer_class(**size.transformer)
    # Vocabulary, relative positions (32 buckets, 16 heads), last norm; a layer has four attention projections, three
    # of the gated feed-forward network, two norms.
    layer = 4 * 1024 * 1024 + 3 * 1024 * 2816 + 2 * 1024
    assert num_parameters(encoders.t5) == 32128 * 1024 + 32 * 16 + 24 * layer + 1024
    assert encoders.bert.config.hidden_size == 768 and encoders.bert.config.num_hidden_layers == 12
    # "160 M parameters"
    assert round(num_parameters(student) / 1e6) == 160
    assert size.samples_per_latent == 512


@pytest.mark.parametrize(
    ("part", "file"), [("vae", "vae/diffusion_pytorch_model"), ("t5", "text_encoder_2/model"), ("student", None)]
)
def test_mini_size_is_the_embedded_model(part, file):
    size = size_named("mini")
    with torch.device("meta"):
        encoders = Encoders(size)
        student = size.transformer_class(**size.transformer)
    module = student if part == "student" else getattr(encoders, part)
    with safe_open(MINI_CHECKPOINT / f"{file or 'transformer/diffusion_pytorch_model'}.safetensors", "pt") as weights:
        shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}
    built = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    assert shapes == built
    assert encoders.bert is None and size.num_text_tokens == 24

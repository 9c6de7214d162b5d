# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Weights that lie elsewhere until they are needed: accelerate's and diffusers' offloading, onto the CPU as device."""

import pytest
import torch
from accelerate import cpu_offload

import audiolcm_diffusers
from audiolcm_diffusers import GriffinLimVocoder


CPU = torch.device("cpu")


def model_offload(pipe):
    pipe.enable_model_cpu_offload(device="cpu")


def sequential_offload(pipe, device=CPU):
    # What enable_sequential_cpu_offload does, which asks accelerate for "cpu:0", where no model of any library runs.
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            cpu_offload(component, device, offload_buffers=len(component._parameters) > 0)


def leaf_offload(pipe):
    pipe.enable_group_offload(onload_device=CPU, offload_type="leaf_level")


def block_offload(pipe):
    pipe.enable_group_offload(onload_device=CPU, offload_type="block_level", num_blocks_per_group=1)


@pytest.fixture(params=["bigvgan", "vocos", "griffin-lim"])
def make_vocoder_of_kind(request, make_vocoder, make_vocos):
    makers = {
        "bigvgan": make_vocoder,
        "vocos": make_vocos,
        "griffin-lim": lambda: GriffinLimVocoder(num_iterations=1),
    }
    return makers[request.param]


@pytest.mark.parametrize("offload", [model_offload, sequential_offload, leaf_offload, block_offload])
def test_every_stage_can_be_offloaded(offload, make_vocoder_of_kind, make_pipeline):
    """Twice in one pipeline, with each stage as the last one."""
    pipe = make_pipeline(vocoder=make_vocoder_of_kind())

    def call(output_type):
        generator = torch.Generator().manual_seed(0)
        return torch.as_tensor(
            pipe("rain", audio_length_in_s=0.5, num_inference_steps=2, generator=generator, output_type=output_type)[0]
        )

    expected = {output_type: call(output_type) for output_type in ("latent", "mel", "np")}
    offload(pipe)
    for _ in range(2):
        for output_type, values in expected.items():
            torch.testing.assert_close(call(output_type), values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("offload", [model_offload, sequential_offload, leaf_offload, block_offload])
@pytest.mark.parametrize("name", ["AudioLCMAudio2AudioPipeline", "AudioLCMInpaintPipeline"])
def test_an_autoencoder_that_comes_first_can_be_offloaded(offload, name, make_pipeline):
    pipe = getattr(audiolcm_diffusers, name).from_pipe(make_pipeline())
    sound = 0.1 * torch.randn(4000, generator=torch.Generator().manual_seed(0))
    options = {"extend_s": 0.1} if "Inpaint" in name else {"strength": 0.5}

    def call():
        return torch.as_tensor(pipe("rain", sound, generator=torch.Generator().manual_seed(0), **options)[0])

    expected = call()
    offload(pipe)
    for _ in range(2):
        torch.testing.assert_close(call(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("offload", [model_offload, leaf_offload])
def test_a_stream_can_be_offloaded(offload, make_pipeline):
    pipe = make_pipeline(window_length_in_s=1.0)

    def pieces():
        made = pipe.stream("rain", 3.0, generator=torch.Generator().manual_seed(0), output_type="pt")
        return torch.cat(list(made), dim=-1)

    expected = pieces()
    offload(pipe)
    for _ in range(2):
        torch.testing.assert_close(pieces(), expected, rtol=1e-4, atol=1e-5)


def test_offloaded_weights_lie_where_they_should(make_pipeline):
    """The `meta` device holds nothing: weights are brought in, module by module, and a call leaves them out again."""
    pipe = make_pipeline(vocoder=GriffinLimVocoder(num_iterations=1))
    sequential_offload(pipe, torch.device("meta"))
    latents = pipe("rain", audio_length_in_s=0.5, num_inference_steps=2, output_type="latent")[0]
    assert latents.device.type == "meta" and latents.shape[1] == pipe.transformer.config.in_channels
    waveform = pipe.mel_spectrogram_to_waveform(torch.zeros(1, 80, 4, device="meta"))
    assert waveform.device.type == "meta" and waveform.shape == (1, 1024)
    for name in ("transformer", "vae", "vocoder"):
        assert {parameter.device.type for parameter in pipe.components[name].parameters()} == {"meta"}

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What eight-bit weights would bring on a CPU: time and error of each network of a size, in float32, bfloat16 and int8.

    python docs/int8.py published
    python docs/int8.py mini

int8 is torch's dynamic quantisation of linear layers (`x86` engine: VNNI or AMX), and ONNX Runtime's of the exported
networks, linear layers and convolutions.
"""

import argparse
import copy
import tempfile
import time
import warnings
from pathlib import Path

import torch

from audiolcm_diffusers.benchmark.random_pipeline import random_pipeline


DURATION_S = 10.0


def seconds(call, repeats=3):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def error(result, reference):
    return float((torch.as_tensor(result).float() - reference).norm() / reference.norm())


class Step(torch.nn.Module):
    """A transformer as one call of tensors."""

    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, latents, timestep, embeds, guidance):
        return self.transformer(latents, timestep, embeds, timestep_cond=guidance, return_dict=False)[0]


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latents):
        return self.vae.decode(latents, return_dict=False)[0]


def networks_of(name):
    pipe, encoders = random_pipeline(name)
    frames = round(DURATION_S * pipe.sampling_rate) // pipe.hop_length // pipe.latent_hop * pipe.latent_hop
    config = pipe.transformer.config
    num_streams = 1 if encoders.bert is None else 2
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, config.in_channels, frames // pipe.latent_hop, generator=generator)
    embeds = torch.randn(1, num_streams * encoders.num_text_tokens, config.cross_attention_dim, generator=generator)
    guidance = torch.randn(1, config.time_cond_proj_dim, generator=generator)
    found = {
        "transformer step": (Step(pipe.transformer), (latents, torch.tensor([999.0]), embeds, guidance)),
        "VAE decoder": (Decoder(pipe.vae), (latents,)),
    }
    if name == "published":
        mel = torch.randn(1, pipe.vocoder.config.in_channels, frames, generator=generator)
        found["vocoder"] = (pipe.vocoder, (mel,))
    return {key: (network.eval(), given) for key, (network, given) in found.items()}


def onnx_sessions(network, given, folder):
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, small = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
    torch.onnx.export(network, given, str(plain), dynamo=True, verbose=False)
    quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8, use_external_data_format=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    for label, path in (("ONNX Runtime, float32", plain), ("ONNX Runtime, int8", small)):
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        inputs = {name: tensor.numpy() for name, tensor in zip(names, given)}
        yield label, lambda session=session, inputs=inputs: session.run(None, inputs)[0]


def ways_of(network, given, folder):
    """How it is computed, and calls that do; one after the other, as each takes memory."""
    yield "float32", lambda: network(*given)
    half = copy.deepcopy(network).bfloat16()
    halves = tuple(tensor.bfloat16() for tensor in given)
    yield "bfloat16", lambda: half(*halves)
    small = torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.qint8)
    yield "int8, linear layers", lambda: small(*given)
    yield from onnx_sessions(network, given, folder)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("size", choices=("published", "mini"))
    parser.add_argument("--networks", default="transformer step,VAE decoder,vocoder")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(f"{args.size}, {DURATION_S:g} s, {torch.get_num_threads()} threads\n")
    print("| | how | s | relative error |\n|---|---|---|---|")
    for name, (network, given) in networks_of(args.size).items():
        if name not in args.networks.split(","):
            continue
        reference = network(*given)
        with tempfile.TemporaryDirectory() as folder:
            for how, call in ways_of(network, given, folder):
                taken, result = seconds(call)
                print(f"| {name} | {how} | {taken:.3f} | {error(result, reference):.4f} |", flush=True)


if __name__ == "__main__":
    main()

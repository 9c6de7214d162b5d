# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What eight-bit weights would bring on a CPU: time and error of each network of a size, in float32, bfloat16 and int8.

    python docs/int8.py published
    python docs/int8.py mini
    python docs/int8.py convolutions

int8 is torch's dynamic quantisation of linear layers (`x86` engine: VNNI or AMX), and ONNX Runtime's of the exported
networks, linear layers and convolutions. `convolutions` are three of the published vocoder, one at a time: in int8
with ranges of activations that were measured before, as ONNX Runtime's static quantisation has them, and with fewer
multiplications, as `vocoder.set_fast_convolutions(True)` has them.
"""

import argparse
import copy
import tempfile
import time
import warnings
from pathlib import Path

import torch

from audiolcm_diffusers.benchmark.random_pipeline import random_pipeline
from audiolcm_diffusers.models.minimal_filtering import FewerProductsConv1d


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
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, small = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
    torch.onnx.export(network, given, str(plain), dynamo=True, verbose=False)
    quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8, use_external_data_format=True)
    yield from run_by_onnx(given, {"float32": plain, "int8": small})


def run_by_onnx(given, paths):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    for label, path in paths.items():
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        inputs = {name: tensor.numpy() for name, tensor in zip(names, given)}
        yield f"ONNX Runtime, {label}", lambda session=session, inputs=inputs: session.run(None, inputs)[0]


def ways_of(network, given, folder):
    """How it is computed, and calls that do; one after the other, as each takes memory."""
    yield "float32", lambda: network(*given)
    half = copy.deepcopy(network).bfloat16()
    halves = tuple(tensor.bfloat16() for tensor in given)
    yield "bfloat16", lambda: half(*halves)
    small = torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.qint8)
    yield "int8, linear layers", lambda: small(*given)
    yield from onnx_sessions(network, given, folder)


class OneExample:
    """What ONNX Runtime measures ranges by."""

    def __init__(self, inputs):
        self.left = [inputs]

    def get_next(self):
        return self.left.pop() if self.left else None


def convolutions():
    """Of the vocoder, for ten seconds: channels, samples, taps."""
    torch.manual_seed(0)
    for channels, samples, taps in ((768, 2500, 11), (384, 10000, 11), (192, 20000, 7)):
        conv = FewerProductsConv1d(channels, channels, taps, padding=taps // 2).eval()
        yield f"{channels} channels, {taps} taps", (conv, (torch.randn(1, channels, samples),))


def ways_of_a_convolution(conv, given, folder):
    from onnxruntime.quantization import QuantType, quantize_static

    yield "float32", lambda: conv(*given)
    half = copy.deepcopy(conv).bfloat16()
    yield "bfloat16", lambda: half(given[0].bfloat16())
    fast = copy.deepcopy(conv)
    fast.set_fast(True)
    yield "fewer multiplications", lambda: fast(*given)
    plain, small = (str(Path(folder) / name) for name in ("plain.onnx", "int8.onnx"))
    torch.onnx.export(conv, given, plain, input_names=["x"], dynamo=True, verbose=False)
    examples = OneExample({"x": given[0].numpy()})
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(plain, small, examples, per_channel=True, **types)
    yield from run_by_onnx(given, {"float32": plain, "int8, static": small})


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("size", choices=("published", "mini", "convolutions"))
    parser.add_argument("--networks", default="transformer step,VAE decoder,vocoder")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(f"{args.size}, {DURATION_S:g} s, {torch.get_num_threads()} threads\n")
    print("| | how | s | relative error |\n|---|---|---|---|")
    if args.size == "convolutions":
        networks, ways = dict(convolutions()), ways_of_a_convolution
    else:
        networks, ways = networks_of(args.size), ways_of
        networks = {name: networks[name] for name in args.networks.split(",") if name in networks}
    for name, (network, given) in networks.items():
        reference = network(*given)
        with tempfile.TemporaryDirectory() as folder:
            for how, call in ways(network, given, folder):
                taken, result = seconds(call)
                print(f"| {name} | {how} | {taken:.3f} | {error(result, reference):.1e} |", flush=True)


if __name__ == "__main__":
    main()

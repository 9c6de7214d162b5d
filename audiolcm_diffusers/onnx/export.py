# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A pipeline as ONNX files, and a page of code that runs them where there is no PyTorch."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

from .. import __version__
from ..files import replacing
from ..pipelines.cards import companions
from ..pipelines.prompt_events import structured_caption
from . import run
from .networks import Decoder, Denoiser, TextEncoder, Vocoder
from .steps import check_linear, steps_of


# For which numbers of denoising steps their numbers are written.
MAX_STUDENT_STEPS, TEACHER_STEPS = 8, (10, 16, 20, 25, 32, 50, 100)
OPSET = 20
MAX_BATCH, MAX_FRAMES = 65536, 100_000
INT8_NETWORKS = ("text_encoder", "transformer")


def check_exportable(pipe: Any) -> None:
    r"""
    Refuse what cannot be exported, before any work.

    Args:
        pipe ([`AudioLCMPipeline`]): The pipeline.

    Raises:
        ValueError: If a part is missing, a tokenizer is slow or pads in front, or the scheduler's steps are not
            linear.
        ImportError: If a package is missing.
    """
    import importlib.util

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"Exporting needs {', '.join(missing)}: pip install 'audiolcm-diffusers[onnx]'.")
    for name in ("vae", "vocoder", "transformer"):
        if getattr(pipe, name, None) is None:
            raise ValueError(f"Expected a pipeline with all of its parts, got {name}=None.")
    streams = [stream for stream in pipe._text_streams if stream.text_encoder is not None]
    if not streams:
        raise ValueError("Expected a pipeline with a text encoder, got none.")
    for stream in streams:
        tokenizer = stream.tokenizer
        if not getattr(tokenizer, "is_fast", False) or tokenizer.padding_side != "right":
            raise ValueError(
                f"Expected {stream.tokenizer_name} to be a fast tokenizer that pads behind, got "
                f"{type(tokenizer).__name__} with padding_side={getattr(tokenizer, 'padding_side', None)!r}."
            )
    check_linear(pipe.scheduler)


def export_onnx(
    pipe: Any,
    folder: Path,
    source: Path | None = None,
    told: Callable[[str], None] = print,
    int8: bool = False,
) -> None:
    r"""
    Write a pipeline as ONNX: `text_encoder.onnx`, `transformer.onnx`, `vae_decoder.onnx` and `vocoder.onnx`, of any
    batch and any length up to a window of the model; `config.json`, tokenizers, and `run.py`, which runs them.

    Args:
        pipe ([`AudioLCMPipeline`]): On the CPU, in float32.
        folder (`Path`): An empty folder.
        source (`Path`, *optional*): Folder of the pipeline, whose card, licence and credits go along.
        told (`Callable`, defaults to `print`): Gets a line about each file.
        int8 (`bool`, defaults to `False`):
            Whether the linear layers of text encoder and transformer have weights of 8 bits. The convolutions of the
            others would be slower with them.

    Raises:
        ValueError: As of [`check_exportable`].
    """
    check_exportable(pipe)
    folder = Path(folder)
    (folder / "config.json").write_text(json.dumps(_config(pipe, folder), indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(run.__file__, folder / "run.py")
    for path in companions(source) if source is not None else ():
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / path.name)
    with torch.no_grad():
        for name, network, inputs, shapes in _networks(pipe):
            path = folder / f"{name}.onnx"
            _export(network, inputs, shapes, path)
            if int8 and name in INT8_NETWORKS:
                _quantize(path)
            told(f"{path.name:18} {path.stat().st_size / 1e6:8.1f} MB")


def _config(pipe, folder):
    tokenizers = []
    for stream, is_structured in zip(pipe._text_streams, (False, True)):
        if stream.text_encoder is None:
            continue
        tokenizer = stream.tokenizer
        backend = json.loads(tokenizer.backend_tokenizer.to_str())
        # It neither pads nor cuts by itself, whatever it was last asked for.
        backend |= {"padding": None, "truncation": None}
        file = f"{stream.tokenizer_name}.json"
        (folder / file).write_text(json.dumps(backend, ensure_ascii=False), encoding="utf-8")
        mask = tokenizer(["a"], return_special_tokens_mask=True).special_tokens_mask[0]
        tokenizers.append(
            {
                "file": file,
                "num_tokens": stream.num_tokens,
                "pad_token_id": tokenizer.pad_token_id,
                "num_trailing": mask[::-1].index(0),
                "template": structured_caption("TEXT").replace("TEXT", "{}") if is_structured else "{}",
            }
        )
    numbers = range(1, MAX_STUDENT_STEPS + 1) if pipe.is_student else TEACHER_STEPS
    default = pipe.config.default_num_inference_steps
    steps = {str(number): steps_of(pipe.scheduler, number) for number in sorted({*numbers, default})}
    return {
        "made_by": f"audiolcm-diffusers {__version__}",
        "sampling_rate": pipe.sampling_rate,
        "channels": pipe.transformer.config.in_channels,
        "samples_per_mel_frame": pipe.hop_length,
        "samples_per_latent_frame": pipe.hop_length * pipe.latent_hop,
        "default_audio_length_in_s": pipe.config.default_audio_length_in_s,
        "max_length_s": pipe.config.window_length_in_s,
        "fade_s": pipe.config.fade_s,
        "default_num_inference_steps": default,
        "default_guidance_scale": pipe.config.default_guidance_scale,
        "is_student": pipe.is_student,
        "init_noise_sigma": float(pipe.scheduler.init_noise_sigma),
        "tokenizers": tokenizers,
        "steps": steps,
    }


def _networks(pipe):
    """Names, networks, inputs to follow, and which of their sizes may be others."""
    # Bounds that no sound reaches: without, PyTorch 2.10 finds some of its own, and refuses these dimensions.
    batch = Dim("batch", min=1, max=MAX_BATCH)
    frames, mel_frames = Dim("latent_frames", min=2, max=MAX_FRAMES), Dim("mel_frames", min=4, max=2 * MAX_FRAMES)
    # Two rows and an odd number of frames: what is 1 or divisible in the example would be taken for a rule.
    encoder = TextEncoder(pipe)
    ids = tuple(torch.zeros(2, stream.num_tokens, dtype=torch.long) for stream in encoder.streams)
    yield "text_encoder", encoder, {f"input_ids_{n}": part for n, part in enumerate(ids)}, [{0: batch}] * len(ids)

    config = pipe.transformer.config
    inputs = {
        "latents": torch.randn(2, config.in_channels, 37),
        "timestep": torch.tensor([999.0, 499.0]),
        "prompt_embeds": encoder(*ids),
    }
    shapes = [{0: batch, 2: frames}, {0: batch}, {0: batch}]
    if pipe.is_student:
        inputs["guidance_scale"] = torch.tensor([3.0, 5.0])
        shapes.append({0: batch})
    yield "transformer", Denoiser(pipe.transformer), inputs, shapes

    latents = {"latents": torch.randn(2, config.in_channels, 37)}
    yield "vae_decoder", Decoder(pipe.vae), latents, [{0: batch, 2: frames}]
    mels = {"mel": torch.randn(2, pipe.vae.config.in_channels, 37) - 2}
    yield "vocoder", Vocoder(pipe.vocoder), mels, [{0: batch, 2: mel_frames}]


def _export(network, inputs, shapes, path):
    network = network.eval()
    takes_many = isinstance(network, TextEncoder)
    with _quiet():
        program = torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            dynamic_shapes=(tuple(shapes),) if takes_many else tuple(shapes),
            input_names=list(inputs),
            output_names=["output"],
            opset_version=OPSET,
            verbose=False,
        )
        program.save(str(path))


def _quantize(path):
    """Weights of 8 bits, one scale a channel; what they are multiplied with is rounded to 8 bits as it comes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises to prepare graphs of other exporters
    try:
        with replacing(path) as temporary:
            quantize_dynamic(
                str(path),
                str(temporary),
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
    finally:
        root.setLevel(level)


@contextlib.contextmanager
def _quiet():
    """The exporter says what it lacks that is not needed here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before):
            logger.setLevel(level)

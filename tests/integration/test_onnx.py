# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Exported models make the same sound in a process that has no PyTorch."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from audiolcm_diffusers import (
    MINI_CHECKPOINT,
    AudioLCMPipeline,
    BigVGANVocoder,
    GriffinLimVocoder,
    VocosVocoder,
    log_mel_spectrogram,
)
from audiolcm_diffusers.commands import main
from audiolcm_diffusers.consistency import guidance_embedding
from audiolcm_diffusers.models.fourier import ComplexFourier, RealFourier
from audiolcm_diffusers.onnx import export
from audiolcm_diffusers.onnx.export import INT8_NETWORKS, check_exportable, export_onnx
from audiolcm_diffusers.onnx.networks import Denoiser, Sinusoids
from audiolcm_diffusers.onnx.steps import steps_of

from .bare_environment import make_bare_environment


# By which sounds of two libraries may differ.
TOLERANCE = 1e-3
# What the page of code needs.
NEEDED = ["onnxruntime", "numpy", "tokenizers"]
SCRIPT = """
import importlib.util, json, sys
import numpy as np
assert importlib.util.find_spec("torch") is None
sys.path.insert(0, sys.argv[1])
import run
model = run.AudioLCM(sys.argv[1])
given = np.load(sys.argv[2], allow_pickle=False)
calls = json.loads(sys.argv[3])
made = {}
for number, call in enumerate(calls):
    noises = list(given[f"noises_{number}"])
    made[str(number)] = model(**call, latents=noises[0], noises=noises[1:])
try:
    model("rain", audio_length_in_s=1000.0)
except ValueError as error:
    assert "got 1000.0" in str(error)
else:
    raise AssertionError("no limit")
np.savez(sys.argv[2] + ".made.npz", **made)
"""


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    return make_bare_environment(tmp_path_factory.mktemp("bare") / "venv", NEEDED)


def sounds_without_torch(python, folder, calls, noises, place):
    np.savez(place / "given.npz", **{f"noises_{number}": drawn for number, drawn in enumerate(noises)})
    subprocess.run(
        [python, "-c", SCRIPT, str(folder), str(place / "given.npz"), json.dumps(calls)], check=True, timeout=300
    )
    made = np.load(f"{place / 'given.npz'}.made.npz")
    return [made[str(number)] for number in range(len(calls))]


def sounds_of_the_pipeline(pipe, calls):
    """Sounds, and the noise that they took: what begins, and what each step adds."""
    sounds, noises = [], []
    for call in calls:
        call = dict(call)
        length, num_steps = call["audio_length_in_s"], call["num_inference_steps"]
        frames = -(-round(length * pipe.sampling_rate) // (pipe.hop_length * pipe.latent_hop))
        shape = len(call["prompts"]), pipe.transformer.config.in_channels, frames
        generators = [torch.Generator().manual_seed(row) for row in range(len(call["prompts"]))]
        drawn = [
            np.stack([torch.randn(1, *shape[1:], generator=generator)[0].numpy() for generator in generators])
            for _ in range(num_steps)
        ]
        # The last step takes none.
        noises.append(np.stack([*drawn, np.zeros_like(drawn[0])]))
        generators = [torch.Generator().manual_seed(row) for row in range(len(call["prompts"]))]
        sounds.append(pipe(call.pop("prompts"), generator=generators, **call).audios)
    return sounds, noises


def assert_same(pipe, folder, python, calls, place):
    sounds, noises = sounds_of_the_pipeline(pipe, calls)
    for ours, theirs in zip(sounds, sounds_without_torch(python, folder, calls, noises, place)):
        assert ours.shape == theirs.shape
        assert np.abs(ours).max() > 0.01
        assert np.abs(ours - theirs).max() < TOLERANCE


def test_eight_bits_are_for_linear_layers(tmp_path, monkeypatch):
    quantized = []
    monkeypatch.setattr(export, "_export", lambda network, inputs, shapes, path: path.write_bytes(b"network"))
    monkeypatch.setattr(export, "_quantize", quantized.append)
    for int8 in (False, True):
        folder = tmp_path / str(int8)
        folder.mkdir()
        export_onnx(AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT), folder, told=len, int8=int8)
    assert quantized == [tmp_path / "True/text_encoder.onnx", tmp_path / "True/transformer.onnx"]


def test_the_embedded_model(bare_python, tmp_path):
    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    # Of the vocoder's 32 rounds one, and of the transformer's 6 blocks two: what is alike takes long to export.
    pipe = AudioLCMPipeline(**{**pipe.components, "vocoder": GriffinLimVocoder(num_iterations=1)})
    pipe.transformer.transformer_blocks = pipe.transformer.transformer_blocks[::5]
    pipe.set_progress_bar_config(disable=True)
    told = []
    folder = tmp_path / "onnx"
    folder.mkdir()
    export_onnx(pipe, folder, MINI_CHECKPOINT, told.append)
    assert [line.split()[0] for line in told] == [
        "text_encoder.onnx",
        "transformer.onnx",
        "vae_decoder.onnx",
        "vocoder.onnx",
    ]
    assert {"README.md", "CREDITS.csv", "run.py", "config.json"} <= {path.name for path in folder.iterdir()}
    prompts = ["a dog barking", "rain & wind @ night " * 30]
    calls = [
        {"prompts": prompts[:1], "audio_length_in_s": 1.0, "num_inference_steps": 2},
        {"prompts": prompts, "audio_length_in_s": 3.3, "num_inference_steps": 4, "guidance_scale": 3.0},
    ]
    assert_same(pipe, folder, bare_python, calls, tmp_path)

    # With weights of 8 bits it is nearly the same sound.
    small = shutil.copytree(folder, tmp_path / "int8")
    for name in INT8_NETWORKS:
        export._quantize(small / f"{name}.onnx")
        assert (small / f"{name}.onnx").stat().st_size < (folder / f"{name}.onnx").stat().st_size
    assert (small / "transformer.onnx").stat().st_size < 0.3 * (folder / "transformer.onnx").stat().st_size
    sounds, noises = sounds_of_the_pipeline(pipe, calls[:1])
    (rounded,) = sounds_without_torch(bare_python, small, calls[:1], noises, tmp_path)
    mels = [log_mel_spectrogram(torch.as_tensor(sound)) for sound in (sounds[0], rounded)]
    assert 0 < (mels[0] - mels[1]).abs().mean() < 0.1

    output = tmp_path / "dog.wav"
    command = [bare_python, folder / "run.py", "a dog barking", "--output", output, "--duration", "0.5"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"{output}: 0.50 s of sound, 'a dog barking'\n"
    assert output.stat().st_size == 44 + 2 * 8000


def test_other_parts(bare_python, make_pipeline, make_concat_transformer, tmp_path):
    # The published model's parts, as a teacher, which is guided in two runs.
    scheduler = DDIMScheduler(clip_sample=False)
    pipe = make_pipeline(transformer=make_concat_transformer(time_cond_proj_dim=None), scheduler=scheduler)
    assert isinstance(pipe.vocoder, BigVGANVocoder)
    assert pipe.text_encoder is not None and pipe.text_encoder_2 is not None
    folder = tmp_path / "onnx"
    folder.mkdir()
    export_onnx(pipe, folder, told=lambda line: None)
    calls = [
        {
            "prompts": ["rain", "a dog"],
            "audio_length_in_s": 0.5,
            "num_inference_steps": 10,
            "guidance_scale": 3.0,
            "negative_prompt": "wind",
        }
    ]
    assert_same(pipe, folder, bare_python, calls, tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GriffinLimVocoder(num_iterations=32),
        lambda: VocosVocoder(hidden_channels=8, intermediate_channels=8, num_layers=1),
    ],
    ids=["griffin-lim", "vocos"],
)
def test_vocoders_without_complex_numbers(make):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        mel = log_mel_spectrogram(0.3 * torch.randn(2, 8000))
        vocoder = make().eval()
        plain = vocoder(mel)
        assert isinstance(vocoder.fourier, ComplexFourier)
        vocoder.fourier = RealFourier(vocoder.config.n_fft)
        assert (vocoder(mel) - plain).abs().max() < 1e-4


@pytest.mark.parametrize("dim", [32, None])
def test_embeddings_by_constants(make_llama_transformer, make_concat_transformer, dim):
    timesteps, scales = torch.tensor([999.0, 3.0]), torch.tensor([5.0, 1.5])
    for make in (make_llama_transformer, make_concat_transformer):
        transformer = make(time_cond_proj_dim=dim)
        latents = torch.randn(2, transformer.config.in_channels, 6, generator=torch.Generator().manual_seed(0))
        embeds = torch.ones(2, 4, transformer.config.cross_attention_dim)
        embedding = None if dim is None else guidance_embedding(scales - 1, dim)
        with torch.no_grad():
            expected = transformer(latents, timesteps, embeds, timestep_cond=embedding).sample
            assert torch.equal(Denoiser(transformer)(latents, timesteps, embeds, scales), expected)
        assert not isinstance(transformer.time_proj, Sinusoids)


def test_steps_are_those_of_the_scheduler(make_pipeline):
    scheduler = make_pipeline().scheduler
    torch.manual_seed(0)
    steps = steps_of(scheduler, 3)
    scheduler.set_timesteps(3)
    for step, timestep in zip(steps, scheduler.timesteps):
        latents, prediction, noise = torch.randn(3, 1, 4, 5).unbind()
        expected = scheduler.step(prediction, timestep, latents, variance_noise=noise).prev_sample
        made = step["of_latents"] * latents + step["of_prediction"] * prediction + step["of_noise"] * noise
        assert torch.allclose(made, expected, atol=1e-5)
        assert step["timestep"] == float(timestep)
    assert steps[-1]["of_noise"] == 0


def test_what_cannot_be_exported(make_pipeline, monkeypatch):
    for scheduler, told in [
        (DPMSolverMultistepScheduler(), "got DPMSolverMultistepScheduler"),
        (DDIMScheduler(clip_sample=True), "clip_sample=True is not linear"),
    ]:
        pipe = make_pipeline()
        pipe.scheduler = scheduler
        with pytest.raises(ValueError, match=told):
            check_exportable(pipe)
    with pytest.raises(ValueError, match="vocoder=None"):
        check_exportable(make_pipeline(vocoder=None))
    with pytest.raises(ValueError, match="a text encoder, got none"):
        check_exportable(make_pipeline(text_encoder=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None))
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(ImportError, match=r"needs onnxscript: pip install 'audiolcm-diffusers\[onnx\]'"):
        check_exportable(make_pipeline())


def test_errors_of_the_command(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    assert main(["export-onnx", str(tmp_path / "full")]) == 2
    assert "FOLDER" in capsys.readouterr().err

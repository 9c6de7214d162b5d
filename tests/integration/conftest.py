# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Two recordings and what the training scripts make of them, once for all tests."""

import csv
import json
import math

import pytest
import torch
from script_runs import VOCODER, run_script, teacher_options

from audiolcm_diffusers.audio.io import write_audio


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    seconds = torch.arange(16000) / 16000
    sounds = {
        "tone": 0.5 * torch.sin(2 * math.pi * 440 * seconds),
        "noise": 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0)),
    }
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "caption"])
        for name, waveform in sounds.items():
            write_audio(folder / f"{name}.wav", waveform)
            writer.writerow([f"{name}.wav", f"a {name}"])
    return folder


@pytest.fixture(scope="session")
def trained(data_dir, tmp_path_factory):
    """Folder with the output of all four scripts, three steps each, the discriminators in the last two."""
    runs = tmp_path_factory.mktemp("runs")
    common = {"data_dir": data_dir, "max_train_steps": 3, "batch_size": 2, "warmup_steps": 1, "logging_steps": 1}
    run_script(
        "train_autoencoder",
        "AutoencoderConfig",
        output_dir=runs / "vae",
        crop_frames=32,
        channels=128,
        latent_channels=4,
        discriminator_start=1,
        **common,
    )
    run_script(
        "train_vocoder",
        "VocoderConfig",
        output_dir=runs / "vocoder",
        vae_dir=runs / "vae/model",
        vocoder_config=json.dumps(VOCODER),
        crop_frames=16,
        context_frames=4,
        discriminator_start=1,
        **common,
    )
    del common["batch_size"]
    captioned = {**common, "durations_s": "0.256,0.512", "duration_shares": "0.5,0.5", "seconds_per_batch": 1.024}
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        output_dir=runs / "teacher",
        **teacher_options(runs / "vae/model"),
        checkpointing_steps=2,
        **captioned,
    )
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        output_dir=runs / "student",
        teacher_dir=runs / "teacher/model",
        vocoder_dir=runs / "vocoder/model",
        validation_prompts="a tone;a noise",
        validation_steps=2,
        **captioned,
    )
    return runs

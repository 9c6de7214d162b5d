# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is tried on: recordings, models and published files, all tiny, made as the tests make theirs."""

import csv
import importlib.util
import json
import math
import shutil
import sys
from pathlib import Path


TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "integration"))

import torch  # noqa: E402
from script_runs import VOCODER, load_script, run_script, teacher_options  # noqa: E402, F401

from audiolcm_diffusers.audio.io import write_audio  # noqa: E402


def module_of(path):
    """A file of the tests as a module."""
    spec = importlib.util.spec_from_file_location(f"soak_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def fixture(module, name, *arguments):
    """What a fixture of the tests makes."""
    return getattr(module, name).__wrapped__(*arguments)


def make_recordings(folder, num_clips=4):
    """A captioned folder of tones and noise."""
    folder.mkdir(parents=True)
    seconds = torch.arange(16000) / 16000
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "caption"])
        for index in range(num_clips):
            noise = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(index))
            tone = 0.5 * torch.sin(2 * math.pi * (300 + 40 * index) * seconds)
            write_audio(folder / f"{index}.wav", noise if index % 2 else tone)
            writer.writerow([f"{index}.wav", "a noise" if index % 2 else "a tone"])
    return folder


def make_trained(runs, data_dir):
    """What three of the training scripts make of recordings: an autoencoder, a vocoder and a teacher."""
    common = {"data_dir": data_dir, "max_train_steps": 2, "batch_size": 2, "warmup_steps": 1, "logging_steps": 1}
    run_script("train_autoencoder", "AutoencoderConfig", output_dir=runs / "vae", **AUTOENCODER, **common)
    vocoder = {**SMALL_VOCODER, "vae_dir": runs / "vae/model"}
    run_script("train_vocoder", "VocoderConfig", output_dir=runs / "vocoder", **vocoder, **common)
    del common["batch_size"]
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        output_dir=runs / "teacher",
        **teacher_options(runs / "vae/model"),
        **DURATIONS,
        **common,
    )
    return runs


AUTOENCODER = {"crop_frames": 32, "channels": 128, "latent_channels": 4, "discriminator_start": 1}
SMALL_VOCODER = {
    "vocoder_config": json.dumps(VOCODER),
    "crop_frames": 16,
    "context_frames": 4,
    "discriminator_start": 1,
}
DURATIONS = {"durations_s": "0.256,0.512", "duration_shares": "0.5,0.5", "seconds_per_batch": 1.024}


def make_judge_folder(folder):
    """A small classifier with random weights."""
    from audiolcm_diffusers.evaluation.sound_classifier import make_judge

    torch.manual_seed(0)
    make_judge(["a tone", "a noise"], widths=(8, 8, 8, 8)).save_pretrained(folder)
    return folder


def make_published(folder):
    """Files in the published layout, and the command that converts them."""
    conftest, test_convert = module_of(TESTS / "conftest.py"), module_of(TESTS / "integration/test_convert.py")
    load_reference = fixture(conftest, "load_reference", TESTS / "references")
    load_weights = fixture(conftest, "load_weights", load_reference)
    folder.mkdir(parents=True, exist_ok=True)
    fixture(test_convert, "published", load_weights, fixture(conftest, "make_tokenizer"), folder)
    return folder


def copy_model(folder, model):
    """A copy of a model's folder, whose files can be changed one by one."""
    shutil.copytree(model, folder)
    return folder

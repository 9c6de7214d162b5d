# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import csv
import math

import numpy as np
import pytest
import soundfile
import torch
from diffusers import DDIMScheduler


@pytest.fixture
def make_dataset():
    """`make_dataset(folder, captions)`: a captioned folder of tones and noise, those of other numbers other sounds."""

    def make(folder, captions, rate=16000, length_s=0.3, silent=(), first=0):
        folder.mkdir()
        times = np.arange(round(rate * length_s)) / rate
        rows = []
        for index, caption in enumerate(captions, start=first):
            noise = 0.2 * np.random.default_rng(index).standard_normal(len(times)).clip(-4, 4)
            frequency = 300 + 20 * index if "low" in caption else 2000 + 100 * index
            sound = noise if "noise" in caption else 0.5 * np.sin(2 * math.pi * frequency * times)
            soundfile.write(folder / f"{index}.wav", sound * (index not in silent), rate)
            rows.append((f"{index}.wav", caption))
        with (folder / "metadata.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file_name", "caption"), *rows])
        return str(folder)

    return make


@pytest.fixture
def model(make_pipeline, tmp_path):
    """Folder of a student that makes 0.3 s by default."""
    pipe = make_pipeline(default_audio_length_in_s=0.3)
    # So that sounds of other noise differ by more than rounding.
    with torch.no_grad():
        pipe.vae.decoder.conv_out.weight.mul_(30)
    pipe.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def teacher(make_pipeline, make_llama_transformer, tmp_path):
    """Folder of a teacher."""
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    make_pipeline(transformer=transformer, scheduler=DDIMScheduler()).save_pretrained(tmp_path / "teacher")
    return str(tmp_path / "teacher")

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math
from types import SimpleNamespace

import pytest
import torch

from audiolcm_diffusers.data.captioned_audio import Clip
from audiolcm_diffusers.evaluation.judge import Judge
from audiolcm_diffusers.evaluation.listening import FeatureCache
from audiolcm_diffusers.evaluation.networks import Clap, Classifier
from audiolcm_diffusers.evaluation.tagger import Tagger
from audiolcm_diffusers.evaluation.tagger_front_end import TaggerConfig


def estimate(value):
    return {"value": value, "low": value - 0.5, "high": value + 0.5, "num_clips": 8}


def row(name, kind, steps=None, scale=5.0, **metrics):
    generation = None if steps is None else {"num_inference_steps": steps, "guidance_scale": scale}
    metrics = {metric: estimate(value) for metric, value in metrics.items()}
    return {"name": name, "kind": kind, "generation": generation, "metrics": metrics}


@pytest.fixture
def metrics_table():
    """Results of `evaluate`, of two metrics."""
    return {
        "protocol": {
            "dataset": {"name": "data", "num_clips": 8, "fingerprint": "fedcba9876543210"},
            "num_samples": 80000,
            "sampling_rate": 16000,
            "seed": 3,
            "networks": {"clap": {"name": "judge", "class": "ClapModel", "dim": 8, "fingerprint": "0123456789abcdef"}},
            "metrics": {"fad": {"features": "clap"}, "clap": {}},
            "bootstrap": {"confidence": 0.95, "num_resamples": 200},
        },
        "notes": ["A note."],
        "rows": [
            row("real against real", "ceiling", fad=1.0, clap=0.9),
            row("shuffled captions", "control", clap=0.1),
            row("model, 1 step, scale 5", "model", 1, fad=4.0, clap=0.5),
            row("model, 2 steps, scale 5", "model", 2, fad=3.0, clap=0.6),
            row("teacher, 100 steps, scale 5", "teacher", 100, fad=2.0, clap=0.7),
        ],
    }


@pytest.fixture
def tones():
    """`tones(captions)`: clips of 0.3 s, tones and noise, no two alike."""

    def make(captions, first=0):
        times = torch.arange(4800) / 16000
        clips = []
        for index, caption in enumerate(captions, start=first):
            noise = 0.2 * torch.randn(4800, generator=torch.Generator().manual_seed(index)).clamp(-4, 4)
            frequency = 300 + 20 * index if "low" in caption else 2000 + 100 * index
            sound = noise if "noise" in caption else 0.5 * torch.sin(2 * math.pi * frequency * times)
            clips.append(Clip(f"{index}.wav", caption, (sound * 32767).round().to(torch.int16)))
        return clips

    return make


@pytest.fixture
def pipe(make_pipeline):
    """A student that makes 0.3 s by default."""
    return make_pipeline(default_audio_length_in_s=0.3)


@pytest.fixture
def classifier(make_classifier):
    """A classifier of 16 features, two of whose classes are captions of `tones`."""
    labels = ["a low tone", "noise", "a whale"]
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    return Classifier(*make_classifier(num_labels=3, **names), "judge")


@pytest.fixture
def sounds():
    """Six of noise, int16."""
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(4800, generator=generator) * 3000).to(torch.int16) for _ in range(6)]


@pytest.fixture
def make_judge(make_classifier, make_clap, tmp_path):
    """`make_judge(classifier=True, clap=True, folder="cache", **options)`: a `Judge` that keeps what it hears."""

    def make(classifier=True, clap=True, folder="cache", **options):
        options = {"allow_singular": True, "num_resamples": 5, **options}
        return Judge(
            Classifier(*make_classifier(), "judge") if classifier else None,
            Clap(*make_clap(), "clap") if clap else None,
            FeatureCache(tmp_path / folder),
            **options,
        )

    return make


class BandSession:
    """What onnxruntime gives of a tagger whose output `k` is the mean of mel band `k` over a patch."""

    def __init__(self, num_bands, num_frames):
        self.input = SimpleNamespace(name="patch", type="tensor(float)", shape=["batch", num_frames, num_bands])

    def get_inputs(self):
        return [self.input]

    def run(self, outputs, inputs):
        return [inputs["patch"].mean(axis=1)]


# A patch of 135 ms: eleven hops and a window.
BANDS = TaggerConfig(
    num_mel_bins=12, patch_frames=12, patch_hop_frames=6, min_frequency=100.0, outputs="logits", labels="bands.txt"
)
# Bands are (2774 - 150) / 13 = 202 mel apart, from 150 on: the first tone, of 300 Hz or 401 mel, is in band 0, and
# those of 2100 Hz and somewhat more, 1562 mel, in band 6. White noise is loudest in the widest band.
BAND_MAP = {"a low tone": ["band 0"], "a high tone": ["band 6"], "noise": ["band 11"]}


@pytest.fixture
def band_config():
    """How the tagger of `make_tagger` hears."""
    return BANDS


@pytest.fixture
def make_tagger():
    """`make_tagger(class_map=…)`: a tagger of twelve labels, named where a sound is loud in their bands."""

    def make(class_map=None):
        labels = [f"band {band}" for band in range(12)]
        return Tagger(BandSession(12, 12), BANDS, labels, class_map or BAND_MAP, "bands", "0")

    return make

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from PIL import Image

from audiolcm_diffusers.audio.io import read_audio
from audiolcm_diffusers.trainer.validation import make_sounds, track_sounds


def test_prompts_are_heard_and_seen_from_the_same_noise_each_time(make_pipeline, tmp_path):
    pipe, options = make_pipeline(), {"audio_length_in_s": 0.256, "num_inference_steps": 1}
    prompts = ["a dog", "rain", "rain"]
    waveforms = make_sounds(pipe, prompts, tmp_path / "step-1", 7, options)
    assert sorted(path.name for path in (tmp_path / "step-1").iterdir()) == ["00.wav", "01.wav", "02.wav", "mels.png"]
    # 8 latent frames of 512 samples.
    assert [waveform.shape for waveform in waveforms] == [(4096,)] * 3
    heard = torch.as_tensor(read_audio(tmp_path / "step-1/01.wav"))
    torch.testing.assert_close(heard, waveforms[1].clamp(-1, 1), atol=1e-4, rtol=0)
    # The noise is the prompt's by its number.
    again = make_sounds(pipe, prompts[1:], tmp_path / "step-2", 8, options)
    assert torch.equal(again[0], waveforms[1]) and torch.equal(again[1], waveforms[2])
    assert not torch.equal(waveforms[1], waveforms[2])


def test_without_a_vocoder_there_are_mels_alone(make_pipeline, tmp_path):
    pipe = make_pipeline(vocoder=None)
    assert make_sounds(pipe, ["rain"], tmp_path / "step-1", 0, {"audio_length_in_s": 0.256}) == []
    assert [path.name for path in (tmp_path / "step-1").iterdir()] == ["mels.png"]


def test_tensorboard_is_shown_sounds_and_picture(tmp_path):
    pytest.importorskip("tensorboard")
    from accelerate.tracking import TensorBoardTracker
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "mels.png")
    tracker = TensorBoardTracker("run", tmp_path)
    tracker.start()
    track_sounds(tracker, ["rain"], [torch.zeros(160)], 16000, tmp_path / "mels.png", step=3)
    tracker.finish()
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    (sound,), (picture,) = events.Audio("rain"), events.Images("mels")
    assert (sound.step, sound.sample_rate, sound.length_frames) == (3, 16000.0, 160)
    assert (picture.step, picture.width, picture.height) == (3, 6, 4)

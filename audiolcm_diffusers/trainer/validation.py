# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a network in training makes of the validation prompts, heard and seen."""

import numpy as np
import torch
from PIL import Image

from ..audio.io import resample, write_audio
from ..audio.plots import plot_mels
from ..data.captioned_audio import mel_of


# Of the spectrograms in pictures, in Hz.
MEL_RATE = 16000


@torch.no_grad()
def make_sounds(pipe, prompts, folder, seed, options):
    r"""
    Make the prompts' sounds with the same noise every time, as `00.wav` and so on beside a picture of their mels,
    `mels.png`.

    Args:
        pipe (`AudioLCMPipeline`): Makes the sounds; without a vocoder the mels alone.
        prompts (`list[str]`): What is asked for.
        folder (`Path`): Where sounds and picture go.
        seed (`int`): Seed of the first prompt's noise; that of the next is one higher.
        options (`dict`): Further arguments of the pipeline.

    Returns:
        `list[torch.Tensor]`: A waveform a prompt, or none without a vocoder.
    """
    pipe.set_progress_bar_config(disable=True)
    folder.mkdir(parents=True, exist_ok=True)
    mels, waveforms = [], []
    for index, prompt in enumerate(prompts):
        noise = torch.Generator().manual_seed(seed + index)
        mel = pipe(prompt, generator=noise, output_type="mel", **options).audios
        mels.append(torch.as_tensor(mel)[0].float().cpu())
        if pipe.vocoder is not None:
            mel = torch.as_tensor(mel).to(pipe.vocoder.device)
            waveforms.append(pipe.mel_spectrogram_to_waveform(mel)[0].cpu())
            write_audio(folder / f"{index:02d}.wav", waveforms[-1], pipe.sampling_rate)
    plot_mels(folder / "mels.png", mels, captions=prompts)
    return waveforms


@torch.no_grad()
def make_family_sounds(teacher, pipe, prompts, folder, seed, options):
    r"""
    As [`make_sounds`], of a pipeline of any family. Some draw noise from torch's own generator, which is put back.

    Args:
        teacher ([`~teachers.base.Teacher`]): Knows how its pipeline is called.
        pipe (`DiffusionPipeline`): Of its class.
        prompts, folder, seed, options: As of [`make_sounds`].

    Returns:
        `list[torch.Tensor]`: A waveform a prompt, the mean of its channels.
    """
    pipe.set_progress_bar_config(disable=True)
    folder.mkdir(parents=True, exist_ok=True)
    mels, waveforms = [], []
    for index, prompt in enumerate(prompts):
        with torch.random.fork_rng():
            torch.manual_seed(seed + index)
            sound = teacher.sound(pipe, prompt, torch.Generator().manual_seed(seed + index), **options)
        write_audio(folder / f"{index:02d}.wav", sound, teacher.sampling_rate)
        waveforms.append(sound.mean(dim=0))
        mels.append(mel_of(resample(waveforms[-1], teacher.sampling_rate, MEL_RATE)))
    plot_mels(folder / "mels.png", mels, captions=prompts)
    return waveforms


def track_sounds(tracker, prompts, waveforms, sampling_rate, picture, step):
    r"""
    Show a tracker what validation made.

    Args:
        tracker (`accelerate.tracking.GeneralTracker`): TensorBoard's or wandb's.
        prompts (`list[str]`): What was asked for.
        waveforms (`list[torch.Tensor]`): A sound each, or none without a vocoder.
        sampling_rate (`int`): Samples per second.
        picture (`Path`): PNG of the mels.
        step (`int`): Step of the training run.
    """
    if tracker.name == "tensorboard":
        for prompt, waveform in zip(prompts, waveforms):
            tracker.writer.add_audio(prompt, waveform, step, sample_rate=sampling_rate)
        with Image.open(picture) as image:
            tracker.writer.add_image("mels", np.asarray(image.convert("RGB")), step, dataformats="HWC")
    else:
        import wandb

        sounds = {
            prompt: wandb.Audio(waveform.numpy(), sample_rate=sampling_rate)
            for prompt, waveform in zip(prompts, waveforms)
        }
        tracker.log({**sounds, "mels": wandb.Image(str(picture))}, step=step)

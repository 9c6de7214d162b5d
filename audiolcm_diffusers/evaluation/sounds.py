# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds to be judged: how they are made, and what results record of the pipeline that makes them."""

import csv
import math
import shutil

import torch

from ..audio.io import resample, slug, write_audio
from ..data.captioned_audio import crop_or_pad, unit
from ..data.latent_cache import digest, module_fingerprint
from ..data.latents import LatentEncoder
from .protocol import SAMPLING_RATE


SILENT_LEVEL = 10 ** (-60 / 20)  # root mean square, of full scale


def count_silent(sounds):
    r"""Sounds of int16 whose level lies below -60 dB of full scale."""
    return sum(float(unit(sound).square().mean().sqrt()) < SILENT_LEVEL for sound in sounds)


def make_sounds(pipe, captions, seeds, batch_size, duration_s, num_steps, guidance_scale):
    r"""
    Make a sound of each caption.

    Args:
        pipe ([`AudioLCMPipeline`]): Makes them.
        captions (`Sequence[str]`): The prompts.
        seeds (`Sequence[int]`): Of each sound; neither its neighbours nor the device change its random numbers.
        batch_size (`int`): Sounds at a time.
        duration_s, num_steps, guidance_scale: See [`~AudioLCMPipeline.__call__`].

    Returns:
        `list[torch.Tensor]`: float32 at 16 kHz.

    Raises:
        ValueError: If a sound is not finite.
    """
    pipe.set_progress_bar_config(disable=True)
    sounds = []
    for first in range(0, len(captions), batch_size):
        prompts = list(captions[first : first + batch_size])
        batch_seeds = seeds[first : first + batch_size]
        waveforms = pipe(
            prompt=prompts,
            audio_length_in_s=duration_s,
            num_inference_steps=num_steps,
            guidance_scale=guidance_scale,
            generator=[torch.Generator().manual_seed(number) for number in batch_seeds],
            output_type="pt",
        ).audios.cpu()
        for prompt, number, waveform in zip(prompts, batch_seeds, waveforms):
            if not torch.isfinite(waveform).all():
                raise ValueError(
                    f"The sound of {prompt!r} with {num_steps} steps, scale {guidance_scale:g} and seed {number} "
                    "holds NaN or infinite samples."
                )
            sounds.append(resample(waveform, pipe.sampling_rate, SAMPLING_RATE))
    return sounds


def reconstruct(pipe, waveforms, batch_size):
    r"""
    References through the autoencoder and the vocoder: the best that a model with these two could do.

    Args:
        pipe ([`AudioLCMPipeline`]): Has them.
        waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): int16 at 16 kHz, of one length.
        batch_size (`int`): Sounds at a time.

    Returns:
        `list[torch.Tensor]`: float32, of the same length.

    Raises:
        ValueError: If the model is of another rate, or a sound comes out not finite.
    """
    if pipe.sampling_rate != SAMPLING_RATE:
        raise ValueError(f"Expected a model of {SAMPLING_RATE} Hz, got one of {pipe.sampling_rate} Hz.")
    num_samples, hop = waveforms[0].shape[0], pipe.hop_length * pipe.latent_hop
    padded = math.ceil(num_samples / hop) * hop
    encoder, rebuilt = LatentEncoder(pipe.vae), []
    for first in range(0, len(waveforms), batch_size):
        batch = torch.stack(
            [crop_or_pad(waveform, padded, 0, 0) for waveform in waveforms[first : first + batch_size]]
        )
        with torch.no_grad():
            _, latents = encoder.mels_and_latents(unit(batch))
            mels = pipe.vae.decode((latents / pipe.vae.config.scaling_factor).to(pipe.vae.dtype)).sample
            sounds = pipe.vocoder(mels.to(pipe.vocoder.dtype))[..., :num_samples].float().cpu()
        if not torch.isfinite(sounds).all():
            raise ValueError("The autoencoder and vocoder turn references into NaN or infinite samples.")
        rebuilt += list(sounds)
    return rebuilt


def describe_pipeline(name, pipe):
    r"""`dict`: What results record of a pipeline that makes sounds, and what the options call it."""
    return {
        "model": str(name),
        "fingerprint": pipeline_fingerprint(pipe),
        "scheduler": type(pipe.scheduler).__name__,
        "dtype": str(pipe.dtype).removeprefix("torch."),
        "device": str(pipe.device),
    }


def pipeline_fingerprint(pipe):
    r"""Hash of what a pipeline computes: of its networks, its scheduler's settings and its fades."""
    networks = {
        name: module_fingerprint(component)
        for name, component in pipe.components.items()
        if isinstance(component, torch.nn.Module)
    }
    config = {name: value for name, value in pipe.scheduler.config.items() if not name.startswith("_")}
    return digest(networks, type(pipe.scheduler).__name__, config, pipe.config.fade_s)


def save_sounds(folder, sounds, captions):
    r"""
    Keep sounds as a captioned folder, which `audiolcm evaluate --generated` and `--dataset` read. It appears when it
    is complete.

    Args:
        folder (`Path`): Where to. It does not exist yet.
        sounds (`Sequence[torch.Tensor]` of shape `(samples,)`): int16 at 16 kHz.
        captions (`Sequence[str]`): Of each sound.
    """
    temporary = folder.with_name(f".{folder.name}-unfinished")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    names = [f"{index:05d}-{slug(caption)}.wav" for index, caption in enumerate(captions)]
    for name, sound in zip(names, sounds):
        write_audio(temporary / name, unit(sound), SAMPLING_RATE)
    with (temporary / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("file_name", "caption"), *zip(names, captions)])
    temporary.rename(folder)

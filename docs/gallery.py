# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Make the pictures and samples that README and model card show, with the embedded model and its teacher.

    python docs/gallery.py [DATA/validation ...]

With folders of recordings, a picture of sounds beside real ones of the same captions, too.
"""

import sys
from pathlib import Path

import torch
from PIL import Image

from audiolcm_diffusers import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT, AudioLCMPipeline, log_mel_spectrogram
from audiolcm_diffusers.audio.io import slug, write_audio
from audiolcm_diffusers.audio.plots import plot_mels
from audiolcm_diffusers.data.captioned_audio import load_clips, unit


ROOT = Path(__file__).parents[1]
PROMPTS = (
    "a dog barking",
    "rain falling",
    "sea waves",
    "a baby crying",
    "a clock ticking",
    "a person sneezing",
    "a helicopter",
    "a chainsaw",
    "a rooster crowing",
    "a fire crackling",
    "birds chirping",
    "a cat meowing",
    "thunder rumbling",
    "a river flowing",
    "a door slamming",
    "footsteps",
    "a train passing",
    "a bell ringing",
    "an explosion",
    "steam hissing",
)
MUSIC = (
    "slow piano music",
    "drums, 120 bpm",
    "a guitar strum",
    "an orchestra playing",
    "a church organ",
    "electronic dance music",
)
SHOWN = "a dog barking"


def sound(pipe, prompt, **options):
    """A sound of a prompt, always from the same noise."""
    audio = pipe(prompt, generator=torch.Generator().manual_seed(0), output_type="pt", **options).audios
    return audio.float().cpu()


def main():
    student, teacher = (
        AudioLCMPipeline.from_pretrained(folder, dtype=torch.float32)
        for folder in (MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT)
    )
    student.set_progress_bar_config(disable=True)
    rows = [(f"{steps} step{'s' if steps > 1 else ''}", student, steps) for steps in (1, 2, 4)]
    rows.append(("the teacher, 100 steps", teacher, 100))
    mels = [log_mel_spectrogram(sound(pipe, SHOWN, num_inference_steps=steps))[0] for _, pipe, steps in rows]
    plot(ROOT / "docs/steps.png", mels, captions=[f"{SHOWN}: {name}" for name, _, _ in rows])

    samples = ROOT / "model_cards/samples"
    samples.mkdir(exist_ok=True)
    for leftover in samples.glob("*.ogg"):
        leftover.unlink()
    sounds = {prompt: sound(student, prompt)[0] for prompt in (*PROMPTS, *MUSIC)}
    for prompt, waveform in sounds.items():
        write_audio(samples / f"{slug(prompt)}.ogg", waveform, student.sampling_rate)
    mels = [log_mel_spectrogram(waveform[None])[0] for waveform in sounds.values()]
    plot(samples / "mels.png", mels, captions=list(sounds))
    if len(sys.argv) > 1:
        plot_beside_real(student, sys.argv[1:], samples / "beside_real.png")


def plot(path, mels, captions, **options):
    """A picture of 128 colours: a third of the size."""
    plot_mels(path, mels, captions=captions, **options)
    Image.open(path).quantize(128).save(path, optimize=True)


def plot_beside_real(pipe, folders, path):
    """Twelve captions: a recording, and what the model makes of its caption, as long."""
    clips = {}
    for folder in folders:
        clips |= {clip.caption: clip for clip in reversed(load_clips(folder)) if len(clip.waveform) >= 32000}
    captions = sorted(clips)[:: max(1, len(clips) // 12)][:12]
    mels, names = [], []
    for caption in captions:
        real = unit(clips[caption].waveform)[None, : 5 * pipe.sampling_rate]
        made = sound(pipe, caption, audio_length_in_s=real.shape[1] / pipe.sampling_rate)
        mels += [log_mel_spectrogram(waveforms)[0] for waveforms in (real, made)]
        names += [f"{caption}: recorded", "made"]
    plot(path, mels, names, columns=2)


if __name__ == "__main__":
    main()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Make the pictures and samples that README and model card show, with the embedded model and its teacher.

    python docs/gallery.py
"""

from pathlib import Path

import torch

from audiolcm_diffusers import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT, AudioLCMPipeline, log_mel_spectrogram
from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.audio.plots import plot_mels


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
    plot_mels(ROOT / "docs/steps.png", mels, captions=[f"{SHOWN}: {name}" for name, _, _ in rows])

    samples = ROOT / "model_cards/samples"
    samples.mkdir(exist_ok=True)
    sounds = {prompt: sound(student, prompt)[0] for prompt in PROMPTS}
    for prompt, waveform in sounds.items():
        write_audio(samples / f"{prompt.replace(' ', '_')}.ogg", waveform, student.sampling_rate)
    mels = [log_mel_spectrogram(waveform[None])[0] for waveform in sounds.values()]
    plot_mels(samples / "mels.png", mels, captions=list(sounds))


if __name__ == "__main__":
    main()

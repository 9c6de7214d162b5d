# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""From MIDI to a clip of sound, by the program fluidsynth."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from audiolcm_diffusers.audio.io import resample


DEFAULT_SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
PACKAGES = "On Debian and Ubuntu: `apt-get install fluidsynth fluid-soundfont-gm`."
# The soundfont's samples have 44.1 kHz: what is rendered at less folds their highest notes back.
RENDER_RATE, SAMPLING_RATE = 48000, 16000
TIMEOUT_S = 120
# Loudness of clips, as of other recordings of music; peaks stay below full scale after Vorbis, too.
RMS, MAX_PEAK = 0.1, 0.89
# What comes before the music has this part of its peak is silence, but for a moment that is kept.
SILENCE, KEPT_S = 0.01, 0.005
FADE_IN_S, FADE_OUT_S = 0.002, 0.15


def check_renderer(soundfont):
    r"""
    Refuse to begin without the program and the soundfont.

    Args:
        soundfont (`str`): An SF2 file.

    Raises:
        RuntimeError: If fluidsynth is not on the path; the message names the packages.
        ValueError: If there is no such soundfont, or the file is none.
    """
    if shutil.which("fluidsynth") is None:
        raise RuntimeError(f"The program fluidsynth is not installed. {PACKAGES}")
    if not Path(soundfont).is_file():
        raise ValueError(f"There is no soundfont {str(soundfont)!r}. {PACKAGES}")
    with Path(soundfont).open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise ValueError(f"{str(soundfont)!r} is no SF2 file: it begins with {head!r}.")


def synthesize(midi, soundfont, room_size=0.2):
    r"""
    Play a MIDI file.

    Args:
        midi (`bytes`): A Standard MIDI File.
        soundfont (`str`): An SF2 file.
        room_size (`float`, defaults to 0.2): Of the reverb, from 0 to 1.

    Returns:
        `torch.Tensor` of shape `(samples,)`: float32, 16 kHz, not normalised, until the file's last event.

    Raises:
        RuntimeError: If fluidsynth fails, with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="render-music-") as folder:
        source, target = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        source.write_bytes(midi)
        settings = ("synth.dynamic-sample-loading=1", "synth.lock-memory=0", f"synth.reverb.room-size={room_size}")
        # Without a soundfont that it can read, fluidsynth would play another one, and say nothing.
        settings += (f"synth.default-soundfont={Path(folder, 'none.sf2')}",)
        command = ["fluidsynth", "-ni", "-q", "-C", "0", "-R", "1", "-g", "0.3", "-r", str(RENDER_RATE)]
        command += [word for setting in settings for word in ("-o", setting)]
        command += ["-T", "wav", "-O", "float", "-F", str(target), str(soundfont), str(source)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
        if result.returncode or not target.is_file():
            raise RuntimeError(f"fluidsynth failed with status {result.returncode}: {result.stderr.strip()[-500:]}")
        samples, _ = soundfile.read(target, dtype="float32", always_2d=True)
    return resample(torch.from_numpy(samples).mean(dim=1), RENDER_RATE, SAMPLING_RATE)


def clip_of(waveform, duration_s):
    r"""
    Cut and level a rendered piece: no silence before it, a fade at its end, a loudness as of other recordings.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): At 16 kHz, longer than the clip.
        duration_s (`float`): Length of the clip.

    Returns:
        `torch.Tensor` of shape `(round(16000 * duration_s),)`: No sample beyond 0.89.

    Raises:
        ValueError: If the piece is silent, not finite or too short.
    """
    if not torch.isfinite(waveform).all() or not float(waveform.abs().max()) > 1e-4:
        raise ValueError(
            "The piece is silent or holds values that are not finite: the soundfont may lack the instrument."
        )
    heard = torch.nonzero(waveform.abs() > SILENCE * waveform.abs().max())
    start = max(0, int(heard[0]) - round(KEPT_S * SAMPLING_RATE))
    size = round(duration_s * SAMPLING_RATE)
    clip = waveform[start : start + size].clone()
    if len(clip) < size:
        raise ValueError(f"Expected {duration_s} s of sound, got {len(clip) / SAMPLING_RATE:.2f} s.")
    # Rendered sound has an offset at times, which is no sound.
    clip -= clip.mean()
    fade_in, fade_out = round(FADE_IN_S * SAMPLING_RATE), round(FADE_OUT_S * SAMPLING_RATE)
    clip[:fade_in] *= torch.linspace(0, 1, fade_in)
    clip[-fade_out:] *= torch.from_numpy(np.cos(np.linspace(0, np.pi / 2, fade_out)) ** 2).float()
    gain = min(RMS / float(clip.square().mean().sqrt()), MAX_PEAK / float(clip.abs().max()))
    return clip * gain

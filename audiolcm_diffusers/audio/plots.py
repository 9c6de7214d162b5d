# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Pictures of mel spectrograms, alone or side by side."""

import math
from bisect import bisect_right
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

from ..files import replacing
from .mel import LOG_FLOOR, log_mel_spectrogram


# Loudness runs from digital silence, -5, to what loud recordings reach. It is the same in all pictures, so that they
# can be compared.
SILENCE, LOUD = math.log10(LOG_FLOOR), 0.5
# Dark to light with steadily growing lightness, so that it also reads in grey: (position, red, green, blue).
COLOURS = (
    (0.0, 8, 8, 24),
    (0.25, 60, 22, 105),
    (0.5, 158, 48, 110),
    (0.75, 238, 116, 66),
    (1.0, 252, 240, 180),
)
FREQUENCY_TICKS = {500: "500", 1000: "1k", 2000: "2k", 4000: "4k"}

PLOT_WIDTH, PLOT_HEIGHT = 480, 160
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 30, 40
TICK, FONT_SIZE = 5, 13
# More grid cells than this in a row are too wide to look at.
MAX_COLUMNS = 3


def time_ticks(duration_s, most=8):
    r"""
    Round times to label on an axis from 0 to `duration_s`.

    Args:
        duration_s (`float`): Length of the axis in seconds, above 0.
        most (`int`, defaults to 8): Intervals that the ticks divide the axis into at most.

    Returns:
        `list[float]`: Multiples of 1, 2 or 5 times a power of ten, from 0 on.
    """
    least_step = duration_s / most
    magnitude = 10.0 ** math.floor(math.log10(least_step))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= least_step * (1 - 1e-9))
    return [index * step for index in range(int(duration_s / step + 1e-9) + 1)]


def frequency_position(frequency, num_mel_bins=80, max_frequency=8000.0):
    r"""
    Where a frequency stands among the mel bins.

    The filters' edges and centres divide the mel scale from 0 Hz to `max_frequency` evenly: bin `i` has its centre at
    `(i + 1) / (num_mel_bins + 1)` of it, and bin `i` is drawn from `i` to `i + 1`.

    Args:
        frequency (`float`): In Hz.
        num_mel_bins (`int`, defaults to 80): Bins of the spectrogram.
        max_frequency (`float`, defaults to 8000.0): Upper edge of the last filter, in Hz.

    Returns:
        `float`: In bins from the lowest bin's lower side.
    """
    from transformers.audio_utils import hertz_to_mel  # imported late, as in mel.py

    share = hertz_to_mel(frequency, mel_scale="slaney") / hertz_to_mel(max_frequency, mel_scale="slaney")
    return float(share) * (num_mel_bins + 1) - 0.5


def mel_of_waveform(waveform):
    r"""
    Log-mel spectrogram of one sound at 16 kHz; what is shorter than an analysis window is padded with silence.

    Args:
        waveform (`torch.Tensor` or `numpy.ndarray` of shape `(samples,)`): Samples in `[-1, 1]`.

    Returns:
        `torch.Tensor` of shape `(80, frames)`, 62.5 frames a second.
    """
    waveform = torch.as_tensor(waveform).to("cpu", torch.float32)
    missing = max(0, 1024 - waveform.shape[-1])
    return log_mel_spectrogram(F.pad(waveform, (0, missing))[None])[0]


def plot_mels(path, mels, captions=None, columns=None, frames_per_second=62.5):
    r"""
    Draw log-mel spectrograms into a PNG, which is written whole or not at all.

    Args:
        path (`str` or `Path`): Ends in `.png`. Its folder exists.
        mels, captions, columns, frames_per_second: As of [`draw_mels`].

    Raises:
        ValueError: If the suffix is not `.png`, or they cannot be drawn.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"Expected a file name ending in .png, got {str(path)!r}.")
    picture = draw_mels(mels, captions, columns, frames_per_second)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def draw_mels(mels, captions=None, columns=None, frames_per_second=62.5):
    r"""
    Draw log-mel spectrograms: one, or several in a grid on one time scale.

    Time runs to the right in seconds, frequency upwards in Hz on the mel scale. Colours mean the same in every
    picture.

    Args:
        mels (`list[torch.Tensor]` of shape `(bins, frames)`):
            As [`log_mel_spectrogram`] makes them, from -5 (silence) upwards.
        captions (`list[str]`, *optional*): A line above each; cut where it is wider than its spectrogram.
        columns (`int`, *optional*): Pictures in a row; by default up to three.
        frames_per_second (`float`, defaults to 62.5): Time scale of the spectrograms.

    Returns:
        `PIL.Image.Image`.

    Raises:
        ValueError: If there is no spectrogram, one has no frames or the wrong number of dimensions, is NaN or
            infinite, or the number of captions differs from that of the spectrograms.
    """
    mels = [torch.as_tensor(mel).detach().to("cpu", torch.float32) for mel in mels]
    if not mels:
        raise ValueError("Expected at least one spectrogram to draw, got none.")
    for mel in mels:
        if mel.ndim != 2 or mel.numel() == 0:
            raise ValueError(f"Expected spectrograms of shape (bins, frames), got {tuple(mel.shape)}.")
        if not torch.isfinite(mel).all():
            raise ValueError("A spectrogram to draw holds NaN or infinite values.")
    if captions is not None and len(captions) != len(mels):
        raise ValueError(f"Expected {len(mels)} captions, one a spectrogram, got {len(captions)}: {captions!r}.")
    columns = min(len(mels), MAX_COLUMNS) if columns is None else columns
    if columns < 1:
        raise ValueError(f"Expected columns >= 1, got {columns}.")

    longest = max(mel.shape[1] for mel in mels)
    cell_width, cell_height = LEFT + PLOT_WIDTH + RIGHT, TOP + PLOT_HEIGHT + BOTTOM
    size = (columns * cell_width, math.ceil(len(mels) / columns) * cell_height)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(FONT_SIZE)

    for index, mel in enumerate(mels):
        num_bins, num_frames = mel.shape
        left = (index % columns) * cell_width + LEFT
        top = (index // columns) * cell_height + TOP
        width, bottom = max(1, round(PLOT_WIDTH * num_frames / longest)), top + PLOT_HEIGHT
        picture.paste(_colour(mel).resize((width, PLOT_HEIGHT), Image.Resampling.BILINEAR), (left, top))
        draw.rectangle((left - 1, top - 1, left + width, bottom), outline="black")

        for frequency, label in FREQUENCY_TICKS.items():
            y = bottom - PLOT_HEIGHT * frequency_position(frequency, num_bins) / num_bins
            draw.line((left - TICK, y, left - 1, y), fill="black")
            draw.text((left - TICK - 3, y), label, fill="black", font=font, anchor="rm")
        draw.text((left - TICK - 3, top - 8), "Hz", fill="black", font=font, anchor="rm")

        duration_s = num_frames / frames_per_second
        most = max(1, 8 * width // PLOT_WIDTH)
        for time_s in time_ticks(duration_s, most):
            x = left + (width - 1) * time_s / duration_s
            draw.line((x, bottom, x, bottom + TICK), fill="black")
            draw.text((x, bottom + TICK + 3), f"{time_s:g}", fill="black", font=font, anchor="mt")
        draw.text((left + width, bottom + TICK + 18), "s", fill="black", font=font, anchor="rt")

        if captions is not None:
            caption = _fit(captions[index], PLOT_WIDTH, font)
            draw.text((left, top - 8), caption, fill="black", font=font, anchor="lb")
    return picture


def _colour(mel):
    """A spectrogram as an image with a pixel a value, low frequencies at the bottom."""
    shares = ((mel - SILENCE) / (LOUD - SILENCE)).clamp(0.0, 1.0).flip(0).numpy()
    positions, *channels = zip(*COLOURS)
    pixels = np.stack([np.interp(shares, positions, channel) for channel in channels], axis=-1)
    return Image.fromarray(pixels.round().astype(np.uint8))


def _fit(caption, width, font):
    """Cut a caption to a width in pixels; an ellipsis says that it was cut."""
    caption = " ".join(caption.split())
    if font.getlength(caption) <= width:
        return caption
    # A few measurements, because each takes as long as the caption.
    kept = bisect_right(range(len(caption)), width, key=lambda length: font.getlength(caption[:length] + "…")) - 1
    return caption[: max(kept, 0)].rstrip() + "…"

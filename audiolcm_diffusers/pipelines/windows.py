# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Latents that are longer than a model was trained for, or that meet at their ends: denoised in windows that overlap.

As in MultiDiffusion (Bar-Tal et al., arXiv:2302.08113), the windows share one set of latents, and what the network
predicts is joined in each step, so that all of the sound is denoised together. Two things are different, because a
student takes two steps where MultiDiffusion takes fifty. Predictions of neighbours are blended in the middle of their
overlap alone: a mean of two predictions that differ, over seconds, is a blurred sound, and few steps do not sharpen it
again. What lies around the middle is context, which lets both predictions agree there. And the borders move by half a
window from step to step, so that no place is a border twice running. The noise that all begin with is made so that
they begin alike: see [`steady_noise`].
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


# Of an overlap, the part in which two windows are blended; the rest is context of either.
BLENDED_SHARE = 0.25
# Up to so many windows are of one length; of more, the shortest is so much of the longest.
_REGULAR, _SHORTEST = 3, 0.7


@dataclass(frozen=True)
class Window:
    r"""
    A part of the latents that the network sees at once.

    Args:
        start (`int`): First frame. In a loop it may be below 0.
        weights (`torch.Tensor` of shape `(num_frames,)`):
            How much its prediction counts. Over all windows, the weights of a frame add up to 1.
    """

    start: int
    weights: torch.Tensor

    @property
    def stop(self) -> int:
        r"""`int`: Frame behind the last one; in a loop it may lie behind the end."""
        return self.start + len(self.weights)

    def shows(self, marked: torch.Tensor) -> bool:
        r"""Whether any of the frames that its prediction counts for is marked, of `(latent_frames,)` booleans."""
        places = torch.arange(self.start, self.stop)[self.weights > 0] % len(marked)
        return bool(marked[places.to(marked.device)].any())


def plan_windows(
    num_frames: int, window: int, overlap: int, is_shifted: bool = False, is_loop: bool = False
) -> list[Window]:
    r"""
    Cover a sound with windows. Of many, no two are alike long: what windows do at their ends is never the same after
    the same time.

    Args:
        num_frames (`int`): Latent frames of the sound.
        window (`int`): Latent frames of a window at most; more than `overlap`.
        overlap (`int`): Latent frames that two neighbours share.
        is_shifted (`bool`, defaults to `False`): Whether borders lie in the middle of where they would lie otherwise.
        is_loop (`bool`, defaults to `False`): Whether the first frame follows on the last one.

    Returns:
        `list[Window]`: In order; one without overlap where the sound fits.

    Raises:
        ValueError: If the overlap leaves nothing of a window, or a loop is shorter than it.
    """
    if not 0 <= overlap < window:
        raise ValueError(f"Expected an overlap from 0 to less than a window of {window} frames, got {overlap}.")
    if is_loop and num_frames < overlap:
        raise ValueError(
            f"Expected a loop of at least {overlap} latent frames, the overlap of its ends, got {num_frames}."
        )
    if not is_loop and num_frames <= window:
        return [Window(0, torch.ones(num_frames))]
    before, behind = overlap // 2, overlap - overlap // 2
    # Of the first borders in whole numbers, and of those in the middle between them.
    places = _steps(num_frames if is_loop else num_frames - overlap, window - overlap)
    if is_shifted:
        places = [(first + last) // 2 for first, last in zip(places, places[1:])]
    if is_loop:
        borders = [*places, places[0] + num_frames] if is_shifted else places
        ends = [(first - before, last + behind) for first, last in zip(borders, borders[1:])]
    else:
        borders = [0, *(place + before for place in (places if is_shifted else places[1:-1])), num_frames]
        ends = [
            (max(0, first - before * (first > 0)), min(num_frames, last + behind))
            for first, last in zip(borders, borders[1:])
        ]
    blend = max(1, round(overlap * BLENDED_SHARE)) if overlap else 0

    def rise(border: int, start: int, stop: int) -> torch.Tensor:
        """0 before a border and 1 behind it, linear around it."""
        places = torch.arange(start, stop, dtype=torch.float64) + 0.5 - border
        if not blend:
            return (places > 0).double()
        return (places / blend + 0.5).clamp(0.0, 1.0)

    windows = []
    for (start, stop), first, last in zip(ends, borders, borders[1:]):
        weights = torch.ones(stop - start, dtype=torch.float64)
        if is_loop or first > 0:
            weights = weights * rise(first, start, stop)
        if is_loop or last < num_frames:
            weights = weights * (1 - rise(last, start, stop))
        windows.append(Window(start, weights.float()))
    return windows


def _steps(num_frames: int, longest: int) -> list[int]:
    """0, `num_frames` and places between them, nowhere further apart than `longest`; of many, irregularly."""
    number = math.ceil(num_frames / longest)
    if number <= _REGULAR:
        return [num_frames * index // number for index in range(number + 1)]
    number = math.ceil(num_frames / (longest * (1 + _SHORTEST) / 2))
    generator = torch.Generator("cpu").manual_seed(0)
    while True:
        shares = _SHORTEST + (1 - _SHORTEST) * torch.rand(number, generator=generator, dtype=torch.float64)
        places = [0, *(shares.cumsum(0) / shares.sum() * num_frames).round().long().tolist()]
        if max(last - first for first, last in zip(places, places[1:])) <= longest:
            return places
        number += 1


def read_frames(latents: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    r"""
    Frames of a sound, in a loop around its end, too.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`): The sound.
        start, stop (`int`): First frame, and the one behind the last; in a loop below 0 or beyond the end.

    Returns:
        `torch.Tensor` of shape `(batch_size, channels, stop - start)`.
    """
    num_frames = latents.shape[-1]
    if start >= 0 and stop <= num_frames:
        return latents[..., start:stop]
    return latents[..., torch.arange(start, stop, device=latents.device) % num_frames]


def steady_noise(noise: torch.Tensor, window: int) -> torch.Tensor:
    r"""
    Noise with which all windows of a long sound begin alike.

    What a window sounds like on the whole, how loud and how bright, follows from the mean of the noise that it begins
    with: of separate windows each has its own, and a long sound made of them wanders. Here all frequencies below one
    over a window are taken out of the noise, and in their place stands a mean, one for all of the sound, with the
    variance that the mean of a window has.

    Args:
        noise (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`): Of variance 1.
        window (`int`): Latent frames of a window.

    Returns:
        `torch.Tensor` of the shape of `noise`.
    """
    num_frames = noise.shape[-1]
    spectrum = torch.fft.rfft(noise.float(), dim=-1)
    is_slow = torch.arange(spectrum.shape[-1], device=noise.device) * window < num_frames
    # The mean of so many frames is as much smaller than that of a window as its root says.
    mean = spectrum[..., :1].real / num_frames * (num_frames / window) ** 0.5
    fast = torch.fft.irfft(spectrum.masked_fill(is_slow, 0.0), n=num_frames, dim=-1)
    return (fast + mean).to(noise.dtype)


def predict_in_windows(
    predict: Callable[[torch.Tensor, int], torch.Tensor], latents: torch.Tensor, windows: Sequence[Window]
) -> torch.Tensor:
    r"""
    Let a network predict window by window, in the memory that one of them takes, and join what it says.

    Args:
        predict (`Callable[[torch.Tensor, int], torch.Tensor]`):
            Given what a window shows, and its number, returns a prediction of that shape.
        latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`): The sound.
        windows (`Sequence[Window]`): From [`plan_windows`].

    Returns:
        `torch.Tensor` of the shape of `latents`.
    """
    if len(windows) == 1 and len(windows[0].weights) == latents.shape[-1]:
        return predict(latents, 0)
    joined, num_frames = None, latents.shape[-1]
    for number, window in enumerate(windows):
        part = predict(read_frames(latents, window.start, window.stop), number)
        part = part * window.weights.to(part)
        if joined is None:
            joined = part.new_zeros(latents.shape)
        places = torch.arange(window.start, window.stop, device=part.device) % num_frames
        # One frame may be in a window of a short loop twice, which an assignment would count once.
        joined.index_add_(-1, places, part)
    return joined

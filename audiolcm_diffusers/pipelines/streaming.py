# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Latents of a long sound that are made when they are asked for, to the last bit those that all at once would be."""

from collections.abc import Callable, Sequence

import torch

from .windows import Window, read_frames


class LatentFront:
    r"""
    The steps of a consistency model, each done as far as the next one needs it.

    A step needs, around a place, what the step before it made of the windows there. Its own prediction for a place is
    complete once the windows that show it have been predicted. So each step goes on window by window, behind the step
    before it, and the first seconds of a sound are clean long before the last ones are begun.

    Args:
        latents (`torch.Tensor` of shape `(batch_size, channels, latent_frames)`): Noise.
        windows (`Sequence[Sequence[Window]]`): Those of each step, in order.
        predict (`Callable[[torch.Tensor, int, int], torch.Tensor]`):
            Given what a window shows, the number of the step and that of the window, returns the network's prediction.
        step (`Callable[[torch.Tensor, int, torch.Tensor, slice], torch.Tensor]`):
            Given a prediction for some frames, the number of the step, the latents there and the frames, returns the
            latents after the step. Frame by frame, so that it makes no difference how many there are.
    """

    def __init__(
        self,
        latents: torch.Tensor,
        windows: Sequence[Sequence[Window]],
        predict: Callable[[torch.Tensor, int, int], torch.Tensor],
        step: Callable[[torch.Tensor, int, torch.Tensor, slice], torch.Tensor],
    ):
        self._windows, self._predict, self._step = windows, predict, step
        self._num_frames = latents.shape[-1]
        # Latents before each step and after the last one, how many of their frames are done, and windows predicted.
        self._latents = [latents, *(torch.zeros_like(latents) for _ in windows)]
        self._done = [self._num_frames, *(0 for _ in windows)]
        self._joined = [torch.zeros_like(latents) for _ in windows]
        self._next = [0 for _ in windows]

    def read(self, start: int, stop: int) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(batch_size, channels, stop - start)`: Clean latents."""
        self._ensure(len(self._windows), stop)
        return self._latents[-1][..., start:stop]

    def _ensure(self, level: int, stop: int) -> None:
        """Take the step to `level` as far as frame `stop`."""
        index = level - 1
        while self._done[level] < stop:
            windows, number = self._windows[index], self._next[index]
            window = windows[number]
            self._ensure(index, window.stop)
            part = self._predict(read_frames(self._latents[index], window.start, window.stop), index, number)
            self._joined[index][..., window.start : window.stop] += part * window.weights.to(part)
            self._next[index] += 1
            is_last = number + 1 == len(windows)
            frames = slice(self._done[level], self._num_frames if is_last else windows[number + 1].start)
            self._latents[level][..., frames] = self._step(
                self._joined[index][..., frames], index, self._latents[index][..., frames], frames
            )
            self._done[level] = frames.stop

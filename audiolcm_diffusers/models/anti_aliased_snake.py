# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
The anti-aliased periodic activation of BigVGAN (arXiv:2206.04658), in three orders of work.

The plain one follows the definition: filter, activation, filter, each a pass over memory. Where Numba is installed,
sound is made by one loop on CPUs (`snake_on_cpus.py`). Else there, and in training, [`in_frames`] makes sixteen
samples of the output at once from the twenty-six of the input that they depend on: both filters are then small
matrices, which a product applies, and what lies between them stays in the cache. On CUDA one kernel does the same
(`snake_on_gpus.py`), but for training. The first and the last samples, for which the definition repeats values at the
border, are made by the plain one.
"""

import functools
import importlib.util
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.utils import logging


logger = logging.get_logger(__name__)

SNAKE_EPS = 1e-9
FILTER_SIZE = 12
# Output samples of a frame; the input that they depend on; and the samples at twice the rate in between.
FRAME, SEEN, BETWEEN = 16, 26, 42
# Output samples at either end that depend on the border.
EDGE = 5
# What is worked on at once, in samples of the input a thread: it fits the cache of a core.
SAMPLES_AT_ONCE = 2**15


def kaiser_sinc_filter(kernel_size=FILTER_SIZE, cutoff=0.25, half_width=0.3):
    r"""
    Low-pass filter: a windowed sinc with a non-periodic Kaiser window, normalised to sum 1.

    The window's beta follows Kaiser's rule from the attenuation in dB,
    `A = 2.285 (kernel_size / 2 - 1) π 4 half_width + 7.95`: `0.1102 (A - 8.7)` above 50 dB,
    `0.5842 (A - 21)^0.4 + 0.07886 (A - 21)` from 21 dB, 0 below.

    Args:
        kernel_size (`int`, defaults to 12): Even number of taps.
        cutoff (`float`, defaults to 0.25): Cutoff as a fraction of the sampling rate, in `(0, 0.5]`.
        half_width (`float`, defaults to 0.3): Half the width of the transition band, as such a fraction.

    Returns:
        `torch.Tensor` of shape `(kernel_size,)`: The taps, float32.
    """
    attenuation = 2.285 * (kernel_size // 2 - 1) * math.pi * 4 * half_width + 7.95
    if attenuation > 50.0:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation >= 21.0:
        beta = 0.5842 * (attenuation - 21.0) ** 0.4 + 0.07886 * (attenuation - 21.0)
    else:
        beta = 0.0
    window = torch.kaiser_window(kernel_size, periodic=False, beta=beta, dtype=torch.float32)
    positions = torch.arange(kernel_size, dtype=torch.float32) - (kernel_size - 1) / 2
    taps = 2 * cutoff * window * torch.sinc(2 * cutoff * positions)
    return taps / taps.sum()


def plain_activation(hidden_states, taps, frequency, inverse_amplitude):
    r"""
    Upsample ×2, `x + sin²(frequency x) inverse_amplitude`, downsample ×2, as it is defined.

    Args:
        hidden_states (`torch.Tensor` of shape `(batch_size, channels, samples)`): Any number of samples.
        taps (`torch.Tensor` of shape `(12,)`): Of both filters, [`kaiser_sinc_filter`].
        frequency, inverse_amplitude (`torch.Tensor` of shape `(channels,)`): Of each channel.

    Returns:
        `torch.Tensor` of the shape of `hidden_states`.
    """
    channels = hidden_states.shape[1]
    taps = taps.to(hidden_states.dtype).expand(channels, 1, -1)
    hidden_states = F.pad(hidden_states, (5, 5), mode="replicate")
    hidden_states = 2 * F.conv_transpose1d(hidden_states, taps, stride=2, groups=channels)
    hidden_states = hidden_states[..., 15:-15]
    wave = torch.sin(frequency[:, None] * hidden_states)
    hidden_states = torch.addcmul(hidden_states, wave * wave, inverse_amplitude[:, None])
    hidden_states = F.pad(hidden_states, (5, 6), mode="replicate")
    return F.conv1d(hidden_states, taps, stride=2, groups=channels)


def frame_filters(taps):
    r"""
    Both filters as matrices, for a frame far from the border.

    Sample `n` at twice the rate is `2 Σ_j taps[n + 5 - 2 j] x[j]`, and output `t` is `Σ_k taps[k] s[2 t + k - 5]`.
    Frames begin at output `t`, with input from `t - 5` and samples between from `2 t - 5`.

    Args:
        taps (`torch.Tensor` of shape `(12,)`): See [`plain_activation`].

    Returns:
        `tuple[torch.Tensor, torch.Tensor]` of shapes `(26, 42)` and `(42, 16)`.
    """
    padded = F.pad(taps, (0, 1))
    seen, between, made = (torch.arange(number, device=taps.device) for number in (SEEN, BETWEEN, FRAME))

    def of(places):
        return padded[torch.where((places >= 0) & (places < FILTER_SIZE), places, FILTER_SIZE)]

    up = 2 * of(between[None, :] - 2 * seen[:, None] + 2 * EDGE)
    return up, of(between[:, None] - 2 * made[None, :])


class _Frames(torch.autograd.Function):
    """
    Whole frames of the output, in blocks that fit the cache, between ends that are left open. What is kept for the
    gradient is the input alone.
    """

    @staticmethod
    def forward(ctx, rows, frequency, inverse_amplitude, taps):
        ctx.save_for_backward(rows, frequency, inverse_amplitude, taps)
        up, down = frame_filters(taps)
        num_frames = _num_frames(rows.shape[1])
        result = torch.empty_like(rows)
        made = result[:, EDGE : EDGE + num_frames * FRAME].unflatten(1, (num_frames, FRAME))
        # sin²(a u) = (1 - cos(2 a u)) / 2, of which the constant passes the second filter.
        twice, half = 2 * frequency[:, None, None], inverse_amplitude[:, None, None] / 2
        passed = half * taps.sum()
        scratch = None
        for block, frames in _blocks(len(rows), num_frames):
            between = _times(_seen(rows, block, frames), up)
            if scratch is None or scratch.shape != between.shape:
                scratch = torch.empty_like(between)
            wave = torch.mul(between, twice[block], out=scratch).cos_()
            between.addcmul_(wave, half[block], value=-1)
            torch.add(_times(between, down), passed[block], out=made[block, frames])
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        rows, frequency, inverse_amplitude, taps = ctx.saved_tensors
        up, down = frame_filters(taps)
        num_frames = _num_frames(rows.shape[1])
        gradient = gradient[:, EDGE : EDGE + num_frames * FRAME].unflatten(1, (num_frames, FRAME))
        of_rows = torch.zeros_like(rows)
        of_frequency, of_inverse = torch.zeros_like(frequency), torch.zeros_like(inverse_amplitude)
        for block, frames in _blocks(len(rows), num_frames):
            between = _times(_seen(rows, block, frames), up)
            twice = between * (2 * frequency[block, None, None])
            of_between = _times(gradient[block, frames], down.T)
            # With s = u + b sin²(a u): ds/du = 1 + a b sin(2 a u), ds/da = b u sin(2 a u), ds/db = sin²(a u).
            swing = of_between * twice.sin()
            of_inverse[block] += (of_between * (1 - twice.cos_())).sum(dim=(1, 2)) / 2
            of_frequency[block] += inverse_amplitude[block] * (swing * between).sum(dim=(1, 2))
            of_between.addcmul_(swing, (frequency * inverse_amplitude)[block, None, None])
            of_seen = _times(of_between, up.T)
            # Frames see what their neighbours see.
            first = frames.start * FRAME
            for part in range(-(-SEEN // FRAME)):
                piece = of_seen[..., part * FRAME : (part + 1) * FRAME]
                start = first + part * FRAME
                room = of_rows[block, start : start + piece.shape[1] * FRAME]
                full = F.pad(piece, (0, FRAME - piece.shape[-1])).flatten(1)
                room += full[:, : room.shape[1]]
        return of_rows, of_frequency, of_inverse, None


def _blocks(num_rows, num_frames):
    """Rows and frames that are worked on at once."""
    at_once = max(1, SAMPLES_AT_ONCE * torch.get_num_threads() // FRAME)
    frames_at_once = min(num_frames, at_once)
    rows_at_once = max(1, at_once // frames_at_once)
    for row in range(0, num_rows, rows_at_once):
        for frame in range(0, num_frames, frames_at_once):
            yield (
                slice(row, min(row + rows_at_once, num_rows)),
                slice(frame, min(frame + frames_at_once, num_frames)),
            )


def _times(frames, matrix):
    # One product: torch makes one a row where the rows of frames overlap.
    return (frames.reshape(-1, frames.shape[-1]) @ matrix).view(*frames.shape[:-1], -1)


def _num_frames(samples):
    return (samples - 2 * EDGE) // FRAME


def _seen(rows, block, frames):
    """What frames see of the input, `(rows, frames, 26)`."""
    return rows[block, frames.start * FRAME : (frames.stop - 1) * FRAME + SEEN].unfold(1, SEEN, FRAME)


def fused_activation(hidden_states, taps, frequency, inverse_amplitude):
    r"""
    What [`plain_activation`] computes, equal to 1e-5, in one pass over memory; at least in float32. On a CPU always,
    elsewhere where a compiler makes a kernel of it and no gradient is asked for; else it is the definition.

    Args: see [`plain_activation`].

    Returns:
        `torch.Tensor` of the shape and type of `hidden_states`.
    """
    dtype, device_type = hidden_states.dtype, hidden_states.device.type
    wide = torch.promote_types(dtype, torch.float32)
    parameters = taps.to(wide), frequency.to(wide), inverse_amplitude.to(wide)
    is_trained = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (hidden_states, frequency, inverse_amplitude)
    )
    compiled = None if is_trained or wide != torch.float32 else compiled_for(device_type)
    if compiled is not None:
        return compiled(hidden_states.detach(), *(parameter.detach() for parameter in parameters))
    if device_type == "cpu":
        return in_frames(hidden_states.to(wide), *parameters).to(dtype)
    # Many small products keep a core's cache warm, and other devices waiting.
    return plain_activation(hidden_states, taps, frequency, inverse_amplitude)


@functools.cache
def compiled_for(device_type):
    r"""
    What a compiler makes of the activation, where one is installed.

    Args:
        device_type (`str`): Such as `"cpu"`.

    Returns:
        `Callable` or `None`: Of the arguments of [`plain_activation`], parameters float32, without gradients.
    """
    compiler = {"cpu": "numba", "cuda": "triton"}.get(device_type)
    if compiler is None or importlib.util.find_spec(compiler) is None:
        return None
    try:
        if device_type == "cuda":
            from .snake_on_gpus import frames_on_gpu

            return functools.partial(in_frames, make_frames=frames_on_gpu)
        from .snake_on_cpus import activate_on_cpu
    except ImportError as error:  # such as for a version of NumPy that Numba does not know yet
        logger.warning("%s cannot be used, without which activations are slower: %s", compiler, error)
        return None
    return activate_on_cpu


def in_frames(hidden_states, taps, frequency, inverse_amplitude, make_frames=None):
    r"""
    What [`plain_activation`] computes, equal to 1e-5, frame by frame.

    Args:
        hidden_states, taps, frequency, inverse_amplitude: See [`plain_activation`].
        make_frames (`Callable`, *optional*):
            Makes whole frames of `(num_rows, samples)`, as the default does, which has gradients.
    """
    batch_size, channels, samples = hidden_states.shape
    num_frames = _num_frames(samples)

    def plain(part):
        return plain_activation(part.to(taps.dtype), taps, frequency, inverse_amplitude)

    if num_frames < 2:
        return plain(hidden_states).to(hidden_states.dtype)
    # Made from what lies around them, so that the border that matters is the sound's own.
    num_last = samples - EDGE - num_frames * FRAME
    first = plain(hidden_states[..., : 2 * EDGE + 4])[..., :EDGE]
    last = plain(hidden_states[..., -(num_last + EDGE + 4) :])[..., -num_last:]
    rows = hidden_states.reshape(batch_size * channels, samples)
    with torch.autocast(rows.device.type, enabled=False):
        of_rows = (value.repeat(batch_size) for value in (frequency, inverse_amplitude))
        result = (make_frames or _Frames.apply)(rows, *of_rows, taps)
    result = result.view(batch_size, channels, samples)
    result[..., :EDGE] = first
    result[..., -num_last:] = last
    return result


class AntiAliasedSnake1D(nn.Module):
    r"""
    Periodic activation at twice the sampling rate: upsample ×2, snake, downsample ×2.

    `snake` is `x + sin²(αx) / (α + 1e-9)`, `snakebeta` is `x + sin²(αx) / (β + 1e-9)`, with α and β per channel.

    Args:
        channels (`int`): Channels of the input.
        activation (`"snake"` or `"snakebeta"`): Whether the amplitude has a parameter of its own.
        logscale (`bool`): Whether α and β are stored as logarithms.
    """

    def __init__(self, channels, activation, logscale):
        super().__init__()
        self.logscale = logscale
        self.is_fused = True
        start = torch.zeros if logscale else torch.ones
        self.alpha = nn.Parameter(start(channels))
        self.beta = nn.Parameter(start(channels)) if activation == "snakebeta" else None
        # Fixed, and no part of a checkpoint.
        self.register_buffer("filter", kaiser_sinc_filter().view(1, 1, -1), persistent=False)

    def forward(self, hidden_states):
        frequency = self.alpha
        amplitude = frequency if self.beta is None else self.beta
        if self.logscale:
            frequency, amplitude = frequency.exp(), amplitude.exp()
        activate = fused_activation if self.is_fused and not is_written_down() else plain_activation
        return activate(hidden_states, self.filter.flatten(), frequency, 1.0 / (amplitude + SNAKE_EPS))


def is_written_down():
    r"""`bool`: Whether a compiler or an exporter reads along, which takes the definition and fuses it itself."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A vocoder without anything to learn: Griffin-Lim from log-mel spectrograms."""

import math

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from ..audio.levels import limit_peaks
from ..audio.mel import HOP_LENGTH, check_mel, mel_filters
from ..audio.overlap import overlap_add
from ..loaders.complete import CompleteWeightsMixin
from .fourier import ComplexFourier
from .full_precision import without_autocast


# Below every magnitude that a log-mel spectrogram tells from silence.
_TINY = 1e-9

# Frames after which the phases that a sound starts from repeat: more than a minute at 62.5 frames a second.
_DRAWN_FRAMES = 4096
# Random numbers in [0, 1) are multiples of this.
_STEP = 2.0**-24


class GriffinLimVocoder(CompleteWeightsMixin, ModelMixin, ConfigMixin):
    r"""
    Finds a waveform whose log-mel spectrogram is the one given: the fast Griffin-Lim algorithm (Griffin and Lim, 1984;
    Perraudin, Balazs and Søndergaard, WASPAA 2013, algorithm 2).

    Starting from random phases, it goes back and forth between spectrum and waveform. A mel spectrogram does not say
    what the magnitudes within a band are, so that they are not fixed, as they are in the original: those of the
    waveform at hand are kept and scaled, bin by bin, with the mean ratio of wanted to present magnitude in the mel
    bands that a bin belongs to.

    There are no weights, and nothing is trained: it suits mels of any autoencoder of these settings. What it cannot
    know is phase, which is heard as a faint roughness of pure tones; [`BigVGANVocoder`], large and well trained, does
    better, small and briefly trained, does worse. It computes in float32 whatever its dtype. Its random phases are the
    same at every call, and for every sound of a batch.

    Args:
        in_channels (`int`, defaults to 80): Mel bins.
        sampling_rate (`int`, defaults to 16000): Sampling rate of the waveform in Hz.
        n_fft (`int`, defaults to 1024): Length of transform and Hann window of the mels in samples.
        hop_length (`int`, defaults to 256): Samples a mel frame, at most a quarter of `n_fft`.
        min_frequency (`float`, defaults to 0.0): Lower edge of the lowest mel filter in Hz.
        max_frequency (`float`, defaults to 8000.0): Upper edge of the highest mel filter in Hz.
        num_iterations (`int`, defaults to 32): Times that it goes back and forth; 0 keeps the random phases.
        momentum (`float`, defaults to 0.99): In [0, 1); 0 is the algorithm of 1984, which needs more iterations.

    Raises:
        ValueError: If a value is none of those above.
    """

    # What pipelines that make a waveform piece by piece ask for: see `forward`, and how far frames reach.
    takes_known_samples = True
    num_context_frames = 8

    @register_to_config
    def __init__(
        self,
        in_channels: int = 80,
        sampling_rate: int = 16000,
        n_fft: int = 1024,
        hop_length: int = HOP_LENGTH,
        min_frequency: float = 0.0,
        max_frequency: float = 8000.0,
        num_iterations: int = 32,
        momentum: float = 0.99,
    ):
        super().__init__()
        if not 0 < 4 * hop_length <= n_fft or n_fft % 2 or (n_fft - hop_length) % 2:
            raise ValueError(
                "Expected an even n_fft of at least four times hop_length, and hop_length even, got "
                f"n_fft={n_fft}, hop_length={hop_length}."
            )
        if not isinstance(num_iterations, int) or num_iterations < 0:
            raise ValueError(f"Expected num_iterations to be a whole number from 0, got {num_iterations!r}.")
        if not isinstance(in_channels, int) or in_channels < 1:
            raise ValueError(f"Expected in_channels to be a whole number from 1, got {in_channels!r}.")
        if not 0 <= min_frequency < max_frequency <= sampling_rate / 2:
            raise ValueError(
                "Expected 0 <= min_frequency < max_frequency <= sampling_rate / 2, got "
                f"min_frequency={min_frequency}, max_frequency={max_frequency}, sampling_rate={sampling_rate}."
            )
        if not 0 <= momentum < 1:
            raise ValueError(f"Expected 0 <= momentum < 1, got {momentum}.")
        # Saved, though they could be computed, and a parameter, though nothing learns them: a model of diffusers has a
        # file, a device and a dtype, and what moves models from device to device looks at their parameters.
        filters = mel_filters(sampling_rate, n_fft, in_channels, min_frequency, max_frequency)
        self.filters = torch.nn.Parameter(filters.clone(), requires_grad=False)
        self.hop_length = hop_length
        # What graphs cannot hold complex numbers in is given another one.
        self.fourier = ComplexFourier()
        # By frames first, on the CPU: a longer sound begins as a shorter one does, on any device. Whole numbers are
        # what no dtype rounds.
        generator = torch.Generator("cpu").manual_seed(0)
        turns = torch.rand(_DRAWN_FRAMES, n_fft // 2 + 1, generator=generator, device="cpu", dtype=torch.float32)
        self.register_buffer("turns", (turns / _STEP).to(torch.int32), persistent=False)
        for name, values in self._constants().items():
            self.register_buffer(name, values, persistent=False)

    def _constants(self):
        """What follows from the options, in float32 on the CPU."""
        config = self.config
        filters = mel_filters(
            config.sampling_rate, config.n_fft, config.in_channels, config.min_frequency, config.max_frequency
        )
        return {
            "bands": filters.clone(),
            "inverse": torch.linalg.pinv(filters),
            # What a bin is scaled with is an average over its bands; a bin in none of them is silent.
            "share": filters / filters.sum(dim=0).clamp(min=_TINY),
            "window": torch.hann_window(config.n_fft, device="cpu", dtype=torch.float32),
        }

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        # Computed in float32 whatever the dtype: what was cast is made anew.
        for name, values in self._constants().items():
            setattr(self, name, values.to(self.filters.device))
        return self

    def forward(
        self, mel: torch.Tensor, known: torch.Tensor | None = None, is_known: torch.Tensor | None = None
    ) -> torch.Tensor:
        r"""
        Turn log-mel spectrograms into waveforms.

        Args:
            mel (`torch.Tensor` of shape `(batch_size, in_channels, frames)`): Log10-mel spectrogram.
            known (`torch.Tensor` of shape `(batch_size, frames * hop_length)`, *optional*):
                Samples that are there already, such as the end of what came before. They are put back each time that
                the algorithm has a waveform, so that its phases go on from theirs.
            is_known (`torch.Tensor` of shape `(frames * hop_length,)`, *optional*): True where they are.

        Returns:
            `torch.Tensor` of shape `(batch_size, frames * hop_length)`: Waveforms in `(-1, 1)`, float32, lowered
            where they would be louder (see [`~audiolcm_diffusers.audio.levels.limit_peaks`]). Samples that were known
            are as they were.

        Raises:
            ValueError: If `mel` is not of the shape above or has no frames, or one of `known` and `is_known` is given
                without the other or of another shape.
        """
        check_mel(mel, self.config.in_channels)
        num_samples = mel.shape[-1] * self.hop_length
        shapes = [None if samples is None else tuple(samples.shape) for samples in (known, is_known)]
        if shapes not in ([None, None], [(mel.shape[0], num_samples), (num_samples,)]):
            raise ValueError(
                f"Expected `known` of shape ({mel.shape[0]}, {num_samples}) with `is_known` of shape "
                f"({num_samples},), got {shapes[0]} and {shapes[1]}."
            )
        # Phases do not survive half precision, and complex numbers have none on every device.
        with without_autocast(mel):
            return self._waveforms(mel.float(), known, is_known)

    def _waveforms(self, mel, known=None, is_known=None):
        n_fft, hop_length = self.config.n_fft, self.hop_length
        filters, share, window = self.bands, self.share, self.window
        wanted = 10.0**mel
        num_frames = mel.shape[-1]

        turns = self.turns[torch.arange(num_frames, device=mel.device) % _DRAWN_FRAMES].T.float() * _STEP
        phases = turns * (2 * math.pi)
        spectrum = self.fourier.polar((self.inverse @ wanted).clamp(min=0.0), phases.expand(mel.shape[0], -1, -1))

        # The window is 0 at its ends, where the first and the last frame are alone; these samples are cut off below.
        weight = overlap_add(window.square().expand(num_frames, -1), hop_length).clamp(min=_TINY)

        padding = (n_fft - hop_length) // 2
        inner_known = inner_is_known = None
        if known is not None:
            inner_known = F.pad(known.float(), (padding, padding))
            inner_is_known = F.pad(is_known, (padding, padding))

        def waveform_of(spectrum):
            waveform = overlap_add(self.fourier.frames_of(spectrum, n_fft) * window, hop_length) / weight
            return waveform if inner_known is None else torch.where(inner_is_known, inner_known, waveform)

        before = 0.0
        for _ in range(self.config.num_iterations):
            found = self.fourier.spectrum_of(waveform_of(spectrum), window, hop_length)
            magnitude = self.fourier.magnitude(found)
            magnitude = magnitude * (share.T @ (wanted / (filters @ magnitude).clamp(min=_TINY)))
            ahead = found - self.config.momentum / (1 + self.config.momentum) * before
            spectrum = ahead * (magnitude / self.fourier.magnitude(ahead).clamp(min=_TINY))
            before = found

        waveform = limit_peaks(waveform_of(spectrum)[:, padding : padding + num_frames * hop_length], hop_length)
        return waveform if known is None else torch.where(is_known, known.float(), waveform)

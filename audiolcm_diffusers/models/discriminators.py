# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Discriminators for the adversarial part of autoencoder and vocoder training. They are not part of a saved model."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm


FEATURE_MATCHING = ("relative", "absolute")


class ConvDiscriminator2D(nn.Module):
    r"""
    Weight-normalised 2-D convolutions with leaky ReLU over a picture with one channel, and one more to the scores.

    Args:
        widths (`Sequence[int]`): Channels behind each convolution but the last.
        kernel_sizes (`Sequence[tuple[int, int]]`): Of each of these, odd; the picture is padded by half of them.
        strides (`Sequence[tuple[int, int]]`): Of each of these.
        out_kernel_size (`tuple[int, int]`): Of the convolution to the scores.
    """

    def __init__(self, widths, kernel_sizes, strides, out_kernel_size=(3, 3)):
        super().__init__()
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(inner, outer, kernel, stride, padding=(kernel[0] // 2, kernel[1] // 2)))
            for inner, outer, kernel, stride in zip([1, *widths], widths, kernel_sizes, strides)
        )
        padding = (out_kernel_size[0] // 2, out_kernel_size[1] // 2)
        self.conv_out = weight_norm(nn.Conv2d(widths[-1], 1, out_kernel_size, padding=padding))

    def forward(self, pictures):
        r"""
        Args:
            pictures (`torch.Tensor` of shape `(batch_size, height, width)`).

        Returns:
            `tuple[torch.Tensor, list[torch.Tensor]]`: scores and the features of every convolution.
        """
        hidden_states, features = pictures[:, None], []
        for conv in self.convs:
            hidden_states = F.leaky_relu(conv(hidden_states), 0.1)
            features.append(hidden_states)
        return self.conv_out(hidden_states), features


class PatchDiscriminator2D(ConvDiscriminator2D):
    r"""
    Strided 2-D convolutions over a picture with one channel: a score a patch.

    Args:
        base_channels (`int`): Width of the first convolution.
        num_layers (`int`): Strided convolutions; each halves the first axis, all but the first one also the second.
    """

    def __init__(self, base_channels=32, num_layers=4):
        super().__init__(
            widths=[base_channels * min(2**layer, 4) for layer in range(num_layers)],
            kernel_sizes=[(5, 3)] * num_layers,
            strides=[(2, 1)] + [(2, 2)] * (num_layers - 1),
        )


class MultiResolutionDiscriminator(nn.Module):
    r"""
    One [`PatchDiscriminator2D`] on the magnitudes of each of several short-time Fourier transforms: a small one after
    the idea of UnivNet (arXiv:2106.07889, section 2.3), whose own are [`SpectrogramDiscriminator`].

    Args:
        resolutions (`tuple[tuple[int, int]]`): `(n_fft, hop_length)` of each.
        base_channels (`int`): Width of each discriminator.
    """

    def __init__(self, resolutions=((1024, 256), (512, 128), (256, 64)), base_channels=16):
        super().__init__()
        self.resolutions = tuple(resolutions)
        self.discriminators = nn.ModuleList(PatchDiscriminator2D(base_channels) for _ in self.resolutions)

    def forward(self, waveform):
        r"""Scores and features of `(batch_size, samples)`, a pair a resolution."""
        return [
            discriminator(stft_magnitude(waveform, n_fft, hop_length).add(1e-5).pow(0.3))
            for (n_fft, hop_length), discriminator in zip(self.resolutions, self.discriminators)
        ]


class SpectrogramDiscriminator(ConvDiscriminator2D):
    r"""
    UnivNet's discriminator of one resolution (arXiv:2106.07889, section 2.3), three of which BigVGAN takes
    (arXiv:2206.04658, section 3.1): long kernels along time over linear magnitudes, all frequencies kept.

    Args:
        n_fft (`int`): Length of the Fourier transform.
        hop_length (`int`): Samples between frames.
        win_length (`int`): Length of the Hann window.
        channels (`int`): Width of every convolution.
    """

    def __init__(self, n_fft, hop_length, win_length, channels=32):
        super().__init__(
            widths=[channels] * 5,
            kernel_sizes=[(3, 9)] * 4 + [(3, 3)],
            strides=[(1, 1)] + [(1, 2)] * 3 + [(1, 1)],
        )
        self.n_fft, self.hop_length, self.win_length = n_fft, hop_length, win_length

    def forward(self, waveform):
        r"""Scores and features of `(batch_size, samples)`."""
        return super().forward(stft_magnitude(waveform, self.n_fft, self.hop_length, self.win_length))


class PeriodDiscriminator(ConvDiscriminator2D):
    r"""
    Convolutions over the samples that lie one period apart (HiFi-GAN, arXiv:2010.05646, section 2.3).

    Args:
        period (`int`): Samples between neighbours.
        widths (`Sequence[int]`): Channels behind each convolution but the last.
        strides (`Sequence[int]`): Of each of these, along the samples.
    """

    def __init__(self, period, widths=(16, 32, 64, 64), strides=(3, 3, 3, 3)):
        super().__init__(widths, [(5, 1)] * len(widths), [(stride, 1) for stride in strides], out_kernel_size=(3, 1))
        self.period = period

    def forward(self, waveform):
        r"""Scores and features of `(batch_size, samples)`."""
        waveform = F.pad(waveform[:, None], (0, -waveform.shape[-1] % self.period), mode="reflect")
        return super().forward(waveform[:, 0].unflatten(-1, (-1, self.period)))


class MultiPeriodDiscriminator(nn.Module):
    r"""One [`PeriodDiscriminator`] for each of several prime periods; further arguments are theirs."""

    def __init__(self, periods=(2, 3, 5, 7, 11), **period_options):
        super().__init__()
        self.discriminators = nn.ModuleList(PeriodDiscriminator(period, **period_options) for period in periods)

    def forward(self, waveform):
        r"""Scores and features of `(batch_size, samples)`, a pair a period."""
        return [discriminator(waveform) for discriminator in self.discriminators]


class Discriminators(nn.ModuleList):
    r"""Several discriminators of one input as one network, so that several processes can train them together."""

    def forward(self, generated):
        r"""Pairs of scores and features, one a discriminator."""
        judgements = []
        for discriminator in self:
            judged = discriminator(generated)
            judgements += judged if isinstance(judged, list) else [judged]
        return judgements


WAVEFORM_DISCRIMINATORS = ("mini", "bigvgan")


def waveform_discriminators(name):
    r"""
    The discriminators that a vocoder is trained against.

    Args:
        name (`str`):
            `"mini"`, 0.5 million parameters, or `"bigvgan"`, those of its paper (arXiv:2206.04658, section 3.1): five
            periods as in HiFi-GAN and three resolutions as in UnivNet, 41 million parameters.

    Returns:
        [`Discriminators`].

    Raises:
        ValueError: If the name is unknown.
    """
    if name == "mini":
        return Discriminators([MultiResolutionDiscriminator(), MultiPeriodDiscriminator()])
    if name == "bigvgan":
        resolutions = (1024, 120, 600), (2048, 240, 1200), (512, 50, 240)
        period_options = {"widths": (32, 128, 512, 1024, 1024), "strides": (3, 3, 3, 3, 1)}
        return Discriminators(
            [
                *(SpectrogramDiscriminator(*resolution) for resolution in resolutions),
                MultiPeriodDiscriminator(**period_options),
            ]
        )
    raise ValueError(f"Expected discriminators to be one of {WAVEFORM_DISCRIMINATORS}, got {name!r}.")


def stft_magnitude(waveform, n_fft, hop_length, win_length=None):
    r"""
    Magnitudes `(batch_size, n_fft // 2 + 1, frames)` of a waveform `(batch_size, samples)`, Hann window, as long as
    the transform where `win_length` is not given.
    """
    window = torch.hann_window(n_fft if win_length is None else win_length, device=waveform.device)
    spectrum = torch.stft(waveform, n_fft, hop_length, win_length, window=window, return_complex=True)
    # The gradient of a magnitude is not finite at zero.
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-9)


def discriminator_loss(real, fake):
    r"""
    Least-squares loss of the discriminators (LSGAN, arXiv:1611.04076): real patches to 1, generated ones to 0.

    Args:
        real (`list`): Pairs of scores and features of real input.
        fake (`list`): The same of generated input.

    Returns:
        `torch.Tensor`: Mean over the discriminators.
    """
    losses = [(1 - a).square().mean() + b.square().mean() for (a, _), (b, _) in zip(real, fake)]
    return sum(losses) / len(losses)


def generator_losses(real, fake, feature_matching="relative"):
    r"""
    What the generator gets from the discriminators: least-squares loss, and L1 feature matching (arXiv:1912.06711).

    Args:
        real (`list`): Pairs of scores and features of real input; no gradient flows into them.
        fake (`list`): The same of generated input.
        feature_matching (`"relative"` or `"absolute"`, defaults to `"relative"`):
            Distance of features as a share of their size, a mean over all layers; or the distance itself, a sum over
            the layers of a discriminator, as in HiFi-GAN (arXiv:2010.05646, eq. 4).

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: adversarial and feature-matching loss, means over the discriminators.

    Raises:
        ValueError: If `feature_matching` is unknown.
    """
    if feature_matching not in FEATURE_MATCHING:
        raise ValueError(f"Expected feature_matching to be one of {FEATURE_MATCHING}, got {feature_matching!r}.")
    adversarial = sum((1 - scores).square().mean() for scores, _ in fake) / len(fake)
    pairs = [
        (a.detach(), b)
        for (_, real_features), (_, fake_features) in zip(real, fake)
        for a, b in zip(real_features, fake_features)
    ]
    if feature_matching == "absolute":
        return adversarial, sum(F.l1_loss(b, a) for a, b in pairs) / len(fake)
    return adversarial, sum(F.l1_loss(b, a) / a.abs().mean().clamp(min=1e-5) for a, b in pairs) / len(pairs)

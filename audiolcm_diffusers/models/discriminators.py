# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Discriminators for the adversarial part of autoencoder and vocoder training. They are not part of a saved model."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm


class PatchDiscriminator2D(nn.Module):
    r"""
    Strided 2-D convolutions over a picture with one channel: a score a patch.

    Args:
        base_channels (`int`): Width of the first convolution.
        num_layers (`int`): Strided convolutions; each halves the first axis, all but the first one also the second.
    """

    def __init__(self, base_channels=32, num_layers=4):
        super().__init__()
        widths = [1] + [base_channels * min(2**layer, 4) for layer in range(num_layers)]
        self.convs = nn.ModuleList(
            weight_norm(
                nn.Conv2d(widths[layer], widths[layer + 1], (5, 3), (2, 1 if layer == 0 else 2), padding=(2, 1))
            )
            for layer in range(num_layers)
        )
        self.conv_out = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

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


class MultiResolutionDiscriminator(nn.Module):
    r"""
    One [`PatchDiscriminator2D`] on the magnitudes of each of several short-time Fourier transforms (UnivNet,
    arXiv:2106.07889, section 2.3; BigVGAN uses the same).

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


class PeriodDiscriminator(nn.Module):
    r"""
    Convolutions over the samples that lie one period apart (HiFi-GAN, arXiv:2010.05646, section 2.3).

    Args:
        period (`int`): Samples between neighbours.
        base_channels (`int`): Width of the first convolution.
    """

    def __init__(self, period, base_channels=16):
        super().__init__()
        self.period = period
        widths = [1, base_channels, base_channels * 2, base_channels * 4, base_channels * 4]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(inner, outer, (5, 1), (3, 1), padding=(2, 0)))
            for inner, outer in zip(widths, widths[1:])
        )
        self.conv_out = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform):
        r"""Scores and features of `(batch_size, samples)`."""
        waveform = F.pad(waveform[:, None], (0, -waveform.shape[-1] % self.period), mode="reflect")
        hidden_states, features = waveform.unflatten(-1, (-1, self.period)), []
        for conv in self.convs:
            hidden_states = F.leaky_relu(conv(hidden_states), 0.1)
            features.append(hidden_states)
        return self.conv_out(hidden_states), features


class MultiPeriodDiscriminator(nn.Module):
    r"""One [`PeriodDiscriminator`] for each of several prime periods."""

    def __init__(self, periods=(2, 3, 5, 7, 11), base_channels=16):
        super().__init__()
        self.discriminators = nn.ModuleList(PeriodDiscriminator(period, base_channels) for period in periods)

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


def stft_magnitude(waveform, n_fft, hop_length):
    r"""Magnitudes `(batch_size, n_fft // 2 + 1, frames)` of a waveform `(batch_size, samples)`, Hann window."""
    window = torch.hann_window(n_fft, device=waveform.device)
    spectrum = torch.stft(waveform, n_fft, hop_length, window=window, return_complex=True)
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


def generator_losses(real, fake):
    r"""
    What the generator gets from the discriminators: least-squares loss, and L1 feature matching (arXiv:1912.06711).

    Args:
        real (`list`): Pairs of scores and features of real input; no gradient flows into them.
        fake (`list`): The same of generated input.

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: adversarial and feature-matching loss, means over the discriminators.
    """
    adversarial = sum((1 - scores).square().mean() for scores, _ in fake) / len(fake)
    matching = [
        F.l1_loss(b, a.detach()) / a.detach().abs().mean().clamp(min=1e-5)
        for (_, real_features), (_, fake_features) in zip(real, fake)
        for a, b in zip(real_features, fake_features)
    ]
    return adversarial, sum(matching) / len(matching)

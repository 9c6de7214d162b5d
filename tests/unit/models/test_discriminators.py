# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers.models.discriminators import (
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    PatchDiscriminator2D,
    discriminator_loss,
    generator_losses,
    stft_magnitude,
)


def test_losses_by_hand():
    real = [(torch.tensor([1.0, 0.0]), [torch.tensor([2.0, 2.0])])]
    fake = [(torch.tensor([0.5, 0.5]), [torch.tensor([1.0, 3.0])])]
    # Real: mean(0, 1) = 0.5; fake: 0.25.
    assert float(discriminator_loss(real, fake)) == 0.75
    adversarial, matching = generator_losses(real, fake)
    # (1 - 0.5)^2 = 0.25; mean |1 - 2|, |3 - 2| = 1 over the mean real magnitude of 2.
    assert float(adversarial) == 0.25 and float(matching) == 0.5


def test_no_gradient_flows_into_the_real_features():
    real_features = torch.ones(3, requires_grad=True)
    fake_features = torch.zeros(3, requires_grad=True)
    _, matching = generator_losses([(torch.ones(1), [real_features])], [(torch.ones(1), [fake_features])])
    matching.backward()
    assert real_features.grad is None and fake_features.grad is not None


def test_the_magnitude_of_a_tone():
    # A sine of amplitude 1 at the centre of bin 8 gives n_fft / 4 under a periodic Hann window.
    n_fft = 64
    tone = torch.sin(2 * math.pi * 8 / n_fft * torch.arange(1024))[None]
    magnitude = stft_magnitude(tone, n_fft, 16)
    assert magnitude.shape == (1, 33, 65)
    assert magnitude[0, 8, 10:-10].sub(n_fft / 4).abs().max() < 1e-3


def test_the_magnitude_of_silence_has_a_gradient():
    silence = torch.zeros(1, 256, requires_grad=True)
    stft_magnitude(silence, 64, 16).sum().backward()
    assert bool(silence.grad.isfinite().all())


@pytest.mark.parametrize(
    ("discriminator", "input_shape", "judgements"),
    [
        (MultiResolutionDiscriminator(base_channels=4), (2, 2048), 3),
        (MultiPeriodDiscriminator(base_channels=4), (2, 2047), 5),
    ],
)
def test_waveform_discriminators_learn_to_tell_apart(discriminator, input_shape, judgements):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(input_shape, generator=generator)
    tone = torch.sin(0.3 * torch.arange(input_shape[1])).expand(input_shape)
    optimizer = torch.optim.Adam(discriminator.parameters(), 5e-3)
    losses = []
    for _ in range(15):
        loss = discriminator_loss(discriminator(tone), discriminator(noise))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert len(discriminator(tone)) == judgements
    assert losses[-1] < 0.5 * losses[0]


def test_a_patch_discriminator_gives_a_score_a_patch():
    scores, features = PatchDiscriminator2D(base_channels=4)(torch.zeros(2, 80, 64))
    # Four strides of 2 over the height, three over the width.
    assert scores.shape == (2, 1, 5, 8) and len(features) == 4

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers.models.discriminators import (
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    PatchDiscriminator2D,
    SpectrogramDiscriminator,
    discriminator_loss,
    generator_losses,
    stft_magnitude,
    waveform_discriminators,
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


def test_published_feature_matching_adds_layers_up():
    # Two discriminators: distances 1 and 3 in the layers of one, 2 in the other's. A mean over discriminators.
    real = [(torch.ones(1), [torch.zeros(2), torch.zeros(3)]), (torch.ones(1), [torch.full((4,), 5.0)])]
    fake = [(torch.ones(1), [torch.ones(2), torch.full((3,), -3.0)]), (torch.zeros(1), [torch.full((4,), 7.0)])]
    adversarial, matching = generator_losses(real, fake, "absolute")
    assert float(adversarial) == 0.5 and float(matching) == (1 + 3 + 2) / 2
    with pytest.raises(ValueError, match="one of .*, got 'squared'"):
        generator_losses(real, fake, "squared")


def test_the_magnitude_of_a_tone():
    # A sine of amplitude 1 at the centre of bin 8 gives n_fft / 4 under a periodic Hann window.
    n_fft = 64
    tone = torch.sin(2 * math.pi * 8 / n_fft * torch.arange(1024))[None]
    magnitude = stft_magnitude(tone, n_fft, 16)
    assert magnitude.shape == (1, 33, 65)
    assert magnitude[0, 8, 10:-10].sub(n_fft / 4).abs().max() < 1e-3


def test_a_short_window_stands_in_the_middle_of_the_transform():
    # Half as long a window gives half the magnitude, for as many frequencies.
    tone = torch.sin(2 * math.pi * 8 / 64 * torch.arange(1024))[None]
    magnitude = stft_magnitude(tone, 64, 16, win_length=32)
    assert magnitude.shape == (1, 33, 65)
    assert magnitude[0, 8, 10:-10].sub(8).abs().max() < 1e-3


def test_the_magnitude_of_silence_has_a_gradient():
    silence = torch.zeros(1, 256, requires_grad=True)
    stft_magnitude(silence, 64, 16).sum().backward()
    assert bool(silence.grad.isfinite().all())


@pytest.mark.parametrize(
    ("discriminator", "input_shape", "judgements"),
    [
        (MultiResolutionDiscriminator(base_channels=4), (2, 2048), 3),
        (MultiPeriodDiscriminator(widths=(4, 8, 16, 16)), (2, 2047), 5),
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


def parameters(inner, outer, kernel_size):
    """Of a weight-normalised convolution: directions, a length and a bias a channel."""
    return outer * (inner * kernel_size + 2)


def test_bigvgans_discriminators_are_the_published_ones():
    discriminators = waveform_discriminators("bigvgan")
    assert len(discriminators(torch.zeros(1, 2048))) == 8
    *resolutions, periods = discriminators
    # HiFi-GAN's: kernels of 5, and 3 before the scores.
    period = sum(parameters(*sizes, 5) for sizes in [(1, 32), (32, 128), (128, 512), (512, 1024), (1024, 1024)])
    period += parameters(1024, 1, 3)
    # UnivNet's: four kernels of 3 x 9, and two of 3 x 3.
    resolution = parameters(1, 32, 27) + 3 * parameters(32, 32, 27) + parameters(32, 32, 9) + parameters(32, 1, 9)
    assert [each.period for each in periods.discriminators] == [2, 3, 5, 7, 11]
    assert [(each.n_fft, each.hop_length, each.win_length) for each in resolutions] == [
        (1024, 120, 600),
        (2048, 240, 1200),
        (512, 50, 240),
    ]
    assert sum(weight.numel() for weight in periods.parameters()) == 5 * period == 41_105_770
    for each in resolutions:
        assert sum(weight.numel() for weight in each.parameters()) == resolution == 93_634


def test_strides_of_bigvgans_discriminators():
    # A period of 2 folds 3240 samples to 1620 rows, which four strides of 3 take to 20; the fifth keeps them.
    widths, strides = (2, 2, 2, 2, 2), (3, 3, 3, 3, 1)
    scores, features = MultiPeriodDiscriminator((2,), widths=widths, strides=strides)(torch.zeros(1, 3240))[0]
    assert [feature.shape[2] for feature in features] == [540, 180, 60, 20, 20] and scores.shape == (1, 1, 20, 2)
    # 800 samples at a hop of 50 are 17 frames, three times halved; all 257 frequencies are kept.
    scores, features = SpectrogramDiscriminator(512, 50, 240, channels=2)(torch.zeros(1, 800))
    assert [feature.shape[3] for feature in features] == [17, 9, 5, 3, 3] and scores.shape == (1, 1, 257, 3)


def test_small_discriminators_are_the_default_ones():
    # Recipes and checkpoints rely on their names and draws.
    torch.manual_seed(0)
    by_name = waveform_discriminators("mini").state_dict()
    torch.manual_seed(0)
    by_hand = [MultiResolutionDiscriminator(), MultiPeriodDiscriminator()]
    expected = {f"{n}.{name}": weight for n, each in enumerate(by_hand) for name, weight in each.state_dict().items()}
    assert by_name.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in by_name.items())
    names = {name.split(".convs")[0].split(".conv_out")[0] for name in by_name}
    assert names == {f"0.discriminators.{n}" for n in range(3)} | {f"1.discriminators.{n}" for n in range(5)}


def test_unknown_discriminators_are_refused():
    with pytest.raises(ValueError, match="one of .*mini.*bigvgan.*, got 'large'"):
        waveform_discriminators("large")

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoModel

from audiolcm_diffusers import VocosVocoder, log_mel_spectrogram
from audiolcm_diffusers.models.vocoder_vocos import waveform_of_frames


@pytest.fixture
def mel():
    return torch.randn(2, 80, 5, generator=torch.Generator().manual_seed(0)) - 2


def spectrum_of(waveform, n_fft=1024, hop_length=256):
    """The transform that the project's mels are made of, `(batch_size, frames, bins)`."""
    padding = (n_fft - hop_length) // 2
    waveform = F.pad(waveform[:, None], (padding, padding), mode="reflect")[:, 0]
    window = torch.hann_window(n_fft)
    return torch.stft(waveform, n_fft, hop_length, window=window, center=False, return_complex=True).transpose(1, 2)


def from_the_middle(phases):
    """Phases that count from a frame's first sample, counted from its middle: half a frame is bin k's k half turns."""
    return phases + math.pi * (torch.arange(phases.shape[-1]) % 2)


@torch.no_grad()
@pytest.mark.parametrize(("n_fft", "hop_length"), [(1024, 256), (1024, 512), (600, 120)])
def test_the_true_spectrum_gives_back_the_waveform(make_vocos, n_fft, hop_length):
    waveform = 0.1 * torch.randn(2, 20 * hop_length, generator=torch.Generator().manual_seed(0))
    spectrum = spectrum_of(waveform, n_fft, hop_length)
    assert spectrum.shape == (2, 20, n_fft // 2 + 1)
    vocoder = make_vocos(n_fft=n_fft, hop_length=hop_length)
    made = vocoder._waveforms(spectrum.abs().log(), from_the_middle(spectrum.angle()))
    torch.testing.assert_close(made, waveform, atol=1e-6, rtol=0)


@torch.no_grad()
def test_equal_phases_are_a_click_in_the_middle_of_the_frame(make_vocos):
    log_magnitudes = torch.full((1, 7, 513), -40.0)
    log_magnitudes[:, 3] = math.log(0.1)
    made = make_vocos()._waveforms(log_magnitudes, torch.zeros(1, 7, 513))
    # The inverse transform of 0.1 is 0.1 at the middle, where the window is 1; the squared windows, a quarter of their
    # length apart, add up to 3/2.
    expected = torch.zeros(1, 7 * 256)
    expected[0, 3 * 256 + 128] = 0.1 / 1.5
    torch.testing.assert_close(made, expected, atol=1e-6, rtol=0)


def test_windows_that_overlap_by_half_add_up():
    # Hann windows w half their length apart add up to 1, so that frames of ones give w + (1 - w) = 1 over
    # w^2 + (1 - w)^2.
    window = torch.hann_window(8)
    made = waveform_of_frames(torch.ones(1, 3, 8), window, 4)
    rising = window[:4]
    expected = 1 / (rising.square() + (1 - rising).square())
    # The first two samples and the last two are in one frame alone.
    torch.testing.assert_close(made[0, 2:10], expected.repeat(2), rtol=1e-6, atol=0)
    assert made.shape == (1, 12)


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_every_frame_becomes_a_hop(make_vocos, frames):
    vocoder = make_vocos()
    assert vocoder.hop_length == 256
    waveform = vocoder(torch.full((2, 80, frames), -1.0))
    assert waveform.shape == (2, 256 * frames)
    assert waveform.isfinite().all() and waveform.abs().max() > 0


@torch.no_grad()
def test_an_untrained_one_has_the_levels_of_the_mel():
    vocoder = VocosVocoder(hidden_channels=8, intermediate_channels=8, num_layers=1)
    vocoder.linear_out.weight.zero_()  # nothing is added to the mel's levels, and all phases are 0
    mel = torch.linspace(-1.0, -3.0, 80)[None, :, None].expand(1, 80, 20)
    made = log_mel_spectrogram(vocoder(mel))[..., 4:-4]
    # Clicks of 1 / 1.5, see above, a hop apart. A frame hears its own at the window's 1 and both neighbours at 1/2:
    # 1 + cos, which is 1 on average over a band that is wide enough, as the upper ones are.
    difference = (made - mel[..., 4:-4])[:, 60:]
    torch.testing.assert_close(difference, torch.full_like(difference, -math.log10(1.5)), atol=0.01, rtol=0)
    louder = log_mel_spectrogram(vocoder(mel + 0.5))[..., 4:-4]
    torch.testing.assert_close(louder - made, torch.full_like(made, 0.5), atol=1e-3, rtol=0)


@torch.no_grad()
def test_loud_sounds_are_lowered_not_clipped(make_vocos, mel):
    vocoder = make_vocos()
    quiet, loud = vocoder(mel - 3.0), vocoder._waveforms(torch.full((1, 5, 513), 9.0), torch.zeros(1, 5, 513))
    assert quiet.abs().max() < 0.999
    assert loud.abs().max() == pytest.approx(0.999)
    # No magnitude is above 512, the sum of the window.
    limit = vocoder._waveforms(torch.full((1, 5, 513), math.log(512)), torch.zeros(1, 5, 513))
    torch.testing.assert_close(loud, limit)


@torch.no_grad()
def test_sounds_do_not_depend_on_their_batch(make_vocos, mel):
    vocoder = make_vocos()
    torch.testing.assert_close(vocoder(mel)[1:], vocoder(mel[1:]))


def test_a_tone_learns_its_phases():
    """Gradients through the inverse transform: some steps bring one sound's samples nearer."""
    torch.manual_seed(0)
    vocoder = VocosVocoder(hidden_channels=32, intermediate_channels=64, num_layers=1)
    waveform = 0.3 * torch.sin(2 * math.pi * 500 * torch.arange(16 * 256) / 16000)[None]
    mel = log_mel_spectrogram(waveform)
    optimizer = torch.optim.Adam(vocoder.parameters(), 3e-3)
    errors = []
    for _ in range(40):
        error = F.mse_loss(vocoder(mel), waveform)
        error.backward()
        optimizer.step()
        optimizer.zero_grad()
        errors.append(error.item())
    assert errors[-1] < 0.2 * waveform.square().mean() < errors[0]


@torch.no_grad()
@pytest.mark.parametrize("auto_class", [VocosVocoder, AutoModel])
def test_save_and_load(make_vocos, mel, tmp_path, auto_class):
    vocoder = make_vocos(kernel_size=3)
    vocoder.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(str(tmp_path))
    assert isinstance(loaded, VocosVocoder)
    assert torch.equal(loaded(mel), vocoder(mel))


@torch.no_grad()
def test_compiles_in_one_graph(make_vocos, mel):
    vocoder = make_vocos()
    compiled = torch.compile(vocoder, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(mel), vocoder(mel))
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(vocoder(mel), compiled(mel))
    finally:
        torch.set_default_dtype(torch.float32)


def gradients(vocoder, mel):
    vocoder.zero_grad()
    vocoder(mel).square().sum().backward()
    return {name: parameter.grad for name, parameter in vocoder.named_parameters()}


def test_gradient_checkpointing_gives_equal_gradients(make_vocos, mel):
    vocoder = make_vocos().train()
    expected = gradients(vocoder, mel)
    assert all(gradient.any() for gradient in expected.values())
    vocoder.enable_gradient_checkpointing()
    assert vocoder.gradient_checkpointing
    for name, gradient in gradients(vocoder, mel).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(make_vocos, mel, relative_error, dtype):
    vocoder = make_vocos()
    expected = vocoder(mel)
    output = vocoder.to(dtype)(mel.to(dtype))
    # Spectra and their inverse are float32 in any case.
    assert output.dtype == torch.float32
    # A unit in the last place is 2^-8 or 2^-11 of a value. Logarithms of magnitudes are around 10: ten units of 1.
    assert 0 < relative_error(output, expected) < 10 * torch.finfo(dtype).eps


@torch.no_grad()
def test_autocast_stops_before_spectra(make_vocos, mel):
    vocoder = make_vocos()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = vocoder(mel)
        spectra = torch.randn(1, 4, 513), torch.randn(1, 4, 513)
        inner = vocoder._waveforms(*spectra)
    assert output.dtype == torch.float32
    assert torch.equal(inner, vocoder._waveforms(*spectra))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0}, "in_channels to be a whole number from 1, got 0"),
        ({"num_layers": 1.5}, "num_layers to be a whole number from 1, got 1.5"),
        ({"kernel_size": 4}, "odd kernel_size, got 4"),
        ({"hop_length": 300}, "n_fft=1024, hop_length=300"),
        ({"hop_length": 1024}, "n_fft=1024, hop_length=1024"),
        ({"n_fft": 765, "hop_length": 255}, "n_fft=765, hop_length=255"),
    ],
)
def test_an_impossible_config_is_refused(make_vocos, options, message):
    with pytest.raises(ValueError, match=message):
        make_vocos(**options)


@pytest.mark.parametrize("shape", [(80, 4), (1, 79, 4), (1, 80, 0)])
def test_mels_of_another_shape_are_refused(make_vocos, shape):
    with pytest.raises(ValueError, match=r"Expected a mel of shape \(batch_size, 80, frames\), got"):
        make_vocos()(torch.zeros(shape))

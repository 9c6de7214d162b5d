# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math
import re

import pytest
import torch

from audiolcm_diffusers import log_mel_spectrogram
from audiolcm_diffusers.audio import mel
from audiolcm_diffusers.audio.mel import check_mel, mel_filters, multi_resolution_l1


def tone(frequency, amplitude=0.5, samples=16000):
    return amplitude * torch.sin(2 * math.pi * frequency * torch.arange(samples) / 16000).unsqueeze(0)


def slaney_mel(frequency):
    """Slaney's scale: linear to 1 kHz, 3 mels each 200 Hz; above, a factor of 6.4 is 27 mels."""
    return 3 * frequency / 200 if frequency < 1000 else 15 + 27 * math.log(frequency / 1000) / math.log(6.4)


@pytest.mark.parametrize(("samples", "frames"), [(385, 1), (511, 1), (512, 2), (16000, 62), (160000, 625)])
def test_a_frame_for_every_whole_hop(samples, frames):
    assert log_mel_spectrogram(torch.zeros(2, samples)).shape == (2, 80, frames)


def test_silence_is_the_floor():
    # The magnitude of silence is sqrt(1e-9) = 3.2e-5; the filters, with sums below 0.05, take it below the floor.
    assert log_mel_spectrogram(torch.zeros(1, 1024)).eq(-5).all()


@pytest.mark.parametrize("frequency", [440.0, 1000.0, 5000.0])
def test_a_tone_is_in_the_bin_of_its_pitch(frequency):
    # 80 triangles between 0 and 8000 Hz: the centre of bin i is at (i + 1) / 81 of the scale.
    bin_index = slaney_mel(frequency) * 81 / slaney_mel(8000.0) - 1
    loudest = log_mel_spectrogram(tone(frequency))[0, :, 30].argmax().item()
    assert abs(loudest - bin_index) <= 1


def test_half_the_amplitude_is_a_logarithm_less():
    loud, soft = (log_mel_spectrogram(tone(1000.0, amplitude))[0, :, 10:50] for amplitude in (0.8, 0.4))
    audible = soft > -2
    assert audible.any()
    torch.testing.assert_close(
        (loud - soft)[audible], torch.full_like(loud[audible], math.log10(2)), rtol=0, atol=1e-3
    )


def test_what_lies_outside_is_clamped():
    waveform = 3 * tone(300.0)
    assert torch.equal(log_mel_spectrogram(waveform), log_mel_spectrogram(waveform.clamp(-1, 1)))
    assert not torch.equal(log_mel_spectrogram(waveform), log_mel_spectrogram(waveform / 3))


def test_filters_are_triangles_of_equal_area():
    filters = mel_filters(16000, 1024, 80, 0.0, 8000.0)
    assert filters.shape == (80, 513)
    # Slaney's norm: area 1 over frequency. The spectrum has a value every 15.625 Hz, which samples the wide triangles
    # well and those at the bottom, 37 Hz from edge to centre, not quite.
    torch.testing.assert_close(filters.sum(1)[40:] * 15.625, torch.ones(40), rtol=0.02, atol=0)
    assert filters.min() == 0


def test_half_precision_in_float32_out():
    waveform = tone(440.0).half()
    assert log_mel_spectrogram(waveform).dtype == torch.float32
    assert torch.equal(log_mel_spectrogram(waveform), log_mel_spectrogram(waveform.float()))


def test_gradients_are_finite_in_silence():
    waveform = torch.zeros(1, 2048, requires_grad=True)
    log_mel_spectrogram(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()


@pytest.mark.parametrize("waveform", [torch.zeros(1000), torch.zeros(1, 1, 1000), torch.zeros(1, 1000).int(), [0.0]])
def test_what_is_no_batch_of_waveforms_is_refused(waveform):
    with pytest.raises(ValueError, match=r"Expected a floating-point waveform of shape \(batch_size, samples\), got"):
        log_mel_spectrogram(waveform)


def test_too_short_a_waveform_is_refused():
    with pytest.raises(ValueError, match=r"Expected more than 384 samples \(the reflect padding\), got .* of 384"):
        log_mel_spectrogram(torch.zeros(1, 384))


def test_the_distance_of_mels_by_hand():
    target = torch.zeros(1, 2, 4)
    mel = torch.tensor([[[4.0, 0.0, 1.0, -1.0], [0.0, 0.0, -1.0, 1.0]]])
    # At scale 1: (4 + 4 * 1) / 8 = 1. At scale 2: the patches' means are 4 / 4 = 1 and 0, their mean is 0.5.
    assert multi_resolution_l1(mel, target, scales=(1,)).item() == 1.0
    assert multi_resolution_l1(mel, target, scales=(2,)).item() == 0.5
    assert multi_resolution_l1(mel, target, scales=(1, 2)).item() == 0.75


def test_an_error_of_level_weighs_the_same_at_every_resolution():
    mel = torch.randn(2, 80, 16, generator=torch.Generator().manual_seed(0))
    for scales in ((1,), (8,), (1, 2, 4, 8)):
        torch.testing.assert_close(multi_resolution_l1(mel + 0.25, mel, scales), torch.tensor(0.25))
    # Noise of no level averages out: over 64 values its mean is 8 times smaller.
    noise = torch.randn(8, 80, 64, generator=torch.Generator().manual_seed(1))
    fine, coarse = (multi_resolution_l1(noise, torch.zeros_like(noise), (scale,)) for scale in (1, 8))
    torch.testing.assert_close(fine / coarse, torch.tensor(8.0), rtol=0.1, atol=0)


def test_at_scale_one_the_distance_is_the_plain_one():
    mel, target = torch.randn(2, 2, 80, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(multi_resolution_l1(mel, target, (1,)), torch.nn.functional.l1_loss(mel, target))


def test_mels_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(1, 80, 8\) and \(1, 80, 16\)"):
        multi_resolution_l1(torch.zeros(1, 80, 8), torch.zeros(1, 80, 16))
    with pytest.raises(ValueError, match=r"divide bins and frames, got \(1, 3\) for \(1, 80, 9\)"):
        multi_resolution_l1(torch.zeros(1, 80, 9), torch.zeros(1, 80, 9), (1, 3))


@pytest.mark.parametrize("shape", [(80, 5), (2, 79, 5), (2, 80, 0), (1, 2, 80, 5)])
def test_what_is_no_mel_is_quoted(shape):
    check_mel(torch.zeros(2, 80, 5), 80)
    with pytest.raises(
        ValueError, match="^" + re.escape(f"Expected a mel of shape (batch_size, 80, frames), got {shape}.")
    ):
        check_mel(torch.zeros(shape), 80)


def test_compiles_in_one_graph_and_exports_for_any_length():
    """Also where no filters were computed before."""
    waveforms = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    expected = log_mel_spectrogram(waveforms)
    mel._mel_filters.cache_clear()
    torch.compiler.reset()
    compiled = torch.compile(log_mel_spectrogram, fullgraph=True, backend="eager")
    assert torch.equal(compiled(waveforms), expected)

    class Mel(torch.nn.Module):
        def forward(self, waveforms):
            return log_mel_spectrogram(waveforms)

    mel._mel_filters.cache_clear()
    sizes = {0: torch.export.Dim("batch_size"), 1: torch.export.Dim("samples", min=800)}
    exported = torch.export.export(Mel(), (waveforms,), dynamic_shapes=(sizes,), strict=False).module()
    assert torch.equal(exported(waveforms[:1, :2000]), log_mel_spectrogram(waveforms[:1, :2000]))

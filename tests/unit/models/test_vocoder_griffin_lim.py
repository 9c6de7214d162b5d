# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
from diffusers import AutoModel

from audiolcm_diffusers import GriffinLimVocoder, log_mel_spectrogram


@pytest.fixture(scope="module")
def tone():
    """A second of 440 Hz that swells, in front of a second of noise that fades."""
    seconds = torch.arange(16000) / 16000
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    return torch.cat([0.3 * seconds * torch.sin(2 * math.pi * 440 * seconds), 0.1 * (1 - seconds) * noise])[None]


@torch.no_grad()
def error(vocoder, waveform):
    mel = log_mel_spectrogram(waveform)
    return (log_mel_spectrogram(vocoder(mel)) - mel).abs().mean()


@torch.no_grad()
def test_sounds_have_the_spectrogram_asked_for(tone):
    errors = [float(error(GriffinLimVocoder(num_iterations=count), tone)) for count in (0, 8, 32)]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.06  # 1.2 dB, most of it far from the tone, near the floor


@torch.no_grad()
def test_momentum_is_what_makes_few_iterations_do(tone):
    assert error(GriffinLimVocoder(num_iterations=16), tone) < error(
        GriffinLimVocoder(num_iterations=16, momentum=0.0), tone
    )


@torch.no_grad()
def test_a_tone_keeps_its_pitch_and_level(tone):
    tone = tone[:, 4000:16000]
    made = GriffinLimVocoder()(log_mel_spectrogram(tone))
    # 12000 samples are not whole frames: 46 of them are, of 256 samples.
    assert made.shape == (1, 46 * 256)
    spectrum = torch.fft.rfft(made[0], 16000).abs()
    assert abs(int(spectrum.argmax()) - 440) <= 4
    ratio_db = 20 * torch.log10(made.square().mean().sqrt() / tone.square().mean().sqrt())
    assert abs(ratio_db) < 1.0


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_every_frame_becomes_a_hop(frames):
    vocoder = GriffinLimVocoder(num_iterations=2)
    assert vocoder.hop_length == 256
    waveform = vocoder(torch.full((2, 80, frames), -1.0))
    assert waveform.shape == (2, 256 * frames)
    assert waveform.isfinite().all() and waveform.abs().max() > 0


@torch.no_grad()
def test_silence_stays_silent():
    waveform = GriffinLimVocoder()(log_mel_spectrogram(torch.zeros(1, 8000)))
    # The floor of the mels is not nothing: it is about one step of 16 bits.
    assert waveform.abs().max() < 2 / 32768


@torch.no_grad()
def test_loud_sounds_are_lowered_not_clipped(tone):
    """A steady tone 40 dB too loud comes out as the quiet one does, at the highest level there is."""
    vocoder = GriffinLimVocoder(num_iterations=4)
    mel = log_mel_spectrogram(tone[:, 8000:16000])
    quiet, loud = vocoder(mel), vocoder(mel + 2.0)
    assert loud.abs().max() == pytest.approx(0.999)
    assert torch.corrcoef(torch.cat([quiet, loud]))[0, 1] > 0.97


@torch.no_grad()
@pytest.mark.parametrize("repeats", [1, 12])
def test_a_loud_moment_does_not_lower_the_rest(repeats):
    """The level of a sound does not depend on what happens a second later, nor on how long it is."""
    vocoder = GriffinLimVocoder(num_iterations=2)
    noise = 0.1 * torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    mel = log_mel_spectrogram(noise).repeat(1, 1, repeats)
    loud = mel.clone()
    loud[:, :, 60] += 2.0
    quiet, loud = vocoder(mel), vocoder(loud)
    assert loud[:, 58 * 256 : 63 * 256].abs().max() == pytest.approx(0.999)
    # Two iterations carry a frame's change 8 frames far, lower levels reach 4 frames further.
    assert torch.equal(loud[:, : 45 * 256], quiet[:, : 45 * 256])
    assert torch.equal(loud[:, 75 * 256 :], quiet[:, 75 * 256 :])
    level = quiet.square().mean().sqrt()
    assert level == pytest.approx(0.1, rel=0.1)


@torch.no_grad()
def test_compiles_in_one_graph_and_exports_for_any_length(tone):
    vocoder = GriffinLimVocoder(num_iterations=1)
    mel = log_mel_spectrogram(tone)
    compiled = torch.compile(vocoder, backend="eager", fullgraph=True)
    assert torch.equal(compiled(mel), vocoder(mel))
    sizes = {0: torch.export.Dim("batch_size"), 2: torch.export.Dim("frames", min=2)}
    exported = torch.export.export(vocoder, (mel.repeat(2, 1, 1),), dynamic_shapes=(sizes,), strict=False).module()
    # Beyond the frames whose phases are drawn, too.
    for other in (mel[..., :30].repeat(3, 1, 1), mel.repeat(1, 1, 35)):
        assert torch.equal(exported(other), vocoder(other))


def test_no_dtype_rounds_what_it_starts_from():
    """Phases are those of torch.rand, after any cast and any move."""
    drawn = torch.rand(4096, 513, generator=torch.Generator().manual_seed(0))
    vocoder = GriffinLimVocoder()
    for cast in (vocoder.half, vocoder.bfloat16, vocoder.double, vocoder.float):
        cast()
        assert torch.equal(vocoder.turns.float() / 2**24, drawn)
        assert {vocoder.bands.dtype, vocoder.inverse.dtype, vocoder.share.dtype} == {torch.float32}
        assert torch.equal(vocoder.window, torch.hann_window(1024))
    assert set(vocoder.state_dict()) == {"filters"}
    assert vocoder.to("meta").window.device.type == "meta"


@torch.no_grad()
def test_sounds_do_not_depend_on_their_batch(tone):
    vocoder = GriffinLimVocoder(num_iterations=4)
    mels = log_mel_spectrogram(torch.cat([tone, 0.5 * tone]))
    torch.testing.assert_close(vocoder(mels)[1], vocoder(mels[1:])[0])
    state = torch.get_rng_state()
    assert torch.equal(vocoder(mels), vocoder(mels))
    assert torch.equal(torch.get_rng_state(), state)


@torch.no_grad()
@pytest.mark.parametrize("auto_class", [GriffinLimVocoder, AutoModel])
def test_save_and_load(tone, tmp_path, auto_class):
    vocoder = GriffinLimVocoder(num_iterations=3, momentum=0.5)
    vocoder.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(str(tmp_path))
    assert isinstance(loaded, GriffinLimVocoder)
    mel = log_mel_spectrogram(tone)
    assert torch.equal(loaded(mel), vocoder(mel))


@torch.no_grad()
def test_half_precision_changes_little(tone):
    mel = log_mel_spectrogram(tone)
    half = GriffinLimVocoder(num_iterations=0).half()
    assert half(mel.half()).dtype == torch.float32
    torch.testing.assert_close(half(mel.half()), GriffinLimVocoder(num_iterations=0)(mel), rtol=0, atol=5e-3)
    # All that half precision changes is the mel.
    assert torch.equal(half(mel), GriffinLimVocoder(num_iterations=0)(mel))


@torch.no_grad()
def test_neither_autocast_nor_a_default_device_changes_anything(tone):
    vocoder = GriffinLimVocoder(num_iterations=2)
    mel = log_mel_spectrogram(tone)
    expected = vocoder(mel)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(vocoder(mel), expected)
    with torch.device("meta"):
        assert torch.equal(vocoder(mel), expected)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(log_mel_spectrogram(tone), mel)
        assert torch.equal(GriffinLimVocoder(num_iterations=2)(mel), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop_length": 512}, "n_fft=1024, hop_length=512"),
        ({"hop_length": 255}, "n_fft=1024, hop_length=255"),
        ({"num_iterations": -1}, "num_iterations to be a whole number from 0, got -1"),
        ({"num_iterations": 1.5}, "num_iterations to be a whole number from 0, got 1.5"),
        ({"in_channels": 0}, "in_channels to be a whole number from 1, got 0"),
        ({"sampling_rate": 8000}, "max_frequency=8000.0, sampling_rate=8000"),
        ({"momentum": 1.0}, "momentum < 1, got 1.0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        GriffinLimVocoder(**options)


@pytest.mark.parametrize("shape", [(80, 4), (1, 64, 4), (1, 80, 0)])
def test_bad_mels(shape):
    with pytest.raises(ValueError, match=r"\(batch_size, 80, frames\), got"):
        GriffinLimVocoder()(torch.zeros(shape))

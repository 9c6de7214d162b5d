# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers import BigVGANVocoder, GriffinLimVocoder
from audiolcm_diffusers.audio.mel import log_mel_spectrogram
from audiolcm_diffusers.pipelines.arguments import SoundLength
from audiolcm_diffusers.pipelines.decoding import (
    JOINT_SAMPLES,
    Kept,
    Mels,
    crossfade,
    joined,
    known_samples,
    piece_bounds,
    waveform_pieces,
)
from audiolcm_diffusers.pipelines.stages import decode_latents, fade_ends, fade_gains
from audiolcm_diffusers.pipelines.windows import read_frames


HALF = torch.tensor([0.5])


class TestCrossfade:
    def test_of_what_is_alike_is_the_mean_and_of_what_is_not_has_the_same_power(self):
        one = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
        other = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
        share = torch.full((4,), 0.5)
        torch.testing.assert_close(crossfade(one, one, share), one)
        # (1 + 1) / 2 / sqrt(1/4 + 1/4)
        torch.testing.assert_close(crossfade(one, other, share), torch.tensor([[2.0, 0.0, 2.0, 0.0]]) / math.sqrt(2))

    def test_at_its_ends_is_one_of_both_bit_for_bit(self):
        one, other = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0))
        share = torch.linspace(1.2, -0.2, 50).clamp(0, 1)
        mixed = crossfade(one, other, share)
        assert torch.equal(mixed[:, share == 1], one[:, share == 1])
        assert torch.equal(mixed[:, share == 0], other[:, share == 0])
        assert torch.equal(crossfade(one, other, torch.ones(50)), one)

    def test_of_noises_keeps_the_power_everywhere(self):
        one, other = torch.randn(2, 400, 100, generator=torch.Generator().manual_seed(0))
        power = crossfade(one, other, torch.linspace(1, 0, 100)).square().mean(dim=0)
        assert float((power - 1).abs().max()) < 0.35  # of 400 numbers: 5 times sqrt(2 / 400)

    def test_with_silence_fades(self):
        faded = crossfade(torch.ones(1, 1), torch.zeros(1, 1), HALF)
        assert faded.item() == pytest.approx(0.5 / math.sqrt(0.5))


def test_a_joint_goes_from_one_to_the_other():
    piece = joined(torch.ones(1, 4), torch.full((1, 6), 2.0))
    # Alike but for their size: shares of 7/8, 5/8, 3/8 and 1/8.
    torch.testing.assert_close(piece, torch.tensor([[1.125, 1.375, 1.625, 1.875, 2.0, 2.0]]))


def test_parts_of_what_is_kept_are_filled_up():
    kept = Kept(torch.arange(1.0, 6.0)[None], torch.ones(5))
    assert kept.part(1, 3).waveforms.tolist() == [[2, 3]]
    assert kept.part(-2, 7).waveforms.tolist() == [[0, 0, 1, 2, 3, 4, 5, 0, 0]]
    assert kept.part(-2, 7).shares.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert kept.part(6, 8).waveforms.tolist() == [[0, 0]] and kept.part(-3, -1).shares.tolist() == [0, 0]


def test_known_samples_are_put_in_their_places():
    mel = torch.zeros(1, 80, 4)
    kept = Kept(torch.full((1, 100), 5.0), torch.tensor([1.0] * 14 + [0.5] * 86))
    told = known_samples(mel, 10, 2, kept, [(8, torch.full((1, 3), 6.0)), (17, torch.full((1, 4), 7.0))])
    assert told["is_known"].tolist() == [True] * 4 + [False] * 3 + [True]
    assert told["known"][0, [0, 1, 3, 7]].tolist() == [6, 5, 5, 7]
    assert known_samples(mel, 10, 2, None, []) == {}


def test_pieces_cover_a_sound():
    assert piece_bounds(100, True, False) == [(0, 100)]
    assert piece_bounds(100, True, True) == [(0, 50), (50, 100)]
    assert piece_bounds(900, False, False) == [(0, 80), (80, 400), (400, 720), (720, 900)]
    # 20 frames are too few for a piece.
    assert piece_bounds(420, False, False) == [(0, 80), (80, 420)]


@pytest.mark.parametrize("fades", [(0, 0), (3, 0), (0, 5), (3, 5), (100, 100)])
def test_gains_of_parts_are_those_of_the_whole(fades):
    gains = fade_gains(12, *fades)
    if fades == (0, 0):
        assert gains is None
        return
    assert torch.equal(torch.cat([gains(0, 5), gains(5, 6), gains(6, 12)]), gains(0, 12))
    same = fade_gains(12, 4, 4)
    torch.testing.assert_close(same(0, 12)[None], fade_ends(torch.ones(1, 12), 4))


def length_of(num_samples):
    num_mel_frames = -(-num_samples // 256)
    return SoundLength(num_samples, num_mel_frames, -(-num_mel_frames // 2))


@pytest.fixture
def latents():
    return torch.randn(2, 4, 400, generator=torch.Generator().manual_seed(0))


class TestMels:
    def test_whole_are_decoded_at_once(self, make_vae, latents):
        vae, length = make_vae(), length_of(400 * 512 - 300)
        mels = Mels(vae, lambda *place: read_frames(latents, *place), length, 2, is_whole=True)
        assert torch.equal(mels.part(0, 799), decode_latents(vae, latents, 799))

    def test_are_decoded_as_far_as_they_are_asked_for(self, make_vae, latents):
        read = []

        def reader(start, stop):
            read.append((start, stop))
            return read_frames(latents, start, stop)

        mels = Mels(make_vae(), reader, length_of(400 * 512), 2, is_whole=False)
        first = mels.part(0, 10)
        assert read == [(0, 160)]
        mels.part(0, 300)
        assert read == [(0, 160), (128, 288)]
        mels.forget(200)
        assert mels.part(200, 800).shape == (2, 80, 600) and first.shape == (2, 80, 10)
        assert read[-1] == (256, 400)

    def test_of_a_loop_go_around_its_end(self, make_vae, latents):
        latents = latents[..., :40]
        reader = lambda *place: read_frames(latents, *place)  # noqa: E731
        mels = Mels(make_vae(), reader, length_of(40 * 512), 2, is_whole=True, is_loop=True)
        around = mels.part(-20, 100)
        assert around.shape[-1] == 120
        # What is far enough from where decoding began is the same one turn later.
        torch.testing.assert_close(around[..., :20], around[..., 80:100], atol=1e-3, rtol=1e-3)


def pieces_of(vocoder, mels, num_samples, **options):
    class Given:
        num_frames = mels.shape[-1]

        def part(self, start, stop):
            return read_frames(mels, start, stop)

        def forget(self, before):
            pass

    options = {"is_whole": False, **options}
    return list(waveform_pieces(vocoder, Given(), length_of(num_samples), 256, **options))


def sine(num_samples, period=40):
    return 0.3 * torch.sin(2 * math.pi * torch.arange(num_samples) / period)[None]


class TestPieces:
    def test_of_a_vocoder_are_the_whole(self, make_vocoder, monkeypatch):
        vocoder = make_vocoder()
        # As wide as it can see, and so strong that it does.
        for parameter in vocoder.parameters():
            if parameter.ndim == 3:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        width = max(320, 16 * (vocoder.num_context_frames + 2))
        num_frames = 80 + width + 100
        mels = torch.randn(1, 80, num_frames, generator=torch.Generator().manual_seed(0)) - 2
        num_samples = num_frames * 256 - 100
        with torch.no_grad():
            pieces = pieces_of(vocoder, mels, num_samples)
            sizes = [piece.shape[-1] for piece in pieces]
            assert sizes == [80 * 256 - 512, width * 256, 100 * 256 - 100 + 512]
            whole = vocoder(mels)[..., :num_samples]
            torch.testing.assert_close(torch.cat(pieces, dim=-1), whole, atol=1e-5, rtol=0)
            # With less around them they are not.
            monkeypatch.setattr(type(vocoder), "num_context_frames", 0)
            seen = torch.cat(pieces_of(vocoder, mels, num_samples), dim=-1)
        assert (seen - whole).abs().max() > 1e-4

    def test_a_vocoder_says_how_far_it_sees(self):
        # conv of 7, 8 samples; blocks 5 (1 + 3 + 5) + 3 * 5 and 6 activations of 5; 2 samples a sample, filters of 4.
        vocoder = BigVGANVocoder(8, 16, (2,), (4,))
        assert vocoder.num_context_frames == math.ceil((3 + 5 + 60 + 30 + 3 - 1) / 2) + 3
        # Nothing beyond that changes what is made.
        mels = torch.randn(1, 8, 120, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        changed = mels.clone()
        changed[..., 60] += 1.0
        with torch.no_grad():
            apart = (vocoder.double()(mels) - vocoder(changed)).abs().view(-1, 2).amax(dim=1)
        reach = vocoder.num_context_frames
        assert apart[60] > 0 and apart[: 60 - reach].max() == apart[61 + reach :].max() == 0

    def test_of_griffin_lim_have_no_seam_in_a_tone(self):
        """Phases go on: the level around a joint is that of a tone, and no sample jumps."""
        num_samples = 500 * 256
        mels = log_mel_spectrogram(sine(num_samples))
        pieces = pieces_of(GriffinLimVocoder(), mels, num_samples)
        made = torch.cat(pieces, dim=-1)[0]
        joint = pieces[0].shape[-1] + JOINT_SAMPLES // 2
        levels = made.unfold(0, 400, 200).square().mean(dim=-1).sqrt()
        around = levels[(joint - 1500) // 200 : (joint + 1500) // 200]
        assert 0.8 < float(around.min() / levels[5:-5].median()) <= float(around.max() / levels.median()) < 1.2
        jumps = made.diff().abs()
        assert float(jumps[joint - 300 : joint + 300].max()) < 1.2 * float(jumps[2000:-2000].quantile(0.99))

    @pytest.mark.parametrize("num_samples", [100 * 256, 100 * 256 - 200, 500 * 256 - 77])
    def test_of_a_loop_meet(self, num_samples, make_vocoder):
        """Played twice, a tone of whole periods has no click where it begins again."""
        period = num_samples / round(num_samples / 40)
        length = -(-num_samples // 512) * 512
        mels = log_mel_spectrogram(sine(length, period))
        made = torch.cat(
            pieces_of(GriffinLimVocoder(), mels, num_samples, is_whole=length < 256 * 300, is_loop=True), dim=-1
        )[0]
        assert made.shape == (num_samples,)
        jumps = torch.cat([made, made]).diff().abs()
        # Ends cut at random differ by up to 0.6, twelve times what neighbours of a tone do.
        assert float(jumps[num_samples - 600 : num_samples + 600].max()) < 2 * float(jumps.quantile(0.99))
        with torch.no_grad():
            (other,) = [torch.cat(pieces_of(make_vocoder(), mels, num_samples, is_whole=True, is_loop=True), dim=-1)]
        assert other.shape == (1, num_samples)

    def test_what_is_kept_is_not_made(self):
        num_samples = 500 * 256
        kept = Kept(sine(num_samples), torch.ones(num_samples))

        def fail(*_, **__):
            raise AssertionError("made, though kept")

        assert torch.equal(
            torch.cat(pieces_of(fail, torch.zeros(1, 80, 500), num_samples, kept=kept), -1), sine(num_samples)
        )

    def test_around_what_is_kept_is_made_to_fit(self):
        num_samples = 200 * 256
        shares = torch.ones(num_samples)
        shares[20000:30000] = 0
        made = pieces_of(
            GriffinLimVocoder(),
            log_mel_spectrogram(sine(num_samples)),
            num_samples,
            kept=Kept(sine(num_samples), shares),
            is_whole=True,
        )[0]
        assert torch.equal(made[:, :20000], sine(num_samples)[:, :20000])
        assert torch.equal(made[:, 30000:], sine(num_samples)[:, 30000:])
        assert not torch.equal(made[:, 20000:30000], sine(num_samples)[:, 20000:30000])
        levels = made[0].unfold(0, 400, 200).square().mean(dim=-1).sqrt()
        assert 0.7 < float(levels.min() / levels.median()) <= float(levels.max() / levels.median()) < 1.3


class TestKnownSamplesOfGriffinLim:
    def test_stay_and_lead_on(self):
        """The second half of a tone is made in phase with the first."""
        num_samples = 100 * 256
        tone = sine(num_samples)
        is_known = torch.arange(num_samples) < num_samples // 2
        made = GriffinLimVocoder()(log_mel_spectrogram(tone), known=tone, is_known=is_known)
        assert torch.equal(made[:, is_known], tone[:, is_known])
        behind = slice(num_samples // 2, num_samples // 2 + 400)
        alike = torch.corrcoef(torch.cat([made[:, behind], tone[:, behind]]))[0, 1]
        assert float(alike) > 0.9

    def test_of_another_shape_are_refused(self):
        vocoder, mel = GriffinLimVocoder(), torch.zeros(2, 80, 4)
        for known, is_known in (
            (torch.zeros(2, 1024), None),
            (None, torch.ones(1024)),
            (torch.zeros(1, 1024), torch.ones(1024)),
            (torch.zeros(2, 1024), torch.ones(2, 1024)),
        ):
            with pytest.raises(ValueError, match=r"`known` of shape \(2, 1024\) with `is_known` of shape \(1024,\)"):
                vocoder(mel, known=known, is_known=is_known)

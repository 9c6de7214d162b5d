# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.pipelines.stages import Conditions, fade_ends


def test_fades_along_half_a_hann_window():
    window = torch.hann_window(8)  # periodic: its first half rises from 0, its middle is 1
    faded = fade_ends(torch.ones(2, 12), 4)
    torch.testing.assert_close(faded[:, :4], window[:4].expand(2, -1))
    torch.testing.assert_close(faded[:, 4:8], torch.ones(2, 4))
    torch.testing.assert_close(faded[:, 8:], window[:4].flip(0).expand(2, -1))


@pytest.mark.parametrize("num_samples", [0, 1, 2, 5])
def test_fades_at_most_half_of_a_sound(num_samples):
    faded = fade_ends(torch.ones(1, num_samples), 4)
    assert faded.shape == (1, num_samples)
    assert faded.count_nonzero() == num_samples - 2 * (num_samples >= 2)


class TestConditions:
    embeds, negative = torch.full((2, 3, 4), 1.0), torch.full((2, 3, 4), -1.0)

    def test_of_both_have_the_negative_ones_first_and_no_mask_where_nothing_is_masked(self):
        both, mask = Conditions(self.embeds, self.negative).of_both()
        assert torch.equal(both, torch.cat([self.negative, self.embeds]))
        assert mask is None

    def test_a_mask_over_one_is_all_true_for_the_other(self):
        mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
        ones = torch.ones(2, 3, dtype=torch.bool)
        _, first = Conditions(self.embeds, self.negative, prompt_attention_mask=mask).of_both()
        _, second = Conditions(self.embeds, self.negative, negative_prompt_attention_mask=mask).of_both()
        assert torch.equal(first, torch.cat([ones, mask.bool()]))
        assert torch.equal(second, torch.cat([mask.bool(), ones]))

    def test_what_a_callback_did_not_return_stays(self):
        other = torch.zeros(2, 3, 4)
        changed = Conditions(self.embeds, self.negative).changed({"latents": other, "prompt_embeds": other})
        assert changed.prompt_embeds is other
        assert changed.negative_prompt_embeds is self.negative


def test_fades_can_be_exported_for_any_length():
    class Faded(torch.nn.Module):
        def forward(self, waveforms):
            return fade_ends(waveforms, 4)

    size = {1: torch.export.Dim("samples", min=2)}
    exported = torch.export.export(Faded(), (torch.ones(1, 12),), dynamic_shapes=(size,), strict=False).module()
    for samples in (5, 100):
        waveforms = torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
        assert torch.equal(exported(waveforms), fade_ends(waveforms, 4))

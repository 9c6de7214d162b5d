# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import torch

from audiolcm_diffusers.models.llama_norms import LLaMALayerNorm, LLaMARMSNorm


class TestRMSNorm:
    def test_by_hand(self):
        """The mean square of (3, 4) is 12.5. Weight 2, scale 1 and shift 10 make it 10 + 2 (1 + 1) x / sqrt(12.5)."""
        norm = LLaMARMSNorm(2, eps=1e-12)
        x = torch.tensor([[[3.0, 4.0]]])
        torch.testing.assert_close(norm(x), x / math.sqrt(12.5))
        norm.weight.data.fill_(2.0)
        modulated = norm(x, shift=torch.full((1, 2), 10.0), scale=torch.ones(1, 2))
        torch.testing.assert_close(modulated, 10 + 4 * x / math.sqrt(12.5))

    def test_half_precision_is_computed_in_float32(self):
        """300^2 is more than float16 holds, (1e-4)^2 is less."""
        norm = LLaMARMSNorm(2, eps=1e-12).half()
        x = torch.tensor([[[300.0, -300.0]], [[1e-4, 1e-4]]], dtype=torch.float16)
        normalised = norm(x)
        assert normalised.dtype == torch.float16
        torch.testing.assert_close(normalised.float(), x.sign().float(), atol=2e-3, rtol=0)


class TestLayerNorm:
    def test_by_hand(self):
        """
        (3, 5) lies at -1 and 1 around its mean in deviations. Weight 2, bias 3, scale 1 and shift 10 make it
        10 + (1 + 1) (2 x + 3).
        """
        norm = LLaMALayerNorm(2, eps=1e-12)
        x, deviations = torch.tensor([[[3.0, 5.0]]]), torch.tensor([[[-1.0, 1.0]]])
        torch.testing.assert_close(norm(x), deviations)
        norm.weight.data.fill_(2.0)
        norm.bias.data.fill_(3.0)
        torch.testing.assert_close(norm(x), 2 * deviations + 3)
        modulated = norm(x, shift=torch.full((1, 2), 10.0), scale=torch.ones(1, 2))
        torch.testing.assert_close(modulated, 10 + 2 * (2 * deviations + 3))

    def test_a_constant_makes_no_difference(self):
        """Which it does to an RMSNorm."""
        x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
        for norm, same in ((LLaMALayerNorm(8, eps=1e-5), True), (LLaMARMSNorm(8, eps=1e-5), False)):
            assert torch.allclose(norm(x + 3.0), norm(x), atol=1e-5) is same

    def test_half_precision_is_computed_in_float32(self):
        """300^2 is more than float16 holds, (1e-4)^2 is less."""
        norm = LLaMALayerNorm(2, eps=1e-12).half()
        x = torch.tensor([[[300.0, -300.0]], [[1e-4, -1e-4]]], dtype=torch.float16)
        for normalised in (norm(x), norm(x, shift=torch.zeros(2, 2).half(), scale=torch.zeros(2, 2).half())):
            assert normalised.dtype == torch.float16
            torch.testing.assert_close(normalised.float(), x.sign().float(), atol=2e-3, rtol=0)

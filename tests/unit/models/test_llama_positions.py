# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import torch

from audiolcm_diffusers.models.llama_positions import LLaMALearnedPosEmbed, LLaMARotaryPosEmbed, rotate_pairs


class TestLearnedPositions:
    def test_are_added(self):
        embed = LLaMALearnedPosEmbed(3, 2)
        embed.weight.data = torch.arange(6.0).view(3, 2)
        added = embed(torch.ones(1, 2, 2, dtype=torch.bfloat16))
        assert added.dtype == torch.bfloat16
        assert added.tolist() == [[[1.0, 2.0], [3.0, 4.0]]]


class TestRotaryPositions:
    def test_angles_by_hand(self):
        """`position / scaling * (theta * ntk)^(-2i/d)`: theta 4, ntk 4, d 4 turn the second pair a quarter as far."""
        table = LLaMARotaryPosEmbed(4, theta=4.0, scaling_factor=2.0, ntk_factor=4.0)(torch.zeros(1, 3, 1))
        angles = torch.tensor([[0.0, 0.0], [0.5, 0.125], [1.0, 0.25]])
        torch.testing.assert_close(table, torch.stack([angles.cos(), angles.sin()], dim=-1))

    def test_adjacent_pairs_turn(self):
        """(1, 0) turns to (cos, sin), (0, 1) to (-sin, cos)."""
        angle = torch.tensor(0.3)
        rotary_emb = torch.stack([angle.cos(), angle.sin()]).expand(1, 2, 2)
        rotated = rotate_pairs(torch.tensor([1.0, 0.0, 0.0, 1.0]).view(1, 1, 1, 4), rotary_emb)
        expected = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()])
        torch.testing.assert_close(rotated.flatten(), expected)

    def test_products_depend_on_the_distance_alone(self):
        generator = torch.Generator().manual_seed(0)
        query, key = torch.randn(2, 1, 1, 1, 8, generator=generator)
        rotary_emb = LLaMARotaryPosEmbed(8, 10000.0, 1.0, 1.0)(torch.zeros(1, 400, 1))
        queries, keys = (rotate_pairs(x.expand(1, 400, 1, 8), rotary_emb)[0, :, 0] for x in (query, key))
        products = queries @ keys.T
        for distance in (0, 1, 50):
            diagonal = products.diagonal(distance)
            torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
        assert products[0].std() > 0.1

    def test_scaled_positions_fit_twice_the_length_into_the_same_angles(self):
        frames = torch.zeros(1, 21, 1)
        stretched = LLaMARotaryPosEmbed(8, 10000.0, 2.0, 1.0)(frames)
        torch.testing.assert_close(stretched[::2], LLaMARotaryPosEmbed(8, 10000.0, 1.0, 1.0)(frames)[:11])

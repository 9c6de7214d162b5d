# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers import LLaMATransformer1DModel
from audiolcm_diffusers.consistency import guidance_embedding
from audiolcm_diffusers.models.transformer_llama_1d import (
    LLaMARMSNorm,
    LLaMARotaryPosEmbed,
    rotate_pairs,
    swiglu_inner_dim,
)


NUM_TOKENS = 7


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    return {
        "hidden_states": torch.randn(2, 4, 13, generator=generator),
        "timestep": torch.tensor([19, 999]),
        "encoder_hidden_states": torch.randn(2, NUM_TOKENS, 16, generator=generator),
        "timestep_cond": guidance_embedding(torch.tensor([0.0, 4.0])),
    }


@torch.no_grad()
def run(model, inputs, **replaced):
    return model(**{**inputs, **replaced}, return_dict=False)[0]


class TestPublishedNumbers:
    @pytest.mark.parametrize("name", ["llama_transformer", "llama_transformer_qknorm_rope"])
    def test_output_agrees(self, load_reference, relative_error, name):
        from audiolcm_diffusers.conversion import llama_transformer_from_original

        tensors, config = load_reference(name)
        weights = {key.removeprefix("weights."): value for key, value in tensors.items() if key.startswith("weights.")}
        model = llama_transformer_from_original(weights, config)
        output = run(
            model,
            {key: tensors[key] for key in ("timestep", "encoder_hidden_states")}
            | {"hidden_states": tensors["sample"]},
        )
        assert relative_error(output, tensors["output"]) < 1e-5


class TestConfig:
    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"in_channels": 0}, "Expected in_channels > 0, got in_channels=0"),
            ({"out_channels": -1}, "Expected out_channels > 0, got out_channels=-1"),
            ({"num_layers": 0}, "Expected num_layers > 0, got num_layers=0"),
            ({"num_attention_heads": 0}, "Expected num_attention_heads > 0, got"),
            ({"attention_head_dim": 7}, "an even attention_head_dim, got 7"),
            ({"num_key_value_heads": 0}, "Expected num_key_value_heads > 0, got"),
            ({"num_attention_heads": 4, "num_key_value_heads": 3}, "num_attention_heads=4, num_key_value_heads=3"),
            ({"cross_attention_dim": 0}, "Expected cross_attention_dim > 0, got"),
            ({"time_cond_proj_dim": 0}, "Expected time_cond_proj_dim > 0, got"),
            ({"qk_norm": "rms"}, "one of .*'layer_norm'.*, got 'rms'"),
            ({"rope_theta": 0.0}, "Expected rope_theta > 0, got"),
            ({"rope_scaling_factor": 0.0}, "Expected rope_scaling_factor > 0, got"),
            ({"rope_ntk_factor": -1.0}, "Expected rope_ntk_factor > 0, got"),
            ({"norm_eps": 0.0}, "Expected norm_eps > 0, got"),
            ({"ffn_dim_multiplier": 0.0}, "Expected ffn_dim_multiplier > 0, got"),
            ({"multiple_of": 0}, "Expected multiple_of > 0, got"),
        ],
    )
    def test_an_impossible_value_is_quoted(self, config, message):
        with pytest.raises(ValueError, match=message):
            LLaMATransformer1DModel(**config)

    def test_out_channels_default_to_in_channels(self, make_llama_transformer, inputs):
        assert run(make_llama_transformer(), inputs).shape == (2, 4, 13)
        assert run(make_llama_transformer(out_channels=3), inputs).shape == (2, 3, 13)

    def test_a_model_to_be_trained_predicts_zero(self, inputs):
        """Modulations and output start at zero, as published, once asked for; a fresh model is random."""
        model = LLaMATransformer1DModel(
            in_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            time_cond_proj_dim=256,
            multiple_of=8,
        )
        assert run(model, inputs).abs().min() > 0
        model.initialize_weights()
        assert torch.equal(run(model, inputs), torch.zeros(2, 4, 13))

    def test_swiglu_inner_dim(self):
        # floor(2 * 4 * 576 / 3) = 1536 = 6 * 256
        assert swiglu_inner_dim(576) == 1536
        # floor(2 * 4 * 64 / 3) = 170, and the next multiples of 256 and of 8
        assert swiglu_inner_dim(64) == 256
        assert swiglu_inner_dim(64, multiple_of=8) == 176
        # floor(170 * 0.5) = 85
        assert swiglu_inner_dim(64, ffn_dim_multiplier=0.5, multiple_of=8) == 88


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

    @pytest.mark.parametrize("num_frames", [1, 2, 1500])
    def test_any_length_runs(self, make_llama_transformer, inputs, num_frames):
        output = run(make_llama_transformer(), inputs, hidden_states=torch.ones(2, 4, num_frames))
        assert output.shape == (2, 4, num_frames)
        assert output.isfinite().all()

    def test_frames_know_their_order(self, make_llama_transformer, inputs):
        model = make_llama_transformer()
        backwards = run(model, inputs, hidden_states=inputs["hidden_states"].flip(-1)).flip(-1)
        assert (backwards - run(model, inputs)).abs().max() > 1e-3


class TestText:
    def test_masked_tokens_have_no_influence_whatever_they_are(self, make_llama_transformer, inputs):
        model = make_llama_transformer()
        mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]], dtype=torch.bool)
        masked = run(model, inputs, encoder_attention_mask=mask)
        spoilt = inputs["encoder_hidden_states"].masked_fill(~mask.unsqueeze(-1), float("nan"))
        assert torch.equal(run(model, inputs, encoder_hidden_states=spoilt, encoder_attention_mask=mask), masked)

    def test_masking_equals_a_shorter_text(self, make_llama_transformer, inputs, relative_error):
        model = make_llama_transformer()
        mask = (torch.arange(NUM_TOKENS) < 3).expand(2, -1)
        shorter = run(model, inputs, encoder_hidden_states=inputs["encoder_hidden_states"][:, :3])
        assert relative_error(run(model, inputs, encoder_attention_mask=mask), shorter) < 1e-5
        assert relative_error(run(model, inputs), shorter) > 1e-3

    @pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
    def test_a_mask_that_hides_nothing_equals_none(self, make_llama_transformer, inputs, relative_error, dtype):
        model = make_llama_transformer()
        masked = run(model, inputs, encoder_attention_mask=torch.ones(2, NUM_TOKENS, dtype=dtype))
        assert relative_error(masked, run(model, inputs)) < 1e-5

    def test_an_integer_mask_is_a_boolean_one(self, make_llama_transformer, inputs):
        model = make_llama_transformer()
        mask = (torch.arange(NUM_TOKENS) % 2 == 0).expand(2, -1)
        assert torch.equal(
            run(model, inputs, encoder_attention_mask=mask.long()), run(model, inputs, encoder_attention_mask=mask)
        )

    def test_a_sample_whose_text_is_all_masked_gets_none(self, make_llama_transformer, inputs, relative_error):
        """No text attention and a pooled caption of 0 are what a text of zeros gives: its values are all zero."""
        model = make_llama_transformer()
        mask = torch.tensor([[False], [True]]).expand(-1, NUM_TOKENS)
        output = run(model, inputs, encoder_attention_mask=mask)
        zeros = run(model, inputs, encoder_hidden_states=torch.zeros(2, NUM_TOKENS, 16))
        assert relative_error(output[0], zeros[0]) < 1e-5
        assert relative_error(output[1], run(model, inputs)[1]) < 1e-5

    def test_order_of_tokens_does_not_matter(self, make_llama_transformer, inputs, relative_error):
        """Text keys carry no position."""
        model = make_llama_transformer()
        flipped = run(model, inputs, encoder_hidden_states=inputs["encoder_hidden_states"].flip(1))
        assert relative_error(flipped, run(model, inputs)) < 1e-5

    def test_text_attention_enters_through_its_gates(self, make_llama_transformer, inputs, relative_error):
        """Closed gates leave the pooled caption, their mean: tokens around the same mean then make no difference."""
        model = make_llama_transformer()
        text = inputs["encoder_hidden_states"]
        same_mean = text.mean(dim=1, keepdim=True).expand_as(text)
        assert relative_error(run(model, inputs, encoder_hidden_states=same_mean), run(model, inputs)) > 1e-4
        for block in model.transformer_blocks:
            block.attn.gate.data.zero_()
        assert relative_error(run(model, inputs, encoder_hidden_states=same_mean), run(model, inputs)) < 1e-5


class TestGroupedQueries:
    @pytest.mark.parametrize("num_key_value_heads", [1, 2])
    def test_equals_repeated_heads(self, make_llama_transformer, inputs, relative_error, num_key_value_heads):
        """Each key and value head serves the query heads next to each other."""
        grouped = make_llama_transformer(num_attention_heads=4, num_key_value_heads=num_key_value_heads)
        full = make_llama_transformer(num_attention_heads=4)
        state = grouped.state_dict()
        for name, weight in state.items():
            if name.rpartition(".weight")[0].endswith(("to_k", "to_v", "add_k_proj", "add_v_proj")):
                heads = weight.unflatten(0, (num_key_value_heads, -1))
                state[name] = heads.repeat_interleave(4 // num_key_value_heads, dim=0).flatten(0, 1)
        full.load_state_dict(state)
        assert relative_error(run(grouped, inputs), run(full, inputs)) < 1e-5

    def test_has_fewer_parameters_also_with_normalised_keys(self, make_llama_transformer, inputs):
        model = make_llama_transformer(num_attention_heads=4, num_key_value_heads=1, qk_norm="layer_norm")
        attn = model.transformer_blocks[0].attn
        assert attn.to_q.weight.shape == (32, 32)
        assert attn.to_k.weight.shape == attn.to_v.weight.shape == (8, 32)
        assert attn.norm_q.weight.shape == (32,)
        assert attn.norm_k.weight.shape == attn.norm_added_k.weight.shape == (8,)
        assert run(model, inputs).isfinite().all()


class TestTimestepAndGuidance:
    @pytest.mark.parametrize("timestep", [519, 519.0, torch.tensor(519), torch.tensor([519])])
    def test_every_form_of_a_timestep(self, make_llama_transformer, inputs, timestep):
        model = make_llama_transformer()
        assert torch.equal(
            run(model, inputs, timestep=timestep), run(model, inputs, timestep=torch.tensor([519, 519]))
        )

    def test_samples_of_a_batch_do_not_touch(self, make_llama_transformer, inputs, relative_error):
        model = make_llama_transformer()
        alone = run(model, {name: value[1:] for name, value in inputs.items()})
        assert relative_error(run(model, inputs)[1:], alone) < 1e-5

    def test_no_guidance_is_not_guidance_of_zero(self, make_llama_transformer, inputs, relative_error):
        """Sample 0 is embedded with w = 0, whose embedding has cosines of 1."""
        model = make_llama_transformer()
        without = run(model, inputs, timestep_cond=None)
        assert (run(model, inputs) - without)[0].abs().max() > 1e-3

    def test_a_fresh_guidance_embedding_changes_nothing(self, make_llama_transformer, inputs):
        """A student that takes over a teacher's weights starts out as the teacher."""
        teacher = make_llama_transformer(time_cond_proj_dim=None)
        student = make_llama_transformer()
        student.initialize_weights()
        missing, unexpected = student.load_state_dict(teacher.state_dict(), strict=False)
        assert missing == ["time_embedding.cond_proj.weight"]
        assert unexpected == []
        torch.testing.assert_close(run(student, inputs), run(teacher, inputs, timestep_cond=None))

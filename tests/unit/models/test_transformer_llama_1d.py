# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.

import pytest
import torch

from audiolcm_diffusers import LLaMATransformer1DModel
from audiolcm_diffusers.models.llama_norms import LLaMALayerNorm
from audiolcm_diffusers.models.transformer_llama_1d import gelu_inner_dim, swiglu_inner_dim


NUM_TOKENS = 6


@pytest.fixture
def inputs(transformer_inputs):
    return transformer_inputs


@torch.no_grad()
def run(model, inputs, **replaced):
    return model(**{**inputs, **replaced}, return_dict=False)[0]


class TestPublishedNumbers:
    @pytest.mark.parametrize("name", ["llama_transformer", "llama_transformer_qknorm_rope"])
    def test_output_agrees(self, load_reference, load_weights, relative_error, name):
        from audiolcm_diffusers.conversion import llama_transformer_from_original

        tensors, _ = load_reference(name)
        weights, config = load_weights(name)
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
            ({"position_embedding": "sine"}, "position_embedding to be one of .*'learned'.*, got 'sine'"),
            ({"position_embedding": "learned"}, "position_embedding='learned', num_positions=None"),
            ({"num_positions": 156}, "position_embedding='rope', num_positions=156"),
            ({"position_embedding": "learned", "num_positions": 0}, "Expected num_positions > 0, got num_positions=0"),
            (
                {"position_embedding": "learned", "num_positions": 156, "rope_ntk_factor": 2.0},
                "expected .* rope_ntk_factor=1.0, got .* rope_ntk_factor=2.0",
            ),
            ({"activation_fn": "relu"}, "activation_fn to be one of .*'gelu'.*, got 'relu'"),
            ({"norm_type": "group_norm"}, "norm_type to be one of .*'layer_norm'.*, got 'group_norm'"),
        ],
    )
    def test_an_impossible_value_is_quoted(self, config, message):
        with pytest.raises(ValueError, match=message):
            LLaMATransformer1DModel(**config)

    @pytest.mark.parametrize(
        "parts",
        [
            {},
            {"position_embedding": "learned", "num_positions": 13},
            {"activation_fn": "gelu"},
            {"norm_type": "layer_norm"},
        ],
    )
    def test_a_model_to_be_trained_predicts_zero(self, inputs, parts):
        """Modulations and output start at zero, as published, once asked for; a fresh model is random."""
        model = LLaMATransformer1DModel(
            in_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            time_cond_proj_dim=256,
            multiple_of=8,
            **parts,
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

    def test_gelu_inner_dim(self):
        # 3/2 of 1536, 176 and 88, and of floor(2 * 4 * 64 / 3 * 0.1) = 17, rounded up
        assert gelu_inner_dim(576) == 2304
        assert gelu_inner_dim(64, multiple_of=8) == 264
        assert gelu_inner_dim(64, ffn_dim_multiplier=0.5, multiple_of=8) == 132
        assert gelu_inner_dim(64, ffn_dim_multiplier=0.1, multiple_of=1) == 26

    def test_parts_and_parameters(self, make_llama_transformer):
        """
        GELU's two matrices of half as much width again have as many parameters as SwiGLU's three. Each of the three
        norms of the two blocks has a bias more, of width 16 like frames and text; a table has 13 x 16 entries more.
        """

        def count(**parts):
            return sum(parameter.numel() for parameter in make_llama_transformer(**parts).parameters())

        llama = count()
        assert count(activation_fn="gelu") == llama
        assert count(norm_type="layer_norm") == llama + 2 * 3 * 16
        assert count(position_embedding="learned", num_positions=13) == llama + 13 * 16

    def test_defaults_have_llamas_parts(self, make_llama_transformer, inputs):
        """Named or not, and under the same keys."""
        model = make_llama_transformer()
        named = make_llama_transformer(position_embedding="rope", activation_fn="swiglu", norm_type="rms_norm")
        assert list(model.state_dict()) == list(named.state_dict())
        assert not [name for name in model.state_dict() if "pos_embed" in name or name.endswith("norm1.bias")]
        assert torch.equal(run(model, inputs), run(named, inputs))


class TestLayerNorm:
    def test_a_model_has_it_in_every_place(self, make_llama_transformer, inputs, relative_error):
        """A constant added to every text token leaves a model of LayerNorms as it is, also its pooled caption."""
        text = inputs["encoder_hidden_states"]
        for norm_type, same in (("layer_norm", True), ("rms_norm", False)):
            model = make_llama_transformer(norm_type=norm_type)
            shifted = run(model, inputs, encoder_hidden_states=text + 1.0)
            assert (relative_error(shifted, run(model, inputs)) < 1e-5) is same
        block = make_llama_transformer(norm_type="layer_norm").transformer_blocks[1]
        assert {type(norm) for norm in (block.norm1, block.norm1_context, block.norm2)} == {LLaMALayerNorm}


class TestGELU:
    @torch.no_grad()
    def test_by_hand(self, make_llama_transformer):
        """gelu(x) = x P(X < x) for a normal X: of 1 that is 0.841345, which identities lead through."""
        ff = make_llama_transformer(activation_fn="gelu", ffn_dim_multiplier=0.2).transformer_blocks[0].ff
        # floor(0.2 * floor(2 * 4 * 16 / 3)) = 8 for SwiGLU
        assert ff.net[0].proj.weight.shape == (12, 16)
        ff.net[0].proj.weight.copy_(torch.eye(12, 16))
        ff.net[2].weight.copy_(torch.eye(16, 12))
        expected = torch.cat([torch.full((12,), 0.841345), torch.zeros(4)])
        torch.testing.assert_close(ff(torch.ones(1, 1, 16)).flatten(), expected, atol=1e-6, rtol=0)


class TestLearnedPositions:
    @pytest.fixture
    def make_learned(self, make_llama_transformer):
        learned = {"position_embedding": "learned", "num_positions": 13}
        return lambda **config: make_llama_transformer(**{**learned, **config})

    def test_frames_know_their_order_by_the_table_alone(self, make_learned, inputs, relative_error):
        """Nothing else knows it: without the table, the output of frames in another order is in that order."""
        model = make_learned()
        order = torch.randperm(13, generator=torch.Generator().manual_seed(0))
        frames = inputs["hidden_states"]

        def moved_error():
            moved = run(model, inputs, hidden_states=frames[:, :, order])
            return relative_error(moved, run(model, inputs)[:, :, order])

        model.pos_embed.weight.data.mul_(50.0)
        assert moved_error() > 1e-2
        model.pos_embed.weight.data.zero_()
        assert moved_error() < 1e-5

    def test_a_frame_and_its_position_trade_places(self, make_learned, inputs, relative_error):
        """Frames in another order with their vectors are the same set of tokens."""
        model = make_learned()
        order = torch.randperm(13, generator=torch.Generator().manual_seed(0))
        expected = run(model, inputs)[:, :, order]
        model.pos_embed.weight.data = model.pos_embed.weight.data[order]
        moved = run(model, inputs, hidden_states=inputs["hidden_states"][:, :, order])
        assert relative_error(moved, expected) < 1e-5

    def test_a_shorter_input_takes_the_first(self, make_learned, inputs):
        model, shorter = make_learned(), make_learned(num_positions=5)
        weights = model.state_dict()
        weights["pos_embed.weight"] = weights["pos_embed.weight"][:5]
        shorter.load_state_dict(weights)
        frames = inputs["hidden_states"][:, :, :5]
        assert torch.equal(run(model, inputs, hidden_states=frames), run(shorter, inputs, hidden_states=frames))

    def test_a_longer_input_is_refused(self, make_learned, inputs):
        with pytest.raises(ValueError, match="at most num_positions=12 frames, the size of the table, got 13"):
            run(make_learned(num_positions=12), inputs)

    def test_heads_may_be_of_odd_width(self, make_learned, inputs):
        assert run(make_learned(attention_head_dim=7), inputs).isfinite().all()

    @pytest.mark.parametrize("learned", [True, False])
    def test_ranks_split_what_is_there(self, make_learned, make_llama_transformer, learned):
        """Rotations are split as frames are; learned positions are added before."""
        model = make_learned() if learned else make_llama_transformer()
        assert list(model._cp_plan) == ([] if learned else ["rope"]) + ["transformer_blocks.0", "proj_out"]
        modules = dict(model.named_modules())
        assert all(name in modules for name in model._cp_plan)


class TestRotaryPositions:
    @pytest.mark.parametrize("num_frames", [1, 2, 1500])
    def test_any_length_runs(self, make_llama_transformer, inputs, num_frames):
        output = run(make_llama_transformer(), inputs, hidden_states=torch.ones(2, 4, num_frames))
        assert output.shape == (2, 4, num_frames)
        assert output.isfinite().all()


class TestText:
    def test_masking_equals_a_shorter_text(self, make_llama_transformer, inputs, relative_error):
        model = make_llama_transformer()
        mask = (torch.arange(NUM_TOKENS) < 3).expand(2, -1)
        shorter = run(model, inputs, encoder_hidden_states=inputs["encoder_hidden_states"][:, :3])
        assert relative_error(run(model, inputs, encoder_attention_mask=mask), shorter) < 1e-5
        assert relative_error(run(model, inputs), shorter) > 1e-3

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

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers import ConcatTransformer1DModel
from audiolcm_diffusers.consistency import guidance_embedding
from audiolcm_diffusers.models.transformer_concat_1d import ConcatTransformer1DBlock, SequenceConv1d


NUM_TOKENS = 6


@pytest.fixture
def inputs(transformer_inputs):
    return transformer_inputs


@torch.no_grad()
def run(model, inputs, **replaced):
    return model(**{**inputs, **replaced}, return_dict=False)[0]


class TestPublishedNumbers:
    @pytest.fixture
    def reference(self, load_reference, load_weights):
        from audiolcm_diffusers.conversion import concat_transformer_from_original

        tensors, _ = load_reference("concat_transformer")
        weights, config = load_weights("concat_transformer")
        inputs = {
            "hidden_states": tensors["sample"],
            "timestep": tensors["timestep"],
            "encoder_hidden_states": tensors["encoder_hidden_states"],
        }
        return concat_transformer_from_original(weights, config), inputs, tensors

    def test_output_with_guidance_agrees(self, reference, relative_error):
        model, inputs, tensors = reference
        output = run(model, inputs, timestep_cond=tensors["guidance_embedding"])
        assert relative_error(output, tensors["output"]) < 1e-5

    def test_output_agrees_with_our_own_guidance_embedding(self, reference, relative_error):
        model, inputs, tensors = reference
        output = run(model, inputs, timestep_cond=guidance_embedding(tensors["guidance_scale_minus_one"]))
        assert relative_error(output, tensors["output"]) < 1e-5

    def test_output_without_guidance_agrees(self, reference, relative_error):
        model, inputs, tensors = reference
        output = run(model, inputs, timestep_cond=None)
        assert relative_error(output, tensors["output_without_guidance"]) < 1e-5
        assert relative_error(output, tensors["output"]) > 1e-3


class TestConfig:
    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"in_channels": 0}, "Expected in_channels > 0, got in_channels=0"),
            ({"out_channels": 0}, "Expected out_channels > 0, got out_channels=0"),
            ({"num_layers": -1}, "Expected num_layers > 0, got num_layers=-1"),
            ({"num_attention_heads": 0}, "Expected num_attention_heads > 0, got"),
            ({"attention_head_dim": 0}, "Expected attention_head_dim > 0, got"),
            ({"num_attention_heads": 3, "attention_head_dim": 5}, r"a multiple of 32, got 3 \* 5 = 15"),
            ({"cross_attention_dim": 0}, "Expected cross_attention_dim > 0, got"),
            ({"time_cond_proj_dim": 0}, "Expected time_cond_proj_dim > 0, got"),
            ({"max_position_embeddings": 0}, "Expected max_position_embeddings > 0, got"),
        ],
    )
    def test_an_impossible_value_is_quoted(self, config, message):
        with pytest.raises(ValueError, match=message):
            ConcatTransformer1DModel(**config)

    def test_a_block_to_be_trained_is_the_identity(self):
        model = ConcatTransformer1DModel(
            in_channels=4, num_layers=1, num_attention_heads=4, attention_head_dim=8, cross_attention_dim=16
        )
        hidden_states = torch.randn(2, 32, 11, generator=torch.Generator().manual_seed(0))
        assert isinstance(model.transformer_blocks[0], ConcatTransformer1DBlock)
        assert not torch.equal(model.transformer_blocks[0](hidden_states), hidden_states)
        model.initialize_weights()
        assert torch.equal(model.transformer_blocks[0](hidden_states), hidden_states)

    def test_published_size(self):
        """160 M parameters at the published sizes."""
        with torch.device("meta"):
            model = ConcatTransformer1DModel(cross_attention_dim=1024)
        assert round(model.num_parameters() / 1e6) == 160


def test_a_convolution_as_a_product_of_matrices():
    generator = torch.Generator().manual_seed(0)
    conv = SequenceConv1d(3, 5, 9, padding=4)
    plain = torch.nn.Conv1d(3, 5, 9, padding=4)
    plain.load_state_dict(conv.state_dict())
    outputs, gradients = [], []
    for module in (conv, plain):
        hidden_states = torch.randn(2, 3, 12, generator=generator.manual_seed(0), requires_grad=True)
        outputs.append(module(hidden_states))
        outputs[-1].square().sum().backward()
        gradients.append((hidden_states.grad, module.weight.grad, module.bias.grad))
    torch.testing.assert_close(*outputs)
    for ours, expected in zip(*gradients):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


class TestText:
    def test_a_sample_whose_text_is_all_masked_is_finite(self, make_concat_transformer, inputs, relative_error):
        model = make_concat_transformer()
        mask = torch.tensor([[False], [True]]).expand(-1, NUM_TOKENS)
        output = run(model, inputs, encoder_attention_mask=mask)
        assert output.isfinite().all()
        assert relative_error(output[1], run(model, inputs)[1]) < 1e-5

    @pytest.mark.parametrize(("name", "own"), [("text_embedder_1", slice(0, 3)), ("text_embedder_2", slice(3, 6))])
    def test_each_stream_has_its_own_embedder(self, make_concat_transformer, inputs, name, own):
        """An embedder that returns a constant hides its own stream, and nothing of the other."""
        model = make_concat_transformer()
        for parameter in getattr(model, name).norm.parameters():
            parameter.data.zero_()
        output = run(model, inputs)
        changed = inputs["encoder_hidden_states"].clone()
        changed[:, own] = 5.0
        assert torch.equal(run(model, inputs, encoder_hidden_states=changed), output)
        assert (run(model, inputs, encoder_hidden_states=changed.flip(1)) - output).abs().max() > 1e-3

    def test_streams_of_unequal_length_are_refused(self, make_concat_transformer, inputs):
        with pytest.raises(ValueError, match="two text streams of equal length.*odd number of tokens, 5"):
            run(make_concat_transformer(), inputs, encoder_hidden_states=torch.zeros(2, 5, 16))


class TestPositions:
    def test_the_longest_sequence_fits_and_the_next_does_not(self, make_concat_transformer, inputs):
        """1 timestep + 6 tokens + 13 frames = 20 positions."""
        model = make_concat_transformer(max_position_embeddings=20)
        assert run(model, inputs).shape == (2, 4, 13)
        with pytest.raises(
            ValueError, match="6 text tokens and 14 latent frames is 21 long.*20 positions: at most 13"
        ):
            run(model, inputs, hidden_states=torch.zeros(2, 4, 14))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers import ConcatTransformer1DModel
from audiolcm_diffusers.consistency import guidance_embedding
from audiolcm_diffusers.models.transformer_concat_1d import ConcatTransformer1DBlock, SequenceConv1d


NUM_TOKENS = 6


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
    @pytest.fixture
    def reference(self, load_reference):
        from audiolcm_diffusers.conversion import concat_transformer_from_original

        tensors, config = load_reference("concat_transformer")
        weights = {key.removeprefix("weights."): value for key, value in tensors.items() if key.startswith("weights.")}
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

    def test_out_channels_default_to_in_channels(self, make_concat_transformer, inputs):
        assert run(make_concat_transformer(), inputs).shape == (2, 4, 13)
        assert run(make_concat_transformer(out_channels=3), inputs).shape == (2, 3, 13)

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
    def test_masked_tokens_have_no_influence_whatever_they_are(self, make_concat_transformer, inputs):
        model = make_concat_transformer()
        mask = torch.tensor([[1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.bool)
        masked = run(model, inputs, encoder_attention_mask=mask)
        spoilt = inputs["encoder_hidden_states"].masked_fill(~mask.unsqueeze(-1), float("nan"))
        assert torch.equal(run(model, inputs, encoder_hidden_states=spoilt, encoder_attention_mask=mask), masked)
        assert (masked - run(model, inputs))[0].abs().max() > 1e-3

    @pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
    def test_a_mask_that_hides_nothing_equals_none(self, make_concat_transformer, inputs, relative_error, dtype):
        model = make_concat_transformer()
        masked = run(model, inputs, encoder_attention_mask=torch.ones(2, NUM_TOKENS, dtype=dtype))
        assert relative_error(masked, run(model, inputs)) < 1e-5

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

    def test_frames_know_their_order(self, make_concat_transformer, inputs):
        model = make_concat_transformer()
        backwards = run(model, inputs, hidden_states=inputs["hidden_states"].flip(-1)).flip(-1)
        assert (backwards - run(model, inputs)).abs().max() > 1e-3


class TestTimestepAndGuidance:
    @pytest.mark.parametrize("timestep", [519, 519.0, torch.tensor(519), torch.tensor([519])])
    def test_every_form_of_a_timestep(self, make_concat_transformer, inputs, timestep):
        model = make_concat_transformer()
        assert torch.equal(
            run(model, inputs, timestep=timestep), run(model, inputs, timestep=torch.tensor([519, 519]))
        )

    def test_samples_of_a_batch_do_not_touch(self, make_concat_transformer, inputs, relative_error):
        model = make_concat_transformer()
        alone = run(model, {name: value[1:] for name, value in inputs.items()})
        assert relative_error(run(model, inputs)[1:], alone) < 1e-5

    def test_no_guidance_is_not_guidance_of_zero(self, make_concat_transformer, inputs):
        """Sample 0 is embedded with w = 0, whose embedding has cosines of 1."""
        model = make_concat_transformer()
        without = run(model, inputs, timestep_cond=None)
        assert (run(model, inputs) - without)[0].abs().max() > 1e-4

    def test_a_fresh_guidance_embedding_changes_nothing(self, make_concat_transformer, inputs):
        """A student that takes over a teacher's weights starts out as the teacher."""
        teacher = make_concat_transformer(time_cond_proj_dim=None)
        student = make_concat_transformer()
        student.initialize_weights()
        missing, unexpected = student.load_state_dict(teacher.state_dict(), strict=False)
        assert missing == ["time_embedding.cond_proj.weight"]
        assert unexpected == []
        torch.testing.assert_close(run(student, inputs), run(teacher, inputs, timestep_cond=None))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What both transformers promise, of each of them."""

import pytest
import torch


MASK = torch.tensor([[1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.bool)

# LLaMA's parts changed back, too.
TRANSFORMERS = {
    "llama": ("make_llama_transformer", {}),
    "llama with other parts": (
        "make_llama_transformer",
        {"position_embedding": "learned", "num_positions": 13, "activation_fn": "gelu", "norm_type": "layer_norm"},
    ),
    "concat": ("make_concat_transformer", {}),
}


@pytest.fixture(params=TRANSFORMERS)
def make_transformer(request):
    fixture, parts = TRANSFORMERS[request.param]
    make = request.getfixturevalue(fixture)
    return lambda **config: make(**{**parts, **config})


@torch.no_grad()
def run(model, inputs, **replaced):
    return model(**{**inputs, **replaced}, return_dict=False)[0]


def test_out_channels_default_to_in_channels(make_transformer, transformer_inputs):
    assert run(make_transformer(), transformer_inputs).shape == (2, 4, 13)
    assert run(make_transformer(out_channels=3), transformer_inputs).shape == (2, 3, 13)


def test_frames_know_their_order(make_transformer, transformer_inputs):
    model = make_transformer()
    if model.config.get("num_positions"):
        # A trained table; a fresh one is a small part of a frame.
        model.pos_embed.weight.data.mul_(50.0)
    backwards = run(model, transformer_inputs, hidden_states=transformer_inputs["hidden_states"].flip(-1)).flip(-1)
    assert (backwards - run(model, transformer_inputs)).abs().max() > 1e-3


def test_masked_tokens_have_no_influence_whatever_they_are(make_transformer, transformer_inputs):
    model = make_transformer()
    masked = run(model, transformer_inputs, encoder_attention_mask=MASK)
    spoilt = transformer_inputs["encoder_hidden_states"].masked_fill(~MASK.unsqueeze(-1), float("nan"))
    output = run(model, transformer_inputs, encoder_hidden_states=spoilt, encoder_attention_mask=MASK)
    assert torch.equal(output, masked)
    assert (masked - run(model, transformer_inputs))[0].abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
def test_a_mask_that_hides_nothing_equals_none(make_transformer, transformer_inputs, relative_error, dtype):
    model = make_transformer()
    masked = run(model, transformer_inputs, encoder_attention_mask=torch.ones(2, 6, dtype=dtype))
    assert relative_error(masked, run(model, transformer_inputs)) < 1e-5


@pytest.mark.parametrize("timestep", [519, 519.0, torch.tensor(519), torch.tensor([519])])
def test_every_form_of_a_timestep(make_transformer, transformer_inputs, timestep):
    model = make_transformer()
    expected = run(model, transformer_inputs, timestep=torch.tensor([519, 519]))
    assert torch.equal(run(model, transformer_inputs, timestep=timestep), expected)


def test_samples_of_a_batch_do_not_touch(make_transformer, transformer_inputs, relative_error):
    model = make_transformer()
    alone = run(model, {name: value[1:] for name, value in transformer_inputs.items()})
    assert relative_error(run(model, transformer_inputs)[1:], alone) < 1e-5


def test_no_guidance_is_not_guidance_of_zero(make_transformer, transformer_inputs):
    """Sample 0 is embedded with w = 0, whose embedding has cosines of 1."""
    model = make_transformer()
    without = run(model, transformer_inputs, timestep_cond=None)
    difference = (run(model, transformer_inputs) - without)[0].abs().max()
    # The concat transformer's time is one token of many.
    assert difference > (1e-4 if "max_position_embeddings" in model.config else 1e-3)


def test_a_fresh_guidance_embedding_changes_nothing(make_transformer, transformer_inputs):
    """A student that takes over a teacher's weights starts out as the teacher."""
    teacher = make_transformer(time_cond_proj_dim=None)
    student = type(teacher).from_config({**teacher.config, "time_cond_proj_dim": 256})
    student.initialize_weights()
    missing, unexpected = student.load_state_dict(teacher.state_dict(), strict=False)
    assert missing == ["time_embedding.cond_proj.weight"]
    assert unexpected == []
    expected = run(teacher, transformer_inputs, timestep_cond=None)
    torch.testing.assert_close(run(student, transformer_inputs), expected)


@pytest.mark.parametrize("name", ["in_channels", "num_layers", "attention_head_dim", "time_cond_proj_dim"])
@pytest.mark.parametrize("value", [0, -1])
def test_every_number_of_the_config_is_positive(make_transformer, name, value):
    with pytest.raises(ValueError, match=f"^Expected {name} > 0, got {name}={value}\\.$"):
        make_transformer(**{name: value})

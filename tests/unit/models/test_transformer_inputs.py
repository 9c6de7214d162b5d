# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.models.transformer_inputs import check_transformer_inputs, expand_timestep


def inputs(**replaced):
    """What fits a model of 4 channels, text width 16 and a guidance embedding of width 256."""
    fitting = {
        "hidden_states": torch.zeros(2, 4, 13),
        "encoder_hidden_states": torch.zeros(2, 7, 16),
        "encoder_attention_mask": torch.ones(2, 7, dtype=torch.bool),
        "timestep_cond": torch.zeros(2, 256),
        "in_channels": 4,
        "cross_attention_dim": 16,
        "time_cond_proj_dim": 256,
    }
    return {**fitting, **replaced}


def test_what_fits_is_accepted():
    check_transformer_inputs(**inputs())
    check_transformer_inputs(**inputs(encoder_attention_mask=torch.ones(2, 7, dtype=torch.int64)))
    check_transformer_inputs(**inputs(encoder_attention_mask=None, timestep_cond=None, time_cond_proj_dim=None))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (
            {"hidden_states": torch.zeros(2, 5, 13)},
            r"`hidden_states` .*\(batch_size, 4, num_frames\).*got \(2, 5, 13\)",
        ),
        ({"hidden_states": torch.zeros(2, 4, 0)}, r"num_frames >= 1, got \(2, 4, 0\)"),
        ({"hidden_states": torch.zeros(2, 4)}, r"got \(2, 4\)"),
        ({"encoder_hidden_states": torch.zeros(2, 7, 15)}, r"\(2, num_tokens, 16\).*got \(2, 7, 15\)"),
        ({"encoder_hidden_states": torch.zeros(3, 7, 16)}, r"\(2, num_tokens, 16\).*got \(3, 7, 16\)"),
        ({"encoder_hidden_states": torch.zeros(2, 0, 16)}, r"num_tokens >= 1, got \(2, 0, 16\)"),
        ({"encoder_hidden_states": torch.zeros(2, 16)}, r"got \(2, 16\)"),
        ({"encoder_attention_mask": torch.ones(2, 8, dtype=torch.bool)}, r"of shape \(2, 7\), got \(2, 8\)"),
        ({"encoder_attention_mask": torch.zeros(2, 7)}, r"boolean or integer .* got torch.float32"),
        ({"timestep_cond": torch.zeros(2, 255)}, r"`timestep_cond` of shape \(2, 256\), got \(2, 255\)"),
        ({"timestep_cond": torch.zeros(1, 256)}, r"`timestep_cond` of shape \(2, 256\), got \(1, 256\)"),
        ({"time_cond_proj_dim": None}, r"`timestep_cond` of shape \(2, 256\).*time_cond_proj_dim=None"),
    ],
)
def test_what_does_not_fit_is_quoted(replaced, message):
    with pytest.raises(ValueError, match=message):
        check_transformer_inputs(**inputs(**replaced))


@pytest.mark.parametrize("timestep", [999, 999.0, torch.tensor(999), torch.tensor([999]), torch.tensor([999, 999])])
def test_every_form_of_a_timestep_becomes_one_per_sample(timestep):
    expanded = expand_timestep(timestep, batch_size=2, device=torch.device("cpu"))
    assert expanded.shape == (2,)
    assert expanded.tolist() == [999, 999]


@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 1)])
def test_a_timestep_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"scalar `timestep` or one of shape \(2,\), got \("):
        expand_timestep(torch.zeros(shape), batch_size=2, device=torch.device("cpu"))

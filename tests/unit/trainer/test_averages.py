# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from safetensors.torch import load_file

from audiolcm_diffusers.trainer.averages import Averages, average_decay
from audiolcm_diffusers.trainer.checkpoints import load_checkpoint, save_checkpoint


def test_early_weights_do_not_linger():
    # After steps 1, 8 and 89: 2/11, 9/18 and 90/99; from there on the rate that was asked for.
    assert average_decay(1, 0.999) == 2 / 11 and average_decay(8, 0.999) == 0.5 and average_decay(89, 0.9) == 0.9
    assert average_decay(10**6, 0.999) == 0.999


def linear(weight):
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(weight)
    return model


def test_averages_follow_at_their_rates(accelerator):
    averages, model = Averages(accelerator), linear(0.0)
    own, early, late = averages.add(model, decay=0.75), averages.add(model), averages.add(linear(5.0), decay=0.0)
    with torch.no_grad():
        model.weight.fill_(1.0)
    averages.update(8, ema_decay=0.999)
    # A quarter of the way, and half of it at the rate of step 8; the other model stands still.
    assert (own.weight.item(), early.weight.item(), late.weight.item()) == (0.25, 0.5, 5.0)
    averages.update(8, ema_decay=0.25)
    assert (own.weight.item(), early.weight.item()) == (0.4375, 0.875)


def test_an_average_is_frozen_and_shares_what_is_frozen_in_its_model(accelerator):
    model = torch.nn.Sequential(linear(1.0).requires_grad_(False), torch.nn.Dropout(), linear(2.0)).train()
    average = Averages(accelerator).add(model)
    assert average[0].weight is model[0].weight and average[2].weight is not model[2].weight
    assert not average.training and not any(parameter.requires_grad for parameter in average.parameters())
    assert model.training and model[2].weight.requires_grad


def test_averages_lie_in_checkpoints_in_the_order_in_which_they_were_made(accelerator, tmp_path):
    averages, models = Averages(accelerator), [linear(1.0), linear(2.0)]
    kept = [averages.add(model) for model in models]
    save_checkpoint(accelerator, tmp_path, 3, keep=1, averages=averages.checkpointed)
    for index, weight in enumerate((1.0, 2.0)):
        state = load_file(tmp_path / f"checkpoint-3/average_{index}.safetensors")
        assert state.keys() == {"weight"} and state["weight"].item() == weight
    with torch.no_grad():
        kept[1].weight.zero_()
    load_checkpoint(accelerator, tmp_path / "checkpoint-3", averages.checkpointed)
    assert kept[1].weight.item() == 2.0


def test_without_shards_an_average_is_whole(accelerator):
    averages = Averages(accelerator)
    average = averages.add(linear(1.0))
    assert averages.whole(average) is average


def test_an_average_is_made_before_its_model_is_wrapped(accelerator):
    with pytest.raises(ValueError, match="before Accelerator.prepare, got DataParallel"):
        Averages(accelerator).add(torch.nn.DataParallel(torch.nn.Linear(1, 1)))

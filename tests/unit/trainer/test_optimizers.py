# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.trainer.optimizers import Schedules, adamw


def steps_of(schedules, optimizers, num_steps):
    """Learning rates of the optimizers in each step."""
    rates = []
    for step in range(1, num_steps + 1):
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
        for optimizer in optimizers:
            optimizer.step()
        schedules.advance(step)
    return rates


def make(rate=1.0, **group):
    return adamw([{"params": [torch.nn.Parameter(torch.zeros(1))], **group}], rate, (0.9, 0.999), 0.01)


def test_a_rate_rises_from_0_and_falls_along_a_cosine():
    schedules, optimizer = Schedules(warmup_steps=2, max_train_steps=6), make()
    schedules.add(optimizer)
    # 0 and 1/2 of warm-up; then (1 + cos(pi k / 4)) / 2 over the other four steps.
    expected = [0.0, 0.5, 1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]
    assert [rate for (rate,) in steps_of(schedules, [optimizer], 6)] == pytest.approx(expected)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)


def test_an_optimizer_that_takes_part_later_begins_later_and_ends_with_the_others():
    schedules, optimizers = Schedules(warmup_steps=1, max_train_steps=5), [make(1.0), make(8.0)]
    schedules.add(optimizers[0])
    schedules.add(optimizers[1], first_step=2)
    first, second = zip(*steps_of(schedules, optimizers, 5))
    assert first == pytest.approx([0.0, 1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2])
    # It stands before its first step, the third of the run, which it takes at 0.
    assert second == pytest.approx([0.0, 0.0, 0.0, 8.0, 4.0])


def test_the_rate_that_is_told_is_that_of_the_first_optimizer_in_the_step_being_taken():
    schedules = Schedules(warmup_steps=2, max_train_steps=4)
    assert schedules.learning_rate == 0.0
    optimizers = [make(1.0), make(8.0)]
    for optimizer in optimizers:
        schedules.add(optimizer)
    assert schedules.learning_rate == 0.0
    steps_of(schedules, optimizers, 1)
    assert schedules.learning_rate == 0.5


def test_a_group_keeps_its_own_rate():
    assert make(1.0, lr=0.25).param_groups[0]["lr"] == 0.25 and make(1.0).param_groups[0]["lr"] == 1.0


def test_the_first_step_of_adamw_is_the_rate_in_size():
    # Bias-corrected, both averages are of the one gradient g: g / |g|; before, the weight decays by rate * decay.
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = adamw([weight], 0.5, (0.8, 0.99), weight_decay=0.1)
    weight.grad = torch.tensor([-3.0])
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.5 * 0.1) + 0.5)

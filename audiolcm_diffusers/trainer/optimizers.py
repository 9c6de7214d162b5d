# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""AdamW, and learning rates along a cosine."""

import torch
from diffusers.optimization import get_scheduler


def adamw(parameters, learning_rate, betas, weight_decay, with_8_bits=False):
    r"""
    AdamW in one kernel.

    Args:
        parameters: Parameters, or groups of them with options of their own.
        learning_rate (`float`): Highest learning rate, where a group has none.
        betas (`tuple[float, float]`): Rates of the two averages of gradients.
        weight_decay (`float`): Decoupled weight decay.
        with_8_bits (`bool`, defaults to `False`): Whether the averages are kept in 8 bits, by bitsandbytes.
    """
    options = {"lr": learning_rate, "betas": betas, "weight_decay": weight_decay}
    if with_8_bits:
        import bitsandbytes

        return bitsandbytes.optim.AdamW8bit(parameters, **options)
    return torch.optim.AdamW(parameters, fused=True, **options)


class Schedules:
    r"""
    Learning rates of a run's optimizers: each along a cosine with warm-up, one count a step whatever the number of
    processes.

    Args:
        warmup_steps (`int`): Steps over which a rate rises from 0.
        max_train_steps (`int`): Step at which all are 0 again.
    """

    def __init__(self, warmup_steps, max_train_steps):
        self.warmup_steps, self.max_train_steps = warmup_steps, max_train_steps
        self._schedules = []

    def add(self, optimizer, first_step=0):
        r"""
        Let an optimizer's rate begin at `first_step`. What the optimizer was made with counts in a resumed run, too,
        see [`~Schedules.go_to`].
        """
        given = [
            {name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups
        ]
        schedule = get_scheduler(
            "cosine",
            optimizer,
            num_warmup_steps=self.warmup_steps,
            num_training_steps=max(1, self.max_train_steps - first_step),
        )
        self._schedules.append((schedule, first_step, given))

    def go_to(self, step):
        r"""
        Take up the rates after a step. An optimizer's state was loaded with the rates, and all other options, of the
        run that saved it; those of this run are put back.
        """
        for schedule, first_step, given in self._schedules:
            schedule.last_epoch = max(0, step - first_step)
            rates = [
                base * factor(schedule.last_epoch) for base, factor in zip(schedule.base_lrs, schedule.lr_lambdas)
            ]
            for group, options, base, rate in zip(schedule.optimizer.param_groups, given, schedule.base_lrs, rates):
                group.update(options, lr=rate, initial_lr=base)
            schedule._last_lr = rates

    @property
    def learning_rate(self):
        r"""`float`: Of the first optimizer's first group, in the step that is being taken; 0 without any."""
        return self._schedules[0][0].get_last_lr()[0] if self._schedules else 0.0

    def advance(self, step):
        r"""Count the step, which has just ended, for those that have begun before it."""
        for schedule, first_step, _ in self._schedules:
            if step > first_step:
                schedule.step()

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
        Let an optimizer's rate begin at `first_step`.

        Returns:
            `torch.optim.lr_scheduler.LambdaLR`: The schedule, which belongs in checkpoints.
        """
        schedule = get_scheduler(
            "cosine",
            optimizer,
            num_warmup_steps=self.warmup_steps,
            num_training_steps=max(1, self.max_train_steps - first_step),
        )
        self._schedules.append((schedule, first_step))
        return schedule

    @property
    def learning_rate(self):
        r"""`float`: Of the first optimizer's first group, in the step that is being taken; 0 without any."""
        return self._schedules[0][0].get_last_lr()[0] if self._schedules else 0.0

    def advance(self, step):
        r"""Count the step, which has just ended, for those that have begun before it."""
        for schedule, first_step in self._schedules:
            if step > first_step:
                schedule.step()

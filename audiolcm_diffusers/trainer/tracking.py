# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is told of a run while it goes on: means of its losses, its speed, a progress bar."""

import sys

import torch
from accelerate.utils import gather_object
from tqdm.auto import tqdm

from .checkpoints import newest_checkpoint


class Losses:
    r"""
    Losses since the last line of the log. They stay on the device until they are looked at, so that no step waits for
    them.

    Args:
        accelerator (`Accelerator`): The run's.
    """

    def __init__(self, accelerator):
        self.accelerator = accelerator
        self._sums = {}  # of each loss: sum and count of the values since the last line
        self._unchecked = []  # of each batch since the last check: step, clips, sum of the losses

    def add(self, step, names, values):
        r"""
        Count the losses of a batch.

        Args:
            step (`int`): The step that the batch belongs to.
            names (`Iterable[str]`): Clips of the batch, for the error message.
            values (`dict[str, torch.Tensor or float]`): Losses by their names.
        """
        values = {
            name: torch.as_tensor(value, device=self.accelerator.device).detach().float()
            for name, value in values.items()
        }
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + torch.stack([value, torch.ones_like(value)])
        if values:
            self._unchecked.append((step, tuple(names), sum(values.values())))

    def check_finite(self, output_dir):
        r"""
        Stop at a bad value, before what follows from it reaches a checkpoint.

        Args:
            output_dir (`str` or `Path`): Folder of the run's checkpoints, for the error message.

        Raises:
            FloatingPointError: At the first value since the last check that is NaN or infinite.
        """
        if not self._unchecked:
            return
        totals = torch.stack([total for _, _, total in self._unchecked])
        (bad,) = torch.nonzero(~torch.isfinite(totals), as_tuple=True)
        unchecked, self._unchecked = self._unchecked, []
        if len(bad):
            step, names, total = unchecked[int(bad[0])]
            heard = f" The batch: {', '.join(names)}." if names else ""
            last = newest_checkpoint(output_dir)
            kept = "There is no checkpoint yet." if last is None else f"The last good checkpoint is {last}."
            raise FloatingPointError(f"The loss of step {step} is {float(total)}.{heard} {kept}")

    def means(self):
        r"""
        `dict[str, float]`: Means since the last call, over all processes, of which each may lack some. To be called on
        all.
        """
        sums, self._sums = self._sums, {}
        names = sorted(set().union(*gather_object([list(sums)])))
        if not names:
            return {}
        nothing = torch.zeros(2, device=self.accelerator.device)
        table = torch.stack([sums.get(name, nothing) for name in names])
        totals, counts = self.accelerator.reduce(table, "sum").cpu().unbind(1)
        return {name: float(total / count) for name, total, count in zip(names, totals, counts)}


class Speed:
    r"""
    How fast a run is, from its first step on, which itself does not count: it compiles and warms up.

    Args:
        max_train_steps (`int`): Steps in all.
        num_processes (`int`, defaults to 1): Processes, each of which counts its own examples.
    """

    def __init__(self, max_train_steps, num_processes=1):
        self.max_train_steps, self.num_processes = max_train_steps, num_processes
        self._examples = 0
        self._started = None

    def count(self, num_examples):
        r"""Count the examples of a batch on this process."""
        self._examples += num_examples

    def after(self, step, now):
        r"""
        Tell the speed after a step.

        Args:
            step (`int`): The step that has just ended.
            now (`float`): Seconds of a clock that never goes back.

        Returns:
            `dict`: `steps_per_s`, `samples_per_s` over all processes, and `eta_s`, the seconds that are left at this
            speed, which the first step does not know yet.
        """
        self._started = self._started or (now, step, self._examples)
        started, first_step, examples = self._started
        seconds = max(now - started, 1e-9)
        steps_per_s = (step - first_step) / seconds
        samples_per_s = (self._examples - examples) * self.num_processes / seconds
        speeds = {"steps_per_s": round(steps_per_s, 3), "samples_per_s": round(samples_per_s, 2)}
        if steps_per_s > 0:
            speeds["eta_s"] = round((self.max_train_steps - step) / steps_per_s)
        return speeds


class ProgressBar:
    r"""
    A bar that a terminal shows and a file does not; it knows the time left by itself. It appears with the first step,
    where a run that goes on is told from one that begins.

    Args:
        max_train_steps (`int`): Steps in all.
    """

    def __init__(self, max_train_steps):
        self.max_train_steps = max_train_steps
        self._bar, self._shown = None, {}

    def move(self, step, means, learning_rate, samples_per_s):
        r"""Move the bar to a step; losses stay as they were where there are no new ones."""
        if self._bar is None:
            self._bar = tqdm(total=self.max_train_steps, initial=step - 1, disable=None, unit="step")
        if means:
            self._shown = {name: f"{value:.4g}" for name, value in means.items()}
        told = {**self._shown, "lr": f"{learning_rate:.2g}", "samples/s": samples_per_s}
        self._bar.set_postfix(told, refresh=False)
        self._bar.update()

    def write(self, text):
        r"""Print a line above the bar."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self):
        r"""Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the training scripts share and the paper would not print: options, checkpoints, logs, averaged weights."""

import copy
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.optimization import get_scheduler
from transformers import HfArgumentParser

from .consistency import update_ema


def option(default, help_text):
    r"""A dataclass field with a help text, which `HfArgumentParser` turns into a flag."""
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class RunConfig:
    r"""Options of every training script."""

    data_dir: str = field(metadata={"help": "Folder with `metadata.csv` (file_name, caption) and the audio."})
    output_dir: str = field(metadata={"help": "Where checkpoints, logs and the trained model go."})
    max_train_steps: int = option(10000, "Optimisation steps in all.")
    batch_size: int = option(16, "Clips in a step, on each process.")
    learning_rate: float = option(3e-4, "Highest learning rate.")
    warmup_steps: int = option(200, "Steps over which the learning rate rises from 0.")
    max_grad_norm: float = option(1.0, "Gradients are clipped to this norm.")
    ema_decay: float = option(0.999, "Rate of the averaged weights, in [0, 1].")
    seed: int = option(0, "Seed of every random draw.")
    checkpointing_steps: int = option(500, "Steps between checkpoints.")
    checkpoints_total_limit: int = option(2, "Checkpoints kept.")
    resume_from_checkpoint: str | None = option(None, '"latest" or the path of a `checkpoint-<step>` folder.')
    logging_steps: int = option(20, "Steps between lines of the log.")
    mixed_precision: str = option("no", '"no", "fp16" or "bf16".')

    def __post_init__(self):
        for name in ("max_train_steps", "batch_size", "checkpointing_steps", "checkpoints_total_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} >= 1, got {getattr(self, name)}.")
        if not 0.0 <= self.ema_decay <= 1.0:
            raise ValueError(f"Expected 0 <= ema_decay <= 1, got {self.ema_decay}.")
        if not self.learning_rate > 0.0:
            raise ValueError(f"Expected learning_rate > 0, got {self.learning_rate}.")


def parse_config(config_class, args=None):
    r"""Read a script's options from the command line."""
    return HfArgumentParser(config_class).parse_args_into_dataclasses(args)[0]


def checkpoints_to_remove(names, keep):
    r"""Pick the oldest `checkpoint-<step>` names beyond the newest `keep`."""
    by_step = sorted(names, key=lambda name: int(name.removeprefix("checkpoint-")))
    return by_step[: max(0, len(by_step) - keep)]


def checkpoint_names(output_dir):
    r"""Names of the complete checkpoints in a folder, in no order."""
    return [
        path.name
        for path in Path(output_dir).glob("checkpoint-*")
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdigit()
    ]


def save_folder(save, folder):
    r"""
    Let `save(path)` write a folder under a temporary name, then put it in the place of `folder`.

    An interrupted save leaves what was there before.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.partial")
    replaced = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
    temporary.mkdir(parents=True)
    save(temporary)
    if folder.exists():
        os.replace(folder, replaced)
    os.replace(temporary, folder)
    shutil.rmtree(replaced, ignore_errors=True)


class TrainingRun:
    r"""
    One run: an accelerator, the step count, averaged weights, logs and checkpoints.

    Args:
        config ([`RunConfig`]): The script's options, saved as `config.json` in the output folder.
    """

    def __init__(self, config):
        self.config = config
        self.accelerator = Accelerator(mixed_precision=config.mixed_precision)
        # Ranks that draw the same noise would train on one batch twice.
        set_seed(config.seed, device_specific=True)
        self.step = 0
        self._ema = {}
        self._sums = {}
        self._started = None
        self.output_dir = Path(config.output_dir)
        if self.accelerator.is_main_process:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            (self.output_dir / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")

    def step_generator(self):
        r"""Random numbers of the current step and rank: a function of both alone, so that resuming repeats them."""
        seed = (self.config.seed * 1_000_003 + self.step) * 1_009 + self.accelerator.process_index
        return torch.Generator().manual_seed(seed)

    def optimizer(self, parameters, learning_rate=None, betas=(0.9, 0.999), weight_decay=0.01, first_step=0):
        r"""
        AdamW and its cosine schedule with warm-up, one count a step whatever the number of processes.

        The schedule covers the steps from `first_step` on.
        """
        optimizer = torch.optim.AdamW(
            parameters, lr=learning_rate or self.config.learning_rate, betas=betas, weight_decay=weight_decay
        )
        schedule = get_scheduler(
            "cosine",
            optimizer,
            num_warmup_steps=self.config.warmup_steps,
            num_training_steps=max(1, self.config.max_train_steps - first_step),
        )
        self.accelerator.register_for_checkpointing(schedule)
        return self.accelerator.prepare(optimizer), schedule

    def averaged(self, model):
        r"""A copy of the model whose weights [`after_step`] keeps at the moving average of the model's."""
        average = copy.deepcopy(self.accelerator.unwrap_model(model)).requires_grad_(False).eval()
        self._ema[average] = model
        self.accelerator.register_for_checkpointing(average)
        return average

    def resume(self):
        r"""Load the checkpoint that the options name; called once everything is prepared."""
        source = self.config.resume_from_checkpoint
        if source is None:
            return
        if source == "latest":
            names = checkpoint_names(self.output_dir)
            if not names:
                return
            source = self.output_dir / max(names, key=lambda name: int(name.removeprefix("checkpoint-")))
        self.accelerator.load_state(str(source))
        self.step = int(Path(source).name.removeprefix("checkpoint-"))

    def after_step(self, **values):
        r"""Count the step; average weights, log and save as the options say. Values are logged as means."""
        self.step += 1
        for average, model in self._ema.items():
            model = self.accelerator.unwrap_model(model)
            # Early weights would linger in the average of a short run.
            decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
            update_ema(list(average.parameters()), list(model.parameters()), decay)
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value.detach() if isinstance(value, torch.Tensor) else total + value, count + 1)
        now = time.monotonic()
        self._started = self._started or (now, self.step)
        if self.step % self.config.logging_steps == 0 and self.accelerator.is_main_process:
            line = {name: round(float(total / count), 5) for name, (total, count) in self._sums.items()}
            steps_per_s = (self.step - self._started[1]) / max(now - self._started[0], 1e-9)
            line |= {"step": self.step, "steps_per_s": round(steps_per_s, 3)}
            print(json.dumps(line), flush=True)
            with (self.output_dir / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            self._sums = {}
        if self.step % self.config.checkpointing_steps == 0 or self.step == self.config.max_train_steps:
            self.save_checkpoint()

    def save_checkpoint(self):
        r"""Write `checkpoint-<step>` under a temporary name, rename it, and drop the oldest beyond the limit."""
        name = f"checkpoint-{self.step}"
        if self.accelerator.num_processes == 1:
            save_folder(lambda path: self.accelerator.save_state(str(path)), self.output_dir / name)
        else:
            temporary = self.output_dir / f".{name}.partial"
            self.accelerator.save_state(str(temporary))
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                os.replace(temporary, self.output_dir / name)
        if self.accelerator.is_main_process:
            for old in checkpoints_to_remove(
                checkpoint_names(self.output_dir), self.config.checkpoints_total_limit
            ):
                shutil.rmtree(self.output_dir / old)
        self.accelerator.wait_for_everyone()

    def save_model(self, model, name="model"):
        r"""Write the `save_pretrained` folder of a model or pipeline into the output folder, on the main process."""
        if self.accelerator.is_main_process:
            save_folder(model.save_pretrained, self.output_dir / name)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a training loop talks to."""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate.utils import set_seed
from diffusers import DiffusionPipeline

from ..data.captioned_audio import seeded_generator
from ..data.clip_parts import ClipParts, PartSizes, Share
from ..files import clean_leftovers, locked, replacing
from ..teachers.student_mark import mark_student
from . import adversarial
from .averages import Averages
from .cards import adapter_usage, family_adapter_usage, family_usage, model_card, model_usage
from .checkpoint_manifest import read_manifest, refuse_changed_options
from .checkpoints import checkpoint_to_resume, load_checkpoint, refuse_another_run, save_checkpoint, set_aside
from .data_options import clips_of_run, load_clips_and_report
from .launch import start_accelerator
from .log import RunLog, log_line
from .optimizers import Schedules, adamw
from .run_options import options_to_save
from .saving import repository_of, save_family_lora, save_lora_weights, save_with_card, upload
from .stopping import StopRequest
from .tracking import Losses, ProgressBar, Speed
from .validation import make_family_sounds, make_sounds, track_sounds


# Of data that do not fit into memory, long clips are held in pieces of so many of the longest examples.
EXAMPLES_OF_A_CLIP = 4


@dataclass(frozen=True)
class Due:
    r"""What is to be done after a step."""

    ends: bool
    logs: bool
    saves: bool
    validates: bool


def due_after(step, config):
    r"""What a script's options say is to be done after a step, as [`Due`]; the last one saves and validates, too."""
    ends = step == config.max_train_steps
    every = getattr(config, "validation_steps", 0)
    return Due(
        ends=ends,
        logs=step % config.logging_steps == 0,
        saves=ends or step % config.checkpointing_steps == 0,
        validates=every > 0 and (ends or step % every == 0),
    )


class TrainingRun:
    r"""
    One run: an accelerator, the step count, and what belongs to a run whatever is trained, averaged weights, logs and
    checkpoints. Each of these is a module of its own; a run says when.

    A script sets `validation_pipeline`, a function that makes the pipeline to validate with on all processes, and
    `validation_options`, that pipeline's arguments, where there is something to hear; and `validation_teacher` where
    that pipeline is of another family than ours.

    Args:
        config ([`~audiolcm_diffusers.trainer.RunConfig`]):
            The script's options, saved as `config.json` in the output folder.
        with_discriminators (`bool`, defaults to `False`):
            Whether the script trains two networks, one against the other, which it cannot under FSDP and DeepSpeed.

    Raises:
        ValueError:
            If the run was started in a way in which it would not train as on one process, or its folder holds another.
    """

    def __init__(self, config, with_discriminators=False):
        self.config = config
        self.accelerator = start_accelerator(config, with_discriminators)
        # Ranks that draw the same noise would train on one batch twice.
        set_seed(config.seed, device_specific=True)
        self.step = 0
        self.validation_pipeline, self.validation_options, self.validation_teacher = None, {}, None
        self.output_dir = Path(config.output_dir)
        self._batches = 0  # of this step, so far
        self._clips = None  # where they are read while the run goes on
        self._averages = Averages(self.accelerator)
        self._schedules = Schedules(config.warmup_steps, config.max_train_steps)
        self._losses = Losses(self.accelerator)
        self._speed = Speed(config.max_train_steps, self.accelerator.num_processes)
        self._bar = ProgressBar(config.max_train_steps)
        self._log = RunLog(self.output_dir)
        if config.resume_from_checkpoint is None:
            refuse_another_run(self.output_dir)
        self._stop = StopRequest(self.accelerator)
        # Refused before any rank creates the folder.
        self.accelerator.wait_for_everyone()
        self._held = ExitStack()
        if self.accelerator.is_main_process:
            # Before hours of training whose end could not be uploaded.
            self._repository = repository_of(config, self.hub_name) if config.push_to_hub else None
            self._held.enter_context(locked(self.output_dir, "Another run"))
            clean_leftovers(self.output_dir)
            # What a run is resumed with is written once it is known to go on.
            if config.resume_from_checkpoint is None:
                self._write_config()
        # Trackers know numbers and text.
        options = {name: str(value) if value is None else value for name, value in options_to_save(config).items()}
        self.accelerator.init_trackers("audiolcm", config=options)

    def _write_config(self):
        with replacing(self.output_dir / "config.json") as temporary:
            temporary.write_text(json.dumps(options_to_save(self.config), indent=2) + "\n")

    def load_clips(self, sampling_rate=16000, **how):
        r"""Read the dataset into memory, see [`~audiolcm_diffusers.trainer.load_clips_and_report`]."""
        return load_clips_and_report(self.config, sampling_rate, self._bad_clips(), **how)

    def _bad_clips(self):
        return self.output_dir / "bad_clips.csv" if self.accelerator.is_main_process else None

    def clips(self, examples_per_step, longest_s, sampling_rate=16000, **how):
        r"""
        The dataset, in memory or part by part, see [`~audiolcm_diffusers.trainer.data_options.clips_of_run`].

        Args:
            examples_per_step (`float`): Clips that a batch of a process is made of.
            longest_s (`float`): The longest example, in seconds.
            sampling_rate (`int`, defaults to 16000): Rate in Hz to which clips are resampled.
            how: Further arguments.
        """
        sizes = PartSizes(
            max_bytes=1e6 * self.config.clip_memory_mb,
            examples_per_step=examples_per_step * self.config.gradient_accumulation_steps,
            max_clip_samples=round(EXAMPLES_OF_A_CLIP * longest_s * sampling_rate),
        )
        share = Share(self.accelerator.process_index, self.accelerator.num_processes)
        self._clips = clips_of_run(
            self.config,
            sampling_rate,
            self._bad_clips(),
            sizes,
            lambda: self.step,
            share,
            self.config.seed,
            **how,
        )
        return self._clips

    def optimizer(self, parameters, learning_rate=None, betas=(0.9, 0.999), weight_decay=0.01, first_step=0):
        r"""
        AdamW, whose learning rate [`~TrainingRun.after_step`] takes along a cosine with warm-up from `first_step` on,
        one count a step whatever the number of processes. It is to be prepared in one call with its network, because
        FSDP gives both other parameters.
        """
        rate = learning_rate or self.config.learning_rate
        optimizer = adamw(parameters, rate, betas, weight_decay, with_8_bits=self.config.use_8bit_adam)
        self._schedules.add(optimizer, first_step)
        return optimizer

    def averaged(self, model, decay=None):
        r"""
        A copy of a model whose weights [`~TrainingRun.after_step`] keeps at the moving average of the model's, by
        default at the options' `ema_decay`: see [`~audiolcm_diffusers.trainer.averages.Averages.add`].
        """
        return self._averages.add(model, decay)

    def whole(self, average):
        r"""An average to use and save, see [`~audiolcm_diffusers.trainer.averages.Averages.whole`]."""
        return self._averages.whole(average)

    def resume(self):
        r"""
        Load the checkpoint that the options name; called once everything is prepared.

        Raises:
            ValueError:
                If there is no such checkpoint, it is damaged, or it is of a run that trained something else. Nothing
                has changed on the disk then.
        """
        if self.config.resume_from_checkpoint is None:
            return
        folder = checkpoint_to_resume(self.config.resume_from_checkpoint, self.output_dir)
        if folder is not None:
            allowed = self.config.resume_with_changed or ()
            refuse_changed_options(folder, read_manifest(folder)["options"], options_to_save(self.config), allowed)
            self.step = load_checkpoint(self.accelerator, folder, self._averages.checkpointed)
            if isinstance(self._clips, ClipParts):
                self._clips.load_state(folder / self._place_name)
            self._schedules.go_to(self.step)
        # No process may still be reading what is moved.
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            set_aside(self.output_dir, self.step)
            self._log.forget_beyond(self.step)
            self._write_config()

    def step_generator(self):
        r"""Random numbers of the current step: a function of seed and step alone, so that resuming repeats them."""
        return seeded_generator(self.config.seed, self.step, 0)

    def example_generators(self, batch_size):
        r"""
        Random numbers of each example of the batch: a function of seed, step and the example's number among all of the
        step's. Two processes or two accumulated batches draw what one batch of twice the size does.
        """
        self._speed.count(batch_size)
        batch = self._batches * self.accelerator.num_processes + self.accelerator.process_index
        first = 1 + batch * batch_size
        return [seeded_generator(self.config.seed, self.step, first + index) for index in range(batch_size)]

    def discriminator_step(self, discriminators, real, generated, optimizer, feature_matching="relative"):
        r"""Train discriminators, see [`~audiolcm_diffusers.trainer.adversarial.discriminator_step`]."""
        return adversarial.discriminator_step(
            self.accelerator, discriminators, real, generated, optimizer, feature_matching
        )

    def after_step(self, names=(), **values):
        r"""
        Count the batch, and where it ends a step: schedules, averages, log and checkpoints as the options say.

        Args:
            names (`Iterable[str]`): Clips of the batch, for the error message.
            values (`torch.Tensor` or `float`): Losses; logged as means.

        Raises:
            FloatingPointError:
                If a value is NaN or infinite. Values are looked at where a line is logged or a checkpoint saved, so
                that a step does not wait for them, and no checkpoint holds what follows from a bad one.
            SystemExit: With status 143, after a checkpoint was saved because SIGTERM had arrived.
        """
        self._losses.add(self.step + 1, names, values)
        self._batches += 1
        if not self.accelerator.sync_gradients:
            return
        self._batches = 0
        self.step += 1
        due = due_after(self.step, self.config)
        # Where a line is logged processes wait for each other anyway.
        stops = self._stop.is_made(asks_others=due.logs)
        if due.logs or due.saves or stops:
            self._losses.check_finite(self.output_dir)
        learning_rate = self._schedules.learning_rate
        self._schedules.advance(self.step)
        self._averages.update(self.step, self.config.ema_decay)
        self._tell(learning_rate, due.logs)
        if due.saves or stops:
            self.save_checkpoint()
        if due.validates and self.validation_pipeline is not None:
            self._validate()
        if stops and not due.ends:
            self._held.close()
            self._stop.let_go()
            raise SystemExit(143)

    def _tell(self, learning_rate, logs):
        """Move the progress bar, and where a line is due write it to log, trackers and terminal."""
        speeds = self._speed.after(self.step, time.monotonic())
        means = self._losses.means() if logs else {}
        if not self.accelerator.is_main_process:
            return
        self._bar.move(self.step, means, learning_rate, speeds["samples_per_s"])
        if logs:
            line = log_line(self.step, means, learning_rate, speeds)
            self._bar.write(json.dumps(line))
            self._log.append(line)
            self.accelerator.log({name: value for name, value in line.items() if name != "step"}, step=self.step)

    @property
    def _sounds_dir(self):
        """Where the sounds of this step's validation are."""
        return self.output_dir / "validation" / f"step-{self.step}"

    @torch.no_grad()
    def _validate(self):
        """Make the validation prompts' sounds, on the main process, and show them to all trackers."""
        pipe = self.validation_pipeline()
        if self.accelerator.is_main_process:
            prompts = self.config.validation_prompts.split(";")
            where = (pipe, prompts, self._sounds_dir, self.config.seed, self.validation_options)
            if self.validation_teacher is None:
                waveforms, rate = make_sounds(*where), pipe.sampling_rate
            else:
                waveforms = make_family_sounds(self.validation_teacher, *where)
                rate = self.validation_teacher.sampling_rate
            picture = self._sounds_dir / "mels.png"
            for tracker in self.accelerator.trackers:
                track_sounds(tracker, prompts, waveforms, rate, picture, self.step)
        self.accelerator.wait_for_everyone()

    def save_checkpoint(self):
        r"""Write `checkpoint-<step>`, see [`~audiolcm_diffusers.trainer.checkpoints.save_checkpoint`]."""
        save_checkpoint(
            self.accelerator,
            self.output_dir,
            self.step,
            self.config.checkpoints_total_limit,
            self._averages.checkpointed,
            options_to_save(self.config),
            beside=self._save_place,
        )

    @property
    def _place_name(self):
        rank, number = self.accelerator.process_index, self.accelerator.num_processes
        return f"data_{rank}_of_{number}.json"

    def _save_place(self, folder):
        if isinstance(self._clips, ClipParts):
            self._clips.save_state(folder / self._place_name)

    def save_model(self, model, *beside, mark=None, usage=None):
        r"""
        Write the `save_pretrained` folder of a model or pipeline and its card as `model` in the output folder, on the
        main process, upload it where the options say so, and end the run.

        Args:
            model: With a `save_pretrained`.
            beside: What else is saved in the same folder, such as the model's tokenizer.
            mark (`dict`, *optional*): Of a student without guidance embedding, see
                [`~teachers.student_mark.mark_student`].
            usage (`str`, *optional*): Code for the card; by default what loads the model.
        """

        def save(folder):
            for part in (model, *beside):
                part.save_pretrained(folder)
            if mark is not None:
                mark_student(folder, mark)

        card_data = {"pipeline_tag": "text-to-audio"} if isinstance(model, DiffusionPipeline) else {}
        self.end(save, usage or model_usage(type(model), self.hub_name), card_data)

    def save_adapter(self, transformer, base, usage):
        r"""
        Write a transformer's adapter for `AudioLCMPipeline.load_lora_weights`, as [`~TrainingRun.save_model`] does.

        Args:
            transformer (`nn.Module`): With one adapter.
            base (`str`): Folder or Hub id of the pipeline that it adapts.
            usage (`str`): Code for the card that follows after loading into `pipe`.
        """
        card_data = {"pipeline_tag": "text-to-audio"} | ({} if Path(base).exists() else {"base_model": base})
        usage = adapter_usage(base, self.hub_name, usage)
        self.end(lambda folder: save_lora_weights(transformer, folder), usage, card_data, ("lora",))

    def save_family_model(self, pipe, call, mark=None):
        r"""
        Write a pipeline of any family as [`~TrainingRun.save_model`] does: diffusers loads it without this package.

        Args:
            pipe (`DiffusionPipeline`): Trained.
            call (`str`): Code for the card that calls `pipe`.
            mark (`dict`, *optional*): Of a student, see [`~teachers.student_mark.mark_student`].
        """
        self.save_model(pipe, mark=mark, usage=family_usage(type(pipe), repr(self.hub_name)) + f"\n{call}")

    def save_family_adapter(self, teacher, denoiser, call, scheduler=None):
        r"""
        Write an adapter of any family, see [`~audiolcm_diffusers.trainer.saving.save_family_lora`].

        Args:
            teacher ([`~teachers.base.Teacher`]): Knows the family; its pipeline is what is adapted.
            denoiser (`nn.Module`): With one adapter.
            call (`str`): Code for the card that calls `pipe`.
            scheduler (`SchedulerMixin`, *optional*): That the adapted pipeline needs.
        """
        base = self.config.base_dir
        usage = family_adapter_usage(teacher, base, self.hub_name, scheduler) + f"\n{call}"
        card_data = {"pipeline_tag": "text-to-audio"} | ({} if Path(base).exists() else {"base_model": base})
        self.end(lambda folder: save_family_lora(teacher, denoiser, folder, scheduler), usage, card_data, ("lora",))

    @property
    def hub_name(self):
        r"""`str`: What the trained model is called on the Hub."""
        return self.config.hub_model_id or self.output_dir.resolve().name

    def end(self, save, usage, card_data, tags=()):
        r"""
        Save what was trained with its card, on the main process, upload it, and end the run.

        Args:
            save (`Callable[[Path], None]`): Writes what was trained into a folder.
            usage (`str`), card_data (`dict`), tags (`Sequence[str]`): See [`~audiolcm_diffusers.trainer.cards`].
        """
        if self.accelerator.is_main_process:
            samples, prompts = None, ()
            if self._sounds_dir.is_dir():
                samples, prompts = self._sounds_dir, self.config.validation_prompts.split(";")
            name, losses = self.hub_name, self._log.lines()
            card = model_card(self.config, name, self.step, usage, card_data, tags, losses, prompts)
            save_with_card(save, card, samples, self.output_dir / "model")
            self._bar.close()
            if self.config.push_to_hub:
                upload(self.output_dir / "model", self._repository)
        self.accelerator.end_training()
        self._held.close()
        self._stop.let_go()

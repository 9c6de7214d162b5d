# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the training scripts share and the paper would not print: options, checkpoints, logs, averaged weights."""

import copy
import csv
import hashlib
import importlib.util
import json
import logging
import math
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import (
    DistributedType,
    broadcast,
    fsdp2_prepare_model,
    gather_object,
    parse_flag_from_env,
    set_seed,
)
from diffusers import AutoModel, DiffusionPipeline
from diffusers.optimization import get_scheduler
from huggingface_hub import ModelCardData, create_repo, upload_folder
from PIL import Image
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from .. import __version__
from ..audio.io import check_resampler, replacing, write_audio
from ..audio.mel import HOP_LENGTH
from ..audio.plots import plot_mels
from ..consistency import update_ema
from ..data.captioned_audio import load_clips
from ..data.captions import ExampleDrawer, Wordings
from ..data.hub_dataset import HubDataset
from ..data.latent_cache import LatentCache, fingerprints
from ..data.latents import EncodedExamples, LatentEncoder
from ..models.discriminators import discriminator_loss, generator_losses
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from ..pipelines.pipeline_audiolcm import AudioLCMPipeline
from ..pipelines.prompt_events import format_events, structured_caption


TRACKERS = ("tensorboard", "wandb")
# What a line of the log holds beside losses.
NO_LOSSES = {"step", "lr", "steps_per_s", "samples_per_s", "eta_s"}
ADAPTABLE_LAYERS = (torch.nn.Linear, torch.nn.Conv1d)
# Options that say how a dataset is read; a folder has no use for them.
DATASET_OPTIONS = ("dataset_config_name", "dataset_split", "streaming", "audio_column", "caption_column")


def option(default, help_text):
    r"""A dataclass field with a help text, which `HfArgumentParser` turns into a flag."""
    return field(default=default, metadata={"help": help_text})


def trackers_named(report_to):
    r"""
    The trackers that `--report_to` names.

    Raises:
        ValueError: If one is unknown or not installed.
    """
    names = [] if report_to == "none" else report_to.split(",")
    for name in names:
        if name not in TRACKERS:
            raise ValueError(f"Expected report_to to name {', '.join(TRACKERS)} or none, got {report_to!r}.")
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"{name} is not installed: `pip install {name}`, or --report_to none.")
    return names


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    r"""Options that say what the data are."""

    data_dir: str | None = option(
        None,
        "Folder with `metadata.csv` or `.jsonl` (file_name, caption) and the audio, or a `.tsv` file (name, "
        "audio_path, caption).",
    )
    dataset_name: str | None = option(
        None, "In place of data_dir: a dataset of the Hub, owner/name, or a folder that `datasets` reads."
    )
    dataset_config_name: str | None = option(None, "Configuration of the dataset, where it has several.")
    dataset_split: str = option("train", 'Split of the dataset, or a slice of one as "train[:1000]".')
    streaming: bool = option(False, "Read the dataset as it arrives instead of downloading it first.")
    audio_column: str = option("audio", "The dataset's column of audio.")
    caption_column: str = option("caption", "The dataset's column of captions, a text or a list of texts a row.")
    max_clips: int | None = option(
        None, "Clips after which reading the data ends; they are kept in memory, 115 MB an hour at 16 kHz."
    )
    resampler: str = option("scipy", 'How audio of other rates is resampled, "scipy" or "soxr".')
    max_bad_fraction: float = option(
        0.05, "Share of the clips that may be unusable; they are left out and listed in `bad_clips.csv`."
    )

    def __post_init__(self):
        given = [name for name in self.sources() if getattr(self, name) is not None]
        if len(given) != 1:
            got = ", ".join(f"{name}={getattr(self, name)!r}" for name in given) or "none of them"
            raise ValueError(f"Expected one of {', '.join(self.sources())}, got {got}.")
        if self.dataset_name is None:
            for name in DATASET_OPTIONS:
                value = getattr(self, name)
                if value != getattr(DataConfig, name):
                    raise ValueError(f"{name}={value!r} goes with dataset_name; {given[0]} has none.")
        if self.max_clips is not None and self.max_clips < 1:
            raise ValueError(f"Expected max_clips >= 1, got {self.max_clips}.")
        check_resampler(self.resampler)
        if not 0.0 <= self.max_bad_fraction <= 1.0:
            raise ValueError(f"Expected 0 <= max_bad_fraction <= 1, got {self.max_bad_fraction}.")

    @classmethod
    def sources(cls):
        r"""`tuple[str, ...]`: Options that name data, of which exactly one is given."""
        return ("data_dir", "dataset_name")

    @property
    def data(self):
        r"""`str` or [`~audiolcm_diffusers.data.hub_dataset.HubDataset`]: the data that the options name."""
        if self.dataset_name is None:
            return self.data_dir
        return HubDataset(
            self.dataset_name,
            self.dataset_config_name,
            self.dataset_split,
            self.streaming,
            self.audio_column,
            self.caption_column,
        )


@dataclass(frozen=True, kw_only=True)
class ExampleConfig:
    r"""Options that say what training examples are made of the data, see `audiolcm_diffusers.data.captions`."""

    wordings: str | None = option(None, "JSON file of other ways to write captions; without, only articles vary.")
    durations_s: str = option("2.048,5.12", "Lengths of training examples in seconds; each step draws one.")
    duration_shares: str = option("0.7,0.3", "How often each length is drawn.")
    mixture_share: float = option(0.2, "Share of examples with two sounds.")
    max_gain_db: float = option(6.0, "Sounds are amplified by up to plus or minus this many decibels.")

    def check_examples(self):
        r"""
        Refuse impossible values.

        Raises:
            ValueError: Quoting them.
        """
        if not 0.0 <= self.mixture_share <= 1.0:
            raise ValueError(f"Expected 0 <= mixture_share <= 1, got {self.mixture_share}.")
        if not self.max_gain_db >= 0.0:
            raise ValueError(f"Expected max_gain_db >= 0, got {self.max_gain_db}.")

    def example_drawer(self, clips, vae, seconds_per_batch=None, unconditional_share=0.0):
        r"""
        The [`~audiolcm_diffusers.data.captions.ExampleDrawer`] that the options describe, for an autoencoder's
        latents; by default of batches with one example of the longest length.
        """
        durations_s = [float(duration) for duration in self.durations_s.split(",")]
        return ExampleDrawer(
            clips,
            Wordings() if self.wordings is None else Wordings.from_json(self.wordings),
            durations_s,
            [float(share) for share in self.duration_shares.split(",")],
            seconds_per_batch or max(durations_s),
            HOP_LENGTH * vae.temporal_compression_ratio,
            vae.config.sampling_rate,
            mixture_share=self.mixture_share,
            unconditional_share=unconditional_share,
            max_gain_db=self.max_gain_db,
        )

    def example_options(self):
        r"""`dict`: The options, with the wordings told by a hash of their file."""
        options = {field.name: getattr(self, field.name) for field in fields(ExampleConfig)}
        if self.wordings is not None:
            options["wordings"] = hashlib.sha256(Path(self.wordings).read_bytes()).hexdigest()
        return options

    def chosen_example_options(self):
        r"""`dict`: Those of [`~ExampleConfig.example_options`] that are not left at their defaults."""
        defaults = {field.name: field.default for field in fields(ExampleConfig)}
        return {name: value for name, value in self.example_options().items() if value != defaults[name]}


@dataclass(frozen=True, kw_only=True)
class RunConfig(DataConfig):
    r"""Options of every training script."""

    output_dir: str = field(metadata={"help": "Where checkpoints, logs and the trained model go."})
    max_train_steps: int = option(10000, "Optimisation steps in all.")
    gradient_accumulation_steps: int = option(1, "Batches whose gradients make one step.")
    learning_rate: float = option(3e-4, "Highest learning rate.")
    warmup_steps: int = option(200, "Steps over which the learning rate rises from 0.")
    max_grad_norm: float = option(1.0, "Gradients are clipped to this norm.")
    ema_decay: float = option(0.999, "Rate of the averaged weights, in [0, 1].")
    seed: int = option(0, "Seed of every random draw.")
    checkpointing_steps: int = option(500, "Steps between checkpoints.")
    checkpoints_total_limit: int = option(2, "Checkpoints kept.")
    resume_from_checkpoint: str | None = option(None, '"latest" or the path of a `checkpoint-<step>` folder.')
    logging_steps: int = option(20, "Steps between lines of the log.")
    use_8bit_adam: bool = option(False, "AdamW with a state of 8 bits; needs bitsandbytes.")
    push_to_hub: bool = option(False, "Upload the trained model, with its card, to the Hub at the end.")
    hub_model_id: str | None = option(None, "Repository to push to, owner/name; by default the output folder's name.")
    report_to: str = option("tensorboard", '"tensorboard", "wandb", several with commas between, or "none".')
    mixed_precision: str = option(
        "no", '"no", "fp16" or "bf16"; transformers train faster in bf16 on recent CPUs, too.'
    )
    compile: bool = option(False, "Compile the networks with torch.compile; pays off in runs of many minutes.")

    def __post_init__(self):
        super().__post_init__()
        for name in (
            "max_train_steps",
            "gradient_accumulation_steps",
            "checkpointing_steps",
            "checkpoints_total_limit",
            "logging_steps",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} >= 1, got {getattr(self, name)}.")
        trackers_named(self.report_to)
        if self.use_8bit_adam and importlib.util.find_spec("bitsandbytes") is None:
            raise ValueError("use_8bit_adam needs bitsandbytes: `pip install bitsandbytes`.")
        if not 0.0 <= self.ema_decay <= 1.0:
            raise ValueError(f"Expected 0 <= ema_decay <= 1, got {self.ema_decay}.")
        if not self.learning_rate > 0.0:
            raise ValueError(f"Expected learning_rate > 0, got {self.learning_rate}.")


@dataclass(frozen=True, kw_only=True)
class CropRunConfig(RunConfig):
    r"""Options of the scripts that train on crops of one length, without captions."""

    batch_size: int = option(16, "Crops in a batch, on each process.")

    def __post_init__(self):
        super().__post_init__()
        if self.batch_size < 1:
            raise ValueError(f"Expected batch_size >= 1, got {self.batch_size}.")


@dataclass(frozen=True, kw_only=True)
class CaptionedRunConfig(ExampleConfig, RunConfig):
    r"""Options of the scripts that train a transformer on captioned examples."""

    cache_dir: str | None = option(
        None, "Latent cache of `cache_latents.py` instead of data; it decided on lengths, wordings and mixtures."
    )
    seconds_per_batch: float = option(40.0, "Seconds of sound in a batch, on each process.")
    unconditional_share: float = option(0.1, "Share of examples without caption.")
    validation_prompts: str = option(
        "a dog barking;rain falling;a clock ticking;a baby crying",
        "Prompts of validation, with semicolons between.",
    )
    validation_steps: int = option(0, "Steps between validations, sounds and mels in `validation`; 0 for none.")
    gradient_checkpointing: bool = option(False, "Compute activations twice instead of keeping them: less memory.")
    attention_backend: str | None = option(
        None, 'Attention backend of diffusers; on a CPU "_native_math" trains faster on sounds of some seconds.'
    )

    def __post_init__(self):
        super().__post_init__()
        if self.validation_steps < 0:
            raise ValueError(f"Expected validation_steps >= 0, got {self.validation_steps}.")
        if not 0.0 <= self.unconditional_share <= 1.0:
            raise ValueError(f"Expected 0 <= unconditional_share <= 1, got {self.unconditional_share}.")
        self.check_examples()

    @classmethod
    def sources(cls):
        return (*super().sources(), "cache_dir")

    def set_up(self, transformer):
        r"""Apply the options on memory and speed to a transformer that is to be trained."""
        if self.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        if self.attention_backend is not None:
            transformer.set_attention_backend(self.attention_backend)

    def examples(self, run, vae, pipe=None):
        r"""
        Where a run's batches come from: drawn and encoded for each step, or read from a latent cache.

        Args:
            run ([`TrainingRun`]): The run.
            vae (`AutoencoderKLMel1D`): Frozen; on its device, where it is used.
            pipe (`AudioLCMPipeline`, *optional*): Whose text encoders, frozen, read the prompts.

        Returns:
            [`~audiolcm_diffusers.data.latents.EncodedExamples`] or
            [`~audiolcm_diffusers.data.latent_cache.LatentCache`]: With `draw_length`, `draw`, `batch_sizes`,
            `longest_s` and `prompts`.
        """
        if self.cache_dir is not None:
            cache = LatentCache(
                self.cache_dir,
                self.seconds_per_batch,
                self.unconditional_share,
                with_embeds=pipe is not None,
                device=run.accelerator.device,
            )
            made_with = fingerprints(vae, text_parts(pipe))
            if pipe is None:
                del made_with["text"]
            cache.check(made_with, self.chosen_example_options())
            return cache
        vae.to(run.accelerator.device)
        clips = run.load_clips(vae.config.sampling_rate)
        drawer = self.example_drawer(clips, vae, self.seconds_per_batch, self.unconditional_share)
        return EncodedExamples(drawer, LatentEncoder(vae, encoder_of_prompts(pipe)), prompt_of)


# Linear layers of a transformer block, by the ends of their names: attention and feed-forward of both transformers.
LORA_TARGET_MODULES = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "add_k_proj",
    "add_v_proj",
    "adaln",
    "ff.net.0.proj",
    "ff.net.2",
    "ff.proj_in",
    "ff.proj_out",
)


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    r"""Options of the scripts that train a low-rank adapter (LoRA, arXiv:2106.09685) in place of all weights."""

    lora_rank: int | None = option(None, "Train an adapter of this rank in place of all weights.")
    lora_alpha: float | None = option(
        None, "The adapter's output is scaled by lora_alpha / lora_rank; the rank by default."
    )
    lora_target_modules: str | None = option(
        None, "Layers that are adapted, by the ends of their names, with commas between; by default all of a block."
    )

    def check_lora(self):
        r"""
        Refuse impossible values.

        Raises:
            ValueError: Quoting them, or if peft is not installed.
        """
        if self.lora_rank is None:
            for name in ("lora_alpha", "lora_target_modules"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r} needs lora_rank, got None.")
            return
        if self.lora_rank < 1:
            raise ValueError(f"Expected lora_rank >= 1, got {self.lora_rank}.")
        if self.lora_alpha is not None and not self.lora_alpha > 0:
            raise ValueError(f"Expected lora_alpha > 0, got {self.lora_alpha}.")
        if importlib.util.find_spec("peft") is None:
            raise ValueError("lora_rank needs peft: `pip install peft`.")

    def with_adapter(self, transformer):
        r"""
        A copy of a frozen transformer with an adapter to train. The copy has the weights themselves in common with the
        transformer, so that both need little more memory than one.

        Raises:
            ValueError: If a target module is the end of no layer's name.
        """
        from peft import LoraConfig

        layers = [name for name, module in transformer.named_modules() if isinstance(module, ADAPTABLE_LAYERS)]
        chosen = LORA_TARGET_MODULES if self.lora_target_modules is None else self.lora_target_modules.split(",")
        found = [target for target in chosen if any(f".{name}".endswith(f".{target}") for name in layers)]
        if self.lora_target_modules is not None and len(found) < len(chosen):
            raise ValueError(
                f"Expected lora_target_modules to be ends of {', '.join(layers)}, got {self.lora_target_modules!r}."
            )
        adapted = copy.deepcopy(transformer, {id(parameter): parameter for parameter in transformer.parameters()})
        adapted.add_adapter(
            LoraConfig(r=self.lora_rank, lora_alpha=self.lora_alpha or self.lora_rank, target_modules=found)
        )
        return adapted


def saved_config(folder, part):
    r"""What the configuration of a part of a saved pipeline says; nothing where the folder is not on this machine."""
    names = ("config.json", "scheduler_config.json")
    paths = [path for path in (Path(folder) / part / name for name in names) if path.is_file()]
    return json.loads(paths[0].read_text(encoding="utf-8")) if paths else {}


def load_vocoder(folder):
    r"""
    Load a vocoder of either kind.

    Args:
        folder (`str`): Folder or id of a [`BigVGANVocoder`] or a [`GriffinLimVocoder`].

    Raises:
        ValueError: If it holds another model.
    """
    vocoder = AutoModel.from_pretrained(folder)
    if not isinstance(vocoder, (BigVGANVocoder, GriffinLimVocoder)):
        raise ValueError(f"Expected a vocoder in {folder!r}, got a {type(vocoder).__name__}.")
    return vocoder


def text_parts(pipe):
    r"""What turns a pipeline's prompts into embeddings: encoders, projection, tokenizers; nothing without pipeline."""
    if pipe is None:
        return []
    names = ("text_encoder", "projection_model", "tokenizer", "text_encoder_2", "tokenizer_2")
    return [getattr(pipe, name) for name in names if getattr(pipe, name) is not None]


def encoder_of_prompts(pipe):
    r"""A function from prompts to embeddings by a pipeline's text encoders; `None` without pipeline."""
    if pipe is None:
        return None
    logger = logging.getLogger(type(pipe).__module__)
    warned = []

    def first_warning(record):
        warned.append(record)
        return len(warned) == 1

    def encode(prompts):
        # That a prompt is cut where the text stream ends is told once, not in every step.
        logger.addFilter(first_warning)
        try:
            return pipe.encode_prompt(prompts, do_classifier_free_guidance=False)[0]
        finally:
            logger.removeFilter(first_warning)

    return encode


def prompt_of(example):
    r"""What a pipeline would be asked for a training example: its events where it has them, its caption otherwise."""
    return example.caption if example.events is None else format_events(example.events)


def tokenize_prompts(tokenizer, prompts, cut_share=0.0, generators=None):
    r"""
    What the second text stream reads, padded and without a mask as in the pipeline.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Its `model_max_length` is the length.
        prompts (`list[str]`): Plain or in structured form; empty for "no condition".
        cut_share (`float`, defaults to 0.0):
            Chance that a token is cut in two at a random place, so that words are also met in smaller pieces. This is
            BPE-dropout (arXiv:1910.13267) with random numbers that can be given.
        generators (`list[torch.Generator]`, *optional*): Source of randomness of each prompt.

    Returns:
        `torch.Tensor` of shape `(batch_size, model_max_length)`.
    """
    length = tokenizer.model_max_length
    encoded = tokenizer(
        [structured_caption(prompt) for prompt in prompts],
        max_length=length,
        truncation=True,
        return_special_tokens_mask=True,
    )
    rows = []
    for index, (ids, special) in enumerate(zip(encoded.input_ids, encoded.special_tokens_mask)):
        if cut_share > 0:
            ids = _cut_tokens(tokenizer, ids, special, cut_share, generators[index])
        rows.append(ids + [tokenizer.pad_token_id] * (length - len(ids)))
    return torch.tensor(rows)


def _cut_tokens(tokenizer, ids, special, cut_share, generator):
    """Cut some of the tokens between the special ones at the ends; what is too long loses its last tokens."""
    model = tokenizer.backend_tokenizer.model
    words = [position for position, is_special in enumerate(special) if not is_special]
    if not words:
        return ids
    cut = []
    for token_id in ids[words[0] : words[-1] + 1]:
        token = tokenizer.convert_ids_to_tokens(token_id)
        if len(token) > 1 and float(torch.rand((), generator=generator)) < cut_share:
            place = 1 + int(torch.randint(len(token) - 1, (), generator=generator))
            pieces = [piece.id for part in (token[:place], token[place:]) for piece in model.tokenize(part)]
            cut += pieces if tokenizer.unk_token_id not in pieces else [token_id]
        else:
            cut.append(token_id)
    before, after = ids[: words[0]], ids[words[-1] + 1 :]
    return before + cut[: tokenizer.model_max_length - len(before) - len(after)] + after


def parse_config(config_class, args=None):
    r"""
    Read a script's options from the command line: flags, and before them, if wanted, a JSON or YAML file of options
    that the flags override.

    Raises:
        ValueError: If the file is missing or does not hold an object of options.
    """
    args = sys.argv[1:] if args is None else list(args)
    if args and Path(args[0]).suffix in (".json", ".yaml", ".yml"):
        args = [*flags_of(options_of_file(args[0])), *args[1:]]
    return HfArgumentParser(config_class).parse_args_into_dataclasses(args)[0]


def options_of_file(path):
    r"""
    Read a JSON or YAML file of options.

    Returns:
        `dict`: Values by the options' names.

    Raises:
        ValueError: If the file is missing or does not hold an object.
    """
    if not Path(path).is_file():
        raise ValueError(f"There is no file of options {str(path)!r}.")
    # JSON is YAML but for exponents without a point, which YAML takes for text; both end as text in flags.
    options = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(options, dict):
        raise ValueError(f"Expected {str(path)!r} to hold an object of options, got {type(options).__name__}.")
    return options


def flags_of(options):
    r"""The flags that say what a `dict` of options says: none where a value is `None`, an object as JSON."""
    return [
        word
        for name, value in options.items()
        if value is not None
        for word in (f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value))
    ]


def checkpoint_step(name):
    r"""The number in a name `checkpoint-<step>`."""
    return int(name.removeprefix("checkpoint-"))


def checkpoints_to_remove(names, keep):
    r"""Pick the oldest `checkpoint-<step>` names beyond the newest `keep`."""
    by_step = sorted(names, key=checkpoint_step)
    return by_step[: max(0, len(by_step) - keep)]


def checkpoint_names(output_dir):
    r"""Names of the complete checkpoints in a folder, in no order."""
    return [
        path.name
        for path in Path(output_dir).glob("checkpoint-*")
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdigit()
    ]


def step_of_line(line):
    r"""The step of a line of the log; infinite where a killed run left half a line."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf


def refuse_another_run(output_dir):
    r"""
    Keep two runs from mixing their checkpoints and logs.

    Raises:
        ValueError: If the folder has checkpoints or a log.
    """
    held = sorted(checkpoint_names(output_dir), key=checkpoint_step)
    if (Path(output_dir) / "log.jsonl").is_file():
        held.append("log.jsonl")
    if held:
        raise ValueError(
            f"Expected output_dir to hold no other run, got {str(output_dir)!r} with {held[0]}: "
            "name another folder, or go on with --resume_from_checkpoint latest."
        )


def save_folder(save, folder):
    r"""
    Let `save(path)` write a folder under a temporary name, then put it in the place of `folder`.

    An interrupted save leaves what was there before.
    """
    temporary = empty_folder_beside(folder)
    save(temporary)
    put_in_place(temporary, folder)


def empty_folder_beside(folder):
    r"""The folder, made empty, in which what is to lie in `folder` is written first."""
    temporary = Path(folder).with_name(f".{Path(folder).name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def put_in_place(temporary, folder):
    r"""Put a folder that is complete in the place of `folder`."""
    replaced = Path(folder).with_name(f".{Path(folder).name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if Path(folder).exists():
        os.replace(folder, replaced)
    os.replace(temporary, folder)
    shutil.rmtree(replaced, ignore_errors=True)


def table_of(columns, rows):
    r"""A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def track_sounds(tracker, prompts, waveforms, sampling_rate, picture, step):
    r"""
    Show a tracker what validation made.

    Args:
        tracker (`accelerate.tracking.GeneralTracker`): TensorBoard's or wandb's.
        prompts (`list[str]`): What was asked for.
        waveforms (`list[torch.Tensor]`): A sound each, or none without a vocoder.
        sampling_rate (`int`): Samples per second.
        picture (`Path`): PNG of the mels.
        step (`int`): Step of the training run.
    """
    if tracker.name == "tensorboard":
        for prompt, waveform in zip(prompts, waveforms):
            tracker.writer.add_audio(prompt, waveform, step, sample_rate=sampling_rate)
        with Image.open(picture) as image:
            tracker.writer.add_image("mels", np.asarray(image.convert("RGB")), step, dataformats="HWC")
    else:
        import wandb

        sounds = {
            prompt: wandb.Audio(waveform.numpy(), sample_rate=sampling_rate)
            for prompt, waveform in zip(prompts, waveforms)
        }
        tracker.log({**sounds, "mels": wandb.Image(str(picture))}, step=step)


def load_clips_and_report(config, sampling_rate, report):
    r"""
    Read the dataset. What is left out is counted and listed, even where it is too much to go on.

    Args:
        config ([`DataConfig`]): Says what the data are.
        sampling_rate (`int`): Rate in Hz to which clips are resampled.
        report (`Path` or `None`): CSV file of the clips left out, written where there are some.

    Returns:
        `list[Clip]`.
    """
    bad = []
    try:
        return load_clips(
            config.data,
            sampling_rate,
            config.max_bad_fraction,
            bad,
            resampler=config.resampler,
            max_clips=config.max_clips,
        )
    finally:
        if bad and report is not None:
            with replacing(report) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["file_name", "reason"])
                writer.writerows([clip.name, clip.reason] for clip in bad)
            print(f"{len(bad)} unusable clips are listed in {report}", flush=True)


def check_launch(accelerator, config):
    r"""
    Refuse what a launcher has set and accelerate would not do, or in place of what the options say.

    Args:
        accelerator (`Accelerator`): As the launcher set it up.
        config ([`RunConfig`]): The script's options.

    Raises:
        ValueError: Naming the setting.
    """
    launched, wanted = accelerator.gradient_accumulation_steps, config.gradient_accumulation_steps
    if launched != wanted:
        raise ValueError(
            "Expected the launcher to leave gradient_accumulation_steps to the script, got "
            f"{launched} from it and {wanted} as the option."
        )
    for kind in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        if parse_flag_from_env(f"ACCELERATE_USE_{kind.value}") and accelerator.distributed_type != kind:
            raise ValueError(
                f"{kind.value} was asked for, which accelerate runs where torchrun or `accelerate launch` starts "
                f"processes on GPUs; this would be {accelerator.distributed_type.value}."
            )


def check_sharding(kind, plugin, config, with_discriminators=False):
    r"""
    Refuse what would not train under FSDP or DeepSpeed as it does on one process.

    Args:
        kind (`DistributedType`): `FSDP` or `DEEPSPEED`.
        plugin (`FullyShardedDataParallelPlugin` or `DeepSpeedPlugin`): The launcher's settings.
        config ([`RunConfig`]): The script's options.
        with_discriminators (`bool`, defaults to `False`):
            Whether the script trains two networks, one against the other.

    Raises:
        ValueError: Naming the setting.
    """
    if with_discriminators:
        raise ValueError(
            f"A script that trains discriminators, too, does not run under {kind.value}: start it as MULTI_GPU."
        )
    for name in ("compile", "use_8bit_adam"):
        if getattr(config, name):
            raise ValueError(f"Expected {name}=False under {kind.value}, got True.")
    if kind == DistributedType.FSDP:
        # Version 1 flattens the weights, which then have no averages of their own.
        if plugin.fsdp_version != 2:
            raise ValueError(f"Expected fsdp_version 2, got {plugin.fsdp_version}.")
        # It renames layers, which then no longer match their averages.
        if plugin.activation_checkpointing:
            raise ValueError(
                "Expected fsdp_activation_checkpointing: false, got true; --gradient_checkpointing does the same."
            )
        # transformers would then load no weights on other processes than the first, frozen encoders' neither.
        if plugin.cpu_ram_efficient_loading:
            raise ValueError("Expected fsdp_cpu_ram_efficient_loading: false, got true.")
        return
    if plugin.zero_stage not in (1, 2):
        raise ValueError(f"Expected zero_stage 1 or 2, got {plugin.zero_stage}; FSDP shares out the weights, too.")
    # DeepSpeed rounds the network itself to 16 bits, and averages would be those of rounded weights.
    if config.mixed_precision != "no":
        raise ValueError(f"Expected mixed_precision='no' under DEEPSPEED, got {config.mixed_precision!r}.")
    for name, value in deepspeed_options(config).items():
        given = plugin.deepspeed_config.get(name, "auto")
        if given not in ("auto", value):
            raise ValueError(f"Expected {name} of DeepSpeed to be auto or the script's {value}, got {given}.")


def deepspeed_options(config):
    r"""`dict`: What DeepSpeed does by itself, as a script's options say."""
    return {
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "gradient_clipping": config.max_grad_norm,
    }


class CheckpointedAverage:
    r"""
    A network in the form in which accelerate saves and loads it: its weights in one piece, wherever they lie.

    Args:
        accelerator (`Accelerator`): The run's.
        network (`nn.Module`): Sharded under FSDP.
    """

    def __init__(self, accelerator, network):
        self.accelerator, self.network = accelerator, network

    def state_dict(self):
        r"""`dict[str, torch.Tensor]`: The weights, under FSDP on the first process alone. To be called on all."""
        return self.accelerator.get_state_dict(self.network)

    def load_state_dict(self, weights):
        r"""Load weights that are there on all processes."""
        if self.accelerator.is_fsdp2:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

            set_model_state_dict(self.network, weights, options=StateDictOptions(full_state_dict=True))
        else:
            self.network.load_state_dict(weights)


class TrainingRun:
    r"""
    One run: an accelerator, the step count, averaged weights, logs and checkpoints.

    Args:
        config ([`RunConfig`]): The script's options, saved as `config.json` in the output folder.
        with_discriminators (`bool`, defaults to `False`):
            Whether the script trains two networks, one against the other, which it cannot under FSDP and DeepSpeed.

    Raises:
        ValueError: If the run was started in a way in which it would not train as on one process.
    """

    def __init__(self, config, with_discriminators=False):
        self.config = config
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            log_with=trackers_named(config.report_to) or None,
            project_dir=config.output_dir,
        )
        check_launch(self.accelerator, config)
        kind, state = self.accelerator.distributed_type, self.accelerator.state
        if kind == DistributedType.FSDP:
            check_sharding(kind, state.fsdp_plugin, config, with_discriminators)
        elif kind == DistributedType.DEEPSPEED:
            check_sharding(kind, state.deepspeed_plugin, config, with_discriminators)
            # It sees no data loader, and takes the size of a batch for nothing but its own statistics.
            options = {**deepspeed_options(config), "train_micro_batch_size_per_gpu": 1}
            state.deepspeed_plugin.deepspeed_config.update(options)
        # Ranks that draw the same noise would train on one batch twice.
        set_seed(config.seed, device_specific=True)
        self.step = 0
        self.validation_pipeline, self.validation_options = None, {}
        self._batches = 0  # of this step, so far
        self._ema = {}
        self._whole = {}  # under FSDP: for each average a network that is not sharded, to save it from
        self._schedules = []
        self._sums = {}
        self._examples = 0  # since the run began or went on, on this process
        self._started = None
        self._bar, self._shown = None, {}
        self._unchecked = []
        self._stop_requested = False
        self._handler_before = None
        self.output_dir = Path(config.output_dir)
        if config.resume_from_checkpoint is None:
            refuse_another_run(self.output_dir)
        # Schedulers of clusters ask with SIGTERM before they kill. Signals reach the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self._handler_before = signal.signal(signal.SIGTERM, self._request_stop)
        # Refused before any rank creates the folder.
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            (self.output_dir / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
        # Trackers know numbers and text.
        options = {name: str(value) if value is None else value for name, value in asdict(config).items()}
        self.accelerator.init_trackers("audiolcm", config=options)

    def load_clips(self, sampling_rate=16000):
        r"""Read the dataset, see [`load_clips_and_report`]."""
        report = self.output_dir / "bad_clips.csv" if self.accelerator.is_main_process else None
        return load_clips_and_report(self.config, sampling_rate, report)

    def _request_stop(self, signal_number, frame):
        self._stop_requested = True
        self.accelerator.set_trigger()

    def _stops_here(self, logs):
        """Whether any rank was asked to stop; several ranks ask each other where a line is logged."""
        return (
            self._stop_requested if self.accelerator.num_processes == 1 else logs and self.accelerator.check_trigger()
        )

    def _check_finite(self):
        """Stop at the first value since the last check that is NaN or infinite, before it reaches a checkpoint."""
        if not self._unchecked:
            return
        totals = torch.stack([total for _, _, total in self._unchecked])
        (bad,) = torch.nonzero(~torch.isfinite(totals), as_tuple=True)
        unchecked, self._unchecked = self._unchecked, []
        if len(bad):
            step, names, total = unchecked[int(bad[0])]
            heard = f" The batch: {', '.join(names)}." if names else ""
            last = max(checkpoint_names(self.output_dir), key=checkpoint_step, default=None)
            kept = "There is no checkpoint yet." if last is None else f"The last good checkpoint is {last}."
            raise FloatingPointError(f"The loss of step {step} is {float(total)}.{heard} {kept}")

    def _generator(self, index):
        # A CPU generator keeps 32 bits of its seed; sums of seed and step would meet in them.
        (seed,) = np.random.SeedSequence((self.config.seed, self.step, index)).generate_state(1)
        return torch.Generator().manual_seed(int(seed))

    def step_generator(self):
        r"""Random numbers of the current step: a function of seed and step alone, so that resuming repeats them."""
        return self._generator(0)

    def example_generators(self, batch_size):
        r"""
        Random numbers of each example of the batch: a function of seed, step and the example's number among all of the
        step's. Two processes or two accumulated batches draw what one batch of twice the size does.
        """
        self._examples += batch_size
        batch = self._batches * self.accelerator.num_processes + self.accelerator.process_index
        return [self._generator(1 + batch * batch_size + index) for index in range(batch_size)]

    def optimizer(self, parameters, learning_rate=None, betas=(0.9, 0.999), weight_decay=0.01, first_step=0):
        r"""
        AdamW, whose learning rate [`~TrainingRun.after_step`] takes along a cosine with warm-up from `first_step` on,
        one count a step whatever the number of processes. It is to be prepared in one call with its network, because
        FSDP gives both other parameters.
        """
        options = {"lr": learning_rate or self.config.learning_rate, "betas": betas, "weight_decay": weight_decay}
        if self.config.use_8bit_adam:
            import bitsandbytes

            optimizer = bitsandbytes.optim.AdamW8bit(parameters, **options)
        else:
            optimizer = torch.optim.AdamW(parameters, fused=True, **options)
        schedule = get_scheduler(
            "cosine",
            optimizer,
            num_warmup_steps=self.config.warmup_steps,
            num_training_steps=max(1, self.config.max_train_steps - first_step),
        )
        self.accelerator.register_for_checkpointing(schedule)
        self._schedules.append((schedule, first_step))
        return optimizer

    def averaged(self, model, decay=None):
        r"""
        A copy of the model whose weights [`after_step`] keeps at the moving average of the model's. Under FSDP it is
        sharded as the model will be, see [`~TrainingRun.whole`].

        Args:
            model (`nn.Module`):
                The model that is to be trained, before `Accelerator.prepare`. Its weights become those of the first
                process on all.
            decay (`float`, *optional*):
                Rate of the average. By default the options' `ema_decay`, but lower in the first steps, because early
                weights would linger in the average of a short run.

        Raises:
            ValueError: If the model is prepared.
        """
        if self.accelerator.unwrap_model(model) is not model or hasattr(model, "set_reshard_after_forward"):
            raise ValueError(f"Expected a model before Accelerator.prepare, got {type(model).__name__}.")
        model.to(self.accelerator.device)
        # What starts at random does so on each process in its own way.
        broadcast([tensor.detach() for tensor in (*model.parameters(), *model.buffers())])
        # Frozen weights have no average but themselves.
        shared = {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
        average = copy.deepcopy(model, shared).requires_grad_(False).eval()
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        if self.accelerator.is_fsdp2:
            self._whole[average] = copy.deepcopy(average).to("cpu")
            average = fsdp2_prepare_model(self.accelerator, average)
            # No backward pass follows, after which the outermost weights would be sharded again.
            average.set_reshard_after_forward(True)
        self._ema[average] = (model, trained, decay)
        self.accelerator.register_for_checkpointing(CheckpointedAverage(self.accelerator, average))
        return average

    def whole(self, average):
        r"""
        An average that can be used and saved on one process alone: without FSDP itself. To be called on all processes.

        Args:
            average (`nn.Module`): From [`~TrainingRun.averaged`].

        Returns:
            `nn.Module`: On other processes than the first, under FSDP, with the weights that the run began with.
        """
        if average not in self._whole:
            return average
        weights = self.accelerator.get_state_dict(average)
        network = self._whole[average]
        if self.accelerator.is_main_process:
            # A copy, so that it is gone from the GPU after use.
            network = copy.deepcopy(network).to(self.accelerator.device)
            network.load_state_dict(weights)
        return network

    def resume(self):
        r"""Load the checkpoint that the options name; called once everything is prepared."""
        source = self.config.resume_from_checkpoint
        if source is None:
            return
        if source == "latest":
            names = checkpoint_names(self.output_dir)
            source = self.output_dir / max(names, key=checkpoint_step) if names else None
        elif Path(source).name not in checkpoint_names(Path(source).parent):
            raise ValueError(f'Expected "latest" or a folder `checkpoint-<step>`, got {source!r}.')
        # Without a checkpoint, the run was stopped before its first one, or has not begun.
        if source is not None:
            if any(Path(source).glob("pytorch_model_fsdp*")) != self.accelerator.is_fsdp2:
                way = "under" if self.accelerator.is_fsdp2 else "without"
                raise ValueError(f"Expected a checkpoint that was saved {way} FSDP, got {str(source)!r}.")
            self.accelerator.load_state(str(source))
            self.step = checkpoint_step(Path(source).name)
        if self.accelerator.is_main_process:
            self._forget_lines_beyond(self.step)

    def _forget_lines_beyond(self, step):
        """Drop from the log what a stopped run wrote after its last checkpoint: it is about to be written again."""
        log = self.output_dir / "log.jsonl"
        if log.is_file():
            kept = [line for line in log.read_text().splitlines(True) if step_of_line(line) <= step]
            with replacing(log) as temporary:
                temporary.write_text("".join(kept))

    def discriminator_step(self, discriminators, real, generated, optimizer, feature_matching="relative"):
        r"""
        Train discriminators for one step, and let them judge for the generator.

        Args:
            discriminators (`nn.Module`): Prepared [`~audiolcm_diffusers.models.discriminators.Discriminators`].
            real, generated (`torch.Tensor` of one shape): What to tell apart.
            optimizer: Of the discriminators, from [`~TrainingRun.optimizer`].
            feature_matching (`str`, defaults to `"relative"`):
                See [`~audiolcm_diffusers.models.discriminators.generator_losses`].

        Returns:
            `dict[str, torch.Tensor]`: `discriminator`, the loss that was stepped on, and the generator's losses
            `adversarial` and `matching`, whose backward pass leaves no gradients in the discriminators.
        """
        judged_real = discriminators(real)
        loss = discriminator_loss(judged_real, discriminators(generated.detach()))
        self.accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        # Not the wrapper of several processes, which would wait for gradients that never come.
        discriminators = self.accelerator.unwrap_model(discriminators).requires_grad_(False)
        adversarial, matching = generator_losses(judged_real, discriminators(generated), feature_matching)
        discriminators.requires_grad_(True)
        return {"discriminator": loss, "adversarial": adversarial, "matching": matching}

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
        values = {
            name: torch.as_tensor(value, device=self.accelerator.device).detach().float()
            for name, value in values.items()
        }
        for name, value in values.items():
            # Sum and count of the values since the last line of the log.
            self._sums[name] = self._sums.get(name, 0.0) + torch.stack([value, torch.ones_like(value)])
        if values:
            self._unchecked.append((self.step + 1, tuple(names), sum(values.values())))
        self._batches += 1
        if not self.accelerator.sync_gradients:
            return
        self._batches = 0
        self.step += 1
        last = self.step == self.config.max_train_steps
        logs = self.step % self.config.logging_steps == 0
        saves = last or self.step % self.config.checkpointing_steps == 0
        stops = self._stops_here(logs)
        if logs or saves or stops:
            self._check_finite()
        learning_rate = self._schedules[0][0].get_last_lr()[0] if self._schedules else 0.0
        for schedule, first_step in self._schedules:
            if self.step > first_step:
                schedule.step()
        for average, (model, trained, decay) in self._ema.items():
            if decay is None:
                decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
            update_ema(*([part.get_parameter(name) for name in trained] for part in (average, model)), decay)
        speeds = self._speeds()
        means = self._mean_losses() if logs else {}
        if self.accelerator.is_main_process:
            self._show_progress(means, learning_rate, speeds)
        if logs and self.accelerator.is_main_process:
            line = {name: round(value, 5) for name, value in means.items()}
            line |= {"step": self.step, "lr": float(f"{learning_rate:.6g}"), **speeds}
            self._bar.write(json.dumps(line), file=sys.stdout)
            sys.stdout.flush()
            with (self.output_dir / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            self.accelerator.log({name: value for name, value in line.items() if name != "step"}, step=self.step)
        if saves or stops:
            self.save_checkpoint()
        every = getattr(self.config, "validation_steps", 0)
        if self.validation_pipeline is not None and every and (last or self.step % every == 0):
            self._validate()
        if stops and not last:
            self._let_go_of_signals()
            raise SystemExit(143)

    def _speeds(self):
        """Steps and examples a second, over all processes, and the seconds that are left at this speed."""
        now = time.monotonic()
        # The first step, which compiles and warms up, does not count.
        self._started = self._started or (now, self.step, self._examples)
        started, step, examples = self._started
        seconds = max(now - started, 1e-9)
        steps_per_s = (self.step - step) / seconds
        samples_per_s = (self._examples - examples) * self.accelerator.num_processes / seconds
        speeds = {"steps_per_s": round(steps_per_s, 3), "samples_per_s": round(samples_per_s, 2)}
        if steps_per_s > 0:
            speeds["eta_s"] = round((self.config.max_train_steps - self.step) / steps_per_s)
        return speeds

    def _show_progress(self, means, learning_rate, speeds):
        """Move the progress bar, which a terminal shows and a file does not; it knows the time left by itself."""
        if self._bar is None:
            self._bar = tqdm(total=self.config.max_train_steps, initial=self.step - 1, disable=None, unit="step")
        if means:
            self._shown = {name: f"{value:.4g}" for name, value in means.items()}
        self._bar.set_postfix(
            {**self._shown, "lr": f"{learning_rate:.2g}", "samples/s": speeds["samples_per_s"]}, refresh=False
        )
        self._bar.update()

    @torch.no_grad()
    def _validate(self):
        """Make the validation prompts' sounds with the same noise every time, on the main process."""
        pipe = self.validation_pipeline()
        if self.accelerator.is_main_process:
            prompts = self.config.validation_prompts.split(";")
            pipe.set_progress_bar_config(disable=True)
            folder = self.output_dir / "validation" / f"step-{self.step}"
            folder.mkdir(parents=True, exist_ok=True)
            mels, waveforms = [], []
            for index, prompt in enumerate(prompts):
                noise = torch.Generator().manual_seed(self.config.seed + index)
                mel = pipe(prompt, generator=noise, output_type="mel", **self.validation_options).audios
                mels.append(torch.as_tensor(mel)[0].float().cpu())
                if pipe.vocoder is not None:
                    mel = torch.as_tensor(mel).to(pipe.vocoder.device)
                    waveforms.append(pipe.mel_spectrogram_to_waveform(mel)[0].cpu())
                    write_audio(folder / f"{index:02d}.wav", waveforms[-1], pipe.sampling_rate)
            plot_mels(folder / "mels.png", mels, captions=prompts)
            for tracker in self.accelerator.trackers:
                track_sounds(tracker, prompts, waveforms, pipe.sampling_rate, folder / "mels.png", self.step)
        self.accelerator.wait_for_everyone()

    def _mean_losses(self):
        """Means of the losses since the last line of the log, over all processes; a rank may lack some."""
        sums, self._sums = self._sums, {}
        names = sorted(set().union(*gather_object([list(sums)])))
        if not names:
            return {}
        nothing = torch.zeros(2, device=self.accelerator.device)
        table = torch.stack([sums.get(name, nothing) for name in names])
        totals, counts = self.accelerator.reduce(table, "sum").cpu().unbind(1)
        return {name: float(total / count) for name, total, count in zip(names, totals, counts)}

    def save_checkpoint(self):
        r"""Write `checkpoint-<step>` under a temporary name, rename it, and drop the oldest beyond the limit."""
        folder = self.output_dir / f"checkpoint-{self.step}"
        if self.accelerator.is_main_process:
            empty_folder_beside(folder)
        self.accelerator.wait_for_everyone()
        # On all ranks: each has random numbers, and under FSDP and DeepSpeed a share of weights or optimizer, to save.
        self.accelerator.save_state(str(folder.with_name(f".{folder.name}.partial")))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            put_in_place(folder.with_name(f".{folder.name}.partial"), folder)
            for old in checkpoints_to_remove(checkpoint_names(self.output_dir), self.config.checkpoints_total_limit):
                shutil.rmtree(self.output_dir / old)
        self.accelerator.wait_for_everyone()

    def save_model(self, model):
        r"""
        Write the `save_pretrained` folder of a model or pipeline and its card as `model` in the output folder, on the
        main process, upload it where the options say so, and end the run.
        """
        class_name, name = type(model).__name__, self._hub_name()
        package = type(model).__module__.split(".")[0]
        usage = f"from {package} import {class_name}\n\nmodel = {class_name}.from_pretrained({name!r})"
        is_pipeline = isinstance(model, DiffusionPipeline)
        data = {"pipeline_tag": "text-to-audio"} if is_pipeline else {}
        self._save(model.save_pretrained, usage, data)

    def save_adapter(self, transformer, base, usage):
        r"""
        Write a transformer's adapter for `AudioLCMPipeline.load_lora_weights`, as [`~TrainingRun.save_model`] does.

        Args:
            transformer (`nn.Module`): With one adapter.
            base (`str`): Folder or Hub id of the pipeline that it adapts.
            usage (`str`): Code for the card that follows after loading into `pipe`.
        """
        from peft import get_peft_model_state_dict

        # The ends of folders' paths: where they lie on the machine of whoever trained is of no use to others.
        card_data = {} if Path(base).exists() else {"base_model": base}
        base = "/".join(Path(base).resolve().parts[-2:]) if Path(base).exists() else base
        usage = (
            f"from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler\n\n"
            f"pipe = AudioLCMPipeline.from_pretrained({base!r})\npipe.load_lora_weights({self._hub_name()!r})\n{usage}"
        )

        def save(folder):
            AudioLCMPipeline.save_lora_weights(
                folder,
                transformer_lora_layers=get_peft_model_state_dict(transformer),
                transformer_lora_adapter_metadata=transformer.peft_config["default"].to_dict(),
            )

        self._save(save, usage, {"pipeline_tag": "text-to-audio", **card_data}, ("lora",))

    def _save(self, save, usage, card_data, tags=()):
        if self.accelerator.is_main_process:

            def save_with_card(folder):
                save(folder)
                sounds = self.output_dir / "validation" / f"step-{self.step}"
                if sounds.is_dir():
                    shutil.copytree(sounds, folder / "samples")
                card = self.model_card(usage, card_data, tags, with_samples=sounds.is_dir())
                (folder / "README.md").write_text(card, "utf-8")

            save_folder(save_with_card, self.output_dir / "model")
            if self._bar is not None:
                self._bar.close()
            if self.config.push_to_hub:
                repo_id = create_repo(self._hub_name(), exist_ok=True).repo_id
                upload_folder(repo_id=repo_id, folder_path=self.output_dir / "model", commit_message="End of training")
        self.accelerator.end_training()
        self._let_go_of_signals()

    def _let_go_of_signals(self):
        """A process that has more to do than the run is ended by SIGTERM as before."""
        if self._handler_before is not None:
            signal.signal(signal.SIGTERM, self._handler_before)
            self._handler_before = None

    def model_card(self, usage, card_data, tags, with_samples):
        r"""
        What a reader of the trained model needs: how to load it, data, settings, losses and samples.

        Args:
            usage (`str`): Code that loads it.
            card_data (`dict`): Further metadata for the Hub.
            tags (`Sequence[str]`): Further tags for the Hub.
            with_samples (`bool`): Whether the last validation's sounds lie in `samples`.

        Returns:
            `str`: Markdown with the Hub's metadata.
        """
        source = self.config.data
        hub_id = source.hub_id if isinstance(source, HubDataset) else None
        data = ModelCardData(
            library_name="diffusers",
            tags=["audiolcm", "audiolcm_diffusers", "text-to-audio", *tags],
            datasets=[hub_id] if hub_id is not None else None,
            **card_data,
        )
        # Folders by their names, as above.
        settings = {
            key: Path(value).name if key.endswith("_dir") or (key == "dataset_name" and hub_id is None) else value
            for key, value in asdict(self.config).items()
            if value is not None
        }
        if settings.get("cache_dir") is not None:
            # What the examples are was decided when the cache was made.
            chosen = self.config.chosen_example_options()
            held = {field.name for field in fields(ExampleConfig)}
            settings = {name: value for name, value in settings.items() if name not in held or name in chosen}
        if "dataset_name" not in settings:
            settings = {name: value for name, value in settings.items() if name not in DATASET_OPTIONS}
        trained_on = next(settings[name] for name in self.config.sources() if name in settings)
        parts = [
            f"---\n{data.to_yaml()}\n---\n# {self._hub_name()}",
            f"Trained with `audiolcm-diffusers` {__version__} on `{trained_on}` for {self.step} steps. "
            "The training script wrote this card: add what the data are, who made them and under which licence.",
            f"```python\n{usage}\n```",
            "## Settings\n" + table_of(("option", "value"), sorted(settings.items())),
        ]
        losses = [json.loads(line) for line in self._log_lines()]
        if losses:
            columns = ["step", *sorted(set().union(*losses) - NO_LOSSES)]
            shown = losses[:: max(1, len(losses) // 8)]
            shown += [losses[-1]] if shown[-1] is not losses[-1] else []
            table = table_of(columns, [[line.get(column, "") for column in columns] for line in shown])
            parts.append("## Losses\nMeans since the line of the log before.\n\n" + table)
        if with_samples:
            sounds = enumerate(self.config.validation_prompts.split(";"))
            links = "\n".join(f"- [{prompt}](samples/{index:02d}.wav)" for index, prompt in sounds)
            parts.append(f"## Samples\n![Mel spectrograms](samples/mels.png)\n\n{links}")
        return "\n\n".join(parts) + "\n"

    def _hub_name(self):
        return self.config.hub_model_id or self.output_dir.resolve().name

    def _log_lines(self):
        log = self.output_dir / "log.jsonl"
        return log.read_text().splitlines() if log.is_file() else []

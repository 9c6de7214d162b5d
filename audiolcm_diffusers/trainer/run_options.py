# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Options of the training scripts: those of all, and of the kinds that there are."""

import importlib.util
from dataclasses import asdict, dataclass, field

from ..audio.mel import HOP_LENGTH
from ..data.latent_cache import LatentCache, digest, fingerprints, module_fingerprint
from ..data.latents import EncodedExamples, LatentEncoder
from ..teachers.examples import CachedFamilyExamples, FamilyExamples
from .data_options import DataConfig, ExampleConfig
from .options import option
from .prompts import encoder_of_prompts, prompt_of, text_parts


TRACKERS = ("tensorboard", "wandb")

# Options that no file, card or tracker is told.
SECRETS = ("hub_token",)


def samples_per_frame(vae):
    r"""`int`: Samples of sound in a frame of our autoencoder's latents."""
    return HOP_LENGTH * vae.temporal_compression_ratio


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
    resume_with_changed: list[str] | None = option(
        None, "Options that may differ from those that the checkpoint was trained with, such as data_dir after a move."
    )
    logging_steps: int = option(20, "Steps between lines of the log.")
    use_8bit_adam: bool = option(False, "AdamW with a state of 8 bits; needs bitsandbytes.")
    push_to_hub: bool = option(False, "Upload the trained model, with its card, to the Hub at the end.")
    hub_model_id: str | None = option(None, "Repository to push to, owner/name; by default the output folder's name.")
    hub_private_repo: bool = option(False, "Make that repository a private one, where it does not exist.")
    hub_token: str | None = option(
        None, "Token to push with, which is written nowhere; others of the machine may see it, but not HF_TOKEN."
    )
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


def options_to_save(config):
    r"""All options of a script by their names (`dict`), but for secrets."""
    return {name: value for name, value in asdict(config).items() if name not in SECRETS}


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

    def check_family_options(self, family, unused):
        r"""
        Refuse what a pipeline of diffusers' own has no use for.

        Args:
            family (`type[Teacher]`): Its family.
            unused (`Sequence[str]`): Options that only pipelines of ours have a use for.

        Raises:
            ValueError: If one was not left at its default.
        """
        names = ", ".join(family.pipeline_classes)
        for name in unused:
            value, default = getattr(self, name), getattr(type(self), name)
            if value != default:
                raise ValueError(f"{name} is of AudioLCM alone: leave it out for {names}, got {value!r}.")
        if self.gradient_checkpointing and not family.has_gradient_checkpointing:
            raise ValueError(
                f"The network of {names} has no gradient checkpointing: leave out gradient_checkpointing."
            )

    def set_up(self, transformer, teacher=None):
        r"""
        Apply the options on memory and speed to a transformer that is to be trained.

        Args:
            transformer (`nn.Module`): The network.
            teacher ([`~teachers.base.Teacher`], *optional*): Its family, of another than ours.
        """
        if self.gradient_checkpointing:
            if teacher is None:
                transformer.enable_gradient_checkpointing()
            else:
                teacher.enable_gradient_checkpointing(transformer)
        if self.attention_backend is not None:
            transformer.set_attention_backend(self.attention_backend)

    def examples(self, run, vae, pipe=None):
        r"""
        Where a run's batches come from: drawn and encoded for each step, or read from a latent cache.

        Args:
            run ([`~audiolcm_diffusers.trainer.TrainingRun`]): The run.
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
        clips = run.clips(*self.examples_of_a_batch(), vae.config.sampling_rate)
        drawer = self.example_drawer(
            clips, samples_per_frame(vae), vae.config.sampling_rate, self.seconds_per_batch, self.unconditional_share
        )
        return EncodedExamples(drawer, LatentEncoder(vae, encoder_of_prompts(pipe)), prompt_of)

    def examples_of_a_batch(self):
        r"""`tuple[float, float]`: Clips that a batch is made of, on average, and its longest example in seconds."""
        durations_s = self.lengths_s
        shares = [float(share) for share in self.duration_shares.split(",")]
        sizes = [max(1, round(self.seconds_per_batch / duration)) for duration in durations_s]
        mean = sum(share * size for share, size in zip(shares, sizes)) / sum(shares)
        return mean * (1 + self.mixture_share), max(durations_s)

    def family_examples(self, run, teacher):
        r"""
        Where a run's batches come from, of any family of pipelines.

        Args:
            run ([`~audiolcm_diffusers.trainer.TrainingRun`]): The run.
            teacher ([`~teachers.base.Teacher`]): Frozen, on its device.

        Returns:
            [`~teachers.examples.FamilyExamples`] or [`~teachers.examples.CachedFamilyExamples`].
        """
        if self.cache_dir is not None:
            cache = LatentCache(
                self.cache_dir,
                self.seconds_per_batch,
                self.unconditional_share,
                with_embeds=False,
                device=run.accelerator.device,
            )
            cache.check(family_fingerprints(teacher), self.chosen_example_options())
            return CachedFamilyExamples(cache, teacher)
        durations_s = durations_of(self, teacher)
        # What a caption may be is the family's affair; brackets and weights are ours.
        clips = run.clips(
            *self.examples_of_a_batch(),
            teacher.sampling_rate,
            num_channels=teacher.num_channels,
            check_caption=None,
        )
        drawer = self.example_drawer(
            clips,
            teacher.samples_per_frame,
            teacher.sampling_rate,
            self.seconds_per_batch,
            self.unconditional_share,
            durations_s,
        )
        return FamilyExamples(drawer, teacher)


def durations_of(config, teacher):
    r"""
    Lengths of examples of a family's sounds: those that are chosen, or of the defaults as much as its pipeline makes.

    Args:
        config ([`~audiolcm_diffusers.trainer.data_options.ExampleConfig`]): The options.
        teacher ([`~teachers.base.Teacher`]): Says how long its sounds are.

    Returns:
        `list[float]`: Seconds.

    Raises:
        ValueError: If a length that is chosen is longer.
    """
    durations_s, longest_s = config.lengths_s, teacher.max_duration_s
    if longest_s is None or max(durations_s) <= longest_s:
        return durations_s
    if config.durations_s == ExampleConfig.durations_s:
        return [min(duration, longest_s) for duration in durations_s]
    raise ValueError(
        f"Expected durations_s of at most {longest_s:g} s, the longest sound of {type(teacher.pipe).__name__}, got "
        f"{config.durations_s!r}."
    )


def family_fingerprints(teacher):
    r"""What turns sounds into a family's latents, see [`~audiolcm_diffusers.data.latent_cache.fingerprints`]."""
    return {
        "vae": module_fingerprint(teacher.pipe.vae),
        "text": None,
        "audio": digest(type(teacher.pipe).__name__, teacher.sampling_rate, teacher.num_channels),
    }

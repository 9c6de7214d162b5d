# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
`audiolcm benchmark training`: one distillation step in the straightforward order of work and in ours.

The baseline's order is that of diffusers' LCM distillation scripts. Both variants call `distillation_loss`, and differ
in what is done around it, so that they compute the same losses.
"""

import contextlib
import copy
import json
import platform
import resource
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import ModelMixin
from diffusers.models.attention_dispatch import AttentionBackendName
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel

from .. import MINI_CHECKPOINT, __version__
from ..audio.mel import log_mel_spectrogram
from ..consistency import update_ema
from ..distillation import SolverSchedule, distillation_loss, draw_step
from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.clap_projection import CLAPProjection
from ..models.transformer_concat_1d import ConcatTransformer1DModel
from ..models.transformer_llama_1d import LLaMATransformer1DModel
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler


SAMPLING_RATE = 16000
HOP_LENGTH = 256
PARTS = ("vae", "text encoders", "teacher", "student", "target", "optimizer", "average", "other")

# As published: the range of the guidance strength, the target's rate, the learning rate for each sound of the batch.
W_MIN, W_MAX = 4.0, 12.0
TARGET_DECAY = 0.95
LEARNING_RATE = 3e-6
MAX_GRAD_NORM = 1.0


@dataclass(frozen=True)
class Size:
    r"""
    Configurations of a model.

    Args:
        transformer_class (`type[ModelMixin]`): Of student, target and teacher.
        transformer (`dict`): Its configuration, without the guidance embedding.
        vae (`dict`): Of the [`AutoencoderKLMel1D`].
        scheduler (`dict`): Of the [`LCMAudioScheduler`].
        t5 (`dict`): Of the second text stream's encoder.
        num_text_tokens (`int`): Of each text stream, padding included.
        bert (`dict`, *optional*): Of the first text stream's encoder; `None` for a model without that stream.
    """

    transformer_class: type[ModelMixin]
    transformer: dict
    vae: dict
    scheduler: dict
    t5: dict
    num_text_tokens: int
    bert: dict | None = None

    @property
    def samples_per_latent(self):
        r"""`int`: samples of the waveform in a latent frame."""
        return HOP_LENGTH * 2 ** len(self.vae.get("downsample_levels", (0,)))


def size_named(name):
    r"""
    The configurations that `--size` names.

    Args:
        name (`"published"`, `"mini"` or `"tiny"`):
            The released model, whose configuration the classes have as defaults; the embedded model; one for tests.

    Returns:
        [`Size`].
    """
    if name == "published":
        t5_large = {"vocab_size": 32128, "d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24, "num_heads": 16}
        return Size(ConcatTransformer1DModel, {}, {}, {}, {**t5_large, "feed_forward_proj": "gated-gelu"}, 77, bert={})
    if name == "tiny":
        return Size(
            ConcatTransformer1DModel,
            {
                "in_channels": 4,
                "num_layers": 2,
                "num_attention_heads": 4,
                "attention_head_dim": 8,
                "cross_attention_dim": 16,
                "max_position_embeddings": 200,
            },
            {
                "latent_channels": 4,
                "base_channels": 8,
                "channel_multipliers": (1, 2),
                "layers_per_block": 1,
                "norm_num_groups": 4,
            },
            {},
            {"vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2},
            8,
            bert={
                "vocab_size": 64,
                "hidden_size": 12,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 16,
                "max_position_embeddings": 16,
            },
        )

    def config(file):
        return json.loads((MINI_CHECKPOINT / file).read_text(encoding="utf-8"))

    return Size(
        LLaMATransformer1DModel,
        without_names(config("transformer/config.json")),
        without_names(config("vae/config.json")),
        without_names(config("scheduler/scheduler_config.json")),
        config("text_encoder_2/config.json"),
        config("tokenizer_2/tokenizer_config.json")["model_max_length"],
    )


def without_names(config):
    r"""A configuration of diffusers as arguments of its class: without what diffusers adds, `_class_name` and such."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def num_latent_frames(size, duration_s):
    r"""Latent frames of a sound of so many seconds, rounded."""
    return round(duration_s * SAMPLING_RATE / size.samples_per_latent)


def check_length(name, duration_s):
    r"""
    Refuse lengths that a model of this size does not take.

    Args:
        name (`str`): As [`size_named`] takes it.
        duration_s (`float`): Length of a sound in seconds.

    Raises:
        ValueError: If it is less than a latent frame, or more than the transformer has positions for.
    """
    size = size_named(name)
    num_frames, frame_s = num_latent_frames(size, duration_s), size.samples_per_latent / SAMPLING_RATE
    if num_frames < 1:
        raise ValueError(f"Expected --duration of at least a latent frame, {frame_s:g} s, got {duration_s:g} s.")
    if size.transformer_class is ConcatTransformer1DModel:
        # One position is the timestep's, the rest are text's (two streams) and sound's.
        max_positions = size.transformer.get("max_position_embeddings", 1000)
        max_frames = max_positions - 1 - 2 * size.num_text_tokens
        if num_frames > max_frames:
            raise ValueError(
                f"Expected --duration of at most {max_frames * frame_s:g} s with --size {name}, got {duration_s:g} s."
            )


def check_attention_backend(name):
    r"""
    Refuse an attention backend that diffusers does not know.

    Args:
        name (`str`, *optional*): What `--attention-backend` names.

    Raises:
        ValueError: Listing those that it knows.
    """
    known = [backend.value for backend in AttentionBackendName]
    if name is not None and name not in known:
        raise ValueError(f"Expected --attention-backend to be one of {', '.join(known)}; got {name!r}.")


@contextlib.contextmanager
def defaults(device, dtype):
    r"""Build modules on a device and in a dtype: what is drawn there need not be copied there."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


class Encoders(torch.nn.Module):
    r"""
    What turns sound and captions into what the transformer sees; frozen.

    Args:
        size ([`Size`]): Configurations of the VAE and of the text streams.
    """

    def __init__(self, size):
        super().__init__()
        self.vae = AutoencoderKLMel1D(**size.vae)
        t5_config = T5Config(**size.t5)
        self.bert = self.projection = None
        if size.bert is not None:
            self.bert = BertModel(BertConfig(**size.bert))
            self.projection = CLAPProjection(self.bert.config.hidden_size, t5_config.d_model)
        self.t5 = T5EncoderModel(t5_config)
        self.requires_grad_(False).eval()

    @property
    def num_text_parameters(self):
        r"""`int`: parameters of all but the VAE."""
        return num_parameters(self) - num_parameters(self.vae)

    def draw_token_ids(self, batch_size, num_tokens, generator):
        r"""Token ids for each text stream: as good as captions, where weights are random."""
        encoders = [self.t5] if self.bert is None else [self.bert, self.t5]
        return [
            torch.randint(encoder.config.vocab_size, (batch_size, num_tokens), generator=generator).to(encoder.device)
            for encoder in encoders
        ]

    @torch.no_grad()
    def encode_sound(self, waveforms):
        r"""
        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sound.

        Returns:
            `torch.Tensor` of shape `(batch_size, latent_channels, latent_frames)`: Scaled latents.
        """
        mel = log_mel_spectrogram(waveforms).to(self.vae.dtype)
        return self.vae.encode(mel).latent_dist.mean * self.vae.config.scaling_factor

    @torch.no_grad()
    def encode_text(self, token_ids):
        r"""
        Args:
            token_ids (`list[torch.Tensor]`): Of each stream, each of shape `(batch_size, num_tokens)`.

        Returns:
            `torch.Tensor` of shape `(batch_size, streams * num_tokens, cross_attention_dim)`.
        """
        embeds = self.t5(token_ids[-1])[0]
        if self.bert is None:
            return embeds
        return torch.cat([self.projection(self.bert(token_ids[0])[0]), embeds], dim=1)


@dataclass(frozen=True)
class Batch:
    r"""
    The batch of every step.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sound.
        token_ids (`list[torch.Tensor]`): Captions, see [`Encoders.encode_text`].
        latents (`torch.Tensor` of shape `(batch_size, latent_channels, latent_frames)`): The sound, encoded.
        prompt_embeds, uncond_prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`):
            The captions, encoded, and what stands for the empty caption.
    """

    waveforms: torch.Tensor
    token_ids: list[torch.Tensor]
    latents: torch.Tensor
    prompt_embeds: torch.Tensor
    uncond_prompt_embeds: torch.Tensor


class Clock:
    r"""
    Time that parts of a step take. On CUDA, events are recorded in the stream, so that nothing waits for them.

    Args:
        device (`torch.device`): Where the parts run.
        kind (`"wall"` or `"processor"`, defaults to `"wall"`): Which time; that of the processor on a CPU alone.
    """

    def __init__(self, device, kind="wall"):
        self.device = device
        self._seconds = time.process_time if kind == "processor" else time.perf_counter
        self._marks = []

    def milliseconds(self):
        r"""Milliseconds since some moment, once the device has done what it was given."""
        synchronize(self.device)
        return 1000 * self._seconds()

    def _now(self):
        if self.device.type == "cpu":
            return self._seconds()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    @contextlib.contextmanager
    def part(self, name):
        r"""Count what happens inside to a part; to one part several times a step, where need be."""
        start = self._now()
        yield
        self._marks.append((name, start, self._now()))

    def timed(self, name, network):
        r"""A network whose forward pass counts to a part."""

        def run(*args, **kwargs):
            with self.part(name):
                return network(*args, **kwargs)

        return run

    def read(self):
        r"""Milliseconds of each part since the last reading, `dict[str, float]`; waits for the device."""
        synchronize(self.device)
        times = defaultdict(float)
        for name, start, end in self._marks:
            times[name] += 1000 * (end - start) if self.device.type == "cpu" else start.elapsed_time(end)
        self._marks.clear()
        return dict(times)


def in_two_calls(teacher):
    r"""A teacher that runs with and without caption one after the other, where it is asked for both in one batch."""

    def run(hidden_states, timestep, encoder_hidden_states, return_dict):
        halves = zip(hidden_states.chunk(2), timestep.chunk(2), encoder_hidden_states.chunk(2))
        return (torch.cat([teacher(*half, return_dict=return_dict)[0] for half in halves]),)

    return run


class Variant:
    r"""
    A student in training, with its target and optimizer.

    Args:
        name (`str`): `"naive"`, `"ours"` or `"compiled"`.
        student (`nn.Module`): To be trained; its copy is the target.
        teacher (`nn.Module`): Frozen; variants may share it.
        encoders ([`Encoders`], *optional*): For `"naive"` alone.
        schedule ([`SolverSchedule`]): Noise schedule and prediction type.
        num_solver_steps (`int`): Teacher steps in which a skip is walked.
        learning_rate (`float`): Of AdamW.
        clock ([`Clock`]): Gets the times of the parts.
        autocast (`Callable`): Makes the context in which the loss is computed.
    """

    def __init__(self, name, student, teacher, encoders, schedule, num_solver_steps, learning_rate, clock, autocast):
        self.clock = clock
        self.encoders = encoders
        self.schedule = schedule
        self.num_solver_steps = num_solver_steps
        self.autocast = autocast
        self.naive = name == "naive"
        self.student = student.train()
        self.target = copy.deepcopy(student).requires_grad_(False).eval()
        networks = {"student": self.student, "target": self.target, "teacher": teacher}
        if name == "compiled":
            networks = {part: torch.compile(network) for part, network in networks.items()}
        self.networks = {part: clock.timed(part, network) for part, network in networks.items()}
        if self.naive:
            self.networks["teacher"] = in_two_calls(self.networks["teacher"])
        # What torch chooses where nobody asks: a loop over parameters on a CPU, multi-tensor calls on CUDA.
        fused = None if self.naive else True
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=learning_rate, fused=fused)

    def step(self, batch, draw):
        r"""
        Train for one step.

        Args:
            batch ([`Batch`]): What to learn from.
            draw ([`~audiolcm_diffusers.distillation.StepDraw`]): All randomness.

        Returns:
            `torch.Tensor` without dimensions: The loss.
        """
        latents, prompt_embeds = batch.latents, batch.prompt_embeds
        if self.naive:
            with self.clock.part("vae"):
                latents = self.encoders.encode_sound(batch.waveforms).float()
            with self.clock.part("text encoders"):
                prompt_embeds = self.encoders.encode_text(batch.token_ids).float()
        with self.autocast():
            loss = distillation_loss(
                self.networks["student"],
                self.networks["target"],
                self.networks["teacher"],
                latents,
                prompt_embeds,
                batch.uncond_prompt_embeds,
                draw,
                self.schedule,
                num_solver_steps=self.num_solver_steps,
            ).loss
        with self.clock.part("student"):
            loss.backward()
        with self.clock.part("optimizer"):
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), MAX_GRAD_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad()
        with self.clock.part("average"):
            self.update_target()
        return loss.detach()

    @torch.no_grad()
    def update_target(self):
        r"""Move the target's weights towards the student's."""
        pair = list(self.target.parameters()), list(self.student.parameters())
        if not self.naive:
            update_ema(*pair, TARGET_DECAY)
            return
        for average, parameter in zip(*pair):
            average.mul_(TARGET_DECAY).add_(parameter, alpha=1 - TARGET_DECAY)


def measure(args, device, names):
    r"""
    Measure variants, whose steps take turns, so that whatever else the machine does hits all of them.

    Args:
        args (`argparse.Namespace`): The options of the command.
        device (`torch.device`): Where to run.
        names (`tuple[str]`): Variants.

    Returns:
        `dict`: What was measured, with the entry `variants`. With one variant it has `peak_memory_bytes`.
    """
    with contextlib.ExitStack() as settings:
        # These are settings of the whole process, which may be somebody else's: they are put back.
        settings.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        if args.threads is not None:
            settings.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(args.threads)
        torch.manual_seed(args.seed)
        return _measure(args, device, names)


def _measure(args, device, names):
    size = size_named(args.size)
    scheduler = LCMAudioScheduler(**size.scheduler)
    num_solver_timesteps = scheduler.config.original_inference_steps
    schedule = SolverSchedule.from_scheduler(scheduler, num_solver_timesteps, device=device)
    mixed = args.mixed_precision == "bf16"

    def autocast():
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed)

    with defaults(device, torch.bfloat16 if mixed else torch.float32):
        encoders = Encoders(size)
    clock = Clock(device, args.clock)
    batch, encoding_ms = draw_batch(args, size, encoders, clock)
    parameters = {"vae": num_parameters(encoders.vae), "text encoders": encoders.num_text_parameters}
    if "naive" not in names:
        # As in training from a cache that was filled before: the encoders are gone when it starts.
        encoders = None
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)

    with defaults(device, torch.float32):
        student = size.transformer_class(**{**size.transformer, "time_cond_proj_dim": 256})
        teacher = size.transformer_class(**{**size.transformer, "time_cond_proj_dim": None})
    teacher.requires_grad_(False).eval()
    if args.attention_backend is not None:
        for network in (student, teacher):
            network.set_attention_backend(args.attention_backend)
    parameters = {"student": num_parameters(student), "teacher": num_parameters(teacher), **parameters}
    variants = {
        name: Variant(
            name,
            # The last variant takes the original, so that one alone holds no copy too many.
            student if name == names[-1] else copy.deepcopy(student),
            teacher,
            encoders,
            schedule,
            args.num_solver_steps,
            LEARNING_RATE * args.batch_size,
            clock,
            autocast,
        )
        for name in names
    }

    rounds = []
    for index in range(args.warmup + args.repeats):
        generator = torch.Generator().manual_seed(args.seed + index)
        draw = draw_step(batch.latents, num_solver_timesteps, W_MIN, W_MAX, generator)
        rounds.append({name: time_step(variant, batch, draw) for name, variant in variants.items()})

    report = {
        "subject": "training",
        "size": args.size,
        "parameters": parameters,
        "batch_size": args.batch_size,
        "duration_s": args.duration,
        "latent_frames": batch.latents.shape[-1],
        "num_solver_steps": args.num_solver_steps,
        "warmup": args.warmup,
        "repeats": args.repeats,
        "mixed_precision": args.mixed_precision,
        "attention_backend": args.attention_backend,
        "seed": args.seed,
        "device": str(device),
        "device_name": device_name(device),
        "clock": args.clock,
        "threads": torch.get_num_threads(),
        "versions": {
            "audiolcm_diffusers": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
        },
        "encoding_ms": encoding_ms,
        "peak_tflops": args.peak_tflops,
        "variants": {name: summary([steps[name] for steps in rounds], args.warmup, args.batch_size) for name in names},
    }
    if len(names) == 1:
        report["variants"][names[0]]["peak_memory_bytes"] = peak_memory(device)
    if args.mfu:
        for name, variant in variants.items():
            # Compiled code computes what ours does, but out of sight of the counter.
            counted = variants["ours"] if name == "compiled" else variant
            flops = count_flops(counted, batch, draw)
            entry = report["variants"][name]
            entry |= {"flops": flops, "mfu": flops / (entry["step_ms"] / 1000) / (args.peak_tflops * 1e12)}
    return report


def draw_batch(args, size, encoders, clock):
    r"""
    Draw sound and captions, and encode them.

    Args:
        args (`argparse.Namespace`): The options of the command.
        size ([`Size`]): Lengths of sound and text.
        encoders ([`Encoders`]): Encode them.
        clock ([`Clock`]): Tells how long that takes.

    Returns:
        `tuple[Batch, float]`: The batch, in float32, and how long encoding sound and captions took, in milliseconds.
    """
    device = encoders.vae.device
    generator = torch.Generator().manual_seed(args.seed)
    num_samples = num_latent_frames(size, args.duration) * size.samples_per_latent
    waveforms = 0.1 * torch.randn(args.batch_size, num_samples, generator=generator)
    waveforms = waveforms.to(device)
    token_ids = encoders.draw_token_ids(args.batch_size, size.num_text_tokens, generator)
    uncond_ids = encoders.draw_token_ids(1, size.num_text_tokens, generator)
    uncond_prompt_embeds = encoders.encode_text(uncond_ids).float()

    start = clock.milliseconds()
    latents = encoders.encode_sound(waveforms).float()
    prompt_embeds = encoders.encode_text(token_ids).float()
    encoding_ms = clock.milliseconds() - start
    batch = Batch(waveforms, token_ids, latents, prompt_embeds, uncond_prompt_embeds.expand_as(prompt_embeds))
    return batch, encoding_ms


def time_step(variant, batch, draw):
    r"""
    Take a step, and time it.

    Returns:
        `tuple[float, float, dict[str, float]]`: Loss, milliseconds of the step and of each of its `PARTS`.
    """
    start = variant.clock.milliseconds()
    loss = variant.step(batch, draw)
    step_ms = variant.clock.milliseconds() - start
    parts = dict.fromkeys(PARTS, 0.0) | variant.clock.read()
    return loss.item(), step_ms, parts | {"other": step_ms - sum(parts.values())}


def summary(steps, warmup, batch_size):
    r"""
    What the steps of a variant come to.

    Args:
        steps (`list[tuple]`): As [`time_step`] returns them, first to last.
        warmup (`int`): How many come before those that count.
        batch_size (`int`): Samples of a step.

    Returns:
        `dict`: Medians of the steps that count, the time of the first step, and all losses.
    """
    losses, times, parts = zip(*steps)
    step_ms = statistics.median(times[warmup:])
    return {
        "samples_per_s": batch_size / (step_ms / 1000),
        "step_ms": step_ms,
        "step_ms_all": list(times[warmup:]),
        "first_step_ms": times[0],
        "parts_ms": {part: statistics.median(step[part] for step in parts[warmup:]) for part in PARTS},
        "losses": list(losses),
    }


def compare(report, alone):
    r"""
    Add the comparison of variants to a report, and what each of them needed in a process of its own.

    Args:
        report (`dict`): From [`measure`], of `"naive"`, `"ours"` and perhaps `"compiled"`; is added to.
        alone (`dict[str, dict]`): The report of each variant alone, after one step of warm-up and one timed.
    """
    variants = report["variants"]
    for name, variant in variants.items():
        variant["peak_memory_bytes"] = alone[name]["variants"][name]["peak_memory_bytes"]
    naive, ours = variants["naive"], variants["ours"]
    report["speedup"] = ours["samples_per_s"] / naive["samples_per_s"]
    report["memory_ratio"] = ours["peak_memory_bytes"] / naive["peak_memory_bytes"]
    report["loss_difference"] = max(
        abs(one - other) / abs(other) for one, other in zip(ours["losses"], naive["losses"])
    )
    if "compiled" in variants:
        first = alone["compiled"]["variants"]["compiled"]
        report["compile_speedup"] = variants["compiled"]["samples_per_s"] / ours["samples_per_s"]
        report["compile_s"] = (first["first_step_ms"] - first["step_ms"]) / 1000


def count_flops(variant, batch, draw):
    r"""Floating point operations of a step, a multiplication and an addition being two."""
    with FlopCounterMode(display=False) as counter:
        variant.step(batch, draw)
    variant.clock.read()
    return counter.get_total_flops()


def num_parameters(module):
    r"""Parameters of a module, each counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def synchronize(device):
    r"""Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device):
    r"""
    Most memory that this process has held, in bytes: on CUDA tensors since the last reset, on a CPU all that was
    resident since the process began.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def device_name(device):
    r"""The name of a card or processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What is timed, counted and compared in a training step: one of distillation, in the straightforward order of work and
in ours.

The baseline's order is that of diffusers' LCM distillation scripts. Both variants call `distillation_loss`, and differ
in what is done around it, so that they compute the same losses.
"""

import copy
import dataclasses

import torch

from ..consistency import update_ema
from ..distillation import SolverSchedule, distillation_loss, draw_step
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler
from .alone import run_alone
from .clock import Clock, median_ms, median_parts_ms, take_turns
from .encoders import Encoders, draw_batch, num_parameters
from .family_training import measure_family
from .flops import count_flops, utilization
from .machine import circumstances
from .memory import peak_memory, reset_peak_memory
from .options import TrainingOptions, check_options
from .settings import defaults, process_settings
from .sizes import size_named
from .table import Report, machine_line, markdown_table


PARTS = ("vae", "text encoders", "teacher", "student", "target", "optimizer", "average", "other")
BYTES_PER_GB = 1e9

# As published: the range of the guidance strength, the target's rate, the learning rate for each sound of the batch.
W_MIN, W_MAX = 4.0, 12.0
TARGET_DECAY = 0.95
LEARNING_RATE = 3e-6
MAX_GRAD_NORM = 1.0
# A student's guidance embedding.
GUIDANCE_DIM = 256


def benchmark_training(**options):
    r"""
    Measure one distillation step, with random weights and data: samples a second, peak memory, and the step's parts.

    `"naive"` is the straightforward order of work: VAE and text encoders run in every step, the teacher runs with and
    without caption one after the other, AdamW is torch's default, and the target's average is a loop over parameters.
    `"ours"` computes the same step from cached latents and text, runs the teacher with both captions in one batch, and
    has a fused AdamW and average. `"compiled"` is ours under torch.compile. Their steps take turns, and their losses
    are compared.

    Args:
        options: Fields of [`TrainingOptions`], which says what they are by default.

    Returns:
        [`TrainingReport`]: As text, a report for people.

    Raises:
        ValueError: If an option does not fit, before a model is built.
        ChildProcessError: If a variant fails in its own process.

    Example:

        ```python
        from audiolcm_diffusers.benchmark import benchmark_training

        report = benchmark_training(size="tiny", device="cpu", batch_size=2, duration_s=0.5)
        print(report)
        print(report.document["speedup"])
        ```
    """
    options = TrainingOptions(**options)
    if options.device is None:
        options = dataclasses.replace(options, device="cuda" if torch.cuda.is_available() else "cpu")
    check_options(options)
    if options.teacher_dir is not None:
        return TrainingReport(measure_family(options, Variant, summary))
    if len(options.variants) == 1:
        return TrainingReport(measure(options))
    alone = {}
    # First, while this process holds no memory of a device that is to be shared.
    for variant in options.variants:
        changed = dataclasses.replace(options, variants=(variant,), warmup=1, repeats=1, peak_tflops=None)
        alone[variant] = run_alone(measure_alone, dataclasses.asdict(changed), f"The variant {variant!r}")
    document = measure(options)
    compare(document, alone)
    return TrainingReport(document)


def measure_alone(**options):
    r"""What [`measure`] tells of options that are given one by one, as another process gives them."""
    return measure(TrainingOptions(**options))


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
        encoders ([`~audiolcm_diffusers.benchmark.encoders.Encoders`], *optional*): For `"naive"` alone.
        schedule ([`SolverSchedule`]): Noise schedule and prediction type.
        num_solver_steps (`int`): Teacher steps in which a skip is walked.
        learning_rate (`float`): Of AdamW.
        clock ([`~audiolcm_diffusers.benchmark.clock.Clock`]): Gets the times of the parts.
        autocast (`Callable`): Makes the context in which the loss is computed.
        guidance_embedding_dim (`int`, *optional*): Of the student.
    """

    def __init__(
        self,
        name,
        student,
        teacher,
        encoders,
        schedule,
        num_solver_steps,
        learning_rate,
        clock,
        autocast,
        guidance_embedding_dim=GUIDANCE_DIM,
    ):
        self.guidance_embedding_dim = guidance_embedding_dim
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

    def step(self, given):
        r"""
        Train for one step.

        Args:
            given (`tuple[Batch, StepDraw]`): What to learn from, and all randomness.

        Returns:
            `torch.Tensor` without dimensions: The loss.
        """
        batch, draw = given
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
                guidance_embedding_dim=self.guidance_embedding_dim,
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


def measure(options):
    r"""
    Measure variants in this process.

    Args:
        options ([`TrainingOptions`]): With a device.

    Returns:
        `dict`: What was measured, with the entry `variants`. With one variant it has `peak_memory_bytes`.
    """
    device = torch.device(options.device)
    with process_settings(device, options.threads, options.seed):
        return _measure(options, device)


def _measure(options, device):
    names = options.variants
    size = size_named(options.size)
    scheduler = LCMAudioScheduler(**size.scheduler)
    num_solver_timesteps = scheduler.config.original_inference_steps
    schedule = SolverSchedule.from_scheduler(scheduler, num_solver_timesteps, device=device)
    mixed = options.mixed_precision == "bf16"

    def autocast():
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed)

    with defaults(device, torch.bfloat16 if mixed else torch.float32):
        encoders = Encoders(size)
    clock = Clock(device, options.clock)
    batch, encoding_ms = draw_batch(size, encoders, options.batch_size, options.duration_s, options.seed, clock)
    parameters = {"vae": num_parameters(encoders.vae), "text encoders": encoders.num_text_parameters}
    if "naive" not in names:
        # As in training from a cache that was filled before: the encoders are gone when it starts.
        encoders = None
    reset_peak_memory(device)

    with defaults(device, torch.float32):
        student = size.transformer_class(**{**size.transformer, "time_cond_proj_dim": GUIDANCE_DIM})
        teacher = size.transformer_class(**{**size.transformer, "time_cond_proj_dim": None})
    teacher.requires_grad_(False).eval()
    if options.attention_backend is not None:
        for network in (student, teacher):
            network.set_attention_backend(options.attention_backend)
    parameters = {"student": num_parameters(student), "teacher": num_parameters(teacher), **parameters}
    variants = {
        name: Variant(
            name,
            # The last variant takes the original, so that one alone holds no copy too many.
            student if name == names[-1] else copy.deepcopy(student),
            teacher,
            encoders,
            schedule,
            options.num_solver_steps,
            LEARNING_RATE * options.batch_size,
            clock,
            autocast,
        )
        for name in names
    }

    def draw(index):
        generator = torch.Generator().manual_seed(options.seed + index)
        return batch, draw_step(batch.latents, num_solver_timesteps, W_MIN, W_MAX, generator)

    steps = {name: variant.step for name, variant in variants.items()}
    laps = take_turns(clock, steps, options.warmup + options.repeats, prepare=draw)
    document = {
        **circumstances(options, device),
        "size": options.size,
        "parameters": parameters,
        "latent_frames": batch.latents.shape[-1],
        "encoding_ms": encoding_ms,
        "variants": {name: summary(laps[name], options.warmup, options.batch_size) for name in names},
    }
    if len(names) == 1:
        document["variants"][names[0]]["peak_memory_bytes"] = peak_memory(device)
    if options.peak_tflops is not None:
        last = draw(options.warmup + options.repeats - 1)
        for name, variant in variants.items():
            # Compiled code computes what ours does, but out of sight of the counter.
            flops = count_flops((variants["ours"] if name == "compiled" else variant).step, last)
            entry = document["variants"][name]
            entry |= {"flops": flops, "mfu": utilization(flops, entry["step_ms"], options.peak_tflops)}
    return document


def summary(laps, warmup, batch_size):
    r"""
    What the steps of a variant come to.

    Args:
        laps (`list[Lap]`): Steps, first to last, whose results are losses.
        warmup (`int`): How many come before those that count.
        batch_size (`int`): Samples of a step.

    Returns:
        `dict`: Medians of the steps that count, the time of the first step, and all losses.
    """
    counted = laps[warmup:]
    step_ms = median_ms(counted)
    return {
        "samples_per_s": batch_size / (step_ms / 1000),
        "step_ms": step_ms,
        "step_ms_all": [lap.time_ms for lap in counted],
        "first_step_ms": laps[0].time_ms,
        "parts_ms": median_parts_ms(counted, PARTS),
        "losses": [lap.result.item() for lap in laps],
    }


def compare(document, alone):
    r"""
    Add the comparison of variants to what was measured, and what each of them needed in a process of its own.

    Args:
        document (`dict`): From [`measure`], of several variants; is added to.
        alone (`dict[str, dict]`): That of each variant alone, after one step of warm-up and one timed.
    """
    variants = document["variants"]
    for name, variant in variants.items():
        variant["peak_memory_bytes"] = alone[name]["variants"][name]["peak_memory_bytes"]
    naive, ours, compiled = (variants.get(name) for name in ("naive", "ours", "compiled"))
    if naive and ours:
        document["speedup"] = ours["samples_per_s"] / naive["samples_per_s"]
        document["memory_ratio"] = ours["peak_memory_bytes"] / naive["peak_memory_bytes"]
        document["loss_difference"] = max(
            abs(one - other) / abs(other) for one, other in zip(ours["losses"], naive["losses"])
        )
    if compiled and ours:
        first = alone["compiled"]["variants"]["compiled"]
        document["compile_speedup"] = compiled["samples_per_s"] / ours["samples_per_s"]
        document["compile_s"] = (first["first_step_ms"] - first["step_ms"]) / 1000


class TrainingReport(Report):
    r"""What [`benchmark_training`] measured: `document` has all of it, `str` what people read, `to_json` the rest."""

    def lines(self):
        r"""What was measured, a table with a column a variant, and the comparison, as lines of Markdown."""
        document = self.document
        parameters = ", ".join(f"{name} {number / 1e6:.1f} M" for name, number in document["parameters"].items())
        lines = [
            f"one distillation step, size {document['size']} (parameters: {parameters})",
            f"{document['batch_size']} sounds of {document['duration_s']:g} s ({document['latent_frames']} latent "
            f"frames), num_solver_steps {document['num_solver_steps']}, mixed precision "
            f"{document['mixed_precision']}, attention {document['attention_backend'] or 'default'}, seed "
            f"{document['seed']}",
            machine_line(document),
            f"median of {document['repeats']} steps after {document['warmup']}, {document['clock']} time; filling the "
            f"cache with this batch took {document['encoding_ms']:.0f} ms",
            "",
        ]
        variants = document["variants"]
        rows = {
            "samples/s": [f"{variant['samples_per_s']:.3f}" for variant in variants.values()],
            "peak memory, GB": [f"{variant['peak_memory_bytes'] / BYTES_PER_GB:.2f}" for variant in variants.values()],
            "one step, ms": [f"{variant['step_ms']:.1f}" for variant in variants.values()],
        }
        for part in PARTS:
            rows[f"… {part}"] = [f"{variant['parts_ms'][part]:.1f}" for variant in variants.values()]
        if document["peak_tflops"] is not None:
            rows["MFU"] = [f"{variant['mfu']:.1%}" for variant in variants.values()]
        sentences = []
        if "speedup" in document:
            sentences.append(
                f"ours is {document['speedup']:.2f} times as fast as naive, with {document['memory_ratio']:.2f} times "
                f"the memory; their losses differ by {document['loss_difference']:.1e} at most (relative)"
            )
        if "compile_speedup" in document:
            sentences.append(
                f"compiled is {document['compile_speedup']:.2f} times as fast as ours, after "
                f"{document['compile_s']:.1f} s of compiling"
            )
        return [*lines, *markdown_table(list(variants), rows), *(["", *sentences] if sentences else [])]

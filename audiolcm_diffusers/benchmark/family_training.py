# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is timed in a distillation step of any family's teacher: a pipeline's folder, with random sound and prompts."""

import copy
from types import SimpleNamespace

import torch

from ..distillation import SolverSchedule, draw_step
from ..teachers.audiolcm import AudioLCMTeacher
from ..teachers.base import Teacher
from ..teachers.families import family_of, load_family, teacher_of
from .clock import Clock, take_turns
from .encoders import num_parameters
from .machine import circumstances
from .memory import peak_memory, reset_peak_memory
from .options import TrainingOptions
from .settings import process_settings


NUM_SOLVER_TIMESTEPS = 50
PROMPT = "rain falling on a roof, thunder far away"


def load_teacher(folder: str) -> Teacher:
    r"""
    A teacher of any family.

    Args:
        folder (`str`): Folder of its pipeline, or an id of the Hub.

    Raises:
        ValueError: If its family is not known, or it is a student already.
    """
    if family_of(folder) is not AudioLCMTeacher:
        return load_family(folder)
    from ..pipelines.pipeline_audiolcm import AudioLCMPipeline

    return teacher_of(AudioLCMPipeline.from_pretrained(folder, dtype=torch.float32))


def measure_family(options: TrainingOptions, variant_class: type, summary) -> dict:
    r"""
    Measure the step of a teacher's folder in this process.

    Args:
        options ([`~audiolcm_diffusers.benchmark.options.TrainingOptions`]): With `teacher_dir` and a device.
        variant_class (`type`): [`~audiolcm_diffusers.benchmark.training.Variant`].
        summary (`Callable`): [`~audiolcm_diffusers.benchmark.training.summary`].

    Returns:
        `dict`: As of [`~audiolcm_diffusers.benchmark.training.measure`].

    Raises:
        ValueError: If the teacher's pipeline does not make sounds of the length that is asked for.
    """
    device = torch.device(options.device)
    with process_settings(device, options.threads, options.seed):
        teacher = load_teacher(options.teacher_dir)
        if teacher.max_duration_s is not None and options.duration_s > teacher.max_duration_s:
            raise ValueError(
                f"Expected duration_s of at most {teacher.max_duration_s:g}, the longest sound of "
                f"{type(teacher.pipe).__name__}, got {options.duration_s:g}."
            )
        for part in teacher.pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.requires_grad_(False)
        teacher.pipe.to(device)
        clock = Clock(device, options.clock)
        batch, encoding_ms = encoded(teacher, options, clock)
        reset_peak_memory(device)
        if options.attention_backend is not None:
            teacher.denoiser.set_attention_backend(options.attention_backend)
        student = copy.deepcopy(teacher.denoiser).requires_grad_(True)
        schedule = SolverSchedule.on_path(teacher.path.to(device), NUM_SOLVER_TIMESTEPS, teacher.prediction_type)

        def autocast():
            return torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.mixed_precision == "bf16")

        variants = {
            name: variant_class(
                name,
                teacher.network(student if name == options.variants[-1] else copy.deepcopy(student)),
                teacher.network(),
                None,
                schedule,
                options.num_solver_steps,
                3e-6 * options.batch_size,
                clock,
                autocast,
                guidance_embedding_dim=None,
            )
            for name in options.variants
        }
        w = max(0.0, teacher.default_guidance_scale - 1)

        def draw(index: int) -> tuple:
            generator = torch.Generator().manual_seed(options.seed + index)
            return batch, draw_step(batch.latents, NUM_SOLVER_TIMESTEPS, w, w, generator)

        steps = {name: variant.step for name, variant in variants.items()}
        laps = take_turns(clock, steps, options.warmup + options.repeats, prepare=draw)
        document = {
            **circumstances(options, device),
            "size": type(teacher.pipe).__name__,
            "parameters": {"student": num_parameters(student), "teacher": num_parameters(teacher.denoiser)},
            "latent_frames": round(options.duration_s * teacher.sampling_rate / teacher.samples_per_frame),
            "encoding_ms": encoding_ms,
            "variants": {name: summary(laps[name], options.warmup, options.batch_size) for name in options.variants},
        }
        for variant in document["variants"].values():
            # Of the process, which all variants share.
            variant["peak_memory_bytes"] = peak_memory(device)
        return document


@torch.no_grad()
def encoded(teacher: Teacher, options: TrainingOptions, clock: Clock) -> tuple[SimpleNamespace, float]:
    r"""A batch of noise and one prompt as the teacher encodes them, and the milliseconds that it took."""
    frames = max(1, round(options.duration_s * teacher.sampling_rate / teacher.samples_per_frame))
    generator = torch.Generator().manual_seed(options.seed)
    shape = (options.batch_size, teacher.num_channels, frames * teacher.samples_per_frame)
    waveforms = 0.1 * torch.randn(shape, generator=generator)

    def encode() -> SimpleNamespace:
        generators = [torch.Generator().manual_seed(options.seed + index) for index in range(options.batch_size)]
        latents = teacher.encode_audio(waveforms.to(clock.device), generators).float()
        duration_s = shape[-1] / teacher.sampling_rate
        given, empty = teacher.encode_prompts([PROMPT] * options.batch_size, duration_s)
        return SimpleNamespace(latents=latents, prompt_embeds=given, uncond_prompt_embeds=empty)

    lap = clock.lap(encode)
    return lap.result, lap.time_ms

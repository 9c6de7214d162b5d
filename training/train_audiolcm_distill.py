# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Distil a teacher into a student that needs two steps: guided latent consistency distillation (arXiv:2406.00356,
algorithm 1).

    accelerate launch training/train_audiolcm_distill.py --data_dir DATA/train --teacher_dir runs/teacher/model \\
        --vocoder_dir runs/vocoder/model --output_dir runs/student

`--teacher_dir` is a pipeline folder or an id of the Hub: of `AudioLCMPipeline`, whose transformer has no guidance
embedding, or of one of diffusers' own classes: `AudioLDM2Pipeline`, `StableAudioPipeline`, `StableAudio3Pipeline`,
`AceStepPipeline`, `LongCatAudioDiTPipeline`. `runs/student/model` is then a pipeline folder of the same class that
makes sound in two steps. With `--lora_rank` it holds a small adapter instead, with which the teacher needs few steps
(LCM-LoRA, arXiv:2311.05556).

A student of ours is told how strongly it is guided (`--guidance embedded`). Others have no place for that: one
strength is folded in (`--guidance fixed --w 4`), and the student is called with guidance off.

`--method meanflow` trains a student of ours, of a teacher on the straight path (`flow_prediction`), that predicts
average velocities instead (MeanFlow, arXiv:2505.13447): it makes sound in one step or more, without fresh noise.
"""

import copy
import math
from dataclasses import dataclass

import torch
from diffusers import FlowMapEulerDiscreteScheduler

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler
from audiolcm_diffusers.distillation import LOSS_TYPES, SOLVERS, SolverSchedule, distillation_loss, draw_step
from audiolcm_diffusers.meanflow import DERIVATIVES, draw_interval, meanflow_loss
from audiolcm_diffusers.paths import NoisePath
from audiolcm_diffusers.pipelines.model_options import trained_lengths
from audiolcm_diffusers.teachers.audiolcm import AudioLCMTeacher
from audiolcm_diffusers.teachers.base import FamilyNetwork
from audiolcm_diffusers.teachers.families import family_of, family_of_folder, load_family
from audiolcm_diffusers.trainer import (
    CaptionedRunConfig,
    LoraOptions,
    TrainingRun,
    load_vocoder,
    option,
    parse_config,
    saved_config,
)


# Options that only students of ours have a use for.
OWN_OPTIONS = (
    "student_dir",
    "vocoder_dir",
    "timestep_power",
    "guidance_embedding_dim",
    "default_guidance_scale",
)
METHODS = ("lcm", "meanflow")
# Options that one method has and the other has not.
LCM_OPTIONS = (
    "num_solver_timesteps",
    "num_solver_steps",
    "solver",
    "loss_type",
    "huber_c",
    "target_decay",
    "timestep_power",
    "w_min",
    "w_max",
)
MEANFLOW_OPTIONS = ("interval_share", "interval_mean", "interval_std", "derivative")


@dataclass(frozen=True, kw_only=True)
class DistillationConfig(LoraOptions, CaptionedRunConfig):
    unconditional_share: float = option(0.0, "Must be 0: a student is guided by its embedding.")
    teacher_dir: str = option("runs/teacher/model", "Pipeline of the teacher: a folder, or an id of the Hub.")
    method: str = option(
        "lcm",
        '"lcm": consistency distillation; "meanflow": average velocities, of an AudioLCM teacher that predicts flow.',
    )
    guidance: str | None = option(
        None,
        '"embedded": the student is told a strength between w_min and w_max; "fixed": it learns the strength w alone '
        "and is called with guidance off. By default embedded for AudioLCM, but for adapters, and fixed elsewhere.",
    )
    w: float | None = option(
        None, "The strength of fixed guidance (guidance_scale - 1); by default that of the teacher's pipeline."
    )
    student_dir: str | None = option(
        None, "Pipeline folder of a student to go on from; else it starts as its teacher."
    )
    vocoder_dir: str | None = option(None, "Vocoder to be saved with the student; the teacher's by default.")
    num_solver_timesteps: int = option(50, "Points of the solver; with 1000 training timesteps it skips k = 20.")
    num_solver_steps: int = option(1, "Teacher steps in which a skip is walked.")
    solver: str = option("ddim", '"ddim" or "dpmsolver++"; they differ from two steps on.')
    loss_type: str = option("pseudo_huber", '"pseudo_huber" or "l2".')
    w_min: float = option(4.0, "Lowest guidance strength drawn (guidance_scale - 1).")
    w_max: float = option(12.0, "Highest guidance strength drawn.")
    huber_c: float = option(0.001, "Residual at which the pseudo-Huber loss turns from quadratic to linear.")
    target_decay: float = option(0.95, "Rate of the target network's average.")
    timestep_power: float | None = option(
        None,
        "Spacing of the student's steps, see `LCMAudioScheduler`; below 1, all but the first begin with less noise. "
        "By default that of student_dir, or 1.",
    )
    interval_share: float = option(
        0.25, "meanflow: share of sounds that learn intervals; the others learn velocities."
    )
    interval_mean: float = option(-0.4, "meanflow: of the normal numbers whose logistic function are the times.")
    interval_std: float = option(1.0, "meanflow: their standard deviation.")
    derivative: str = option(
        "difference",
        'meanflow: how a derivative is found: "difference", by two more runs in float32, or "jvp", exactly, without '
        "compile and with attention_backend _native_math.",
    )
    guidance_embedding_dim: int = option(256, "Width of the embedded guidance strength; an adapter has none.")
    default_guidance_scale: float | None = option(
        None, "Guidance scale that the student is saved with, for calls that name none; the teacher's by default."
    )

    def __post_init__(self):
        super().__post_init__()
        self.check_lora()
        self.check_guidance()
        self.check_method()
        if not 0 <= self.w_min < self.w_max:
            raise ValueError(f"Expected 0 <= w_min < w_max, got w_min={self.w_min}, w_max={self.w_max}.")
        if self.num_solver_steps < 1:
            raise ValueError(f"Expected num_solver_steps >= 1, got {self.num_solver_steps}.")
        for name, known in (("solver", SOLVERS), ("loss_type", LOSS_TYPES)):
            if getattr(self, name) not in known:
                raise ValueError(f"Expected {name} to be one of {known}, got {getattr(self, name)!r}.")
        if not 0 <= self.target_decay <= 1:
            raise ValueError(f"Expected 0 <= target_decay <= 1, got {self.target_decay}.")
        if self.timestep_power is not None and not 0 < self.timestep_power < math.inf:
            raise ValueError(f"Expected a finite timestep_power above 0, got {self.timestep_power}.")
        if self.lora_rank is not None and self.timestep_power is not None:
            raise ValueError(
                "An adapter comes without a scheduler, which could space its steps: leave out timestep_power, got "
                f"{self.timestep_power} with lora_rank={self.lora_rank}."
            )
        if self.default_guidance_scale is not None:
            if not math.isfinite(self.default_guidance_scale):
                raise ValueError(f"Expected a finite default_guidance_scale, got {self.default_guidance_scale}.")
            if self.lora_rank is not None:
                raise ValueError(
                    "An adapter is saved without a pipeline: leave out default_guidance_scale, got "
                    f"{self.default_guidance_scale} with lora_rank={self.lora_rank}."
                )
        if self.guidance_embedding_dim < 4:
            raise ValueError(f"Expected guidance_embedding_dim >= 4, got {self.guidance_embedding_dim}.")
        if self.unconditional_share != 0:
            raise ValueError(
                "A student is guided by its embedding and never sees an empty caption: expected "
                f"unconditional_share == 0, got {self.unconditional_share}."
            )
        if self.student_dir is not None and self.lora_rank is not None:
            raise ValueError(
                f"An adapter is made of the teacher: leave out student_dir, got {self.student_dir!r} with "
                f"lora_rank={self.lora_rank}."
            )
        # What folders on this machine tell of themselves; what lies on the Hub is looked at when it is loaded.
        family = family_of_folder(self.teacher_dir)
        if family is not None:
            self.check_family(family)
        if family not in (None, AudioLCMTeacher):
            return
        scheduler = saved_config(self.teacher_dir, "scheduler")
        num_train_timesteps = scheduler.get("num_train_timesteps", 1000)
        if self.num_solver_timesteps < 1 or num_train_timesteps % self.num_solver_timesteps:
            raise ValueError(
                f"Expected num_solver_timesteps to divide the schedule's {num_train_timesteps} timesteps, got "
                f"{self.num_solver_timesteps}."
            )
        student = {} if self.student_dir is None else saved_config(self.student_dir, "transformer")
        if student and student.get("time_cond_proj_dim") != self.guidance_embedding_dim:
            raise ValueError(
                f"Expected the student of {self.student_dir!r} to have a guidance embedding of the width "
                f"guidance_embedding_dim={self.guidance_embedding_dim}, got {student.get('time_cond_proj_dim')}."
            )
        if student and student.get("time_cond_type", "guidance") != self.time_cond_type:
            raise ValueError(
                f"method={self.method!r} goes on from a student of the same method: expected time_cond_type="
                f"{self.time_cond_type!r} in {self.student_dir!r}, got {student.get('time_cond_type', 'guidance')!r}."
            )

    @property
    def time_cond_type(self):
        """`str`: What the student is told beside the time."""
        return "interval" if self.method == "meanflow" else "guidance"

    def check_method(self):
        """Refuse what a method has no use for."""
        if self.method not in METHODS:
            raise ValueError(f"Expected method to be one of {METHODS}, got {self.method!r}.")
        if self.method == "lcm":
            self.refuse_chosen(MEANFLOW_OPTIONS, "method='lcm' draws no intervals")
            return
        self.refuse_chosen(LCM_OPTIONS, "method='meanflow' has no solver, and folds in the one strength w")
        if self.guidance == "embedded":
            raise ValueError("method='meanflow' folds its guidance in: use guidance='fixed', got 'embedded'.")
        if self.lora_rank is not None:
            raise ValueError(f"An adapter is not told intervals: method='meanflow' with lora_rank={self.lora_rank}.")
        if self.default_guidance_scale is not None:
            raise ValueError(
                "A student of method='meanflow' is called with guidance off: leave out default_guidance_scale, got "
                f"{self.default_guidance_scale}."
            )
        if not 0 <= self.interval_share <= 1:
            raise ValueError(f"Expected 0 <= interval_share <= 1, got {self.interval_share}.")
        if not math.isfinite(self.interval_mean):
            raise ValueError(f"Expected a finite interval_mean, got {self.interval_mean}.")
        if not 0 < self.interval_std < math.inf:
            raise ValueError(f"Expected a finite interval_std above 0, got {self.interval_std}.")
        if self.derivative not in DERIVATIVES:
            raise ValueError(f"Expected derivative to be one of {DERIVATIVES}, got {self.derivative!r}.")
        if self.derivative == "jvp" and (self.compile or self.attention_backend != "_native_math"):
            raise ValueError(
                "derivative='jvp' needs attention_backend='_native_math' and no compile, got "
                f"attention_backend={self.attention_backend!r}, compile={self.compile}."
            )

    def check_guidance(self):
        """Refuse ways of guiding that contradict each other."""
        if self.guidance not in (None, "embedded", "fixed"):
            raise ValueError(f"Expected guidance to be 'embedded' or 'fixed', got {self.guidance!r}.")
        if self.guidance == "embedded" and self.lora_rank is not None:
            raise ValueError(
                f"An adapter has no guidance embedding: guidance='embedded' with lora_rank={self.lora_rank}."
            )
        if self.w is not None:
            if self.guidance != "fixed":
                raise ValueError(f"w={self.w} goes with guidance='fixed', got guidance={self.guidance!r}.")
            if not 0 <= self.w < math.inf:
                raise ValueError(f"Expected a finite w >= 0, got {self.w}.")
        if self.guidance == "fixed":
            self.refuse_chosen(("w_min", "w_max", "guidance_embedding_dim"), "guidance='fixed' has the one strength w")
            if self.default_guidance_scale is not None:
                raise ValueError(
                    "A student of guidance='fixed' is called with guidance off: leave out default_guidance_scale, got "
                    f"{self.default_guidance_scale}."
                )

    def check_family(self, family):
        """Refuse what students of a family have no use for."""
        if family is AudioLCMTeacher:
            return
        names = ", ".join(family.pipeline_classes)
        if self.method == "meanflow":
            raise ValueError(
                f"method='meanflow' needs a class that is told how far a step goes; {names} is none. Use method='lcm'."
            )
        if self.guidance == "embedded":
            raise ValueError(
                f"guidance='embedded' needs a class that is told a strength; {names} is none. Use guidance='fixed'."
            )
        self.check_family_options(family, (*OWN_OPTIONS, "w_min", "w_max"))
        if not 1 <= self.num_solver_timesteps <= 1000:
            raise ValueError(f"Expected num_solver_timesteps from 1 to 1000, got {self.num_solver_timesteps}.")

    def refuse_chosen(self, names, why):
        """Refuse options that were not left at their defaults."""
        for name in names:
            value, default = getattr(self, name), getattr(DistillationConfig, name)
            if value != default:
                raise ValueError(f"{why}: leave out {name}, got {value!r}.")

    @property
    def base_dir(self):
        """`str`: What an adapter of this script adapts."""
        return self.teacher_dir

    def strengths(self, teacher):
        """`tuple[float, float]`: Between which strengths of guidance are drawn, and whether they are embedded."""
        has_range = isinstance(teacher, AudioLCMTeacher) and self.method == "lcm"
        embedded = self.lora_rank is None and self.guidance != "fixed" and has_range
        if embedded or (has_range and self.guidance is None):
            return self.w_min, self.w_max, embedded
        w = max(0.0, teacher.default_guidance_scale - 1) if self.w is None else self.w
        return w, w, embedded


def load_teacher(config):
    """The teacher in float32, with the vocoder that a student of ours is to have."""
    if family_of(config.teacher_dir) is not AudioLCMTeacher:
        teacher = load_family(config.teacher_dir)
        config.check_family(type(teacher))
        return teacher
    replaced = {}
    if config.vocoder_dir is not None:
        replaced["vocoder"] = load_vocoder(config.vocoder_dir)
    elif AudioLCMPipeline.load_config(config.teacher_dir)["vocoder"][0] is None:
        # Distillation hears nothing: a teacher may come without a vocoder.
        replaced["vocoder"] = None
    pipe = AudioLCMPipeline.from_pretrained(config.teacher_dir, dtype=torch.float32, **replaced)
    if pipe.is_student:
        raise ValueError(f"{config.teacher_dir!r} holds a student; a teacher has no guidance embedding.")
    if config.method == "meanflow" and not NoisePath.from_scheduler(pipe.scheduler).is_straight:
        raise ValueError(
            "method='meanflow' needs a teacher on the straight path, which predicts flow; got the "
            f"{type(pipe.scheduler).__name__} of {config.teacher_dir!r}."
        )
    return AudioLCMTeacher(pipe)


def start_student(config, family, has_embedding):
    """The teacher with an adapter, a trained student, or one whose first predictions are the teacher's."""
    teacher = family.denoiser
    if config.lora_rank is not None:
        return config.with_adapter(teacher)
    if not has_embedding:
        return family.trainable(copy.deepcopy(teacher))
    told = {"time_cond_proj_dim": config.guidance_embedding_dim, "time_cond_type": config.time_cond_type}
    student = type(teacher).from_config({**teacher.config, **told})
    if config.student_dir is not None:
        trained = type(teacher).from_pretrained(config.student_dir, subfolder="transformer", dtype=torch.float32)
        student.load_state_dict(trained.state_dict())
        return student
    missing, unexpected = student.load_state_dict(teacher.state_dict(), strict=False)
    if unexpected or any("cond_proj" not in name for name in missing):
        raise ValueError(f"The teacher's weights do not fit the student: {missing} missing, {unexpected} left over.")
    torch.nn.init.zeros_(student.time_embedding.cond_proj.weight)
    return student


def main(config):
    run = TrainingRun(config)
    accelerator = run.accelerator
    family = load_teacher(config)
    pipe, is_ours = family.pipe, isinstance(family, AudioLCMTeacher)
    teacher = family.denoiser.requires_grad_(False).to(accelerator.device)
    w_min, w_max, embedded = config.strengths(family)
    schedule = SolverSchedule.on_path(
        family.path.to(accelerator.device), config.num_solver_timesteps, family.prediction_type
    )
    if is_ours:
        vae = pipe.vae.requires_grad_(False)
        if config.cache_dir is None:
            pipe.to(accelerator.device)
        examples = config.examples(run, vae, pipe)
        uncond_prompt_embeds = examples.unconditional_embeds()
    else:
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.requires_grad_(False)
        pipe.to(accelerator.device)
        examples = config.family_examples(run, family)

    is_meanflow = config.method == "meanflow"
    student = start_student(config, family, embedded or is_meanflow)
    embedding_dim = student.config.time_cond_proj_dim if embedded or is_meanflow else None
    config.set_up(student, None if is_ours else family)
    if not is_ours:
        # Loss and solver call ours as they are, with an embedding of the strength.
        teacher, student = family.network(teacher), family.network(student)
    # Average velocities are learnt from the student's own, not from an average of its weights.
    target = None if is_meanflow else run.averaged(student, decay=config.target_decay)
    averaged = run.averaged(student)
    if config.compile:
        for network in (teacher, target, student):
            if network is not None:
                network.compile()
    optimizer = run.optimizer([parameter for parameter in student.parameters() if parameter.requires_grad])
    student, optimizer = accelerator.prepare(student, optimizer)

    timestep_power = config.timestep_power
    if timestep_power is None:
        timestep_power = 1.0
        if config.student_dir is not None:
            trained = LCMAudioScheduler.load_config(config.student_dir, subfolder="scheduler")
            timestep_power = trained.get("timestep_power", timestep_power)

    def denoiser():
        whole = run.whole(averaged)
        return whole.denoiser if isinstance(whole, FamilyNetwork) else whole

    def pipeline():
        if not is_ours:
            return family.student_pipeline(denoiser(), config.num_solver_timesteps)
        components = dict(pipe.components)
        components["transformer"] = denoiser()
        if is_meanflow:
            components["scheduler"] = FlowMapEulerDiscreteScheduler(num_train_timesteps=len(schedule.path))
        else:
            components["scheduler"] = LCMAudioScheduler.from_config(
                pipe.scheduler.config,
                original_inference_steps=config.num_solver_timesteps,
                timestep_power=timestep_power,
            )
        options = {**trained_lengths(examples.longest_s), "default_num_inference_steps": 2}
        if config.guidance == "fixed" or is_meanflow:
            options["default_guidance_scale"] = 1.0
        elif config.default_guidance_scale is not None:
            options["default_guidance_scale"] = config.default_guidance_scale
        return AudioLCMPipeline(**components, **{**pipe.options, **options})

    def step_loss(latents, embeds, empty, generators):
        if is_meanflow:
            how = (config.interval_share, config.interval_mean, config.interval_std)
            return meanflow_loss(
                student,
                teacher,
                latents,
                embeds,
                empty,
                draw_interval(latents, w_min, w_max, generators, *how),
                schedule,
                derivative=config.derivative,
                interval_embedding_dim=embedding_dim,
            ).loss
        return distillation_loss(
            student,
            target,
            teacher,
            latents,
            embeds,
            empty,
            draw_step(latents, config.num_solver_timesteps, w_min, w_max, generators),
            schedule,
            huber_c=config.huber_c,
            num_solver_steps=config.num_solver_steps,
            solver=config.solver,
            loss_type=config.loss_type,
            guidance_embedding_dim=embedding_dim,
        ).loss

    run.validation_pipeline = pipeline
    if not embedded:
        run.validation_options = {"num_inference_steps": 2, "guidance_scale": 1.0}
    if not is_ours:
        run.validation_teacher = family
        run.validation_options["duration_s"] = examples.longest_s
    run.resume()
    student.train()

    while run.step < config.max_train_steps:
        length = examples.draw_length(run.step_generator())
        generators = run.example_generators(examples.batch_sizes[length])
        batch = examples.draw(length, generators)
        empty = batch.empty_embeds if not is_ours else uncond_prompt_embeds.expand_as(batch.prompt_embeds)

        with accelerator.accumulate(student):
            with accelerator.autocast():
                loss = step_loss(batch.latents, batch.prompt_embeds, empty, generators)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(student.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(names=batch.names, loss=loss)

    mark = None
    if not embedded:
        steps = [1, 2, 4] if is_meanflow else [2, 4]
        mark = {"num_inference_steps": steps, "guidance_scale": 1.0, "folded_in_guidance_scale": 1 + w_min}
    if not is_ours:
        call = family.usage(num_inference_steps=2, guidance_scale=1.0)
        if config.lora_rank is not None:
            scheduler = family.student_scheduler(config.num_solver_timesteps)
            run.save_family_adapter(family, denoiser(), call, scheduler)
        else:
            run.save_family_model(pipeline(), call, mark)
    elif config.lora_rank is None:
        run.save_model(pipeline(), mark=mark)
    else:
        scheduler = (
            "LCMAudioScheduler.from_config(pipe.scheduler.config, "
            f"original_inference_steps={config.num_solver_timesteps})"
        )
        call = 'pipe("a dog barking", num_inference_steps=2, guidance_scale=1.0)'
        usage = f"pipe.scheduler = {scheduler}\naudio = {call}.audios[0]"
        run.save_adapter(denoiser(), config.teacher_dir, usage)


if __name__ == "__main__":
    main(parse_config(DistillationConfig))

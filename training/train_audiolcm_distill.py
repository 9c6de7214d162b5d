# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Distil a teacher into a student that needs two steps: guided latent consistency distillation (arXiv:2406.00356,
algorithm 1).

    accelerate launch training/train_audiolcm_distill.py --data_dir DATA/train --teacher_dir runs/teacher/model \\
        --vocoder_dir runs/vocoder/model --output_dir runs/student

`--teacher_dir` is any pipeline folder of `AudioLCMPipeline` whose transformer has no guidance embedding.
`runs/student/model` is then a pipeline folder that makes sound in two steps.
"""

from dataclasses import dataclass

import torch

from audiolcm_diffusers import AudioLCMPipeline, BigVGANVocoder, LCMAudioScheduler, log_mel_spectrogram
from audiolcm_diffusers.distillation import LOSS_TYPES, SOLVERS, SolverSchedule, distillation_loss, draw_step
from audiolcm_diffusers.training_utils import (
    CaptionedRunConfig,
    TrainingRun,
    clip_names,
    option,
    parse_config,
    tokenize_examples,
)


@dataclass(frozen=True)
class DistillationConfig(CaptionedRunConfig):
    unconditional_share: float = option(0.0, "Must be 0: a student is guided by its embedding.")
    teacher_dir: str = option("runs/teacher/model", "Pipeline folder of the teacher.")
    vocoder_dir: str | None = option(None, "Trained vocoder, to be saved with the student; the teacher's by default.")
    num_solver_timesteps: int = option(50, "Points of the solver; with 1000 training timesteps it skips k = 20.")
    num_solver_steps: int = option(1, "Teacher steps in which a skip is walked.")
    solver: str = option("ddim", '"ddim" or "dpmsolver++"; they differ from two steps on.')
    loss_type: str = option("pseudo_huber", '"pseudo_huber" or "l2".')
    w_min: float = option(4.0, "Lowest guidance strength drawn (guidance_scale - 1).")
    w_max: float = option(12.0, "Highest guidance strength drawn.")
    huber_c: float = option(0.001, "Residual at which the pseudo-Huber loss turns from quadratic to linear.")
    target_decay: float = option(0.95, "Rate of the target network's average.")
    guidance_embedding_dim: int = option(256, "Width of the embedded guidance strength.")

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.w_min < self.w_max:
            raise ValueError(f"Expected 0 <= w_min < w_max, got w_min={self.w_min}, w_max={self.w_max}.")
        if self.num_solver_steps < 1:
            raise ValueError(f"Expected num_solver_steps >= 1, got {self.num_solver_steps}.")
        for name, known in (("solver", SOLVERS), ("loss_type", LOSS_TYPES)):
            if getattr(self, name) not in known:
                raise ValueError(f"Expected {name} to be one of {known}, got {getattr(self, name)!r}.")
        if not 0 <= self.target_decay <= 1:
            raise ValueError(f"Expected 0 <= target_decay <= 1, got {self.target_decay}.")
        if self.unconditional_share != 0:
            raise ValueError(
                "A student is guided by its embedding and never sees an empty caption: expected "
                f"unconditional_share == 0, got {self.unconditional_share}."
            )


def student_from_teacher(teacher, guidance_embedding_dim):
    """A transformer with a guidance embedding, whose first predictions are the teacher's."""
    student = type(teacher).from_config({**teacher.config, "time_cond_proj_dim": guidance_embedding_dim})
    missing, unexpected = student.load_state_dict(teacher.state_dict(), strict=False)
    if unexpected or any("cond_proj" not in name for name in missing):
        raise ValueError(f"The teacher's weights do not fit the student: {missing} missing, {unexpected} left over.")
    torch.nn.init.zeros_(student.time_embedding.cond_proj.weight)
    return student


def main(config):
    run = TrainingRun(config)
    accelerator = run.accelerator
    replaced = {}
    if config.vocoder_dir is not None:
        replaced["vocoder"] = BigVGANVocoder.from_pretrained(config.vocoder_dir)
    elif AudioLCMPipeline.load_config(config.teacher_dir)["vocoder"][0] is None:
        # Distillation hears nothing: a teacher may come without a vocoder.
        replaced["vocoder"] = None
    pipe = AudioLCMPipeline.from_pretrained(config.teacher_dir, **replaced).to(accelerator.device)
    if pipe.is_student:
        raise ValueError(f"{config.teacher_dir!r} holds a student; a teacher has no guidance embedding.")
    vae, teacher = pipe.vae.requires_grad_(False), pipe.transformer.requires_grad_(False)
    schedule = SolverSchedule.from_scheduler(pipe.scheduler, config.num_solver_timesteps, device=accelerator.device)
    samples_per_latent = pipe.hop_length * pipe.latent_hop
    clips = run.load_clips(vae.config.sampling_rate)
    drawer = config.example_drawer(clips, samples_per_latent, vae.config.sampling_rate)
    uncond_prompt_embeds, _ = pipe.encode_prompt("", do_classifier_free_guidance=False)

    student = student_from_teacher(teacher, config.guidance_embedding_dim)
    config.set_up(student)
    student = accelerator.prepare(student)
    target = run.averaged(student, decay=config.target_decay)
    if config.compile:
        for network in (teacher, target, accelerator.unwrap_model(student)):
            network.compile()
    averaged = run.averaged(student)
    optimizer = run.optimizer(student.parameters())

    def pipeline():
        components = dict(pipe.components)
        components["transformer"] = averaged
        components["scheduler"] = LCMAudioScheduler.from_config(
            pipe.scheduler.config, original_inference_steps=config.num_solver_timesteps
        )
        return AudioLCMPipeline(
            **components,
            default_audio_length_in_s=config.longest_s,
            max_audio_length_in_s=pipe.config.max_audio_length_in_s,
        )

    run.validation_pipeline = pipeline
    run.resume()
    student.train()

    while run.step < config.max_train_steps:
        length = drawer.draw_length(run.step_generator())
        generators = run.example_generators(drawer.batch_sizes[length])
        waveforms, examples = drawer.draw(length, generators)
        with torch.no_grad():
            mel = log_mel_spectrogram(waveforms.to(accelerator.device))
            latents = vae.encode(mel).latent_dist.mean * vae.config.scaling_factor
            input_ids = tokenize_examples(pipe.tokenizer_2, examples).to(accelerator.device)
            prompt_embeds = pipe.text_encoder_2(input_ids)[0]
        draw = draw_step(latents, config.num_solver_timesteps, config.w_min, config.w_max, generators)

        with accelerator.accumulate(student):
            with accelerator.autocast():
                loss = distillation_loss(
                    student,
                    target,
                    teacher,
                    latents,
                    prompt_embeds,
                    uncond_prompt_embeds.expand_as(prompt_embeds),
                    draw,
                    schedule,
                    huber_c=config.huber_c,
                    num_solver_steps=config.num_solver_steps,
                    solver=config.solver,
                    loss_type=config.loss_type,
                    guidance_embedding_dim=config.guidance_embedding_dim,
                ).loss
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(student.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(names=clip_names(examples), loss=loss)

    run.save_model(pipeline())


if __name__ == "__main__":
    main(parse_config(DistillationConfig))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Encode training examples once: mels, latents and, with `--pipeline_dir`, text embeddings. Of the pipelines of other
families than `AudioLCMPipeline` latents alone are stored: what their networks are told of a prompt depends on what
stands beside it, and is made for each step.

    accelerate launch training/cache_latents.py --data_dir DATA/train --pipeline_dir runs/teacher/model \\
        --output_dir runs/cache
    accelerate launch training/train_audiolcm_distill.py --cache_dir runs/cache --teacher_dir runs/teacher/model \\
        --output_dir runs/student

The processes of a launch share the work. Given again after it was stopped, the command writes what is missing.
"""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from audiolcm_diffusers import AudioLCMPipeline, AutoencoderKLMel1D
from audiolcm_diffusers.data.captioned_audio import TooMuchForMemory
from audiolcm_diffusers.data.latent_cache import DTYPES, CacheWriter, fingerprints
from audiolcm_diffusers.data.latents import LatentEncoder
from audiolcm_diffusers.data.spooled_clips import SpooledClips, remove_spool
from audiolcm_diffusers.files import clean_leftovers, locked
from audiolcm_diffusers.teachers.audiolcm import AudioLCMTeacher
from audiolcm_diffusers.teachers.examples import FamilyEncoder
from audiolcm_diffusers.teachers.families import family_of, load_family
from audiolcm_diffusers.trainer import (
    DataConfig,
    ExampleConfig,
    encoder_of_prompts,
    load_clips_and_report,
    option,
    parse_config,
    prompt_of,
    text_parts,
)
from audiolcm_diffusers.trainer.data_options import spool_and_report
from audiolcm_diffusers.trainer.run_options import durations_of, family_fingerprints, samples_per_frame


@dataclass(frozen=True, kw_only=True)
class CacheConfig(ExampleConfig, DataConfig):
    output_dir: str = field(metadata={"help": "Folder of the cache."})
    pipeline_dir: str | None = option(None, "Pipeline whose autoencoder and text encoders encode the examples.")
    vae_dir: str | None = option(
        None, "Autoencoder alone: a cache without text embeddings, for text encoders in training."
    )
    examples_per_clip: int = option(
        4, "Examples made of a clip, times its weight in the wordings; each clip has some."
    )
    shard_size: int = option(256, "Examples in a file.")
    batch_size: int = option(16, "Examples encoded at a time.")
    dtype: str = option("float32", '"float32", "float16" or "bfloat16": what is stored, and read as float32.')
    seed: int = option(0, "Seed of every random draw.")

    def __post_init__(self):
        super().__post_init__()
        self.check_examples()
        if (self.pipeline_dir is None) == (self.vae_dir is None):
            raise ValueError(
                f"Expected one of pipeline_dir and vae_dir, got pipeline_dir={self.pipeline_dir!r}, "
                f"vae_dir={self.vae_dir!r}."
            )
        for name in ("examples_per_clip", "shard_size", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} >= 1, got {getattr(self, name)}.")
        if self.dtype not in DTYPES:
            raise ValueError(f"Expected dtype to be one of {', '.join(DTYPES)}, got {self.dtype!r}.")


def main(config):
    # Alone, PartialState does not see the variable, and each of several processes would do all of the work.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    folder = Path(config.output_dir)
    with locked(folder, "Another cache") if state.is_main_process else nullcontext():
        if state.is_main_process:
            clean_leftovers(folder)
            remove_spool(folder)  # of a run that was killed
        try:
            write(config, state, folder)
        finally:
            if state.is_main_process:
                remove_spool(folder)


def clips_at(config, state, folder, rate, **how):
    """All clips, in memory, or where they take too much of it decoded to disk, by one process for all."""
    report = folder / "bad_clips.csv" if state.is_main_process else None
    try:
        return load_clips_and_report(config, rate, report, max_bytes=1e6 * config.clip_memory_mb, **how)
    except TooMuchForMemory:
        if state.is_main_process:
            print(f"The data take more than {config.clip_memory_mb:g} MB of memory: decoded to {folder}", flush=True)
            spool_and_report(config, rate, report, folder, **how)
    state.wait_for_everyone()
    return SpooledClips(folder)


def write(config, state, folder):
    """Write the shards that are missing."""
    if config.pipeline_dir is not None and family_of(config.pipeline_dir) is not AudioLCMTeacher:
        teacher = load_family(config.pipeline_dir)
        teacher.pipe.to(state.device)
        durations_s = durations_of(config, teacher)
        state.wait_for_everyone()
        rate = teacher.sampling_rate
        clips = clips_at(config, state, folder, rate, num_channels=teacher.num_channels, check_caption=None)
        drawer = config.example_drawer(clips, teacher.samples_per_frame, rate, durations_s=durations_s)
        encoding = (FamilyEncoder(teacher), lambda example: example.caption, family_fingerprints(teacher))
    else:
        if config.pipeline_dir is None:
            pipe, vae = None, AutoencoderKLMel1D.from_pretrained(config.vae_dir).to(state.device)
        else:
            pipe = AudioLCMPipeline.from_pretrained(
                config.pipeline_dir, transformer=None, vocoder=None, dtype=torch.float32
            ).to(state.device)
            vae = pipe.vae
        state.wait_for_everyone()
        clips = clips_at(config, state, folder, vae.config.sampling_rate)
        drawer = config.example_drawer(clips, samples_per_frame(vae), vae.config.sampling_rate)
        encoding = (LatentEncoder(vae, encoder_of_prompts(pipe)), prompt_of, fingerprints(vae, text_parts(pipe)))
    writer = CacheWriter(
        folder,
        drawer,
        *encoding,
        config.example_options(),
        config.examples_per_clip,
        config.shard_size,
        config.seed,
        config.dtype,
    )
    # Decided by every process before the first of them writes.
    missing = writer.missing_shards()
    state.wait_for_everyone()
    if state.is_main_process:
        writer.start()
        print(f"{len(writer.shards()) - len(missing)} of {len(writer.shards())} shards are there", flush=True)
    state.wait_for_everyone()

    own = missing[state.process_index :: state.num_processes]
    started = time.monotonic()
    for done, shard in enumerate(own, start=1):
        writer.write_shard(*shard, config.batch_size)
        remaining_s = (time.monotonic() - started) / done * (len(own) - done)
        if state.is_main_process:
            print(f"{done} of this process's {len(own)} shards, {remaining_s:.0f} s to go", flush=True)
    state.wait_for_everyone()


if __name__ == "__main__":
    main(parse_config(CacheConfig))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Train a judge: a small classifier that says which of the data's sounds is heard, to evaluate models offline.

    accelerate launch training/train_judge.py --data_dir DATA/train --eval_dir DATA/validation --output_dir runs/judge

Captions of at least `--min_clips` clips are classes; all the others make up one more, "other". The judge hears
recordings only, never what a model made. `runs/judge/model` has, beside the network, `accuracy.json` with the share of
the held-out clips that it names correctly.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from audiolcm_diffusers.data.captioned_audio import (
    SILENCE,
    clip_mels,
    crop_or_pad,
    draw_gains_db,
    gain_mel,
    load_clips,
    random_offset,
)
from audiolcm_diffusers.data.captions import happens
from audiolcm_diffusers.evaluation.sound_classifier import judge_input, judge_probabilities, make_judge
from audiolcm_diffusers.files import replacing
from audiolcm_diffusers.trainer import CropRunConfig, TrainingRun, option, parse_config


OTHER = "other"
NUM_MEL_BINS = 80
# Natural logarithm of the power of a mel's unit, which is the decimal logarithm of an amplitude.
LOG_POWER = 2 * math.log(10)


@dataclass(frozen=True, kw_only=True)
class JudgeConfig(CropRunConfig):
    eval_dir: str | None = option(None, "Held-out clips in the layout of `data_dir`, on which accuracy is measured.")
    min_clips: int = option(20, "Clips that make a caption a class of its own.")
    max_train_steps: int = option(1500, "Optimisation steps in all.")
    batch_size: int = option(32, "Crops in a batch, on each process.")
    learning_rate: float = option(1e-3, "Highest learning rate.")
    num_frames: int = option(312, "Mel frames that the judge is shown (62.5 a second).")
    max_gain_db: float = option(12.0, "Crops are amplified by up to plus or minus this many decibels.")
    background_share: float = option(0.5, "Share of the crops that have another clip in the background.")
    recording_share: float = option(0.7, "Share of the crops that are filtered, blurred or in noise.")
    masked_frames: int = option(60, "Longest stretch of frames that is silenced (SpecAugment, arXiv:1904.08779).")
    masked_bins: int = option(16, "Widest band of mel bins that is silenced.")

    def __post_init__(self):
        super().__post_init__()
        if self.min_clips < 2:
            raise ValueError(f"Expected min_clips >= 2, got {self.min_clips}.")
        for name, most in (("masked_frames", self.num_frames), ("masked_bins", NUM_MEL_BINS)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"Expected 0 <= {name} <= {most}, got {getattr(self, name)}.")
        for name in ("background_share", "recording_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"Expected 0 <= {name} <= 1, got {getattr(self, name)}.")


def classes_of(captions, min_clips):
    """Names of the classes: frequent captions in alphabetical order, then "other" where there are others."""
    counts = Counter(captions)
    frequent = sorted(caption for caption, count in counts.items() if count >= min_clips)
    return frequent + ([OTHER] if len(frequent) < len(counts) else [])


def draw_crop(mel, config, generator):
    """A crop of a clip's mel, somewhere in silence where the clip is shorter, louder or softer than it is."""
    spare = config.num_frames - mel.shape[-1]
    if spare > 0:
        lead = int(torch.randint(spare + 1, (), generator=generator))
        crop = F.pad(mel, (lead, spare - lead), value=SILENCE)
    else:
        crop = crop_or_pad(mel, config.num_frames, random_offset(mel.shape[-1], config.num_frames, generator), SILENCE)
    return gain_mel(crop, draw_gains_db(config.max_gain_db, [generator])[0])


def silence_stretch(crop, dim, longest, generator):
    """Silence a stretch of a random length in a random place along a dimension, in place."""
    length = int(torch.randint(longest + 1, (), generator=generator))
    crop.narrow(dim, random_offset(crop.shape[dim], length, generator), length).fill_(SILENCE)


def draw_recording(crop, generator):
    """Another way to have recorded a crop: through a filter of up to 6 dB, blurred, or in noise."""
    points = 12 * torch.rand(1, 1, 6, generator=generator) - 6
    filter_db = F.interpolate(points, crop.shape[0], mode="linear", align_corners=True)[0, 0]
    crop = (crop + filter_db[:, None] / 20).clamp(min=SILENCE)
    blurred_bins, blurred_frames = (2 * int(torch.randint(2, (), generator=generator)) + 1 for _ in range(2))
    padding = (blurred_bins // 2, blurred_frames // 2)
    crop = F.avg_pool2d(crop[None], (blurred_bins, blurred_frames), 1, padding, count_include_pad=False)[0]
    if happens(0.5, generator):
        floor = SILENCE + 2.0 * float(torch.rand((), generator=generator))
        noise = floor + 0.15 * torch.randn(crop.shape, generator=generator)
        crop = torch.logaddexp(crop * LOG_POWER, noise * LOG_POWER) / LOG_POWER
    return crop


def draw_example(mels, members, config, generator):
    """A class, all equally likely, and what is shown of one of its clips."""
    label = int(torch.randint(len(members), (), generator=generator))
    index = members[label][int(torch.randint(len(members[label]), (), generator=generator))]
    crop = draw_crop(mels[index], config, generator)
    if happens(config.background_share, generator):
        background = draw_crop(mels[int(torch.randint(len(mels), (), generator=generator))], config, generator)
        level_db = -10.0 - 20.0 * float(torch.rand((), generator=generator))
        # Powers add up where sounds have nothing to do with each other.
        crop = torch.logaddexp(crop * LOG_POWER, gain_mel(background, level_db) * LOG_POWER) / LOG_POWER
    if happens(config.recording_share, generator):
        crop = draw_recording(crop, generator)
    silence_stretch(crop, 1, config.masked_frames, generator)
    silence_stretch(crop, 0, config.masked_bins, generator)
    return crop, label


@torch.no_grad()
def accuracy_on(judge, clips, labels):
    """Share of the clips that are named correctly, in all and by class."""
    judge.eval()
    right = {}
    for clip, mel in zip(clips, clip_mels(clips)):
        label = clip.caption if clip.caption in labels else OTHER
        named = labels[int(judge_probabilities(judge, mel).argmax())]
        right.setdefault(label, []).append(named == label)
    groups = {**dict(sorted(right.items())), "all": [hit for hits in right.values() for hit in hits]}
    groups["all but other"] = [hit for label, hits in right.items() if label != OTHER for hit in hits]
    return {name: {"accuracy": sum(hits) / max(1, len(hits)), "clips": len(hits)} for name, hits in groups.items()}


def main(config):
    run = TrainingRun(config)
    accelerator = run.accelerator
    clips = run.load_clips()
    mels = clip_mels(clips)
    labels = classes_of([clip.caption for clip in clips], config.min_clips)
    if len(labels) < 2:
        raise ValueError(f"Expected captions with at least min_clips={config.min_clips} clips, got {labels}.")
    members = [[] for _ in labels]
    for index, clip in enumerate(clips):
        members[labels.index(clip.caption if clip.caption in labels else OTHER)].append(index)

    judge = make_judge(labels, config.num_frames)
    judge, optimizer = accelerator.prepare(judge, run.optimizer(judge.parameters(), weight_decay=0.05))
    run.resume()
    judge.train()
    while run.step < config.max_train_steps:
        generators = run.example_generators(config.batch_size)
        crops, targets = zip(*(draw_example(mels, members, config, generator) for generator in generators))
        targets = torch.tensor(targets, device=accelerator.device)
        with accelerator.accumulate(judge):
            logits = judge(judge_input(torch.stack(crops).to(accelerator.device))).logits
            loss = F.cross_entropy(logits, targets, label_smoothing=0.1)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(judge.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(loss=loss, accuracy=(logits.argmax(dim=1) == targets).float().mean())

    judge = accelerator.unwrap_model(judge)
    run.save_model(judge)
    if config.eval_dir is not None and accelerator.is_main_process:
        accuracy = accuracy_on(judge, load_clips(config.eval_dir), labels)
        print(json.dumps(accuracy, indent=2), flush=True)
        with replacing(run.output_dir / "model/accuracy.json") as temporary:
            temporary.write_text(json.dumps(accuracy, indent=2) + "\n")


if __name__ == "__main__":
    main(parse_config(JudgeConfig))

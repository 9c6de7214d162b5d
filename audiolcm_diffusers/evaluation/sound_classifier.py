# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
A small classifier of sounds that is trained on the data at hand, see `training/train_judge.py`.

It is transformers' `ResNetForImageClassification` of one channel, which is shown log-mel spectrograms of one length.
"""

import math

import torch
from transformers import ResNetConfig, ResNetForImageClassification

from ..audio.mel import HOP_LENGTH
from ..data.captioned_audio import SILENCE


def make_judge(labels, num_frames=312, widths=(32, 64, 96, 64)):
    r"""
    A judge with random weights.

    Args:
        labels (`list[str]`): Names of the classes.
        num_frames (`int`, defaults to 312): Mel frames that it is shown, 4.992 s by default.
        widths (`Sequence[int]`): Channels of the four stages, two blocks each.

    Returns:
        `ResNetForImageClassification`: Its config has `num_frames`.
    """
    config = ResNetConfig(
        num_channels=1,
        embedding_size=widths[0],
        hidden_sizes=list(widths),
        depths=[2] * len(widths),
        layer_type="basic",
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        num_frames=num_frames,
        problem_type="single_label_classification",
    )
    return ResNetForImageClassification(config)


def judge_input(mels):
    r"""
    What a judge is shown: mels from -1 (digital silence) to about 1.

    Args:
        mels (`torch.Tensor` of shape `(batch_size, 80, num_frames)`): Log-mel spectrograms.

    Returns:
        `torch.Tensor` of shape `(batch_size, 1, 80, num_frames)`.
    """
    return (mels[:, None] - SILENCE) * (2 / -SILENCE) - 1


def windows(mel, num_frames):
    r"""
    Pieces of a sound as long as a judge is shown: the whole, padded with silence where it is shorter; else pieces that
    begin half a length apart, the last at the end.

    Args:
        mel (`torch.Tensor` of shape `(80, frames)`): Log-mel spectrogram.
        num_frames (`int`): Length of a piece.

    Returns:
        `torch.Tensor` of shape `(num_windows, 80, num_frames)`.
    """
    spare = mel.shape[-1] - num_frames
    if spare <= 0:
        return torch.nn.functional.pad(mel, (0, -spare), value=SILENCE)[None]
    count = 1 + math.ceil(spare / (num_frames // 2))
    starts = torch.linspace(0, spare, count).round().long().tolist()
    return torch.stack([mel[:, start : start + num_frames] for start in starts])


@torch.no_grad()
def judge_probabilities(judge, mel):
    r"""
    What a judge says of a sound, a mean over its [`windows`].

    Args:
        judge (`ResNetForImageClassification`): In evaluation mode.
        mel (`torch.Tensor` of shape `(80, frames)`): Log-mel spectrogram at 16 kHz.

    Returns:
        `torch.Tensor` of shape `(num_labels,)`: Probabilities.
    """
    shown = judge_input(windows(mel.to(judge.device), judge.config.num_frames))
    return judge(shown).logits.softmax(dim=-1).mean(dim=0)


def seconds_shown(judge, sampling_rate=16000):
    r"""`float`: Seconds of sound that a judge is shown at a time."""
    return judge.config.num_frames * HOP_LENGTH / sampling_rate

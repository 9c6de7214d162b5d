# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How near sounds come to clips that a model was trained on: whether it copies."""

import math
from collections import Counter

import numpy as np
import torch

from ..audio.mel import log_mel_spectrogram
from ..data.captioned_audio import unit
from .controls import to_length, to_lengths
from .protocol import SAMPLING_RATE
from .sounds import reconstruct


# Training clips that a sound is compared with directly, the nearest by what the classifier hears.
NUM_NEIGHBOURS = 5
HELD_OUT, COPIES = "held-out clips", "training clips, decoded"  # what is no copy, and what is
# How far below its loudest part a sound is silent.
FLOOR_DB = 50.0


def pieces(waveform, num_samples):
    r"""
    A clip as sounds of one length: the beginning, and where the clip is longer, pieces that begin half a length apart
    up to its end.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)`): int16.
        num_samples (`int`): Length of a piece. A shorter clip is followed by zeros.

    Returns:
        `list[torch.Tensor]`: int16, at least one.
    """
    spare = max(0, waveform.shape[0] - num_samples)
    num_pieces = 1 + math.ceil(2 * spare / num_samples)
    starts = np.linspace(0, spare, num_pieces).round().astype(int)
    return [to_length(waveform[start:], num_samples) for start in starts]


def nearest_clips(features, pool, clip_of, num_neighbours):
    r"""
    The clips that a sound is nearest to.

    Args:
        features (`torch.Tensor` of shape `(num_sounds, dim)`): A row a sound.
        pool (`torch.Tensor` of shape `(num_pieces, dim)`): A row a piece of a clip.
        clip_of (`Sequence[int]`): Clip that each piece is of.
        num_neighbours (`int`): Clips to find of each sound, or all where there are fewer.

    Returns:
        `list[list[tuple[float, int]]]`: Of each sound, Euclidean distances and clips, the nearest first. A clip is as
        near as the nearest of its pieces.
    """
    found = []
    for distances in torch.cdist(features.double(), pool.double(), compute_mode="donot_use_mm_for_euclid_dist"):
        neighbours = {}
        for piece in distances.argsort(stable=True).tolist():
            neighbours.setdefault(clip_of[piece], float(distances[piece]))
            if len(neighbours) == num_neighbours:
                break
        found.append([(distance, clip) for clip, distance in neighbours.items()])
    return found


def pattern_similarity(mel, other):
    r"""
    How alike two sounds go, wherever in time: the highest normalised cross-correlation of their log-mel spectrograms.

    What lies 50 dB below a sound's loudest bin counts as silence. At each shift, those frames of the overlap are
    correlated in which either sounds. Every frame is centred, and every bin over these frames: level, envelope and
    colour do not count, but which bin rises when. Of two slams or two recordings of steady rain, only a copy is alike.

    Args:
        mel (`torch.Tensor` of shape `(num_mel_bins, frames)`): Log-mel spectrogram, in powers of ten of magnitude.
        other (`torch.Tensor` of shape `(num_mel_bins, other_frames)`): Another. At least half of the frames in which
            the first one sounds must overlap it: few frames are like any others.

    Returns:
        `float`: At most 1, which a shifted copy reaches. Where a sound does not change, its correlation is 0.

    Raises:
        ValueError: If bins differ in number.
    """
    if mel.ndim != 2 or other.ndim != 2 or mel.shape[0] != other.shape[0]:
        raise ValueError(
            f"Expected spectrograms of as many bins, got shapes {tuple(mel.shape)} and {tuple(other.shape)}."
        )
    (a, sounds_a), (b, sounds_b) = _patterns(mel), _patterns(other)
    frames, other_frames = a.shape[1], b.shape[1]
    shifts = np.arange(1 - frames, other_frames)
    begin_a, begin_b = np.maximum(0, -shifts), np.maximum(0, shifts)
    overlap = np.minimum(frames - begin_a, other_frames - begin_b)
    num_sounding, num_sounding_other = (
        _window_sums(sounds, begin, overlap) for sounds, begin in ((sounds_a, begin_a), (sounds_b, begin_b))
    )
    # In frames in which neither sounds both are 0, so that they change sums by their number alone.
    counted = num_sounding + num_sounding_other - _products(sounds_a[None], sounds_b[None], shifts).round()
    sums_a, sums_b = _window_sums(a, begin_a, overlap), _window_sums(b, begin_b, overlap)
    number = np.maximum(counted, 1.0)
    covariance = _products(a, b, shifts) - (sums_a * sums_b).sum(axis=0) / number
    power_a, power_b = (
        _window_sums(np.square(values).sum(axis=0), begin, overlap) - np.square(sums).sum(axis=0) / number
        for values, begin, sums in ((a, begin_a, sums_a), (b, begin_b, sums_b))
    )
    # What is left of steady sounds is rounding.
    changes = np.minimum(power_a, power_b) > 1e-9 * number * a.shape[0]
    allowed = changes & (num_sounding * 2 >= sounds_a.sum())
    if not allowed.any():
        return 0.0
    return float((covariance[allowed] / np.sqrt(power_a[allowed] * power_b[allowed])).max())


def _patterns(mel):
    """A spectrogram from its floor up, each frame centred; and in which frames it sounds, 0 or 1."""
    mel = mel.double().numpy()
    above = np.maximum(mel - (mel.max() - FLOOR_DB / 20), 0.0)
    return above - above.mean(axis=0), (above.max(axis=0) > 0).astype(np.float64)


def _products(a, b, shifts):
    """Sums of products over all bins and the frames that overlap: frame `t` of `a` with frame `t + shift` of `b`."""
    size = a.shape[1] + b.shape[1]
    return np.fft.irfft((np.fft.rfft(a, size).conj() * np.fft.rfft(b, size)).sum(axis=0), size)[shifts % size]


def _window_sums(values, begin, length):
    """Sums over windows of the last dimension."""
    zero = np.zeros((*values.shape[:-1], 1))
    totals = np.concatenate([zero, values.cumsum(axis=-1)], axis=-1)
    return totals[..., begin + length] - totals[..., begin]


def neighbours_section(takes, made, heard, train_clips):
    r"""
    How near sounds come to training clips, beside real clips of the same captions that the model never met, which
    are no copies, and training clips through the model's autoencoder and vocoder, which are.

    Args:
        takes ([`~audiolcm_diffusers.evaluation.takes.Takes`]): Prompts and real clips.
        made (`dict[str, list[torch.Tensor]]`): All takes, of the model and the teacher.
        heard (`dict[str, torch.Tensor]`): Their embeddings.
        train_clips (`list[Clip]`): What the model was trained on.

    Returns:
        `dict`: Of the model, the teacher, held-out clips and copies, where a training clip has a prompt as
        caption: medians over prompts, extremes and closest pairs.
    """
    # A copy of the end of a long clip is found, too.
    heard_samples = round(takes.classifier.num_heard_samples * SAMPLING_RATE / takes.classifier.sampling_rate)
    length = min(takes.num_samples, heard_samples)
    parts = [(piece, index) for index, clip in enumerate(train_clips) for piece in pieces(clip.waveform, length)]
    pool, clip_of = takes.listen([piece for piece, _ in parts])["features"], [index for _, index in parts]
    takes.say(f"{len(train_clips)} training clips in {len(parts)} pieces")
    of_sounds = [(prompt, f"take {take}") for prompt in takes.prompts for take in range(takes.options.takes)]
    sources = {role: (made[role], heard[role], of_sounds) for role in made}
    names = [(clip.caption, clip.name) for clip in takes.real]
    sources[HELD_OUT] = (takes.real_sounds, takes.real_features, names)
    copied = first_of_each([clip for clip in train_clips if clip.caption in takes.prompts], takes.options.takes)
    if copied:
        originals = to_lengths([clip.waveform for clip in copied], takes.num_samples)
        copies = to_lengths(reconstruct(takes.pipes["model"], originals, takes.options.batch_size), takes.num_samples)
        names = [(clip.caption, clip.name) for clip in copied]
        sources[COPIES] = (copies, takes.listen(copies)["features"], names)

    mels, rows = {}, {}
    for source, (sounds, features, labels) in sources.items():
        rows[source] = _nearest(sounds, features, labels, train_clips, pool, clip_of, mels, takes.num_samples)
        takes.say(f"neighbours of {source}")
    yardstick = rows[HELD_OUT]
    return {
        "num_pieces": len(parts),
        "num_neighbours": NUM_NEIGHBOURS,
        "rows": {source: _summary(found, yardstick) for source, found in rows.items()},
    }


def _nearest(sounds, features, labels, train_clips, pool, clip_of, mels, num_samples):
    """Of each sound: its nearest clip, and of the near ones that which it goes most alike."""
    found = []
    neighbours = nearest_clips(features, pool, clip_of, NUM_NEIGHBOURS)
    for sound, (caption, name), near in zip(sounds, labels, neighbours):
        mel = mel_of(sound)
        for _, clip in near:
            if clip not in mels:
                waveform = train_clips[clip].waveform
                mels[clip] = mel_of(*to_lengths([waveform], max(num_samples, waveform.shape[0])))
        alike = [(pattern_similarity(mel, mels[clip]), clip) for _, clip in near]
        pairs = {"distance": near[0], "similarity": max(alike)}
        found.append(
            {"caption": caption, "name": name}
            | {measure: value for measure, (value, _) in pairs.items()}
            | {
                f"clip_by_{measure}": {"name": train_clips[clip].name, "caption": train_clips[clip].caption}
                for measure, (_, clip) in pairs.items()
            }
        )
    return found


def _summary(found, yardstick):
    """Medians over prompts, extremes and closest pairs; and how many come closer than any of the yardstick does."""

    def median(measure):
        by_prompt = {}
        for sound in found:
            by_prompt.setdefault(sound["caption"], []).append(sound[measure])
        return float(np.median([np.median(values) for values in by_prompt.values()]))

    nearest = min(found, key=lambda sound: sound["distance"])
    most_alike = max(found, key=lambda sound: sound["similarity"])
    least, most = min(s["distance"] for s in yardstick), max(s["similarity"] for s in yardstick)
    return {
        "num_sounds": len(found),
        "distance": {"median": median("distance"), "minimum": nearest["distance"]},
        "similarity": {"median": median("similarity"), "maximum": most_alike["similarity"]},
        "num_nearer": sum(sound["distance"] < least for sound in found),
        "num_more_alike": sum(sound["similarity"] > most for sound in found),
        "nearest": closest(nearest, "distance"),
        "most_alike": closest(most_alike, "similarity"),
    }


def first_of_each(clips, number):
    r"""`list[Clip]`: Of each caption the first clips, as many as `number` at most."""
    times, first = Counter(), []
    for clip in clips:
        times[clip.caption] += 1
        if times[clip.caption] <= number:
            first.append(clip)
    return first


def mel_of(waveform):
    r"""Log-mel spectrogram of int16, shape `(80, frames)`."""
    return log_mel_spectrogram(unit(waveform)[None])[0]


def closest(sound, measure):
    r"""A sound and the training clip that it is nearest to or most like."""
    return {
        "caption": sound["caption"],
        "name": sound["name"],
        measure: sound[measure],
        "clip": sound[f"clip_by_{measure}"],
    }

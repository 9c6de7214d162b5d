# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Scores of class posteriors and embeddings: KL divergence, inception score, CLAP score."""

import torch
import torch.nn.functional as F

from .protocol import HEADS


def check_head(head):
    r"""
    Refuse an unknown head.

    Raises:
        ValueError: If it is not one of `HEADS`.
    """
    if head not in HEADS:
        raise ValueError(f"Expected head to be one of {', '.join(HEADS)}, got {head!r}.")


def kl_divergences(reference_logits, generated_logits, head):
    r"""
    Divergence of each sound's class posterior from that of its reference, `KL(reference || generated)`.

    - `"softmax"`, classes that exclude each other: `sum_c p_c log(p_c / q_c)`.
    - `"sigmoid"`, classes that are present or not, each by itself:
      `sum_c [p_c log(p_c / q_c) + (1 - p_c) log((1 - p_c) / (1 - q_c))]`.

    Here `p` is the posterior of the reference and `q` that of the sound. All is computed from log-posteriors, so that
    no posterior need be kept away from zero.

    Args:
        reference_logits (`torch.Tensor` of shape `(num_clips, num_classes)`): A row a reference.
        generated_logits (`torch.Tensor` of the same shape): Row `i` is the sound that belongs to reference `i`.
        head (`str`): One of `HEADS`.

    Returns:
        `torch.Tensor` of shape `(num_clips,)`: Nats, float64.

    Raises:
        ValueError: If shapes differ or the head is unknown.
    """
    check_head(head)
    if reference_logits.shape != generated_logits.shape:
        raise ValueError(
            "Expected as many sounds as references, of as many classes, got logits of shapes "
            f"{tuple(generated_logits.shape)} and {tuple(reference_logits.shape)}."
        )
    reference, generated = reference_logits.double(), generated_logits.double()
    if head == "softmax":
        return _divergence(F.log_softmax(reference, dim=-1), F.log_softmax(generated, dim=-1))
    return _divergence(F.logsigmoid(reference), F.logsigmoid(generated)) + _divergence(
        F.logsigmoid(-reference), F.logsigmoid(-generated)
    )


def inception_score(logits, head, num_splits=1):
    r"""
    Inception score (Salimans et al., arXiv:1606.03498): `exp(mean_x KL(p(y | x) || p(y)))`, where `p(y)` is the mean
    posterior of the split.

    It lies between 1 (all sounds alike, or none recognised) and the number of classes or of clips. The score needs one
    class a clip: posteriors of a `"sigmoid"` head are divided by their sum.

    Args:
        logits (`torch.Tensor` of shape `(num_clips, num_classes)`): A row a sound.
        head (`str`): One of `HEADS`.
        num_splits (`int`, defaults to 1):
            Parts of which scores are averaged. Clip `i` goes to part `i % num_splits`, so that clips in the order of
            their captions are spread.

    Returns:
        `float`.

    Raises:
        ValueError: If there are fewer clips than splits, or the head is unknown.
    """
    check_head(head)
    if not 1 <= num_splits <= logits.shape[0]:
        raise ValueError(f"Expected num_splits between 1 and the {logits.shape[0]} clips, got {num_splits}.")
    logits = logits.double()
    if head == "softmax":
        log_posteriors = F.log_softmax(logits, dim=-1)
    else:
        log_posteriors = F.logsigmoid(logits)
        log_posteriors = log_posteriors - log_posteriors.logsumexp(dim=-1, keepdim=True)
    scores = []
    for first in range(num_splits):
        part = log_posteriors[first::num_splits]
        marginal = part.exp().mean(dim=0).log()
        scores.append(_divergence(part, marginal.expand_as(part)).mean().exp())
    return float(torch.stack(scores).mean())


def clap_scores(audio_embeds, text_embeds):
    r"""
    Cosine of each sound's embedding and its caption's.

    Args:
        audio_embeds (`torch.Tensor` of shape `(num_clips, dim)`): A row a sound.
        text_embeds (`torch.Tensor` of the same shape): Row `i` is the caption of sound `i`.

    Returns:
        `torch.Tensor` of shape `(num_clips,)`: In `[-1, 1]`, float64.

    Raises:
        ValueError: If shapes differ.
    """
    if audio_embeds.shape != text_embeds.shape:
        raise ValueError(
            f"Expected as many captions as sounds, of one dimension, got embeddings of shapes "
            f"{tuple(text_embeds.shape)} and {tuple(audio_embeds.shape)}."
        )
    return F.cosine_similarity(audio_embeds.double(), text_embeds.double(), dim=-1)


def _divergence(log_p, log_q):
    # The limit of p log p at p = 0 is 0, also where log q is minus infinity.
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), torch.zeros_like(p)).sum(dim=-1)

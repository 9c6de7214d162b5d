# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Train a vocoder: spectral distances at several resolutions, and discriminators from a set step on.

    accelerate launch training/train_vocoder.py --data_dir DATA/train --vae_dir runs/vae/model \\
        --output_dir runs/vocoder

`--vocoder` says which network: BigVGAN, or Vocos, which of the same size costs a few per cent.
"""

import json
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from audiolcm_diffusers import AutoencoderKLMel1D, BigVGANVocoder, VocosVocoder, log_mel_spectrogram
from audiolcm_diffusers.audio.mel import HOP_LENGTH
from audiolcm_diffusers.data.captioned_audio import (
    clip_mels,
    crop_or_pad,
    draw_crops,
    draw_gains_db,
    unit,
)
from audiolcm_diffusers.data.clip_parts import Derived
from audiolcm_diffusers.models.discriminators import (
    FEATURE_MATCHING,
    WAVEFORM_DISCRIMINATORS,
    stft_magnitude,
    waveform_discriminators,
)
from audiolcm_diffusers.trainer import CropRunConfig, TrainingRun, load_vocoder, option, parse_config


SAMPLING_RATE = 16000
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64), (64, 16))

VOCODERS = {"bigvgan": BigVGANVocoder, "vocos": VocosVocoder}
# Where `vocoder_config` says nothing: networks for a few cores. BigVGAN's own default has 112 million parameters.
SMALL_CONFIGS = {
    "bigvgan": {
        "upsample_initial_channel": 256,
        "upsample_rates": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "resblock_type": "2",
        "resblock_kernel_sizes": [3, 7],
        "resblock_dilation_sizes": [[1], [1, 3]],
    },
    "vocos": {},
}


@dataclass(frozen=True, kw_only=True)
class VocoderConfig(CropRunConfig):
    vae_dir: str | None = option(None, "Trained autoencoder; its reconstructions are mixed into the input.")
    reconstructed_share: float = option(0.5, "Share of the crops whose mel has gone through the autoencoder.")
    crop_frames: int = option(32, "Mel frames of a training crop.")
    context_frames: int = option(16, "Frames on both sides of a crop that its mel and reconstruction are made from.")
    max_gain_db: float = option(6.0, "Crops are amplified by up to plus or minus this many decibels.")
    vocoder: str = option("bigvgan", '"bigvgan", or "vocos", which is faster.')
    vocoder_config: str | None = option(
        None, "Arguments of `BigVGANVocoder` or `VocosVocoder` as JSON; by default those of a small one."
    )
    vocoder_dir: str | None = option(
        None, "Trained vocoder of either kind to go on from; replaces `vocoder` and `vocoder_config`."
    )
    discriminators: str = option("mini", '"mini" or, of the published size and form, "bigvgan".')
    discriminator_start: int = option(1500, "Step from which the discriminators take part.")
    mel_weight: float = option(15.0, "Weight of the L1 distance between log10 mels.")
    spectral_weight: float = option(2.5, "Weight of the multi-resolution spectral distance.")
    adversarial_weight: float = option(1.0, "Weight of the adversarial loss.")
    feature_weight: float = option(2.0, "Weight of the feature-matching loss.")
    feature_matching: str = option("relative", '"relative" to the size of features, or "absolute" as published.')

    def __post_init__(self):
        super().__post_init__()
        if self.feature_matching not in FEATURE_MATCHING:
            raise ValueError(
                f"Expected feature_matching to be one of {FEATURE_MATCHING}, got {self.feature_matching!r}."
            )
        if self.vocoder not in VOCODERS:
            raise ValueError(f"Expected vocoder to be one of {tuple(VOCODERS)}, got {self.vocoder!r}.")
        if not 0.0 <= self.reconstructed_share <= 1.0:
            raise ValueError(f"Expected 0 <= reconstructed_share <= 1, got {self.reconstructed_share}.")
        if self.discriminators not in WAVEFORM_DISCRIMINATORS:
            raise ValueError(
                f"Expected discriminators to be one of {WAVEFORM_DISCRIMINATORS}, got {self.discriminators!r}."
            )


class WhitenedConv1d(torch.nn.Module):
    """
    The vocoder's first convolution, reading principal components of the mel, each of unit variance.

    Neighbouring mel bins say nearly the same, and what tells harmonics apart lies in directions that hardly vary; an
    optimiser that sees bins finds those last. The convolution computed is the same; `plain` is its usual form.
    """

    def __init__(self, conv, mels, lowest_std=0.05, num_frames=100_000):
        super().__init__()
        frames = torch.cat(mels, dim=1)[:, :num_frames]
        mean = frames.mean(dim=1, keepdim=True)
        variances, directions = torch.linalg.eigh(torch.cov(frames))
        stds = variances.clamp(min=lowest_std**2).sqrt()
        self.register_buffer("mean", mean)
        self.register_buffer("whitening", (directions / stds).T.contiguous())
        self.padding = conv.padding[0]
        self.conv = torch.nn.Conv1d(conv.in_channels, conv.out_channels, conv.kernel_size)
        with torch.no_grad():
            weight = conv.weight
            self.conv.weight.copy_(torch.einsum("oik,ij->ojk", weight, directions * stds))
            self.conv.bias.copy_(conv.bias + (weight.sum(dim=2) @ mean)[:, 0])

    def forward(self, mel):
        mel = F.pad(mel, (self.padding, self.padding)) - self.mean
        return self.conv(self.whitening @ mel)

    @torch.no_grad()
    def plain(self):
        conv = torch.nn.Conv1d(
            self.conv.in_channels, self.conv.out_channels, self.conv.kernel_size, padding=self.padding
        )
        conv.weight.copy_(torch.einsum("ojk,ji->oik", self.conv.weight, self.whitening))
        conv.bias.copy_(self.conv.bias - (conv.weight.sum(dim=2) @ self.mean)[:, 0])
        return conv


def vocoder_to_train(config):
    """The network that the options name, new or trained."""
    if config.vocoder_dir is None:
        options = SMALL_CONFIGS[config.vocoder] if config.vocoder_config is None else json.loads(config.vocoder_config)
        vocoder = VOCODERS[config.vocoder](**options)
    else:
        vocoder = load_vocoder(config.vocoder_dir).float()
        if not isinstance(vocoder, tuple(VOCODERS.values())):
            raise ValueError(
                f"Expected a BigVGANVocoder or a VocosVocoder in {config.vocoder_dir!r}, got a "
                f"{type(vocoder).__name__}, which has nothing to train."
            )
    if vocoder.hop_length != HOP_LENGTH:
        raise ValueError(f"Expected a vocoder of {HOP_LENGTH} samples a mel frame, got {vocoder.hop_length}.")
    return vocoder


def draw_batch(waveforms, config, generators, hop_length):
    """Draw crops with context and random gains, `(batch_size, samples)`, and which of them are reconstructed."""
    length = (config.crop_frames + 2 * config.context_frames) * hop_length
    crops = draw_crops([len(waveform) for waveform in waveforms], length, generators)
    gains = draw_gains_db(config.max_gain_db, generators)
    batch = torch.stack(
        [
            unit(crop_or_pad(waveforms[index], length, offset, 0)) * 10 ** (gain_db / 20)
            for (index, offset), gain_db in zip(crops, gains)
        ]
    ).clamp(-1.0, 1.0)
    picks = torch.stack([torch.rand((), generator=generator) for generator in generators])
    return batch, picks < config.reconstructed_share


def spectral_distance(generated, real):
    """Mean over resolutions of spectral convergence and L1 of log magnitudes (arXiv:1910.11480, eqs. 3 to 6)."""
    distance = 0.0
    for n_fft, hop_length in RESOLUTIONS:
        magnitude, target = stft_magnitude(generated, n_fft, hop_length), stft_magnitude(real, n_fft, hop_length)
        # The norm is the batch's, not the clip's: silence has none to divide by.
        convergence = torch.linalg.vector_norm(target - magnitude) / torch.linalg.vector_norm(target).clamp(min=1e-3)
        logarithms = (target.clamp(min=1e-4).log() - magnitude.clamp(min=1e-4).log()).abs().mean()
        distance = distance + convergence + logarithms
    return distance / len(RESOLUTIONS)


def main(config):
    run = TrainingRun(config, with_discriminators=True)
    accelerator = run.accelerator
    longest_s = (config.crop_frames + 2 * config.context_frames) * HOP_LENGTH / SAMPLING_RATE
    data = Derived(run.clips(config.batch_size, longest_s), lambda clips: [clip.waveform for clip in clips])
    clips = data.clips.now()
    vae = None
    if config.vae_dir is not None:
        vae = AutoencoderKLMel1D.from_pretrained(config.vae_dir).requires_grad_(False).to(accelerator.device)

    vocoder = vocoder_to_train(config)
    conv_in, vocoder.conv_in = vocoder.conv_in, torch.nn.Identity()
    if isinstance(vocoder, BigVGANVocoder):
        vocoder.apply_weight_norm()
    vocoder.conv_in = WhitenedConv1d(conv_in, clip_mels(clips[:: max(1, len(clips) // 500)]))
    averaged = run.averaged(vocoder)
    hop_length = vocoder.hop_length
    discriminators = waveform_discriminators(config.discriminators)
    optimizer = run.optimizer(vocoder.parameters(), betas=(0.8, 0.99))
    d_optimizer = run.optimizer(discriminators.parameters(), betas=(0.8, 0.99), first_step=config.discriminator_start)
    vocoder, discriminators, optimizer, d_optimizer = accelerator.prepare(
        vocoder, discriminators, optimizer, d_optimizer
    )
    if config.compile:
        accelerator.unwrap_model(vocoder).compile()
    run.resume()

    context = config.context_frames
    while run.step < config.max_train_steps:
        generators = run.example_generators(config.batch_size)
        batch, reconstructed = draw_batch(data.now(), config, generators, hop_length)
        batch = batch.to(accelerator.device)
        with torch.no_grad():
            mel = log_mel_spectrogram(batch)
            if vae is not None and reconstructed.any():
                mel[reconstructed] = vae.decode(vae.encode(mel[reconstructed]).latent_dist.mean).sample
        mel = mel[..., context : context + config.crop_frames]
        real = batch[:, context * hop_length : (context + config.crop_frames) * hop_length]
        with accelerator.accumulate(vocoder, discriminators):
            generated = vocoder(mel)

            logs = {}
            mel_distance = F.l1_loss(log_mel_spectrogram(generated), log_mel_spectrogram(real))
            spectral = spectral_distance(generated, real)
            loss = config.mel_weight * mel_distance + config.spectral_weight * spectral
            if run.step >= config.discriminator_start:
                logs = run.discriminator_step(discriminators, real, generated, d_optimizer, config.feature_matching)
                loss = loss + config.adversarial_weight * logs["adversarial"]
                loss = loss + config.feature_weight * logs["matching"]
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(vocoder.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(mel=mel_distance, spectral=spectral, **logs)

    averaged.conv_in = averaged.conv_in.plain()
    if isinstance(averaged, BigVGANVocoder):
        averaged.remove_weight_norm()
    run.save_model(averaged)


if __name__ == "__main__":
    main(parse_config(VocoderConfig))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Train the mel autoencoder: L1 and KL, and a patch discriminator from a set step on.

    accelerate launch training/train_autoencoder.py --data_dir DATA/train --output_dir runs/vae
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from audiolcm_diffusers import AutoencoderKLMel1D
from audiolcm_diffusers.data.captioned_audio import (
    SILENCE,
    clip_mels,
    crop_or_pad,
    draw_crops,
    draw_gains_db,
    gain_mel,
    load_clips,
)
from audiolcm_diffusers.models.discriminators import PatchDiscriminator2D, discriminator_loss, generator_losses
from audiolcm_diffusers.training_utils import RunConfig, TrainingRun, option, parse_config


@dataclass(frozen=True)
class AutoencoderConfig(RunConfig):
    crop_frames: int = option(128, "Mel frames of a training crop (62.5 a second).")
    max_gain_db: float = option(6.0, "Crops are amplified by up to plus or minus this many decibels.")
    base_channels: int = option(96, "Width of the first level.")
    channel_multipliers: str = option("1,2,2", "Width of each level over the first.")
    layers_per_block: int = option(1, "Residual blocks a level.")
    latent_channels: int = option(20, "Channels of the latents.")
    kl_weight: float = option(1e-3, "Weight of the KL divergence, in nats a latent value, against the mean L1 error.")
    discriminator_start: int = option(1500, "Step from which the discriminator takes part.")
    adversarial_weight: float = option(0.02, "Weight of the adversarial loss.")
    feature_weight: float = option(0.05, "Weight of the feature-matching loss.")


def draw_batch(mels, config, generator):
    """Draw a batch of crops with random gains, shape (batch_size, mel_bins, crop_frames)."""
    crops = draw_crops([mel.shape[-1] for mel in mels], config.crop_frames, config.batch_size, generator)
    gains = draw_gains_db(config.batch_size, config.max_gain_db, generator)
    return torch.stack(
        [
            gain_mel(crop_or_pad(mels[index], config.crop_frames, offset, SILENCE), gain_db)
            for (index, offset), gain_db in zip(crops, gains)
        ]
    )


def kl_divergence(posterior):
    """Mean over latent values of KL(posterior || N(0, 1)), in nats."""
    return 0.5 * (posterior.mean.square() + posterior.var - 1.0 - posterior.logvar).mean()


def main(config):
    run = TrainingRun(config)
    accelerator = run.accelerator
    mels = clip_mels(load_clips(config.data_dir))

    vae = AutoencoderKLMel1D(
        base_channels=config.base_channels,
        channel_multipliers=tuple(int(multiplier) for multiplier in config.channel_multipliers.split(",")),
        layers_per_block=config.layers_per_block,
        latent_channels=config.latent_channels,
    )
    discriminator = PatchDiscriminator2D()
    vae, discriminator = accelerator.prepare(vae, discriminator)
    optimizer, schedule = run.optimizer(vae.parameters(), betas=(0.8, 0.99))
    d_optimizer, d_schedule = run.optimizer(
        discriminator.parameters(), betas=(0.8, 0.99), first_step=config.discriminator_start
    )
    averaged = run.averaged(vae)
    run.resume()

    while run.step < config.max_train_steps:
        generator = run.step_generator()
        mel = draw_batch(mels, config, generator).to(accelerator.device)
        noise = torch.randn(
            config.batch_size,
            config.latent_channels,
            config.crop_frames // averaged.temporal_compression_ratio,
            generator=generator,
        ).to(accelerator.device)
        posterior = vae.encode(mel).latent_dist
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample

        logs = {}
        reconstruction, kl = F.l1_loss(decoded, mel), kl_divergence(posterior)
        loss = reconstruction + config.kl_weight * kl
        if run.step >= config.discriminator_start:
            real = [discriminator(mel)]
            d_loss = discriminator_loss(real, [discriminator(decoded.detach())])
            accelerator.backward(d_loss)
            d_optimizer.step()
            d_schedule.step()
            adversarial, matching = generator_losses(real, [discriminator(decoded)])
            loss = loss + config.adversarial_weight * adversarial + config.feature_weight * matching
            logs = {"discriminator": d_loss, "adversarial": adversarial, "matching": matching}
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(vae.parameters(), config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        d_optimizer.zero_grad()
        schedule.step()
        run.after_step(l1=reconstruction, kl=kl, **logs)

    with torch.no_grad():
        generator = torch.Generator().manual_seed(config.seed)
        batches = [draw_batch(mels, config, generator).to(accelerator.device) for _ in range(16)]
        latents = torch.cat([averaged.encode(mel).latent_dist.mean for mel in batches])
    averaged.register_to_config(scaling_factor=1.0 / latents.std().item())
    run.save_model(averaged)


if __name__ == "__main__":
    main(parse_config(AutoencoderConfig))

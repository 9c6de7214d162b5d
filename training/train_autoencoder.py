# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Train the mel autoencoder: multi-resolution mel loss and KL, and a patch discriminator from a set step on.

    accelerate launch training/train_autoencoder.py --data_dir DATA/train --output_dir runs/vae
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.utils.torch_utils import randn_tensor

from audiolcm_diffusers import AutoencoderKLMel1D
from audiolcm_diffusers.audio.mel import HOP_LENGTH, multi_resolution_l1
from audiolcm_diffusers.data.captioned_audio import (
    SILENCE,
    clip_mels,
    crop_or_pad,
    draw_crops,
    draw_gains_db,
    gain_mel,
)
from audiolcm_diffusers.data.clip_parts import Derived
from audiolcm_diffusers.models.autoencoder_kl_mel_1d import MelAttentionBlock1D, MelResnetBlock1D
from audiolcm_diffusers.models.discriminators import Discriminators, PatchDiscriminator2D
from audiolcm_diffusers.trainer import CropRunConfig, TrainingRun, option, parse_config


NUM_MEL_BINS = 80
SAMPLING_RATE = 16000
# Of the autoencoder's normalisations; each group holds two constants beside pairs of values.
NUM_GROUPS = 32


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(CropRunConfig):
    crop_frames: int = option(128, "Mel frames of a training crop (62.5 a second).")
    max_gain_db: float = option(6.0, "Crops are amplified by up to plus or minus this many decibels.")
    channels: int = option(192, "Base width; a multiple of 64, at least 128.")
    channel_multipliers: str = option(
        "1,1", "Widths of the levels as multiples of the base width; others than 1,1 need principal_start=False."
    )
    layers_per_block: int = option(1, "Residual blocks a level.")
    latent_channels: int = option(20, "Channels of the latents.")
    autoencoder_dir: str | None = option(None, "Trained autoencoder to go on from, instead of principal components.")
    principal_start: bool = option(True, "Start from principal components instead of random weights.")
    train_encoder: bool = option(False, "Whether the encoder learns too; without, the latents stay as they start.")
    initial_std: float = option(0.02, "Standard deviation of the latents' noise that training starts from.")
    mel_loss_scales: str = option(
        "1,2,4,8", "The mel loss is the mean of L1 errors after averaging over patches of these edges."
    )
    kl_weight: float = option(1e-5, "Weight of the KL divergence, in nats a latent value, against the mel loss.")
    discriminator_start: int = option(1500, "Step from which the discriminator takes part.")
    adversarial_weight: float = option(0.02, "Weight of the adversarial loss.")
    feature_weight: float = option(0.05, "Weight of the feature-matching loss.")

    def __post_init__(self):
        super().__post_init__()
        if not (self.train_encoder or self.principal_start or self.autoencoder_dir):
            raise ValueError("Random weights make no latents: expected train_encoder=True with principal_start=False.")
        if self.channels % 64 or self.channels < 128:
            raise ValueError(f"Expected channels to be a multiple of 64 from 128 on, got {self.channels}.")
        if self.principal_start and self.multipliers != (1, 1):
            raise ValueError(
                "Principal components start two levels of one width: expected channel_multipliers='1,1' or "
                f"principal_start=False, got {self.channel_multipliers!r}."
            )
        carried = (self.channels // NUM_GROUPS - 2) // 2 * NUM_GROUPS
        if self.principal_start and self.autoencoder_dir is None and self.latent_channels > carried:
            raise ValueError(
                f"Networks of {self.channels} channels carry {carried} principal components: expected latent_channels "
                f"<= {carried}, more channels or principal_start=False, got {self.latent_channels}."
            )
        if len(self.multipliers) < 2:
            raise ValueError(f"Expected two or more channel_multipliers, got {self.channel_multipliers!r}.")
        if any(NUM_MEL_BINS % scale or self.crop_frames % scale for scale in self.scales):
            raise ValueError(
                f"Expected mel_loss_scales that divide {NUM_MEL_BINS} bins and {self.crop_frames} frames, got "
                f"{self.mel_loss_scales!r}."
            )

    @property
    def multipliers(self):
        """`tuple[int]`: the numbers of `channel_multipliers`."""
        return positive_numbers("channel_multipliers", self.channel_multipliers)

    @property
    def scales(self):
        """`tuple[int]`: the numbers of `mel_loss_scales`."""
        return positive_numbers("mel_loss_scales", self.mel_loss_scales)


def positive_numbers(name, text):
    """The numbers that an option lists, `"1,2"`: `(1, 2)`."""
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise ValueError(f"Expected {name} to be positive whole numbers with commas between, got {text!r}.")
    return tuple(int(number) for number in numbers)


def draw_batch(mels, config, generators):
    """Draw a batch of crops with random gains, shape (batch_size, mel_bins, crop_frames)."""
    crops = draw_crops([mel.shape[-1] for mel in mels], config.crop_frames, generators)
    gains = draw_gains_db(config.max_gain_db, generators)
    return torch.stack(
        [
            gain_mel(crop_or_pad(mels[index], config.crop_frames, offset, SILENCE), gain_db)
            for (index, offset), gain_db in zip(crops, gains)
        ]
    )


def principal_components(rows, count):
    """
    Mean `(values,)`, standard deviations `(count,)` and directions `(count, values)` of `(rows, values)`. The largest
    value of a direction is positive.
    """
    rows = rows.double()
    mean = rows.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov((rows - mean).T))
    directions = directions.flip(1)[:, :count].T
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    return (
        mean.float(),
        variances.flip(0)[:count].clamp(min=1e-8).sqrt().float(),
        (directions * largest.sign()).float(),
    )


def least_squares(inputs, outputs):
    """
    The matrix `(inputs, outputs)` that brings rows of one nearest to rows of the other, the smallest of several.

    Sums are taken in float64 and the result is rounded, so that it is the same in every run: a solver's last digits
    depend on where in memory its arguments lie.
    """
    inputs, outputs = inputs.double(), outputs.double()
    return (torch.linalg.pinv(inputs.T @ inputs, hermitian=True) @ (inputs.T @ outputs)).float()


@torch.no_grad()
def start_from_principal_components(vae, mels, num_frames=100_000):
    """
    Set the weights so that the untrained autoencoder is the best linear one: principal components of two frames each,
    and least squares back to the mel. Training then improves on that instead of finding it, which takes it thousands
    of steps.

    The two nets are made linear: residual branches add nothing yet, each value `u` is carried as the pair `u, -u`, of
    which `silu(u) - silu(-u) = u` gives it back exactly, and each group of a normalisation holds a pair of large
    constants that fixes its scale.

    Args:
        vae (`AutoencoderKLMel1D`): Of two levels of one width, which halves the frame rate behind the first.
        mels (`list[torch.Tensor]`): The data, `(mel_bins, frames)` each.
        num_frames (`int`): Mel frames that the statistics are taken from.
    """
    encoder, decoder = vae.encoder, vae.decoder
    channels, num_groups = encoder.conv_out.in_channels, encoder.norm_out.num_groups
    group_size, constant = channels // num_groups, 30.0
    in_group = torch.arange(channels) % group_size
    plus = ((in_group % 2 == 0) & (in_group < group_size - 2)).nonzero()[:, 0]
    minus, high, low = plus + 1, in_group == group_size - 2, in_group == group_size - 1
    num_values, num_latents = len(plus), vae.config.latent_channels

    for module in vae.modules():
        if isinstance(module, MelResnetBlock1D):
            module.conv2.weight.zero_()
            module.conv2.bias.zero_()
        elif isinstance(module, MelAttentionBlock1D):
            module.attention.to_out[0].weight.zero_()
            module.attention.to_out[0].bias.zero_()
    for name, module in vae.named_modules():
        if isinstance(module, torch.nn.GroupNorm) and not name.endswith("norm2"):
            # The scale that the constants give a group is taken back; they themselves go no further.
            module.weight.fill_(constant * (2 / group_size) ** 0.5)
            module.weight[high | low] = 0.0

    def set_stream(conv, taps, bias=None, paired_input=True):
        """Let a convolution compute values from values; `taps` maps tap numbers to matrices."""
        conv.weight.zero_()
        conv.bias.zero_()
        for tap, matrix in taps.items():
            for sign, rows in ((1, plus[: len(matrix)]), (-1, minus[: len(matrix)])):
                if paired_input:
                    # Half from each of the pair.
                    columns = plus[: matrix.shape[1]], minus[: matrix.shape[1]]
                    conv.weight[rows[:, None], columns[0][None], tap] = sign * matrix / 2
                    conv.weight[rows[:, None], columns[1][None], tap] = -sign * matrix / 2
                else:
                    conv.weight[rows[:, None], torch.arange(matrix.shape[1])[None], tap] = sign * matrix
        if bias is not None:
            conv.bias[plus[: len(bias)]], conv.bias[minus[: len(bias)]] = bias, -bias
        conv.bias[high], conv.bias[low] = constant, -constant

    def set_readout(conv, matrix, bias=None):
        """Let the last convolution of a net, behind SiLU, compute its outputs from values."""
        middle = conv.kernel_size[0] // 2
        conv.weight[: len(matrix)] = 0.0
        conv.bias.zero_()
        conv.weight[: len(matrix), plus[: matrix.shape[1]], middle] = matrix
        conv.weight[: len(matrix), minus[: matrix.shape[1]], middle] = -matrix
        if bias is not None:
            conv.bias.copy_(bias)

    frames = torch.cat([mel[:, : mel.shape[1] // 2 * 2] for mel in mels], dim=1).T[: num_frames // 2 * 2]
    mean, stds, directions = principal_components(frames, min(num_values, frames.shape[1]))
    values = (frames - mean) @ directions.T / stds
    whitening = directions / stds[:, None]
    set_stream(
        encoder.conv_in, {encoder.conv_in.kernel_size[0] // 2: whitening}, -whitening @ mean, paired_input=False
    )
    pairs = (values * stds).reshape(len(values) // 2, -1)
    _, pair_stds, pair_directions = principal_components(pairs, num_values)
    first, second = (pair_directions / pair_stds[:, None]).chunk(2, dim=1)
    set_stream(encoder.down_blocks[0].downsampler, {0: first * stds, 1: second * stds})
    # Latents whose spread is between that of the mel and none: noise of one size then costs every direction some.
    latent_stds = pair_stds[:num_latents].sqrt()
    set_readout(encoder.conv_out, torch.diag(latent_stds))
    vae.quant_conv.weight[:num_latents, :, 0] = torch.eye(num_latents, 2 * num_latents)
    vae.quant_conv.weight[num_latents:] = 0.0
    vae.quant_conv.bias.zero_()

    vae.post_quant_conv.weight[:, :, 0] = torch.eye(num_latents)
    vae.post_quant_conv.bias.zero_()
    set_stream(decoder.conv_in, {decoder.conv_in.kernel_size[0] // 2: torch.diag(1 / latent_stds)}, paired_input=False)
    latents = (pairs @ pair_directions[:num_latents].T / pair_stds[:num_latents]).repeat_interleave(2, dim=0)
    neighbours = torch.cat([latents.roll(1, 0), latents, latents.roll(-1, 0)], dim=1)
    solution = least_squares(neighbours, values).T
    set_stream(decoder.up_blocks[0].upsampler, dict(enumerate(solution.chunk(3, dim=1))))
    set_readout(decoder.conv_out, directions.T * stds, mean)


def kl_divergence(posterior):
    """Mean over latent values of KL(posterior || N(0, 1)), in nats."""
    return 0.5 * (posterior.mean.square() + posterior.var - 1.0 - posterior.logvar).mean()


def hold_constants(vae):
    """
    Keep the resampling convolutions from reading the constants of [`start_from_principal_components`]: their size
    would turn the smallest step of the optimiser into a jump.
    """
    for conv in (vae.encoder.down_blocks[0].downsampler, vae.decoder.up_blocks[0].upsampler):
        group_size = conv.in_channels // vae.config.norm_num_groups
        readable = (torch.arange(conv.in_channels) % group_size < group_size - 2).float()[None, :, None]
        conv.weight.register_hook(lambda gradient, readable=readable: gradient * readable.to(gradient.device))


class Autoencoding(torch.nn.Module):
    """The autoencoder's way through both halves as one network."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, mel, noise):
        """Mel decoded from a sample of the posterior, and the posterior's KL divergence."""
        posterior = self.vae.encode(mel).latent_dist
        return self.vae.decode(posterior.mean + posterior.std * noise).sample, kl_divergence(posterior)


@torch.no_grad()
def latent_scale(vae, mels, config):
    """The factor that gives the latents of 16 batches a standard deviation of 1."""
    generator = torch.Generator().manual_seed(config.seed)
    device = next(vae.parameters()).device
    batches = [draw_batch(mels, config, [generator] * config.batch_size).to(device) for _ in range(16)]
    return 1.0 / torch.cat([vae.encode(mel).latent_dist.mean for mel in batches]).std().item()


def main(config):
    run = TrainingRun(config, with_discriminators=True)
    accelerator = run.accelerator
    # Mels take more memory than the clips that they are of.
    data = Derived(run.clips(config.batch_size, config.crop_frames * HOP_LENGTH / SAMPLING_RATE), clip_mels)
    mels = data.now()

    if config.autoencoder_dir is not None:
        vae = AutoencoderKLMel1D.from_pretrained(config.autoencoder_dir)
    else:
        vae = AutoencoderKLMel1D(
            base_channels=config.channels,
            channel_multipliers=config.multipliers,
            layers_per_block=config.layers_per_block,
            latent_channels=config.latent_channels,
        )
        if config.principal_start:
            start_from_principal_components(vae, mels)
        # Noise as strong as the signal, which the default start means, drowns all but the strongest few directions.
        with torch.no_grad():
            vae.quant_conv.bias[config.latent_channels :] = 2 * math.log(config.initial_std)
        vae.register_to_config(scaling_factor=latent_scale(vae, mels, config))
    if config.principal_start:
        hold_constants(vae)
    if not config.train_encoder:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    discriminators = Discriminators([PatchDiscriminator2D()])
    network = Autoencoding(vae)
    optimizer = run.optimizer([p for p in network.parameters() if p.requires_grad], betas=(0.8, 0.99))
    d_optimizer = run.optimizer(discriminators.parameters(), betas=(0.8, 0.99), first_step=config.discriminator_start)
    averaged = run.averaged(network)
    network, discriminators, optimizer, d_optimizer = accelerator.prepare(
        network, discriminators, optimizer, d_optimizer
    )
    if config.compile:
        network.compile()
    run.resume()

    latent_shape = (
        config.batch_size,
        config.latent_channels,
        config.crop_frames // vae.temporal_compression_ratio,
    )
    while run.step < config.max_train_steps:
        generators = run.example_generators(config.batch_size)
        mel = draw_batch(data.now(), config, generators).to(accelerator.device)
        noise = randn_tensor(latent_shape, generators, dtype=torch.float32).to(accelerator.device)
        with accelerator.accumulate(network, discriminators):
            decoded, kl = network(mel, noise)

            logs = {}
            reconstruction = multi_resolution_l1(decoded, mel, config.scales)
            loss = reconstruction + (config.kl_weight * kl if config.train_encoder else 0.0)
            if run.step >= config.discriminator_start:
                logs = run.discriminator_step(discriminators, mel, decoded, d_optimizer)
                loss = loss + config.adversarial_weight * logs["adversarial"]
                loss = loss + config.feature_weight * logs["matching"]
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(l1=F.l1_loss(decoded.detach(), mel), mel=reconstruction, kl=kl, **logs)

    vae = averaged.vae
    if config.train_encoder:
        vae.register_to_config(scaling_factor=latent_scale(vae, mels, config))
    run.save_model(vae)


if __name__ == "__main__":
    main(parse_config(AutoencoderConfig))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Mel-spectrogram variational autoencoder: one-dimensional convolutions over time, mel bins as channels."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.vae import AutoencoderMixin, DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook

from ..audio.mel import check_mel
from ..loaders.complete import CompleteWeightsMixin
from ..loaders.single_file import PublishedSingleFileMixin
from .gradient_checkpointing import run_block
from .tiling import in_tiles


NORM_EPS = 1e-6

# A tile of 16 s, a quarter of which overlaps the next.
TILE_NUM_FRAMES, TILE_STRIDE_NUM_FRAMES = 1024, 768


class MelResnetBlock1D(nn.Module):
    r"""
    GroupNorm → SiLU → conv → GroupNorm → SiLU → dropout → conv, added to the input.

    Args:
        in_channels (`int`): Channels of the input.
        out_channels (`int`): Channels of the output; where they differ, the input passes through a 1×1 convolution.
        kernel_size (`int`): Odd width of both convolutions.
        norm_num_groups (`int`): Groups of both normalisations.
        dropout (`float`, defaults to 0.0): Dropout before the second convolution.
    """

    def __init__(self, in_channels, out_channels, kernel_size, norm_num_groups, dropout=0.0):
        super().__init__()
        padding = kernel_size // 2
        self.norm1 = nn.GroupNorm(norm_num_groups, in_channels, eps=NORM_EPS)
        self.conv1 = nn.Conv1d(in_channels, out_channels, kernel_size, padding=padding)
        self.norm2 = nn.GroupNorm(norm_num_groups, out_channels, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv1d(out_channels, out_channels, kernel_size, padding=padding)
        self.conv_shortcut = nn.Conv1d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, hidden_states):
        residual = self.conv_shortcut(hidden_states)
        hidden_states = self.conv1(F.silu(self.norm1(hidden_states)))
        hidden_states = self.conv2(self.dropout(F.silu(self.norm2(hidden_states))))
        return hidden_states + residual


class MelAttentionBlock1D(nn.Module):
    r"""Single-head self-attention over frames: GroupNorm → q, k, v → scaled dot product → projection, residual."""

    def __init__(self, channels, norm_num_groups):
        super().__init__()
        self.attention = Attention(
            query_dim=channels,
            heads=1,
            dim_head=channels,
            norm_num_groups=norm_num_groups,
            eps=NORM_EPS,
            bias=True,
            residual_connection=True,
        )

    def forward(self, hidden_states):
        return self.attention(hidden_states.transpose(1, 2)).transpose(1, 2)


class MelBlock1D(nn.Module):
    r"""
    One resolution of the encoder or the decoder: residual blocks, each followed by attention where asked for, then a
    resampling by two where asked for.

    Args:
        in_channels (`int`): Channels of the input.
        out_channels (`int`): Channels of the output.
        num_layers (`int`): Residual blocks.
        kernel_size (`int`): Width of the residual convolutions.
        norm_num_groups (`int`): Groups of the normalisations.
        attention (`bool`): Whether each residual block is followed by attention.
        resample (`"down"`, `"up"` or `None`): What closes the block.
        dropout (`float`): Dropout of the residual blocks.
    """

    def __init__(
        self, in_channels, out_channels, num_layers, kernel_size, norm_num_groups, attention, resample, dropout
    ):
        super().__init__()
        self.resnets = nn.ModuleList(
            MelResnetBlock1D(
                in_channels if layer == 0 else out_channels, out_channels, kernel_size, norm_num_groups, dropout
            )
            for layer in range(num_layers)
        )
        self.attentions = nn.ModuleList(
            MelAttentionBlock1D(out_channels, norm_num_groups) for _ in range(num_layers if attention else 0)
        )
        self.resample = resample
        if resample == "down":
            self.downsampler = nn.Conv1d(out_channels, out_channels, 3, stride=2)
        elif resample == "up":
            self.upsampler = nn.Conv1d(out_channels, out_channels, 3, padding=1)

    def forward(self, hidden_states):
        for layer, resnet in enumerate(self.resnets):
            hidden_states = resnet(hidden_states)
            if len(self.attentions) > 0:
                hidden_states = self.attentions[layer](hidden_states)
        if self.resample == "down":
            # One zero on the right only: with a stride of two it halves an even number of frames exactly.
            hidden_states = self.downsampler(F.pad(hidden_states, (0, 1)))
        elif self.resample == "up":
            hidden_states = self.upsampler(F.interpolate(hidden_states, scale_factor=2.0, mode="nearest"))
        return hidden_states


class MelMidBlock1D(nn.Module):
    r"""Residual block, attention, residual block at the lowest resolution."""

    def __init__(self, channels, kernel_size, norm_num_groups, dropout):
        super().__init__()
        self.resnets = nn.ModuleList(
            MelResnetBlock1D(channels, channels, kernel_size, norm_num_groups, dropout) for _ in range(2)
        )
        self.attentions = nn.ModuleList([MelAttentionBlock1D(channels, norm_num_groups)])

    def forward(self, hidden_states):
        hidden_states = self.resnets[0](hidden_states)
        hidden_states = self.attentions[0](hidden_states)
        return self.resnets[1](hidden_states)


class MelEncoder1D(nn.Module):
    r"""Mel `(batch_size, in_channels, frames)` → moments `(batch_size, 2 * latent_channels, latent_frames)`."""

    def __init__(
        self,
        in_channels,
        latent_channels,
        base_channels,
        widths,
        layers_per_block,
        kernel_size,
        attention_levels,
        downsample_levels,
        norm_num_groups,
        dropout,
    ):
        super().__init__()
        self.gradient_checkpointing = False
        self.conv_in = nn.Conv1d(in_channels, base_channels, kernel_size, padding=kernel_size // 2)
        self.down_blocks = nn.ModuleList(
            MelBlock1D(
                base_channels if level == 0 else widths[level - 1],
                width,
                layers_per_block,
                kernel_size,
                norm_num_groups,
                attention=level in attention_levels,
                resample="down" if level in downsample_levels else None,
                dropout=dropout,
            )
            for level, width in enumerate(widths)
        )
        self.mid_block = MelMidBlock1D(widths[-1], kernel_size, norm_num_groups, dropout)
        self.norm_out = nn.GroupNorm(norm_num_groups, widths[-1], eps=NORM_EPS)
        self.conv_out = nn.Conv1d(widths[-1], 2 * latent_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, hidden_states):
        hidden_states = self.conv_in(hidden_states)
        for block in (*self.down_blocks, self.mid_block):
            hidden_states = run_block(self, block, hidden_states)
        return self.conv_out(F.silu(self.norm_out(hidden_states)))


class MelDecoder1D(nn.Module):
    r"""Latents `(batch_size, latent_channels, latent_frames)` → mel `(batch_size, out_channels, frames)`."""

    def __init__(
        self,
        latent_channels,
        out_channels,
        widths,
        layers_per_block,
        kernel_size,
        resnet_kernel_size,
        attention_levels,
        downsample_levels,
        norm_num_groups,
        dropout,
    ):
        super().__init__()
        self.gradient_checkpointing = False
        top = len(widths) - 1
        self.conv_in = nn.Conv1d(latent_channels, widths[-1], kernel_size, padding=kernel_size // 2)
        self.mid_block = MelMidBlock1D(widths[-1], resnet_kernel_size, norm_num_groups, dropout)
        # Listed in the order in which they run: the highest level (the lowest resolution) first. What the encoder
        # halves behind level i, the decoder doubles behind level i + 1.
        self.up_blocks = nn.ModuleList(
            MelBlock1D(
                widths[min(level + 1, top)],
                widths[level],
                layers_per_block + 1,
                resnet_kernel_size,
                norm_num_groups,
                attention=level in attention_levels,
                resample="up" if level - 1 in downsample_levels else None,
                dropout=dropout,
            )
            for level in range(top, -1, -1)
        )
        self.norm_out = nn.GroupNorm(norm_num_groups, widths[0], eps=NORM_EPS)
        self.conv_out = nn.Conv1d(widths[0], out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, hidden_states):
        hidden_states = self.conv_in(hidden_states)
        for block in (self.mid_block, *self.up_blocks):
            hidden_states = run_block(self, block, hidden_states)
        return self.conv_out(F.silu(self.norm_out(hidden_states)))


class AutoencoderKLMel1D(CompleteWeightsMixin, ModelMixin, AutoencoderMixin, PublishedSingleFileMixin, ConfigMixin):
    r"""
    Variational autoencoder of log-mel spectrograms (Make-An-Audio 2, arXiv:2305.18474, section 3.3; used unchanged by
    AudioLCM, arXiv:2406.00356).

    Convolutions run over time with mel bins as channels, so sounds of any length are encoded. Latents that the
    transformer sees are `latents * config.scaling_factor`.

    Args:
        in_channels (`int`, defaults to 80): Mel bins.
        latent_channels (`int`, defaults to 20): Channels of the latents.
        base_channels (`int`, defaults to 384): Width behind the encoder's first convolution.
        channel_multipliers (`tuple[int]`, defaults to `(1, 2, 4)`): Width of each level over `base_channels`.
        layers_per_block (`int`, defaults to 2): Residual blocks a level in the encoder; the decoder has one more.
        kernel_size (`int`, defaults to 5):
            Odd width of the first and last convolutions of both nets and of the encoder's residual convolutions.
        decoder_kernel_size (`int`, defaults to 3): Odd width of the decoder's residual convolutions.
        attention_levels (`tuple[int]`, defaults to `()`):
            Levels whose residual blocks are each followed by attention. The middle always has one.
        downsample_levels (`tuple[int]`, defaults to `(0,)`):
            Levels behind which the frame rate is halved. The last level has none below it and cannot be listed.
        norm_num_groups (`int`, defaults to 32): Groups of every normalisation; divides every width.
        scaling_factor (`float`, defaults to 1.0):
            What latents are multiplied with before diffusion: one over their standard deviation.
        sampling_rate (`int`, defaults to 16000): Sampling rate in Hz of the audio that the mels are taken from.
        dropout (`float`, defaults to 0.0): Dropout of the residual blocks, in `[0, 1)`.
        z_channels (`int`, *optional*):
            Channels between the nets and the 1×1 convolutions that stand behind the encoder and before the decoder;
            as many as `latent_channels` if not given.

    Raises:
        ValueError: If an even kernel, a level that does not exist or a width that the groups do not divide is given.
    """

    _supports_gradient_checkpointing = True
    _supports_group_offloading = True
    _no_split_modules = ["MelBlock1D", "MelMidBlock1D"]
    _repeated_blocks = ["MelResnetBlock1D"]

    @register_to_config
    def __init__(
        self,
        in_channels: int = 80,
        latent_channels: int = 20,
        base_channels: int = 384,
        channel_multipliers: tuple[int, ...] = (1, 2, 4),
        layers_per_block: int = 2,
        kernel_size: int = 5,
        decoder_kernel_size: int = 3,
        attention_levels: tuple[int, ...] = (),
        downsample_levels: tuple[int, ...] = (0,),
        norm_num_groups: int = 32,
        scaling_factor: float = 1.0,
        sampling_rate: int = 16000,
        dropout: float = 0.0,
        z_channels: int | None = None,
    ):
        super().__init__()
        num_levels = len(channel_multipliers)
        for name, size in (("kernel_size", kernel_size), ("decoder_kernel_size", decoder_kernel_size)):
            if size < 1 or size % 2 == 0:
                raise ValueError(f"`{name}` must be a positive odd number, got {size}.")
        if any(level not in range(num_levels - 1) for level in downsample_levels):
            raise ValueError(
                f"`downsample_levels` must lie in 0…{num_levels - 2} (the decoder doubles behind the level above), "
                f"got {tuple(downsample_levels)}."
            )
        if any(level not in range(num_levels) for level in attention_levels):
            raise ValueError(f"`attention_levels` must lie in 0…{num_levels - 1}, got {tuple(attention_levels)}.")
        widths = [base_channels * multiplier for multiplier in channel_multipliers]
        if any(width % norm_num_groups for width in (base_channels, *widths)):
            raise ValueError(
                f"`norm_num_groups` {norm_num_groups} must divide `base_channels` {base_channels} and every level's "
                f"width, got {widths}."
            )

        z_channels = latent_channels if z_channels is None else z_channels
        self.encoder = MelEncoder1D(
            in_channels,
            z_channels,
            base_channels,
            widths,
            layers_per_block,
            kernel_size,
            attention_levels,
            downsample_levels,
            norm_num_groups,
            dropout,
        )
        self.decoder = MelDecoder1D(
            z_channels,
            in_channels,
            widths,
            layers_per_block,
            kernel_size,
            decoder_kernel_size,
            attention_levels,
            downsample_levels,
            norm_num_groups,
            dropout,
        )
        self.quant_conv = nn.Conv1d(2 * z_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv1d(latent_channels, z_channels, 1)
        self.use_slicing = self.use_tiling = False
        self.tile_sample_min_num_frames, self.tile_sample_stride_num_frames = TILE_NUM_FRAMES, TILE_STRIDE_NUM_FRAMES

    def enable_tiling(
        self,
        tile_sample_min_num_frames: int | None = None,
        tile_sample_stride_num_frames: int | None = None,
    ) -> None:
        r"""
        Encode and decode long sounds in tiles along time that overlap and are blended, in the memory of one tile.

        Group norms and the attention in the middle see a tile instead of the whole sound, so that the result is near
        to that of the whole, and not equal. A sound that fits one tile is not changed.

        Args:
            tile_sample_min_num_frames (`int`, *optional*): Mel frames of a tile; 1024, which are 16 s, if never given.
            tile_sample_stride_num_frames (`int`, *optional*):
                Mel frames from a tile's beginning to the next one's, from half a tile to less than one; 768 if never
                given.

        Raises:
            ValueError: If a length is no multiple of `temporal_compression_ratio`, or the stride does not fit the
                tile.
        """
        tile = self.tile_sample_min_num_frames if tile_sample_min_num_frames is None else tile_sample_min_num_frames
        stride = self.tile_sample_stride_num_frames
        stride = stride if tile_sample_stride_num_frames is None else tile_sample_stride_num_frames
        for name, size in (("tile_sample_min_num_frames", tile), ("tile_sample_stride_num_frames", stride)):
            if not isinstance(size, int) or size < 1 or size % self.temporal_compression_ratio:
                raise ValueError(
                    f"Expected `{name}` to be a positive multiple of {self.temporal_compression_ratio}, got {size!r}."
                )
        if not tile <= 2 * stride < 2 * tile:
            raise ValueError(
                "Expected `tile_sample_stride_num_frames` from half of `tile_sample_min_num_frames` to less than all "
                f"of it, got {stride} of {tile}."
            )
        self.tile_sample_min_num_frames, self.tile_sample_stride_num_frames = tile, stride
        self.use_tiling = True

    def _mapped(self, function, inputs, frames_each):
        """A function of a whole batch, of slices of it, of tiles, or of tiles of slices."""
        if self.use_tiling:
            tile = self.tile_sample_min_num_frames // frames_each
            whole, stride = function, self.tile_sample_stride_num_frames // frames_each

            def function(part):
                return in_tiles(whole, part, tile, stride)

        if self.use_slicing and inputs.shape[0] > 1:
            return torch.cat([function(part) for part in inputs.split(1)])
        return function(inputs)

    @property
    def temporal_compression_ratio(self):
        r"""`int`: mel frames per latent frame."""
        return 2 ** len(self.config.downsample_levels)

    def _encode(self, mel):
        return self.quant_conv(self.encoder(mel))

    @apply_forward_hook
    def encode(self, x: torch.Tensor, return_dict: bool = True):
        r"""
        Encode log-mel spectrograms.

        Args:
            x (`torch.Tensor` of shape `(batch_size, in_channels, frames)`):
                Log10-mel spectrogram. A frame count that `temporal_compression_ratio` does not divide is filled up by
                repeating the last frame.
            return_dict (`bool`, defaults to `True`): Whether to return an output class instead of a tuple.

        Returns:
            [`~diffusers.models.modeling_outputs.AutoencoderKLOutput`] or `tuple`: `latent_dist` over
            `(batch_size, latent_channels, ceil(frames / temporal_compression_ratio))`, log-variance clamped to
            `[-30, 20]`. Multiply samples with `config.scaling_factor` before diffusion.

        Raises:
            ValueError: If `x` is not of the shape above or has no frames.
        """
        check_mel(x, self.config.in_channels)
        missing = -x.shape[-1] % self.temporal_compression_ratio
        if missing:
            # The last frame is repeated: zeros would be a loud sound on a log scale.
            x = F.pad(x, (0, missing), mode="replicate")
        posterior = DiagonalGaussianDistribution(self._mapped(self._encode, x, 1))
        if not return_dict:
            return (posterior,)
        return AutoencoderKLOutput(latent_dist=posterior)

    def _decode(self, latents):
        return self.decoder(self.post_quant_conv(latents))

    @apply_forward_hook
    def decode(self, z: torch.Tensor, return_dict: bool = True):
        r"""
        Decode latents to log-mel spectrograms.

        Args:
            z (`torch.Tensor` of shape `(batch_size, latent_channels, latent_frames)`):
                Latents, already divided by `config.scaling_factor`.
            return_dict (`bool`, defaults to `True`): Whether to return an output class instead of a tuple.

        Returns:
            [`~diffusers.models.autoencoders.vae.DecoderOutput`] or `tuple`: `sample` of shape
            `(batch_size, in_channels, latent_frames * temporal_compression_ratio)`.

        Raises:
            ValueError: If `z` is not of the shape above or has no frames.
        """
        if z.ndim != 3 or z.shape[1] != self.config.latent_channels or z.shape[-1] == 0:
            raise ValueError(
                f"Expected latents of shape (batch_size, {self.config.latent_channels}, latent_frames), "
                f"got {tuple(z.shape)}."
            )
        mel = self._mapped(self._decode, z, self.temporal_compression_ratio)
        if not return_dict:
            return (mel,)
        return DecoderOutput(sample=mel)

    def forward(
        self,
        sample: torch.Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
    ):
        r"""
        Encode and decode.

        Args:
            sample (`torch.Tensor` of shape `(batch_size, in_channels, frames)`): Log10-mel spectrogram.
            sample_posterior (`bool`, defaults to `False`): Decode a sample of the posterior instead of its mode.
            return_dict (`bool`, defaults to `True`): Whether to return an output class instead of a tuple.
            generator (`torch.Generator`, *optional*): Random numbers of the posterior sample.

        Returns:
            [`~diffusers.models.autoencoders.vae.DecoderOutput`] or `tuple`: `sample` of the input's shape; frames
            that were added to fill up the stride are cropped again.
        """
        posterior = self.encode(sample).latent_dist
        latents = posterior.sample(generator=generator) if sample_posterior else posterior.mode()
        mel = self.decode(latents).sample[..., : sample.shape[-1]]
        if not return_dict:
            return (mel,)
        return DecoderOutput(sample=mel)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
BigVGAN generator (arXiv:2206.04658): log-mel spectrograms to waveforms.

diffusers' `LTX2Vocoder` computes the published configuration, and a test holds this class to it. It is not the base
class because it knows one residual block of the two, always puts snakebeta on logarithmic parameters at the end, keeps
its fixed filters in the checkpoint, and has no weight normalisation to train with.
"""

import math

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch.nn.utils import parametrizations, parametrize

from ..audio.mel import check_mel
from ..loaders.complete import CompleteWeightsMixin
from ..loaders.plain_saving import SavedPlainMixin
from ..loaders.single_file import PublishedSingleFileMixin
from .anti_aliased_snake import EDGE as SNAKE_REACH
from .anti_aliased_snake import AntiAliasedSnake1D
from .gradient_checkpointing import run_block
from .minimal_filtering import FewerProductsConv1d


class AMPBlock1D(nn.Module):
    r"""
    Anti-aliased multi-periodicity block: a residual branch a dilation.

    Args:
        channels (`int`): Channels of input and output.
        kernel_size (`int`): Odd width of the convolutions.
        dilations (`tuple[int]`): One residual branch each.
        resblock_type (`"1"` or `"2"`):
            `"1"`: activation → dilated conv → activation → conv. `"2"`: activation → dilated conv.
        activation (`str`): See [`AntiAliasedSnake1D`].
        logscale (`bool`): See [`AntiAliasedSnake1D`].
    """

    def __init__(self, channels, kernel_size, dilations, resblock_type, activation, logscale):
        super().__init__()

        def conv(dilation):
            return FewerProductsConv1d(
                channels, channels, kernel_size, dilation=dilation, padding=dilation * (kernel_size - 1) // 2
            )

        num_second = len(dilations) if resblock_type == "1" else 0
        self.acts1 = nn.ModuleList(AntiAliasedSnake1D(channels, activation, logscale) for _ in dilations)
        self.convs1 = nn.ModuleList(conv(dilation) for dilation in dilations)
        self.acts2 = nn.ModuleList(AntiAliasedSnake1D(channels, activation, logscale) for _ in range(num_second))
        self.convs2 = nn.ModuleList(conv(1) for _ in range(num_second))

    def forward(self, hidden_states):
        for branch, (act, conv) in enumerate(zip(self.acts1, self.convs1)):
            update = conv(act(hidden_states))
            if len(self.convs2) > 0:
                update = self.convs2[branch](self.acts2[branch](update))
            # In place: no gradient needs what a convolution gave.
            hidden_states = update.add_(hidden_states)
        return hidden_states


class BigVGANVocoder(SavedPlainMixin, CompleteWeightsMixin, ModelMixin, PublishedSingleFileMixin, ConfigMixin):
    r"""
    BigVGAN generator (arXiv:2206.04658): conv → stages of (transposed conv, mean of AMP blocks) → anti-aliased
    activation → conv → tanh.

    A model is built and loaded with plain weights. Weight normalisation, which training needs, is put on with
    [`~BigVGANVocoder.apply_weight_norm`] and folded away with [`~BigVGANVocoder.remove_weight_norm`]; saving folds it.

    Args:
        in_channels (`int`, defaults to 80): Mel bins.
        upsample_initial_channel (`int`, defaults to 1536): Width behind the first convolution, halved at every stage.
        upsample_rates (`tuple[int]`, defaults to `(4, 4, 2, 2, 2, 2)`):
            Upsampling of each stage; the product is the hop length of the mels in samples.
        upsample_kernel_sizes (`tuple[int]`, defaults to `(8, 8, 4, 4, 4, 4)`):
            Widths of the transposed convolutions; each exceeds its rate by an even number.
        resblock_type (`"1"` or `"2"`, defaults to `"1"`): AMP block, see [`AMPBlock1D`].
        resblock_kernel_sizes (`tuple[int]`, defaults to `(3, 7, 11)`): One AMP block a stage each; odd.
        resblock_dilation_sizes (`tuple[tuple[int]]`, defaults to `((1, 3, 5),) * 3`): Dilations of each AMP block.
        activation (`"snakebeta"` or `"snake"`, defaults to `"snakebeta"`): Periodic activation.
        snake_logscale (`bool`, defaults to `True`): Whether the activations' parameters are logarithms.
        sampling_rate (`int`, defaults to 16000): Sampling rate of the waveform in Hz.

    Raises:
        ValueError: If lists differ in length or a value is none of those above.
    """

    _supports_gradient_checkpointing = True
    _supports_group_offloading = True
    _no_split_modules = ["AMPBlock1D"]
    _repeated_blocks = ["AMPBlock1D"]

    @register_to_config
    def __init__(
        self,
        in_channels: int = 80,
        upsample_initial_channel: int = 1536,
        upsample_rates: tuple[int, ...] = (4, 4, 2, 2, 2, 2),
        upsample_kernel_sizes: tuple[int, ...] = (8, 8, 4, 4, 4, 4),
        resblock_type: str = "1",
        resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11),
        resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3,
        activation: str = "snakebeta",
        snake_logscale: bool = True,
        sampling_rate: int = 16000,
    ):
        super().__init__()
        if len(upsample_rates) != len(upsample_kernel_sizes):
            raise ValueError(
                "`upsample_rates` and `upsample_kernel_sizes` must be of one length, "
                f"got {tuple(upsample_rates)} and {tuple(upsample_kernel_sizes)}."
            )
        if any(kernel < rate or (kernel - rate) % 2 for rate, kernel in zip(upsample_rates, upsample_kernel_sizes)):
            raise ValueError(
                "Each of `upsample_kernel_sizes` must exceed its rate by an even number, or equal it, "
                f"got {tuple(upsample_kernel_sizes)} for rates {tuple(upsample_rates)}."
            )
        if len(resblock_kernel_sizes) != len(resblock_dilation_sizes):
            raise ValueError(
                "`resblock_kernel_sizes` and `resblock_dilation_sizes` must be of one length, "
                f"got {tuple(resblock_kernel_sizes)} and {tuple(resblock_dilation_sizes)}."
            )
        if any(kernel % 2 == 0 for kernel in resblock_kernel_sizes):
            raise ValueError(f"`resblock_kernel_sizes` must be odd, got {tuple(resblock_kernel_sizes)}.")
        if resblock_type not in ("1", "2"):
            raise ValueError(f'`resblock_type` must be "1" or "2", got {resblock_type!r}.')
        if activation not in ("snake", "snakebeta"):
            raise ValueError(f'`activation` must be "snake" or "snakebeta", got {activation!r}.')
        if upsample_initial_channel % 2 ** len(upsample_rates):
            raise ValueError(
                f"`upsample_initial_channel` is halved {len(upsample_rates)} times, got {upsample_initial_channel}."
            )

        self.gradient_checkpointing = False
        self.conv_in = nn.Conv1d(in_channels, upsample_initial_channel, 7, padding=3)
        self.upsamplers = nn.ModuleList()
        # Flat, as in the published layout: block j of stage i is number `i * len(resblock_kernel_sizes) + j`.
        self.resblocks = nn.ModuleList()
        channels = upsample_initial_channel
        for rate, kernel in zip(upsample_rates, upsample_kernel_sizes):
            self.upsamplers.append(
                nn.ConvTranspose1d(channels, channels // 2, kernel, stride=rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            for kernel, dilations in zip(resblock_kernel_sizes, resblock_dilation_sizes):
                self.resblocks.append(
                    AMPBlock1D(channels, kernel, dilations, resblock_type, activation, snake_logscale)
                )
        self.act_out = AntiAliasedSnake1D(channels, activation, snake_logscale)
        self.conv_out = nn.Conv1d(channels, 1, 7, padding=3)

        for module in (*self.upsamplers, *self.resblocks.modules(), self.conv_out):
            if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
                nn.init.normal_(module.weight, std=0.01)  # as in HiFi-GAN, from which BigVGAN inherits it

    @property
    def hop_length(self):
        r"""`int`: samples per mel frame."""
        return math.prod(self.config.upsample_rates)

    @property
    def num_context_frames(self):
        r"""`int`: mel frames on either side of a frame that its samples depend on; no others do."""
        config = self.config
        blocks = zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes)
        has_second = config.resblock_type == "1"
        of_blocks = max(
            sum((kernel // 2) * (dilation + has_second) + SNAKE_REACH * (1 + has_second) for dilation in dilations)
            for kernel, dilations in blocks
        )
        # From the last convolution back to the first, each of 7.
        reach = 3 + SNAKE_REACH
        for rate, kernel in zip(reversed(config.upsample_rates), reversed(config.upsample_kernel_sizes)):
            reach = -(-(reach + of_blocks + kernel - 1 - (kernel - rate) // 2) // rate)
        return reach + 3

    def _normed_convolutions(self):
        return [module for module in self.modules() if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d))]

    def set_fused_activations(self, is_fused: bool) -> None:
        r"""
        Compute activations in one pass over memory, as is the default, or filter by filter, as they are defined. Both
        are equal to 1e-5.

        Args:
            is_fused (`bool`): Which.
        """
        for module in self.modules():
            if isinstance(module, AntiAliasedSnake1D):
                module.is_fused = is_fused

    def set_fast_convolutions(self, is_fast: bool) -> None:
        r"""
        Make sound with fewer multiplications, or as convolutions are defined, as is the default. Both are equal to
        1e-5. It is for CPUs, in float32, with Numba installed (`pip install 'audiolcm-diffusers[fast]'`), and does
        nothing elsewhere. Filters are kept transformed, which takes 0.7 GB at the published size.

        Args:
            is_fast (`bool`): Which.
        """
        for module in self.modules():
            if isinstance(module, FewerProductsConv1d):
                module.set_fast(is_fast)

    def apply_weight_norm(self):
        r"""Put weight normalisation on every convolution, for training. Does nothing where it is on already."""
        for module in self._normed_convolutions():
            if not parametrize.is_parametrized(module, "weight"):
                parametrizations.weight_norm(module)

    def remove_weight_norm(self):
        r"""Fold weight normalisation into plain weights. The output does not change."""
        for module in self._normed_convolutions():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)

    def _plain_weights(self):
        normed = {
            name: module for name, module in self.named_modules() if parametrize.is_parametrized(module, "weight")
        }
        if not normed:
            return None
        weights = {name: weight for name, weight in self.state_dict().items() if ".parametrizations." not in name}
        return weights | {f"{name}.weight": module.weight.detach() for name, module in normed.items()}

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        r"""
        Turn log-mel spectrograms into waveforms.

        Args:
            mel (`torch.Tensor` of shape `(batch_size, in_channels, frames)`): Log10-mel spectrogram.

        Returns:
            `torch.Tensor` of shape `(batch_size, frames * hop_length)`: Waveforms in `(-1, 1)`.

        Raises:
            ValueError: If `mel` is not of the shape above or has no frames.
        """
        check_mel(mel, self.config.in_channels)
        num_blocks = len(self.config.resblock_kernel_sizes)
        hidden_states = self.conv_in(mel)
        for stage, upsampler in enumerate(self.upsamplers):
            hidden_states = upsampler(hidden_states)
            blocks = self.resblocks[stage * num_blocks : (stage + 1) * num_blocks]
            total = run_block(self, blocks[0], hidden_states)
            for block in blocks[1:]:
                total = total.add_(run_block(self, block, hidden_states))
            hidden_states = total.div_(num_blocks)
        return torch.tanh(self.conv_out(self.act_out(hidden_states)))[:, 0]

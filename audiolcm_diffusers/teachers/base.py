# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What a pipeline of diffusers needs to be taught from, in terms that loss and solver know: a noise path, what is
predicted, and a network that is told conditions. Each family is a file beside this one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from ..paths import NoisePath


# Straight paths have as many timesteps: as it is a power of two, shares of noise times it are exact in float32. Some
# networks see features of some 10 kHz of a share, in which its last bit is seen.
NUM_STRAIGHT_TIMESTEPS = 1024


@dataclass(frozen=True)
class Conditions:
    r"""
    What a network is told of the sounds of a batch, by the names of its arguments.

    Args:
        tensors (`Mapping[str, torch.Tensor]`): Each of shape `(batch_size, …)`.
    """

    tensors: Mapping[str, torch.Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def cat(self, other: "Conditions") -> "Conditions":
        r"""
        These and others, one batch behind the other.

        Raises:
            ValueError: If they have other names.
        """
        if self.tensors.keys() != other.tensors.keys():
            raise ValueError(
                f"Expected conditions of one family, got {sorted(self.tensors)} and {sorted(other.tensors)}."
            )
        return Conditions({name: torch.cat([value, other.tensors[name]]) for name, value in self.tensors.items()})

    def to(self, device: torch.device | str) -> "Conditions":
        r"""The same on a device."""
        return Conditions({name: value.to(device) for name, value in self.tensors.items()})


class Teacher(ABC):
    r"""
    A pipeline as a teacher.

    Args:
        pipe (`DiffusionPipeline`): Of one of the classes in `pipeline_classes`.

    Raises:
        ValueError: If it is of another class.
    """

    pipeline_classes: ClassVar[tuple[str, ...]]
    prediction_type: ClassVar[str]
    denoiser_name: ClassVar[str] = "transformer"

    def __init__(self, pipe: Any):
        if type(pipe).__name__ not in self.pipeline_classes:
            raise ValueError(f"Expected a pipeline of {', '.join(self.pipeline_classes)}, got {type(pipe).__name__}.")
        self.pipe = pipe

    @property
    def denoiser(self) -> torch.nn.Module:
        r"""`torch.nn.Module`: The pipeline's network."""
        return getattr(self.pipe, self.denoiser_name)

    @property
    @abstractmethod
    def path(self) -> NoisePath:
        r"""[`~paths.NoisePath`]: How much data and noise a timestep holds."""

    @property
    def sampling_rate(self) -> int:
        r"""`int`: Of the sound, in Hz."""
        return self.pipe.vae.config.sampling_rate

    @property
    def num_channels(self) -> int:
        r"""`int`: Of the sound."""
        return self.pipe.vae.config.audio_channels

    @abstractmethod
    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        r"""
        Clean latents of sounds, as the network has them.

        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, num_channels, samples)`): At `sampling_rate`.
            generator (`torch.Generator`, *optional*): Of autoencoders that draw.
        """

    @abstractmethod
    def encode_prompts(self, prompts: Sequence[str], duration_s: float) -> tuple[Conditions, Conditions]:
        r"""
        What the network is told of prompts, and of nothing: the empty condition may depend on them.

        Args:
            prompts (`Sequence[str]`): What is heard.
            duration_s (`float`): How long, in seconds.
        """

    @abstractmethod
    def predict(
        self, denoiser: torch.nn.Module, latents: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        r"""
        What a network of the family predicts, as `prediction_type` says.

        Args:
            denoiser (`torch.nn.Module`): The teacher's own, or a student's.
            latents (`torch.Tensor` of shape `(batch_size, …)`): Noisy latents, as [`encode_audio`] makes clean ones.
            timesteps (`torch.Tensor` of shape `(batch_size,)`): Of `path`.
            conditions ([`Conditions`]): From [`encode_prompts`].

        Returns:
            `torch.Tensor` of the shape of `latents`.
        """

    def network(self, denoiser: torch.nn.Module | None = None) -> "FamilyNetwork":
        r"""
        A network as loss and solver call it.

        Args:
            denoiser (`torch.nn.Module`, *optional*): The teacher's own by default.
        """
        return FamilyNetwork(self, self.denoiser if denoiser is None else denoiser)


class StraightTeacher(Teacher):
    r"""A pipeline on the straight path, whose network predicts `noise - x_0`, or is made to here."""

    prediction_type = "flow_prediction"

    @property
    def path(self) -> NoisePath:
        return NoisePath.straight(NUM_STRAIGHT_TIMESTEPS)


class FamilyNetwork(torch.nn.Module):
    r"""
    A network of any family, called as ours are.

    Args:
        teacher ([`Teacher`]): Knows its family.
        denoiser (`torch.nn.Module`): The network.
    """

    def __init__(self, teacher: Teacher, denoiser: torch.nn.Module):
        super().__init__()
        self.denoiser = denoiser
        self._predict = teacher.predict

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: Conditions,
        timestep_cond: None = None,
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        r"""
        Args:
            hidden_states (`torch.Tensor` of shape `(batch_size, …)`): Noisy latents.
            timestep (`torch.Tensor` of shape `(batch_size,)`): Of the teacher's path.
            encoder_hidden_states ([`Conditions`]): What it is told.
            timestep_cond (`None`): No class of these families is told a guidance strength.
            return_dict (`bool`): Tuples are returned alone.
        """
        return (self._predict(self.denoiser, hidden_states, timestep, encoder_hidden_states),)

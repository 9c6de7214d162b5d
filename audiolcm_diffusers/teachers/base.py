# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What a pipeline of diffusers needs to be taught from, in terms that loss and solver know: a noise path, what is
predicted, and a network that is told conditions. Each family is a file beside this one.
"""

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SchedulerMixin

from ..consistency import guide
from ..paths import NoisePath, prediction_type_of


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

    def replaced(self, rows: torch.Tensor, other: "Conditions") -> "Conditions":
        r"""
        These, but for some rows, which are those of others of the same shapes.

        Args:
            rows (`torch.Tensor` of shape `(batch_size,)`): `True` where a row is the other's.
            other ([`Conditions`]): The others.
        """

        def of(own: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
            return torch.where(rows.to(own.device).view(-1, *[1] * (own.ndim - 1)), others, own)

        return Conditions({name: of(value, other.tensors[name]) for name, value in self.tensors.items()})

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
    # The pipeline's argument for seconds of sound.
    duration_argument: ClassVar[str]
    # Whether the network's class computes activations twice instead of keeping them.
    has_gradient_checkpointing: ClassVar[bool] = True
    # Ends of names of layers that text to sound never runs, which are left as they are.
    idle_layers: ClassVar[tuple[str, ...]] = ()
    # Whether the pipeline loads adapters of its own format.
    has_lora_loader: ClassVar[bool] = False

    def __init__(self, pipe: Any):
        if type(pipe).__name__ not in self.pipeline_classes:
            raise ValueError(f"Expected a pipeline of {', '.join(self.pipeline_classes)}, got {type(pipe).__name__}.")
        self.pipe = pipe

    @property
    def denoiser(self) -> torch.nn.Module:
        r"""`torch.nn.Module`: The pipeline's network."""
        return getattr(self.pipe, self.denoiser_name)

    @property
    def default_guidance_scale(self) -> float:
        r"""`float`: What the pipeline is guided with where nothing is asked for."""
        return float(inspect.signature(type(self.pipe).__call__).parameters["guidance_scale"].default)

    def enable_gradient_checkpointing(self, denoiser: torch.nn.Module) -> None:
        r"""Let a network of the family compute activations twice instead of keeping them."""
        denoiser.enable_gradient_checkpointing()

    def trainable(self, denoiser: torch.nn.Module) -> torch.nn.Module:
        r"""
        A network whose weights are all to be trained, but for those that it never runs: several processes would wait
        for their gradients.

        Args:
            denoiser (`torch.nn.Module`): Of the family.
        """
        denoiser.requires_grad_(True)
        for name, layer in denoiser.named_modules():
            if name.endswith(self.idle_layers):
                layer.requires_grad_(False)
        return denoiser

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

    @property
    @abstractmethod
    def samples_per_frame(self) -> int:
        r"""`int`: Samples of sound in a frame of latents; sounds are of whole frames."""

    @property
    def max_duration_s(self) -> float | None:
        r"""`float`, *optional*: The longest sound that the pipeline makes, in seconds."""
        return None

    @abstractmethod
    def encode_audio(self, waveforms: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        r"""
        Clean latents of sounds, as the network has them.

        Args:
            waveforms (`torch.Tensor` of shape `(batch_size, num_channels, samples)`): At `sampling_rate`.
            generator (`torch.Generator` or a list of one a sound, *optional*): Of autoencoders that draw.
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

    def guide(self, cond: torch.Tensor, uncond: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        r"""
        What the guided teacher predicts, as a function of one step alone.

        Args:
            cond, uncond (`torch.Tensor` of shape `(batch_size, …)`): Its predictions with and without prompt.
            w (`torch.Tensor` of shape `(batch_size,)`): Guidance strength, `guidance_scale - 1`.
        """
        return guide(cond, uncond, w)

    @abstractmethod
    def student_scheduler(self, num_solver_timesteps: int) -> SchedulerMixin:
        r"""
        The scheduler with which the family's pipeline samples a student in few steps.

        Args:
            num_solver_timesteps (`int`): Points of the solver on which it learnt.
        """

    def student_denoiser(self, denoiser: torch.nn.Module) -> torch.nn.Module:
        r"""
        A student as the pipeline is to have it; by default itself.

        Args:
            denoiser (`torch.nn.Module`): As it was trained.
        """
        return denoiser

    # What a script that adapts a pipeline as `student_denoiser` does has to say, `pipe` being the pipeline.
    student_code: ClassVar[str] = ""

    def student_pipeline(self, denoiser: torch.nn.Module, num_solver_timesteps: int) -> Any:
        r"""
        The pipeline of the family with a student, called with `guidance_scale=1.0`.

        Args:
            denoiser (`torch.nn.Module`): Trained.
            num_solver_timesteps (`int`): Points of the solver on which it learnt.
        """
        return self.with_parts(self.student_denoiser(denoiser), scheduler=self.student_scheduler(num_solver_timesteps))

    def sound(self, pipe: Any, prompt: str, generator: torch.Generator, duration_s: float, **options: Any):
        r"""
        A sound of a pipeline of the family.

        Args:
            pipe (`DiffusionPipeline`): The teacher's own, or a student's.
            prompt (`str`): What is asked for.
            generator (`torch.Generator`): Source of randomness.
            duration_s (`float`): Seconds.
            options: Further arguments of the pipeline.

        Returns:
            `torch.Tensor` of shape `(num_channels, samples)`: float32 on the CPU.
        """
        call = {self.duration_argument: duration_s, "generator": generator, **options}
        audio = torch.as_tensor(pipe(prompt, **call).audios)[0].float().cpu()
        return audio.reshape(-1, audio.shape[-1])

    def usage(self, **options: Any) -> str:
        r"""
        Code that calls the pipeline, for cards.

        Args:
            options: Arguments of its call.
        """
        options = {self.duration_argument: min(10.0, self.max_duration_s or 10.0), **options}
        told = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f'audio = pipe("rain falling", {told}).audios[0]'

    def with_parts(self, denoiser: torch.nn.Module, **parts: Any) -> Any:
        r"""The pipeline with another network, and other parts by their names."""
        return type(self.pipe)(**{**self.pipe.components, self.denoiser_name: denoiser, **parts})

    def network(self, denoiser: torch.nn.Module | None = None) -> "FamilyNetwork":
        r"""
        A network as loss and solver call it.

        Args:
            denoiser (`torch.nn.Module`, *optional*): The teacher's own by default.
        """
        return FamilyNetwork(self, self.denoiser if denoiser is None else denoiser)


class ScheduledTeacher(Teacher):
    r"""A pipeline on the path of its own scheduler, with the prediction that it takes; of mono sound."""

    @property
    def path(self) -> NoisePath:
        return NoisePath.from_scheduler(self.pipe.scheduler)

    @property
    def prediction_type(self) -> str:
        return prediction_type_of(self.pipe.scheduler)

    @property
    def num_channels(self) -> int:
        return 1


class StraightTeacher(Teacher):
    r"""
    A pipeline on the straight path, whose network predicts `noise - x_0`, or is made to here. By default it takes any
    flow-matching scheduler that counts time from 0 to 1.
    """

    prediction_type = "flow_prediction"
    # How its pipeline spaces the timesteps.
    shift: ClassVar[float] = 1.0

    @property
    def path(self) -> NoisePath:
        return NoisePath.straight(NUM_STRAIGHT_TIMESTEPS, self.shift)

    def student_scheduler(self, num_solver_timesteps: int) -> SchedulerMixin:
        # Fresh noise in each step, as in the multistep sampler of consistency models (arXiv:2303.01469, algorithm 1).
        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0, stochastic_sampling=True)


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
        self._predict, self.guide = teacher.predict, teacher.guide
        # What FSDP shards as one.
        self._no_split_modules = getattr(denoiser, "_no_split_modules", None)

    def __deepcopy__(self, memo: dict) -> "FamilyNetwork":
        # The pipeline is nobody's to copy.
        other = copy.copy(self)
        other._modules = {"denoiser": copy.deepcopy(self.denoiser, memo)}
        return other

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

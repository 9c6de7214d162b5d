# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
The scheduler's part of a call: which schedulers run, which steps they can be asked for, and what their methods take.

`SCHEDULERS` is the one list of what runs. A scheduler is on it if the latents that it makes with a network whose
answers are exact are those of the flow or the distribution that belongs to the network
(`tests/integration/test_schedulers.py`). All others of diffusers are made for another scale of noise (EDM, VE), tell
the network another time (inverse and cosine ones), predict something else, take arguments that no step here has, or
draw noise that no generator determines (`DPMSolverSDEScheduler`); most of them would make noise without an error.
"""

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from diffusers import FlowMapEulerDiscreteScheduler, SchedulerMixin

from ..paths import NoisePath, add_noise, shift_time
from .arguments import is_count, is_number


_VARIANCE_PRESERVING = ("epsilon", "sample", "v_prediction")
_NO_SAMPLE = ("epsilon", "v_prediction")
_FLOW = ("flow_prediction",)
_BOTH = _VARIANCE_PRESERVING + _FLOW

# What the networks predict that a scheduler can step. Subclasses count as the class that they are made from.
SCHEDULERS = {
    "DDIMParallelScheduler": _VARIANCE_PRESERVING,
    "DDIMScheduler": _VARIANCE_PRESERVING,
    "DDPMParallelScheduler": _VARIANCE_PRESERVING,
    "DDPMScheduler": _VARIANCE_PRESERVING,
    "DEISMultistepScheduler": _BOTH,
    "DPMSolverMultistepScheduler": _BOTH,
    "DPMSolverSinglestepScheduler": _BOTH,
    "EulerAncestralDiscreteScheduler": _NO_SAMPLE,
    "EulerDiscreteScheduler": _VARIANCE_PRESERVING,
    "FlowMapEulerDiscreteScheduler": _FLOW,
    "FlowMatchEulerDiscreteScheduler": _FLOW,
    "FlowMatchHeunDiscreteScheduler": _FLOW,
    "FlowMatchLCMScheduler": _FLOW,
    "HeunDiscreteScheduler": _VARIANCE_PRESERVING,
    "KDPM2AncestralDiscreteScheduler": _NO_SAMPLE,
    "KDPM2DiscreteScheduler": _NO_SAMPLE,
    "LCMAudioScheduler": _BOTH,
    "LCMScheduler": _VARIANCE_PRESERVING,
    "LMSDiscreteScheduler": _VARIANCE_PRESERVING,
    "PNDMScheduler": _NO_SAMPLE,
    "SASolverScheduler": _BOTH,
    "TCDScheduler": _VARIANCE_PRESERVING,
    "UniPCMultistepScheduler": _BOTH,
}

# Options with which a scheduler would tell the network a wrong time, or take its output for something else.
_REFUSED_OPTIONS = {
    "timestep_type": ("continuous",),
    "variance_type": ("learned", "learned_range"),
}

# Options of flow-matching schedulers alone: in the config of another, they tell what it was made from.
_FLOW_OPTIONS = ("invert_sigmas", "stochastic_sampling", "base_shift")


def _accepts(function: Callable, argument: str) -> bool:
    return argument in inspect.signature(function).parameters


def check_scheduler(scheduler: SchedulerMixin) -> NoisePath:
    r"""
    Refuse a scheduler that would not make what the network stands for.

    Args:
        scheduler (`SchedulerMixin`): Of the pipeline.

    Returns:
        [`NoisePath`]: The path that it walks.

    Raises:
        ValueError: Naming the scheduler, and what is accepted.
    """
    name = type(scheduler).__name__
    known = [cls.__name__ for cls in type(scheduler).__mro__ if cls.__name__ in SCHEDULERS]
    if not known:
        raise ValueError(f"Expected the scheduler to be one of {', '.join(SCHEDULERS)}, got {name}.")
    predictions, config = SCHEDULERS[known[0]], scheduler.config
    prediction_type = config.get("prediction_type", predictions[0])
    if prediction_type not in predictions:
        raise ValueError(
            f"{name} is for networks with a prediction_type of {' or '.join(map(repr, predictions))}, got "
            f"prediction_type={prediction_type!r} in its config."
        )
    for option, refused in _REFUSED_OPTIONS.items():
        if config.get(option) in refused:
            raise ValueError(f"{name} with {option}={config[option]!r} does not fit the networks of this pipeline.")
    # Upscales between steps, as no network of one resolution can follow.
    if config.get("scale_factors"):
        raise ValueError(f"Expected {name} to have no scale_factors, got {config['scale_factors']!r}.")
    path = NoisePath.from_scheduler(scheduler)
    if not path.is_straight:
        _check_not_made_from_flow(scheduler)
    return path


def check_intervals(scheduler: SchedulerMixin, is_told_intervals: bool) -> None:
    r"""
    Refuse to walk with a student of average velocities as if they were velocities.

    Args:
        scheduler (`SchedulerMixin`): Of the pipeline.
        is_told_intervals (`bool`): Whether its transformer has `time_cond_type="interval"`.

    Raises:
        ValueError: Naming the scheduler that is needed.
    """
    if is_told_intervals and not isinstance(scheduler, FlowMapEulerDiscreteScheduler):
        raise ValueError(
            "A student of average velocities (time_cond_type='interval') needs a FlowMapEulerDiscreteScheduler, got "
            f"{type(scheduler).__name__}."
        )


def interval_after(scheduler: FlowMapEulerDiscreteScheduler, timestep: torch.Tensor) -> float:
    r"""
    Share of noise by which a step goes on.

    Args:
        scheduler (`FlowMapEulerDiscreteScheduler`): In a run.
        timestep (`torch.Tensor` without dimensions): Of the step.
    """
    index = scheduler.index_for_timestep(timestep)
    return float(scheduler.sigmas[index] - scheduler.sigmas[index + 1])


def _check_not_made_from_flow(scheduler: SchedulerMixin) -> None:
    """`from_config` keeps what it does not know, and takes the default where the config names no prediction type."""
    config = scheduler.config
    made_from_flow = [option for option in _FLOW_OPTIONS if option in config]
    has_shift = "shift" in config and not _accepts(type(scheduler).__init__, "shift")
    if has_shift and "prediction_type" in config.get("_use_default_values", ()):
        made_from_flow.append("shift")
    if made_from_flow:
        raise ValueError(
            f"{type(scheduler).__name__} was made from the config of a flow-matching scheduler (it has "
            f"{made_from_flow[0]}={config[made_from_flow[0]]!r}), whose network predicts 'flow_prediction', and would "
            f"take this for {config['prediction_type']!r}. Use a FlowMatch scheduler, or a multistep one with "
            "use_flow_sigmas=True and prediction_type='flow_prediction'."
        )


def check_eta(scheduler: SchedulerMixin, eta: float | None) -> None:
    r"""Refuse an `eta` that is no share, or that the scheduler's steps do not take."""
    if eta is None:
        return
    if not is_number(eta) or not 0 <= eta <= 1:
        raise ValueError(f"Expected `eta` to be a number from 0 to 1, got {eta!r}.")
    if not _accepts(scheduler.step, "eta"):
        raise ValueError(f"{scheduler.__class__.__name__} has no `eta` in its steps, got {eta}.")


def check_steps(
    scheduler: SchedulerMixin,
    num_inference_steps: int,
    original_inference_steps: int | None,
    timesteps: Sequence[float] | None,
) -> None:
    r"""
    Refuse a scheduler, and steps that it cannot do. Arguments as in [`~AudioLCMPipeline.__call__`].

    Raises:
        ValueError: Quoting the value that does not fit and saying what does.
    """
    path = check_scheduler(scheduler)
    num_original_steps = _num_original_steps(scheduler, original_inference_steps)
    if timesteps is not None:
        _check_timesteps(scheduler, path, timesteps, num_original_steps)
    elif not is_count(num_inference_steps) or num_inference_steps > num_original_steps:
        raise ValueError(
            f"Expected `num_inference_steps` to be a whole number from 1 to {num_original_steps}, the original "
            f"steps, got {num_inference_steps!r}."
        )


def _num_original_steps(scheduler: SchedulerMixin, original_inference_steps: int | None) -> int:
    """The number of steps that those of a call are picked from."""
    num_train_timesteps = scheduler.config.num_train_timesteps
    knows_original_steps = _accepts(scheduler.set_timesteps, "original_inference_steps")
    if original_inference_steps is None:
        return scheduler.config.original_inference_steps if knows_original_steps else num_train_timesteps
    if not knows_original_steps:
        raise ValueError(
            f"{scheduler.__class__.__name__} has no `original_inference_steps`, got {original_inference_steps!r}."
        )
    if not is_count(original_inference_steps) or original_inference_steps > num_train_timesteps:
        raise ValueError(
            f"Expected `original_inference_steps` to be a whole number from 1 to {num_train_timesteps}, got "
            f"{original_inference_steps!r}."
        )
    return original_inference_steps


def _listed(values: Sequence[float]) -> Sequence[float]:
    return values.tolist() if isinstance(values, (torch.Tensor, np.ndarray)) else values


def _takes_shares(scheduler: SchedulerMixin, path: NoisePath) -> bool:
    """Whether custom times are given as shares of noise before the shift, `sigmas`, as flow schedulers take them."""
    return path.is_straight and _accepts(scheduler.set_timesteps, "sigmas")


def _check_timesteps(
    scheduler: SchedulerMixin, path: NoisePath, timesteps: Sequence[float], num_original_steps: int
) -> None:
    num_train_timesteps = scheduler.config.num_train_timesteps
    # With flow sigmas, the timesteps that a multistep scheduler takes are those of its other path.
    takes_timesteps = _accepts(scheduler.set_timesteps, "timesteps") and not scheduler.config.get("use_flow_sigmas")
    if not takes_timesteps and not _takes_shares(scheduler, path):
        raise ValueError(f"{scheduler.__class__.__name__} takes no custom `timesteps`, got {timesteps!r}.")
    values = _listed(timesteps)
    if not isinstance(values, Sequence) or len(values) == 0 or not all(is_number(t) for t in values):
        raise ValueError(f"Expected `timesteps` to be a list of at least one number, got {timesteps!r}.")
    if any(later >= earlier for earlier, later in pairwise(values)):
        raise ValueError(f"Expected `timesteps` to be descending, got {values}.")
    if path.is_straight and not 0 < values[-1] <= values[0] <= num_train_timesteps:
        raise ValueError(
            f"Expected `timesteps` of a flow above 0 and up to {num_train_timesteps}, pure noise, got {values}."
        )
    if not path.is_straight and not 0 <= values[-1] <= values[0] < num_train_timesteps:
        raise ValueError(f"Expected `timesteps` in 0…{num_train_timesteps - 1}, got {values}.")
    if len(values) > num_original_steps:
        raise ValueError(f"Expected at most {num_original_steps} `timesteps`, the original steps, got {len(values)}.")


def set_timesteps(
    scheduler: SchedulerMixin,
    num_inference_steps: int,
    original_inference_steps: int | None,
    timesteps: Sequence[float] | None,
    device: torch.device,
    strength: float = 1.0,
) -> torch.Tensor:
    r"""
    Begin a run of the scheduler, with steps that [`check_steps`] has passed.

    Args:
        strength (`float`, defaults to 1.0): Of a run that begins part-way, see [`check_strength`].

    Returns:
        `torch.Tensor` of shape `(num_timesteps,)`: What the network is told, once for each time that it runs: those of
        second order run twice a step.

    Raises:
        ValueError: If the scheduler would go through other timesteps than the given ones, or tell the network another
            time than it steps from.
    """
    path = NoisePath.from_scheduler(scheduler)
    values = None if timesteps is None else list(_listed(timesteps))
    kwargs = {}
    if original_inference_steps is not None:
        kwargs["original_inference_steps"] = original_inference_steps
    if values is None:
        kwargs["num_inference_steps"] = num_inference_steps
    elif _takes_shares(scheduler, path):
        # The scheduler shifts them, and here they are to arrive where they were asked for.
        kwargs["num_inference_steps"] = len(values)
        kwargs["sigmas"] = shift_time(np.array(values) / len(path), 1 / path.shift)
    else:
        kwargs["timesteps"] = values
    num_steps = num_inference_steps if values is None else len(values)
    first = 0
    if values is None and strength < 1 and _accepts(scheduler.set_timesteps, "strength"):
        # It counts in whole steps of the distillation, of which at least one is left.
        kwargs["strength"] = min(1.0, max(strength, 1.5 / _num_original_steps(scheduler, original_inference_steps)))
    elif strength < 1:
        # Those of second order have two timesteps a step, but for the last one.
        first = (num_steps - int(num_steps * strength)) * scheduler.order
    scheduler.set_timesteps(device=device, **kwargs)
    if hasattr(scheduler, "set_begin_index"):
        # Otherwise they look for the first timestep, and begin with the second step where rounding made two alike.
        scheduler.set_begin_index(first)
    if values is not None:
        _check_given(scheduler, path, values)
    if path.is_straight:
        _check_times(scheduler, len(path))
    return scheduler.timesteps[first:]


def check_strength(
    scheduler: SchedulerMixin,
    strength: float,
    num_inference_steps: int,
    original_inference_steps: int | None,
    timesteps: Sequence[float] | None,
) -> None:
    r"""
    Refuse a strength that is none, or that does not leave the steps which a call asks for.

    A consistency scheduler spreads its steps over the lowest `strength` of the distillation's timesteps, of which at
    least one is left. Others, and given timesteps, leave out the first ones, so that `int(num_inference_steps *
    strength)` are left. Other arguments as in [`~AudioLCMPipeline.__call__`].

    Raises:
        ValueError: Quoting the value and saying what is accepted.
    """
    if not is_number(strength) or not 0 < strength <= 1:
        raise ValueError(f"Expected `strength` to be above 0 and at most 1, got {strength!r}.")
    if strength < 1 and scheduler.config.get("skip_prk_steps") is False:
        raise ValueError(
            f"{type(scheduler).__name__} begins with Runge-Kutta steps, which cannot be left out: give it "
            f"skip_prk_steps=True for strength={strength}."
        )
    most = most_steps(scheduler, strength, original_inference_steps)
    num_steps, what = num_inference_steps, f"num_inference_steps={num_inference_steps}"
    if timesteps is not None:
        num_steps = len(_listed(timesteps))
        what = f"{num_steps} timesteps"
    if (timesteps is not None or most is None) and num_steps * strength < 1:
        raise ValueError(
            f"Expected a `strength` of at least {1 / num_steps:g}, which leaves one step of {what}, got {strength!r}."
        )
    if timesteps is None and most is not None and num_inference_steps > most:
        raise ValueError(
            f"Expected at most {most} `num_inference_steps`, which strength={strength} leaves of the "
            f"{_num_original_steps(scheduler, original_inference_steps)} original steps, got {num_inference_steps}."
        )


def most_steps(scheduler: SchedulerMixin, strength: float, original_inference_steps: int | None) -> int | None:
    r"""`int`, *optional*: Steps that a strength leaves to a scheduler which spreads them; `None` to others."""
    if not _accepts(scheduler.set_timesteps, "strength"):
        return None
    return max(1, int(_num_original_steps(scheduler, original_inference_steps) * strength))


def noised(
    scheduler: SchedulerMixin, latents: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor
) -> torch.Tensor:
    r"""
    Clean latents with the noise that a run has at one of its timesteps, at the scheduler's scale.

    Args:
        scheduler (`SchedulerMixin`): In a run, about to take the step from `timestep`.
        latents (`torch.Tensor` of shape `(batch_size, ...)`): Clean.
        noise (`torch.Tensor` of the same shape): Of variance 1.
        timestep (`torch.Tensor` without dimensions): An element of the run's timesteps.

    Returns:
        `torch.Tensor` of the shape of `latents`.
    """
    sigmas = getattr(scheduler, "sigmas", None)
    if NoisePath.from_scheduler(scheduler).is_straight and sigmas is not None:
        # Some of those that walk both paths add noise as on the other one.
        index = scheduler.step_index if scheduler.step_index is not None else scheduler.begin_index
        tau = sigmas[index].to(latents)
        return add_noise(latents, noise, 1 - tau, tau)
    return scheduler.add_noise(latents, noise, timestep.reshape(1).expand(len(latents)))


def _are_alike(timesteps: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether timesteps are the others, but for rounding: multistep schedulers cut the times of a flow to integers."""
    tolerance = 0.01 if timesteps.is_floating_point() else 1.01
    # On the CPU first: not every device has float64.
    timesteps, others = timesteps.cpu().double(), others.cpu().double()
    return timesteps.shape == others.shape and bool(((timesteps - others).abs() <= tolerance).all())


def _check_given(scheduler: SchedulerMixin, path: NoisePath, values: list[float]) -> None:
    timesteps = scheduler.timesteps.unique_consecutive()
    if not _are_alike(timesteps if path.is_straight else timesteps.float(), torch.tensor(values)):
        raise ValueError(
            f"{type(scheduler).__name__} does not take `timesteps` as they are with its options: it would go through "
            f"{timesteps.tolist()}, got {values}."
        )


def _check_times(scheduler: SchedulerMixin, num_train_timesteps: int) -> None:
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is not None and not _are_alike(scheduler.timesteps, sigmas[:-1] * num_train_timesteps):
        raise ValueError(
            f"With its options, {type(scheduler).__name__} would tell the network other times than those that it "
            f"steps from: {scheduler.timesteps[:3].tolist()}… and {sigmas[:3].tolist()}… of {num_train_timesteps}."
        )


def scale_model_input(scheduler: SchedulerMixin, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    r"""What the network sees of latents: those of flow-matching schedulers as they are."""
    if not hasattr(scheduler, "scale_model_input"):
        return latents
    return scheduler.scale_model_input(latents, timestep)


def init_noise_sigma(scheduler: SchedulerMixin) -> float | torch.Tensor:
    r"""Standard deviation of the noise that a run begins with: 1 for flow-matching schedulers."""
    return getattr(scheduler, "init_noise_sigma", 1.0)


def step_arguments(
    scheduler: SchedulerMixin, generator: torch.Generator | list[torch.Generator] | None, eta: float | None
) -> dict[str, Any]:
    r"""What the scheduler's `step` takes beside prediction, timestep and latents."""
    kwargs = {"return_dict": False}
    if _accepts(scheduler.step, "generator"):
        kwargs["generator"] = generator
    if eta is not None:
        kwargs["eta"] = eta
    return kwargs

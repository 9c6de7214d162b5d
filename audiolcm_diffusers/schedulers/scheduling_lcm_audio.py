# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Multistep consistency sampling for AudioLCM. The equations live in `consistency.py` and `paths.py`; here are the choice
of timesteps and the bookkeeping of a run.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_lcm import LCMSchedulerOutput
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils import logging
from diffusers.utils.torch_utils import randn_tensor

from ..consistency import (
    consistency_function,
    dynamic_threshold,
    inference_timesteps,
    mix_noise,
    path_scalings,
    solver_timesteps,
)
from ..paths import (
    NoisePath,
    add_noise,
    check_prediction_type,
    ddim_step,
    predicted_noise,
    predicted_original_sample,
    training_target,
)
from .noise_schedules import betas_of, zero_terminal_snr


logger = logging.get_logger(__name__)


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value) -> bool:
    return _is_number(value) and float(value).is_integer()


class LCMAudioScheduler(SchedulerMixin, ConfigMixin):
    r"""
    Multistep sampling of a latent consistency model (LCM, arXiv:2310.04378, algorithm 3), as published for AudioLCM
    (arXiv:2406.00356).

    Each step predicts the clean latents `f = c_skip * x_t + c_out * x0_hat` and noises them again to the next, lower
    timestep; the last step returns `f`. It takes every option of diffusers' [`LCMScheduler`] and computes the same
    numbers, with these differences: the noise schedule is computed in float64, half-precision samples are stepped in
    float32, the noise may be drawn by one generator a sample, given, or partly or wholly replaced by the model's own
    (`eta`), no step waits for the device, and a step compiles without graph breaks.

    With `prediction_type="flow_prediction"` it samples a student that was distilled from a flow model, on the straight
    path `x_t = (1 - tau) * x_0 + tau * noise` (see [`~paths.NoisePath`]). Timesteps are then
    `num_train_timesteps * tau`, as in diffusers' flow-matching schedulers, and the consistency function is
    `f = x_t - tau * model_output`. All options on betas and boundary scalings are without effect on this path.

    Args:
        num_train_timesteps (`int`, defaults to 1000):
            Number of steps of the diffusion process.
        beta_start (`float`, defaults to 0.00085):
            Variance of the first step.
        beta_end (`float`, defaults to 0.012):
            Variance of the last step.
        beta_schedule (`str`, defaults to `"scaled_linear"`):
            `"linear"`, `"scaled_linear"` (linear in the square root of the variance) or `"squaredcos_cap_v2"`.
        trained_betas (`np.ndarray` or `list[float]`, *optional*):
            The variances themselves, instead of the three options above.
        original_inference_steps (`int`, defaults to 50):
            Number of timesteps that the student was distilled on, of which inference takes some.
        clip_sample (`bool`, defaults to `False`):
            Clip `x0_hat` to `clip_sample_range`. Without effect where `thresholding` is set.
        clip_sample_range (`float`, defaults to 1.0):
            Greatest magnitude where `clip_sample` is set.
        set_alpha_to_one (`bool`, defaults to `True`):
            `final_alpha_cumprod` is 1, otherwise the first value of `alphas_cumprod`. No step of this scheduler ends
            at a noise level that needs it; kept, as the next option, so that configs pass between schedulers.
        steps_offset (`int`, defaults to 0):
            Not used: the timesteps are those of the distillation. Other schedulers read it from the config.
        prediction_type (`str`, defaults to `"epsilon"`):
            What the model predicts: `"epsilon"` (noise), `"sample"` (clean latents), `"v_prediction"`, or
            `"flow_prediction"` (noise minus clean latents, on the straight path).
        thresholding (`bool`, defaults to `False`):
            Apply dynamic thresholding to `x0_hat` (see [`~consistency.dynamic_threshold`]). Not meant for latents.
        dynamic_thresholding_ratio (`float`, defaults to 0.995):
            Quantile of the magnitudes where `thresholding` is set.
        sample_max_value (`float`, defaults to 1.0):
            Upper bound of the threshold where `thresholding` is set.
        timestep_spacing (`str`, defaults to `"leading"`):
            Not used, like `steps_offset`.
        timestep_scaling (`float`, defaults to 10.0):
            Factor on the timesteps in the boundary scalings (see [`~consistency.boundary_scalings`]).
        rescale_betas_zero_snr (`bool`, defaults to `False`):
            Rescale the variances so that the last timestep is pure noise. For `"sample"` and `"v_prediction"`: no
            clean latents can be told from predicted noise there.
        eta (`float`, defaults to 1.0):
            Share of fresh noise between two steps, in [0, 1]: 1 is the paper's sampler, 0 is deterministic and reuses
            the noise that the model predicts (see [`~consistency.mix_noise`]).
        timestep_power (`float`, defaults to 1.0):
            How steps are spaced (see [`~consistency.inference_timesteps`]): 1 is evenly, as published; below 1, all
            steps but the first begin with less noise.
        shift (`float`, defaults to 1.0):
            Of `"flow_prediction"`: the timesteps of the distillation are
            `tau = shift * u / (1 + (shift - 1) * u)`, `u = 1/N, ..., 1` with `N = original_inference_steps`.

    Raises:
        ValueError: If `prediction_type` or `beta_schedule` is unknown, `num_train_timesteps` is no positive whole
            number, `eta` is out of [0, 1], `timestep_power` or `shift` is not above 0, or an option belongs to the
            other noise path.
    """

    # Those that read this scheduler's config and need no package beyond diffusers' own.
    _compatibles = [
        "LCMScheduler",
        "TCDScheduler",
        "DDIMScheduler",
        "DDPMScheduler",
        "PNDMScheduler",
        "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "HeunDiscreteScheduler",
        "UniPCMultistepScheduler",
    ]
    order = 1

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        trained_betas: np.ndarray | list[float] | None = None,
        original_inference_steps: int = 50,
        clip_sample: bool = False,
        clip_sample_range: float = 1.0,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        prediction_type: str = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        timestep_spacing: str = "leading",
        timestep_scaling: float = 10.0,
        rescale_betas_zero_snr: bool = False,
        eta: float = 1.0,
        timestep_power: float = 1.0,
        shift: float = 1.0,
    ):
        check_prediction_type(prediction_type)
        if not _is_whole(num_train_timesteps) or num_train_timesteps < 1:
            raise ValueError(
                f"Expected num_train_timesteps to be a positive whole number, got {num_train_timesteps!r}."
            )
        self._check_eta(eta)
        if not 0 < timestep_power < math.inf:
            raise ValueError(f"Expected timestep_power to be a finite number above 0, got {timestep_power}.")

        if prediction_type == "flow_prediction":
            for name, value, default in (
                ("trained_betas", trained_betas, None),
                ("rescale_betas_zero_snr", rescale_betas_zero_snr, False),
            ):
                if value is not default:
                    raise ValueError(f"prediction_type='flow_prediction' has no betas: leave out {name}={value!r}.")
            self._path = NoisePath.straight(int(num_train_timesteps), shift)
        else:
            if shift != 1:
                raise ValueError(
                    f"shift={shift!r} belongs to prediction_type='flow_prediction', got {prediction_type!r}."
                )
            betas = betas_of(beta_schedule, beta_start, beta_end, num_train_timesteps, trained_betas)
            if rescale_betas_zero_snr:
                betas = zero_terminal_snr(betas)
            self.betas = betas.float()
            self.alphas = (1 - betas).float()
            self._path = NoisePath.variance_preserving((1 - betas).cumprod(0).float())
            self.final_alpha_cumprod = (
                torch.tensor(1.0, dtype=torch.float32, device="cpu") if set_alpha_to_one else self.alphas_cumprod[0]
            )
        self.init_noise_sigma = 1.0

        self.num_inference_steps = None
        self.timesteps = self._path.timesteps.flip(0)
        self._step_index = None
        self._begin_index = None

    @classmethod
    def from_config(cls, config=None, return_unused_kwargs=False, **kwargs):
        r"""
        As in diffusers. The config of a flow-matching scheduler makes a scheduler with
        `prediction_type="flow_prediction"` and its shift.
        """
        if isinstance(config, dict):
            if config.get("use_flow_sigmas", False):
                kwargs = {"prediction_type": "flow_prediction", "shift": config.get("flow_shift", 1.0), **kwargs}
            elif "shift" in config and "prediction_type" not in config:
                kwargs = {"prediction_type": "flow_prediction", **kwargs}
        return super().from_config(config, return_unused_kwargs, **kwargs)

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    @property
    def path(self) -> NoisePath:
        r"""[`~paths.NoisePath`]: How much data and noise a timestep holds."""
        return self._path

    @property
    def alphas_cumprod(self) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(num_train_timesteps,)`: Products of all `1 - beta`; flow models have none."""
        if self._path.alphas_cumprod is None:
            raise AttributeError("A scheduler with prediction_type='flow_prediction' has no alphas_cumprod.")
        return self._path.alphas_cumprod

    @alphas_cumprod.setter
    def alphas_cumprod(self, alphas_cumprod: torch.Tensor) -> None:
        self._path = NoisePath.variance_preserving(alphas_cumprod)

    @property
    def step_index(self) -> int | None:
        """
        Index into `timesteps` of the step to come; `None` before the first step of a run.
        """
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """
        Index into `timesteps` of the first step, where [`~LCMAudioScheduler.set_begin_index`] has set it.
        """
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """
        Say at which step a run begins, for when this cannot be told from the timestep given to the first step.

        Args:
            begin_index (`int`, defaults to 0):
                Index into `timesteps`.

        Raises:
            ValueError: If `begin_index` is no whole number of at least 0.
        """
        if not _is_whole(begin_index) or begin_index < 0:
            raise ValueError(f"Expected begin_index to be a whole number of at least 0, got {begin_index!r}.")
        self._begin_index = int(begin_index)

    def scale_model_input(self, sample: torch.Tensor, timestep: int | torch.Tensor | None = None) -> torch.Tensor:
        """
        What the model sees of a sample: the sample as it is. Other schedulers scale it.

        Args:
            sample (`torch.Tensor` of any shape):
                Noisy latents.
            timestep (`int` or `torch.Tensor`, *optional*):
                Makes no difference here.

        Returns:
            `torch.Tensor`: `sample`.
        """
        return sample

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[float] | None = None,
        strength: float = 1.0,
    ) -> None:
        r"""
        Choose the timesteps of a run, and begin a new one.

        Args:
            num_inference_steps (`int`, *optional*):
                Number of steps, spaced on the timesteps of the distillation (see [`~consistency.solver_timesteps`] and
                [`~consistency.inference_timesteps`]).
            device (`str` or `torch.device`, *optional*):
                Device for `timesteps`; the CPU by default.
            original_inference_steps (`int`, *optional*):
                Number of timesteps of the distillation. By default the config's.
            timesteps (`Sequence[int]` or `Sequence[float]`, *optional*):
                The timesteps themselves, descending, instead of `num_inference_steps`: whole numbers in
                `[0, num_train_timesteps)`, or for `"flow_prediction"` any numbers in `(0, num_train_timesteps]`.
            strength (`float`, defaults to 1.0):
                In (0, 1]; less than 1 starts part-way, for samples that have been noised to the first timestep only.
                `num_inference_steps` are then spread over the lowest `int(original_inference_steps * strength)`
                timesteps of the distillation; of given `timesteps`, the last `int(len(timesteps) * strength)` are
                kept.

        Raises:
            ValueError: If both or neither of `num_inference_steps` and `timesteps` are given, or any value is out of
                range.
        """
        num_train_timesteps = self.config.num_train_timesteps
        if (num_inference_steps is None) == (timesteps is None):
            raise ValueError(
                f"Expected either num_inference_steps or timesteps, got num_inference_steps={num_inference_steps}, "
                f"timesteps={timesteps}."
            )
        if not isinstance(strength, Real) or not 0 < strength <= 1:
            raise ValueError(f"Expected 0 < strength <= 1, got strength={strength!r}.")
        if original_inference_steps is None:
            original_inference_steps = self.config.original_inference_steps
        if not _is_whole(original_inference_steps) or not 1 <= original_inference_steps <= num_train_timesteps:
            raise ValueError(
                f"Expected original_inference_steps to be a whole number from 1 to {num_train_timesteps}, "
                f"num_train_timesteps, got original_inference_steps={original_inference_steps!r}."
            )
        if self.path.is_straight and num_train_timesteps % original_inference_steps:
            raise ValueError(
                f"Expected original_inference_steps to divide num_train_timesteps={num_train_timesteps}, so that the "
                f"first timestep is pure noise, got {original_inference_steps}."
            )
        grid = solver_timesteps(num_train_timesteps, int(original_inference_steps))

        if timesteps is None:
            indices = grid[: int(original_inference_steps * strength)]
            if not _is_whole(num_inference_steps) or not 1 <= num_inference_steps <= len(indices):
                raise ValueError(
                    f"Expected num_inference_steps to be a whole number from 1 to {len(indices)}, the number of "
                    f"original steps, got num_inference_steps={num_inference_steps!r} "
                    f"(original_inference_steps={original_inference_steps}, strength={strength})."
                )
            indices = inference_timesteps(indices, int(num_inference_steps), self.config.timestep_power)
            self._check_has_betas(indices.tolist())
            host_timesteps = self.path.timesteps.cpu()[indices]
        else:
            values = self._check_timesteps(timesteps)
            values = values[len(values) - int(len(values) * strength) :]
            if not values:
                raise ValueError(f"Expected timesteps to be left at strength={strength}, got timesteps={timesteps}.")
            self._check_has_betas(values)
            host_timesteps = torch.tensor(values, dtype=self.path.timesteps.dtype, device="cpu")
            distilled = set(self.path.timesteps.cpu()[grid[grid < len(self.path)]].tolist())
            unknown = [value for value, exact in zip(values, host_timesteps.tolist()) if exact not in distilled]
            if unknown:
                logger.warning(
                    f"The timesteps {unknown} are none of the {original_inference_steps} that a model distilled with "
                    f"original_inference_steps={original_inference_steps} has seen; results may be poor."
                )

        self.num_inference_steps = len(host_timesteps)
        self.timesteps = host_timesteps.to(device if device is not None else "cpu", copy=True)
        # A user may set `timesteps` anew; the elements of this tensor keep their places.
        self._timesteps_of_run = self.timesteps
        # Everything that a step needs to know, on the host: a tensor without dimensions on the CPU goes along with
        # samples on any device, as a number does, without a copy and without waiting.
        self._index_of_timestep = {timestep: index for index, timestep in enumerate(host_timesteps.tolist())}
        self._step_alphas, self._step_sigmas = self.path.to("cpu").at(host_timesteps)
        self._step_c_skip, self._step_c_out = path_scalings(self.path, host_timesteps, self.config.timestep_scaling)
        self._step_index = None
        self._begin_index = None
        if self._step_alphas[0] == 0 and self.config.prediction_type == "epsilon":
            logger.warning(
                f"alphas_cumprod is 0 at timestep {int(host_timesteps[0])}: samples are pure noise, and with "
                'prediction_type="epsilon" a step from there divides by zero.'
            )

    def _check_timesteps(self, timesteps: Sequence[float]) -> list[float]:
        if isinstance(timesteps, (torch.Tensor, np.ndarray)):
            timesteps = timesteps.tolist()
        is_straight, num_train_timesteps = self.path.is_straight, self.config.num_train_timesteps
        is_timestep, kind = (_is_number, "number") if is_straight else (_is_whole, "whole number")
        if not isinstance(timesteps, Sequence) or not timesteps or not all(is_timestep(t) for t in timesteps):
            raise ValueError(f"Expected timesteps to be a list of at least one {kind}, got {timesteps!r}.")
        values = [float(t) if is_straight else int(t) for t in timesteps]
        if any(later >= earlier for earlier, later in pairwise(values)):
            raise ValueError(f"Expected timesteps to be descending, got {values}.")
        if is_straight and not 0 < values[-1] <= values[0] <= num_train_timesteps:
            raise ValueError(f"Expected timesteps above 0 and up to {num_train_timesteps}, got {values}.")
        if not is_straight and not 0 <= values[-1] <= values[0] < num_train_timesteps:
            raise ValueError(f"Expected timesteps from 0 to {num_train_timesteps - 1}, got {values}.")
        return values

    def _check_has_betas(self, timesteps: list[int]) -> None:
        if not self.path.is_straight and timesteps[0] >= len(self.path):
            raise ValueError(
                f"Expected timesteps below {len(self.path)}, the number of trained_betas, got {timesteps}."
            )

    def _check_has_timesteps(self) -> None:
        if self.num_inference_steps is None:
            raise ValueError("Expected set_timesteps to be called first, got num_inference_steps=None.")

    @staticmethod
    def _check_eta(eta: float) -> None:
        if not 0 <= eta <= 1:
            raise ValueError(f"Expected 0 <= eta <= 1, got eta={eta}.")

    def index_for_timestep(self, timestep: int | float | torch.Tensor) -> int:
        """
        Position of a timestep in the current run.

        Args:
            timestep (`int`, `float` or `torch.Tensor` without dimensions):
                One of `timesteps`. Of a tensor on an accelerator the value is waited for.

        Returns:
            `int`: Index into `timesteps`.

        Raises:
            ValueError: If `timestep` is not one of `timesteps`.
        """
        self._check_has_timesteps()
        value = timestep.item() if isinstance(timestep, torch.Tensor) else timestep
        if value not in self._index_of_timestep:
            raise ValueError(f"Expected one of the timesteps {list(self._index_of_timestep)}, got timestep={value}.")
        return self._index_of_timestep[value]

    def previous_timestep(self, timestep: int | float | torch.Tensor) -> torch.Tensor:
        """
        The timestep at which a step arrives.

        Args:
            timestep (`int`, `float` or `torch.Tensor` without dimensions):
                One of `timesteps`.

        Returns:
            `torch.Tensor`: On the CPU, without dimensions; after the last step -1, or 0 for `"flow_prediction"`.

        Raises:
            ValueError: If `timestep` is not one of `timesteps`.
        """
        end = 0 if self.path.is_straight else -1
        following = [*self._index_of_timestep, end][self.index_for_timestep(timestep) + 1]
        return torch.tensor(following, dtype=self.path.timesteps.dtype, device="cpu")

    def _find_step(self, timestep: int | float | torch.Tensor) -> int:
        """
        The index of the step to take, without waiting for a device wherever that can be avoided.
        """
        if isinstance(timestep, torch.Tensor) and timestep.numel() != 1:
            raise ValueError(f"Expected one timestep for all samples, got shape {tuple(timestep.shape)}.")
        next_index = self._step_index if self._step_index is not None else self._begin_index
        if not isinstance(timestep, torch.Tensor):
            if torch.compiler.is_compiling() and next_index is not None:
                # A look-up by value would compile every step anew.
                return next_index
            return self.index_for_timestep(timestep)
        if torch.compiler.is_compiling():
            # A graph cannot depend on the value of a tensor.
            return next_index if next_index is not None else 0
        if timestep.untyped_storage().data_ptr() == self._timesteps_of_run.untyped_storage().data_ptr():
            # An element of `timesteps`, as in every sampling loop: its place in memory tells which, on any device.
            return timestep.storage_offset()
        if timestep.device.type == "cpu" or next_index is None:
            return self.index_for_timestep(timestep)
        return next_index

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | float | torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        variance_noise: torch.Tensor | None = None,
        return_dict: bool = True,
        eta: float | None = None,
    ) -> LCMSchedulerOutput | tuple[torch.Tensor, torch.Tensor]:
        r"""
        Predict the clean latents, and noise them to the next timestep (LCM, arXiv:2310.04378, algorithm 3).

        Args:
            model_output (`torch.Tensor` of shape `(batch_size, ...)`):
                What the model predicted from `sample`.
            timestep (`int`, `float` or `torch.Tensor` without dimensions):
                One of `timesteps`, in any order. A compiled step counts instead of reading tensors: from
                [`~LCMAudioScheduler.set_begin_index`], or from 0. So does a step whose timestep lies on an accelerator
                and is no element of `timesteps` itself; without a begin index the first of these is waited for.
            sample (`torch.Tensor` of shape `(batch_size, ...)`):
                Noisy latents at `timestep`.
            generator (`torch.Generator` or `list[torch.Generator]`, *optional*):
                Draws the fresh noise; a list has one for each sample. Unused in the last step, which has no noise.
                torch.compile takes no generators: give a compiled step the noise itself.
            variance_noise (`torch.Tensor` of shape `(batch_size, ...)`, *optional*):
                Standard normal noise to use instead of drawn one.
            return_dict (`bool`, defaults to `True`):
                Whether to return an output object or a plain tuple.
            eta (`float`, *optional*):
                Share of fresh noise, in [0, 1]. By default the config's.

        Returns:
            [`~schedulers.scheduling_lcm.LCMSchedulerOutput`] or `tuple[torch.Tensor, torch.Tensor]`: `prev_sample`,
            the latents at the next timestep, and `denoised`, the predicted clean latents; of the shape of `sample`.

        Raises:
            ValueError: If there are no timesteps yet, `timestep` is none of them or all steps are done; if shapes,
                the number of generators or `eta` do not fit; or if both `generator` and `variance_noise` are given.
        """
        self._check_has_timesteps()
        if model_output.shape != sample.shape:
            raise ValueError(
                f"Expected model_output of the shape of sample, {tuple(sample.shape)}, got "
                f"{tuple(model_output.shape)}."
            )
        if variance_noise is not None and variance_noise.shape != sample.shape:
            raise ValueError(
                f"Expected variance_noise of the shape of sample, {tuple(sample.shape)}, got "
                f"{tuple(variance_noise.shape)}."
            )
        if variance_noise is not None and generator is not None:
            raise ValueError("Expected either generator or variance_noise, got both.")
        if isinstance(generator, list) and len(generator) != sample.shape[0]:
            raise ValueError(
                f"Expected one generator for each of the {sample.shape[0]} samples, got {len(generator)} generators."
            )
        if eta is None:
            eta = self.config.eta
        self._check_eta(eta)
        index = self._find_step(timestep)
        if not 0 <= index < self.num_inference_steps:
            raise ValueError(
                f"Expected no more than {self.num_inference_steps} steps after set_timesteps, got a step at index "
                f"{index}."
            )

        dtype = torch.promote_types(sample.dtype, model_output.dtype)
        # At the first timesteps the prediction is divided by some 0.07: too much for half precision's rounding.
        precise = torch.promote_types(dtype, torch.float32)
        sample, model_output = sample.to(precise), model_output.to(precise)
        levels = self._step_alphas[index], self._step_sigmas[index]
        prediction_type = self.config.prediction_type

        x0_hat = predicted_original_sample(model_output, sample, *levels, prediction_type)
        if self.config.thresholding:
            x0_hat = dynamic_threshold(x0_hat, self.config.dynamic_thresholding_ratio, self.config.sample_max_value)
        elif self.config.clip_sample:
            x0_hat = x0_hat.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        denoised = consistency_function(sample, x0_hat, self._step_c_skip[index], self._step_c_out[index])

        if index == self.num_inference_steps - 1:
            prev_sample = denoised
        else:
            noise = variance_noise
            if noise is None and eta > 0:
                noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=torch.float32)
            if eta < 1:
                eps_hat = predicted_noise(model_output, sample, *levels, prediction_type)
                noise = eps_hat if eta == 0 else mix_noise(eps_hat, noise, eta)
            prev_levels = self._step_alphas[index + 1], self._step_sigmas[index + 1]
            prev_sample = ddim_step(denoised, noise.to(precise), *prev_levels)

        self._step_index = index + 1
        prev_sample, denoised = prev_sample.to(dtype), denoised.to(dtype)
        if not return_dict:
            return prev_sample, denoised
        return LCMSchedulerOutput(prev_sample=prev_sample, denoised=denoised)

    def _levels(self, timesteps: torch.Tensor, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # Training asks once a batch: the path moves to the device at the first time and stays there.
        self._path = self._path.to(samples.device)
        return self._path.at(timesteps.to(samples.device).flatten())

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """
        Sample on the noise path at given timesteps (see [`~paths.add_noise`]).

        Args:
            original_samples (`torch.Tensor` of shape `(batch_size, ...)`):
                Clean latents.
            noise (`torch.Tensor` of shape `(batch_size, ...)`):
                Standard normal noise.
            timesteps (`torch.Tensor` of shape `(batch_size,)` or `(1,)`):
                Whole numbers in `[0, num_train_timesteps)`, or for `"flow_prediction"` any numbers in
                `[0, num_train_timesteps]`.

        Returns:
            `torch.Tensor`: Of the shape of `original_samples`.
        """
        return add_noise(original_samples, noise, *self._levels(timesteps, original_samples))

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """
        What a v-prediction model, or on the straight path a flow model, ought to predict at given timesteps (see
        [`~paths.training_target`]).

        Args:
            sample (`torch.Tensor` of shape `(batch_size, ...)`):
                Clean latents.
            noise (`torch.Tensor` of shape `(batch_size, ...)`):
                The noise that was added to them.
            timesteps (`torch.Tensor` of shape `(batch_size,)` or `(1,)`):
                Whole numbers in `[0, num_train_timesteps)`, or for `"flow_prediction"` any numbers in
                `[0, num_train_timesteps]`.

        Returns:
            `torch.Tensor`: Of the shape of `sample`.
        """
        kind = "flow_prediction" if self.path.is_straight else "v_prediction"
        return training_target(sample, noise, *self._levels(timesteps, sample), kind)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Multistep consistency sampling for AudioLCM. The equations live in `consistency.py`; here are the noise schedule, the
choice of timesteps and the bookkeeping of a run.
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
    PREDICTION_TYPES,
    add_noise,
    boundary_scalings,
    consistency_function,
    ddim_step,
    dynamic_threshold,
    inference_timesteps,
    mix_noise,
    predicted_noise,
    predicted_original_sample,
    solver_timesteps,
    velocity,
)


logger = logging.get_logger(__name__)

BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")


def _is_whole(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer()


def _betas(beta_schedule: str, beta_start: float, beta_end: float, num_train_timesteps: int) -> torch.Tensor:
    """
    The variances of the diffusion process in float64 on the CPU, where the cumulative products are taken as well.
    """
    if beta_schedule == "linear":
        return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64, device="cpu")
    if beta_schedule == "scaled_linear":
        roots = torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps, dtype=torch.float64, device="cpu")
        return roots**2
    if beta_schedule == "squaredcos_cap_v2":
        # Nichol and Dhariwal, arXiv:2102.09672, eq. 17: alpha_bar falls like a squared cosine, beta stays below 0.999.
        steps = torch.arange(num_train_timesteps + 1, dtype=torch.float64, device="cpu") / num_train_timesteps
        alpha_bars = torch.cos((steps + 0.008) / 1.008 * (math.pi / 2)) ** 2
        return (1 - alpha_bars[1:] / alpha_bars[:-1]).clamp(max=0.999)
    raise ValueError(f"Expected beta_schedule to be one of {BETA_SCHEDULES}, got {beta_schedule!r}.")


def _zero_terminal_snr(betas: torch.Tensor) -> torch.Tensor:
    """
    Shift and scale `sqrt(alpha_bar)` so that it keeps its first value and ends in 0 (Lin et al., arXiv:2305.08891,
    algorithm 1).
    """
    roots = (1 - betas).cumprod(0) ** 0.5
    first, last = roots[0], roots[-1]
    alpha_bars = ((roots - last) * first / (first - last)) ** 2
    alphas = torch.cat([alpha_bars[:1], alpha_bars[1:] / alpha_bars[:-1]])
    return 1 - alphas


class LCMAudioScheduler(SchedulerMixin, ConfigMixin):
    r"""
    Multistep sampling of a latent consistency model (LCM, arXiv:2310.04378, algorithm 3), as published for AudioLCM
    (arXiv:2406.00356).

    Each step predicts the clean latents `f = c_skip * x_t + c_out * x0_hat` and noises them again to the next, lower
    timestep; the last step returns `f`. It takes every option of diffusers' [`LCMScheduler`] and computes the same
    numbers, with these differences: the noise schedule is computed in float64, half-precision samples are stepped in
    float32, the noise may be drawn by one generator a sample, given, or partly or wholly replaced by the model's own
    (`eta`), no step waits for the device, and a step compiles without graph breaks.

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
            What the model predicts: `"epsilon"` (noise), `"sample"` (clean latents) or `"v_prediction"`.
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

    Raises:
        ValueError: If `prediction_type` or `beta_schedule` is unknown, `num_train_timesteps` is no positive whole
            number, `eta` is out of [0, 1], or `timestep_power` is not above 0.
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
    ):
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"Expected prediction_type to be one of {PREDICTION_TYPES}, got {prediction_type!r}.")
        if not _is_whole(num_train_timesteps) or num_train_timesteps < 1:
            raise ValueError(
                f"Expected num_train_timesteps to be a positive whole number, got {num_train_timesteps!r}."
            )
        self._check_eta(eta)
        if not 0 < timestep_power < math.inf:
            raise ValueError(f"Expected timestep_power to be a finite number above 0, got {timestep_power}.")

        if trained_betas is not None:
            betas = torch.as_tensor(trained_betas, dtype=torch.float64, device="cpu")
            if betas.ndim != 1 or len(betas) == 0:
                raise ValueError(f"Expected trained_betas to be a list of numbers, got shape {tuple(betas.shape)}.")
        else:
            betas = _betas(beta_schedule, beta_start, beta_end, num_train_timesteps)
        if rescale_betas_zero_snr:
            betas = _zero_terminal_snr(betas)
        self.betas = betas.float()
        self.alphas = (1 - betas).float()
        self.alphas_cumprod = (1 - betas).cumprod(0).float()
        self.final_alpha_cumprod = (
            torch.tensor(1.0, dtype=torch.float32, device="cpu") if set_alpha_to_one else self.alphas_cumprod[0]
        )
        self.init_noise_sigma = 1.0

        self.num_inference_steps = None
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1, device="cpu")
        self._step_index = None
        self._begin_index = None

    def __len__(self) -> int:
        return self.config.num_train_timesteps

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
        timesteps: Sequence[int] | None = None,
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
            timesteps (`Sequence[int]`, *optional*):
                The timesteps themselves, descending, in `[0, num_train_timesteps)`, instead of `num_inference_steps`.
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
        grid = solver_timesteps(num_train_timesteps, int(original_inference_steps))

        if timesteps is None:
            grid = grid[: int(original_inference_steps * strength)]
            if not _is_whole(num_inference_steps) or not 1 <= num_inference_steps <= len(grid):
                raise ValueError(
                    f"Expected num_inference_steps to be a whole number from 1 to {len(grid)}, the number of original "
                    f"steps, got num_inference_steps={num_inference_steps!r} "
                    f"(original_inference_steps={original_inference_steps}, strength={strength})."
                )
            values = inference_timesteps(grid, int(num_inference_steps), self.config.timestep_power).tolist()
        else:
            values = self._check_timesteps(timesteps)
            values = values[len(values) - int(len(values) * strength) :]
            if not values:
                raise ValueError(f"Expected timesteps to be left at strength={strength}, got timesteps={timesteps}.")
            unknown = sorted(set(values) - set(grid.tolist()), reverse=True)
            if unknown:
                logger.warning(
                    f"The timesteps {unknown} are none of the {original_inference_steps} that a model distilled with "
                    f"original_inference_steps={original_inference_steps} has seen; results may be poor."
                )
        if values[0] >= len(self.alphas_cumprod):
            raise ValueError(
                f"Expected timesteps below {len(self.alphas_cumprod)}, the number of trained_betas, got {values}."
            )

        host_timesteps = torch.tensor(values, dtype=torch.int64, device="cpu")
        self.num_inference_steps = len(values)
        self.timesteps = host_timesteps.to(device if device is not None else "cpu", copy=True)
        # A user may set `timesteps` anew; the elements of this tensor keep their places.
        self._timesteps_of_run = self.timesteps
        # Everything that a step needs to know, on the host: a tensor without dimensions on the CPU goes along with
        # samples on any device, as a number does, without a copy and without waiting.
        self._index_of_timestep = {timestep: index for index, timestep in enumerate(values)}
        self._step_alphas_cumprod = self.alphas_cumprod.cpu()[host_timesteps]
        self._step_c_skip, self._step_c_out = boundary_scalings(host_timesteps, self.config.timestep_scaling)
        self._step_index = None
        self._begin_index = None
        if self._step_alphas_cumprod[0] == 0 and self.config.prediction_type == "epsilon":
            logger.warning(
                f"alphas_cumprod is 0 at timestep {values[0]}: samples are pure noise, and with "
                'prediction_type="epsilon" a step from there divides by zero.'
            )

    def _check_timesteps(self, timesteps: Sequence[int]) -> list[int]:
        if isinstance(timesteps, (torch.Tensor, np.ndarray)):
            timesteps = timesteps.tolist()
        if not isinstance(timesteps, Sequence) or not timesteps or not all(_is_whole(t) for t in timesteps):
            raise ValueError(f"Expected timesteps to be a list of at least one whole number, got {timesteps!r}.")
        values = [int(t) for t in timesteps]
        if any(later >= earlier for earlier, later in pairwise(values)):
            raise ValueError(f"Expected timesteps to be descending, got {values}.")
        if not 0 <= values[-1] <= values[0] < self.config.num_train_timesteps:
            raise ValueError(f"Expected timesteps from 0 to {self.config.num_train_timesteps - 1}, got {values}.")
        return values

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
            `torch.Tensor`: int64 on the CPU, without dimensions; -1 after the last step.

        Raises:
            ValueError: If `timestep` is not one of `timesteps`.
        """
        following = [*self._index_of_timestep, -1][self.index_for_timestep(timestep) + 1]
        return torch.tensor(following, dtype=torch.int64, device="cpu")

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
        alpha_prod_t = self._step_alphas_cumprod[index]
        prediction_type = self.config.prediction_type

        x0_hat = predicted_original_sample(model_output, sample, alpha_prod_t, prediction_type)
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
                noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=dtype)
            if eta < 1:
                eps_hat = predicted_noise(model_output, sample, alpha_prod_t, prediction_type)
                noise = eps_hat if eta == 0 else mix_noise(eps_hat, noise, eta)
            prev_sample = ddim_step(denoised, noise.to(precise), self._step_alphas_cumprod[index + 1])

        self._step_index = index + 1
        prev_sample, denoised = prev_sample.to(dtype), denoised.to(dtype)
        if not return_dict:
            return prev_sample, denoised
        return LCMSchedulerOutput(prev_sample=prev_sample, denoised=denoised)

    def _alpha_prod(self, timesteps: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
        # Training asks once a batch: the table moves to the device at the first time and stays there.
        self.alphas_cumprod = self.alphas_cumprod.to(samples.device)
        return self.alphas_cumprod[timesteps.to(samples.device).flatten()]

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """
        Sample of the diffusion process at given timesteps (see [`~consistency.add_noise`]).

        Args:
            original_samples (`torch.Tensor` of shape `(batch_size, ...)`):
                Clean latents.
            noise (`torch.Tensor` of shape `(batch_size, ...)`):
                Standard normal noise.
            timesteps (`torch.Tensor` of shape `(batch_size,)` or `(1,)`):
                Integer timesteps in `[0, num_train_timesteps)`.

        Returns:
            `torch.Tensor`: Of the shape of `original_samples`.
        """
        return add_noise(original_samples, noise, self._alpha_prod(timesteps, original_samples))

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """
        What a v-prediction model ought to predict at given timesteps (see [`~consistency.velocity`]).

        Args:
            sample (`torch.Tensor` of shape `(batch_size, ...)`):
                Clean latents.
            noise (`torch.Tensor` of shape `(batch_size, ...)`):
                The noise that was added to them.
            timesteps (`torch.Tensor` of shape `(batch_size,)` or `(1,)`):
                Integer timesteps in `[0, num_train_timesteps)`.

        Returns:
            `torch.Tensor`: Of the shape of `sample`.
        """
        return velocity(sample, noise, self._alpha_prod(timesteps, sample))

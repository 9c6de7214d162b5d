# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Noise paths: `x_t = alpha_t * x_0 + sigma_t * noise`, and all that follows from the two numbers.

A [`NoisePath`] knows which two numbers belong to a timestep, and which timesteps there are. The functions below it are
given the numbers, and do not know the path. Nothing here draws random numbers, moves data between devices, waits for a
device, or needs float64 on a device.

Wherever a function takes `alpha_t` or `sigma_t`, this may be a number, a tensor without dimensions, or a tensor of
shape `(batch_size,)`, which is aligned with the *first* dimension of the samples.

Sources:
    - DDPM: Ho et al., "Denoising Diffusion Probabilistic Models", arXiv:2006.11239.
    - DDIM: Song et al., "Denoising Diffusion Implicit Models", arXiv:2010.02502.
    - Progressive distillation: Salimans and Ho, arXiv:2202.00512 (v-prediction).
    - DPM-Solver++: Lu et al., arXiv:2211.01095.
    - Flow matching on a straight path: Lipman et al., arXiv:2210.02747; Liu et al., arXiv:2209.03003.
    - Shift: Esser et al., "Scaling Rectified Flow Transformers", arXiv:2403.03206, eq. 23.
    - Min-SNR: Hang et al., arXiv:2303.09556.
"""

import math
from dataclasses import dataclass

import torch


PREDICTION_TYPES = ("epsilon", "sample", "v_prediction", "flow_prediction")


def align(values: float | torch.Tensor, samples: torch.Tensor) -> float | torch.Tensor:
    r"""
    Append dimensions of size one to a batch of values, so that they broadcast against samples from the left.

    Args:
        values (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`): One value, or one a sample.
        samples (`torch.Tensor` of shape `(batch_size, ...)`): What they are to be multiplied with.

    Returns:
        `float` or `torch.Tensor`: What is no batch of values is returned as it is.
    """
    if not isinstance(values, torch.Tensor) or values.ndim in (0, samples.ndim):
        return values
    return values.reshape(values.shape + (1,) * (samples.ndim - values.ndim))


def check_prediction_type(prediction_type: str) -> None:
    r"""
    Refuse what is no prediction type.

    Raises:
        ValueError: If `prediction_type` is none of `PREDICTION_TYPES`.
    """
    if prediction_type not in PREDICTION_TYPES:
        raise ValueError(f"Expected prediction_type to be one of {PREDICTION_TYPES}, got {prediction_type!r}.")


def shift_time(tau: float | torch.Tensor, shift: float) -> float | torch.Tensor:
    r"""
    Move times on the straight path towards noise: `shift * tau / (1 + (shift - 1) * tau)` (arXiv:2403.03206, eq. 23).

    The inverse is the shift of `1 / shift`.

    Args:
        tau (`float` or `torch.Tensor` of any shape): In [0, 1], from data to noise.
        shift (`float`): Positive; 1 changes nothing, more leaves more of the way to much noise.

    Returns:
        `float` or `torch.Tensor`: In [0, 1]; 0 and 1 stay where they are.

    Raises:
        ValueError: If `shift` is no positive finite number.
    """
    if isinstance(shift, bool) or not isinstance(shift, (int, float)) or not 0 < shift < math.inf:
        raise ValueError(f"Expected shift to be a positive finite number, got {shift!r}.")
    return shift * tau / (1 + (shift - 1) * tau)


def variance_preserving(alpha_prod_t: float | torch.Tensor) -> tuple[float | torch.Tensor, float | torch.Tensor]:
    r"""
    The two numbers of a variance-preserving path: `sqrt(alpha_prod_t)` and `sqrt(1 - alpha_prod_t)`
    (DDPM, arXiv:2006.11239, eq. 4).

    Args:
        alpha_prod_t (`float` or `torch.Tensor` of any shape): Cumulative product of `1 - beta` at `t`, in [0, 1].

    Returns:
        `tuple`: `alpha_t` and `sigma_t`, of the type and shape of `alpha_prod_t`.
    """
    return alpha_prod_t**0.5, (1 - alpha_prod_t) ** 0.5


@dataclass(frozen=True)
class NoisePath:
    r"""
    Which timesteps there are, and how much data and noise each holds.

    A timestep is what a network is told. On the variance-preserving path it is an index of the noise schedule, on the
    straight one the share of noise `tau` times the number of training timesteps, as in diffusers' flow-matching
    schedulers. Made by [`~NoisePath.variance_preserving`], [`~NoisePath.straight`] or [`~NoisePath.from_scheduler`].

    Args:
        timesteps (`torch.Tensor` of shape `(num_train_timesteps,)`):
            What networks are trained on, ascending: `0, 1, ...`, or on the straight path
            `num_train_timesteps * shift_time(i / num_train_timesteps, shift)`, `i = 1, 2, ...`.
        alphas_cumprod (`torch.Tensor` of shape `(num_train_timesteps,)`, *optional*):
            Cumulative products of `1 - beta`; `None` on the straight path.
        shift (`float`, defaults to 1.0):
            How the timesteps of the straight path are spaced, see [`shift_time`].
    """

    timesteps: torch.Tensor
    alphas_cumprod: torch.Tensor | None = None
    shift: float = 1.0

    @classmethod
    def variance_preserving(cls, alphas_cumprod: torch.Tensor) -> "NoisePath":
        r"""
        The path of a noise schedule: `alpha_t^2 = alphas_cumprod[t]`, `sigma_t^2 = 1 - alphas_cumprod[t]`.

        Args:
            alphas_cumprod (`torch.Tensor` of shape `(num_train_timesteps,)`): In [0, 1], descending.
        """
        return cls(torch.arange(len(alphas_cumprod), device=alphas_cumprod.device), alphas_cumprod)

    @classmethod
    def straight(
        cls, num_train_timesteps: int = 1000, shift: float = 1.0, device: torch.device | None = None
    ) -> "NoisePath":
        r"""
        The path of flow matching: `alpha_t = 1 - tau`, `sigma_t = tau`, with `tau = t / num_train_timesteps`.

        Args:
            num_train_timesteps (`int`, defaults to 1000): Number of training timesteps.
            shift (`float`, defaults to 1.0): How they are spaced, see [`shift_time`].
            device (`torch.device`, *optional*): Where the timesteps lie; the CPU by default.

        Raises:
            ValueError: If `shift` is no positive finite number.
        """
        # Rounded once: what training and sampling tell a network has to be the same to the last bit.
        tau = torch.arange(1, num_train_timesteps + 1, dtype=torch.float64, device="cpu") / num_train_timesteps
        timesteps = (num_train_timesteps * shift_time(tau, shift)).float()
        return cls(timesteps.to(device if device is not None else "cpu"), shift=shift)

    @classmethod
    def from_scheduler(cls, scheduler) -> "NoisePath":
        r"""
        The path on which a scheduler of diffusers, or one of ours, walks.

        Args:
            scheduler (`SchedulerMixin`):
                One with `alphas_cumprod`; a flow-matching one (`FlowMatchEulerDiscreteScheduler` and its kind, or one
                with `use_flow_sigmas=True`); or [`LCMAudioScheduler`].

        Raises:
            ValueError:
                If its path is neither of the two, changes with the length of the sound (`use_dynamic_shifting`), runs
                from noise to data (`invert_sigmas`), or does not fit what its `prediction_type` says.
        """
        name, config = type(scheduler).__name__, scheduler.config
        prediction_type = config.get("prediction_type")
        alphas_cumprod = getattr(scheduler, "alphas_cumprod", None)
        # Flow-matching schedulers keep, but do not read, what they were made from.
        uses_flow_sigmas = alphas_cumprod is not None and config.get("use_flow_sigmas", False)
        for option in ("use_dynamic_shifting", "invert_sigmas"):
            if config.get(option, False):
                raise ValueError(f"Expected a scheduler with {option}=False, got a {name} with {option}=True.")
        if alphas_cumprod is not None and not uses_flow_sigmas:
            if prediction_type == "flow_prediction":
                raise ValueError(
                    f"Expected a {name} with prediction_type='flow_prediction' to have use_flow_sigmas=True, got "
                    f"{uses_flow_sigmas}."
                )
            return cls.variance_preserving(alphas_cumprod)
        # `set_shift` of diffusers' schedulers leaves the config as it was.
        shift = config.get("flow_shift") if uses_flow_sigmas else vars(scheduler).get("_shift", config.get("shift"))
        if shift is None or "num_train_timesteps" not in config:
            raise ValueError(
                f"Expected a scheduler with `alphas_cumprod` or one for flow matching, with `shift` or "
                f"`use_flow_sigmas`, got a {name}."
            )
        # `from_config` leaves in a config what other schedulers read from it, and drops their defaults.
        if prediction_type is None and any(key.startswith("beta_") for key in config):
            prediction_type = "epsilon"
        if prediction_type not in (None, "flow_prediction"):
            raise ValueError(
                f"Expected prediction_type='flow_prediction' on the path of {name}, got {prediction_type!r}: a "
                "network trained on a variance-preserving path cannot walk on a straight one."
            )
        return cls.straight(config["num_train_timesteps"], shift)

    @property
    def is_straight(self) -> bool:
        r"""`bool`: Whether this is the path of flow matching."""
        return self.alphas_cumprod is None

    def __len__(self) -> int:
        return len(self.timesteps)

    def to(self, device: torch.device | str | None) -> "NoisePath":
        r"""The same path, with its tensors on a device."""
        alphas_cumprod = None if self.alphas_cumprod is None else self.alphas_cumprod.to(device)
        return NoisePath(self.timesteps.to(device), alphas_cumprod, self.shift)

    def at(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        r"""
        How much data and noise there is at given timesteps.

        Args:
            timesteps (`torch.Tensor` of any shape):
                Indices of the noise schedule, whole numbers in `[0, num_train_timesteps)`; on the straight path any
                numbers in `[0, num_train_timesteps]`, where 0 is clean data.

        Returns:
            `tuple[torch.Tensor, torch.Tensor]`: `alpha_t` and `sigma_t`, float32, of the shape of `timesteps`.
        """
        if self.alphas_cumprod is not None:
            return variance_preserving(self.alphas_cumprod[timesteps])
        tau = timesteps.float() / len(self)
        return 1 - tau, tau

    def spread(self, number: int) -> torch.Tensor:
        r"""
        Some timesteps, evenly spaced up to the noisiest, on the straight path before the shift:
        `shift_time(i / number, shift)`, `i = 1, 2, …`.

        Args:
            number (`int`): How many; on the variance-preserving path a divisor of the timesteps there are.

        Returns:
            `torch.Tensor` of shape `(number,)`: Ascending.

        Raises:
            ValueError: If there are fewer, or `number` is no such divisor: the noisiest timesteps would then be left
                out.
        """
        if not 1 <= number <= len(self) or (not self.is_straight and len(self) % number):
            wanted = f"to be from 1 to {len(self)}" if self.is_straight else f"to divide {len(self)}"
            raise ValueError(f"Expected a number of timesteps {wanted}, got {number}.")
        if not self.is_straight:
            return self.timesteps[len(self) // number - 1 :: len(self) // number]
        tau = torch.arange(1, number + 1, dtype=torch.float64) / number
        return (len(self) * shift_time(tau, self.shift)).float().to(self.timesteps.device)

    def walk(self, timesteps: torch.Tensor, timesteps_prev: torch.Tensor, num_steps: int) -> list[torch.Tensor]:
        r"""
        Timesteps on the way from one to another: evenly spaced, on the straight path before the shift.

        Args:
            timesteps, timesteps_prev (`torch.Tensor` of one shape): From where to where, towards data.
            num_steps (`int`): Number of steps, at least 1.

        Returns:
            `list[torch.Tensor]`: `num_steps` of them, without `timesteps` and with `timesteps_prev` as the last; on
            the variance-preserving path whole numbers.
        """
        if self.alphas_cumprod is not None:
            way = timesteps - timesteps_prev
            return [timesteps - way * step // num_steps for step in range(1, num_steps + 1)]
        start, end = (shift_time(ends / len(self), 1 / self.shift) for ends in (timesteps, timesteps_prev))
        between = [
            shift_time(start + (end - start) * (step / num_steps), self.shift) * len(self)
            for step in range(1, num_steps)
        ]
        return [*between, timesteps_prev]


def prediction_type_of(scheduler) -> str:
    r"""
    What a network must predict to be sampled with a scheduler of diffusers, or one of ours.

    Args:
        scheduler (`SchedulerMixin`): See [`~NoisePath.from_scheduler`].

    Returns:
        `str`: One of `PREDICTION_TYPES`. Flow-matching schedulers have no option that names it: `"flow_prediction"`.

    Raises:
        ValueError: As [`~NoisePath.from_scheduler`], or if the prediction type is unknown.
    """
    prediction_type = scheduler.config.get("prediction_type")
    if NoisePath.from_scheduler(scheduler).is_straight:
        prediction_type = "flow_prediction"
    check_prediction_type(prediction_type)
    return prediction_type


def add_noise(
    original_samples: torch.Tensor,
    noise: torch.Tensor,
    alpha_t: float | torch.Tensor,
    sigma_t: float | torch.Tensor,
) -> torch.Tensor:
    r"""
    Sample on the path: `alpha_t * x_0 + sigma_t * noise`.

    Args:
        original_samples (`torch.Tensor` of shape `(batch_size, ...)`):
            Clean latents.
        noise (`torch.Tensor` of shape `(batch_size, ...)`):
            Standard normal noise.
        alpha_t, sigma_t (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            From [`~NoisePath.at`].

    Returns:
        `torch.Tensor`: Of the shape of `original_samples`.
    """
    output = align(alpha_t, original_samples) * original_samples + align(sigma_t, original_samples) * noise
    return output.to(torch.promote_types(original_samples.dtype, noise.dtype))


def training_target(
    original_samples: torch.Tensor,
    noise: torch.Tensor,
    alpha_t: float | torch.Tensor,
    sigma_t: float | torch.Tensor,
    prediction_type: str,
) -> torch.Tensor:
    r"""
    What a network is trained to put out for `x_t`.

    | prediction_type | target |
    |---|---|
    | `epsilon` | `noise` |
    | `sample` | `x_0` |
    | `v_prediction` | `alpha_t * noise - sigma_t * x_0` (arXiv:2202.00512, appendix D) |
    | `flow_prediction` | `noise - x_0` (arXiv:2209.03003, with time from data to noise as in diffusers) |

    Args:
        original_samples, noise (`torch.Tensor` of shape `(batch_size, ...)`): Clean latents, and the noise in `x_t`.
        alpha_t, sigma_t (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            From [`~NoisePath.at`].
        prediction_type (`str`): One of `PREDICTION_TYPES`.

    Returns:
        `torch.Tensor`: Of the shape of `original_samples`.

    Raises:
        ValueError: If `prediction_type` is unknown.
    """
    check_prediction_type(prediction_type)
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return original_samples
    if prediction_type == "flow_prediction":
        output = noise - original_samples
    else:
        output = align(alpha_t, original_samples) * noise - align(sigma_t, original_samples) * original_samples
    return output.to(torch.promote_types(original_samples.dtype, noise.dtype))


def _norm(alpha_t: float | torch.Tensor, sigma_t: float | torch.Tensor) -> float | torch.Tensor:
    """
    `alpha_t^2 + sigma_t^2`, which is one on the variance-preserving path: there exactly one, whatever rounding says.
    """
    norm = alpha_t**2 + sigma_t**2
    if not isinstance(norm, torch.Tensor):
        return 1.0 if abs(norm - 1) < 1e-6 else norm
    return norm.where((norm - 1).abs() >= 1e-6, torch.ones_like(norm))


def predicted_original_sample(
    model_output: torch.Tensor,
    sample: torch.Tensor,
    alpha_t: float | torch.Tensor,
    sigma_t: float | torch.Tensor,
    prediction_type: str,
) -> torch.Tensor:
    r"""
    Clean latents `x0_hat` that a network's output implies.

    | prediction_type | `x0_hat` |
    |---|---|
    | `epsilon` | `(x_t - sigma_t * model_output) / alpha_t` |
    | `sample` | `model_output` |
    | `v_prediction` | `(alpha_t * x_t - sigma_t * model_output) / (alpha_t^2 + sigma_t^2)` |
    | `flow_prediction` | `(x_t - sigma_t * model_output) / (alpha_t + sigma_t)` |

    The divisor of `v_prediction` is 1 on the variance-preserving path, that of `flow_prediction` on the straight one.

    Args:
        model_output (`torch.Tensor` of shape `(batch_size, ...)`):
            What the network predicted.
        sample (`torch.Tensor` of shape `(batch_size, ...)`):
            The noisy latents `x_t` that it saw.
        alpha_t, sigma_t (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            From [`~NoisePath.at`]; `alpha_t` above 0 for `epsilon`.
        prediction_type (`str`):
            One of `PREDICTION_TYPES`.

    Returns:
        `torch.Tensor`: Of the shape of `sample`.

    Raises:
        ValueError: If `prediction_type` is unknown.
    """
    check_prediction_type(prediction_type)
    if prediction_type == "sample":
        return model_output
    alpha_t, sigma_t = align(alpha_t, sample), align(sigma_t, sample)
    if prediction_type == "epsilon":
        output = (sample - sigma_t * model_output) / alpha_t
    elif prediction_type == "v_prediction":
        output = (alpha_t * sample - sigma_t * model_output) / _norm(alpha_t, sigma_t)
    else:
        output = (sample - sigma_t * model_output) / (alpha_t + sigma_t)
    return output.to(torch.promote_types(sample.dtype, model_output.dtype))


def predicted_noise(
    model_output: torch.Tensor,
    sample: torch.Tensor,
    alpha_t: float | torch.Tensor,
    sigma_t: float | torch.Tensor,
    prediction_type: str,
) -> torch.Tensor:
    r"""
    Noise `eps_hat` that a network's output implies.

    | prediction_type | `eps_hat` |
    |---|---|
    | `epsilon` | `model_output` |
    | `sample` | `(x_t - alpha_t * model_output) / sigma_t` |
    | `v_prediction` | `(alpha_t * model_output + sigma_t * x_t) / (alpha_t^2 + sigma_t^2)` |
    | `flow_prediction` | `(x_t + alpha_t * model_output) / (alpha_t + sigma_t)` |

    Args:
        model_output (`torch.Tensor` of shape `(batch_size, ...)`):
            What the network predicted.
        sample (`torch.Tensor` of shape `(batch_size, ...)`):
            The noisy latents `x_t` that it saw.
        alpha_t, sigma_t (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            From [`~NoisePath.at`]; `sigma_t` above 0 for `sample`.
        prediction_type (`str`):
            One of `PREDICTION_TYPES`.

    Returns:
        `torch.Tensor`: Of the shape of `sample`.

    Raises:
        ValueError: If `prediction_type` is unknown.
    """
    check_prediction_type(prediction_type)
    if prediction_type == "epsilon":
        return model_output
    alpha_t, sigma_t = align(alpha_t, sample), align(sigma_t, sample)
    if prediction_type == "sample":
        output = (sample - alpha_t * model_output) / sigma_t
    elif prediction_type == "v_prediction":
        output = (alpha_t * model_output + sigma_t * sample) / _norm(alpha_t, sigma_t)
    else:
        output = (sample + alpha_t * model_output) / (alpha_t + sigma_t)
    return output.to(torch.promote_types(sample.dtype, model_output.dtype))


def ddim_step(
    x0_hat: torch.Tensor,
    eps_hat: torch.Tensor,
    alpha_prev: float | torch.Tensor,
    sigma_prev: float | torch.Tensor,
) -> torch.Tensor:
    r"""
    One deterministic DDIM step: `alpha_prev * x0_hat + sigma_prev * eps_hat` (DDIM, arXiv:2010.02502, eq. 12 with
    its `sigma_t = 0`). On the straight path this is the Euler step `x_t - (tau - tau_prev) * (eps_hat - x0_hat)`.

    Args:
        x0_hat (`torch.Tensor` of shape `(batch_size, ...)`):
            Predicted clean latents.
        eps_hat (`torch.Tensor` of shape `(batch_size, ...)`):
            Predicted noise.
        alpha_prev, sigma_prev (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            At the timestep to arrive at, from [`~NoisePath.at`].

    Returns:
        `torch.Tensor`: Of the shape of `x0_hat`.
    """
    return add_noise(x0_hat, eps_hat, alpha_prev, sigma_prev)


def dpm_solver_multistep_step(
    x0_hat: torch.Tensor,
    x0_hat_before: torch.Tensor,
    sample: torch.Tensor,
    before: tuple[torch.Tensor, torch.Tensor],
    current: tuple[torch.Tensor, torch.Tensor],
    prev: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    r"""
    One step of DPM-Solver++(2M) (arXiv:2211.01095, algorithm 2), which extrapolates the prediction of clean latents
    from those at the last two timesteps.

    With `lambda = log(alpha / sigma)` and step sizes `h = lambda_prev - lambda`, `r = (lambda - lambda_before) / h`:
    `D = (1 + 1 / 2r) x0_hat - x0_hat_before / 2r`, and the result is
    `sigma_prev / sigma * sample - alpha_prev (exp(-h) - 1) D`. With `D = x0_hat` this is DDIM. So it is where there is
    nothing to extrapolate from: behind a step of no length or from pure noise, and on a step to clean latents.

    Args:
        x0_hat (`torch.Tensor` of shape `(batch_size, ...)`): Clean latents predicted at the current timestep.
        x0_hat_before (`torch.Tensor` of the same shape): Clean latents predicted at the timestep before it.
        sample (`torch.Tensor` of the same shape): Latents at the current timestep.
        before, current, prev (`tuple[torch.Tensor, torch.Tensor]` of shape `(batch_size,)` each):
            `alpha` and `sigma` at the timestep before, the current one (`sigma` above 0), and the one to arrive at,
            from [`~NoisePath.at`].

    Returns:
        `torch.Tensor`: Of the shape of `sample`.
    """
    log_snr_before, log_snr, log_snr_prev = (
        alpha.float().log() - sigma.float().log() for alpha, sigma in (before, current, prev)
    )
    h, h_before = log_snr_prev - log_snr, log_snr - log_snr_before
    extrapolates = h.isfinite() & h_before.isfinite() & (h_before != 0)
    extrapolation = torch.where(extrapolates, h / (2 * h_before.where(extrapolates, torch.ones_like(h))), 0.0)
    x0_hat = x0_hat + align(extrapolation, x0_hat) * (x0_hat - x0_hat_before)
    keep = prev[1] / current[1]
    arrive = prev[0] * torch.expm1(-h)
    return align(keep, sample) * sample - align(arrive, sample) * x0_hat


def min_snr_weights(
    alpha_t: torch.Tensor, sigma_t: torch.Tensor, gamma: float, prediction_type: str = "epsilon"
) -> torch.Tensor:
    r"""
    Weights of the squared error by timestep (Min-SNR, arXiv:2303.09556, section 3.4).

    With `snr = alpha_t^2 / sigma_t^2`, clean latents weigh `min(snr, gamma)`. The same error of clean latents is
    larger in another prediction: `alpha_t / sigma_t` times as noise, `(alpha_t^2 + sigma_t^2) / sigma_t` times as
    velocity, `(alpha_t + sigma_t) / sigma_t` times as flow, by whose square its weight is divided.

    Args:
        alpha_t, sigma_t (`torch.Tensor` of shape `(batch_size,)`): From [`~NoisePath.at`]; `sigma_t` above 0.
        gamma (`float`): Largest weight of clean latents, positive; 5 in the paper.
        prediction_type (`str`, defaults to `"epsilon"`): One of `PREDICTION_TYPES`.

    Returns:
        `torch.Tensor` of shape `(batch_size,)`. For `epsilon` 1 at pure noise, its limit.

    Raises:
        ValueError: If `gamma` is not positive, or `prediction_type` is unknown.
    """
    if not gamma > 0:
        raise ValueError(f"Expected gamma > 0, got gamma={gamma}.")
    check_prediction_type(prediction_type)
    snr = alpha_t**2 / sigma_t**2
    if prediction_type == "epsilon":
        # min(snr, gamma) / snr, without dividing by an snr of 0.
        return (gamma / snr).clamp(max=1.0)
    growth = {
        "sample": torch.ones_like(snr),
        "v_prediction": _norm(alpha_t, sigma_t) / sigma_t,
        "flow_prediction": (alpha_t + sigma_t) / sigma_t,
    }[prediction_type]
    return snr.clamp(max=gamma) / growth**2

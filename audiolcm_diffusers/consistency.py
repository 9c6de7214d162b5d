# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
The equations of latent consistency models as pure tensor functions.

The scheduler, the training losses and the tests all call these functions, so that each equation has one home; what
follows from the noise path alone has its home in `paths.py`. Nothing here draws random numbers, moves data between
devices or waits for a device, and nothing needs float64.

Names: `alpha_prod` is \\(\bar\alpha_t = \prod_{i \le t} (1 - \beta_i)\\), as in diffusers' `alphas_cumprod`. The
functions that take it are those of `paths.py` on the variance-preserving path. Wherever a function takes `alpha_prod…`
or `w`, this may be a number, a tensor without dimensions, or a tensor of shape `(batch_size,)`, which is aligned with
the *first* dimension of the samples. `w = guidance_scale - 1`.

Sources:
    - CM: Song et al., "Consistency Models", arXiv:2303.01469.
    - LCM: Luo et al., "Latent Consistency Models", arXiv:2310.04378.
"""

import math
from collections.abc import Iterable

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from . import paths
from .paths import NoisePath, align, variance_preserving


# A strength is embedded with up to a thousand radians a unit; intervals with a hundredth of that, smooth enough for
# their derivative to be learnt.
INTERVAL_SCALE = 0.01


def solver_timesteps(num_train_timesteps: int, num_solver_timesteps: int) -> torch.Tensor:
    r"""
    Timesteps on which the teacher's solver walks during distillation, and from which inference picks its own.

    `k * (1, ..., N) - 1` with `N = num_solver_timesteps` and the skipping step `k = floor(num_train_timesteps / N)`
    (LCM, arXiv:2310.04378, section 4.3).

    Args:
        num_train_timesteps (`int`):
            Number of steps of the diffusion process, at least 1.
        num_solver_timesteps (`int`):
            Number of timesteps wanted, in `[1, num_train_timesteps]`.

    Returns:
        `torch.Tensor`: int64 on the CPU, shape `(num_solver_timesteps,)`, ascending.

    Raises:
        ValueError: If `num_solver_timesteps` is out of range.
    """
    if not 1 <= num_solver_timesteps <= num_train_timesteps:
        raise ValueError(
            f"Expected 1 <= num_solver_timesteps <= num_train_timesteps, got num_solver_timesteps="
            f"{num_solver_timesteps}, num_train_timesteps={num_train_timesteps}."
        )
    skip = num_train_timesteps // num_solver_timesteps
    return torch.arange(1, num_solver_timesteps + 1, device="cpu") * skip - 1


def inference_timesteps(solver_timesteps: torch.Tensor, num_inference_steps: int, power: float = 1.0) -> torch.Tensor:
    r"""
    Timesteps of a student, spaced on those of the solver, from the highest down.

    Of the descending solver timesteps those at `floor(i * N / num_inference_steps)`, `i = 0, 1, ...`, with `N` their
    number and the quotient `N / num_inference_steps` rounded to float64 first, as in the published sampler.

    With another `power` than 1, those at `floor(N * (i / num_inference_steps)^power)`, or as near to them as leaves
    every step a timestep of its own. The first step is the same; below 1, the others begin with less noise, which
    covers less of what the first one found.

    Args:
        solver_timesteps (`torch.Tensor` of shape `(num_solver_timesteps,)`):
            Ascending, from [`solver_timesteps`] or the lower end of these.
        num_inference_steps (`int`):
            Number of timesteps wanted, in `[1, num_solver_timesteps]`.
        power (`float`, defaults to 1.0):
            Above 0.

    Returns:
        `torch.Tensor`: Of the dtype of `solver_timesteps`, shape `(num_inference_steps,)`, descending.

    Raises:
        ValueError: If `num_inference_steps` or `power` is out of range.
    """
    num_solver_timesteps = len(solver_timesteps)
    if not 1 <= num_inference_steps <= num_solver_timesteps:
        raise ValueError(
            f"Expected 1 <= num_inference_steps <= {num_solver_timesteps}, the number of solver timesteps, got "
            f"num_inference_steps={num_inference_steps}."
        )
    if not 0 < power < math.inf:
        raise ValueError(f"Expected a finite power above 0, got power={power}.")
    stride = num_solver_timesteps / num_inference_steps
    indices = []
    for i in range(num_inference_steps):
        # Of a whole number that rounding misses from below, the published sampler takes the one before.
        index = int(i * stride if power == 1 else num_solver_timesteps * (i / num_inference_steps) ** power + 1e-9)
        left = num_inference_steps - i
        indices.append(min(max(index, indices[-1] + 1 if indices else 0), num_solver_timesteps - left))
    return solver_timesteps.flip(0)[indices]


def boundary_scalings(
    timesteps: torch.Tensor, timestep_scaling: float = 10.0, sigma_data: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""
    Scalings that make the consistency function the identity at `t = 0`.

    With `s = timestep_scaling * t` (LCM, arXiv:2310.04378, eq. 9 and appendix; CM, arXiv:2303.01469, eq. 5):
    `c_skip = sigma_data^2 / (s^2 + sigma_data^2)`, `c_out = s / sqrt(s^2 + sigma_data^2)`.

    Args:
        timesteps (`torch.Tensor` of any shape, usually `(batch_size,)`):
            Training timesteps, step index in `[0, num_train_timesteps)`.
        timestep_scaling (`float`, defaults to 10.0):
            Factor on the timesteps. The larger, the closer `c_skip` is to 0 for all `t > 0`.
        sigma_data (`float`, defaults to 0.5):
            Standard deviation that the data is assumed to have, positive.

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: `c_skip` and `c_out`, float32, of the shape of `timesteps`.

    Raises:
        ValueError: If `sigma_data` is not positive.
    """
    if not sigma_data > 0:
        raise ValueError(f"Expected sigma_data > 0, got sigma_data={sigma_data}.")
    scaled = torch.as_tensor(timesteps, dtype=torch.float32) * timestep_scaling
    variance = scaled**2 + sigma_data**2
    return sigma_data**2 / variance, scaled / variance**0.5


def path_scalings(
    path: NoisePath, timesteps: torch.Tensor, timestep_scaling: float = 10.0, sigma_data: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""
    Scalings of the consistency function on a noise path.

    On the variance-preserving path [`boundary_scalings`]. On the straight path `x0_hat = x_t - tau * v` is the
    identity at `tau = 0` by itself, and is the consistency function: 0 and 1, whatever the other arguments are.

    Args:
        path ([`~audiolcm_diffusers.paths.NoisePath`]): Where the timesteps lie.
        timesteps (`torch.Tensor` of any shape, usually `(batch_size,)`): What the student is told.
        timestep_scaling, sigma_data (`float`): See [`boundary_scalings`].

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: `c_skip` and `c_out`, float32, of the shape of `timesteps`.

    Raises:
        ValueError: As [`boundary_scalings`].
    """
    if path.is_straight:
        zeros = torch.zeros_like(timesteps, dtype=torch.float32)
        return zeros, zeros + 1
    return boundary_scalings(timesteps, timestep_scaling, sigma_data)


def consistency_function(
    sample: torch.Tensor, x0_hat: torch.Tensor, c_skip: float | torch.Tensor, c_out: float | torch.Tensor
) -> torch.Tensor:
    r"""
    The consistency function `f(x_t) = c_skip * x_t + c_out * x0_hat` (LCM, arXiv:2310.04378, eq. 9).

    Args:
        sample (`torch.Tensor` of shape `(batch_size, ...)`):
            Noisy latents `x_t`.
        x0_hat (`torch.Tensor` of shape `(batch_size, ...)`):
            Clean latents predicted from them.
        c_skip, c_out (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            From [`boundary_scalings`].

    Returns:
        `torch.Tensor`: Of the shape of `sample`.
    """
    output = align(c_out, sample) * x0_hat + align(c_skip, sample) * sample
    return output.to(torch.promote_types(sample.dtype, x0_hat.dtype))


def guidance_embedding(w: torch.Tensor, embedding_dim: int = 256) -> torch.Tensor:
    r"""
    Sinusoidal embedding of the guidance strength, given to a student as `timestep_cond`.

    `[sin(1000 w f), cos(1000 w f)]` with `f_i = exp(-i ln(10000) / (embedding_dim / 2 - 1))`. Arguments reach
    thousands of radians, where float32 keeps four digits of an angle: the order of operations is a part of the
    definition, and a student must see the one that it was trained with.

    Args:
        w (`torch.Tensor` of any shape, usually `(batch_size,)`):
            `guidance_scale - 1`.
        embedding_dim (`int`, defaults to 256):
            Width of the embedding; even, and at least 4.

    Returns:
        `torch.Tensor`: float32, shape `(*w.shape, embedding_dim)`, values in [-1, 1].

    Raises:
        ValueError: If `embedding_dim` is odd or less than 4 (the frequencies of a width of 2 divide by zero).
    """
    if embedding_dim < 4 or embedding_dim % 2:
        raise ValueError(f"Expected embedding_dim to be even and at least 4, got embedding_dim={embedding_dim}.")
    w = torch.as_tensor(w, dtype=torch.float32)
    angles = (w * 1000.0)[..., None] * guidance_frequencies(embedding_dim, w.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def interval_embedding(interval: torch.Tensor, embedding_dim: int = 256) -> torch.Tensor:
    r"""
    How far a step goes, embedded for a student of average velocities (MeanFlow, arXiv:2505.13447) in place of a
    guidance strength.

    Args:
        interval (`torch.Tensor` of any shape): `t - r`, shares of noise, from 0 to 1.
        embedding_dim (`int`, defaults to 256): See [`guidance_embedding`].

    Returns:
        `torch.Tensor`: See [`guidance_embedding`].
    """
    return guidance_embedding(INTERVAL_SCALE * interval, embedding_dim)


def guidance_frequencies(embedding_dim: int, device: torch.device | None = None) -> torch.Tensor:
    r"""`torch.Tensor` of shape `(embedding_dim / 2,)`: The frequencies `f` of [`guidance_embedding`], float32."""
    half = embedding_dim // 2
    return torch.exp(torch.arange(half, dtype=torch.float32, device=device) * -(math.log(10000.0) / (half - 1)))


def guide(cond: torch.Tensor, uncond: torch.Tensor, w: float | torch.Tensor) -> torch.Tensor:
    r"""
    Extrapolate a prediction away from the unconditional one: `cond + w * (cond - uncond)`.

    The same as `uncond + guidance_scale * (cond - uncond)` with `guidance_scale = w + 1` (Ho and Salimans,
    "Classifier-Free Diffusion Guidance", arXiv:2207.12598, eq. 6).

    Args:
        cond, uncond (`torch.Tensor` of shape `(batch_size, ...)`):
            Predictions with the caption and without it: noise, clean latents or velocities.
        w (`float` or `torch.Tensor` without dimensions or of shape `(batch_size,)`):
            Guidance strength; 0 returns `cond`.

    Returns:
        `torch.Tensor`: Of the shape of `cond`.
    """
    output = cond + align(w, cond) * (cond - uncond)
    return output.to(torch.promote_types(cond.dtype, uncond.dtype))


def dynamic_threshold(x0_hat: torch.Tensor, ratio: float, max_value: float) -> torch.Tensor:
    r"""
    Clip predicted clean samples to a quantile `s` of their own magnitudes and divide by it, where `s > 1`
    (Imagen: Saharia et al., arXiv:2205.11487, section 2.3); `s` is at most `max_value`.

    Args:
        x0_hat (`torch.Tensor` of shape `(batch_size, ...)`):
            Predicted clean samples.
        ratio (`float`):
            Quantile in [0, 1], taken over each sample of the batch.
        max_value (`float`):
            Upper bound of `s`, positive. Bounds `s` even where it is less than 1.

    Returns:
        `torch.Tensor`: Of the shape and dtype of `x0_hat`, values in [-1, 1].
    """
    # Quantiles are not defined for half precision.
    samples = x0_hat.to(torch.promote_types(x0_hat.dtype, torch.float32)).flatten(1)
    s = samples.abs().quantile(ratio, dim=1, keepdim=True).clamp(min=1.0, max=max_value)
    return (samples.clamp(-s, s) / s).reshape(x0_hat.shape).to(x0_hat.dtype)


def mix_noise(eps_hat: torch.Tensor, noise: torch.Tensor, eta: float) -> torch.Tensor:
    r"""
    Predicted noise with a share of fresh noise: `sqrt(1 - eta^2) * eps_hat + eta * noise`, of variance 1 again.

    A [`ddim_step`] with it is DDIM's eq. 12 (arXiv:2010.02502) at `sigma_t = eta * sqrt(1 - alpha_cumprod_prev)`.
    `eta = 0` is the deterministic DDIM step; at `eta = 1` nothing is left of `eps_hat`, which makes the multistep
    sampler of consistency models (CM, arXiv:2303.01469, algorithm 1; LCM, arXiv:2310.04378, algorithm 3). This is not
    the eta of DDIM's eq. 16, whose 1 stands for DDPM's smaller variance.

    Args:
        eps_hat (`torch.Tensor` of shape `(batch_size, ...)`):
            Predicted noise.
        noise (`torch.Tensor` of shape `(batch_size, ...)`):
            Standard normal noise.
        eta (`float`):
            Share of fresh noise in [0, 1].

    Returns:
        `torch.Tensor`: Of the shape of `eps_hat`.

    Raises:
        ValueError: If `eta` is out of [0, 1].
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"Expected 0 <= eta <= 1, got eta={eta}.")
    return (1 - eta**2) ** 0.5 * eps_hat + eta * noise


def add_noise(original_samples: torch.Tensor, noise: torch.Tensor, alpha_prod_t: float | torch.Tensor) -> torch.Tensor:
    r"""`sqrt(alpha_prod_t) * x_0 + sqrt(1 - alpha_prod_t) * noise`, see [`~audiolcm_diffusers.paths.add_noise`]."""
    return paths.add_noise(original_samples, noise, *variance_preserving(alpha_prod_t))


def velocity(original_samples: torch.Tensor, noise: torch.Tensor, alpha_prod_t: float | torch.Tensor) -> torch.Tensor:
    r"""The target of `v_prediction`, see [`~audiolcm_diffusers.paths.training_target`]."""
    return training_target(original_samples, noise, alpha_prod_t, "v_prediction")


def training_target(
    original_samples: torch.Tensor, noise: torch.Tensor, alpha_prod_t: float | torch.Tensor, prediction_type: str
) -> torch.Tensor:
    r"""What a network is trained to put out, see [`~audiolcm_diffusers.paths.training_target`]."""
    return paths.training_target(original_samples, noise, *variance_preserving(alpha_prod_t), prediction_type)


def predicted_original_sample(
    model_output: torch.Tensor, sample: torch.Tensor, alpha_prod_t: float | torch.Tensor, prediction_type: str
) -> torch.Tensor:
    r"""Clean latents that an output implies, see [`~audiolcm_diffusers.paths.predicted_original_sample`]."""
    return paths.predicted_original_sample(model_output, sample, *variance_preserving(alpha_prod_t), prediction_type)


def predicted_noise(
    model_output: torch.Tensor, sample: torch.Tensor, alpha_prod_t: float | torch.Tensor, prediction_type: str
) -> torch.Tensor:
    r"""Noise that an output implies, see [`~audiolcm_diffusers.paths.predicted_noise`]."""
    return paths.predicted_noise(model_output, sample, *variance_preserving(alpha_prod_t), prediction_type)


def ddim_step(x0_hat: torch.Tensor, eps_hat: torch.Tensor, alpha_cumprod_prev: float | torch.Tensor) -> torch.Tensor:
    r"""One deterministic DDIM step, see [`~audiolcm_diffusers.paths.ddim_step`]."""
    return paths.ddim_step(x0_hat, eps_hat, *variance_preserving(alpha_cumprod_prev))


def dpm_solver_multistep_step(
    x0_hat: torch.Tensor,
    x0_hat_before: torch.Tensor,
    sample: torch.Tensor,
    alpha_cumprod_before: torch.Tensor,
    alpha_cumprod: torch.Tensor,
    alpha_cumprod_prev: torch.Tensor,
) -> torch.Tensor:
    r"""One step of DPM-Solver++(2M), see [`~audiolcm_diffusers.paths.dpm_solver_multistep_step`]."""
    levels = map(variance_preserving, (alpha_cumprod_before, alpha_cumprod, alpha_cumprod_prev))
    return paths.dpm_solver_multistep_step(x0_hat, x0_hat_before, sample, *levels)


def min_snr_weights(alpha_prod_t: torch.Tensor, gamma: float, prediction_type: str = "epsilon") -> torch.Tensor:
    r"""Weights of the squared error by timestep, see [`~audiolcm_diffusers.paths.min_snr_weights`]."""
    return paths.min_snr_weights(*variance_preserving(alpha_prod_t), gamma, prediction_type)


def pseudo_huber_loss(pred: torch.Tensor, target: torch.Tensor, c: float = 0.001) -> torch.Tensor:
    r"""
    Mean of `sqrt((pred - target)^2 + c^2) - c`: quadratic for small residuals, linear for large ones
    (Song and Dhariwal, "Improved Techniques for Training Consistency Models", arXiv:2310.14189, eq. 7, taken
    element by element).

    Args:
        pred, target (`torch.Tensor` of one shape):
            Computed on in float32 whatever their dtype: `c^2` is below the resolution of half precision.
        c (`float`, defaults to 0.001):
            Residual at which the loss turns from quadratic to linear, positive.

    Returns:
        `torch.Tensor`: float32, without dimensions.

    Raises:
        ValueError: If the shapes differ, which would broadcast silently, or `c` is not positive.
    """
    if not c > 0:
        raise ValueError(f"Expected c > 0, got c={c}.")
    if pred.shape != target.shape:
        raise ValueError(
            f"Expected pred and target of one shape, got pred of {tuple(pred.shape)}, target of {tuple(target.shape)}."
        )
    residual = pred.float() - target.float()
    return ((residual**2 + c**2) ** 0.5 - c).mean()


@torch.no_grad()
def update_ema(target_params: Iterable[torch.Tensor], source_params: Iterable[torch.Tensor], decay: float) -> None:
    r"""
    Move the target's parameters towards the source's, in place: `target = decay * target + (1 - decay) * source`.

    All tensors go through one fused call a device and dtype.

    Args:
        target_params, source_params (`Iterable[torch.Tensor]`):
            Parameters in one order, of equal shapes; floating point.
        decay (`float`):
            Rate in [0, 1]; 0 copies the source, 1 leaves the target alone.

    Raises:
        ValueError: If the numbers of tensors or any of their shapes differ, or `decay` is out of [0, 1].
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Expected 0 <= decay <= 1, got decay={decay}.")
    targets, sources = list(target_params), list(source_params)
    if len(targets) != len(sources):
        raise ValueError(f"Expected as many source as target parameters, got {len(sources)} and {len(targets)}.")
    for index, (target, source) in enumerate(zip(targets, sources)):
        if target.shape != source.shape:
            raise ValueError(
                f"Expected parameters of equal shapes, got target {tuple(target.shape)} and source "
                f"{tuple(source.shape)} at position {index}."
            )
    if targets:
        sources = [source.to(target) for target, source in zip(targets, sources)]
        get_ema_multi_avg_fn(decay)(targets, sources, None)

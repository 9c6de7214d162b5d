# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A step of discriminators, which judge for the generator that they are trained against."""

from ..models.discriminators import discriminator_loss, generator_losses


def discriminator_step(accelerator, discriminators, real, generated, optimizer, feature_matching="relative"):
    r"""
    Train discriminators for one step, and let them judge for the generator.

    Args:
        accelerator (`Accelerator`): The run's.
        discriminators (`nn.Module`): Prepared [`~audiolcm_diffusers.models.discriminators.Discriminators`].
        real, generated (`torch.Tensor` of one shape): What to tell apart.
        optimizer: Of the discriminators, prepared.
        feature_matching (`str`, defaults to `"relative"`):
            See [`~audiolcm_diffusers.models.discriminators.generator_losses`].

    Returns:
        `dict[str, torch.Tensor]`: `discriminator`, the loss that was stepped on, and the generator's losses
        `adversarial` and `matching`, whose backward pass leaves no gradients in the discriminators.
    """
    judged_real = discriminators(real)
    loss = discriminator_loss(judged_real, discriminators(generated.detach()))
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    # Not the wrapper of several processes, which would wait for gradients that never come.
    discriminators = accelerator.unwrap_model(discriminators).requires_grad_(False)
    adversarial, matching = generator_losses(judged_real, discriminators(generated), feature_matching)
    discriminators.requires_grad_(True)
    return {"discriminator": loss, "adversarial": adversarial, "matching": matching}

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import torch

from audiolcm_diffusers.models.discriminators import Discriminators
from audiolcm_diffusers.trainer.adversarial import discriminator_step


class Scale(torch.nn.Module):
    """A discriminator of one weight: its score is the product, its only feature, too."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, value):
        return self.weight * value, [self.weight * value]


def test_a_step_by_hand(accelerator):
    discriminators = Discriminators([Scale(0.5)])
    optimizer = torch.optim.SGD(discriminators.parameters(), lr=0.25)
    real, generated = torch.tensor([1.0]), torch.tensor([3.0], requires_grad=True)
    logs = discriminator_step(accelerator, discriminators, real, generated, optimizer)
    # (1 - 0.5)^2 + 1.5^2 = 2.5, whose slope is -2 * 0.5 * 1 + 2 * 1.5 * 3 = 8: the weight goes from 0.5 to -1.5.
    assert logs["discriminator"].item() == 2.5 and discriminators[0].weight.item() == -1.5
    # The new discriminator judges: (1 + 4.5)^2; features of 0.5, judged before, and -4.5 are 5 apart, ten times 0.5.
    assert logs["adversarial"].item() == 30.25 and logs["matching"].item() == 10.0
    (logs["adversarial"] + logs["matching"]).backward()
    # Of (1 - w x)^2: -2 w (1 - w x) = 2 * 1.5 * 5.5; of |w x - 0.5| / 0.5: -w / 0.5 = 3.
    assert generated.grad.item() == 16.5 + 3.0
    assert discriminators[0].weight.grad is None and discriminators[0].weight.requires_grad


def test_features_may_be_matched_as_they_are(accelerator):
    discriminators = Discriminators([Scale(0.5)])
    optimizer = torch.optim.SGD(discriminators.parameters(), lr=0.25)
    values = torch.tensor([1.0]), torch.tensor([3.0])
    assert discriminator_step(accelerator, discriminators, *values, optimizer, "absolute")["matching"].item() == 5.0

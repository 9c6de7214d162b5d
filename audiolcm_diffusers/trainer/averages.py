# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Averaged weights of networks in training, also of those whose weights are shared out."""

import copy

from accelerate.utils import broadcast, fsdp2_prepare_model

from ..consistency import update_ema


def average_decay(step, highest):
    r"""Rate of an average after a step, lower at first: early weights would linger in the average of a short run."""
    return min(highest, (1 + step) / (10 + step))


class Averages:
    r"""
    Copies of networks whose weights follow those of the networks as moving averages.

    Args:
        accelerator (`Accelerator`): The run's.

    Attributes:
        checkpointed (`list[CheckpointedAverage]`): The averages as checkpoints hold them.
    """

    def __init__(self, accelerator):
        self.accelerator = accelerator
        self._followed = {}  # for each average: the network, the names of its trained weights, the rate if it has one
        self.checkpointed = []
        self._whole = {}  # under FSDP, for each average: a network that is not sharded, to save it from

    def add(self, model, decay=None):
        r"""
        A copy of the model whose weights [`~Averages.update`] moves towards the model's. Under FSDP it is sharded as
        the model will be, see [`~Averages.whole`].

        Args:
            model (`nn.Module`):
                The model that is to be trained, before `Accelerator.prepare`. Its weights become those of the first
                process on all.
            decay (`float`, *optional*): Rate of the average; by default [`average_decay`].

        Returns:
            `nn.Module`: The average, which is in checkpoints from now on.

        Raises:
            ValueError: If the model is prepared.
        """
        if self.accelerator.unwrap_model(model) is not model or hasattr(model, "set_reshard_after_forward"):
            raise ValueError(f"Expected a model before Accelerator.prepare, got {type(model).__name__}.")
        model.to(self.accelerator.device)
        # What starts at random does so on each process in its own way.
        broadcast([tensor.detach() for tensor in (*model.parameters(), *model.buffers())])
        # Frozen weights have no average but themselves.
        shared = {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
        average = copy.deepcopy(model, shared).requires_grad_(False).eval()
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        if self.accelerator.is_fsdp2:
            self._whole[average] = copy.deepcopy(average).to("cpu")
            average = fsdp2_prepare_model(self.accelerator, average)
            # No backward pass follows, after which the outermost weights would be sharded again.
            average.set_reshard_after_forward(True)
        self._followed[average] = (model, trained, decay)
        self.checkpointed.append(CheckpointedAverage(self.accelerator, average))
        return average

    def update(self, step, ema_decay):
        r"""
        Move the averages.

        Args:
            step (`int`): The step that has just ended.
            ema_decay (`float`): Highest rate of those that have none of their own.
        """
        for average, (model, trained, decay) in self._followed.items():
            rate = average_decay(step, ema_decay) if decay is None else decay
            update_ema(*([part.get_parameter(name) for name in trained] for part in (average, model)), rate)

    def whole(self, average):
        r"""
        An average that can be used and saved on one process alone: without FSDP itself. To be called on all processes.

        Args:
            average (`nn.Module`): From [`~Averages.add`].

        Returns:
            `nn.Module`: On other processes than the first, under FSDP, with the weights that the run began with.
        """
        if average not in self._whole:
            return average
        weights = self.accelerator.get_state_dict(average)
        network = self._whole[average]
        if self.accelerator.is_main_process:
            # A copy, so that it is gone from the GPU after use.
            network = copy.deepcopy(network).to(self.accelerator.device)
            network.load_state_dict(weights)
        return network


class CheckpointedAverage:
    r"""
    A network in the form in which a checkpoint holds it: its weights in one piece, wherever they lie.

    Args:
        accelerator (`Accelerator`): The run's.
        network (`nn.Module`): Sharded under FSDP.
    """

    def __init__(self, accelerator, network):
        self.accelerator, self.network = accelerator, network

    def state_dict(self):
        r"""`dict[str, torch.Tensor]`: The weights, under FSDP on the first process alone. To be called on all."""
        return self.accelerator.get_state_dict(self.network)

    def load_state_dict(self, weights):
        r"""Load weights that are there on all processes."""
        if self.accelerator.is_fsdp2:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

            set_model_state_dict(self.network, weights, options=StateDictOptions(full_state_dict=True))
        else:
            self.network.load_state_dict(weights)

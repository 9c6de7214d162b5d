# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How a run is started: what a launcher has set, and what would not train as on one process."""

from accelerate import Accelerator
from accelerate.utils import DistributedType, parse_flag_from_env

from .run_options import trackers_named


def start_accelerator(config, with_discriminators=False):
    r"""
    The accelerator of a run, as the launcher and the script's options say.

    Args:
        config ([`~audiolcm_diffusers.trainer.RunConfig`]): The script's options.
        with_discriminators (`bool`, defaults to `False`):
            Whether the script trains two networks, one against the other.

    Returns:
        `Accelerator`.

    Raises:
        ValueError: If the run was started in a way in which it would not train as on one process.
    """
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        log_with=trackers_named(config.report_to) or None,
        project_dir=config.output_dir,
    )
    check_launch(accelerator, config)
    kind, state = accelerator.distributed_type, accelerator.state
    if kind == DistributedType.FSDP:
        check_sharding(kind, state.fsdp_plugin, config, with_discriminators)
    elif kind == DistributedType.DEEPSPEED:
        check_sharding(kind, state.deepspeed_plugin, config, with_discriminators)
        # It sees no data loader, and takes the size of a batch for nothing but its own statistics.
        options = {**deepspeed_options(config), "train_micro_batch_size_per_gpu": 1}
        state.deepspeed_plugin.deepspeed_config.update(options)
    return accelerator


def check_launch(accelerator, config):
    r"""
    Refuse what a launcher has set and accelerate would not do, or in place of what the options say.

    Args:
        accelerator (`Accelerator`): As the launcher set it up.
        config ([`~audiolcm_diffusers.trainer.RunConfig`]): The script's options.

    Raises:
        ValueError: Naming the setting.
    """
    launched, wanted = accelerator.gradient_accumulation_steps, config.gradient_accumulation_steps
    if launched != wanted:
        raise ValueError(
            "Expected the launcher to leave gradient_accumulation_steps to the script, got "
            f"{launched} from it and {wanted} as the option."
        )
    for kind in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        if parse_flag_from_env(f"ACCELERATE_USE_{kind.value}") and accelerator.distributed_type != kind:
            raise ValueError(
                f"{kind.value} was asked for, which accelerate runs where torchrun or `accelerate launch` starts "
                f"processes on GPUs; this would be {accelerator.distributed_type.value}."
            )


def check_sharding(kind, plugin, config, with_discriminators=False):
    r"""
    Refuse what would not train under FSDP or DeepSpeed as it does on one process.

    Args:
        kind (`DistributedType`): `FSDP` or `DEEPSPEED`.
        plugin (`FullyShardedDataParallelPlugin` or `DeepSpeedPlugin`): The launcher's settings.
        config ([`~audiolcm_diffusers.trainer.RunConfig`]): The script's options.
        with_discriminators (`bool`, defaults to `False`):
            Whether the script trains two networks, one against the other.

    Raises:
        ValueError: Naming the setting.
    """
    if with_discriminators:
        raise ValueError(
            f"A script that trains discriminators, too, does not run under {kind.value}: start it as MULTI_GPU."
        )
    for name in ("compile", "use_8bit_adam"):
        if getattr(config, name):
            raise ValueError(f"Expected {name}=False under {kind.value}, got True.")
    if kind == DistributedType.FSDP:
        # Version 1 flattens the weights, which then have no averages of their own.
        if plugin.fsdp_version != 2:
            raise ValueError(f"Expected fsdp_version 2, got {plugin.fsdp_version}.")
        # It renames layers, which then no longer match their averages.
        if plugin.activation_checkpointing:
            raise ValueError(
                "Expected fsdp_activation_checkpointing: false, got true; --gradient_checkpointing does the same."
            )
        # transformers would then load no weights on other processes than the first, frozen encoders' neither.
        if plugin.cpu_ram_efficient_loading:
            raise ValueError("Expected fsdp_cpu_ram_efficient_loading: false, got true.")
        return
    if plugin.zero_stage not in (1, 2):
        raise ValueError(f"Expected zero_stage 1 or 2, got {plugin.zero_stage}; FSDP shares out the weights, too.")
    # DeepSpeed rounds the network itself to 16 bits, and averages would be those of rounded weights.
    if config.mixed_precision != "no":
        raise ValueError(f"Expected mixed_precision='no' under DEEPSPEED, got {config.mixed_precision!r}.")
    for name, value in deepspeed_options(config).items():
        given = plugin.deepspeed_config.get(name, "auto")
        if given not in ("auto", value):
            raise ValueError(f"Expected {name} of DeepSpeed to be auto or the script's {value}, got {given}.")


def deepspeed_options(config):
    r"""`dict`: What DeepSpeed does by itself, as a script's options say."""
    return {
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "gradient_clipping": config.max_grad_norm,
    }

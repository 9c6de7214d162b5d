# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin

from audiolcm_diffusers.trainer.launch import check_sharding, deepspeed_options, start_accelerator


@pytest.mark.parametrize(
    ("plugin", "values", "told"),
    [
        ({"fsdp_version": 1}, {}, "fsdp_version 2, got 1"),
        ({"activation_checkpointing": True}, {}, "fsdp_activation_checkpointing: false, got true"),
        ({"cpu_ram_efficient_loading": True}, {}, "fsdp_cpu_ram_efficient_loading: false, got true"),
        ({}, {"compile": True}, "compile=False under FSDP, got True"),
    ],
)
def test_what_fsdp_cannot_do_here_is_refused(make_options, monkeypatch, plugin, values, told):
    # The plugin sets it for transformers, to be put back after the test.
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "false")
    check_sharding(DistributedType.FSDP, FullyShardedDataParallelPlugin(fsdp_version=2), make_options())
    plugin = FullyShardedDataParallelPlugin(**{"fsdp_version": 2, **plugin})
    with pytest.raises(ValueError, match=told):
        check_sharding(DistributedType.FSDP, plugin, make_options(**values))


@pytest.mark.parametrize(
    ("plugin", "values", "told"),
    [
        ({"zero_stage": 3}, {}, "zero_stage 1 or 2, got 3"),
        ({}, {"mixed_precision": "bf16"}, "mixed_precision='no' under DEEPSPEED, got 'bf16'"),
        ({"gradient_accumulation_steps": 4}, {}, "gradient_accumulation_steps of .* auto or the script's 1, got 4"),
        ({"gradient_clipping": 0.5}, {"max_grad_norm": 2.0}, "gradient_clipping of .* the script's 2.0, got 0.5"),
    ],
)
def test_what_deepspeed_cannot_do_here_is_refused(make_options, plugin, values, told):
    check_sharding(DistributedType.DEEPSPEED, DeepSpeedPlugin(zero_stage=2), make_options())
    plugin = DeepSpeedPlugin(**{"zero_stage": 2, **plugin})
    with pytest.raises(ValueError, match=told):
        check_sharding(DistributedType.DEEPSPEED, plugin, make_options(**values))


def test_a_script_with_discriminators_does_not_shard(make_options):
    with pytest.raises(ValueError, match="does not run under FSDP"):
        check_sharding(DistributedType.FSDP, FullyShardedDataParallelPlugin(fsdp_version=2), make_options(), True)


def test_deepspeed_does_what_the_options_say(make_options):
    options = make_options(gradient_accumulation_steps=3, max_grad_norm=0.5)
    assert deepspeed_options(options) == {"gradient_accumulation_steps": 3, "gradient_clipping": 0.5}


def test_an_accelerator_is_what_the_options_say(make_options, tmp_path):
    accelerator = start_accelerator(make_options(gradient_accumulation_steps=3, report_to="tensorboard"))
    assert accelerator.gradient_accumulation_steps == 3 and accelerator.mixed_precision == "no"
    assert [tracker.value for tracker in accelerator.log_with] == ["tensorboard"]
    assert accelerator.project_dir == str(tmp_path / "run") and not (tmp_path / "run").exists()

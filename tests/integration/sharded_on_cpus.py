# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Run a training script under FSDP or DeepSpeed on CPUs, where both work, though accelerate starts neither there.

    ACCELERATE_USE_CPU=true ACCELERATE_USE_FSDP=true FSDP_VERSION=2 torchrun --nproc-per-node 2 \\
        tests/integration/sharded_on_cpus.py training/train_audiolcm_distill.py --data_dir ...

All but the decision for FSDP or DeepSpeed is accelerate's own. DeepSpeed needs `DS_ACCELERATOR=cpu`.
"""

import runpy
import sys

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, parse_flag_from_env


class ShardingState(AcceleratorState):
    """A state that takes the launcher's word for what it runs."""

    def __init__(self, *args, fsdp_plugin=None, deepspeed_plugin=None, **options):
        AcceleratorState_init(self, *args, fsdp_plugin=fsdp_plugin, deepspeed_plugin=deepspeed_plugin, **options)
        if self.distributed_type != DistributedType.MULTI_CPU:
            return
        if parse_flag_from_env("ACCELERATE_USE_FSDP"):
            if self.mixed_precision != "no":
                fsdp_plugin.set_mixed_precision(self.mixed_precision)
            self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
        elif parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
            from deepspeed import comm

            comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
            deepspeed_plugin.set_mixed_precision(self.mixed_precision)
            deepspeed_plugin.select(_from_accelerator_state=True)
            self.deepspeed_plugins, self.distributed_type = deepspeed_plugin, DistributedType.DEEPSPEED
        PartialState._shared_state["distributed_type"] = self.distributed_type


AcceleratorState_init = AcceleratorState.__init__
AcceleratorState.__init__ = ShardingState.__init__

sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")

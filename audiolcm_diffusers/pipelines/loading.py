# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
A pipeline by its name, on a device in a precision.

torch is imported where it is used: whoever only asks for a command's `--help` need not wait for it.
"""

import json
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .. import MINI_CHECKPOINT
from .shared_parts import part_folder


MINI = "mini"


def pick_device(name):
    r"""
    The device that an option names.

    Args:
        name (`str` or `None`): As `torch.device` reads it; `None` for CUDA, else MPS, else the CPU.

    Returns:
        `torch.device`.

    Raises:
        ValueError: If there is no such device on this machine.
    """
    import torch

    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    available = [f"cuda:{index}" for index in range(torch.cuda.device_count())] + available
    if name is None:
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or str(device) not in {*available, *(entry.split(":")[0] for entry in available)}:
        raise ValueError(f"Expected --device to be one of this machine's, {', '.join(available)}; got {name!r}.")
    return device


def pick_dtype(name, device):
    r"""The `torch.dtype` that an option names; without one, float16 on CUDA and float32 elsewhere."""
    import torch

    return getattr(torch, name or ("float16" if device.type == "cuda" else "float32"))


def find_model(name):
    r"""
    What `--model` stands for: a checked folder, or a name to look up on the Hub.

    Args:
        name (`str`): "mini", a folder or "owner/name". A folder comes before a model on the Hub of the same name.

    Returns:
        `Path` or `str`: A folder whose files were checked by [`check_pipeline_folder`], or the name on the Hub.

    Raises:
        ValueError: If it is none of these, or the folder's files are missing or damaged.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    folder = MINI_CHECKPOINT if name == MINI else Path(name).expanduser()
    if name == MINI or folder.exists():
        check_pipeline_folder(folder)
        return folder
    try:
        validate_repo_id(name)
    except HFValidationError:
        is_hub_name = False
    else:
        # Names without an owner are a few old models, none of them ours; here they are misspelt folders.
        is_hub_name = name.count("/") == 1
    if not is_hub_name:
        raise ValueError(
            f'Expected --model to be "{MINI}", an existing folder, or "owner/name" on the Hub; got {name!r}.'
        )
    return name


def check_pipeline_folder(folder):
    r"""
    Make sure that a saved pipeline is all there, without reading its weights.

    Every component of `model_index.json` must have its folder, there or in the one that it is shared with, every JSON
    file must parse, and every safetensors file must be as long as its header says.

    Args:
        folder (`Path`): What `AudioLCMPipeline.save_pretrained` wrote.

    Raises:
        ValueError: Naming the file that is missing or damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {str(folder)!r} with a saved pipeline.")
    index = read_json(folder / "model_index.json")
    class_name = index.get("_class_name") if isinstance(index, dict) else None
    if class_name != "AudioLCMPipeline":
        raise ValueError(f"{str(folder)!r} holds no AudioLCMPipeline: its model_index.json names {class_name!r}.")
    for name, value in index.items():
        # Components are pairs of a library and a class, [null, null] where there is none; the rest is configuration.
        if not isinstance(value, list) or len(value) != 2 or value[0] is None:
            continue
        kind = name.split("_")[0]
        is_network = kind not in ("tokenizer", "scheduler")
        config = part_folder(folder, name, index) / ("config.json" if is_network else f"{kind}_config.json")
        for file in {config, *config.parent.glob("*.json")}:
            read_json(file)
        if is_network:
            check_weights(config.parent)


def check_weights(folder):
    r"""
    Make sure that a network's weights are all there, as safetensors files.

    Args:
        folder (`Path`): Folder of one component of a saved pipeline.

    Raises:
        ValueError: Naming the file that is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    shards = {
        file for index in folder.glob("*.safetensors.index.json") for file in read_json(index)["weight_map"].values()
    }
    files = sorted({*folder.glob("*.safetensors"), *(folder / shard for shard in shards)})
    if not files:
        raise ValueError(f"The checkpoint is incomplete: there is no {str(folder / '*.safetensors')!r}.")
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValueError(f"The weights in {str(file)!r} are missing or damaged: {error}.") from error


def read_json(path):
    r"""
    Read one of a checkpoint's JSON files.

    Raises:
        ValueError: If it is missing or no JSON, naming the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"The checkpoint's {str(path)!r} is missing or damaged: {error}.") from error


def load_pipeline(model, device, dtype, quiet=False):
    r"""
    Load a pipeline. Weights are read from safetensors files alone.

    Args:
        model (`Path` or `str`): As [`find_model`] returns it.
        device (`torch.device`): Where it is to run.
        dtype (`torch.dtype`): To which the weights are converted, whatever the precision of the files.
        quiet (`bool`, defaults to `False`): Whether downloads show no progress bars; reading files never shows any.

    Returns:
        [`AudioLCMPipeline`].

    Raises:
        ValueError: If a network's weights are not all there.
    """
    import torch

    from .. import AudioLCMPipeline

    with no_loading_bars(downloads=quiet):
        pipe = AudioLCMPipeline.from_pretrained(model, dtype=dtype, use_safetensors=True)
    for name, component in pipe.components.items():
        if isinstance(component, torch.nn.Module):
            # diffusers leaves what its files lack without values.
            missing = [parameter for parameter, value in component.named_parameters() if value.is_meta]
            if missing:
                raise ValueError(f"The checkpoint {str(model)!r} lacks weights of its {name}: {', '.join(missing)}.")
    return pipe.to(device)


@contextmanager
def no_loading_bars(downloads):
    r"""
    Show no progress bars while weights are read.

    Args:
        downloads (`bool`): Whether downloads show none either.
    """
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    # These are settings of the whole process, which may be somebody else's: they are put back.
    with ExitStack() as settings:
        for library in (diffusers_logging, transformers_logging):
            if library.is_progress_bar_enabled():
                library.disable_progress_bar()
                settings.callback(library.enable_progress_bar)
        if downloads and not are_progress_bars_disabled():
            disable_progress_bars()
            settings.callback(enable_progress_bars)
        yield

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
A pipeline by its name, on a device in a precision.

torch is imported where it is used: whoever only asks for a command's `--help` need not wait for it.
"""

from contextlib import ExitStack, contextmanager
from pathlib import Path

from .. import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT
from ..model_files import check_plain_files, check_plain_name, read_json
from ..remote_code import without_code
from .shared_parts import part_folder


PIPELINES = ("AudioLCMPipeline", "AudioLCMAudio2AudioPipeline", "AudioLCMInpaintPipeline")

MINI = "mini"
# Models that come with the package, by the names that options call them.
EMBEDDED = {MINI: MINI_CHECKPOINT, "mini-teacher": MINI_TEACHER_CHECKPOINT}


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


def find_model(name, variant=None, revision=None):
    r"""
    What `--model` stands for: a checked folder, or a name to look up on the Hub.

    Args:
        name (`str`):
            "mini" or "mini-teacher", a folder, or "owner/name". A folder comes before a model on the Hub of the same
            name.
        variant (`str`, *optional*): Which of several sets of weights is to be loaded.
        revision (`str`, *optional*): Which state of a model on the Hub.

    Returns:
        `Path` or `str`: A folder whose files were checked by [`check_pipeline_folder`], or the name on the Hub.

    Raises:
        ValueError: If it is none of these, or the folder's files are missing or damaged.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if "\0" in name:
        raise ValueError(f"Expected --model to be a name or a folder, got {name!r}, which holds a zero byte.")
    folder = EMBEDDED.get(name) or Path(name).expanduser()
    if name in EMBEDDED or folder.exists():
        if revision is not None:
            raise ValueError(f"--revision {revision!r} belongs to a model on the Hub; {name!r} is on this machine.")
        check_pipeline_folder(folder, variant)
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
            f"Expected --model to be {' or '.join(map(repr, EMBEDDED))}, an existing folder, or 'owner/name' on the "
            f"Hub; got {name!r}."
        )
    return name


def check_pipeline_folder(folder, variant=None):
    r"""
    Make sure that a saved pipeline is all there, without reading its weights.

    Every component of `model_index.json` must have its folder, there or in the one that it is shared with, every JSON
    file must parse, and every safetensors file must be as long as its header says.

    Args:
        folder (`Path`): What `AudioLCMPipeline.save_pretrained` wrote.
        variant (`str`, *optional*): Which of several sets of weights is to be loaded. A network may lack it, but not
            all of them.

    Raises:
        ValueError: Naming the file that is missing or damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {str(folder)!r} with a saved pipeline.")
    check_plain_files(folder)
    index = without_code(read_json(folder / "model_index.json"))
    class_name = index.get("_class_name") if isinstance(index, dict) else None
    # All pipelines of AudioLCM have the same parts, whichever of them a folder was saved from.
    if class_name not in PIPELINES:
        raise ValueError(f"{str(folder)!r} holds no AudioLCMPipeline: its model_index.json names {class_name!r}.")
    has_variant = False
    for name, value in index.items():
        # Components are pairs of a library and a class, [null, null] where there is none; the rest is configuration.
        if not isinstance(value, list) or len(value) != 2 or value[0] is None:
            continue
        kind = check_plain_name(name, folder / "model_index.json").split("_")[0]
        is_network = kind not in ("tokenizer", "scheduler")
        config = part_folder(folder, name, index) / ("config.json" if is_network else f"{kind}_config.json")
        if config.parent.parent != folder:
            check_plain_files(config.parent)
        for file in {config, *config.parent.glob("*.json")}:
            read_json(file)
        if is_network:
            has_variant |= check_weights(config.parent, variant)
    if variant is not None and not has_variant:
        raise ValueError(f"There are no weights of --variant {variant!r} in {str(folder)!r}.")


def check_weights(folder, variant=None):
    r"""
    Make sure that a network's weights are all there, as safetensors files.

    Args:
        folder (`Path`): Folder of one component of a saved pipeline.
        variant (`str`, *optional*): Which of several sets of weights is to be loaded.

    Returns:
        `bool`: Whether there are weights of the variant; without them the others are loaded.

    Raises:
        ValueError: Naming the file that is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    shards = {
        folder / check_plain_name(file, index)
        for index in folder.glob("*.safetensors.index*.json")
        for file in weight_map(index).values()
    }
    files = sorted({*folder.glob("*.safetensors"), *shards})
    # `model.safetensors` and `model-00001-of-00002.safetensors`; of a variant `model.fp16.safetensors` and so on.
    variants = {file: file.name.split(".")[1].split("-0")[0] if file.name.count(".") > 1 else None for file in files}
    chosen = [file for file in files if variants[file] == variant] if variant is not None else []
    has_variant = bool(chosen)
    if not chosen:
        chosen = [file for file in files if variants[file] is None]
    if not chosen and files:
        others = ", ".join(sorted(set(variants.values())))
        raise ValueError(f"The weights in {str(folder)!r} are those of --variant {others} alone; got {variant!r}.")
    if not chosen:
        raise ValueError(f"The checkpoint is incomplete: there is no {str(folder / '*.safetensors')!r}.")
    for file in chosen:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValueError(f"The weights in {str(file)!r} are missing or damaged: {error}.") from error
    return has_variant


def weight_map(path):
    r"""
    Which file holds which weight.

    Args:
        path (`Path`): The index of weights in several files.

    Returns:
        `dict[str, str]`: Names of files, by names of weights.

    Raises:
        ValueError: If the file is no such index.
    """
    index = read_json(path)
    if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
        raise ValueError(f"The checkpoint's {str(path)!r} is damaged: expected an object `weight_map` in it.")
    return index["weight_map"]


def load_pipeline(model, device, dtype, quiet=False, variant=None, revision=None):
    r"""
    Load a pipeline. Weights are read from safetensors files alone.

    Args:
        model (`Path` or `str`): As [`find_model`] returns it.
        device (`torch.device`): Where it is to run.
        dtype (`torch.dtype`): To which the weights are converted, whatever the precision of the files.
        quiet (`bool`, defaults to `False`): Whether downloads show no progress bars; reading files never shows any.
        variant, revision (`str`, *optional*): As for [`find_model`].

    Returns:
        [`AudioLCMPipeline`].

    Raises:
        ValueError: If a network's weights are not all there.
    """
    from .. import AudioLCMPipeline

    with no_loading_bars(downloads=quiet):
        pipe = AudioLCMPipeline.from_pretrained(
            model, dtype=dtype, use_safetensors=True, variant=variant, revision=revision
        )
    # It is on the CPU. To be moved there in half precision, diffusers warns four times that it cannot run, but it can.
    return pipe if device.type == "cpu" else pipe.to(device)


def load_pipelines(models, device, dtype, quiet=False, variant=None, revision=None):
    r"""
    Load a model, and a teacher to set beside it.

    Args:
        models (`dict[str, Path | str]`): By their roles, `"model"` and `"teacher"`, what [`find_model`] returned.
        device, dtype, quiet: As for [`load_pipeline`].
        variant, revision (`str`, *optional*): Of the model; of a teacher the weights without a variant are loaded.

    Returns:
        `dict[str, AudioLCMPipeline]`: By the roles.
    """
    of_role = {"model": {"variant": variant, "revision": revision}}
    return {
        role: load_pipeline(model, device, dtype, quiet, **of_role.get(role, {})) for role, model in models.items()
    }


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

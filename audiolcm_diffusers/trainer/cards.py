# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The card of a trained model: how to load it, data, settings, losses and samples."""

from dataclasses import fields
from pathlib import Path

from huggingface_hub import ModelCardData

from .. import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT, __version__
from ..data.hub_dataset import HubDataset
from .data_options import DATASET_OPTIONS, ExampleConfig
from .log import NO_LOSSES
from .run_options import options_to_save


# Folders of the package, and what everybody who has it calls them.
SHIPPED = {
    MINI_CHECKPOINT.resolve(): "MINI_CHECKPOINT",
    MINI_TEACHER_CHECKPOINT.resolve(): "MINI_TEACHER_CHECKPOINT",
}


def model_usage(model_class, name):
    r"""Code that loads a model or pipeline of a class from the Hub's repository `name`."""
    package = model_class.__module__.split(".")[0]
    return f"from {package} import {model_class.__name__}\n\nmodel = {model_class.__name__}.from_pretrained({name!r})"


def family_usage(pipeline_class, code):
    r"""
    Code that loads a pipeline of diffusers' own as `pipe`.

    Args:
        pipeline_class (`type`): Its class.
        code (`str`): An expression for its folder or id.
    """
    name = pipeline_class.__name__
    return f"from diffusers import {name}\n\npipe = {name}.from_pretrained({code})"


def family_adapter_usage(teacher, base, name, scheduler=None):
    r"""
    Code that loads an adapter of any family into `pipe`.

    Args:
        teacher ([`~teachers.base.Teacher`]): Knows the family.
        base (`str`): Folder or Hub id of the pipeline that it adapts.
        name (`str`): The adapter's repository.
        scheduler (`SchedulerMixin`, *optional*): That lies beside it in `scheduler`.
    """
    denoiser, define, code = f"pipe.{teacher.denoiser_name}", "", repr(base)
    if Path(base).exists():
        known_as = "/".join(Path(base).resolve().parts[-2:])
        code, define = "BASE", f'# The pipeline that this was trained on, {known_as!r} there.\nBASE = "..."\n'
    lines = [define + family_usage(type(teacher.pipe), code)]
    if teacher.has_lora_loader:
        lines.append(f"pipe.load_lora_weights({name!r})")
    else:
        lines.insert(0, "from peft import PeftModel")
        lines.append(f"{denoiser} = PeftModel.from_pretrained({denoiser}, {name!r}).merge_and_unload()")
    if scheduler is not None:
        kind = type(scheduler).__name__
        lines.insert(0, f"from diffusers import {kind}")
        lines.append(f'pipe.scheduler = {kind}.from_pretrained({name!r}, subfolder="scheduler")')
        if teacher.student_code:
            lines.append(teacher.student_code)
    return "\n".join(lines)


def adapter_usage(base, name, usage):
    r"""
    Code that loads an adapter.

    Args:
        base (`str`): Folder or Hub id of the pipeline that it adapts.
        name (`str`): The adapter's repository.
        usage (`str`): Code that follows after loading into `pipe`.
    """
    names, define = ["AudioLCMPipeline", "LCMAudioScheduler"], ""
    if Path(base).exists():
        base_code = SHIPPED.get(Path(base).resolve(), "BASE")
        if base_code == "BASE":
            # Where it lies on the machine of whoever trained is of no use to others.
            known_as = "/".join(Path(base).resolve().parts[-2:])
            define = (
                f"# The pipeline that this was trained on, {known_as!r} there: its folder, or owner/name on the Hub.\n"
            )
            define += 'BASE = "..."\n'
        else:
            names = [base_code, *names]
    else:
        base_code = repr(base)
    return (
        f"from audiolcm_diffusers import {', '.join(names)}\n\n{define}"
        f"pipe = AudioLCMPipeline.from_pretrained({base_code})\npipe.load_lora_weights({name!r})\n{usage}"
    )


def hub_id_of(config):
    r"""The Hub's id of the data that a script's options name; `None` where they lie on the machine."""
    return config.data.hub_id if isinstance(config.data, HubDataset) else None


def settings_of(config):
    r"""
    What a script's options say of a training.

    Args:
        config ([`~audiolcm_diffusers.trainer.RunConfig`]): The options.

    Returns:
        `dict`: Values by the options' names, folders by their own names; without those that were left at `None` or had
        no use.
    """
    settings = {name: value for name, value in options_to_save(config).items() if value is not None}
    for name, value in settings.items():
        if name.endswith("_dir") or (name == "dataset_name" and hub_id_of(config) is None):
            settings[name] = ", ".join(Path(one).name for one in (value if isinstance(value, list) else [value]))
    if "cache_dir" in settings:
        # What the examples are was decided when the cache was made.
        chosen = config.chosen_example_options()
        held = {field.name for field in fields(ExampleConfig)}
        settings = {name: value for name, value in settings.items() if name not in held or name in chosen}
    if "dataset_name" not in settings:
        settings = {name: value for name, value in settings.items() if name not in DATASET_OPTIONS}
    return settings


def model_card(config, name, step, usage, card_data, tags=(), losses=(), sample_prompts=()):
    r"""
    What a reader of the trained model needs.

    Args:
        config ([`~audiolcm_diffusers.trainer.RunConfig`]): The script's options.
        name (`str`): The model's, its repository on the Hub.
        step (`int`): Steps that it was trained for.
        usage (`str`): Code that loads it.
        card_data (`dict`): Further metadata for the Hub.
        tags (`Sequence[str]`): Further tags for the Hub.
        losses (`Sequence[dict]`): Lines of the log.
        sample_prompts (`Sequence[str]`): Prompts of the sounds that lie in `samples`.

    Returns:
        `str`: Markdown with the Hub's metadata.
    """
    hub_id = hub_id_of(config)
    data = ModelCardData(
        library_name="diffusers",
        tags=["audiolcm", "audiolcm_diffusers", "text-to-audio", *tags],
        datasets=[hub_id] if hub_id is not None else None,
        **card_data,
    )
    settings = settings_of(config)
    trained_on = next(settings[source] for source in config.sources() if source in settings)
    parts = [
        f"---\n{data.to_yaml()}\n---\n# {name}",
        f"Trained with `audiolcm-diffusers` {__version__} on `{trained_on}` for {step} steps. "
        "The training script wrote this card: add what the data are, who made them and under which licence.",
        f"```python\n{usage}\n```",
        "## Settings\n" + table_of(("option", "value"), sorted(settings.items())),
    ]
    if losses:
        parts.append("## Losses\nMeans since the line of the log before.\n\n" + losses_table(losses))
    if sample_prompts:
        links = "\n".join(f"- [{prompt}](samples/{index:02d}.wav)" for index, prompt in enumerate(sample_prompts))
        parts.append(f"## Samples\n![Mel spectrograms](samples/mels.png)\n\n{links}")
    return "\n\n".join(parts) + "\n"


def losses_table(losses):
    r"""A Markdown table of some lines of the log, evenly spaced, and the last."""
    columns = ["step", *sorted(set().union(*losses) - NO_LOSSES)]
    shown = losses[:: max(1, len(losses) // 8)]
    shown += [losses[-1]] if shown[-1] is not losses[-1] else []
    return table_of(columns, [[line.get(column, "") for column in columns] for line in shown])


def table_of(columns, rows):
    r"""A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)

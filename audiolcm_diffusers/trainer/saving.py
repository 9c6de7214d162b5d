# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a run leaves: a folder with the trained model, its card and samples, and its copy on the Hub."""

import shutil
from pathlib import Path

from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
from safetensors.torch import save_file

from ..files import save_folder
from ..hub import Repository
from ..pipelines.pipeline_audiolcm import AudioLCMPipeline


def save_with_card(save, card, samples, folder):
    r"""
    Put a trained model with its card in the place of a folder.

    Args:
        save (`Callable[[Path], None]`): Writes the model into a folder.
        card (`str`): The model's card, written as `README.md`.
        samples (`Path` or `None`): Folder of validation's sounds, copied to `samples`.
        folder (`Path`): Where all of it goes at once.
    """

    def save_all(temporary):
        save(temporary)
        # What the pipeline that it began from sounds like.
        shutil.rmtree(temporary / "samples", ignore_errors=True)
        if samples is not None:
            shutil.copytree(samples, temporary / "samples")
        (temporary / "README.md").write_text(card, "utf-8")

    save_folder(save_all, folder)


def save_lora_weights(transformer, folder):
    r"""Write a transformer's adapter, the only one, for `AudioLCMPipeline.load_lora_weights`."""
    from peft import get_peft_model_state_dict

    AudioLCMPipeline.save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(transformer),
        transformer_lora_adapter_metadata=transformer.peft_config["default"].to_dict(),
    )


def save_family_lora(teacher, denoiser, folder, scheduler=None):
    r"""
    Write a network's adapter, the only one: in the format of the family's pipeline where it loads adapters, otherwise
    for `peft.PeftModel.from_pretrained`.

    Args:
        teacher ([`~teachers.base.Teacher`]): Knows the family.
        denoiser (`nn.Module`): With one adapter.
        folder (`Path`): Where it goes.
        scheduler (`SchedulerMixin`, *optional*): That the adapted pipeline needs, written to `scheduler`.
    """
    from peft import get_peft_model_state_dict

    how, weights = denoiser.peft_config["default"], get_peft_model_state_dict(denoiser)
    if teacher.has_lora_loader:
        type(teacher.pipe).save_lora_weights(
            folder, transformer_lora_layers=weights, transformer_lora_adapter_metadata=how.to_dict()
        )
    else:
        Path(folder).mkdir(parents=True, exist_ok=True)
        # As peft names them in the files that it writes.
        weights = {f"base_model.model.{name}": value.contiguous() for name, value in weights.items()}
        save_file(weights, Path(folder) / "adapter_model.safetensors", metadata={"format": "pt"})
        how.save_pretrained(folder)
    if scheduler is not None:
        scheduler.save_pretrained(Path(folder) / "scheduler")


def repository_of(config, name):
    r"""
    The Hub's repository that a run is to be uploaded to, made where there is none.

    Args:
        config ([`~audiolcm_diffusers.trainer.RunConfig`]): The run's options.
        name (`str`): The repository's.

    Returns:
        [`~audiolcm_diffusers.hub.Repository`].

    Raises:
        ValueError: If it can neither be made nor written to.
    """
    try:
        return Repository.of(name, private=config.hub_private_repo or None, token=config.hub_token)
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as error:
        raise ValueError(
            f"push_to_hub: the repository {name!r} can neither be made nor found on the Hub. Log in with "
            f"`hf auth login`, give HF_TOKEN or --hub_token, or train without --push_to_hub. The Hub says: {error}"
        ) from error


def upload(folder, repository):
    r"""
    Upload a trained model to its repository, whose card it replaces.

    Raises:
        RuntimeError: If that fails; the folder stays.
    """
    try:
        repository.upload(folder, "End of training", keep_card=False)
    except (HfHubHTTPError, OSError) as error:
        raise RuntimeError(
            f"The model is in {str(folder)!r}, but was not uploaded: {error}. To try again: "
            f"hf upload {repository.name} {folder}"
        ) from error

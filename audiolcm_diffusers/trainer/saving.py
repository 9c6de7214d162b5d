# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a run leaves: a folder with the trained model, its card and samples, and its copy on the Hub."""

import shutil

from huggingface_hub import create_repo, upload_folder

from ..files import save_folder
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


def upload(folder, name):
    r"""Upload a folder to the Hub's repository `name`, which is made where there is none."""
    repo_id = create_repo(name, exist_ok=True).repo_id
    upload_folder(repo_id=repo_id, folder_path=folder, commit_message="End of training")

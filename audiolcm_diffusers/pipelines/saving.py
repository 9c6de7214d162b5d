# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Pipelines are saved, and uploaded, with their cards, and only where they can be loaded again."""

import os
import tempfile
from pathlib import Path

from .. import __version__
from ..hub import Repository
from ..remote_code import add_code
from .cards import keep_card, pipeline_card


UPLOAD_OPTIONS = ("repo_id", "private", "token", "commit_message", "create_pr")


class SavedWithCardMixin:
    r"""`save_pretrained` and `push_to_hub` of a pipeline that has a `transformer`."""

    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str | None = None,
        push_to_hub: bool = False,
        description: str | None = None,
        with_code: bool = False,
        **kwargs,
    ) -> None:
        r"""
        Save the pipeline, see `DiffusionPipeline.save_pretrained`, with the card, licences, credits and samples that
        it was loaded with; files of these names that lie in the folder are kept. One that has no card gets one.

        Args:
            save_directory (`str` or `os.PathLike`): Folder to write to, made where there is none.
            safe_serialization, variant, max_shard_size: See `DiffusionPipeline.save_pretrained`.
            push_to_hub (`bool`, defaults to `False`):
                Whether to upload the folder, too. The repository is made before anything is written; a card that it
                has is kept.
            description (`str`, *optional*): Where it comes from, for the card of a pipeline that has none.
            with_code (`bool`, defaults to `False`):
                Whether the folder brings the code of its classes, for those who have diffusers and not this package,
                and is a modular pipeline, too (see `remote_code.py`).
            kwargs:
                `repo_id` (by default the folder's name), `private`, `token`, `commit_message` and `create_pr` of an
                upload, and what else `DiffusionPipeline.save_pretrained` takes.

        Raises:
            ValueError: If the transformer has LoRAs that are not fused, or `save_directory` is a file.
        """
        self._check_can_be_saved()
        folder = Path(save_directory)
        if folder.is_file():
            raise ValueError(f"Expected `save_directory` to be a folder, got the file {str(folder)!r}.")
        upload = {name: kwargs.pop(name) for name in UPLOAD_OPTIONS if name in kwargs}
        if push_to_hub:
            repository = Repository.of(upload.pop("repo_id", folder.resolve().name), **upload)
        super().save_pretrained(
            str(folder),
            safe_serialization=safe_serialization,
            variant=variant,
            max_shard_size=max_shard_size,
            **kwargs,
        )
        self._keep_card(folder, description=description)
        if with_code:
            add_code(folder, repository.name if push_to_hub else None)
        if push_to_hub:
            repository.upload(folder, f"Upload {type(self).__name__}")

    def push_to_hub(
        self,
        repo_id: str,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        create_pr: bool = False,
        safe_serialization: bool = True,
        variant: str | None = None,
        subfolder: str | None = None,
        with_code: bool = False,
    ) -> str:
        r"""
        Upload the pipeline, see `DiffusionPipeline.push_to_hub`, with its card as
        [`~AudioLCMPipeline.save_pretrained`] writes it. A card that the repository has is kept. `with_code` as there.

        Raises:
            ValueError: If the transformer has LoRAs that are not fused, or code is to go into a `subfolder`.
        """
        if with_code and subfolder is not None:
            raise ValueError(f"diffusers runs code at the top of a repository alone, got subfolder={subfolder!r}.")
        self._check_can_be_saved()
        repository = Repository.of(repo_id, private, token, commit_message, create_pr)
        with tempfile.TemporaryDirectory() as folder:
            super().save_pretrained(folder, safe_serialization=safe_serialization, variant=variant)
            self._keep_card(Path(folder), name=repository.name)
            if with_code:
                add_code(folder, repository.name)
            return repository.upload(Path(folder), f"Upload {type(self).__name__}", subfolder)

    def _check_can_be_saved(self) -> None:
        transformer = getattr(self.transformer, "_orig_mod", self.transformer)  # what torch.compile has wrapped
        if hasattr(transformer, "check_no_lora_beside"):
            transformer.check_no_lora_beside()

    def _keep_card(self, folder: Path, name: str | None = None, description: str | None = None) -> None:
        description = description or f"A pipeline that `audiolcm-diffusers` {__version__} has saved."
        steps, scale = self._with_defaults(None, None)
        card = pipeline_card(name or folder.resolve().name, self.components, description, steps, scale)
        keep_card(self._loaded_from(), folder, card)

    def _loaded_from(self) -> str | None:
        """Where the pipeline came from, or, where it was put together from components, its transformer did."""
        source = self.config.get("_name_or_path") or None
        transformer = self.transformer.config.get("_name_or_path")
        if source is None and transformer and (Path(transformer).parent / "model_index.json").is_file():
            source = str(Path(transformer).parent)
        return source

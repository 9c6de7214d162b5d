# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Repositories on the Hub that folders are uploaded to."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import create_repo, file_exists, upload_folder


@dataclass(frozen=True, kw_only=True)
class Repository:
    r"""
    A repository that exists, and how to upload to it.

    Args:
        name (`str`): "owner/name".
        token (`str`, *optional*): By default the variable `HF_TOKEN`, or what `hf auth login` stored.
        commit_message (`str`, *optional*): Of the upload; one that tells what it is by default.
        create_pr (`bool`, defaults to `False`): Whether the upload is a pull request.
    """

    name: str
    token: str | None = None
    commit_message: str | None = None
    create_pr: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str | None = None,
        create_pr: bool = False,
    ) -> "Repository":
        r"""
        Make a repository, or find it: what cannot be uploaded to is known before anything else is done.

        Args:
            name (`str`): "owner/name", or "name" in the namespace of whoever the token belongs to.
            private (`bool`, *optional*): Whether one that is made is private; as the owner's default says by default.
            token, commit_message, create_pr: As of the class.

        Raises:
            huggingface_hub.errors.HfHubHTTPError: If there is no token that may do so.
        """
        name = create_repo(name, exist_ok=True, private=private, token=token).repo_id
        return cls(name=name, token=token, commit_message=commit_message, create_pr=create_pr)

    def upload(self, folder: Path, message: str, subfolder: str | None = None, keep_card: bool = True) -> str:
        r"""
        Upload what is in a folder.

        Args:
            folder (`Path`): The folder.
            message (`str`): Of the commit, where the repository was made without.
            subfolder (`str`, *optional*): Where in the repository it goes; to the top by default.
            keep_card (`bool`, defaults to `True`): Whether a card that the repository has at its top stays.

        Returns:
            The address of the commit.
        """
        keeps = keep_card and subfolder is None and file_exists(self.name, "README.md", token=self.token)
        return upload_folder(
            repo_id=self.name,
            folder_path=folder,
            path_in_repo=subfolder,
            commit_message=self.commit_message or message,
            create_pr=self.create_pr,
            token=self.token,
            ignore_patterns=["README.md"] if keeps else None,
        )

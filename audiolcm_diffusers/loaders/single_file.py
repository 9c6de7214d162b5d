# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`from_single_file` for published weights."""

import os
from pathlib import Path
from typing import Any

from diffusers.loaders import FromOriginalModelMixin


class PublishedSingleFileMixin(FromOriginalModelMixin):
    r"""[`~diffusers.loaders.FromOriginalModelMixin`] for models that audiolcm-diffusers registers with it."""

    @classmethod
    def from_single_file(cls, pretrained_model_link_or_path_or_dict=None, **kwargs):
        r"""
        Load published weights from one file: a whole checkpoint, or the weights of this model alone.

        Args:
            pretrained_model_link_or_path_or_dict (`str`, `Path` or `dict`):
                A `.safetensors` or PyTorch file, a link to one on the Hub, or weights.
            original_config (`str`, `Path` or `dict`, *optional*):
                The published configuration, a YAML or JSON file, a link or a dictionary: the whole one, as
                `audiolcm convert` reads it, or this model's part of it. Without it and `config`, the published model's
                sizes are taken.
            config (`str`, *optional*):
                Folder or Hub id of a model of this class, whose `config.json` is taken; with it the file may also hold
                the weights of a saved model.
            kwargs: As of [`~diffusers.loaders.FromOriginalModelMixin.from_single_file`].

        Returns:
            The model, in eval mode.

        Raises:
            ValueError: If weights and configuration do not fit.
        """
        from ..conversion.checkpoint import read_config
        from ..conversion.single_file import published_config

        source = pretrained_model_link_or_path_or_dict
        if isinstance(source, os.PathLike):
            source = os.fspath(source)
        original_config: Any = kwargs.pop("original_config", None)
        if isinstance(original_config, str | os.PathLike) and "://" not in os.fspath(original_config):
            original_config = read_config(Path(original_config))
        if original_config is not None:
            return super().from_single_file(source, original_config=original_config, **kwargs)
        if kwargs.get("config") is not None:
            return super().from_single_file(source, **kwargs)
        try:
            return super().from_single_file(source, original_config=published_config(cls), **kwargs)
        except ValueError as error:
            raise ValueError(
                f"{error} The published model's sizes were taken, because neither `original_config`, the published "
                "configuration, nor `config`, the folder of a saved model, was given."
            ) from error

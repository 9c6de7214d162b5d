# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What a saved pipeline says of itself: the card, licences and credits that it came with, or a card of its own."""

import re
import shutil
from pathlib import Path

from diffusers.utils import logging

from ..files import replacing


logger = logging.get_logger(__name__)

CARD = "README.md"
# What lies beside a card, and what it refers to. Suffixes and case differ from one repository to the other.
COMPANIONS = ("README*", "LICENSE*", "LICENCE*", "NOTICE*", "CREDITS*", "COPYING*")
SAMPLES = "samples"


def companions(folder: Path) -> list[Path]:
    r"""The card of a saved pipeline, its licences and credits, and the folder of its samples, as far as there are."""
    found = {path for path in folder.iterdir() if path.is_file() and _is_companion(path)}
    if (folder / SAMPLES).is_dir():
        found.add(folder / SAMPLES)
    return sorted(found)


def _is_companion(path: Path) -> bool:
    return any(Path(path.name.upper()).match(pattern) for pattern in COMPANIONS)


def keep_card(source: str | None, folder: Path, default: str) -> None:
    r"""
    Give a saved pipeline the card, licences, credits and samples of the one that it was loaded from, or a card.

    Args:
        source (`str`, *optional*): Folder or Hub id that the pipeline was loaded from.
        folder (`Path`): Where it was saved. Files that are there are kept.
        default (`str`): The card where there is no other.
    """
    for path in _companions_of_source(None if source is None else str(source)):
        target = folder / path.name
        if target.exists():
            continue
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            with replacing(target) as temporary:
                shutil.copyfile(path, temporary)
    if not (folder / CARD).exists():
        with replacing(folder / CARD) as temporary:
            temporary.write_text(default, encoding="utf-8")


def _companions_of_source(source: str | None) -> list[Path]:
    if not source:
        return []
    if Path(source).is_dir():
        return companions(Path(source))
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        return []  # a folder that has gone
    try:
        names = [name for name in HfApi().list_repo_files(source) if "/" not in name and _is_companion(Path(name))]
        return [Path(hf_hub_download(source, name)) for name in names]
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        logger.warning(f"The card and licence of {source!r} could not be read and are not saved: {error}")
        return []


def pipeline_card(name: str, components: dict, description: str, steps: int, scale: float) -> str:
    r"""
    A card for a pipeline that has none.

    Args:
        name (`str`): The model's.
        components (`dict`): Of the pipeline; those that are `None` are left out.
        description (`str`): Where it comes from.
        steps (`int`), scale (`float`): Defaults of a call.

    Returns:
        `str`: Markdown with the Hub's metadata.
    """
    rows = "\n".join(
        f"| `{part}` | `{type(component).__name__}` | {_size(component)} |"
        for part, component in components.items()
        if component is not None
    )
    return f"""---
library_name: diffusers
pipeline_tag: text-to-audio
tags:
- text-to-audio
- audiolcm
- audiolcm_diffusers
---
# {name}

{description} Add what it was trained on, who made the recordings, and under which licence it is shared.

It needs audiolcm-diffusers (`pip install audiolcm-diffusers`), which is imported before diffusers can load it:

```python
from audiolcm_diffusers import AudioLCMPipeline

pipe = AudioLCMPipeline.from_pretrained({name!r})
audio = pipe("rain falling").audios[0]
```

A call takes {steps} steps at a guidance scale of {scale:g} where it asks for nothing else.

| part | class | parameters |
|---|---|---|
{rows}
"""


def _size(component) -> str:
    if not hasattr(component, "parameters"):
        return ""
    return f"{sum(parameter.numel() for parameter in component.parameters()) / 1e6:.1f} M"

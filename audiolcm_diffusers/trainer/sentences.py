# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A sentence encoder as a teacher of words: what it makes of texts, computed once and kept on disk."""

from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from ..data.latent_cache import digest, module_fingerprint
from ..files import replacing
from ..loaders.complete import load_complete, refuse_own_code


class SentenceEncoder:
    r"""
    A BERT-like encoder whose tokens' mean is a sentence's embedding, as all-MiniLM-L6-v2.

    Args:
        folder (`str`): Folder or Hub id of a model and its tokenizer, as `transformers.AutoModel` loads them.
        device (`torch.device`, *optional*): Where it computes; the CPU by default.
        max_length (`int`, defaults to 48): Tokens after which texts are cut.

    Raises:
        ValueError: If there is no such model.
    """

    def __init__(self, folder, device=None, max_length=48):
        try:
            refuse_own_code(folder)
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model = load_complete(AutoModel, folder, unused=("pooler.",), dtype=torch.float32)
            self.model = model.eval().to(device or "cpu")
        except (OSError, ValueError) as error:
            raise ValueError(f"Expected a sentence encoder with its tokenizer in {folder!r}: {error}") from error
        self.max_length = max_length

    @cached_property
    def fingerprint(self):
        r"""`str`: A hash of what it computes."""
        return module_fingerprint(self.model)

    @torch.no_grad()
    def encode(self, texts):
        r"""
        Embeddings of texts.

        Args:
            texts (`list[str]`): Any.

        Returns:
            `torch.Tensor` of shape `(num_texts, hidden_size)`: float32, on the CPU, of length 1.
        """
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        seen = tokens.attention_mask[..., None]
        states = self.model(**tokens).last_hidden_state
        return F.normalize((states * seen).sum(dim=1) / seen.sum(dim=1), dim=-1).float().cpu()


def cached_embeddings(encoder, texts, folder, batch_size=64, shard_size=4096):
    r"""
    Embeddings of many texts, of which those that a folder has are not computed again.

    Args:
        encoder ([`SentenceEncoder`]): The teacher.
        texts (`Iterable[str]`): Any; each is computed once.
        folder (`str` or `Path`): Where embeddings are kept, shard by shard in half precision.
        batch_size (`int`, defaults to 64): Texts that the teacher reads at once.
        shard_size (`int`, defaults to 4096): Texts after which what is there is written.

    Returns:
        `tuple[dict[str, int], torch.Tensor]`: The row of each text, and rows of the encoder's width, float32.

    Raises:
        ValueError: If the folder has embeddings of another teacher.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows, embeddings = {}, []

    def add(texts, vectors):
        # Counted by rows, because two writers may each have written a text.
        first = sum(map(len, embeddings))
        rows.update({text: first + index for index, text in enumerate(texts)})
        embeddings.append(vectors)

    for path in sorted(folder.glob("[0-9]*.pt")):
        shard = torch.load(path, weights_only=True)
        if shard["teacher"] != encoder.fingerprint:
            raise ValueError(f"{str(path)!r} holds embeddings of another teacher: name another folder.")
        add(shard["texts"], shard["embeddings"])
    # Texts of one length are read in one batch without padding.
    missing = sorted((text for text in dict.fromkeys(texts) if text not in rows), key=len)
    for start in range(0, len(missing), shard_size):
        shard = missing[start : start + shard_size]
        batches = [shard[first : first + batch_size] for first in range(0, len(shard), batch_size)]
        add(shard, torch.cat([encoder.encode(batch) for batch in batches]).half())
        state = {"teacher": encoder.fingerprint, "texts": shard, "embeddings": embeddings[-1]}
        # Another writer may be at its own shard of this number.
        with replacing(folder / f"{len(embeddings) - 1:05d}-{digest(shard)[:8]}.pt") as temporary:
            torch.save(state, temporary)
    return rows, torch.cat(embeddings).float() if embeddings else torch.zeros(0, encoder.model.config.hidden_size)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is asked for of each sound beside its caption, a class and a tempo, and whether it is heard."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..data.captioned_audio import unit
from ..data.latent_cache import digest
from .class_map import NUM_LIKELIEST
from .tempo import TOLERANCE, is_in_tempo, tempo_bpm


ASKED = ("named", "tempo")
OCTAVES = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Asked:
    r"""
    What is asked for of each of some sounds.

    Args:
        classes (`Sequence[str]`): What a tagger can name them as; `None` where its class map has no such class.
        tempos_bpm (`Sequence[float]`): Beats a minute; `None` where no tempo is asked for.
        groups (`Sequence[str]`): What they are told apart by in tables.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): Names sounds.
    """

    classes: list
    tempos_bpm: list
    groups: list
    tagger: object = None

    @classmethod
    def of(cls, captions, tagger=None, sound_classes=None, tempos_bpm=None):
        r"""
        Args:
            captions (`Sequence[str]`): Of each sound.
            tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): Names sounds.
            sound_classes (`Sequence[str]`, *optional*): Of each sound, empty where it has none but its caption.
            tempos_bpm (`Sequence[float]`, *optional*): Of each sound, `None` where it has none.

        Returns:
            [`Asked`].
        """
        given = [None] * len(captions) if sound_classes is None else list(sound_classes)
        tempos = [None] * len(captions) if tempos_bpm is None else list(tempos_bpm)
        classes = [None if tagger is None else tagger.class_of(*pair) for pair in zip(captions, given)]
        groups = [known or name or caption for known, name, caption in zip(classes, given, captions)]
        return cls(classes, tempos, groups, tagger)

    @property
    def num_classes_known(self):
        r"""`int`: Sounds that can be named."""
        return sum(name is not None for name in self.classes)

    @property
    def num_tempos_known(self):
        r"""`int`: Sounds of which a tempo is asked for."""
        return sum(bpm is not None for bpm in self.tempos_bpm)

    def describe(self):
        r"""`dict[str, dict]`: What the protocol records of the two metrics."""
        return {
            "named": {
                "rule": f"a label of the class among the {NUM_LIKELIEST} likeliest by the mean over time",
                "num_clips": self.num_classes_known,
                "num_left_out": len(self.classes) - self.num_classes_known,
                "classes": digest(self.classes),
            },
            "tempo": {
                "rule": f"the onset autocorrelation peaks within {TOLERANCE:.0%} of the tempo",
                "num_clips": self.num_tempos_known,
                "num_left_out": len(self.tempos_bpm) - self.num_tempos_known,
                "tempos": digest(self.tempos_bpm),
            },
        }

    def hits(self, metric, heard):
        r"""
        Which sounds are as asked for.

        Args:
            metric (`str`): `"named"`, `"tempo"`, or `"tempo or octave"`, which lets half and double count.
            heard (`dict`): What is heard in each of the sounds: `tagger`, and `tempo` from [`hear_tempos`].

        Returns:
            `numpy.ndarray` of shape `(num_sounds,)`: 0 or 1; NaN where nothing is asked for.
        """
        if metric == "named":
            found = self.tagger.are_named(heard["tagger"], self.classes)
            return np.array([math.nan if name is None else hit for name, hit in zip(self.classes, found)], dtype=float)
        factors = OCTAVES if metric == "tempo or octave" else (1.0,)
        pairs = zip(heard["tempo"]["bpm"][:, 0].tolist(), self.tempos_bpm)
        hits = [math.nan if asked is None else is_in_tempo(bpm, asked, factors) for bpm, asked in pairs]
        return np.array(hits, dtype=float)

    def facts(self, metrics, heard):
        r"""
        What a table tells apart beside the metrics.

        Args:
            metrics (`Sequence[str]`): Those that are computed.
            heard (`dict`): See [`Asked.hits`].

        Returns:
            `dict`: `classes`, of each class and metric the share of its sounds and their number; `tempo_or_octave`.
        """
        hits = {name: self.hits(name, heard) for name in ASKED if name in metrics}
        if not hits:
            return {}
        classes = {}
        for group in sorted(set(self.groups)):
            chosen = np.array([name == group for name in self.groups])
            shares = {name: _share(values[chosen]) for name, values in hits.items()}
            shares = {name: share for name, share in shares.items() if share is not None}
            if shares:
                classes[group] = shares
        octaves = _share(self.hits("tempo or octave", heard)) if "tempo" in hits else None
        return {"classes": classes, **({} if octaves is None else {"tempo_or_octave": octaves["share"]})}


def _share(hits):
    known = hits[~np.isnan(hits)]
    return {"share": float(known.mean()), "num_sounds": len(known)} if len(known) else None


def hear_tempos(waveforms):
    r"""
    Tempos of sounds.

    Args:
        waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): int16 at 16 kHz.

    Returns:
        `dict[str, torch.Tensor]`: `bpm`, of shape `(num_sounds, 1)`.
    """
    return {"bpm": torch.tensor([[tempo_bpm(unit(waveform))] for waveform in waveforms], dtype=torch.float64)}

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds of prompts that no recording belongs to: whether they are named, and in tempo, as asked for."""

import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..data.latent_cache import digest
from ..data.metadata import read_table, read_text
from .asked import ASKED, Asked, hear_tempos
from .bootstrap import bootstrap, mean_over_prompts
from .controls import clip_seed, to_lengths, white_noise
from .evaluation import name_of, plan, row_name
from .listening import FeatureCache, Listeners
from .options import EvaluationOptions
from .protocol import CONFIDENCE, FORMAT, SAMPLING_RATE, fixed_rules, software_versions
from .references import as_references, read_tempo
from .results import EvaluationResults
from .sounds import count_silent, describe_pipeline, make_sounds


COLUMNS = ("prompt", "sound_class", "tempo_bpm")
NOISE_LEVEL = 3277  # root mean square of the control of white noise, -20 dB of full scale


@dataclass(frozen=True)
class Prompts:
    r"""
    Prompts, and what their sounds must be.

    Args:
        texts (`Sequence[str]`): The prompts, all different.
        sound_classes (`Sequence[str]`, *optional*):
            Of each prompt, a class of the tagger's class map; an empty text where the prompt itself is one.
        tempos_bpm (`Sequence[float]`, *optional*): Beats a minute of each prompt; `None` where none is asked for.
        name (`str`, defaults to `"prompts in memory"`): What results call them.

    Raises:
        ValueError: If there is none, one is empty or occurs twice, or there are more or fewer of something else.
    """

    texts: list[str]
    sound_classes: list[str] | None = None
    tempos_bpm: list[float | None] | None = None
    name: str = "prompts in memory"

    def __post_init__(self):
        if not self.texts or not all(isinstance(text, str) and text.strip() for text in self.texts):
            raise ValueError(f"Expected prompts in {self.name!r}, none of them empty, got {self.texts}.")
        most, times = Counter(self.texts).most_common(1)[0]
        if times > 1:
            raise ValueError(f"Expected the prompts of {self.name!r} to be all different, got {most!r} twice.")
        for name in ("sound_classes", "tempos_bpm"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.texts):
                raise ValueError(f"Expected `{name}` of each of {len(self.texts)} prompts, got {len(values)}.")


def read_prompts(path):
    r"""
    Read prompts.

    Args:
        path (`str` or `Path`):
            `.csv` with columns `prompt` and, as far as there are, `sound_class` and `tempo_bpm`; or `.json`, a list of
            objects of the same.

    Returns:
        [`Prompts`].

    Raises:
        ValueError: If the file is missing or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".json":
            rows = json.loads(read_text(path))
        else:
            rows = [row for number, row in read_table(path) if number > 1]
    except (OSError, ValueError) as error:
        raise ValueError(f"`prompts` {str(path)!r} cannot be read: {error}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "prompt" in row for row in rows):
        raise ValueError(
            f"Expected `prompts` {str(path)!r} to be a table with a column prompt, or a JSON list of objects with it."
        )
    unknown = {str(column) for row in rows for column in row} - set(COLUMNS)
    if unknown:
        raise ValueError(f"Expected columns {', '.join(COLUMNS)} in {str(path)!r}, got {', '.join(sorted(unknown))}.")
    return Prompts(
        [str(row["prompt"] or "").strip() for row in rows],
        [str(row.get("sound_class") or "").strip() for row in rows],
        [read_tempo(row.get("tempo_bpm"), str(path)) for row in rows],
        str(path),
    )


def evaluate_prompts(
    pipe,
    prompts,
    tagger=None,
    *,
    clips=None,
    teacher=None,
    options=None,
    cache_dir=None,
    keep_sounds=False,
    model_name=None,
    teacher_name=None,
    progress=None,
    **changes,
):
    r"""
    Judge sounds of prompts that no recording belongs to: other wordings, or what a dataset lacks. The only metrics are
    `named` and `tempo`; intervals are over prompts, as takes of one are not independent.

    Args:
        pipe ([`AudioLCMPipeline`]): Makes the sounds.
        prompts ([`Prompts`], `str` or `Path`): Prompts, or the file that [`read_prompts`] finds them in.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): For `named`.
        clips (as for [`~audiolcm_diffusers.evaluation.evaluate`], *optional*):
            Real clips, whose rate stands beside: those of the classes that prompts ask for.
        options ([`~audiolcm_diffusers.evaluation.options.EvaluationOptions`], *optional*): All others.
        teacher, cache_dir, keep_sounds, model_name, teacher_name, progress:
            As for [`~audiolcm_diffusers.evaluation.evaluate`].
        changes: Single fields of the options, such as `takes=4`, sounds of each prompt.

    Returns:
        [`~audiolcm_diffusers.evaluation.results.EvaluationResults`].

    Raises:
        ValueError: If nothing can be judged, a pipeline cannot do what is asked, or a sound is not finite.

    Example:

    ```python
    >>> from audiolcm_diffusers.evaluation import evaluate_prompts, load_tagger
    >>> tagger = load_tagger("yamnet/", class_map="class_map.json")
    >>> print(evaluate_prompts(pipe, "wordings.csv", tagger, takes=4, num_inference_steps=2))
    ```
    """
    options = replace(options or EvaluationOptions(), **changes)
    check_no_other_options(options)
    if not isinstance(prompts, Prompts):
        prompts = read_prompts(prompts)
    asked, num_left_out = asked_of_prompts(prompts, tagger)
    pipes = {role: made for role, made in (("model", pipe), ("teacher", teacher)) if made is not None}
    duration_s = options.audio_length_in_s or pipe.config.default_audio_length_in_s
    references = None if clips is None else as_references(clips)
    table = PromptsTable(prompts, asked, references, tagger, options, duration_s, cache_dir, progress)
    settings = plan(pipes, table.texts, duration_s, options)
    names = {"model": model_name, "teacher": teacher_name}
    made_with = {role: describe_pipeline(names[role] or name_of(made), made) for role, made in pipes.items()}
    if num_left_out:
        table.data["notes"].append(f"{num_left_out} of {len(prompts.texts)} prompts ask for nothing that is judged.")
    table.add_real_and_controls()
    kept = {}
    for role, num_steps, scale in settings:
        start = time.perf_counter()
        sounds = make_sounds(pipes[role], table.texts, table.seeds, options.batch_size, duration_s, num_steps, scale)
        generation = {
            **made_with[role],
            "num_inference_steps": num_steps,
            "guidance_scale": scale,
            "generation_s": round(time.perf_counter() - start, 3),
        }
        name = row_name(role, num_steps, scale)
        sounds = to_lengths(sounds, table.num_samples)
        table.add(name, role, sounds, generation)
        if keep_sounds:
            kept[name] = sounds
    return EvaluationResults(table.data, kept, table.texts if keep_sounds else [])


def check_no_other_options(options):
    r"""
    Refuse options of metrics that need recordings.

    Args:
        options ([`~audiolcm_diffusers.evaluation.options.EvaluationOptions`]): To be checked.

    Raises:
        ValueError: Naming them.
    """
    others = [name for name in options.metrics or () if name not in ASKED]
    if others:
        raise ValueError(f"Expected `metrics` of prompts among {', '.join(ASKED)}, got {', '.join(others)}.")
    for name in ("fad_network", "allow_singular", "num_splits"):
        if getattr(options, name) != EvaluationOptions.__dataclass_fields__[name].default:
            raise ValueError(f"`{name}` belongs to metrics that need recordings, which `prompts` are judged without.")


def asked_of_prompts(prompts, tagger):
    r"""
    What prompts ask for that can be judged.

    Args:
        prompts ([`Prompts`]): All of them.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): Names sounds.

    Returns:
        `tuple[dict[str, tuple], int]`: Of each prompt that asks for something its class and tempo; and how many ask
        for nothing.

    Raises:
        ValueError: If none asks for anything.
    """
    classes = prompts.sound_classes or [""] * len(prompts.texts)
    tempos = prompts.tempos_bpm or [None] * len(prompts.texts)
    every = Asked.of(prompts.texts, tagger, classes, tempos)
    rows = zip(prompts.texts, zip(classes, tempos), every.classes)
    found = {text: pair for text, pair, known in rows if known is not None or pair[1] is not None}
    if not found:
        raise ValueError(
            f"Expected prompts in {prompts.name!r} that ask for a class of the tagger's class map or a tempo; none "
            "does."
        )
    return found, len(prompts.texts) - len(found)


class PromptsTable:
    r"""
    The table while it is filled.

    Args:
        prompts ([`Prompts`]): All of them.
        asked_of (`dict[str, tuple]`): From [`asked_of_prompts`].
        references ([`~audiolcm_diffusers.evaluation.references.References`], *optional*): Real clips.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): Names sounds.
        options ([`~audiolcm_diffusers.evaluation.options.EvaluationOptions`]): Seed, takes and so on.
        duration_s (`float`): Length of a sound.
        cache_dir (`str` or `Path`, *optional*): Where what is heard is kept.
        progress (`Callable[[str], None]`, *optional*): Is told the name of each row.

    Attributes:
        texts (`list[str]`), seeds (`list[int]`): Of each sound, a prompt's takes after each other.
    """

    def __init__(self, prompts, asked_of, references, tagger, options, duration_s, cache_dir=None, progress=None):
        self.options, self.progress = options, progress
        self.num_samples = round(duration_s * SAMPLING_RATE)
        self.listeners = Listeners(None, None, FeatureCache(cache_dir), options.batch_size, tagger)
        self.texts = [text for text in asked_of for _ in range(options.takes)]
        self.seeds = [clip_seed(options.seed, index) for index in range(len(self.texts))]
        classes, tempos = zip(*(asked_of[text] for text in self.texts))
        self.asked = Asked.of(self.texts, tagger, classes, tempos)
        known = {"named": self.asked.num_classes_known, "tempo": self.asked.num_tempos_known}
        lacking = [name for name in options.metrics or () if not known[name]]
        if lacking:
            raise ValueError(f"No prompt of {prompts.name!r} asks for what the metric {lacking[0]} needs.")
        self.metrics = [name for name in options.metrics or ASKED if known[name]]
        self.references, self.real_asked = self._real(references, tagger)
        settings = self.asked.describe()
        protocol = {
            "prompts": {
                "name": prompts.name,
                "fingerprint": digest(asked_of),
                "num_prompts": len(asked_of),
                "takes": options.takes,
            },
            "dataset": None if references is None else references.describe(self.num_samples),
            **fixed_rules(self.num_samples),
            "seed": options.seed,
            "networks": {kind: network.describe() for kind, network in self.listeners.networks.items()},
            "metrics": {name: settings[name] for name in self.metrics},
            "bootstrap": {"num_resamples": options.num_resamples, "confidence": CONFIDENCE, "seed": options.seed},
        }
        self.data = {
            "format": FORMAT,
            "protocol": protocol,
            "software": software_versions(),
            "run": {"device": "cpu", "batch_size": options.batch_size},
            "left_out": {},
            "notes": [],
            "rows": [],
        }

    def _real(self, references, tagger):
        """Clips of the classes that prompts ask for; where they ask for tempos alone, those with a tempo."""
        if references is None:
            return [], None
        every = Asked.of(references.captions, tagger, references.sound_classes, references.tempos_bpm)
        wanted = set(self.asked.groups)
        by_class = "named" in self.metrics
        chosen = [
            index
            for index, (group, bpm) in enumerate(zip(every.groups, every.tempos_bpm))
            if (group in wanted if by_class else bpm is not None)
        ]
        if not chosen:
            raise ValueError(f"No clip of {references.name!r} is of a class that prompts ask for.")
        parts = ([values[index] for index in chosen] for values in (every.classes, every.tempos_bpm, every.groups))
        waveforms = [references.clips[index].waveform for index in chosen]
        return to_lengths(waveforms, self.num_samples), Asked(*parts, tagger)

    def add_real_and_controls(self):
        r"""Add real clips, and sounds whose worth is known beforehand."""
        if self.references:
            heard = self._listen(self.references)
            metrics = {name: self._over_clips(self.real_asked.hits(name, heard)) for name in self.metrics}
            metrics = {name: estimate for name, estimate in metrics.items() if estimate is not None}
            self._add_row("real clips", "ceiling", metrics, None, **self.real_asked.facts(self.metrics, heard))
            self.data["notes"].append(f"real clips: {len(self.references)} of the classes that prompts ask for.")
        if self.options.controls:
            level = torch.full((self.num_samples,), NOISE_LEVEL, dtype=torch.int16)
            self.add("white noise", "control", white_noise([level] * len(self.texts), self.options.seed))
            self.add("silence", "control", [level * 0] * len(self.texts))

    def add(self, name, kind, sounds, generation=None):
        r"""
        Add a row of sounds.

        Args:
            name, kind (`str`): What it is called, and what it is.
            sounds (`Sequence[torch.Tensor]`): int16, one a text.
            generation (`dict`, *optional*): How they were made.
        """
        heard, takes = self._listen(sounds), self.options.takes
        metrics, of_prompts = {}, {}
        for metric in self.metrics:
            shares = self.asked.hits(metric, heard).reshape(-1, takes).mean(axis=1)
            known = ~np.isnan(shares)
            metrics[metric] = mean_over_prompts(shares[known], self.options.num_resamples, self.options.seed)
            of_prompts[metric] = {
                text: float(share) for text, share in zip(self.texts[::takes], shares) if not np.isnan(share)
            }
        num_silent = count_silent(sounds)
        if num_silent and kind != "control":
            self.data["notes"].append(f"{name}: {num_silent} of {len(sounds)} sounds are silent, below -60 dB.")
        facts = {"num_silent": num_silent, "prompts": of_prompts, **self.asked.facts(self.metrics, heard)}
        self._add_row(name, kind, metrics, generation, **facts)

    def _listen(self, sounds):
        return self.listeners.listen(sounds) | ({"tempo": hear_tempos(sounds)} if "tempo" in self.metrics else {})

    def _over_clips(self, hits):
        known = hits[~np.isnan(hits)]
        if not len(known):
            return None
        options = self.options
        value, low, high = bootstrap(
            lambda drawn: float(known[drawn].mean()), len(known), options.num_resamples, options.seed, CONFIDENCE
        )
        return {"value": value, "low": low, "high": high, "num_clips": len(known)}

    def _add_row(self, name, kind, metrics, generation, **facts):
        row = {"name": name, "kind": kind, "metrics": metrics, "generation": generation, **facts}
        self.data["rows"].append(row)
        if self.progress is not None:
            self.progress(name)

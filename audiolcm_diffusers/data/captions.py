# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Captions written in many ways, and sounds mixed as their captions say.

A small text encoder that sees one wording of a sound knows that wording only. Here every training example draws one:
paraphrases, inflected verbs, synonyms of words, articles, "the sound of …". Some examples are two sounds at once or
one after the other, under a caption that joins both.
"""

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F

from .captioned_audio import crop_or_pad, random_offset, unit
from .clip_parts import Derived, HeldClips
from .metadata import read_text


TEMPLATES = (
    "the sound of {}",
    "sound of {}",
    "a recording of {}",
    "{} sound",
    "{} can be heard",
    "we hear {}",
    "an audio clip of {}",
)
TOGETHER = ("{} and {}", "{} with {}", "{} while {}", "{} with {} in the background", "{}, {}", "both {} and {}")
IN_TURN = (
    "{}, then {}",
    "{} then {}",
    "{} followed by {}",
    "first {}, then {}",
    "{} and then {}",
    "{}, afterwards {}",
)
# "a {dog|puppy} barks": one of several words or phrases, or of some and none.
ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
ARTICLES = ("a ", "an ", "the ", "some ")
# How far the quieter of two sounds may lie below the louder, in decibels.
MAX_MIXING_GAIN_DB = 8.0


def choose(options, generator):
    r"""Draw one of a sequence, all equally likely."""
    return options[int(torch.randint(len(options), (), generator=generator))]


def happens(probability, generator):
    r"""Draw `True` with a probability."""
    return float(torch.rand((), generator=generator)) < probability


def in_words(text):
    r"""A text with one space between words, which an alternative of no words leaves two of."""
    return " ".join(text.split())


def without_alternatives(text):
    r"""Yield all texts that one with alternatives in braces stands for."""
    parts = ALTERNATIVES.split(text)
    choices = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    for chosen in itertools.product(*choices):
        yield in_words("".join(chosen))


@dataclass(frozen=True)
class Wordings:
    r"""
    Other ways to write captions.

    Args:
        paraphrases (`dict[str, list[str]]`):
            Whole captions and others that mean the same. One with alternatives, `"a {dog|puppy} barks {|loudly}"`,
            stands for all that they make, and is drawn once more often for each place where there is a choice.
        verbs (`dict[str, list[str]]`): Words that end a caption as a noun, and the verb forms it may be written with.
        synonyms (`dict[str, list[str]]`): Single words and others that may stand for them.
        weights (`dict[str, float]`):
            How often clips of a caption, the first of several, are drawn, against 1 for all others.
    """

    paraphrases: dict = field(default_factory=dict)
    verbs: dict = field(default_factory=dict)
    synonyms: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)

    @classmethod
    def from_json(cls, path):
        r"""
        Read wordings from a JSON file with one object an argument.

        Raises:
            ValueError: If the file is missing, no such JSON, or names something else.
        """
        if not Path(path).is_file():
            raise ValueError(f"There is no file of wordings {str(path)!r}.")
        try:
            wordings = cls(**json.loads(read_text(path)))
        except (json.JSONDecodeError, TypeError) as error:
            raise ValueError(f"{str(path)!r} is no file of wordings: {error}") from error
        for name in ("paraphrases", "verbs", "synonyms"):
            groups = getattr(wordings, name)
            if not isinstance(groups, dict) or not all(
                isinstance(texts, list) and texts and all(isinstance(text, str) and text.strip() for text in texts)
                for texts in groups.values()
            ):
                raise ValueError(f"{str(path)!r}: expected lists of texts in {name!r}, at least one in each.")
        for name in ("paraphrases", "verbs", "synonyms"):
            for text in itertools.chain(*getattr(wordings, name).values()):
                if set(ALTERNATIVES.sub("", text) if name == "paraphrases" else text) & set("{}"):
                    expected = "alternatives as in '{dog|puppy}'" if name == "paraphrases" else "texts without braces"
                    raise ValueError(f"{str(path)!r}: expected {expected} in {name!r}, got {text!r}.")
        return wordings

    def texts(self):
        r"""Yield every text that may come into a caption."""
        for texts in self.paraphrases.values():
            for text in texts:
                yield from without_alternatives(text)
        for groups in (self.verbs, self.synonyms):
            for texts in groups.values():
                yield from texts

    def draw(self, caption, generator):
        r"""
        Draw a wording of a caption.

        Args:
            caption (`str`): As it stands in the data.
            generator (`torch.Generator`): Source of randomness.

        Returns:
            `str`: The same sound in other words, or the caption itself.
        """
        if caption in self.paraphrases and happens(0.75, generator):
            texts = [[text] * (1 + len(ALTERNATIVES.findall(text))) for text in self.paraphrases[caption]]
            text = choose(list(itertools.chain(*texts)), generator)
            caption = in_words(ALTERNATIVES.sub(lambda found: choose(found[1].split("|"), generator), text))
        else:
            words = caption.split()
            if words[-1] in self.verbs and happens(0.4, generator):
                words[-1] = choose(self.verbs[words[-1]], generator)
            words = [
                choose(self.synonyms[word], generator) if word in self.synonyms and happens(0.3, generator) else word
                for word in words
            ]
            caption = " ".join(words)
            if not caption.startswith(ARTICLES) and happens(0.4, generator):
                article = "an" if caption[0] in "aeiou" else "a"
                caption = f"{choose((article, article, 'the', 'some'), generator)} {caption}"
        if happens(0.25, generator):
            caption = choose(TEMPLATES, generator).format(caption)
        return caption


@dataclass(frozen=True)
class Example:
    r"""
    One training example.

    Args:
        waveform (`torch.Tensor` of shape `(samples,)` or `(num_channels, samples)`): float32 in `[-1, 1]`.
        caption (`str`): What is heard; empty for "no condition".
        events (`tuple[tuple[str, str]]`, *optional*): The same as (description, order) pairs, where so drawn.
        names (`tuple[str]`): Names of the clips that it was made from.
    """

    waveform: torch.Tensor
    caption: str
    events: tuple | None = None
    names: tuple = ()


def draw_part(waveform, samples, generator):
    r"""
    Cut or fill a clip to a length: a random crop of a long one; a short one soon after the start, sometimes repeated.

    Args:
        waveform (`torch.Tensor` of shape `(…, clip_samples)`): int16.
        samples (`int`): Length of the result.
        generator (`torch.Generator`): Source of randomness.

    Returns:
        `torch.Tensor` of shape `(…, samples)`: float32 in `[-1, 1]`.
    """
    waveform = unit(waveform)
    spare = samples - waveform.shape[-1]
    if spare <= 0:
        return crop_or_pad(waveform, samples, random_offset(waveform.shape[-1], samples, generator), 0.0)
    if spare >= waveform.shape[-1] and happens(0.3, generator):
        gap = int(float(torch.rand((), generator=generator)) * 0.5 * waveform.shape[-1])
        period = F.pad(waveform, (0, gap))
        return torch.cat([period] * -(-samples // period.shape[-1]), dim=-1)[..., :samples]
    lead = int(float(torch.rand((), generator=generator)) * 0.15 * spare)
    return crop_or_pad(F.pad(waveform, (lead, 0)), samples, 0, 0.0)


def draw_example(
    clips,
    weights,
    samples,
    wordings,
    generator,
    mixture_share=0.2,
    unconditional_share=0.1,
    max_gain_db=6.0,
    first_index=None,
):
    r"""
    Draw one training example: a clip, two at once, or two in turn, with a caption in some wording.

    Args:
        clips (`list[Clip]`): The data.
        weights (`torch.Tensor` of shape `(num_clips,)`): How often each clip is drawn.
        samples (`int`): Length of the example.
        wordings ([`Wordings`]): Ways to write captions.
        generator (`torch.Generator`): Source of randomness.
        mixture_share (`float`, defaults to 0.2): Share of examples with two sounds.
        unconditional_share (`float`, defaults to 0.1): Share of examples without a caption.
        max_gain_db (`float`, defaults to 6.0): Sounds are amplified by up to plus or minus this many decibels.
        first_index (`int`, *optional*): The clip, or the first of the two, where it is not to be drawn.

    Returns:
        [`Example`].
    """
    # A dataset of one clip is mixed with itself.
    drawn = torch.multinomial(weights, 2, replacement=len(clips) == 1, generator=generator).tolist()
    first, second = clips[drawn[0] if first_index is None else first_index], clips[drawn[1]]
    gain = 10 ** ((2 * float(torch.rand((), generator=generator)) - 1) * max_gain_db / 20)
    caption, events, names = wordings.draw(first.draw_caption(generator), generator), None, (first.name,)
    if not happens(mixture_share, generator):
        waveform = draw_part(first.waveform, samples, generator)
    else:
        other_caption = wordings.draw(second.draw_caption(generator), generator)
        if happens(0.5, generator):
            quieter = 10 ** (-float(torch.rand((), generator=generator)) * MAX_MIXING_GAIN_DB / 20)
            waveform = draw_part(first.waveform, samples, generator)
            waveform = waveform + quieter * draw_part(second.waveform, samples, generator)
            orders, template = ("all", "all"), choose(TOGETHER, generator)
        else:
            half = samples // 2
            waveform = torch.cat(
                [draw_part(first.waveform, half, generator), draw_part(second.waveform, samples - half, generator)],
                dim=-1,
            )
            orders, template = ("start", "end"), choose(IN_TURN, generator)
        if happens(0.3, generator):
            events = ((caption, orders[0]), (other_caption, orders[1]))
        caption, names = template.format(caption, other_caption), (first.name, second.name)
    if happens(unconditional_share, generator):
        caption, events = "", None
    return Example((waveform * gain).clamp(-1.0, 1.0), caption, events, names)


class ExampleDrawer:
    r"""
    Draws batches of training examples of one length each; `batch_sizes` has the size that goes with each length.

    Args:
        clips (`list[Clip]`, [`~audiolcm_diffusers.data.clip_parts.HeldClips`] or
            [`~audiolcm_diffusers.data.clip_parts.ClipParts`]): The data, at `sampling_rate`.
        wordings ([`Wordings`]): Ways to write captions.
        durations_s (`Sequence[float]`): Lengths in seconds; each batch draws one.
        duration_shares (`Sequence[float]`): How often each length is drawn.
        seconds_per_batch (`float`): Seconds of sound in a batch.
        samples_multiple (`int`): Lengths are rounded to multiples of this many samples, those of a latent frame.
        sampling_rate (`int`, defaults to 16000): Samples per second of the clips.
        example_options (`dict`): Further arguments of [`draw_example`].

    Raises:
        ValueError: If there are not as many lengths as shares, or a length is not in `(0, seconds_per_batch]`.
    """

    def __init__(
        self,
        clips,
        wordings,
        durations_s,
        duration_shares,
        seconds_per_batch,
        samples_multiple,
        sampling_rate=16000,
        **example_options,
    ):
        if len(durations_s) != len(duration_shares):
            raise ValueError(f"Expected as many durations as shares, got {durations_s} and {duration_shares}.")
        if not all(0 < duration <= seconds_per_batch for duration in durations_s):
            raise ValueError(f"Expected durations in (0, {seconds_per_batch}] seconds, a batch, got {durations_s}.")
        self.data = clips if hasattr(clips, "now") else HeldClips(clips)
        self.wordings, self.example_options = wordings, example_options
        self.sampling_rate = sampling_rate
        self._weights = Derived(self.data, self._weights_of)
        self.shares = torch.tensor([float(share) for share in duration_shares])
        self.batch_sizes = [max(1, round(seconds_per_batch / duration)) for duration in durations_s]
        self.num_samples = [
            max(1, round(duration * sampling_rate / samples_multiple)) * samples_multiple for duration in durations_s
        ]

    def _weights_of(self, clips):
        return torch.tensor([float(self.wordings.weights.get(clip.caption, 1.0)) for clip in clips])

    @property
    def clips(self):
        r"""`list[Clip]`: What is drawn from now, of large data a part."""
        return self.data.now()

    @property
    def weights(self):
        r"""`torch.Tensor` of shape `(num_clips,)`: How often each of `clips` is drawn."""
        return self._weights.now()

    @property
    def longest_s(self):
        r"""`float`: Longest of the lengths in seconds."""
        return max(self.num_samples) / self.sampling_rate

    def draw_length(self, generator):
        r"""
        Draw the length of a batch: an index into `num_samples` and `batch_sizes`.

        Args:
            generator (`torch.Generator`): Source of randomness, one for all processes.
        """
        return int(torch.multinomial(self.shares, 1, generator=generator))

    def draw(self, length, generators):
        r"""
        Draw a batch, each example from a generator of its own: what an example is does not depend on its neighbours.

        Args:
            length (`int`): From [`~ExampleDrawer.draw_length`].
            generators (`list[torch.Generator]`): Source of randomness of each example.

        Returns:
            `tuple[torch.Tensor, list[Example]]`: The waveforms, shape `(batch_size, samples)`, or with channels
            `(batch_size, num_channels, samples)`, and the examples.
        """
        clips, weights = self.clips, self.weights
        examples = [
            draw_example(
                clips,
                weights,
                self.num_samples[length],
                self.wordings,
                generator,
                **self.example_options,
            )
            for generator in generators
        ]
        return torch.stack([example.waveform for example in examples]), examples

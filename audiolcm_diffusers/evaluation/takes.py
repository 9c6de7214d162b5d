# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Takes of prompts, beside real clips of the same captions: what all sections of an inspection look at."""

from collections import Counter
from functools import cached_property

from ..data.captioned_audio import unit
from .bootstrap import mean_over_prompts
from .controls import to_lengths
from .protocol import SAMPLING_RATE
from .sounds import make_sounds


def pick_prompts(captions, max_prompts):
    r"""
    Captions to take as prompts: those with the most clips, in the order in which they first occur among equals.

    Args:
        captions (`Sequence[str]`): Of each clip.
        max_prompts (`int`): Prompts at most.

    Returns:
        `dict[str, int]`: Prompts, and how many clips have them as captions.

    Raises:
        ValueError: If no caption occurs twice, so that real clips of one caption cannot be compared.
    """
    prompts = dict(Counter(captions).most_common(max_prompts))
    if max(prompts.values()) < 2:
        raise ValueError(
            f"Expected a caption with two clips or more, to see how far real clips differ; all {len(captions)} "
            "captions of `clips` are different."
        )
    return prompts


class Takes:
    r"""
    Makes sounds of prompts, several each, and listens to them. Take `k` of a prompt has the seed `seed + k`.

    Args:
        pipes (`dict[str, AudioLCMPipeline]`): `"model"`, and `"teacher"` where there is one.
        classifier ([`~audiolcm_diffusers.evaluation.networks.ClassifyingNetwork`]): Hears sounds.
        clips (`list[Clip]`): Real ones.
        options ([`~audiolcm_diffusers.evaluation.options.InspectionOptions`]): Takes, steps, seed and so on.
        duration_s (`float`): Length of sounds whose length is not said.
        progress (`Callable[[str], None]`, *optional*): Is told what is done.
        namer ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*):
            Names sounds; by default the classifier does.
        sound_classes (`Sequence[str]`, *optional*): Of each clip, for a tagger.

    Attributes:
        prompts (`list[str]`): From [`pick_prompts`].
        nameable (`list[str]`): Those whose sounds can be named.
        real (`list[Clip]`): Clips with a prompt as caption.
        real_sounds (`list[torch.Tensor]`): The same in int16, of one length.
    """

    def __init__(self, pipes, classifier, clips, options, duration_s, progress=None, namer=None, sound_classes=None):
        self.pipes, self.classifier, self.clips, self.options = pipes, classifier, clips, options
        self.namer = classifier if namer is None else namer
        self.sound_classes = {}
        for clip, name in zip(clips, sound_classes or ()):
            self.sound_classes.setdefault(clip.caption, name)
        self.prompts = list(pick_prompts([clip.caption for clip in clips], options.max_prompts))
        self.duration_s, self.num_samples = duration_s, round(duration_s * SAMPLING_RATE)
        self.num_steps = {"model": options.num_inference_steps, "teacher": options.teacher_steps}
        self.real = [clip for clip in clips if clip.caption in self.prompts]
        self.real_sounds = to_lengths([clip.waveform for clip in self.real], self.num_samples)
        self.nameable = [prompt for prompt in self.prompts if self.class_of(prompt) is not None]
        self.say = (lambda what: None) if progress is None else progress

    def make(self, role, texts, num_samples):
        r"""
        Takes of texts, one text after the other.

        Args:
            role (`str`): Key of the pipeline.
            texts (`Sequence[str]`): Prompts.
            num_samples (`int`): At 16 kHz, of a sound.

        Returns:
            `list[torch.Tensor]`: `takes` of each text, float32.
        """
        takes = self.options.takes
        return make_sounds(
            self.pipes[role],
            [text for text in texts for _ in range(takes)],
            [self.options.seed + take for _ in texts for take in range(takes)],
            self.options.batch_size,
            num_samples / SAMPLING_RATE,
            self.num_steps[role],
            self.options.guidance_scale,
        )

    def take_sounds(self, role):
        r"""`list[torch.Tensor]`: Takes of all prompts, int16."""
        sounds = to_lengths(self.make(role, self.prompts, self.num_samples), self.num_samples)
        self.say(f"{len(sounds)} sounds of the {role}")
        return sounds

    def listen(self, waveforms):
        r"""`dict[str, torch.Tensor]`: What the classifier says of int16 sounds."""
        return self.classifier.listen(
            [unit(waveform) for waveform in waveforms], SAMPLING_RATE, self.options.batch_size
        )

    def class_of(self, caption):
        r"""`str`, *optional*: What sounds of a caption are to be named as, by the clips of this caption."""
        return self.namer.class_of(caption, self.sound_classes.get(caption))

    @cached_property
    def real_features(self):
        r"""`torch.Tensor`: Embeddings of the real clips with one of the prompts as caption."""
        return self.listen(self.real_sounds)["features"]

    def mean(self, values):
        r"""A mean over prompts, see [`~audiolcm_diffusers.evaluation.bootstrap.mean_over_prompts`]."""
        return mean_over_prompts(values, self.options.num_resamples, self.options.seed)

    @property
    def prompt_of_each(self):
        r"""`list[str]`: Of each take, its prompt."""
        return [prompt for prompt in self.prompts for _ in range(self.options.takes)]

    def takes_of(self, rows):
        r"""`dict[str, Sequence]`: Of each prompt, the rows of its takes."""
        takes = self.options.takes
        return {prompt: rows[index * takes : (index + 1) * takes] for index, prompt in enumerate(self.prompts)}

    def named(self, waveforms, captions):
        r"""
        Which sounds are named as what their captions say.

        Args:
            waveforms (`Sequence[torch.Tensor]`): int16.
            captions (`Sequence[str]`): Of each sound.

        Returns:
            `list[bool]`: Of each sound.
        """
        sounds = [unit(waveform) for waveform in waveforms]
        heard = self.namer.listen(sounds, SAMPLING_RATE, self.options.batch_size)
        return self.namer.are_named(heard, [self.class_of(caption) for caption in captions])

    def named_by_prompt(self, sounds):
        r"""
        The share of sounds that are named as their prompts, a mean over prompts whose sounds can be named.

        Args:
            sounds (`dict[str, Sequence[torch.Tensor]]`): int16, of each prompt.

        Returns:
            `dict`: See [`Takes.mean`].
        """
        captions = [prompt for prompt in self.nameable for _ in sounds[prompt]]
        named = self.named([waveform for prompt in self.nameable for waveform in sounds[prompt]], captions)
        right, total = Counter(prompt for prompt, is_named in zip(captions, named) if is_named), Counter(captions)
        return self.mean([right[prompt] / total[prompt] for prompt in self.nameable])

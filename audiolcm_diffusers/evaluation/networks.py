# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Networks that sound is judged by: an audio classifier and a CLAP model, of transformers.

They are deterministic. CLAP's feature extractor cuts long sound at random places, and says of one sound in a batch, at
random, that it was long (which a model with fusion listens to); here sound is cut at its end before, and none is long.
"""

from pathlib import Path

import numpy as np
import torch

from ..audio.io import resample
from ..audio.mel import HOP_LENGTH, log_mel_spectrogram
from ..data.latent_cache import digest, module_fingerprint, tokenizer_fingerprint
from ..loaders.complete import load_complete, refuse_own_code
from ..model_files import check_plain_files
from .protocol import SAMPLING_RATE
from .scores import check_head
from .sound_classifier import judge_input


# Of Kaldi's filter banks, which the classifier's feature extractor computes: 25 ms every 10 ms, in samples at 16 kHz.
AST_WINDOW, AST_HOP = 400, 160


class Network:
    r"""
    What all networks have in common.

    Args:
        model (`PreTrainedModel`): Put into eval mode.
        extractor (`SequenceFeatureExtractor`): Turns waveforms into its input.
        name (`str`): What it is called in reports: the folder or Hub id that it came from.

    Attributes:
        sampling_rate (`int`): Rate in Hz at which it listens.
        dim (`int`): Dimension of its features.
        num_heard_samples (`int`, *optional*):
            Samples at `sampling_rate` from the beginning of a sound that it hears; `None` for all.
    """

    def __init__(self, model, extractor, name):
        self.model, self.extractor, self.name = model.eval(), extractor, name
        self.sampling_rate = extractor.sampling_rate
        self.dim, self.num_heard_samples = self._dimensions()

    @property
    def device(self):
        r"""`torch.device`: Where it runs."""
        return self.model.device

    def fingerprint(self):
        r"""`str`: Hash of all that its outputs depend on, 64 hexadecimal digits."""
        return digest(module_fingerprint(self.model), extractor_settings(self.extractor))

    def describe(self):
        r"""`dict`: What the protocol records of it."""
        return {
            "name": self.name,
            "class": type(self.model).__name__,
            "fingerprint": self.fingerprint(),
            "sampling_rate": self.sampling_rate,
            "hears_s": self.num_heard_samples / self.sampling_rate,
            "dim": self.dim,
            "dtype": str(self.model.dtype).removeprefix("torch."),
        }

    @torch.no_grad()
    def listen(self, waveforms, sampling_rate, batch_size):
        r"""
        Run the network.

        Args:
            waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): float32 in `[-1, 1]`.
            sampling_rate (`int`): Their rate in Hz.
            batch_size (`int`): Sounds at a time.

        Returns:
            `dict[str, torch.Tensor]`: float32 on the CPU, a row a sound: `features` of shape `(num_clips, dim)`, and
            what else the network says.

        Raises:
            ValueError: If an output is not finite; the message says of which sound.
        """
        outputs = []
        for first in range(0, len(waveforms), batch_size):
            heard = [
                resample(waveform, sampling_rate, self.sampling_rate)[: self.num_heard_samples].numpy()
                for waveform in waveforms[first : first + batch_size]
            ]
            # By default, convolutions on CUDA round to TF32 and differ from run to run.
            with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
                batch = {name: value.float().cpu() for name, value in self._run(heard).items()}
            for name, value in batch.items():
                bad = np.flatnonzero(~torch.isfinite(value).all(dim=-1).numpy())
                if bad.size:
                    raise ValueError(f"The {name} of {self.name!r} for sound {first + bad[0]} are not finite.")
            outputs.append(batch)
        return {name: torch.cat([batch[name] for batch in outputs]) for name in outputs[0]}

    def _extract(self, waveforms):
        inputs = self.extractor(waveforms, sampling_rate=self.sampling_rate, return_tensors="pt")
        return {
            name: (value.to(self.model.dtype) if value.is_floating_point() else value).to(self.model.device)
            for name, value in inputs.items()
        }


class ClassifyingNetwork(Network):
    r"""What classifiers have in common: `head`, `"softmax"` or `"sigmoid"`, and the classes of their configuration."""

    def describe(self):
        return {**super().describe(), "head": self.head, "num_classes": self.model.config.num_labels}

    @property
    def labels(self):
        r"""`list[str]`: Names of the classes."""
        return [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]

    @property
    def classes(self):
        r"""`list[str]`: What sounds can be named as."""
        return self.labels

    def class_of(self, caption, sound_class=None):
        r"""The class that a sound of this caption is to be named as, *optional*."""
        return caption if caption in self.labels else None

    def are_named(self, heard, classes):
        r"""
        Which sounds are named as their classes: whether these are the likeliest.

        Args:
            heard (`dict[str, torch.Tensor]`): From [`Network.listen`].
            classes (`Sequence[str]`): Of each sound; `None` is never named.

        Returns:
            `list[bool]`.
        """
        best = heard["logits"].argmax(dim=1).tolist()
        return [self.labels[index] == name for index, name in zip(best, classes)]


class Classifier(ClassifyingNetwork):
    r"""
    An `ASTForAudioClassification`. Its features are the pooled last hidden states, that is what its head reads.

    Args:
        model (`ASTForAudioClassification`): The network.
        extractor (`ASTFeatureExtractor`): Turns waveforms into its input.
        name (`str`): What it is called in reports.
        head (`str`, *optional*):
            `"softmax"` where its classes exclude each other, `"sigmoid"` where each is present or not, as AudioSet's.
            By default what the configuration's `problem_type` says.

    Raises:
        ValueError: If the head is unknown, or neither given nor to be told from the configuration.
    """

    def __init__(self, model, extractor, name, head=None):
        if head is None:
            heads = {"single_label_classification": "softmax", "multi_label_classification": "sigmoid"}
            if model.config.problem_type not in heads:
                raise ValueError(
                    f"The configuration of {name!r} does not say whether its classes exclude each other: expected "
                    "`head` softmax if they do, or sigmoid if several can be present."
                )
            head = heads[model.config.problem_type]
        check_head(head)
        self.head = head
        super().__init__(model, extractor, name)

    def _dimensions(self):
        return self.model.config.hidden_size, AST_WINDOW + (self.extractor.max_length - 1) * AST_HOP

    def _run(self, waveforms):
        features = self.model.audio_spectrogram_transformer(**self._extract(waveforms)).pooler_output
        return {"features": features, "logits": self.model.classifier(features)}


class SoundClassifier(ClassifyingNetwork):
    r"""
    A classifier of the sounds of one dataset, of `training/train_judge.py`; see
    `audiolcm_diffusers.evaluation.sound_classifier`. Its features are what its head reads.

    Args:
        model (`ResNetForImageClassification`): The network, whose config has `num_frames`.
        name (`str`): What it is called in reports.
        head (`str`, *optional*): `"softmax"`: its classes exclude each other.

    Raises:
        ValueError: If another head is asked for.
    """

    head = "softmax"

    def __init__(self, model, name, head=None):
        if head not in (None, self.head):
            raise ValueError(f"The classes of {name!r} exclude each other: expected `head` softmax, got {head!r}.")
        self.model, self.name = model.eval(), name
        self.sampling_rate = SAMPLING_RATE
        self.dim, self.num_heard_samples = model.config.hidden_sizes[-1], model.config.num_frames * HOP_LENGTH

    def fingerprint(self):
        return module_fingerprint(self.model)

    def _run(self, waveforms):
        padded = [np.pad(waveform, (0, self.num_heard_samples - len(waveform))) for waveform in waveforms]
        mels = log_mel_spectrogram(torch.from_numpy(np.stack(padded)).to(self.model.device))
        features = self.model.resnet(judge_input(mels)).pooler_output
        return {"features": features.flatten(1), "logits": self.model.classifier(features)}


class Clap(Network):
    r"""
    A `ClapModel`. Its features are the sound's embeddings, of length 1.

    Args:
        model (`ClapModel`): The network.
        processor (`ClapProcessor`): Feature extractor and tokenizer.
        name (`str`): What it is called in reports.
    """

    def __init__(self, model, processor, name):
        super().__init__(model, processor.feature_extractor, name)
        self.tokenizer = processor.tokenizer

    def _dimensions(self):
        return self.model.config.projection_dim, self.extractor.nb_max_samples

    def fingerprint(self):
        return digest(super().fingerprint(), tokenizer_fingerprint(self.tokenizer))

    def _run(self, waveforms):
        inputs = self._extract(waveforms)
        inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
        return {"features": self.model.get_audio_features(**inputs).pooler_output}

    @torch.no_grad()
    def read(self, captions, batch_size):
        r"""
        Embed captions. Those that are longer than the tokenizer allows are cut.

        Args:
            captions (`Sequence[str]`): Texts.
            batch_size (`int`): Captions at a time.

        Returns:
            `torch.Tensor` of shape `(num_captions, dim)`: Of length 1, float32, on the CPU.
        """
        embeds = []
        for first in range(0, len(captions), batch_size):
            tokens = self.tokenizer(
                list(captions[first : first + batch_size]), padding=True, truncation=True, return_tensors="pt"
            ).to(self.model.device)
            embeds.append(
                self.model.get_text_features(tokens.input_ids, tokens.attention_mask).pooler_output.float().cpu()
            )
        return torch.cat(embeds)


def extractor_settings(extractor):
    r"""What a feature extractor does, without the names under which it was saved and its filters, which follow."""
    ignored = {"mel_filters", "mel_filters_slaney", "window", "processor_class", "feature_extractor_type"}
    return {
        name: value
        for name, value in extractor.to_dict().items()
        if name not in ignored and not name.startswith("_") and name != "transformers_version"
    }


def load_classifier(name, device="cpu", head=None):
    r"""
    Load a [`Classifier`].

    Args:
        name (`str`): Folder or Hub id of an `ASTForAudioClassification` in safetensors files, with its feature
            extractor, or folder of a judge of `training/train_judge.py`.
        device (`torch.device` or `str`, defaults to `"cpu"`): Where it is to run.
        head (`str`, *optional*): See [`Classifier`].

    Returns:
        [`Classifier`] or [`SoundClassifier`]: In float32.

    Raises:
        ValueError: If there is no such network, it is another one, or its weights are not all there.
        OSError: If its weights or preprocessing are missing.
    """
    from transformers import ASTFeatureExtractor, ASTForAudioClassification, ResNetForImageClassification

    if _config(name).model_type == "resnet":
        return SoundClassifier(_load(ResNetForImageClassification, name).to(device), name, head)
    model = _load(ASTForAudioClassification, name)
    return Classifier(model.to(device), ASTFeatureExtractor.from_pretrained(name), name, head)


def load_clap(name, device="cpu"):
    r"""
    Load a [`Clap`].

    Args:
        name (`str`): Folder or Hub id of a `ClapModel` in safetensors files, with its processor.
        device (`torch.device` or `str`, defaults to `"cpu"`): Where it is to run.

    Returns:
        [`Clap`]: In float32.

    Raises:
        ValueError: If there is no such network, it is another one, or its weights are not all there.
        OSError: If its weights or preprocessing are missing.
    """
    from transformers import ClapModel, ClapProcessor

    model = _load(ClapModel, name)
    return Clap(model.to(device), ClapProcessor.from_pretrained(name), name)


def _config(name):
    from transformers import AutoConfig

    if Path(name).is_dir():
        check_plain_files(name)
        refuse_own_code(name)
    try:
        return AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        # These messages do not name what was looked for.
        raise ValueError(f"The network {name!r} is no folder, and cannot be loaded from the Hub: {error}") from error


def _load(model_class, name):
    expected, found = model_class.config_class.model_type, _config(name).model_type
    if found != expected:
        raise ValueError(f"Expected {name!r} to be a {model_class.__name__} ({expected!r}), got a {found!r} network.")
    return load_complete(model_class, name, dtype=torch.float32)

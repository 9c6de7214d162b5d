# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What networks say of sounds and captions, kept on disk under all that it depends on."""

from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..data.captioned_audio import unit
from ..data.latent_cache import digest
from ..files import replacing
from .protocol import SAMPLING_RATE, software_versions


class FeatureCache:
    r"""
    Outputs of networks on disk, each file under a hash of all that it depends on: the samples, the network, the rate,
    the software and the device. What does not fit is not found; it is never used.

    Args:
        folder (`str` or `Path`, *optional*): Made when something is first kept. Without one, nothing is kept.
    """

    def __init__(self, folder=None):
        self.folder = None if folder is None else Path(folder)

    def get(self, key_parts, compute):
        r"""
        Look outputs up, or compute and keep them.

        Args:
            key_parts (`Sequence`): All that they depend on: bytes, or what JSON can write.
            compute (`Callable[[], dict[str, torch.Tensor]]`): Computes them.

        Returns:
            `dict[str, torch.Tensor]`: The outputs.
        """
        if self.folder is None:
            return compute()
        path = self.folder / f"features-{digest(*key_parts)}.safetensors"
        try:
            return load_file(path)
        except (FileNotFoundError, SafetensorError):
            pass
        outputs = {name: value.contiguous() for name, value in compute().items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(outputs, temporary)
        return outputs


class Listeners:
    r"""
    Networks that listen to sounds and read captions.

    Args:
        classifier ([`~audiolcm_diffusers.evaluation.networks.ClassifyingNetwork`], *optional*): Knows classes.
        clap ([`~audiolcm_diffusers.evaluation.networks.Clap`], *optional*): Knows captions.
        cache ([`FeatureCache`], *optional*): Where outputs of the networks are kept.
        batch_size (`int`, defaults to 8): Sounds that a network hears at a time.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): Knows other labels.

    Attributes:
        networks (`dict[str, Network]`): `"classifier"`, `"clap"` and `"tagger"`, those that there are.
    """

    def __init__(self, classifier, clap, cache=None, batch_size=8, tagger=None):
        networks = {"classifier": classifier, "clap": clap, "tagger": tagger}
        self.networks = {kind: network for kind, network in networks.items() if network is not None}
        self.cache, self.batch_size = FeatureCache() if cache is None else cache, batch_size

    @cached_property
    def _fingerprints(self):
        return {kind: network.fingerprint() for kind, network in self.networks.items()}

    def listen(self, waveforms):
        r"""
        What the networks say of sounds.

        Args:
            waveforms (`Sequence[torch.Tensor]` of shape `(samples,)`): int16 at 16 kHz.

        Returns:
            `dict[str, dict[str, torch.Tensor]]`: For each network, see
            [`~audiolcm_diffusers.evaluation.networks.Network.listen`].
        """
        samples = [waveform.numpy().tobytes() for waveform in waveforms]
        lengths = [waveform.shape[0] for waveform in waveforms]
        return {
            kind: self.cache.get(
                (*self._depends_on(kind), SAMPLING_RATE, lengths, *samples),
                lambda network=network: network.listen(
                    [unit(waveform) for waveform in waveforms], SAMPLING_RATE, self.batch_size
                ),
            )
            for kind, network in self.networks.items()
        }

    def read(self, captions):
        r"""
        What CLAP makes of captions.

        Args:
            captions (`Sequence[str]`): Texts.

        Returns:
            `torch.Tensor` of shape `(num_captions, dim)`, *optional*: Embeddings; `None` without CLAP.
        """
        if "clap" not in self.networks:
            return None
        return self.cache.get(
            (*self._depends_on("clap"), "captions", list(captions)),
            lambda: {"embeds": self.networks["clap"].read(captions, self.batch_size)},
        )["embeds"]

    def _depends_on(self, kind):
        return kind, self._fingerprints[kind], software_versions(), self.networks[kind].device.type

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Training examples encoded once: mels, latents and text embeddings in shards.

A cache is a folder with `cache.json`, which says what was encoded and with what, and files
`bucket-<b>-shard-<s>.safetensors` of examples of one length each. Example `i` is a function of the seed and `i` alone,
and a shard is written under a temporary name and renamed: any number of processes may write a cache, and whatever is
killed goes on where it was.
"""

import hashlib
import inspect
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..audio import mel
from ..files import replacing
from .captioned_audio import seeded_generator
from .captions import draw_example, happens
from .latents import LatentBatch


FORMAT = 1
MANIFEST = "cache.json"
UNCONDITIONAL = "unconditional.safetensors"
# Read by the tokenizers for their fingerprint: two that cut it alike, from one vocabulary, are taken for the same.
PROBE_TEXT = "<A dog barks & all>@<it's raining, 2 thunderclaps; far-off>"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def digest(*parts):
    r"""SHA-256 of bytes and of what JSON can write, as hexadecimal digits."""
    hasher = hashlib.sha256()
    for part in parts:
        _hash(hasher, part)
    return hasher.hexdigest()


def _hash(hasher, part):
    hasher.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True, default=str).encode())


def _bytes_of(tensor):
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def module_fingerprint(module):
    r"""
    What a network computes, as a hash: its class, configuration and weights, wherever they were loaded from.

    Args:
        module (`nn.Module`): With a `config` of diffusers or transformers.

    Returns:
        `str`: 64 hexadecimal digits.
    """
    config = module.config if isinstance(module.config, dict) else module.config.to_dict()
    weights = sorted(module.state_dict().items())
    parts = [part for name, weight in weights for part in ((name, str(weight.dtype)), _bytes_of(weight.reshape(-1)))]
    return digest(type(module).__name__, _essential(config), *parts)


def _essential(config):
    """A configuration, and those within it, without where it came from and what saved it, which change nothing."""
    # What it was saved in shows in the weights.
    ignored = {"transformers_version", "dtype", "torch_dtype"}
    return {
        name: _essential(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name not in ignored and not str(name).startswith("_")
    }


def tokenizer_fingerprint(tokenizer):
    r"""What a tokenizer does, as a hash of its vocabulary, its length and how it cuts a text."""
    return digest(tokenizer.get_vocab(), tokenizer.model_max_length, tokenizer(PROBE_TEXT).input_ids)


def fingerprints(vae, text_parts=()):
    r"""
    Fingerprints of all that turns examples into what is cached.

    Args:
        vae (`AutoencoderKLMel1D`): The autoencoder.
        text_parts (`Sequence`): Text encoders, projection and tokenizers in the order of the pipeline.

    Returns:
        `dict[str, str | None]`: `vae`, `text` (`None` without text encoders), and `audio` for the settings of the mel.
    """
    settings = {
        name: parameter.default
        for name, parameter in inspect.signature(mel.log_mel_spectrogram).parameters.items()
        if name != "waveform"
    }
    parts = [
        module_fingerprint(part) if isinstance(part, torch.nn.Module) else tokenizer_fingerprint(part)
        for part in text_parts
    ]
    return {
        "vae": module_fingerprint(vae),
        "text": digest(*parts) if parts else None,
        "audio": digest(settings, mel.MAGNITUDE_EPS, mel.LOG_FLOOR, vae.config.sampling_rate),
    }


def clips_fingerprint(clips):
    r"""The data as a hash: names, captions and samples."""
    hasher = hashlib.sha256()
    for clip in clips:
        _hash(hasher, (clip.name, clip.caption, clip.other_captions))
        _hash(hasher, _bytes_of(clip.waveform))
    return hasher.hexdigest()


@dataclass(frozen=True)
class Bucket:
    r"""
    Examples of one length.

    Args:
        duration_s (`float`): Seconds, as the options say.
        share (`float`): How often a batch has this length.
        num_samples (`int`): Samples of the waveform.
        examples (`tuple[int, ...]`): Their numbers; shards take them in turn.
    """

    duration_s: float
    share: float
    num_samples: int
    examples: tuple[int, ...]


def plan_examples(weights, examples_per_clip, seed):
    r"""
    Decide which clips the examples are made from: each clip as often as its weight says, in random order.

    Args:
        weights (`Sequence[float]`): Weight of each clip, 1 for an ordinary one.
        examples_per_clip (`int`): Examples of a clip of weight 1. Every clip has at least one.
        seed (`int`): Seed of the order.

    Returns:
        `list[int]`: Clip of each example, or of the first of its two sounds.
    """
    counts = [max(1, round(float(weight) * examples_per_clip)) for weight in weights]
    order = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(order).tolist()


def plan_buckets(num_examples, durations_s, shares, num_samples):
    r"""
    Spread examples over lengths: as many to each as batches of equal seconds will ask for.

    Args:
        num_examples (`int`): Examples in all.
        durations_s, shares (`Sequence[float]`): Lengths in seconds, and how often a batch has each.
        num_samples (`Sequence[int]`): The same lengths in samples.

    Returns:
        `list[Bucket]`: With every length's examples, spread evenly over their numbers.
    """
    wanted = np.array([share / duration for share, duration in zip(shares, durations_s)])
    wanted = wanted / wanted.sum()
    taken = [[] for _ in durations_s]
    for index in range(num_examples):
        # To the length that lags furthest behind its share.
        lag = wanted * (index + 1) - [len(examples) for examples in taken]
        taken[int(np.argmax(lag))].append(index)
    return [
        Bucket(float(duration), float(share), int(samples), tuple(examples))
        for duration, share, samples, examples in zip(durations_s, shares, num_samples, taken)
    ]


class CacheWriter:
    r"""
    Writes a cache, or what a killed run left to write.

    Args:
        folder (`str` or `Path`): The cache.
        drawer ([`~audiolcm_diffusers.data.captions.ExampleDrawer`]): Clips, wordings and lengths.
        encoder ([`~audiolcm_diffusers.data.latents.LatentEncoder`]): Encodes examples.
        prompt_of (`Callable[[Example], str]`): What the text encoders read of an example.
        made_with (`dict`): [`fingerprints`] of the encoder.
        options (`dict`): Options that the examples depend on, to be held against those of a training run.
        examples_per_clip (`int`): See [`plan_examples`].
        shard_size (`int`): Examples in a shard, but for the last of a bucket.
        seed (`int`): Seed of all draws.
        dtype (`str`): What latents, mels and embeddings are stored in: one of `DTYPES`.

    Raises:
        ValueError: If the folder holds a cache of something else; the message says what differs.
    """

    def __init__(
        self, folder, drawer, encoder, prompt_of, made_with, options, examples_per_clip, shard_size, seed, dtype
    ):
        self.folder, self.drawer, self.encoder, self.prompt_of = Path(folder), drawer, encoder, prompt_of
        self.shard_size, self.seed, self.dtype = shard_size, seed, dtype
        self.clip_of_example = plan_examples(drawer.weights, examples_per_clip, seed)
        durations_s = [samples / drawer.sampling_rate for samples in drawer.num_samples]
        self.buckets = plan_buckets(len(self.clip_of_example), durations_s, drawer.shares.tolist(), drawer.num_samples)
        self.manifest = {
            "format": FORMAT,
            "fingerprints": made_with,
            "clips": clips_fingerprint(drawer.clips),
            "options": options,
            "examples_per_clip": examples_per_clip,
            "shard_size": shard_size,
            "seed": seed,
            "dtype": dtype,
            "buckets": [{**asdict(bucket), "examples": len(bucket.examples)} for bucket in self.buckets],
        }
        if (self.folder / MANIFEST).is_file():
            there = json.loads((self.folder / MANIFEST).read_text())
            differing = sorted(name for name, value in self.manifest.items() if there.get(name) != value)
            if differing:
                raise ValueError(
                    f"{str(folder)!r} holds another cache, with other {', '.join(differing)}: name another folder, or "
                    "remove it."
                )
        elif any(self.folder.glob("bucket-*")):
            raise ValueError(f"{str(folder)!r} holds shards without {MANIFEST}: name another folder, or remove it.")

    def shards(self):
        r"""`list[tuple[int, int]]`: Bucket and number of every shard."""
        return [
            (index, shard)
            for index, bucket in enumerate(self.buckets)
            for shard in range(-(-len(bucket.examples) // self.shard_size))
        ]

    def missing_shards(self):
        r"""`list[tuple[int, int]]`: Those that are not written yet."""
        return [shard for shard in self.shards() if not (self.folder / shard_name(*shard)).is_file()]

    def start(self):
        r"""Write the manifest and the empty prompt's embedding; by one process, before any shard."""
        self.folder.mkdir(parents=True, exist_ok=True)
        embeds = self.encoder.embeds([""])
        if embeds is not None:
            with replacing(self.folder / UNCONDITIONAL) as temporary:
                save_file({"prompt_embeds": self._stored(embeds[0])}, temporary)
        with replacing(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(self.manifest, indent=2) + "\n")

    def _stored(self, tensor):
        return tensor.to("cpu", DTYPES[self.dtype]).contiguous()

    def example(self, index, num_samples):
        r"""The [`~audiolcm_diffusers.data.captions.Example`] of a number: a function of it and the seed."""
        return draw_example(
            self.drawer.clips,
            self.drawer.weights,
            num_samples,
            self.drawer.wordings,
            seeded_generator(self.seed, index),
            first_index=self.clip_of_example[index],
            **self.drawer.example_options,
        )

    def write_shard(self, bucket_index, shard, batch_size):
        r"""
        Encode and write a shard.

        Args:
            bucket_index, shard (`int`): Which.
            batch_size (`int`): Examples encoded at a time.

        Raises:
            FloatingPointError: If an example's encoding is not finite; the message names its clips.
        """
        bucket = self.buckets[bucket_index]
        indices = bucket.examples[shard * self.shard_size : (shard + 1) * self.shard_size]
        examples = [self.example(index, bucket.num_samples) for index in indices]
        prompts = [self.prompt_of(example) for example in examples]
        tensors = {}
        for first in range(0, len(examples), batch_size):
            part = slice(first, first + batch_size)
            mels, latents = self.encoder.mels_and_latents(
                torch.stack([example.waveform for example in examples[part]]),
                generators=[seeded_generator(self.seed, index, 1) for index in indices[part]],
            )
            parts = {"mels": mels, "latents": latents, "prompt_embeds": self.encoder.embeds(prompts[part])}
            for name, tensor in parts.items():
                if tensor is None:
                    continue
                stored = self._stored(tensor)
                for example, values in zip(examples[part], stored):
                    if not torch.isfinite(values).all():
                        raise FloatingPointError(
                            f"The {name} of {', '.join(example.names)} ({example.caption!r}) are not finite in "
                            f"{self.dtype}."
                        )
                tensors.setdefault(name, []).append(stored)
        metadata = {
            "prompts": json.dumps(prompts),
            "names": json.dumps([list(example.names) for example in examples]),
        }
        with replacing(self.folder / shard_name(bucket_index, shard)) as temporary:
            save_file({name: torch.cat(stored) for name, stored in tensors.items()}, temporary, metadata=metadata)


def shard_name(bucket_index, shard):
    r"""File name of a shard."""
    return f"bucket-{bucket_index}-shard-{shard:05d}.safetensors"


class LatentCache:
    r"""
    Reads a cache that is complete. It draws batches as [`~audiolcm_diffusers.data.latents.EncodedExamples`] does, of
    examples that it holds, and opens shards lazily: a step reads what it needs from disk.

    Args:
        folder (`str` or `Path`): The cache.
        seconds_per_batch (`float`): Seconds of sound in a batch.
        unconditional_share (`float`, defaults to 0.0): Share of examples that lose their prompt.
        with_embeds (`bool`, defaults to `True`): Whether batches carry embeddings of the prompts.
        device (`torch.device`, *optional*): Where batches go.

    Raises:
        ValueError: If there is no cache, or it is incomplete, of another format or without the embeddings wanted.
    """

    def __init__(self, folder, seconds_per_batch, unconditional_share=0.0, with_embeds=True, device=None):
        self.folder, self.device = Path(folder), device
        self.unconditional_share, self.with_embeds = unconditional_share, with_embeds
        if not (self.folder / MANIFEST).is_file():
            raise ValueError(f"There is no latent cache in {str(folder)!r}; cache_latents.py makes one.")
        self.manifest = json.loads((self.folder / MANIFEST).read_text())
        if self.manifest.get("format") != FORMAT:
            raise ValueError(
                f"Expected a latent cache of format {FORMAT} in {str(folder)!r}, got {self.manifest.get('format')}: "
                "make it anew with cache_latents.py."
            )
        if with_embeds and self.manifest["fingerprints"]["text"] is None:
            raise ValueError(
                f"The latent cache {str(folder)!r} holds no text embeddings: make it with --pipeline_dir."
            )
        size = self.manifest["shard_size"]
        self._buckets = self.manifest["buckets"]
        names = [
            [shard_name(index, shard) for shard in range(-(-bucket["examples"] // size))]
            for index, bucket in enumerate(self._buckets)
        ]
        there = {path.name for path in self.folder.glob("bucket-*.safetensors")}
        wanted = {name for shards in names for name in shards}
        if not wanted <= there:
            raise ValueError(
                f"The latent cache {str(folder)!r} is not complete, {len(wanted & there)} of {len(wanted)} shards are "
                "there: run cache_latents.py again with the same options."
            )
        self._shard_names = names
        self._open = {}
        self._unconditional = None
        # A length that got no example is never drawn.
        shares = [bucket["share"] if bucket["examples"] else 0.0 for bucket in self._buckets]
        self.shares = torch.tensor(shares)
        self.batch_sizes = [max(1, round(seconds_per_batch / bucket["duration_s"])) for bucket in self._buckets]
        longest = max(bucket["duration_s"] for bucket in self._buckets)
        if longest > seconds_per_batch:
            raise ValueError(
                f"Expected seconds_per_batch >= {longest:g}, the longest examples of {str(folder)!r}, got "
                f"{seconds_per_batch}."
            )
        self.longest_s = longest

    def check(self, made_with, options):
        r"""
        Refuse a cache that was made with something else.

        Args:
            made_with (`dict[str, str | None]`): [`fingerprints`] of what the training run has; `text` may be missing
                where it reads no embeddings.
            options (`dict`): Options of the run on which examples depend, where they were chosen.

        Raises:
            ValueError: Naming what differs.
        """
        held = self.manifest["fingerprints"]
        differing = sorted(name for name, value in made_with.items() if held[name] != value)
        if differing:
            raise ValueError(
                f"The latent cache {str(self.folder)!r} was made with another {' and '.join(differing)}: make it anew "
                "with cache_latents.py."
            )
        for name, value in options.items():
            if self.manifest["options"][name] != value:
                raise ValueError(
                    f"The examples of the latent cache {str(self.folder)!r} were made with {name}="
                    f"{self.manifest['options'][name]!r}; got {value!r}. Leave the option out, or make another cache."
                )

    def __len__(self):
        return sum(bucket["examples"] for bucket in self._buckets)

    def _shard(self, bucket_index, shard):
        key = (bucket_index, shard)
        if key not in self._open:
            file = safe_open(self.folder / self._shard_names[bucket_index][shard], framework="pt")
            metadata = {name: json.loads(value) for name, value in file.metadata().items()}
            self._open[key] = (file, metadata["prompts"], metadata["names"])
        return self._open[key]

    def unconditional_embeds(self):
        r"""`torch.Tensor` of shape `(1, num_tokens, cross_attention_dim)`: the empty prompt, float32."""
        if self._unconditional is None:
            with safe_open(self.folder / UNCONDITIONAL, framework="pt") as file:
                self._unconditional = file.get_tensor("prompt_embeds").float()[None]
        return self._unconditional.to(self.device)

    def prompts(self):
        r"""`list[str]`: The prompts of all examples."""
        return [
            prompt
            for bucket_index, names in enumerate(self._shard_names)
            for shard in range(len(names))
            for prompt in self._shard(bucket_index, shard)[1]
        ]

    def num_samples(self, length):
        r"""`int`: Samples of the sounds of a length."""
        return self._buckets[length]["num_samples"]

    def draw_length(self, generator):
        r"""Draw the length of a batch: an index into `batch_sizes`."""
        return int(torch.multinomial(self.shares, 1, generator=generator))

    def draw(self, length, generators):
        r"""
        Draw a batch, each example from a generator of its own.

        Args:
            length (`int`): From [`~LatentCache.draw_length`].
            generators (`list[torch.Generator]`): Source of randomness of each example.

        Returns:
            [`~audiolcm_diffusers.data.latents.LatentBatch`].
        """
        tensors, prompts, names = {"latents": [], "prompt_embeds": []}, [], set()
        for generator in generators:
            index = int(torch.randint(self._buckets[length]["examples"], (), generator=generator))
            shard, row = divmod(index, self.manifest["shard_size"])
            file, shard_prompts, shard_names = self._shard(length, shard)
            dropped = happens(self.unconditional_share, generator)
            prompts.append("" if dropped else shard_prompts[row])
            names.update(shard_names[row])
            tensors["latents"].append(file.get_slice("latents")[row])
            if self.with_embeds:
                embeds = self.unconditional_embeds()[0] if dropped else file.get_slice("prompt_embeds")[row]
                tensors["prompt_embeds"].append(embeds)
        latents, embeds = (
            torch.stack([value.float().to(self.device) for value in values]) if values else None
            for values in tensors.values()
        )
        return LatentBatch(latents, prompts, sorted(names), embeds)

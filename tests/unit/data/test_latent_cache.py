# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import os
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

from audiolcm_diffusers.data.captioned_audio import Clip
from audiolcm_diffusers.data.captions import ExampleDrawer, Wordings
from audiolcm_diffusers.data.latent_cache import (
    CacheWriter,
    LatentCache,
    fingerprints,
    module_fingerprint,
    plan_buckets,
    plan_examples,
    tokenizer_fingerprint,
)
from audiolcm_diffusers.data.latents import EncodedExamples, LatentEncoder
from audiolcm_diffusers.files import clean_leftovers


LATENT_HOP = 256 * 2


def embed(prompts):
    """An embedding that tells its prompt: one token of two numbers."""
    return torch.tensor([[[float(len(prompt)), float(sum(map(ord, prompt)))]] for prompt in prompts])


@pytest.fixture
def drawer():
    generator = torch.Generator().manual_seed(0)
    clips = [
        Clip(f"{name}.wav", f"a {name}", (torch.randn(8192, generator=generator) * 3000).to(torch.int16))
        for name in ("dog", "cat", "cow")
    ]
    wordings = Wordings(weights={"a cow": 2.0})
    lengths = [4 * LATENT_HOP / 16000, 8 * LATENT_HOP / 16000]
    return ExampleDrawer(
        clips, wordings, lengths, [0.5, 0.5], lengths[1], LATENT_HOP, mixture_share=0.3, unconditional_share=0.0
    )


@pytest.fixture
def make_writer(drawer, make_vae, tmp_path):
    def make(folder=None, **changes):
        vae = make_vae()
        options = {
            "prompt_of": lambda example: example.caption,
            "made_with": {**fingerprints(vae), "text": "embed"},
            "options": {"mixture_share": 0.3},
            "examples_per_clip": 3,
            "shard_size": 4,
            "seed": 0,
            "dtype": "float32",
            **changes,
        }
        return CacheWriter(folder or tmp_path / "cache", drawer, LatentEncoder(vae, embed), **options)

    return make


@pytest.fixture
def cache_dir(make_writer):
    writer = make_writer()
    writer.start()
    for shard in writer.missing_shards():
        writer.write_shard(*shard, batch_size=2)
    return writer.folder


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_clips_are_planned_as_often_as_they_weigh():
    # 3 examples of a clip of weight 1, 6 of one of weight 2, 1 of one whose share rounds to nothing.
    clips = plan_examples([1.0, 2.0, 0.1], 3, seed=0)
    assert Counter(clips) == {0: 3, 1: 6, 2: 1}
    assert clips == plan_examples([1.0, 2.0, 0.1], 3, seed=0) != sorted(clips)


def test_lengths_have_examples_for_batches_of_equal_seconds():
    # Half of the batches are of 2 s, half of 4 s: in a batch of 8 s, 4 examples and 2.
    short, long = plan_buckets(9, [2.0, 4.0], [0.5, 0.5], [20, 40])
    assert (len(short.examples), len(long.examples)) == (6, 3)
    assert sorted(short.examples + long.examples) == list(range(9))


def test_what_is_read_was_encoded(cache_dir, make_writer, drawer):
    cache = LatentCache(cache_dir, seconds_per_batch=1.0)
    assert len(cache) == 12  # 3 + 3 + 6
    writer = make_writer()
    for length, frames in enumerate((4, 8)):
        batch = cache.draw(length, generators(*range(20)))
        assert batch.latents.shape == (20, writer.encoder.vae.config.latent_channels, frames)
        torch.testing.assert_close(batch.prompt_embeds, embed(batch.prompts))
        examples = [writer.example(index, drawer.num_samples[length]) for index in writer.buckets[length].examples]
        _, latents = writer.encoder.mels_and_latents(torch.stack([example.waveform for example in examples]))
        for held, prompt in zip(batch.latents, batch.prompts):
            nearest = int((latents - held).abs().amax(dim=(1, 2)).argmin())
            torch.testing.assert_close(held, latents[nearest], atol=1e-5, rtol=1e-5)
            assert prompt == examples[nearest].caption
            assert set(examples[nearest].names) <= set(batch.names)


def test_an_example_that_is_encoded_live_has_the_same_latents(drawer, make_vae):
    vae = make_vae()
    examples = EncodedExamples(drawer, LatentEncoder(vae, embed), lambda example: example.caption)
    batch = examples.draw(0, generators(0, 1))
    waveforms, drawn = drawer.draw(0, generators(0, 1))
    _, latents = LatentEncoder(vae).mels_and_latents(waveforms)
    assert torch.equal(batch.latents, latents) and batch.prompts == [example.caption for example in drawn]
    torch.testing.assert_close(batch.prompt_embeds, embed(batch.prompts))
    torch.testing.assert_close(examples.unconditional_embeds(), embed([""]))


def test_an_example_depends_on_its_own_generator_alone(cache_dir):
    cache = LatentCache(cache_dir, seconds_per_batch=1.0)
    together, apart = cache.draw(0, generators(5, 6)), cache.draw(0, generators(6))
    assert torch.equal(together.latents[1:], apart.latents) and together.prompts[1:] == apart.prompts


def test_a_share_loses_its_prompt(cache_dir):
    cache = LatentCache(cache_dir, seconds_per_batch=1.0, unconditional_share=0.5)
    batch = cache.draw(0, generators(*range(100)))
    dropped = [not prompt for prompt in batch.prompts]
    assert 30 < sum(dropped) < 70
    torch.testing.assert_close(batch.prompt_embeds[dropped], embed([""] * sum(dropped)))


def test_a_stopped_writer_goes_on_and_mends_nothing_that_is_there(make_writer, tmp_path, cache_dir):
    whole = {path.name: path.read_bytes() for path in cache_dir.iterdir()}
    writer = make_writer(tmp_path / "stopped")
    writer.start()
    first, *rest = writer.missing_shards()
    writer.write_shard(*first, batch_size=3)
    (writer.folder / ".bucket-0-shard-00001-x.partial.safetensors").write_text("half a shard")
    with pytest.raises(ValueError, match=f"not complete, 1 of {1 + len(rest)} shards"):
        LatentCache(writer.folder, 1.0)

    again = make_writer(writer.folder)
    assert again.missing_shards() == rest
    # Two processes, each its share.
    for shard in [*rest[::2], *rest[1::2]]:
        again.write_shard(*shard, batch_size=3)
    clean_leftovers(again.folder)
    assert sorted(os.listdir(again.folder)) == sorted(whole)
    for name in whole:
        if name.endswith(".safetensors"):
            there, expected = load_file(again.folder / name), load_file(cache_dir / name)
            for key in expected:
                # Batches of another size: sums in another order.
                torch.testing.assert_close(there[key], expected[key], atol=1e-5, rtol=1e-5)


def test_half_precision_is_stored_and_float32_read(make_writer):
    writer = make_writer(dtype="float16")
    writer.start()
    for shard in writer.missing_shards():
        writer.write_shard(*shard, batch_size=4)
    tensors = load_file(writer.folder / "bucket-0-shard-00000.safetensors")
    assert set(tensors) == {"mels", "latents", "prompt_embeds"}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert LatentCache(writer.folder, 1.0).draw(0, generators(0)).latents.dtype == torch.float32


def test_latents_that_overflow_name_their_clips(make_writer):
    writer = make_writer(dtype="float16")
    writer.encoder.vae.register_to_config(scaling_factor=1e9)
    writer.start()
    with pytest.raises(FloatingPointError, match=r"latents of .*\.wav.* not finite in float16"):
        writer.write_shard(0, 0, batch_size=2)
    assert not list(writer.folder.glob("*bucket*"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1}, "seed"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"made_with": {"vae": "another", "text": "embed", "audio": ""}}, "fingerprints"),
        ({"options": {"mixture_share": 0.0}, "shard_size": 3}, "options, shard_size"),
    ],
)
def test_another_cache_is_not_mixed_in(cache_dir, make_writer, changes, told):
    with pytest.raises(ValueError, match=f"holds another cache, with other {told}:"):
        make_writer(cache_dir, **changes)


def test_shards_of_unknown_origin_are_not_taken_over(cache_dir, make_writer):
    (cache_dir / "cache.json").unlink()
    with pytest.raises(ValueError, match="shards without cache.json"):
        make_writer(cache_dir)


def test_a_stale_cache_is_refused(cache_dir, make_vae):
    cache = LatentCache(cache_dir, seconds_per_batch=1.0)
    vae = make_vae()
    cache.check({"vae": fingerprints(vae)["vae"]}, {"mixture_share": 0.3})
    with torch.no_grad():
        next(vae.parameters()).flatten()[0] += 1e-3
    with pytest.raises(ValueError, match="made with another vae: make it anew"):
        cache.check({"vae": fingerprints(vae)["vae"]}, {})
    with pytest.raises(ValueError, match="made with another text and vae"):
        cache.check({"text": None, "vae": "x"}, {})
    with pytest.raises(ValueError, match="made with mixture_share=0.3; got 0.7"):
        cache.check({}, {"mixture_share": 0.7})


def test_fingerprints_tell_what_is_computed(make_vae, make_tokenizer, make_t5, tmp_path):
    vae = make_vae()
    vae.save_pretrained(tmp_path / "vae")
    assert module_fingerprint(vae) == module_fingerprint(type(vae).from_pretrained(str(tmp_path / "vae")))
    vae.register_to_config(scaling_factor=0.123)
    assert module_fingerprint(vae) != module_fingerprint(make_vae())
    assert tokenizer_fingerprint(make_tokenizer(24)) == tokenizer_fingerprint(make_tokenizer(24))
    assert tokenizer_fingerprint(make_tokenizer(24)) != tokenizer_fingerprint(make_tokenizer(25))
    text = fingerprints(vae, [make_t5(), make_tokenizer(24)])["text"]
    assert text == fingerprints(vae, [make_t5(), make_tokenizer(24)])["text"]
    assert text != fingerprints(vae, [make_t5(), make_tokenizer(25)])["text"]
    assert fingerprints(vae)["text"] is None


def test_what_is_no_cache_is_refused(cache_dir, tmp_path):
    with pytest.raises(ValueError, match="no latent cache in .*nowhere"):
        LatentCache(tmp_path / "nowhere", 1.0)
    with pytest.raises(ValueError, match="seconds_per_batch >= 0.256, .* got 0.2"):
        LatentCache(cache_dir, seconds_per_batch=0.2)
    manifest = json.loads((cache_dir / "cache.json").read_text())
    manifest["fingerprints"]["text"] = None
    (cache_dir / "cache.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="holds no text embeddings"):
        LatentCache(cache_dir, 1.0)
    LatentCache(cache_dir, 1.0, with_embeds=False)
    (cache_dir / "cache.json").write_text(json.dumps({**manifest, "format": 0}))
    with pytest.raises(ValueError, match="format 1 .* got 0"):
        LatentCache(cache_dir, 1.0)

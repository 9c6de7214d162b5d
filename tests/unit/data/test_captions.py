# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import re

import pytest
import torch

from audiolcm_diffusers.data.captioned_audio import INT16_SCALE, Clip
from audiolcm_diffusers.data.captions import ExampleDrawer, Wordings, draw_example, draw_part


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clip(name, caption, samples, value):
    """A clip that is constant, so that a mixture shows what it was made from."""
    return Clip(name, caption, torch.full((samples,), round(value * INT16_SCALE), dtype=torch.int16))


@pytest.fixture
def clips():
    return [clip("a.wav", "low", 1000, 0.1), clip("b.wav", "high", 1000, 0.4)]


def drawn(draw, count=200):
    return [draw(generator(seed)) for seed in range(count)]


def test_wordings_are_drawn_from_what_the_file_offers():
    wordings = Wordings(paraphrases={"a dog barking": ["a puppy yapping"]})
    captions = set(drawn(lambda g: wordings.draw("a dog barking", g)))
    assert {"a dog barking", "a puppy yapping", "the sound of a puppy yapping"} <= captions
    assert all("a dog barking" in caption or "a puppy yapping" in caption for caption in captions)


def test_a_wording_with_alternatives_stands_for_all_that_they_make():
    wordings = Wordings(paraphrases={"a dog barking": ["{a|some} {dog|puppy} {|loudly} barks"]})
    made = {f"{what}{how} barks" for what in ("a dog", "a puppy", "some dog", "some puppy") for how in ("", " loudly")}
    assert set(wordings.texts()) == made
    assert made <= set(drawn(lambda g: wordings.draw("a dog barking", g), 400))


def test_a_wording_with_alternatives_is_drawn_once_more_for_each_choice():
    wordings = Wordings(paraphrases={"bark": ["woof", "{a|a} {dog|dog} barks"]})
    captions = drawn(lambda g: wordings.draw("bark", g), 2000)
    woofs, barks = (sum(text in caption for caption in captions) for text in ("woof", "a dog barks"))
    assert barks / woofs == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("paraphrases", "a {dog barks"),
        ("paraphrases", "a dog} barks"),
        ("paraphrases", "a {dog|{big|small} puppy} barks"),
        ("synonyms", "{dog|puppy}"),
        ("verbs", "{barks|barking}"),
    ],
)
def test_braces_that_are_no_alternatives_are_quoted(tmp_path, name, text):
    path = tmp_path / "wordings.json"
    path.write_text(json.dumps({name: {"bark": [text]}}))
    with pytest.raises(ValueError, match=f"{name!r}, got {re.escape(repr(text))}"):
        Wordings.from_json(path)


def test_verbs_synonyms_and_articles_vary_a_caption():
    wordings = Wordings(verbs={"slam": ["slamming"]}, synonyms={"door": ["gate"]})
    captions = set(drawn(lambda g: wordings.draw("door slam", g), 400))
    assert {"door slam", "a door slam", "door slamming", "gate slam", "the gate slamming"} <= captions


def test_an_article_is_not_put_before_another():
    assert not any(
        "a the" in caption or "a a " in caption for caption in drawn(lambda g: Wordings().draw("a bell", g))
    )


def test_wordings_come_from_a_file(tmp_path):
    path = tmp_path / "wordings.json"
    path.write_text(json.dumps({"synonyms": {"can": ["tin"]}, "weights": {"can": 2.0}}))
    assert Wordings.from_json(path) == Wordings(synonyms={"can": ["tin"]}, weights={"can": 2.0})


@pytest.mark.parametrize("content", ["{", '{"unknown": {}}', "[]"])
def test_a_file_that_holds_no_wordings_is_named(tmp_path, content):
    path = tmp_path / "wordings.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="wordings.json"):
        Wordings.from_json(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.json"):
        Wordings.from_json(tmp_path / "nowhere.json")


def test_a_part_of_a_long_clip_is_a_crop():
    waveform = torch.arange(100, dtype=torch.int16)
    for part in drawn(lambda g: draw_part(waveform, 10, g), 20):
        steps = (part * INT16_SCALE).round().diff()
        assert part.shape == (10,) and torch.equal(steps, torch.ones(9))


def test_a_part_of_a_short_clip_starts_soon_and_is_whole():
    waveform = torch.full((40,), 1000, dtype=torch.int16)
    for part in drawn(lambda g: draw_part(waveform, 100, g), 50):
        first = int(part.nonzero()[0])
        # At most 15 % of the 60 spare samples lie before it.
        assert part.shape == (100,) and first <= 9 and bool((part[first : first + 40] > 0).all())


def test_an_example_of_one_sound(clips):
    example = draw_example(
        clips, torch.tensor([1.0, 0.001]), 100, Wordings(), generator(), 0.0, unconditional_share=0.0, max_gain_db=0.0
    )
    assert example.events is None and "low" in example.caption
    assert torch.allclose(example.waveform, torch.full((100,), 0.1), atol=1e-4)


def test_mixtures_sound_as_their_captions_say(clips):
    weights = torch.ones(2)
    examples = drawn(lambda g: draw_example(clips, weights, 100, Wordings(), g, 1.0, 0.0, max_gain_db=0.0))
    together = [e for e in examples if e.events and e.events[0][1] == "all"]
    in_turn = [e for e in examples if e.events and e.events[0][1] == "start"]
    assert together and in_turn
    for example in together:
        louder, quieter = (0.1, 0.4) if "low" in example.events[0][0] else (0.4, 0.1)
        level = float(example.waveform[0])
        # The second sound lies between 0 and 8 dB below its own level: 10^(-8/20) = 0.398.
        assert louder + 0.398 * quieter - 1e-3 <= level <= louder + quieter + 1e-3
    for example in in_turn:
        assert example.events[1][1] == "end"
        first = 0.1 if "low" in example.events[0][0] else 0.4
        assert torch.allclose(example.waveform[:50], torch.full((50,), first), atol=1e-4)
        assert torch.allclose(example.waveform[50:], torch.full((50,), 0.5 - first), atol=1e-4)
    assert all("low" in example.caption and "high" in example.caption for example in examples)


def test_a_share_of_examples_has_no_caption(clips):
    examples = drawn(lambda g: draw_example(clips, torch.ones(2), 10, Wordings(), g, 0.5, unconditional_share=0.25))
    share = sum(example.caption == "" for example in examples) / len(examples)
    # Three standard deviations of 200 draws: 3 sqrt(0.25 * 0.75 / 200) = 0.09.
    assert abs(share - 0.25) < 0.09
    assert all(example.events is None for example in examples if example.caption == "")


def test_batches_have_one_length_and_a_total(clips):
    drawer = ExampleDrawer(clips, Wordings(), [0.01, 0.04], [1.0, 1.0], 0.08, samples_multiple=32)
    lengths = {drawer.draw_length(generator(seed)) for seed in range(20)}
    shapes = {drawer.draw(length, [generator()] * drawer.batch_sizes[length])[0].shape for length in lengths}
    # 0.01 s = 160 samples = 5 * 32, eight to a batch of 0.08 s; 0.04 s = 640 samples, two to a batch.
    assert shapes == {(8, 160), (2, 640)}


def test_an_example_depends_on_its_own_generator_alone(clips):
    drawer = ExampleDrawer(clips, Wordings(), [0.01], [1.0], 0.08, samples_multiple=32)
    together, examples = drawer.draw(0, [generator(seed) for seed in (1, 2)])
    apart = [drawer.draw(0, [generator(seed)])[0][0] for seed in (1, 2)]
    assert torch.equal(together, torch.stack(apart)) and not torch.equal(*apart)
    assert torch.equal(together[0], examples[0].waveform)


def test_impossible_lengths_are_refused(clips):
    with pytest.raises(ValueError, match=r"got \[0.5\]"):
        ExampleDrawer(clips, Wordings(), [0.5], [1.0], 0.08, samples_multiple=32)
    with pytest.raises(ValueError, match="as many durations as shares"):
        ExampleDrawer(clips, Wordings(), [0.05], [1.0, 2.0], 0.08, samples_multiple=32)

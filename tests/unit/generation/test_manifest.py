# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import multiprocessing

import pytest
import torch

from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.audio.tags import SoundTags
from audiolcm_diffusers.generation.manifest import Manifest
from audiolcm_diffusers.generation.planning import plan_sounds
from audiolcm_diffusers.generation.requests import of_prompts


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sounds").mkdir()
    return tmp_path / "sounds"


def planned(folder, *prompts):
    sounds = plan_sounds(of_prompts(prompts or ("rain", "wind", "hail")), f"{folder}/")
    return sounds, [entry(sound) for sound in sounds]


def entry(sound, **changes):
    return {"file": sound.path.name, "prompt": sound.prompt, "seed": sound.seed, "model_hash": "abc", **changes}


def open_list(folder):
    return Manifest(folder / "manifest.jsonl", folder)


def make(sound, tags=True):
    said = entry(sound)
    del said["file"]
    write_audio(sound.path, torch.ones(10) / 2, tags=SoundTags(sound.prompt, said) if tags else None)


def names(folder):
    return [json.loads(line)["file"] for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_lines_are_added_as_sounds_are_made(folder):
    sounds, entries = planned(folder)
    manifest = open_list(folder)
    manifest.prepare(sounds, entries)
    with manifest.claimed(sounds[:2]) as mine:
        assert mine == sounds[:2]
        for sound in mine:
            make(sound)
        manifest.add(entries[:2])
    again = open_list(folder)
    assert [again.is_done(sound) for sound in sounds] == [True, True, False]
    assert names(folder) == ["rain.wav", "wind.wav"]
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == []


def test_a_claim_of_one_who_was_killed_after_its_line_was_written_is_gone_with_the_next(folder):
    sounds, entries = planned(folder)
    manifest, claims = open_list(folder), folder / ".manifest.jsonl.claims"
    manifest.prepare(sounds, entries)
    with manifest.claimed(sounds[:1]):
        make(sounds[0])
        manifest.add(entries[:1])
        (left,) = claims.iterdir()
    claims.mkdir()
    (claims / left.name).touch()
    other = claims / "another"
    other.touch()
    with open_list(folder).claimed(sounds[1:2]):
        pass
    # Somebody may hold what is not done.
    assert list(claims.iterdir()) == [other]
    other.unlink()
    (claims / left.name).touch()
    with open_list(folder).claimed(sounds[1:2]):
        pass
    assert not claims.exists()


def test_what_is_claimed_is_nobody_elses(folder):
    sounds, entries = planned(folder)
    one, other = open_list(folder), open_list(folder)
    one.prepare(sounds, entries)
    with one.claimed(sounds[:2]):
        with other.claimed(sounds) as mine:
            assert mine == sounds[2:]
        make(sounds[0])
        one.add(entries[:1])
    # What the other has finished since is not made again; what it has let go of is free.
    with other.claimed(sounds) as mine:
        assert mine == sounds[1:]


def hold(folder, ready, end):
    sounds, _ = planned(folder)
    with open_list(folder).claimed(sounds):
        ready.set()
        end.wait(60)


def test_a_claim_ends_with_its_process(folder):
    context = multiprocessing.get_context("fork")
    ready, end = context.Event(), context.Event()
    process = context.Process(target=hold, args=(folder, ready, end))
    process.start()
    assert ready.wait(60)
    sounds, _ = planned(folder)
    with open_list(folder).claimed(sounds) as mine:
        assert mine == []
    process.kill()
    process.join()
    with open_list(folder).claimed(sounds) as mine:
        assert mine == sounds


def test_half_a_line_is_what_a_killed_process_left(folder):
    sounds, entries = planned(folder)
    make(sounds[0])
    text = json.dumps(entries[0]) + "\n" + '{"file": "wi'
    (folder / "manifest.jsonl").write_text(text)
    manifest = open_list(folder)
    manifest.prepare(sounds, entries)
    assert manifest.is_done(sounds[0]) and not manifest.is_done(sounds[1])
    make(sounds[1])
    manifest.add(entries[1:2])
    assert names(folder) == ["rain.wav", "wind.wav"]


def test_files_that_are_gone_are_taken_out_and_whole_ones_put_in(folder):
    sounds, entries = planned(folder)
    manifest = open_list(folder)
    manifest.prepare(sounds, entries)
    manifest.add(entries[:1])
    # The first is gone; the second was written before its line was; the third does not say what it is.
    make(sounds[1])
    make(sounds[2], tags=False)
    manifest = open_list(folder)
    manifest.prepare(sounds, entries)
    assert names(folder) == ["wind.wav"]


def test_a_list_that_somebody_has_replaced_is_read_anew(folder):
    sounds, entries = planned(folder)
    one, other = open_list(folder), open_list(folder)
    for sound in sounds:
        make(sound, tags=False)
    one.prepare(sounds, entries)
    one.add(entries)
    with other.claimed(sounds) as mine:
        assert mine == []
    sounds[0].path.unlink()
    one.prepare(sounds, entries)
    with other.claimed(sounds) as mine:
        assert mine == sounds[:1]


@pytest.mark.parametrize(("key", "value"), [("model_hash", "xyz"), ("prompt", "snow"), ("seed", 5)])
def test_lists_of_other_sounds_are_refused(folder, key, value):
    sounds, entries = planned(folder)
    manifest = open_list(folder)
    manifest.prepare(sounds, entries)
    manifest.add(entries)
    there = entries[1][key]
    entries[1][key] = value
    with pytest.raises(ValueError, match=rf"has 'wind\.wav' with {key}={there!r}, which is to be made with {value!r}"):
        open_list(folder).check(sounds, entries)


@pytest.mark.parametrize("content", ["no list\n", "[]\n", '{"prompt": "rain"}\n'])
def test_what_is_no_list_is_refused(folder, content):
    (folder / "manifest.jsonl").write_text(content)
    with pytest.raises(ValueError, match=r"manifest\.jsonl' is no list of sounds"):
        open_list(folder)

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Recordings and metadata as they are found, and as they are made to do harm."""

import os
import shutil
import struct

import numpy as np
import soundfile
from trial import attempt
from writers import Tally


FORMATS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au", ".caf", ".w64", ".rf64")
CONTAINERS = {".mp3": "MP3", ".rf64": "RF64"}
NUM_GOOD, NUM_SAMPLES = 3, 8000


KINDS = ("cut", "flip", "header", "zeros", "empty", "noise", "sizes", "twice")


def damage(content, kind, random):
    """Bytes of a recording as a bad disk, a bad network or a bad person leaves them."""
    content = bytearray(content)
    if kind == "cut":
        return bytes(content[: random.randrange(len(content))])
    if kind == "flip":
        for _ in range(random.randint(1, 50)):
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    if kind == "header":
        for _ in range(random.randint(1, 8)):
            content[random.randrange(min(64, len(content)))] = random.randrange(256)
    if kind == "zeros":
        start = random.randrange(len(content))
        content[start:] = bytes(len(content) - start)
    if kind == "empty":
        return b""
    if kind == "noise":
        return random.randbytes(len(content))
    if kind == "sizes":
        place = random.choice([4, 16, 22, 24, 28, 34, 40])
        content[place : place + 4] = struct.pack("<I", random.choice([0, 1, 2**31 - 1, 2**32 - 1, 10**9]))
    return bytes(content * 2) if kind == "twice" else bytes(content)


def put_odd_file(path, random):
    """Something under the name of a recording that is none."""
    kind = random.choice(["folder", "pipe", "link", "loop", "device", "unreadable", "text"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("nowhere.wav")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "unreadable":
        path.touch(mode=0o000)
    else:
        path.write_text("This is no sound.\n" * 100)


NAMES = (
    "../outside.wav",
    " ../outside.wav",
    "./../outside.wav",
    "folder/../../outside.wav",
    "/etc/passwd",
    "x" * 300 + ".wav",
    "a\0b.wav",
    "",
    ".",
    "..",
    " .wav",
    "caf\udce9.wav",
    "CON",
)
CAPTIONS = ("", "nan", "<a& never>", "\ud800", "\0", "a\u2028b", '"', "a" * 200_000, "<>", "=1+1", " ")


def write_metadata(folder, names, captions, random):
    """Metadata in one of the layouts."""
    import csv
    import json

    if random.random() < 0.5:
        with (folder / "metadata.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerows([("file_name", "caption"), *zip(names, [c.replace("\ud800", "?") for c in captions])])
        return folder / "metadata.csv"
    lines = [json.dumps({"file_name": name, "caption": caption}) for name, caption in zip(names, captions)]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "metadata.jsonl"


def dirty_recordings(folder, random, number):
    """Bad files beside good ones: the good ones are loaded, or the error names what is wrong."""
    tally = Tally("dirty recordings")
    for index in range(number):
        place = folder / str(index)
        place.mkdir(parents=True)
        names = good_ones(place)
        for bad in range(random.randint(1, 4)):
            suffix = random.choice(FORMATS)
            kind = random.choice(KINDS)
            name = f"bad{bad}-{kind}{suffix}"
            if random.random() < 0.25:
                put_odd_file(place / name, random)
            else:
                whole = place / f"whole{suffix}"
                soundfile.write(whole, sine(800), 16000, format=CONTAINERS.get(suffix))
                (place / name).write_bytes(damage(whole.read_bytes(), kind, random))
                whole.unlink()
            names.append(name)
        random.shuffle(names)
        write_metadata(place, names, ["a tone"] * len(names), random)
        load_and_tally(tally, place)
    return tally


def dirty_metadata(folder, random, number):
    """Odd rows, and damaged files of rows."""
    tally = Tally("dirty metadata")
    folder.mkdir(parents=True)
    soundfile.write(folder / "outside.wav", sine(600), 16000)
    for index in range(number):
        place = folder / str(index)
        place.mkdir(parents=True)
        names = good_ones(place)
        captions = ["a tone"] * len(names)
        damaged = random.random() < 0.5
        if not damaged:
            names += random.sample(NAMES, 2)
            captions += random.choices(CAPTIONS, k=2)
        path = write_metadata(place, names, captions, random)
        if damaged:
            path.write_bytes(damage(path.read_bytes(), random.choice(KINDS), random))
        # With damaged rows nobody can tell which were good.
        load_and_tally(tally, place, num_good=0 if damaged else NUM_GOOD)
    return tally


def good_ones(place):
    names = [f"good{number}.wav" for number in range(NUM_GOOD)]
    for number, name in enumerate(names):
        soundfile.write(place / name, sine(300 + 100 * number), 16000)
    return names


def sine(frequency):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(NUM_SAMPLES) / 16000)


def load_and_tally(tally, place, num_good=NUM_GOOD):
    from audiolcm_diffusers.data.captioned_audio import load_clips
    from audiolcm_diffusers.pipelines.prompt_events import structured_caption

    def load():
        bad = []
        clips = load_clips(place, max_bad_fraction=0.99, bad_clips=bad)
        names = [clip.name for clip in clips]
        told = f"{names}, left out {[(clip.name, clip.reason[:80]) for clip in bad]}"
        assert sum(name.startswith("good") for name in names) >= num_good, f"lost: only {told}"
        # What was cut is not loaded as if it had been recorded so.
        short = [clip.name for clip in clips if "-cut" in clip.name and len(clip.waveform) < 0.9 * NUM_SAMPLES]
        assert not short, f"lost: {short} were cut, and are taken for whole: {told}"
        assert all(clip.waveform.numel() > 0 for clip in clips)
        assert not [name for name in names if "outside" in name], f"read what lies outside: {told}"
        for clip in clips:
            structured_caption(clip.caption)

    outcome = attempt(load, timeout_s=30, memory_gb=2)
    lost = None
    if outcome.how == "broke" and "AssertionError: lost" in outcome.words:
        outcome.how, lost = "survived", outcome.words.split("AssertionError: lost: ")[1].strip()
    if outcome.how == "refused" and num_good and ", line " not in outcome.words:
        # One bad file is no reason to refuse the others. Rows that say nothing are, if the error says which.
        lost = f"all refused: {outcome.words[:300]}"
    tally.add(outcome, lost)
    shutil.rmtree(place)

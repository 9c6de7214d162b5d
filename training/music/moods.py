# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Moods: what makes them, and the words for them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mood:
    r"""
    A mood, by what makes it and by the words for it.

    Args:
        modes (`tuple[str, ...]`): Major, minor or both.
        tempo (`tuple[int, int]`): Slowest and fastest beats a minute.
        loudness (`int`): Added to velocities.
        densities (`tuple[str, ...]`): How much happens in melodies.
        words (`tuple[str, ...]`): Adjectives; captions have one of them or none.
        adverbs (`tuple[str, ...]`)
    """

    modes: tuple
    tempo: tuple
    loudness: int
    densities: tuple
    words: tuple
    adverbs: tuple


MOODS = {
    "plain": Mood(("major", "minor"), (66, 140), 0, ("sparse", "medium", "busy"), (), ()),
    "happy": Mood(
        ("major",),
        (100, 160),
        4,
        ("medium", "busy"),
        ("happy", "cheerful", "joyful", "bright", "merry"),
        ("happily", "cheerfully"),
    ),
    "sad": Mood(
        ("minor",),
        (48, 82),
        -8,
        ("sparse", "medium"),
        ("sad", "melancholic", "sorrowful", "mournful", "lonely"),
        ("sadly", "mournfully"),
    ),
    "calm": Mood(
        ("major",),
        (52, 88),
        -14,
        ("sparse", "medium"),
        ("calm", "peaceful", "gentle", "relaxing", "soft", "quiet"),
        ("calmly", "softly", "gently"),
    ),
    "dark": Mood(
        ("minor",),
        (54, 100),
        -2,
        ("sparse", "medium"),
        ("dark", "gloomy", "ominous", "brooding", "mysterious"),
        ("ominously",),
    ),
    "energetic": Mood(
        ("major", "minor"),
        (126, 172),
        10,
        ("busy",),
        ("energetic", "upbeat", "lively", "driving"),
        ("energetically",),
    ),
    "dreamy": Mood(("major",), (54, 88), -12, ("sparse",), ("dreamy", "ethereal", "floating"), ("dreamily",)),
    "playful": Mood(
        ("major",),
        (104, 150),
        0,
        ("medium", "busy"),
        ("playful", "light-hearted", "funny", "bouncy"),
        ("playfully",),
    ),
    "dramatic": Mood(
        ("minor",),
        (84, 140),
        14,
        ("medium", "busy"),
        ("dramatic", "intense", "powerful", "epic"),
        ("dramatically", "powerfully"),
    ),
    "romantic": Mood(
        ("major",),
        (58, 92),
        -6,
        ("sparse", "medium"),
        ("romantic", "tender", "sweet", "warm"),
        ("tenderly",),
    ),
}

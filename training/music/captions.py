# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What is said of a piece, in many wordings: true, and never everything at once."""

import random
import re

from .composing import FAST_BPM, SLOW_BPM
from .drums import GROOVES
from .ensembles import ENSEMBLES
from .moods import MOODS


# `{}` is where adjectives go, `{i}` the instrument, `{adv}` an adverb.
SOLO_NAMES = {
    "melody": (
        "a {}{i} melody",
        "a {}{i} melody",
        "a {}melody on {a i}",
        "{a i} playing a {}melody",
        "a {}{i} solo",
        "{}{i} music",
        "a {}tune on {a i}",
        "{a i} playing {adv}",
        "a {}{i} tune",
        "a {}solo {i}",
        "someone playing the {i} {adv}",
    ),
    "melody with chords": (
        "a {}{i} piece",
        "{}{i} music",
        "a {}{i} melody with chords",
        "{a i} playing {adv}",
        "a {}solo {i} piece",
        "a {}melody on {a i}",
        "someone playing the {i} {adv}",
        "{a i} playing a {}tune",
    ),
    "arpeggios": (
        "{}{i} arpeggios",
        "{}{i} arpeggios",
        "{}arpeggios on {a i}",
        "{a i} playing {}arpeggios",
        "{}broken chords on {a i}",
        "{}{i} music",
        "{a i} playing {adv}",
    ),
    "chords": (
        "{}{i} chords",
        "{}chords on {a i}",
        "{a i} playing {}chords",
        "a {}{i} chord progression",
        "{}{i} music",
        "{a i} playing {adv}",
    ),
    "sustained chords": (
        "{}long {i} chords",
        "{}sustained chords on {a i}",
        "{}{i} music",
        "a {}{i}",
        "{a i} playing {}sustained chords",
        "{a i} playing {adv}",
    ),
    "strumming": (
        "{}{i} strumming",
        "{}strummed chords on {a i}",
        "a {}strummed {i}",
        "{a i} strumming {}chords",
        "{}strumming on {a i}",
        "{}{i} music",
        "someone strumming {a i} {adv}",
    ),
    "riff": ("a {}{i} riff", "a {}riff on {a i}", "{}{i} power chords", "{a i} playing a {}riff", "{}{i} music"),
    "bass line": (
        "a {}{i} line",
        "a {}bass line on {a i}",
        "a {}{i} groove",
        "{a i} playing a {}bass line",
        "a {}{i} riff",
    ),
    "scale": ("a {}{i} scale", "a {}scale on {a i}", "{a i} playing a {}scale", "{a i} playing a {}scale up and down"),
}
SUNG_NAMES = (
    "a {}{i}",
    "a {}{i} singing",
    "{a i} singing {adv}",
    "{}{i} music",
    "{}singing of {a i}",
    "a {}{i} singing long notes",
    "{a i} singing a {}piece",
)
PLAIN_SUNG_NAMES = ("{a i}", "{a i} singing", "{i} music", "the sound of {a i}")
PLAIN_NAMES = ("{a i}", "{a i} playing", "{i} music", "{i}", "someone playing {a i}", "the sound of {a i}")
MASS_NOUNS = re.compile(r"(strings|voices|bells|drums|vibes|chimes|bagpipes|panpipes|pans|timpani|kettledrums)$")
# Chances of each fact, and of a caption that has none.
PLAIN_SHARE, MOOD_SHARE, TEMPO_WORD_SHARE, BPM_SHARE, KEY_SHARE = 0.15, 0.5, 0.5, 0.3, 0.22
SLOW_WORDS, FAST_WORDS = ("slow", "slow", "unhurried"), ("fast", "fast", "quick", "rapid")


def caption(piece, seed, index):
    r"""
    Say something true of a piece.

    Args:
        piece (`Piece`)
        seed (`int`): Of the whole set.
        index (`int`): Number of the piece in it.

    Returns:
        `str`: Without a full stop.
    """
    rng = random.Random(f"{seed} caption {index}")
    adjectives, adverbs, tail = _facts(rng, piece)
    if piece.style == "solo":
        name = piece.called[0]
        sung = piece.sound_class == "choir"
        templates = list(SUNG_NAMES if sung else SOLO_NAMES[piece.texture])
        if not (adjectives or tail) and rng.random() < 0.7:
            templates = list(PLAIN_SUNG_NAMES if sung else PLAIN_NAMES)
    else:
        templates, name = list((ENSEMBLES if piece.key else GROOVES)[piece.style].names), ""
        # A style that is named by instruments which one piece leaves out says too much of it.
        templates = [
            text for text in templates if all(int(n) < len(piece.called) for n in re.findall(r"\{(\d)\}", text))
        ]
    template = rng.choice([text for text in templates if adverbs or "{adv}" not in text])
    if "{adv}" in template:
        # The adverb says what the adjectives would have said.
        adjectives = []
    words = template.replace("{}", "".join(f"{word} " for word in adjectives))
    words = words.replace("{a i}", name if MASS_NOUNS.search(name) else f"a {name}").replace("{i}", name)
    words = words.replace("{adv}", rng.choice(adverbs) if adverbs else "")
    for number, called in enumerate(piece.called):
        words = words.replace(f"{{{number}}}", called)
    return with_articles(f"{words}{tail}")


def with_articles(text):
    r"""Write `an` instead of `a` where the next word begins with a vowel that is heard as one: `an upbeat ukulele`."""
    return re.sub(r"\ba (?=[aeio8]|u(?!ku))", "an ", text)


def _facts(rng, piece):
    """Adjectives, adverbs and what follows the noun."""
    if rng.random() < PLAIN_SHARE:
        return [], [], ""
    mood, adjectives, adverbs, tail = MOODS[piece.mood], [], [], []
    # Nobody counts the beats of held chords.
    has_beat = piece.texture != "sustained chords" and piece.style != "ambient"
    says_bpm = has_beat and rng.random() < (2 * BPM_SHARE if piece.key is None else BPM_SHARE)
    if not says_bpm and rng.random() < TEMPO_WORD_SHARE:
        if piece.tempo_bpm <= SLOW_BPM:
            adjectives.append(rng.choice(SLOW_WORDS))
            adverbs.append("slowly")
        elif piece.tempo_bpm >= FAST_BPM:
            adjectives.append(rng.choice(FAST_WORDS))
            adverbs.append("fast")
    if mood.words and rng.random() < MOOD_SHARE:
        adjectives.append(rng.choice(mood.words))
        adverbs += mood.adverbs
    if piece.key is not None and rng.random() < KEY_SHARE:
        tail.append(rng.choice(("in {}", "in {}", "in the key of {}")).format(piece.key))
    if says_bpm:
        form = rng.choice(("at {} bpm", "at {} bpm", "at {} beats per minute", ", {} bpm"))
        tail.append(form.format(piece.tempo_bpm))
    return adjectives, adverbs, "".join(f" {words}" for words in tail).replace(" ,", ",")

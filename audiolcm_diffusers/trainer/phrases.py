# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Phrases from which a text encoder learns English, and what each of them means.

What a phrase means is said by texts that a sentence encoder, the teacher, is to read: often others than the phrase. A
word of WordNet means what its glosses say, and "the sound of a tern, small slender gull" says more of a tern than "a
tern".
"""

from dataclasses import dataclass

import torch

from ..data.captions import IN_TURN, TOGETHER, choose, happens
from ..data.wordnet import THINGS
from ..pipelines.prompt_events import EVENT_ORDERS, format_events


# How much of a word's meaning its glosses make, against 1 for the word by itself. The caption nearest to a word that
# no caption has was the right one for 52 % by the word, for 67, 70 and 74 % with glosses of half, equal, twice weight.
GLOSS_WEIGHT = 2.0
# A second meaning counts half as much as the first.
SENSE_DECAY = 0.5
MAX_SENSES = 3
# The rest of a gloss is detail.
MAX_GLOSS_WORDS = 14


@dataclass(frozen=True)
class Phrase:
    r"""
    A phrase and its meaning.

    Args:
        texts (`tuple[str, ...]`): Ways in which it is written.
        meaning (`tuple[tuple[str, float], ...]`): Texts that a teacher reads, and how much each of them counts.
    """

    texts: tuple[str, ...]
    meaning: tuple[tuple[str, float], ...]


def caption_phrases(captions, prompt="{}"):
    r"""Phrases of captions, which mean what they say; each once, in the order of the first."""
    return [Phrase((caption,), ((prompt.format(caption), 1.0),)) for caption in dict.fromkeys(captions)]


def word_phrases(words, prompt="{}"):
    r"""
    Phrases of WordNet's words, in all their forms.

    Args:
        words (`list[Word]`): From [`~audiolcm_diffusers.data.wordnet.read_wordnet`].
        prompt (`str`, defaults to `"{}"`): What the teacher reads of a text, such as `"the sound of {}"`.
    """
    phrases = []
    for word in words:
        senses = word.senses[:MAX_SENSES]
        weights = [SENSE_DECAY**index for index in range(len(senses))]
        said = word.forms[1] if word.part == "verb" else word.text
        glosses = (
            (prompt.format(_with_gloss(sense)), GLOSS_WEIGHT * weight / sum(weights))
            for sense, weight in zip(senses, weights)
        )
        phrases.append(Phrase(word.forms, ((prompt.format(said), 1.0), *glosses)))
    return phrases


def gloss_phrases(words, prompt="{}"):
    r"""Phrases that are the glosses of words' first senses, each once; arguments as of [`word_phrases`]."""
    senses = dict.fromkeys(sense for word in words for sense in word.senses[:MAX_SENSES] if sense.gloss)
    return [Phrase((_first_clause(sense.gloss),), ((prompt.format(_with_gloss(sense)), 1.0),)) for sense in senses]


def deed_phrases(words, verbs, count, generator, prompt="{}"):
    r"""
    Phrases of somebody or something that does what is heard, "a gerbil squeaking": words that captions lack, in the
    company of those that they have.

    Args:
        words (`list[Word]`): WordNet's, of which nouns of things are drawn.
        verbs (`Sequence[str]`): What things do, as it ends captions, "squeaking".
        count (`int`): Number of phrases.
        generator (`torch.Generator`): Source of randomness.
        prompt (`str`, defaults to `"{}"`): What the teacher reads of a text.
    """
    things = [word for word in words if word.part == "noun" and word.senses[0].domain in THINGS]
    known = {form for word in words if word.part == "verb" for form in word.forms}
    verbs = [verb for verb in verbs if verb in known]
    phrases = []
    for _ in range(count if things and verbs else 0):
        word, verb = choose(things, generator), choose(verbs, generator)
        thing = f"{'an' if word.text[0] in 'aeiou' else 'a'} {word.text}"
        said = f"{thing} {verb}"
        gloss = _first_clause(word.senses[0].gloss)
        plural = f"{word.forms[-1]} {verb}"
        phrases.append(Phrase((said, plural), ((prompt.format(f"{said}, {gloss}"), 1.0),)))
    return phrases


def verbs_of(captions):
    r"""Words that end captions and in "ing", each once, in alphabetical order."""
    return sorted({caption.split()[-1] for caption in captions if caption.endswith("ing") and " " in caption})


def _with_gloss(sense):
    """A sense's words and what they mean."""
    return f"{' or '.join(sense.words[:3])}, {_first_clause(sense.gloss)}"


def _first_clause(gloss):
    """A gloss up to its first semicolon, without remarks in parentheses at the start, and not too long."""
    clause = gloss.split(";")[0].strip()
    if clause.startswith("(") and ")" in clause[:-1]:
        clause = clause[clause.index(")") + 1 :].strip()
    return " ".join(clause.split()[:MAX_GLOSS_WORDS])


@dataclass(frozen=True)
class DrawnPhrase:
    r"""
    What a text encoder reads in one example, and what it is to understand.

    Args:
        prompt (`str`): Plain or in structured form.
        phrases (`tuple[tuple[str, int], ...]`): Group and number of each phrase in it.
        orders (`tuple[str, ...]`): The order of each event; one event, "all", in plain text.
    """

    prompt: str
    phrases: tuple
    orders: tuple = ("all",)

    @property
    def events(self):
        r"""`tuple[tuple, ...]`: The phrases of each event: one each, or all in the only event of plain text."""
        return (self.phrases,) if len(self.orders) == 1 else tuple((phrase,) for phrase in self.phrases)


class PhraseDrawer:
    r"""
    Draws phrases one by one, two in a sentence, or several as events.

    Args:
        groups (`dict[str, list[Phrase]]`): Phrases by kind.
        shares (`dict[str, float]`): How often a phrase of each kind is drawn.
        wordings (`dict[str, Wordings]`): In which ways phrases of a kind are written.
        joined_share (`float`, defaults to 0.15): Share of examples of two phrases in a sentence.
        events_share (`float`, defaults to 0.15): Share of examples of two or three events.
    """

    def __init__(self, groups, shares, wordings, joined_share=0.15, events_share=0.15):
        self.kinds = [kind for kind, phrases in groups.items() if phrases and shares[kind] > 0]
        self.groups, self.wordings = groups, wordings
        self.shares = torch.tensor([float(shares[kind]) for kind in self.kinds])
        self.joined_share, self.events_share = joined_share, events_share

    def draw_phrase(self, generator):
        r"""Draw one phrase: how it is written, and which it is."""
        kind = self.kinds[int(torch.multinomial(self.shares, 1, generator=generator))]
        index = int(torch.randint(len(self.groups[kind]), (), generator=generator))
        text = choose(self.groups[kind][index].texts, generator)
        return self.wordings[kind].draw(text, generator), (kind, index)

    def draw(self, generator):
        r"""Draw an example, a [`DrawnPhrase`]."""
        what = float(torch.rand((), generator=generator))
        if what < self.events_share:
            count = 2 + int(torch.randint(2, (), generator=generator))
            drawn = [self.draw_phrase(generator) for _ in range(count)]
            orders = tuple(choose(EVENT_ORDERS, generator) for _ in drawn)
            prompt = format_events([(text, order) for (text, _), order in zip(drawn, orders)])
            return DrawnPhrase(prompt, tuple(phrase for _, phrase in drawn), orders)
        if what < self.events_share + self.joined_share:
            (first, one), (second, other) = self.draw_phrase(generator), self.draw_phrase(generator)
            template = choose(TOGETHER if happens(0.5, generator) else IN_TURN, generator)
            return DrawnPhrase(template.format(first, second), (one, other))
        text, phrase = self.draw_phrase(generator)
        if happens(0.15, generator):
            # A single event at some time.
            order = choose(EVENT_ORDERS, generator)
            return DrawnPhrase(format_events([(text, order)]), (phrase,), (order,))
        return DrawnPhrase(text, (phrase,))

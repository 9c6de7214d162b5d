# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
WordNet's words and what they mean.

WordNet (Princeton University, https://wordnet.princeton.edu) is a folder of text files, `data.noun` and its like.
Debian's package `wordnet-base` has them in `/usr/share/wordnet`. Its manual pages wndb(5WN) and lexnames(5WN) say what
they hold.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


PARTS = ("noun", "verb", "adj")
# Lexicographer files of what is seen and heard: animals, artifacts, body, events, food, objects, people, phenomena,
# plants, substances.
THINGS = frozenset((5, 6, 8, 11, 13, 17, 18, 19, 20, 27))
# And of what is done, said, felt and goes on.
DOINGS = frozenset((4, 10, 12, 22, 26))
# Those whose terms of two words are of daily use, as "alarm clock": artifacts, communication, events, phenomena.
TERMS = frozenset((6, 10, 11, 19))

# Words of a language, of at most two parts; names of people, places and genera are written with capitals.
_WORD = re.compile(r"[a-z]+(?:[ -][a-z]+)?")


@dataclass(frozen=True)
class Sense:
    r"""
    One meaning, with all words that have it.

    Args:
        words (`tuple[str, ...]`): Synonyms, the most usual first.
        gloss (`str`): What they mean, without examples.
        domain (`int`): Number of the lexicographer file, such as 5 for animals.
    """

    words: tuple[str, ...]
    gloss: str
    domain: int


@dataclass(frozen=True)
class Word:
    r"""
    One word of one part of speech.

    Args:
        text (`str`): In its base form.
        part (`str`): `"noun"`, `"verb"` or `"adj"`.
        forms (`tuple[str, ...]`): How it is written: base form, plural, third person, participles.
        senses (`tuple[Sense, ...]`): Its meanings, the most usual first.
    """

    text: str
    part: str
    forms: tuple[str, ...]
    senses: tuple[Sense, ...]


def read_wordnet(folder):
    r"""
    Read the nouns, verbs and adjectives that are written in small letters and consist of one or two words.

    Args:
        folder (`str` or `Path`): With `data.noun`, `index.noun`, `noun.exc` and the same for verbs and adjectives.

    Returns:
        `list[Word]`: In the order of the files.

    Raises:
        ValueError: If a file is missing.
    """
    folder = Path(folder)
    for name in (f"{kind}.{part}" for part in PARTS for kind in ("data", "index")):
        if not (folder / name).is_file():
            raise ValueError(f"Expected the files of WordNet in {str(folder)!r}, got none named {name!r}.")
    words = []
    for part in PARTS:
        senses = dict(map(_read_sense, _lines(folder / f"data.{part}")))
        irregular = _read_irregular(folder / f"{part}.exc")
        for line in _lines(folder / f"index.{part}"):
            fields = line.split()
            text, count = fields[0].replace("_", " "), int(fields[2])
            meant = tuple(senses[offset] for offset in fields[-count:])
            # The index has no capitals.
            meant = tuple(sense for sense in meant if text in sense.words)
            if meant and _WORD.fullmatch(text) and len(text) > 1:
                words.append(Word(text, part, forms_of(text, part, irregular.get(text, ())), meant))
    return words


def everyday_words(words):
    r"""
    Those words that may be asked for as sounds: nouns for what is seen, heard or done, without names of two words such
    as those of plants; verbs; adjectives that occur in the gloss of a noun.

    Args:
        words (`list[Word]`): From [`read_wordnet`].
    """
    glossed = {sense.gloss for word in words if word.part == "noun" for sense in word.senses}
    used = {token for gloss in glossed for token in re.findall(r"[a-z]+", gloss.lower())}

    def is_everyday(word):
        domains = {sense.domain for sense in word.senses[:3]}
        if word.part == "verb":
            return True
        if word.part == "adj":
            return word.text in used
        return bool(domains & TERMS if " " in word.text else domains & (THINGS | DOINGS))

    return [word for word in words if "-" not in word.text and is_everyday(word)]


def _lines(path):
    """Lines of a file without those of the licence, which are indented."""
    return (line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("  "))


def _read_sense(line):
    """Offset and sense of a line of a data file."""
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    # Adjectives may say in parentheses where they stand. Examples of use are between quotation marks.
    words = tuple(re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in words)
    gloss = re.sub(r'"[^"]*"?', "", gloss)
    gloss = "; ".join(clause.strip() for clause in gloss.split(";") if re.search(r"\w", clause))
    return fields[0], Sense(words, gloss, int(fields[1]))


def _read_irregular(path):
    """Irregular forms by base form."""
    forms = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        form, *bases = (word.replace("_", " ") for word in line.split())
        for base in bases:
            forms[base].append(form)
    return forms


def forms_of(text, part, irregular=()):
    r"""
    How a word is written in a sentence.

    Args:
        text (`str`): Base form.
        part (`str`): `"noun"`, `"verb"` or `"adj"`.
        irregular (`Sequence[str]`): Forms that follow no rule, as WordNet's `.exc` files list them.

    Returns:
        `tuple[str, ...]`: The base form first; of a verb then its present participle.
    """
    if part == "adj":
        return (text,)
    if part == "noun":
        return tuple(dict.fromkeys((text, *(irregular or (_with_s(text),)))))
    verb, *rest = text.split(" ")
    present = next((form for form in irregular if form.endswith("ing")), None) or _with_ing(verb)
    past = [form for form in irregular if not form.endswith("ing")] or [verb + ("d" if verb.endswith("e") else "ed")]
    forms = (" ".join((form, *rest)) for form in (verb, present, _with_s(verb), *past))
    return tuple(dict.fromkeys(forms))


def _with_s(text):
    """Plural of a noun, third person of a verb."""
    if re.search(r"[^s]s$", text):
        # Most are plurals: "beans".
        return text
    if re.search(r"(ss|x|z|ch|sh)$", text):
        return text + "es"
    return text[:-1] + "ies" if re.search(r"[^aeiou]y$", text) else text + "s"


def _with_ing(verb):
    """Present participle of a verb without a doubled consonant, which WordNet lists as irregular."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    return (verb[:-1] if re.search(r"[^eoy]e$", verb) else verb) + "ing"

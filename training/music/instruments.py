# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Instruments of General MIDI that people recognise, and the registers in which they sound like themselves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    r"""
    An instrument.

    Args:
        name (`str`): What the column `instrument` says.
        sound_class (`str`): What the column `sound_class` says of it alone.
        program (`int`): General MIDI's number, from 0.
        melody (`tuple[int, int]`): Lowest and highest pitch of its melodies; of a bass, of its lines.
        chords (`tuple[int, int]`): Lowest and highest pitch of its chords.
        textures (`dict[str, int]`): What it plays alone, and how often.
        names (`tuple[str, ...]`): What captions call it; the first ones more often.
        bank (`int`, defaults to 0): Variation of the program.
        rings (`bool`, defaults to `False`): Whether a note sounds on by itself: struck and plucked instruments.
        reverb (`int`, defaults to 40): From 0 to 127.
    """

    name: str
    sound_class: str
    program: int
    melody: tuple
    chords: tuple
    textures: dict
    names: tuple
    bank: int = 0
    rings: bool = False
    reverb: int = 40


def _keys(name, sound_class, program, *names, melody=(60, 86), chords=(48, 72), **more):
    textures = {"melody": 3, "arpeggios": 3, "chords": 2, "melody with chords": 3, "scale": 0.5}
    return Instrument(name, sound_class, program, melody, chords, textures, (name, *names), rings=True, **more)


def _guitar(name, program, *names, sound_class="guitar", melody=(55, 79), chords=(48, 72), **more):
    textures = {"melody": 2, "arpeggios": 4, "strumming": 4, "melody with chords": 1, "scale": 0.3}
    return Instrument(name, sound_class, program, melody, chords, textures, (name, *names), rings=True, **more)


def _plucked(name, sound_class, program, *names, melody=(57, 81), chords=(52, 76), **more):
    textures = {"melody": 3, "arpeggios": 4}
    return Instrument(name, sound_class, program, melody, chords, textures, (name, *names), rings=True, **more)


def _mallets(name, sound_class, program, *names, melody=(60, 84), **more):
    textures = {"melody": 4, "arpeggios": 3, "scale": 0.3}
    return Instrument(name, sound_class, program, melody, melody, textures, (name, *names), rings=True, **more)


def _solo(name, sound_class, program, low, high, *names, **more):
    textures = {"melody": 6, "scale": 0.4}
    return Instrument(name, sound_class, program, (low, high), (low, high), textures, (name, *names), **more)


def _section(name, sound_class, program, *names, melody=(60, 82), chords=(48, 74), **more):
    textures = {"melody with chords": 3, "sustained chords": 4, "chords": 2}
    return Instrument(name, sound_class, program, melody, chords, textures, (name, *names), **more)


def _bass(name, program, *names, low=28, high=48, **more):
    return Instrument(name, "bass", program, (low, high), (low, high), {"bass line": 1}, (name, *names), **more)


def _synth(name, sound_class, program, *names, textures, **more):
    return Instrument(name, sound_class, program, (60, 84), (48, 74), textures, (name, *names), **more)


INSTRUMENTS = {
    instrument.name: instrument
    for instrument in (
        _keys("piano", "piano", 0, "grand piano", "piano", melody=(64, 89), chords=(52, 76)),
        _keys("electric piano", "electric piano", 4, "rhodes piano", "electric piano"),
        _keys("harpsichord", "harpsichord", 6),
        _mallets("music box", "music box", 10, melody=(72, 96)),
        _mallets("glockenspiel", "glockenspiel", 9, melody=(79, 100)),
        _mallets("vibraphone", "vibraphone", 11, "vibes", melody=(55, 81)),
        _mallets("marimba", "marimba", 12, melody=(48, 79)),
        _mallets("xylophone", "xylophone", 13, melody=(65, 96)),
        _mallets("tubular bells", "tubular bells", 14, "orchestral chimes", melody=(60, 77)),
        _section("hammond organ", "organ", 16, "electric organ", "drawbar organ", chords=(48, 76)),
        _section("church organ", "organ", 19, "pipe organ", "organ", melody=(60, 84), reverb=90),
        _section("accordion", "accordion", 21, "squeezebox", "accordion", chords=(52, 76)),
        _solo("harmonica", "harmonica", 22, 60, 84, "mouth organ", "blues harp"),
        _guitar("acoustic guitar", 25, "steel-string guitar", "guitar", "folk guitar"),
        _guitar("nylon guitar", 24, "classical guitar", "nylon-string guitar", "spanish guitar", "acoustic guitar"),
        _guitar("clean electric guitar", 27, "electric guitar", "clean guitar"),
        _guitar("jazz guitar", 26, "mellow electric guitar"),
        Instrument(
            "distorted guitar",
            "electric guitar",
            30,
            (52, 76),
            (40, 52),
            {"riff": 4, "melody": 2},
            ("distorted electric guitar", "distorted guitar", "heavy electric guitar", "metal guitar"),
            rings=True,
        ),
        Instrument(
            "overdriven guitar",
            "electric guitar",
            29,
            (52, 76),
            (40, 52),
            {"riff": 3, "melody": 3},
            ("overdriven guitar", "electric guitar", "rock guitar", "crunchy electric guitar"),
            rings=True,
        ),
        _guitar("ukulele", 24, sound_class="ukulele", melody=(60, 81), chords=(60, 76), bank=8),
        _plucked("mandolin", "mandolin", 25, melody=(60, 84), bank=16),
        _plucked("banjo", "banjo", 105, melody=(55, 79), chords=(50, 74)),
        _plucked("sitar", "sitar", 104, "indian sitar", melody=(52, 76)),
        _plucked("koto", "koto", 107, "japanese koto"),
        _plucked("harp", "harp", 46, "concert harp", melody=(48, 77), chords=(45, 79), reverb=70),
        _bass("bass guitar", 33, "electric bass", "fingered bass guitar", "bass"),
        _bass("slap bass", 36, "slapped bass guitar", "funky slap bass"),
        _bass("upright bass", 32, "double bass", "acoustic bass", "plucked double bass"),
        _bass("synth bass", 38, "synthesizer bass", "electronic bass"),
        _solo("violin", "violin", 40, 60, 88, reverb=70),
        _solo("fiddle", "violin", 110, 57, 84, "folk fiddle"),
        _solo("cello", "cello", 42, 40, 67, reverb=70),
        _solo("viola", "viola", 41, 52, 76, reverb=70),
        _section("strings", "strings", 48, "string orchestra", "string section", "orchestral strings", reverb=80),
        _section("slow strings", "strings", 49, "string orchestra", "soft strings", "string ensemble", reverb=80),
        _section("choir", "choir", 52, "mixed choir", "vocal choir", melody=(60, 79), reverb=100),
        _solo("trumpet", "trumpet", 56, 58, 82, reverb=60),
        _solo("trombone", "trombone", 57, 43, 69, reverb=60),
        _solo("tuba", "tuba", 58, 31, 53),
        _solo("french horn", "french horn", 60, 46, 72, "horn", reverb=80),
        _section("brass section", "brass", 61, "brass band", "brass ensemble", melody=(60, 79), chords=(50, 74)),
        _solo("alto saxophone", "saxophone", 65, 54, 78, "alto sax", "saxophone", "sax"),
        _solo("tenor saxophone", "saxophone", 66, 47, 73, "tenor sax", "saxophone", "sax"),
        _solo("soprano saxophone", "saxophone", 64, 60, 84, "soprano sax", "saxophone"),
        _solo("oboe", "oboe", 68, 60, 84, reverb=60),
        _solo("clarinet", "clarinet", 71, 53, 84, reverb=50),
        _solo("flute", "flute", 73, 62, 91, "concert flute", "flute", reverb=60),
        _solo("piccolo", "flute", 72, 76, 100, "piccolo flute"),
        _solo("recorder", "flute", 74, 65, 89, "recorder flute"),
        _solo("pan flute", "flute", 75, 62, 86, "panpipes", reverb=70),
        _solo("bagpipes", "bagpipes", 109, 62, 79, "scottish bagpipes"),
        _synth(
            "square synth lead",
            "synthesizer",
            80,
            "synth lead",
            "chiptune synth",
            "8-bit synth",
            textures={"melody": 3, "arpeggios": 3},
        ),
        _synth(
            "saw synth lead",
            "synthesizer",
            81,
            "synth lead",
            "synthesizer",
            "saw synthesizer",
            textures={"melody": 3, "arpeggios": 3, "chords": 1},
        ),
        _synth(
            "warm pad",
            "ambient music",
            89,
            "synth pad",
            "warm synth pad",
            textures={"sustained chords": 1},
            reverb=100,
        ),
        _synth(
            "sweep pad",
            "ambient music",
            95,
            "sweeping synth pad",
            "synth pad",
            textures={"sustained chords": 1},
            reverb=100,
        ),
        _synth(
            "fantasia",
            "ambient music",
            88,
            "bell-like synth",
            "new-age synthesizer",
            textures={"arpeggios": 1, "sustained chords": 1},
            reverb=100,
        ),
        _section("synth strings", "synthesizer", 50, "synthesizer strings", "string synthesizer"),
        _solo("timpani", "timpani", 47, 40, 55, "kettledrums"),
    )
}

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Small ensembles, and the styles in which they play."""

from dataclasses import dataclass


BEAT_MOODS = ("plain", "energetic", "happy", "dark")


@dataclass(frozen=True)
class Role:
    r"""
    A part of an ensemble.

    Args:
        texture (`str`): As `composing.py` has them.
        instruments (`tuple[str, ...]`): Names of `INSTRUMENTS`; one is drawn.
        volume (`int`, defaults to 100): From 0 to 127.
        rhythm (`str`, *optional*): A name of the texture's rhythms.
        share (`float`, defaults to 1.0): Share of the pieces in which it plays.
        octave (`int`, defaults to 0): How many octaves its register is moved.
    """

    texture: str
    instruments: tuple
    volume: int = 100
    rhythm: str | None = None
    share: float = 1.0
    octave: int = 0


@dataclass(frozen=True)
class Ensemble:
    r"""
    Instruments that play together in a style.

    Args:
        style (`str`): What the column `style` says.
        sound_class (`str`): What the column `sound_class` says.
        tempo (`tuple[int, int]`): Slowest and fastest beats a minute.
        moods (`tuple[str, ...]`): Names of `MOODS`.
        roles (`tuple[Role, ...]`)
        names (`tuple[str, ...]`):
            Captions, with `{}` where adjectives go, and `{0}` and so on for the instruments, by their roles.
        grooves (`tuple[str, ...]`): Names of `GROOVES`, of which one is drawn; none without drums.
        harmony (`str`, defaults to `"plain"`): `"plain"`, `"jazz"`, `"blues"` or `"slow"`.
        swing (`tuple[float, float]`): Where the second eighth of a beat falls; 0.5 is even.
        beats_per_bar (`int`, defaults to 4)
        drum_volume (`int`, defaults to 100): From 0 to 127.
    """

    style: str
    sound_class: str
    tempo: tuple
    moods: tuple
    roles: tuple
    names: tuple
    grooves: tuple = ()
    harmony: str = "plain"
    swing: tuple = (0.5, 0.5)
    beats_per_bar: int = 4
    drum_volume: int = 100


ENSEMBLES = {
    ensemble.style: ensemble
    for ensemble in (
        Ensemble(
            "rock",
            "rock music",
            (96, 150),
            ("plain", "energetic", "happy", "dramatic"),
            (
                Role("riff", ("overdriven guitar", "distorted guitar"), 92),
                Role("bass line", ("bass guitar",), 100, "eighths"),
                Role("melody", ("overdriven guitar",), 100, share=0.4, octave=1),
            ),
            (
                "{}rock music",
                "a {}rock song",
                "a {}rock band playing",
                "{}electric guitars and drums",
                "{}rock with electric guitar, bass and drums",
            ),
            ("rock",),
        ),
        Ensemble(
            "metal",
            "rock music",
            (120, 180),
            ("dramatic", "energetic", "dark", "plain"),
            (Role("riff", ("distorted guitar",), 110), Role("bass line", ("bass guitar",), 90, "eighths")),
            ("{}heavy metal", "{}heavy metal music", "a {}metal band", "a {}heavy metal guitar riff with drums"),
            ("metal",),
        ),
        Ensemble(
            "jazz quartet",
            "jazz",
            (96, 180),
            ("plain", "happy", "energetic", "playful"),
            (
                Role("melody", ("tenor saxophone", "alto saxophone", "trumpet"), 127),
                Role("chords", ("piano",), 60, "comping"),
                Role("bass line", ("upright bass",), 115, "walking"),
            ),
            (
                "{}jazz music",
                "a {}jazz tune",
                "{}jazz with {0}",
                "a {}jazz band playing",
                "{}swinging jazz music",
                "a {}{0} jazz solo with a rhythm section",
            ),
            ("swing",),
            "jazz",
            (0.62, 0.67),
            drum_volume=55,
        ),
        Ensemble(
            "blues",
            "blues",
            (72, 124),
            ("plain", "sad", "energetic"),
            (
                Role("melody", ("overdriven guitar", "harmonica", "clean electric guitar"), 110),
                Role("chords", ("hammond organ", "piano"), 64, "backbeats"),
                Role("bass line", ("bass guitar",), 105, "walking"),
            ),
            ("{}blues music", "a {}blues band", "a {}blues with {0}", "{}blues rock"),
            ("shuffle",),
            "blues",
            (0.64, 0.67),
        ),
        Ensemble(
            "orchestra",
            "orchestra",
            (60, 132),
            ("plain", "dramatic", "sad", "romantic", "happy", "dark"),
            (
                Role("melody", ("strings", "flute", "oboe", "french horn", "violin"), 110),
                Role("sustained chords", ("slow strings", "strings"), 90),
                Role("bass line", ("cello",), 100, "halves"),
                Role("sustained chords", ("french horn", "brass section"), 60, share=0.5),
                Role("pulse", ("timpani",), 90, share=0.5),
            ),
            (
                "{}orchestral music",
                "a {}symphony orchestra playing",
                "{}classical music",
                "a {}orchestra",
                "a {}orchestral theme",
            ),
        ),
        Ensemble(
            "film score",
            "orchestra",
            (70, 130),
            ("dramatic", "dark"),
            (
                Role("ostinato", ("strings",), 105),
                Role("sustained chords", ("brass section", "french horn"), 95),
                Role("sustained chords", ("choir",), 80, share=0.6),
                Role("bass line", ("cello",), 105, "halves"),
            ),
            (
                "{}film music",
                "a {}film score",
                "a {}orchestral soundtrack",
                "{}cinematic orchestra music with drums",
                "{}trailer music",
            ),
            ("tribal",),
        ),
        Ensemble(
            "string quartet",
            "strings",
            (60, 132),
            ("plain", "sad", "romantic", "happy", "playful"),
            (
                Role("melody", ("violin",), 105),
                Role("sustained chords", ("viola",), 75),
                Role("bass line", ("cello",), 95, "quarters"),
            ),
            (
                "a {}string quartet",
                "a {}string quartet playing",
                "{}chamber music for strings",
                "{}violin, viola and cello",
            ),
        ),
        Ensemble(
            "brass ensemble",
            "brass",
            (72, 126),
            ("plain", "dramatic", "happy"),
            (
                Role("melody", ("trumpet",), 105),
                Role("sustained chords", ("trombone", "french horn"), 85),
                Role("bass line", ("tuba",), 100, "quarters"),
            ),
            ("{}brass music", "a {}brass band", "a {}brass ensemble playing", "a {}brass fanfare"),
        ),
        Ensemble(
            "march",
            "brass",
            (100, 124),
            ("plain", "happy", "dramatic"),
            (
                Role("melody", ("trumpet",), 120),
                Role("chords", ("trombone", "french horn"), 85, "offbeats"),
                Role("bass line", ("tuba",), 105, "quarters"),
            ),
            (
                "a {}brass band march",
                "{}marching band music",
                "a {}march played by a brass band",
                "a {}military march",
            ),
            ("march",),
            drum_volume=65,
        ),
        Ensemble(
            "house",
            "electronic music",
            (116, 130),
            BEAT_MOODS,
            (
                Role("chords", ("saw synth lead", "piano", "electric piano"), 78, "stabs"),
                Role("bass line", ("synth bass",), 110, "offbeats"),
            ),
            ("{}house music", "{}electronic dance music", "{}dance music", "a {}house track", "{}club music"),
            ("house",),
        ),
        Ensemble(
            "techno",
            "electronic music",
            (124, 146),
            BEAT_MOODS,
            (
                Role("arpeggios", ("saw synth lead", "square synth lead"), 80),
                Role("bass line", ("synth bass",), 110, "offbeats"),
            ),
            ("{}techno music", "{}techno", "{}trance music", "{}electronic music with a synthesizer arpeggio"),
            ("techno",),
        ),
        Ensemble(
            "synthwave",
            "electronic music",
            (80, 118),
            ("plain", "dark", "dreamy"),
            (
                Role("sustained chords", ("synth strings", "warm pad"), 90),
                Role("bass line", ("synth bass",), 105, "octaves"),
                Role("melody", ("saw synth lead", "square synth lead"), 80, share=0.6),
            ),
            (
                "{}synthwave",
                "{}retro synthesizer music",
                "{}eighties synth pop",
                "{}electronic music with synthesizers",
            ),
            ("pop",),
        ),
        Ensemble(
            "chiptune",
            "game music",
            (110, 170),
            ("happy", "energetic", "playful", "plain"),
            (
                Role("melody", ("square synth lead",), 100),
                Role("arpeggios", ("square synth lead",), 60),
                Role("bass line", ("saw synth lead",), 70, "octaves", octave=-2),
            ),
            ("{}chiptune music", "{}video game music", "{}8-bit game music", "a {}retro video game tune"),
        ),
        Ensemble(
            "hip-hop",
            "hip-hop beat",
            (78, 104),
            ("plain", "calm", "dark"),
            (
                Role("chords", ("electric piano", "vibraphone"), 85, "whole"),
                Role("bass line", ("synth bass", "bass guitar"), 112, "syncopated"),
            ),
            ("a {}hip-hop beat", "{}hip hop music", "a {}lo-fi hip hop beat", "a {}rap instrumental"),
            ("hip-hop",),
            "jazz",
        ),
        Ensemble(
            "disco",
            "disco",
            (110, 128),
            ("happy", "plain", "energetic"),
            (
                Role("chords", ("clean electric guitar", "electric piano"), 80, "offbeats"),
                Role("sustained chords", ("strings",), 80),
                Role("bass line", ("bass guitar",), 110, "octaves"),
            ),
            ("{}disco music", "a {}disco song", "{}seventies disco with strings"),
            ("disco",),
        ),
        Ensemble(
            "bossa nova",
            "latin music",
            (104, 140),
            ("plain", "calm", "romantic", "happy"),
            (
                Role("chords", ("nylon guitar",), 100, "pushed"),
                Role("bass line", ("upright bass",), 100, "syncopated"),
                Role("melody", ("flute", "alto saxophone", "piano"), 90, share=0.7),
            ),
            ("{}bossa nova", "a {}bossa nova with guitar", "{}latin jazz", "{}brazilian bossa nova music"),
            ("bossa nova",),
            "jazz",
        ),
        Ensemble(
            "salsa",
            "latin music",
            (92, 126),
            ("plain", "happy", "energetic"),
            (
                Role("chords", ("piano",), 95, "stabs"),
                Role("bass line", ("upright bass", "bass guitar"), 110, "syncopated"),
                Role("melody", ("trumpet", "brass section"), 90, share=0.7),
            ),
            ("{}latin music", "{}salsa music", "{}latin music with piano and percussion", "{}salsa with {2}"),
            ("percussion",),
        ),
        Ensemble(
            "country",
            "folk music",
            (88, 140),
            ("plain", "happy", "energetic"),
            (
                Role("strumming", ("acoustic guitar",), 85),
                Role("melody", ("banjo", "fiddle", "harmonica"), 110),
                Role("bass line", ("upright bass", "bass guitar"), 100, "quarters"),
            ),
            ("{}country music", "{}country music with {1}", "{}bluegrass with {1} and guitar", "a {}country song"),
        ),
        Ensemble(
            "folk",
            "folk music",
            (76, 132),
            ("plain", "happy", "calm", "romantic", "playful"),
            (
                Role("melody", ("fiddle", "recorder", "accordion", "mandolin", "flute"), 105),
                Role("strumming", ("acoustic guitar", "nylon guitar"), 80),
            ),
            ("{}folk music", "{}folk music with {0} and guitar", "a {}folk tune on {0}", "a {}folk dance"),
        ),
        Ensemble(
            "ambient",
            "ambient music",
            (54, 80),
            ("calm", "dreamy", "dark", "plain"),
            (
                Role("sustained chords", ("warm pad", "sweep pad", "synth strings"), 100),
                Role("arpeggios", ("fantasia", "harp", "electric piano"), 60, share=0.6),
                Role("sustained chords", ("choir",), 50, share=0.4),
            ),
            (
                "{}ambient music",
                "{}ambient synthesizer pads",
                "{}new-age music",
                "a {}soundscape of synthesizers",
                "{}meditation music",
            ),
            (),
            "slow",
        ),
        Ensemble(
            "lullaby",
            "music box",
            (60, 90),
            ("calm", "dreamy", "romantic"),
            (
                Role("melody", ("music box",), 110),
                Role("arpeggios", ("music box",), 60, octave=-1),
            ),
            ("a {}lullaby on a music box", "a {}lullaby", "a {}music box lullaby"),
        ),
        Ensemble(
            "waltz",
            "accordion",
            (90, 150),
            ("plain", "happy", "romantic", "playful"),
            (
                Role("melody", ("accordion",), 105),
                Role("chords", ("accordion", "piano", "acoustic guitar"), 70, "waltz"),
                Role("bass line", ("upright bass",), 100, "halves"),
            ),
            (
                "a {}waltz on accordion",
                "a {}accordion waltz",
                "a {}french musette waltz",
                "{}accordion music in three-four time",
            ),
            beats_per_bar=3,
        ),
        Ensemble(
            "choir and organ",
            "choir",
            (56, 88),
            ("calm", "sad", "plain", "dramatic"),
            (
                Role("chords", ("choir",), 120, "halves"),
                Role("sustained chords", ("church organ",), 50),
            ),
            ("a {}choir with organ", "{}church music", "{}sacred choir music", "a {}choir singing a hymn"),
        ),
        Ensemble(
            "duo with piano",
            "duo",
            (58, 120),
            ("plain", "sad", "romantic", "happy", "calm"),
            (
                Role("melody", ("violin", "cello", "flute", "clarinet", "oboe", "alto saxophone"), 115),
                Role("arpeggios", ("piano",), 80),
            ),
            (
                "a {}duet of {0} and piano",
                "{}{0} and piano",
                "{}{0} music with piano accompaniment",
                "a {}{0} melody over piano",
            ),
        ),
    )
}

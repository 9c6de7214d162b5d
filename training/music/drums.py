# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Drum grooves, written as lines of steps."""

from dataclasses import dataclass, field

from .textures import Event


DRUMS = {
    "kick": 36,
    "side stick": 37,
    "snare": 38,
    "clap": 39,
    "hat": 42,
    "pedal": 44,
    "open hat": 46,
    "crash": 49,
    "ride": 51,
    "ride bell": 53,
    "tambourine": 54,
    "cowbell": 56,
    "floor tom": 43,
    "low tom": 45,
    "tom": 47,
    "high tom": 50,
    "high bongo": 60,
    "low bongo": 61,
    "slap conga": 62,
    "high conga": 63,
    "low conga": 64,
    "maracas": 70,
    "claves": 75,
}
# Velocity of a step: accent, usual, soft.
STEPS = {"X": 112, "x": 90, "o": 52}
STANDARD, ROOM, POWER, ELECTRONIC, TR_808, JAZZ, BRUSH, ORCHESTRA = 0, 8, 16, 24, 25, 32, 40, 48


@dataclass(frozen=True)
class Groove:
    r"""
    A drum groove.

    Args:
        name (`str`): What the column `style` says.
        sound_class (`str`): What the column `sound_class` says of drums alone.
        tempo (`tuple[int, int]`): Slowest and fastest beats a minute.
        kits (`tuple[int, ...]`): General MIDI kits that suit it.
        bars (`tuple[dict, ...]`): Variants of a bar: a line of steps a drum, the bar divided evenly by them.
        names (`tuple[str, ...]`): Captions, with `{}` where adjectives go.
        beats_per_bar (`int`, defaults to 4)
        swing (`tuple[float, float]`): Where the second eighth of a beat falls: 0.5 is even, 2/3 triplets.
        fills (`bool`, defaults to `True`): Whether some fourth bars end in a fill of toms.
    """

    name: str
    sound_class: str
    tempo: tuple
    kits: tuple
    bars: tuple
    names: tuple
    beats_per_bar: int = 4
    swing: tuple = (0.5, 0.5)
    fills: bool = field(default=True)


GROOVES = {
    groove.name: groove
    for groove in (
        Groove(
            "rock",
            "drum loop",
            (92, 150),
            (STANDARD, ROOM, POWER),
            (
                {"hat": "x.o.x.o.x.o.x.o.", "snare": "....X.......X...", "kick": "X.......x.x....."},
                {"hat": "x.o.x.o.x.o.x.o.", "snare": "....X.......X...", "kick": "X.....x.x......."},
                {"ride": "x.o.x.o.x.o.x.o.", "snare": "....X.......X...", "kick": "X.x.....x.x....."},
                {"open hat": "x...x...x...x...", "snare": "....X.......X...", "kick": "X.......X.x....."},
            ),
            (
                "a {}rock drum groove",
                "a {}rock beat",
                "{}rock drums",
                "a {}rock drum loop",
                "a {}drum kit playing a rock beat",
            ),
        ),
        Groove(
            "pop",
            "drum loop",
            (84, 132),
            (STANDARD, ROOM),
            (
                {"hat": "x.x.x.x.x.x.x.x.", "snare": "....X.......X...", "kick": "X.......X......."},
                {"hat": "xoxoxoxoxoxoxoxo", "snare": "....X.......X...", "kick": "X..x....x......."},
                {"hat": "x.o.x.o.x.o.x.o.", "snare": "....X.......X..o", "kick": "X......xx......."},
            ),
            (
                "a {}drum beat",
                "a {}drum groove",
                "a {}drum loop",
                "{}drums",
                "a {}pop drum beat",
                "a {}drum kit",
                "a drummer playing a {}beat",
            ),
        ),
        Groove(
            "disco",
            "drum loop",
            (110, 130),
            (STANDARD, ROOM),
            (
                {
                    "hat": "x...x...x...x...",
                    "open hat": "..x...x...x...x.",
                    "snare": "....X.......X...",
                    "kick": "X...X...X...X...",
                },
            ),
            ("a {}disco drum beat", "a {}disco groove", "a {}four-on-the-floor drum beat", "{}disco drums"),
        ),
        Groove(
            "house",
            "electronic drums",
            (116, 130),
            (ELECTRONIC, TR_808),
            (
                {"open hat": "..x...x...x...x.", "clap": "....X.......X...", "kick": "X...X...X...X..."},
                {"hat": "o.x.o.x.o.x.o.x.", "clap": "....X.......X...", "kick": "X...X...X...X..."},
            ),
            ("a {}house beat", "a {}electronic drum beat", "a {}dance beat", "a {}drum machine playing a house beat"),
            fills=False,
        ),
        Groove(
            "techno",
            "electronic drums",
            (124, 146),
            (ELECTRONIC, TR_808),
            (
                {"hat": "..x...x...x...x.", "kick": "X...X...X...X..."},
                {"hat": "ooxoooxoooxoooxo", "clap": "............x...", "kick": "X...X...X...X..."},
            ),
            (
                "a {}techno beat",
                "a {}techno drum loop",
                "{}techno drums",
                "a {}electronic drum loop",
                "a {}pounding drum machine",
            ),
            fills=False,
        ),
        Groove(
            "hip-hop",
            "hip-hop beat",
            (78, 104),
            (TR_808, STANDARD, ROOM),
            (
                {"hat": "x.x.x.x.x.x.x.x.", "snare": "....X.......X...", "kick": "X..x......x....."},
                {"hat": "x.x.x.xox.x.x.x.", "snare": "....X.......X...", "kick": "X.....x...x..x.."},
                {"hat": "x.o.x.o.x.o.x.o.", "clap": "....X.......X...", "kick": "X......x..x....."},
            ),
            (
                "a {}hip-hop drum beat",
                "a {}hip hop beat",
                "a {}boom bap drum loop",
                "{}hip-hop drums",
                "a {}drum machine beat",
            ),
            swing=(0.5, 0.56),
        ),
        Groove(
            "funk",
            "drum loop",
            (88, 118),
            (STANDARD, ROOM),
            (
                {"hat": "xoxoxoxoxoxoxoxo", "snare": "....X..o.o..X..o", "kick": "X.x.......x..x.."},
                {"hat": "x.x.x.x.x.x.x.x.", "snare": "....X..o.o.oX...", "kick": "X..x..x...x....."},
            ),
            ("a {}funk drum groove", "a {}funky drum beat", "a {}breakbeat", "a {}drum break", "{}funky drums"),
        ),
        Groove(
            "drum and bass",
            "drum loop",
            (160, 178),
            (STANDARD, ELECTRONIC),
            (
                {"hat": "x.x.x.x.x.x.x.x.", "snare": "....X.......X...", "kick": "X.........X....."},
                {"hat": "x.x.x.x.x.x.x.x.", "snare": "....X..o.o..X...", "kick": "X.x.......X....."},
            ),
            ("a {}drum and bass beat", "a {}jungle breakbeat", "{}drum and bass drums"),
        ),
        Groove(
            "metal",
            "drum loop",
            (120, 180),
            (POWER,),
            (
                {"crash": "x...x...x...x...", "snare": "....X.......X...", "kick": "xxxxxxxxxxxxxxxx"},
                {"ride": "x.x.x.x.x.x.x.x.", "snare": "....X.......X...", "kick": "X.x.X.x.X.x.X.x."},
            ),
            ("{}metal drums", "a {}heavy metal drum beat", "{}double bass drumming", "a {}heavy drum beat"),
        ),
        Groove(
            "swing",
            "drum loop",
            (104, 200),
            (JAZZ, BRUSH),
            (
                {"ride": "x..x.xx..x.x", "pedal": "...x.....x..", "kick": "o..o..o..o.."},
                {"ride": "x..x.xx..x.x", "pedal": "...x.....x..", "snare": ".....o......", "kick": "o..........."},
            ),
            (
                "a {}jazz drum groove",
                "a {}swing beat on drums",
                "{}jazz drums",
                "a {}jazz drummer",
                "a {}swing drum groove",
            ),
            fills=False,
        ),
        Groove(
            "shuffle",
            "drum loop",
            (84, 132),
            (STANDARD, ROOM),
            (
                {"hat": "x.xx.xx.xx.x", "snare": "...X.....X..", "kick": "X.....X....."},
                {"ride": "x.xx.xx.xx.x", "snare": "...X.....X..", "kick": "X....xX....."},
            ),
            ("a {}shuffle drum beat", "a {}blues shuffle on drums", "{}drums playing a shuffle"),
        ),
        Groove(
            "bossa nova",
            "drum loop",
            (104, 140),
            (STANDARD, JAZZ),
            ({"hat": "x.x.x.x.x.x.x.x.", "side stick": "x..x..x...x..x..", "kick": "X..xX..xX..xX..x"},),
            ("a {}bossa nova drum beat", "{}bossa nova drums", "a {}latin drum groove"),
            fills=False,
        ),
        Groove(
            "reggae",
            "drum loop",
            (68, 92),
            (STANDARD, ROOM),
            (
                {"hat": "x.o.x.o.x.o.x.o.", "side stick": "........X.......", "kick": "x.......X......."},
                {"hat": "x.x.x.x.x.x.x.x.", "side stick": "....x.......x...", "kick": "X...X...X...X..."},
            ),
            ("a {}reggae drum beat", "{}reggae drums", "a {}reggae drum groove"),
        ),
        Groove(
            "percussion",
            "percussion",
            (84, 126),
            (STANDARD,),
            (
                {"maracas": "xoxoxoxoxoxoxoxo", "high bongo": "X..oX..oX..oX.oo", "low bongo": "..x...x...x...x."},
                {
                    "claves": "x..x..x...x.x...",
                    "low conga": "......xx......xx",
                    "slap conga": "X.......X.......",
                    "high conga": "..o.x.....o.x...",
                },
                {"tambourine": "o.x.o.x.o.x.o.x.", "high conga": "X..x..x.X..x..x.", "low conga": "......x.......xx"},
                {"cowbell": "X...X...X...X...", "high bongo": "x.xxx.xxx.xxx.xx", "maracas": "o.o.o.o.o.o.o.o."},
            ),
            (
                "a {}percussion loop",
                "{}latin percussion",
                "{}hand drums",
                "a {}percussion groove",
            ),
            fills=False,
        ),
        Groove(
            "tribal",
            "percussion",
            (84, 132),
            (ORCHESTRA, ROOM, POWER),
            (
                {"floor tom": "X..x..x.X..x..x.", "tom": "....x.......x.xx", "kick": "X.......X......."},
                {"floor tom": "X.x.X.x.X.x.X.x.", "low tom": "...x...x...x...x", "high tom": "......x.......x."},
            ),
            ("a {}tribal drum loop", "{}tom drums", "{}tribal drums", "{}war drums"),
            fills=False,
        ),
        Groove(
            "march",
            "snare drum",
            (92, 124),
            (ORCHESTRA, STANDARD),
            (
                {"snare": "X..oX..oX.ooX.oo", "kick": "X.......X......."},
                {"snare": "X.ooX.ooX.ooXooo", "kick": "X...x...X...x..."},
            ),
            (
                "a {}marching snare drum",
                "a {}military march on snare drum",
                "{}marching drums",
                "a {}snare drum march",
            ),
            fills=False,
        ),
        Groove(
            "waltz",
            "drum loop",
            (90, 150),
            (STANDARD, BRUSH, JAZZ),
            (
                {"hat": "x.o.x.o.x.o.", "snare": "....x...x...", "kick": "X..........."},
                {"ride": "x...x.x.x.x.", "pedal": "....x...x...", "kick": "X..........."},
            ),
            ("a {}waltz drum beat", "{}drums in three-four time", "a {}drum waltz"),
            beats_per_bar=3,
            fills=False,
        ),
    )
}


def drum_events(rng, groove, num_bars, fill=None, drums=None):
    r"""
    A groove's bars: one variant throughout, some fourth bars with a fill, and a crash after it.

    Args:
        rng (`random.Random`)
        groove (`Groove`)
        num_bars (`int`)
        fill (`bool`, *optional*): Whether there are fills; by default drawn, if the groove has any.
        drums (`tuple[str, ...]`, *optional*): Only these drums.

    Returns:
        `list[Event]`: With `accent` as the difference to the usual step's velocity.
    """
    bar = rng.choice(groove.bars)
    fills = groove.fills and rng.random() < 0.4 if fill is None else fill
    events = []
    for number in range(num_bars):
        start = number * groove.beats_per_bar
        last_beat = fills and number % 4 == 3
        for drum, line in bar.items():
            if drums is not None and drum not in drums:
                continue
            unit = groove.beats_per_bar / len(line)
            for index, step in enumerate(line):
                if step == "." or (last_beat and index * unit >= groove.beats_per_bar - 1):
                    continue
                events.append(Event(start + index * unit, unit, DRUMS[drum], STEPS[step] - STEPS["x"]))
        if last_beat:
            for index, drum in enumerate(("snare", "high tom", "tom", "floor tom")):
                events.append(Event(start + groove.beats_per_bar - 1 + index / 4, 0.25, DRUMS[drum], 8))
        if fills and number and number % 4 == 0:
            events.append(Event(start, 1, DRUMS["crash"], 5))
    return events

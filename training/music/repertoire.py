# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""How often which kind of piece is made: what people ask for most has most."""

SOLO_SHARES = {
    "piano": 10, "electric piano": 2, "harpsichord": 2, "music box": 1, "glockenspiel": 1, "vibraphone": 2,
    "marimba": 2, "xylophone": 1, "tubular bells": 1, "hammond organ": 2, "church organ": 3, "accordion": 2,
    "harmonica": 2, "acoustic guitar": 7, "nylon guitar": 4, "clean electric guitar": 3, "jazz guitar": 1,
    "distorted guitar": 3, "overdriven guitar": 2, "ukulele": 2, "mandolin": 1, "banjo": 2, "sitar": 2,
    "koto": 1, "harp": 2, "bass guitar": 3, "slap bass": 1, "upright bass": 2, "synth bass": 1, "violin": 4,
    "fiddle": 1, "cello": 3, "viola": 1, "strings": 4, "choir": 4, "trumpet": 3, "trombone": 2, "french horn": 1,
    "brass section": 2, "alto saxophone": 2, "tenor saxophone": 2, "soprano saxophone": 1, "oboe": 1,
    "clarinet": 2, "flute": 4, "piccolo": 1, "recorder": 1, "pan flute": 1, "bagpipes": 1,
    "square synth lead": 2, "saw synth lead": 2, "warm pad": 1, "sweep pad": 1, "timpani": 1,
}  # fmt: skip
GROOVE_SHARES = {
    "rock": 5, "pop": 6, "disco": 2, "house": 3, "techno": 3, "hip-hop": 4, "funk": 3, "drum and bass": 2,
    "metal": 1, "swing": 3, "shuffle": 1, "bossa nova": 1, "reggae": 1, "percussion": 3, "tribal": 2, "march": 2,
    "waltz": 1,
}  # fmt: skip
ENSEMBLE_SHARES = {
    "rock": 4, "metal": 2, "jazz quartet": 5, "blues": 2, "orchestra": 5, "film score": 2, "string quartet": 2,
    "brass ensemble": 2, "march": 1, "house": 3, "techno": 3, "synthwave": 2, "chiptune": 2, "hip-hop": 3,
    "disco": 2, "bossa nova": 2, "salsa": 1, "country": 2, "folk": 3, "ambient": 4, "lullaby": 1, "waltz": 1,
    "choir and organ": 1, "duo with piano": 3,
}  # fmt: skip


def deck():
    r"""Every kind of piece as often as it is made, as pairs of `"solo"`, `"groove"` or `"ensemble"` and a name."""
    shares = (("solo", SOLO_SHARES), ("groove", GROOVE_SHARES), ("ensemble", ENSEMBLE_SHARES))
    return [(kind, name) for kind, table in shares for name, share in table.items() for _ in range(share)]

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A WordNet of a few words, in the files of the real one."""

LICENCE = "  1 This software and database is being provided to you, the LICENSEE, under a licence.  \n"
FILES = {
    "data.noun": LICENCE
    + """\
00000100 05 n 02 kitten 0 kitty 0 001 @ 00000200 n 0000 | young domestic cat; "the kitten slept"
00000200 05 n 01 mouse 0 000 | (zoology) any of numerous small rodents; has a bare tail
00000300 06 n 01 mouse 1 000 | a hand-operated electronic device
00000400 06 n 01 alarm_clock 0 000 | a loud clock that wakes a sleeper at some preset time
00000500 20 n 01 tree_fern 0 000 | any of numerous usually tropical ferns
00000600 18 n 01 Mozart 0 000 | a composer
00000700 07 n 01 length 0 000 | how long something is
""",
    "index.noun": LICENCE
    + """\
alarm_clock n 1 0 1 0 00000400
kitten n 1 1 @ 1 1 00000100
kitty n 1 1 @ 1 0 00000100
length n 1 0 1 0 00000700
mouse n 2 0 2 1 00000200 00000300
mozart n 1 0 1 0 00000600
tree_fern n 1 0 1 0 00000500
""",
    "noun.exc": "mice mouse\n",
    "data.verb": LICENCE
    + """\
00000800 39 v 01 hum 0 000 01 + 02 00 | make a low continuous sound
00000900 38 v 01 blow_up 0 000 01 + 02 00 | burst; explode
""",
    "index.verb": LICENCE + "blow_up v 1 0 1 0 00000900\nhum v 1 0 1 1 00000800\n",
    "verb.exc": "blew blow\nblown blow\nhummed hum\nhumming hum\n",
    "data.adj": LICENCE
    + "00001000 00 a 01 loud(p) 0 000 | of great volume\n00001100 01 a 01 aspectual 0 000 | of aspect\n",
    "index.adj": LICENCE + "aspectual a 1 0 1 0 00001100\nloud a 1 0 1 1 00001000\n",
}


def write_wordnet(folder):
    """Write the files into a folder, which is made."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder

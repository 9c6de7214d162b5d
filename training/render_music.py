# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Render captioned music: a folder of clips, and a `metadata.csv` that says what is played in each.

    python training/render_music.py --output_dir DATA/music/train --num_clips 900 --seed 0

Pieces come from our own generator, `training/music`, and sound by the program fluidsynth and a General MIDI soundfont.
A clip is a function of the seed and its number: more clips extend a set, and whatever is stopped goes on where it was.
"""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from audiolcm_diffusers.audio.io import check_audio_suffix, slug, write_audio
from audiolcm_diffusers.files import replacing
from audiolcm_diffusers.trainer import option, parse_config
from music.captions import caption
from music.composing import compose
from music.rendering import DEFAULT_SOUNDFONT, check_renderer, clip_of, synthesize


# FluidR3_GM.sf2, as its Debian package credits it.
FLUID_R3 = {
    "source_set": "Fluid R3 GM soundfont, played by training/render_music.py",
    "licence": "MIT",
    "author": "Frank Wen and contributors",
    "source": "Debian package fluid-soundfont-gm",
}
COLUMNS = (
    "file_name", "caption", "sound_class", "kind", "duration_s", "source_set", "licence", "author", "source", "group",
    "instrument", "tempo_bpm", "key", "mood", "style",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    output_dir: str = field(
        metadata={"help": "Folder of the clips; one of the same seed and options is gone on with."}
    )
    num_clips: int = field(metadata={"help": "Clips in the folder."})
    seed: int = option(0, "Another seed is another set. Keep those of training and validation apart.")
    min_duration_s: float = option(5.0, "Shortest clip in seconds.")
    max_duration_s: float = option(10.0, "Longest clip in seconds.")
    format: str = option(
        "flac", "`flac`, the same bytes every time, or `ogg`, smaller and with a random stream number."
    )
    soundfont: str = option(DEFAULT_SOUNDFONT, "SF2 file with the instruments of General MIDI.")
    soundfont_licence: str | None = option(None, "Licence of a soundfont that is not FluidR3_GM.sf2, for the credits.")
    soundfont_author: str | None = option(None, "Its author.")
    soundfont_source: str | None = option(None, "Where it comes from.")
    jobs: int = option(1, "Clips rendered at a time.")

    def __post_init__(self):
        if self.num_clips < 1:
            raise ValueError(f"Expected num_clips >= 1, got {self.num_clips}.")
        if self.jobs < 1:
            raise ValueError(f"Expected jobs >= 1, got {self.jobs}.")
        # Shorter ones would hardly have two beats of slow music.
        if not 2.0 <= self.min_duration_s <= self.max_duration_s <= 60.0:
            raise ValueError(
                "Expected 2 <= min_duration_s <= max_duration_s <= 60, "
                f"got {self.min_duration_s} and {self.max_duration_s}."
            )
        check_audio_suffix(f"clip.{self.format}")
        self.credits()

    def credits(self):
        """Columns of the soundfont's licence. Nothing is rendered of a soundfont that nobody is credited for."""
        said = {
            "licence": self.soundfont_licence,
            "author": self.soundfont_author,
            "source": self.soundfont_source,
        }
        name = Path(self.soundfont).name
        if name == Path(DEFAULT_SOUNDFONT).name:
            return FLUID_R3 | {column: text for column, text in said.items() if text is not None}
        missing = [f"--soundfont_{column}" for column, text in said.items() if not text]
        if missing:
            raise ValueError(f"Credits need the licence of the soundfont {name!r}: give {', '.join(missing)}.")
        return {"source_set": f"{name}, played by training/render_music.py", **said}


def row_of(config, index, piece):
    """The line of `metadata.csv` for a piece."""
    text = caption(piece, config.seed, index)
    return {
        "file_name": f"{index:05d}-{slug(text)}.{config.format}",
        "caption": text,
        "sound_class": piece.sound_class,
        "kind": "music",
        "duration_s": f"{piece.duration_s:.1f}",
        **config.credits(),
        "group": f"render-music/{config.seed}/{index}",
        "instrument": ", ".join(piece.instruments),
        "tempo_bpm": piece.tempo_bpm,
        "key": piece.key or "",
        "mood": piece.mood,
        "style": f"{piece.style} {piece.texture}" if piece.style == "solo" else piece.style,
    }


def claim_folder(config):
    """Make the folder, or refuse one whose clips another seed or other options made."""
    folder = Path(config.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "render_music.json"
    options = {name: value for name, value in asdict(config).items() if name not in ("output_dir", "jobs")}
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        for name, value in options.items():
            if name != "num_clips" and before.get(name) != value:
                raise ValueError(f"{str(folder)!r} holds clips with {name} {before.get(name)!r}, not {value!r}.")
        if options["num_clips"] < before["num_clips"]:
            raise ValueError(f"{str(folder)!r} is a set of {before['num_clips']} clips, more than {config.num_clips}.")
    elif any(not path.name.startswith(".") for path in folder.iterdir()):  # hidden ones are what was killed
        raise ValueError(f"{str(folder)!r} holds something else: name a new or an empty folder.")
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
    return folder


def main(config):
    check_renderer(config.soundfont)
    folder = claim_folder(config)

    def render(index):
        piece = compose(config.seed, index, config.min_duration_s, config.max_duration_s)
        row = row_of(config, index, piece)
        path = folder / row["file_name"]
        if not path.is_file():
            waveform = synthesize(piece.midi(), config.soundfont, piece.room_size)
            try:
                write_audio(path, clip_of(waveform, piece.duration_s))
            except ValueError as error:
                raise ValueError(f"Clip {index} of seed {config.seed}, {row['caption']!r}: {error}") from error
        return row

    # A clip is rendered by one thread of a program of its own: cores are used by clips at a time, not within one.
    torch.set_num_threads(1)
    with ThreadPoolExecutor(config.jobs) as pool:
        try:
            rows = list(tqdm(pool.map(render, range(config.num_clips)), total=config.num_clips, desc="clips"))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else all other clips would be rendered before the error is seen
            raise
    with replacing(folder / "metadata.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} clips, {sum(float(row['duration_s']) for row in rows) / 60:.1f} minutes, in {folder}")


if __name__ == "__main__":
    main(parse_config(RenderConfig))

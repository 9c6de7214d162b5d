# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm generate`: sound files from text."""

import argparse
import json
import math
import os
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from itertools import count as count_from
from pathlib import Path

from ..data.metadata import lines_of, read_text
from ..pipelines.loading import find_model, load_pipeline, pick_device, pick_dtype
from ..pipelines.prompt_events import structured_caption
from ..writable import check_can_create, check_replaceable
from .options import add_model_options


MAX_SEED = 2**32 - 1  # torch takes 64 bits: room to count up

DESCRIPTION = """\
Make sound files from text. Without --output they go to the current folder and are named after their prompts; files
of the same name are replaced. The same command makes the same sound: see --seed.
"""


@dataclass
class Sound:
    r"""
    One sound to make.

    Args:
        prompt (`str`): What is to be heard.
        seed (`int`): Of its random numbers.
        path (`Path`): File to write.
        spectrogram (`Path`, *optional*): Picture to draw.
        duration_s (`float`, *optional*): Length in seconds, once it is made.
    """

    prompt: str
    seed: int
    path: Path
    spectrogram: Path | None = None
    duration_s: float | None = None


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser("generate", help="make sound from text", description=DESCRIPTION)
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help='what is to be heard, such as "a dog barking"')
    parser.add_argument("--prompts-file", type=Path, metavar="FILE", help="more prompts, one a line, UTF-8")
    add_model_options(parser)
    parser.add_argument(
        "--output",
        default="",
        metavar="FILE|FOLDER",
        help="a .wav or .flac file (16 bit) or an .ogg file, numbered where there are several sounds; or a folder, "
        "which is made if need be (default: the current folder)",
    )
    parser.add_argument("--duration", type=seconds, metavar="SECONDS", help="length of a sound (default: the model's)")
    parser.add_argument(
        "--num-inference-steps",
        type=count,
        metavar="N",
        help="denoising steps: 1 to 4 for a student, 20 and more for a teacher (default: the model's)",
    )
    parser.add_argument(
        "--guidance-scale",
        type=finite,
        metavar="SCALE",
        help="how strongly the sound follows the prompt (default: the model's)",
    )
    parser.add_argument("--negative-prompt", metavar="TEXT", help="what is not to be heard; for teachers only")
    parser.add_argument("--num-waveforms", type=count, default=1, metavar="N", help="sounds a prompt (default: 1)")
    parser.add_argument(
        "--batch-size",
        type=count,
        default=1,
        metavar="N",
        help="sounds made at a time; more need more memory and can be faster on a GPU (default: 1)",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="random seed of each prompt's first sound; its next sounds take N+1, N+2, … (default: 0)",
    )
    parser.add_argument("--spectrogram", action="store_true", help="draw a mel picture (.png) next to each sound")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and no progress bars")
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")


def run(args):
    r"""
    Make the sounds. Everything that can be refused without the model is refused before it is loaded.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    start = time.perf_counter()
    prompts = collect_prompts(args.prompts, args.prompts_file)
    structured_caption(args.negative_prompt or "")
    sounds = plan_sounds(prompts, args.output, args.num_waveforms, args.seed, args.spectrogram)
    check_writable(sounds)
    model = find_model(args.model, args.variant, args.revision)
    device = pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)

    quiet = args.quiet or args.json
    pipe = load_pipeline(model, device, dtype, quiet=quiet, variant=args.variant, revision=args.revision)
    call = {
        name: value
        for name, value in (
            ("audio_length_in_s", args.duration),
            ("num_inference_steps", args.num_inference_steps),
            ("guidance_scale", args.guidance_scale),
        )
        if value is not None
    }
    pipe.check_inputs(prompt=prompts, negative_prompt=repeated(args.negative_prompt, len(prompts)), **call)
    load_s = time.perf_counter() - start

    first_sound_s = None
    sounds[0].path.parent.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(sounds), args.batch_size):
        batch = sounds[first : first + args.batch_size]
        pipe.set_progress_bar_config(
            disable=quiet, leave=False, desc=f"sound {first + len(batch)} of {len(sounds)}", unit="step"
        )
        make_sounds(pipe, batch, args.negative_prompt, call)
        if first_sound_s is None:
            first_sound_s = time.perf_counter() - start
        if not args.json:
            for sound in batch:
                print_sound(sound)
    generation_s = time.perf_counter() - start - load_s
    audio_s = sum(sound.duration_s for sound in sounds)

    report = {
        "model": str(args.model),
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "sampling_rate": pipe.sampling_rate,
        "audio_s": audio_s,
        "load_s": round(load_s, 3),
        "time_to_first_sound_s": round(first_sound_s, 3),
        "generation_s": round(generation_s, 3),
        "rtf": round(generation_s / audio_s, 4),
    }
    if args.json:
        print(json.dumps({**report, "sounds": [asdict(sound) for sound in sounds]}, default=str))
    else:
        print(
            f"{audio_s:.2f} s of sound made in {generation_s:.2f} s (RTF {report['rtf']:.3f}) with {args.model} on "
            f"{device}, {report['dtype']}; loaded in {load_s:.2f} s, first sound after {first_sound_s:.2f} s"
        )


def print_sound(sound):
    r"""Print a sound's files and length, at once, so that what was made is known if the rest fails."""
    picture = "" if sound.spectrogram is None else f", {sound.spectrogram}"
    print(f"{sound.path}{picture}: {sound.duration_s:.2f} s of sound, {sound.prompt!r}, seed {sound.seed}", flush=True)


def make_sounds(pipe, batch, negative_prompt, call):
    r"""
    Make a batch of sounds and write their files.

    Args:
        pipe ([`AudioLCMPipeline`]): Makes them.
        batch (`list[Sound]`): What to make. Each has its own random numbers, drawn on the CPU, so that neither its
            neighbours nor the device change them. `duration_s` is set.
        negative_prompt (`str`, *optional*): The same for all.
        call (`dict`): Further arguments of the pipeline.
    """
    import torch

    from ..audio.io import write_audio

    waveforms = pipe(
        prompt=[sound.prompt for sound in batch],
        negative_prompt=repeated(negative_prompt, len(batch)),
        generator=[torch.Generator().manual_seed(sound.seed) for sound in batch],
        **call,
    ).audios
    for sound, waveform in zip(batch, waveforms):
        write_audio(sound.path, waveform, sampling_rate=pipe.sampling_rate)
        sound.duration_s = len(waveform) / pipe.sampling_rate
        if sound.spectrogram is not None:
            from ..audio.plots import mel_of_waveform, plot_mels

            plot_mels(sound.spectrogram, [mel_of_waveform(waveform)], [sound.prompt])


def collect_prompts(prompts, file):
    r"""
    The prompts of the command line, then those of a file.

    Args:
        prompts (`list[str]`): From the command line.
        file (`Path`, *optional*): One prompt a line; empty lines are left out.

    Returns:
        `list[str]`: At least one prompt, none of them empty.

    Raises:
        ValueError: If there is none, one is empty or no valid structured caption, or the file cannot be read.
    """
    prompts = list(prompts)
    if file is not None:
        try:
            lines = lines_of(read_text(file))
        except OSError as error:
            raise ValueError(f"--prompts-file cannot be read: {error}.") from error
        from_file = [line.strip() for line in lines if line.strip()]
        if not from_file:
            raise ValueError(f"--prompts-file {str(file)!r} holds no prompt; one a line is expected.")
        prompts += from_file
    if not prompts:
        raise ValueError('Expected a prompt, such as audiolcm generate "a dog barking", or --prompts-file.')
    for prompt in dict.fromkeys(prompts):
        if not structured_caption(prompt):
            raise ValueError(f"Expected a prompt that says what is to be heard, got {prompt!r}.")
    return prompts


def plan_sounds(prompts, output, num_waveforms=1, seed=0, spectrogram=False):
    r"""
    Decide which sounds are made, and the files that they go to.

    Args:
        prompts (`list[str]`): What is to be heard.
        output (`str`): A folder if it exists as one, ends in a slash or has no suffix, else a file. In a folder, files
            are named after their prompts. Where a name stands for several sounds, these are numbered.
        num_waveforms (`int`, defaults to 1): Sounds a prompt.
        seed (`int`, defaults to 0): Of each prompt's first sound; its next ones count up from it, also where the same
            prompt is given twice.
        spectrogram (`bool`, defaults to `False`): Whether there is a picture next to each sound.

    Returns:
        `list[Sound]`: `num_waveforms` for each prompt, in order, no two with the same file.

    Raises:
        ValueError: If the output is a file whose suffix is no known format's.
    """
    from ..audio.io import check_audio_suffix, slug

    path = Path(output).expanduser()
    if path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix:
        folder, suffix = path, ".wav"
        stems = [slug(prompt) for prompt in prompts]
    else:
        check_audio_suffix(path)
        folder, suffix = path.parent, path.suffix
        stems = [path.stem for _ in prompts]
    stems = number_repeated([stem for stem in stems for _ in range(num_waveforms)])
    sounds, times = [], Counter()
    for index, stem in enumerate(stems):
        prompt = prompts[index // num_waveforms]
        sounds.append(
            Sound(
                prompt=prompt,
                seed=seed + times[prompt],
                path=folder / f"{stem}{suffix}",
                spectrogram=folder / f"{stem}.png" if spectrogram else None,
            )
        )
        times[prompt] += 1
    return sounds


def number_repeated(stems):
    r"""
    Number the names that occur more than once, `dog-1`, `dog-2`, …, leaving out numbers that are taken.

    Args:
        stems (`list[str]`): Names.

    Returns:
        `list[str]`: Names that are all different; those that were unique are as they were.
    """
    times = Counter(stems)
    taken = {stem for stem in times if times[stem] == 1}
    # Each name goes on where it was: to begin at 1 every time takes a square of the time.
    numbers = defaultdict(lambda: count_from(1))
    numbered = []
    for stem in stems:
        if times[stem] > 1:
            stem = next(name for number in numbers[stem] if (name := f"{stem}-{number}") not in taken)
            taken.add(stem)
        numbered.append(stem)
    return numbered


def check_writable(sounds):
    r"""
    Refuse files that cannot be written: nothing is worse than to find that out once the sound is made.

    Args:
        sounds (`list[Sound]`): All in one folder, which need not exist yet.

    Raises:
        ValueError: Naming what is in the way.
    """
    paths = [path for sound in sounds for path in (sound.path, sound.spectrogram) if path is not None]
    try:
        for path in paths:
            check_replaceable(path)
        missing = [path.name for path in paths if not path.exists()]
        check_can_create(paths[0].parent, max(missing, key=lambda name: len(os.fsencode(name)), default=None))
    except ValueError as error:
        raise ValueError(f"--output cannot be written: {error}") from error


def repeated(text, times):
    r"""A list of one text, or `None` for none."""
    return None if text is None else [text] * times


def finite(text):
    r"""A finite number, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a finite number, got {text!r}")
    return value


def positive(text, what="a number"):
    r"""A number above 0, for argparse; its message says of what."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"expected {what} above 0, got {text!r}")
    return value


def seconds(text):
    r"""A length in seconds, for argparse."""
    return positive(text, "a number of seconds")


def count(text):
    r"""A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def seed(text):
    r"""A random seed, for argparse."""
    if not text.isdecimal() or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {MAX_SEED}, got {text!r}")
    return int(text)

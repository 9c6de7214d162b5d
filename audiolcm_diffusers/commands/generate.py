# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm generate`: sound files from text."""

import json
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from ..generation.requests import Request, of_prompts, read_requests, requests_of_dataset
from ..pipelines.loading import MINI, find_model, load_pipeline, pick_device, pick_dtype
from ..pipelines.prompt_events import structured_caption
from .options import add_metadata_option, add_model_options
from .values import count, finite, seconds, seed


DESCRIPTION = """\
Make sound files from text. Without --output they go to the current folder and are named after their prompts; files
of the same name are replaced. The same command makes the same sound: see --seed. Many prompts (--prompts-file,
--prompts-dataset) are noted in a list, manifest.jsonl, as they are made; what it has is not made again, and several
processes, as `accelerate launch -m audiolcm_diffusers generate …` starts them, share the work.
"""

# Of a dataset of prompts.
DATASET_DEFAULTS = {"dataset_config": None, "split": "train", "caption_column": "caption", "id_column": None}


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser("generate", help="make sound from text", description=DESCRIPTION)
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help='what is to be heard, such as "a dog barking"')
    parser.add_argument(
        "--prompts-file",
        type=Path,
        metavar="FILE",
        help="more prompts, UTF-8: text with one a line; or a .csv, .tsv or .jsonl with prompt, and if need be id, "
        "seed, duration, steps, scale and negative_prompt",
    )
    parser.add_argument("--prompts-dataset", metavar="HUB_ID", help="more prompts: captions of a dataset of the Hub")
    parser.add_argument("--dataset-config", metavar="NAME", help="its configuration, where it has several")
    parser.add_argument("--split", help="its split, or a slice of one (default: train)")
    parser.add_argument("--caption-column", metavar="NAME", help="its column of captions (default: caption)")
    parser.add_argument("--id-column", metavar="NAME", help="its column of ids, which files are named after")
    parser.add_argument("--streaming", action="store_true", help="read it as it arrives")
    parser.add_argument(
        "--like",
        type=Path,
        metavar="SOUND",
        help="make a sound again that audiolcm made, from what its file says; other options change what it says",
    )
    # Where --like gives one, and nothing else does.
    add_model_options(parser, default=None)
    parser.add_argument(
        "--output",
        default="",
        metavar="FILE|FOLDER",
        help="a .wav or .flac file (16 bit) or an .ogg file, numbered where there are several sounds; or a folder, "
        "which is made if need be (default: the current folder); or - for a WAV file on standard output",
    )
    parser.add_argument("--duration", type=seconds, metavar="SECONDS", help="length of a sound (default: the model's)")
    parser.add_argument("--loop", action="store_true", help="let the end of each sound meet its beginning")
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
        metavar="N",
        help="random seed of each prompt's first sound; its next sounds take N+1, N+2, … (default: 0)",
    )
    parser.add_argument("--spectrogram", action="store_true", help="draw a mel picture (.png) next to each sound")
    add_metadata_option(parser)
    parser.add_argument(
        "--manifest", metavar="FILE", help="where the list of sounds is kept (default: manifest.jsonl beside them)"
    )
    parser.add_argument("--no-manifest", action="store_true", help="keep no list, and make every sound anew")
    parser.add_argument(
        "--stream", action="store_true", help="make each sound piece by piece, so that its beginning is there early"
    )
    parser.add_argument("--play", action="store_true", help="play each sound; with --stream while it is made")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and no progress bars")
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")


def run(args):
    r"""
    Make the sounds. Everything that can be refused without the model is refused before it is loaded.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    from ..generation.planning import check_writable, plan_sounds

    start = time.perf_counter()
    player = check_options(args)
    like = {} if args.like is None else settings_like(args.like)
    requests = collect_requests(args, like)
    structured_caption(args.negative_prompt or "")
    settings = settings_of(args, like)
    first_seed = args.seed if args.seed is not None else like.get("seed", 0)
    to_stdout = args.output == "-"
    sounds = plan_sounds(
        requests, "" if to_stdout else args.output, args.num_waveforms, first_seed, args.spectrogram, settings
    )
    if to_stdout and len(sounds) > 1:
        raise ValueError(f"--output - is for one sound, got {len(sounds)}.")
    if not to_stdout:
        check_writable(sounds)

    model_name = args.model or like.get("model") or MINI
    variant, revision = (getattr(args, name) or like.get(name) for name in ("variant", "revision"))
    model = find_model(model_name, variant, revision)
    is_told = bool(like) or keeps_list(args) or not args.no_metadata
    device, dtype, pipe, origin = load(args, model_name, model, variant, revision, is_told)
    check_same_model(args, like, origin)
    maker = Maker(args, pipe, origin, player, time.perf_counter() - start)
    maker.make(sounds)
    maker.report(model_name, device, dtype)


def check_options(args):
    r"""
    Refuse options that contradict each other.

    Returns:
        `str`, *optional*: The player, where one is asked for.
    """
    if args.prompts_dataset is None:
        for name in (*DATASET_DEFAULTS, "streaming"):
            if getattr(args, name) not in (None, False):
                flag = f"--{name.replace('_', '-')}"
                raise ValueError(f"{flag} belongs to --prompts-dataset, which is not given.")
    if args.no_manifest and args.manifest is not None:
        raise ValueError("--manifest and --no-manifest contradict each other.")
    if args.output == "-":
        for flag, given in (("--json", args.json), ("--spectrogram", args.spectrogram), ("--play", args.play)):
            if given:
                raise ValueError(f"{flag} does not go with --output -, which has the sound on standard output.")
    if args.stream and args.batch_size > 1:
        raise ValueError(f"--stream makes one sound at a time, got --batch-size {args.batch_size}.")
    if not args.play:
        return None
    from .playing import find_player

    return find_player()


def settings_like(path):
    r"""What a sound file says of how it was made by this command."""
    from ..audio.tags import read_settings

    settings = read_settings(path)
    if settings.get("command", "generate") != "generate":
        raise ValueError(
            f"{str(path)!r} was made with `audiolcm {settings['command']}`, which --like does not repeat."
        )
    if not isinstance(settings.get("prompt"), str) or not isinstance(settings.get("seed"), int):
        raise ValueError(f"{str(path)!r} does not say its prompt and seed.")
    return settings


def collect_requests(args, like):
    r"""
    The prompts of the command line, then those of a file, then those of a dataset.

    Raises:
        ValueError: If there is none, one is empty or no valid structured caption, or they cannot be read.
    """
    requests = of_prompts(args.prompts)
    if args.prompts_file is not None:
        try:
            requests += read_requests(args.prompts_file)
        except ValueError as error:
            raise ValueError(f"--prompts-file: {error}") from error
    if args.prompts_dataset is not None:
        given = {name: getattr(args, name) or default for name, default in DATASET_DEFAULTS.items()}
        requests += requests_of_dataset(
            args.prompts_dataset,
            given["dataset_config"],
            given["split"],
            given["caption_column"],
            given["id_column"],
            args.streaming,
        )
    if not requests and like:
        requests = [Request(like["prompt"])]
    if not requests:
        raise ValueError('Expected a prompt, such as audiolcm generate "a dog barking", or --prompts-file.')
    return requests


def settings_of(args, like):
    r"""Arguments of the pipeline: those of options, and where these say nothing those of the file to be like."""
    given = {
        "audio_length_in_s": args.duration,
        "num_inference_steps": args.num_inference_steps,
        "guidance_scale": args.guidance_scale,
        "negative_prompt": args.negative_prompt,
        "loop": args.loop or None,
    }
    given = {name: value if value is not None else like.get(name) for name, value in given.items()}
    return {name: value for name, value in given.items() if value is not None}


def keeps_list(args):
    r"""Whether a list of the sounds is kept."""
    is_list = args.prompts_file is not None or args.prompts_dataset is not None
    return args.manifest is not None or (is_list and not args.no_manifest and args.output != "-")


def load(args, model_name, model, variant, revision, is_told):
    r"""
    Load the model, and find out what it is, where that `is_told`: its files are read for their hash.

    Returns:
        `tuple[torch.device, torch.dtype, AudioLCMPipeline, dict]`: Where it runs, in which precision, the pipeline,
        and what files say of the model.
    """
    from ..generation.making import own_device
    from ..generation.provenance import licence_of, model_folder, model_hash

    device = pick_device(args.device or own_device())
    dtype = pick_dtype(args.dtype, device)
    quiet = args.quiet or args.json
    pipe = load_pipeline(model, device, dtype, quiet=quiet, variant=variant, revision=revision)
    origin = {"model": str(model_name), "variant": variant, "revision": revision, "model_hash": None, "licence": None}
    if is_told:
        folder = model_folder(model, revision)
        origin |= {"model_hash": model_hash(folder), "licence": licence_of(folder)}
    return device, dtype, pipe, origin


def check_same_model(args, like, origin):
    r"""Refuse to make a sound again with another model than the one that made it, unless that is asked for."""
    if like and args.model is None and like.get("model_hash") != origin["model_hash"]:
        raise ValueError(
            f"{str(args.like)!r} was made with {like.get('model')!r} of hash {like.get('model_hash')!r}, got "
            f"{origin['model_hash']!r} under this name: say --model {like.get('model')} to make the sound with it."
        )


class Maker:
    r"""
    Makes sounds, writes their files, and tells of them.

    Args:
        args (`argparse.Namespace`): The options.
        pipe ([`AudioLCMPipeline`]): Makes them.
        origin (`dict`): What files say of the model.
        player (`str`, *optional*): Plays them.
        load_s (`float`): Seconds until the pipeline was loaded.
    """

    def __init__(self, args, pipe, origin, player, load_s):
        self.args, self.pipe, self.origin, self.player = args, pipe, origin, player
        self.quiet = args.quiet or args.json
        self.load_s, self.start = load_s, time.perf_counter()
        self.made, self.num_skipped, self.first_sound_s = [], 0, None

    def make(self, sounds):
        r"""Make those that are this process's to make and that the list does not have."""
        from ..generation.making import check_calls, manifest_path, processes, resolved

        sounds = [replace(sound, settings=resolved(sound, self.pipe)) for sound in sounds]
        check_calls(self.pipe, sounds)
        self.start = time.perf_counter()
        folder = sounds[0].path.parent
        manifest = None
        if keeps_list(self.args):
            from ..generation.manifest import Manifest

            manifest = Manifest(manifest_path(folder, self.args.manifest), folder)
            entries = [self.entry(sound) for sound in sounds]
            manifest.check(sounds, entries)
            manifest.prepare(sounds, entries)
        rank, number = processes()
        todo = [sound for index, sound in enumerate(sounds) if index % number == rank]
        if manifest is not None:
            left = [sound for sound in todo if not manifest.is_done(sound)]
            self.num_skipped, todo = len(todo) - len(left), left
        if self.args.output != "-":
            folder.mkdir(parents=True, exist_ok=True)
        self.make_batches(todo, manifest)

    def make_batches(self, todo, manifest):
        """Batch by batch, each claimed where others may make it, too."""
        from ..generation.planning import batches

        told = 0
        for batch in batches(todo, self.args.batch_size):
            with ExitStack() as stack:
                mine = batch if manifest is None else stack.enter_context(manifest.claimed(batch))
                told += len(batch)
                self.num_skipped += len(batch) - len(mine)
                if not mine:
                    continue
                self.pipe.set_progress_bar_config(
                    disable=self.quiet, leave=False, desc=f"sound {told} of {len(todo)}", unit="step"
                )
                if self.args.stream or self.args.output == "-":
                    self.stream_sound(mine[0])
                else:
                    self.make_batch(mine)
                if manifest is not None:
                    manifest.add([self.entry(sound) for sound in mine])
            self.made += mine
            for sound in mine:
                if not self.args.json and self.args.output != "-":
                    print_sound(sound)
                if self.player is not None and not self.args.stream:
                    self.play(sound)

    def entry(self, sound):
        r"""What the list and the file say of a sound."""
        entry = {"file": sound.path.name, "prompt": sound.prompt, "seed": sound.seed, **sound.settings, **self.origin}
        return entry if sound.id is None else {**entry, "id": sound.id}

    def tags(self, sound):
        r"""What the file of a sound says of it, where it is to say something."""
        if self.args.no_metadata:
            return None
        from ..generation.provenance import tags_of

        entry = self.entry(sound)
        del entry["file"]
        return tags_of({"command": "generate", **entry}, self.origin["licence"])

    def make_batch(self, batch):
        r"""Make sounds at once, and write their files."""
        from ..audio.io import write_audio
        from ..generation.making import call_of, draw

        waveforms = self.pipe(**call_of(batch)).audios
        for sound, waveform in zip(batch, waveforms):
            write_audio(sound.path, waveform, self.pipe.sampling_rate, self.tags(sound))
            self.finish(sound, len(waveform))
            draw(sound, waveform)

    def finish(self, sound, num_samples):
        r"""Note that a sound is there."""
        sound.duration_s = num_samples / self.pipe.sampling_rate
        if self.first_sound_s is None:
            self.first_sound_s = time.perf_counter() - self.start + self.load_s

    def stream_sound(self, sound):
        r"""Make a sound piece by piece, to its file, standard output or the player."""
        from ..audio.io import read_audio, write_pieces
        from ..generation.making import call_of, draw

        rate = self.pipe.sampling_rate
        num_samples = round(sound.settings["audio_length_in_s"] * rate)
        pieces = (piece[0] for piece in self.pipe.stream(**call_of([sound])))
        with ExitStack() as stack:
            if self.args.output == "-" or self.player is not None:
                pieces = passed_on(pieces, stack.enter_context(self.listener(num_samples)))
            pieces = self.shown(pieces, num_samples)
            if self.args.output == "-":
                for _ in pieces:
                    pass
            else:
                write_pieces(sound.path, pieces, rate, self.tags(sound))
        sound.duration_s = num_samples / rate
        if sound.spectrogram is not None:
            draw(sound, read_audio(sound.path, rate).numpy())

    def shown(self, pieces, num_samples):
        """Pieces, with a progress bar in seconds of sound."""
        from tqdm import tqdm

        rate = self.pipe.sampling_rate
        self.pipe.set_progress_bar_config(disable=True)
        with tqdm(total=round(num_samples / rate, 2), disable=self.quiet, leave=False, unit="s of sound") as bar:
            for piece in pieces:
                if self.first_sound_s is None:
                    self.first_sound_s = time.perf_counter() - self.start + self.load_s
                bar.update(round(len(piece) / rate, 2))
                yield piece

    @contextmanager
    def listener(self, num_samples):
        """Where the pieces go beside the file."""
        from .playing import PLAYERS, WavStream, play_to

        rate = self.pipe.sampling_rate
        if self.args.output == "-":
            yield WavStream(standard_output(), num_samples, rate)
        elif PLAYERS[self.player] is None:
            yield None
        else:
            with play_to(self.player) as file:
                yield None if file is None else WavStream(file, num_samples, rate)

    def play(self, sound):
        """Play a sound's file."""
        from .playing import play_file

        if play_file(self.player, sound.path) != 0:
            print(f"{sound.path} could not be played by {self.player}.", file=sys.stderr)

    def report(self, model_name, device, dtype):
        r"""Tell what was made, how fast, and by what."""
        generation_s = time.perf_counter() - self.start
        audio_s = sum(sound.duration_s for sound in self.made)
        report = {
            "model": str(model_name),
            "device": str(device),
            "dtype": str(dtype).removeprefix("torch."),
            "sampling_rate": self.pipe.sampling_rate,
            "audio_s": audio_s,
            "num_skipped": self.num_skipped,
            "load_s": round(self.load_s, 3),
            "time_to_first_sound_s": None if self.first_sound_s is None else round(self.first_sound_s, 3),
            "generation_s": round(generation_s, 3),
            "rtf": round(generation_s / audio_s, 4) if audio_s else None,
        }
        if self.args.output == "-":
            return
        if self.args.json:
            print(json.dumps({**report, "sounds": [asdict(sound) for sound in self.made]}, default=str))
            return
        if self.num_skipped:
            print(f"{self.num_skipped} sounds were there, or are made by others")
        if self.made:
            print(
                f"{audio_s:.2f} s of sound made in {generation_s:.2f} s (RTF {report['rtf']:.3f}) with {model_name} "
                f"on {device}, {report['dtype']}; loaded in {self.load_s:.2f} s, first sound after "
                f"{self.first_sound_s:.2f} s"
            )


def passed_on(pieces, listener):
    r"""Pieces, which somebody else gets, too."""
    for piece in pieces:
        if listener is not None:
            listener.add(piece)
        yield piece


def standard_output():
    r"""
    Standard output for bytes.

    Raises:
        ValueError: If it is a terminal, which would show them as characters.
    """
    if sys.stdout.isatty():
        raise ValueError("--output - writes a WAV file to standard output: lead it into a file or a player.")
    sys.stdout.flush()
    return sys.stdout.buffer


def print_sound(sound):
    r"""Print a sound's files and length, at once, so that what was made is known if the rest fails."""
    picture = "" if sound.spectrogram is None else f", {sound.spectrogram}"
    print(f"{sound.path}{picture}: {sound.duration_s:.2f} s of sound, {sound.prompt!r}, seed {sound.seed}", flush=True)

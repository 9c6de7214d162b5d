# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""`audiolcm edit`: a sound changed, mended, continued or made a loop."""

import json
import time
from dataclasses import asdict
from pathlib import Path

from ..generation.edits import edit_call, pipeline_of
from ..pipelines.loading import find_model
from ..pipelines.prompt_events import structured_caption
from .generate import load, print_sound
from .options import add_metadata_option, add_model_options, errors_with_flags
from .values import count, finite, seconds, seed, segment, share


DESCRIPTION = """\
Make a sound file out of another. With --strength alone all of the sound is made anew, the more the higher it is. With
--mask, --extend or --loop a part is made anew, or put before or behind the sound, and the rest is kept to the sample.
"""

# What options are called whose arguments have other names.
RENAMED = {
    "extend_s": "extend",
    "crossfade_s": "crossfade",
    "mask_start_seconds": "mask",
    "mask_end_seconds": "mask",
    "audio": "sound",
}


def register(subparsers):
    r"""Add the sub-command's parser."""
    parser = subparsers.add_parser("edit", help="change a sound, mend, continue or loop it", description=DESCRIPTION)
    parser.add_argument("sound", type=Path, metavar="SOUND", help="a file that libsndfile reads: .wav, .flac, .mp3, …")
    parser.add_argument("prompt", metavar="PROMPT", help="what is to be heard where sound is made")
    parser.add_argument(
        "--strength",
        type=share,
        metavar="SHARE",
        help="how much of the sound, or of what is masked, is made anew, up to 1 (default: 0.6; of masks 1)",
    )
    parser.add_argument(
        "--mask", type=segment, action="append", metavar="START:END", help="seconds to make anew; may be repeated"
    )
    parser.add_argument("--extend", type=seconds, metavar="SECONDS", help="sound to make behind the sound")
    parser.add_argument("--extend-before", type=seconds, metavar="SECONDS", help="sound to make before it")
    parser.add_argument("--loop", action="store_true", help="let the end meet the beginning")
    parser.add_argument(
        "--crossfade",
        type=finite,
        metavar="SECONDS",
        help="how long what is kept goes over into what is made (default: 0.05)",
    )
    add_model_options(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="a .wav, .flac or .ogg file, numbered where there are several sounds (default: SOUND-edited.wav in the "
        "current folder)",
    )
    parser.add_argument(
        "--num-inference-steps", type=count, metavar="N", help="denoising steps (default: the model's)"
    )
    parser.add_argument("--guidance-scale", type=finite, metavar="SCALE", help="default: the model's")
    parser.add_argument("--negative-prompt", metavar="TEXT", help="what is not to be heard; for teachers only")
    parser.add_argument("--num-waveforms", type=count, default=1, metavar="N", help="results to make (default: 1)")
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="random seed; further results take N+1, N+2, … (default: 0)"
    )
    parser.add_argument("--spectrogram", action="store_true", help="draw a mel picture (.png) next to each result")
    add_metadata_option(parser)
    parser.add_argument("--play", action="store_true", help="play each result")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and no progress bars")
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")


def run(args):
    r"""
    Edit the sound. Everything that can be refused without the model is refused before it is loaded.

    Args:
        args (`argparse.Namespace`): The options of [`register`].
    """
    from ..audio.io import read_audio
    from ..generation.planning import check_writable, plan_sounds
    from ..generation.requests import of_prompts

    start = time.perf_counter()
    player = None
    if args.play:
        from .playing import find_player

        player = find_player()
    requests = of_prompts([args.prompt])
    structured_caption(args.negative_prompt or "")
    call = call_of(args)
    output = args.output or f"{args.sound.stem}-edited.wav"
    if not Path(output).suffix:
        raise ValueError(f"Expected --output to be a file, got {output!r}.")
    sounds = plan_sounds(requests, output, args.num_waveforms, args.seed, args.spectrogram)
    check_writable(sounds)
    read_audio(args.sound)
    if any(sound.path.exists() and sound.path.samefile(args.sound) for sound in sounds):
        raise ValueError(f"--output {output!r} would replace the sound itself: name another file.")
    model = find_model(args.model, args.variant, args.revision)
    device, dtype, plain, origin = load(
        args, args.model, model, args.variant, args.revision, is_told=not args.no_metadata
    )
    pipe = pipeline_of(plain, call)
    # Once for all results, at the model's rate.
    source = read_audio(args.sound, pipe.sampling_rate)
    with errors_with_flags(args, **RENAMED):
        pipe.check_inputs(prompt=args.prompt, audio=source, **call)
    load_s = time.perf_counter() - start
    quiet = args.quiet or args.json
    for number, sound in enumerate(sounds, start=1):
        pipe.set_progress_bar_config(disable=quiet, leave=False, desc=f"sound {number} of {len(sounds)}", unit="step")
        make_sound(args, pipe, source, sound, call, origin)
        if not args.json:
            print_sound(sound)
        if player is not None:
            from .playing import play_file

            play_file(player, sound.path)
    report = {
        "model": args.model,
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "sampling_rate": pipe.sampling_rate,
        "load_s": round(load_s, 3),
        "generation_s": round(time.perf_counter() - start - load_s, 3),
    }
    if args.json:
        print(json.dumps({**report, "sounds": [asdict(sound) for sound in sounds]}, default=str))


def call_of(args):
    r"""
    Arguments of the pipeline's call.

    Raises:
        ValueError: If an option belongs to one that is not given.
    """
    inpaints = args.mask is not None or args.extend is not None or args.extend_before is not None or args.loop
    if args.crossfade is not None and not inpaints:
        raise ValueError("--crossfade belongs to --mask, --extend or --loop, of which none is given.")
    return edit_call(
        args.mask,
        args.extend,
        args.extend_before,
        args.loop,
        args.crossfade,
        strength=args.strength,
        num_inference_steps=args.num_inference_steps,
        guidance_scale=args.guidance_scale,
        negative_prompt=args.negative_prompt,
    )


def make_sound(args, pipe, source, sound, call, origin):
    r"""Make one result, and write its file."""
    import torch

    from ..audio.io import write_audio
    from ..generation.making import draw
    from ..generation.provenance import tags_of

    waveform = pipe(
        prompt=sound.prompt, audio=source, generator=[torch.Generator().manual_seed(sound.seed)], **call
    ).audios[0]
    tags = None
    if not args.no_metadata:
        settings = {"command": "edit", "sound": args.sound.name, "prompt": sound.prompt, "seed": sound.seed}
        tags = tags_of({**settings, **call, **origin}, origin["licence"])
    write_audio(sound.path, waveform, pipe.sampling_rate, tags)
    sound.duration_s = len(waveform) / pipe.sampling_rate
    sound.settings = call
    draw(sound, waveform)

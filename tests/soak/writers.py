# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Every command and script that writes, killed, or with a disk that is full or may not be written to."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import soundfile
import torch
from material import AUTOENCODER, DURATIONS, SMALL_VOCODER, run_script, teacher_options
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from trial import attempt, count_changes, kill_at_change, run_command


@dataclass
class Writer:
    """
    A command or script.

    Args:
        name: What the table calls it.
        run: Writes into the folder that it is given; called again, it ends what was begun.
        prepare: What lies in the folder before, such as an older sound.
        timeout_s: How long it may take.
    """

    name: str
    run: Callable[[Path], None]
    prepare: Callable[[Path], None] = lambda folder: None
    timeout_s: float = 120


def writers(material):
    """All of them, as functions of what [`material`] made: `data`, `runs`, `judge`, `published`, `phrases`."""
    data, runs = material / "data", material / "runs"
    steps = {"max_train_steps": 3, "warmup_steps": 1, "logging_steps": 1, "checkpointing_steps": 1}
    training = {"data_dir": data, "resume_from_checkpoint": "latest", **steps}

    def script(name, config, folder="run", **options):
        return lambda out: run_script(name, config, output_dir=out / folder, **options)

    def generate(out):
        options = ["--model", "mini", "--duration", "0.5", "--quiet", "--spectrogram", "--output", out / "sounds"]
        run_command("generate", "rain", "a dog barking", *options)

    def older_sounds(out):
        (out / "sounds").mkdir()
        shutil.copy(data / "0.wav", out / "sounds/rain.wav")

    def generate_list(out):
        (out / "prompts.csv").write_text("prompt,id,duration\nrain,r,0.4\na dog barking,d,\nwind,w,0.3\n")
        options = ["--model", "mini", "--duration", "0.5", "--quiet", "--output", f"{out}/sounds/"]
        run_command("generate", "--prompts-file", out / "prompts.csv", *options)

    def edit(out):
        options = ["--model", "mini", "--quiet", "--num-waveforms", "2", "--output", out / "edited.flac"]
        run_command("edit", data / "0.wav", "rain", "--strength", "0.5", *options)

    def convert(out):
        files = {name: name for name in ("vocoder", "bert", "t5")}
        files |= {"checkpoint": "audiolcm.ckpt", "config": "audiolcm.yaml"}
        options = [word for name, file in files.items() for word in (f"--{name}", material / "published" / file)]
        if not (out / "converted/model_index.json").exists():
            run_command("convert", *options, "--output", out / "converted")

    def export_hub(out):
        if not (out / "repository/model_index.json").exists():
            run_command("export-hub", out / "repository", "--model", runs / "teacher/model")

    judged = ["--dataset", data, "--classifier", material / "judge", "--model", "mini", "--json"]
    few = ["--num-resamples", "2", "--batch-size", "4"]

    def evaluate(out):
        if not (out / "evaluation/results.json").exists():
            of_fad = ["--allow-singular", "--steps", "1", "--duration", "0.3", "--save-audio"]
            run_command("evaluate", *judged, *few, *of_fad, "--output", out / "evaluation")

    def inspect(out):
        if not (out / "inspection/results.json").exists():
            options = ["--steps", "1", "--takes", "2", "--durations", "0.3", "--max-prompts", "2"]
            run_command("inspect", *judged, *few, *options, "--output", out / "inspection")

    cache = {"durations_s": "0.256", "duration_shares": "1", "examples_per_clip": 2, "shard_size": 2}
    teacher = runs / "teacher/model"
    return [
        Writer("generate", generate, older_sounds),
        Writer("generate, a list", generate_list),
        Writer("edit", edit, lambda out: shutil.copy(data / "0.wav", out / "edited-1.flac")),
        Writer("convert", convert),
        Writer("export-hub", export_hub),
        Writer("evaluate", evaluate),
        Writer("inspect", inspect),
        Writer(
            "train_autoencoder",
            script("train_autoencoder", "AutoencoderConfig", batch_size=2, **AUTOENCODER, **training),
        ),
        Writer(
            "train_vocoder",
            script(
                "train_vocoder", "VocoderConfig", vae_dir=runs / "vae/model", batch_size=2, **SMALL_VOCODER, **training
            ),
        ),
        Writer(
            "train_text_to_audio",
            script(
                "train_text_to_audio",
                "TextToAudioConfig",
                **teacher_options(runs / "vae/model"),
                **DURATIONS,
                **training,
            ),
        ),
        Writer(
            "train_audiolcm_distill",
            script(
                "train_audiolcm_distill",
                "DistillationConfig",
                teacher_dir=teacher,
                vocoder_dir=runs / "vocoder/model",
                validation_prompts="a tone",
                validation_steps=2,
                **DURATIONS,
                **training,
            ),
        ),
        Writer(
            "train_audiolcm_distill, LoRA",
            script(
                "train_audiolcm_distill",
                "DistillationConfig",
                teacher_dir=teacher,
                vocoder_dir=runs / "vocoder/model",
                lora_rank=2,
                **DURATIONS,
                **training,
            ),
        ),
        Writer(
            "train_judge",
            script(
                "train_judge",
                "JudgeConfig",
                eval_dir=data,
                min_clips=2,
                num_frames=48,
                batch_size=4,
                masked_frames=8,
                background_share=0.0,
                **training,
            ),
        ),
        Writer(
            "cache_latents",
            script("cache_latents", "CacheConfig", folder="cache", data_dir=data, pipeline_dir=teacher, **cache),
        ),
        Writer("export_pipeline", script("export_pipeline", "ExportConfig", folder="exported", pipeline_dir=teacher)),
        *music_writers(),
    ]


def music_writers():
    """`render_music`, where there is something to play with."""
    from music.rendering import DEFAULT_SOUNDFONT

    if shutil.which("fluidsynth") is None or not Path(DEFAULT_SOUNDFONT).is_file():
        return []

    def render(out):
        options = {"num_clips": 2, "min_duration_s": 2, "max_duration_s": 3}
        run_script("render_music", "RenderConfig", output_dir=out / "music", **options)

    return [Writer("render_music", render)]


def is_hidden(path, folder):
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def check_whole(folder):
    """
    Everything that has its own name is whole.

    Raises:
        AssertionError: Naming what is not.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or is_hidden(path, folder):
            continue
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():
                        file.get_tensor(name)
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
            elif path.suffix in (".wav", ".flac", ".ogg"):
                samples, _ = soundfile.read(path)
                assert len(samples) > 0
            elif path.suffix == ".png":
                with Image.open(path) as picture:
                    picture.load()
            elif path.suffix == ".csv":
                with path.open(newline="", encoding="utf-8") as file:
                    assert len({len(row) for row in csv.reader(file)}) == 1
            elif path.suffix == ".jsonl":
                lines = path.read_text(encoding="utf-8").split("\n")
                # The last one may be half of one, which the next start takes out.
                assert all(json.loads(line) for line in lines[:-1])
            elif path.suffix == ".md":
                assert path.stat().st_size > 0
        except Exception as error:
            raise AssertionError(f"{path.relative_to(folder)}: {type(error).__name__}: {error}") from error
    for index in folder.rglob("model_index.json"):
        if not is_hidden(index, folder):
            parts = [name for name, value in json.loads(index.read_text()).items() if isinstance(value, list)]
            missing = [name for name in parts if not (index.parent / name).is_dir()]
            assert not missing or any("null" in index.read_text() for _ in missing), f"{index}: no {missing}"


def results_of(folder):
    """Names of all that was made, and hashes of what is the same every time."""
    made = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or is_hidden(path, folder) or any(part in name for part in NOT_RESULTS):
            continue
        made[name] = ""
        if path.suffix == ".safetensors":  # whose header is written in another order every time
            made[name] = hash_of(*(part for item in sorted(load_file(path).items()) for part in as_bytes(*item)))
        elif path.suffix in (".wav", ".flac", ".csv", ".txt"):
            made[name] = hash_of(path.read_bytes())
        elif path.name == "manifest.jsonl":  # in the order in which sounds were made
            made[name] = hash_of(*sorted(path.read_bytes().splitlines()))
    return made


# Checkpoints, caches, and what tensorboard writes.
NOT_RESULTS = ("checkpoint-", "/features/", "/audiolcm/")


def hash_of(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def as_bytes(name, tensor):
    return name.encode(), str((tensor.dtype, tuple(tensor.shape))).encode(), tensor.flatten().view(torch.uint8).numpy()


@dataclass
class Tally:
    """A line of the table, and what there is to say of it."""

    name: str
    tried: int = 0
    refused: int = 0
    survived: int = 0
    lost: int = 0
    broke: int = 0
    code_run: int = 0
    growth: str = ""
    notes: list = None

    def __post_init__(self):
        self.notes = []

    def add(self, outcome, lost=None):
        """Count an outcome; `lost` says what was lost by it."""
        self.tried += 1
        self.refused += outcome.how == "refused"
        self.survived += outcome.how in ("survived", "killed")
        self.code_run += outcome.code_run
        if outcome.how == "broke":
            self.broke += 1
            self.notes.append(f"broke: {outcome.words}")
        if lost:
            self.lost += 1
            self.notes.append(f"lost: {lost}")


def undisturbed(writer, folder):
    """Run a writer as it should be run: how many changes it made, and its results."""
    writer.prepare(folder)
    before = attempt(count_changes(lambda: writer.run(folder), folder), timeout_s=writer.timeout_s)
    if before.how != "survived":
        raise RuntimeError(f"{writer.name} fails undisturbed: {before.words}")
    return int(before.words), results_of(folder)


def after_trouble(writer, folder, expected):
    """What was lost, if anything: all that is there is whole, and another run ends what was begun."""
    try:
        check_whole(folder)
    except AssertionError as error:
        return f"{writer.name}: {error}"
    again = attempt(lambda: writer.run(folder), timeout_s=writer.timeout_s)
    if again.how != "survived":
        return f"{writer.name}: cannot be gone on with: {again.words}"
    try:
        check_whole(folder)
    except AssertionError as error:
        return f"{writer.name}, gone on with: {error}"
    got = results_of(folder)
    if got != expected:
        missing, more = sorted(expected.keys() - got.keys()), sorted(got.keys() - expected.keys())
        differ = sorted(name for name in expected.keys() & got.keys() if expected[name] != got[name])
        return f"{writer.name}, gone on with: missing {missing}, too many {more}, other content {differ}"
    return None


def kills(writer, folder, random, number):
    """Kill a writer when it changes the folder for a random time, or a moment later."""
    tally = Tally(f"killed: {writer.name}")
    (folder / "whole").mkdir(parents=True)
    num_changes, expected = undisturbed(writer, folder / "whole")
    for index in range(number):
        place = folder / f"{index}"
        place.mkdir()
        writer.prepare(place)
        change, delay_s = random.randint(1, num_changes), random.choice([0.0, random.uniform(1e-5, 3e-3)])

        def run(place=place, change=change, delay_s=delay_s):
            kill_at_change(change, place, delay_s)
            writer.run(place)

        outcome = attempt(run, timeout_s=writer.timeout_s)
        lost = after_trouble(writer, place, expected)
        tally.add(outcome, lost and f"{lost} (change {change} of {num_changes}, {delay_s * 1e3:.2f} ms)")
        shutil.rmtree(place)
    shutil.rmtree(folder)
    return tally


def full_disks(writer, folder, random, number):
    """Let files grow to a random size alone; where file systems can be mounted, fill one, too."""
    tally = Tally(f"disk full: {writer.name}")
    (folder / "whole").mkdir(parents=True)
    _, expected = undisturbed(writer, folder / "whole")
    sizes = [path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file()]
    for index in range(number):
        place = folder / f"{index}"
        place.mkdir()
        as_disk = index % 2 == 1
        room = int(
            2 ** random.uniform(0, max(sizes).bit_length()) if not as_disk else random.uniform(0.2, 1) * sum(sizes)
        )
        mounted = as_disk and mount(place, f"size={max(room, 65536)}")
        writer.prepare(place)
        before = results_of(place)
        outcome = attempt(
            lambda place=place: writer.run(place),
            refusals=(Exception,),
            timeout_s=writer.timeout_s,
            file_bytes=None if mounted else room,
        )
        lost = None
        try:
            check_whole(place)
            changed = sorted(name for name in before if results_of(place).get(name) is None)
            lost = f"{writer.name}: gone: {changed}" if changed else None
        except AssertionError as error:
            lost = f"{writer.name}: {error}"
        if mounted and subprocess.run(["mount", "-o", "remount,size=1g", place]).returncode != 0:
            mounted = False
        if lost is None:
            lost = after_trouble(writer, place, expected)
        tally.add(outcome, lost and f"{lost} ({'disk' if as_disk else 'files'} of {room} bytes)")
        unmount(place)
        shutil.rmtree(place)
    shutil.rmtree(folder)
    return tally


def read_only_folders(writer, folder):
    """A folder that may not be written to."""
    tally = Tally(f"read-only folder: {writer.name}")
    folder.mkdir(parents=True)
    is_mounted = mount(folder, "size=64m")
    writer.prepare(folder)
    before = results_of(folder)
    if is_mounted:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    else:
        folder.chmod(0o555)
    if os.geteuid() == 0 and not is_mounted:  # the superuser may write everywhere
        shutil.rmtree(folder)
        return tally
    outcome = attempt(lambda: writer.run(folder), timeout_s=writer.timeout_s)
    kept = results_of(folder) == before
    if outcome.how == "survived":
        outcome.how, outcome.words = "broke", f"{writer.name} ended well, though nothing can have been written"
    tally.add(outcome, None if kept else f"{writer.name}: what was there changed")
    folder.chmod(0o755) if not is_mounted else unmount(folder)
    shutil.rmtree(folder)
    return tally


def mount(folder, options):
    """`bool`: Whether a file system in memory could be mounted."""
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode == 0
    )


def unmount(folder):
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)

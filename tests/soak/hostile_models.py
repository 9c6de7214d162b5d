# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Models whose files are damaged, or are made to run code, to hang, or to take all memory."""

import json
import os
import pickle
import shutil
import struct

import torch
from material import copy_model, run_script
from safetensors.torch import load_file, save_file
from trial import RUN_CODE, RunsCode, attempt, run_command
from writers import Tally


VALUES = (
    10**9,
    -1,
    0,
    0.5,
    float("nan"),
    1e308,
    10**40,
    "x",
    None,
    [],
    {},
    [[1]],
    "../../etc/passwd",
    True,
    "a" * 10**6,
)


def generate(model):
    run_command("generate", "rain", "--model", model, "--duration", "0.2", "--quiet", "--output", f"{model}-sounds/")


def try_model(tally, model, run=generate):
    outcome = attempt(lambda: run(model), timeout_s=60, memory_gb=4)
    outcome.words = f"{model.name}: {outcome.words}"
    tally.add(outcome)
    for path in (model, model.with_name(f"{model.name}-sounds")):
        shutil.rmtree(path, ignore_errors=True)


def hostile_configurations(model, folder, random, number):
    """Single entries of a model's JSON files replaced by what does not belong there, or the text of a file damaged."""
    tally = Tally("hostile configurations")
    folder.mkdir(parents=True)
    names = [path.relative_to(model) for path in sorted(model.rglob("*.json")) if path.name != "tokenizer.json"]
    for index in range(number):
        name = random.choice(names)
        if random.random() < 0.85:
            values = json.loads((model / name).read_text())
            key, value = random.choice(sorted(values)), random.choice(VALUES)
            values[key] = value
            place = copy_model(folder / f"{index}-{name.parent}-{key}-{str(value)[:20]}".replace("/", "_"), model)
            (place / name).write_text(json.dumps(values))
        else:
            place = copy_model(folder / f"{index}-{name}-damaged".replace("/", "_"), model)
            text = (model / name).read_text()
            cut = text[: random.randrange(len(text))]
            (place / name).write_text(random.choice([cut, "[" * 100_000, "", "null", "3", '"' + text, "{}"]))
        try_model(tally, place)
    return tally


def hostile_weights(model, folder, random, number):
    """Weights that are cut, lie about their sizes, are not numbers, or are of another shape."""
    tally = Tally("hostile weights")
    folder.mkdir(parents=True)
    names = [path.relative_to(model) for path in sorted(model.rglob("*.safetensors"))]
    for index in range(number):
        name = random.choice(names)
        kind = random.choice(["cut", "header", "long header", "nan", "missing", "shape", "more", "pipe", "huge"])
        place = copy_model(folder / f"{index}-{name.parent}-{kind.replace(' ', '-')}", model)
        path = place / name
        content = path.read_bytes()
        if kind == "cut":
            path.write_bytes(content[: random.randrange(len(content))])
        elif kind == "header":
            start = random.randrange(200)
            path.write_bytes(content[:start] + random.randbytes(8) + content[start + 8 :])
        elif kind == "long header":
            path.write_bytes(struct.pack("<Q", random.choice([2**62, 10**9, len(content)])) + content[8:])
        elif kind == "pipe":
            path.unlink()
            os.mkfifo(path)
        elif kind == "huge":
            header = json.dumps({"weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
            path.write_bytes(struct.pack("<Q", len(header)) + header)
        else:
            weights = load_file(path)
            key = random.choice(sorted(weights))
            if kind == "nan":
                weights[key] = torch.full_like(weights[key], random.choice([torch.nan, torch.inf]))
            elif kind == "missing":
                del weights[key]
            elif kind == "shape":
                weights[key] = weights[key].flatten()[: max(1, weights[key].numel() // 2)].clone()
            else:
                weights["no.such.weight"] = torch.zeros(3)
            save_file(weights, path, metadata={"format": "pt"})
        try_model(tally, place)
    return tally


def hostile_code(model, material, folder):
    """Files that would run code, wherever files are read."""
    tally = Tally("files that run code")
    folder.mkdir(parents=True)
    evil = f"{RUN_CODE}\nclass Evil:\n    from_pretrained = classmethod(lambda cls, *args, **kwargs: cls())\n"
    auto_map = dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer", "AutoFeatureExtractor"), "evil.Evil")

    def change_json(path, **values):
        there = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**there, **values}))

    # Pickles in place of a model's weights.
    for part, name in (("transformer", "diffusion_pytorch_model"), ("text_encoder_2", "model")):
        for new in (f"{name}.bin", f"{name}.safetensors", "pytorch_model.bin"):
            place = copy_model(folder / f"pickle-{part}-{new}", model)
            (place / part / f"{name}.safetensors").unlink()
            (place / part / new).write_bytes(pickle.dumps(RunsCode()))
            try_model(tally, place)
    # Code beside a model.
    for part in ("transformer", "text_encoder_2", "tokenizer_2", "scheduler", "vocoder"):
        place = copy_model(folder / f"code-{part}", model)
        for name in ("evil.py", "pipeline.py", f"{part}.py"):
            (place / name).write_text(evil)
            (place / part / name).write_text(evil)
        config = {"tokenizer_2": "tokenizer_config.json", "scheduler": "scheduler_config.json"}.get(
            part, "config.json"
        )
        change_json(place / part / config, auto_map=auto_map, _class_name="Evil", tokenizer_class="Evil")
        try_model(tally, place)
    for library in ("evil", "os", "subprocess", "builtins"):
        place = copy_model(folder / f"library-{library}", model)
        (place / "evil.py").write_text(evil)
        change_json(place / "model_index.json", vocoder=[library, "Evil" if library == "evil" else "system"])

        def generate_there(model):
            os.chdir(model)
            generate(model)

        try_model(tally, place, generate_there)
    # A judge, CLAP and text encoders that bring code along.
    for option in ("--classifier", "--clap"):
        place = copy_model(folder / f"judge{option}", material / "judge")
        (place / "evil.py").write_text(evil)
        for model_type in ("evil", "resnet"):
            change_json(place / "config.json", auto_map=auto_map, model_type=model_type)
            options = ["--dataset", material / "data", "--output", folder / "out", "--duration", "0.3"]
            tally.add(attempt(lambda o=option, p=place, m=options: run_command("evaluate", o, p, *m)))
    published = copy_model(folder / "published", material / "published")
    files = {
        "checkpoint": "audiolcm.ckpt",
        "config": "audiolcm.yaml",
        "vocoder": "vocoder",
        "bert": "bert",
        "t5": "t5",
    }
    words = [word for name, file in files.items() for word in (f"--{name}", published / file)]

    def convert():
        run_command("convert", *words, "--output", folder / "converted")

    for name, content in (
        ("audiolcm.ckpt", pickle.dumps({"state_dict": RunsCode()})),
        ("vocoder/best_netG.pt", pickle.dumps({"generator": RunsCode()})),
        ("audiolcm.yaml", f"model: !!python/object/apply:eval ['{RUN_CODE.replace(chr(39), chr(34))}']".encode()),
        ("vocoder/args.yml", b"!!python/object/apply:os.getcwd []"),
    ):
        before = (published / name).read_bytes()
        (published / name).write_bytes(content)
        tally.add(attempt(convert))
        (published / name).write_bytes(before)
    for name in ("bert", "t5"):
        (published / name / "evil.py").write_text(evil)
        before = (published / name / "config.json").read_text()
        for model_type in ("evil", name):
            change_json(published / name / "config.json", auto_map=auto_map, model_type=model_type)
            tally.add(attempt(convert))
        (published / name / "config.json").write_text(before)
        change_json(published / name / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
        tally.add(attempt(convert))
        shutil.rmtree(folder / "converted", ignore_errors=True)
    # A LoRA.
    for name in ("pytorch_lora_weights.bin", "adapter_model.bin", "pytorch_lora_weights.safetensors"):
        (folder / "lora").mkdir(exist_ok=True)
        (folder / "lora" / name).write_bytes(pickle.dumps(RunsCode()))

        def load_lora():
            from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline

            AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT).load_lora_weights(folder / "lora")

        tally.add(attempt(load_lora))
        shutil.rmtree(folder / "lora")
    hostile_checkpoints(tally, *resuming(material), folder)
    return tally


def hostile_checkpoints(tally, run_dir, resume, folder):
    """
    Checkpoints with a pickle in place of each of their files, and beside them.

    Args:
        run_dir (`Path`): Of a training, with a checkpoint.
        resume (`Callable[[Path], None]`): Goes on with a run.
    """
    newest = sorted(run_dir.glob("checkpoint-*"))[-1]
    names = [str(path.relative_to(newest)) for path in sorted(newest.rglob("*")) if path.is_file()]
    names += ["custom_checkpoint_0.pkl", "custom_checkpoint_1.pkl", "optimizer.bin", "scheduler.bin", "scaler.pt"]
    for index, name in enumerate(dict.fromkeys(names)):
        place = folder / f"checkpoint{index}" / "run"
        shutil.copytree(run_dir, place)
        for step in place.glob("checkpoint-*"):
            (step / name).parent.mkdir(exist_ok=True)
            (step / name).write_bytes(pickle.dumps(RunsCode()))
        shutil.rmtree(place / "model", ignore_errors=True)
        outcome = attempt(lambda place=place: resume(place.parent), refusals=(Exception,))
        outcome.words = f"{name}: {outcome.words}"
        tally.add(outcome)
        shutil.rmtree(place.parent)


def resuming(material):
    """A run with checkpoints, and how it is gone on with."""
    from material import DURATIONS, teacher_options

    steps = {"warmup_steps": 1, "logging_steps": 1, "checkpointing_steps": 1, "resume_from_checkpoint": "latest"}
    options = {"data_dir": material / "data", **teacher_options(material / "runs/vae/model"), **DURATIONS, **steps}

    def run(out, max_train_steps=3):
        run_script(
            "train_text_to_audio",
            "TextToAudioConfig",
            output_dir=out / "run",
            max_train_steps=max_train_steps,
            **options,
        )

    place = material / "to-resume"
    outcome = attempt(lambda: run(place), timeout_s=120)
    if outcome.how != "survived":
        raise RuntimeError(f"The run to be gone on with fails: {outcome.words}")
    return place / "run", lambda out: run(out, 4)

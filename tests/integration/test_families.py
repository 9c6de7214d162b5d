# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Teachers of diffusers' own families, through the scripts: what comes out is loaded by diffusers alone."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tiny_families
import torch
from diffusers import DiffusionPipeline, EDMDPMSolverMultistepScheduler
from safetensors.torch import load_file
from script_runs import distil_on_two_processes, distillation_options, load_script, run_script

from audiolcm_diffusers import AudioLCMPipeline
from audiolcm_diffusers.benchmark import benchmark_training


FAMILIES = ("ace_step", "audioldm2", "longcat", "stable_audio", "stable_audio_3")

# A process in which this package cannot be imported makes a sound of each folder in 2 steps and in 4.
STRANGER = """
import importlib.abc, json, sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "audiolcm_diffusers":
            raise ImportError(name)

sys.meta_path.insert(0, Nothing())
import torch
from diffusers import DiffusionPipeline

for folder, argument in json.loads(sys.argv[1]):
    pipe = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    for steps in (2, 4):
        call = {argument: 0.1, "num_inference_steps": steps, "guidance_scale": 1.0}
        audio = torch.as_tensor(pipe("rain", **call).audios)
        assert audio.shape[-1] > 0 and torch.isfinite(audio).all() and audio.any(), folder
    print(type(pipe).__name__)
"""


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Five WAV files of different rates, mono and stereo."""
    folder = tmp_path_factory.mktemp("sounds")
    generator = np.random.default_rng(0)
    rows = []
    for index, (rate, channels) in enumerate([(44100, 2), (48000, 2), (16000, 1), (8000, 1), (22050, 2)]):
        name = f"{index}.wav"
        soundfile.write(folder / name, 0.3 * generator.standard_normal((rate // 4, channels)), rate)
        # Brackets and weights have no meaning to other families.
        rows.append({"file_name": name, "caption": f"rain <hard> {LETTERS[index]}"})
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file_name", "caption"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


LETTERS = "abcde"


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """`teachers[family]`: the folder of a tiny pipeline."""
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("teachers")
    for family in FAMILIES:
        pipe = getattr(tiny_families, family)(letters_tokenizer(PreTrainedTokenizerFast))
        if family == "stable_audio":
            pipe.scheduler = EDMDPMSolverMultistepScheduler()
        pipe.save_pretrained(folder / family)
    return {family: folder / family for family in FAMILIES}


def letters_tokenizer(tokenizer_class):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokens = ["<pad>", "</s>", "<unk>", *map(chr, range(32, 127))]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer_class(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=24
    )


def distil(teacher, data, output_dir, **options):
    common = {"max_train_steps": 2, "warmup_steps": 1, "seconds_per_batch": 0.2, "durations_s": "0.1"}
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        teacher_dir=str(teacher),
        data_dir=str(data),
        output_dir=str(output_dir),
        report_to="none",
        duration_shares="1.0",
        num_solver_timesteps=10,
        mixture_share=0.0,
        **{**common, **options},
    )
    return output_dir / "model"


@pytest.fixture(scope="module")
def students(teachers, sounds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("students")
    return {family: distil(teachers[family], sounds, folder / family) for family in FAMILIES}


def duration_argument(folder):
    from audiolcm_diffusers.teachers.families import FAMILIES as BY_CLASS

    name = json.loads((folder / "model_index.json").read_text())["_class_name"]
    return BY_CLASS[name].duration_argument


def test_students_are_loaded_by_diffusers_alone(teachers, students):
    folders = [(str(folder), duration_argument(folder)) for folder in students.values()]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps(folders)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    names = [json.loads((folder / "model_index.json").read_text())["_class_name"] for folder in teachers.values()]
    assert done.stdout.split() == names


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_students_folder_says(students, teachers, family):
    folder = students[family]
    mark = json.loads((folder / "model_index.json").read_text())["_few_step_student"]
    assert mark["guidance_scale"] == 1.0
    # What the pipelines are guided with where nothing is asked for.
    defaults = {"ace_step": 7.0, "audioldm2": 3.5, "longcat": 4.0, "stable_audio": 7.0, "stable_audio_3": 1.0}
    assert mark["folded_in_guidance_scale"] == defaults[family]
    card = (folder / "README.md").read_text()
    assert "from diffusers import" in card and "num_inference_steps=2, guidance_scale=1.0" in card
    before, after = (DiffusionPipeline.from_pretrained(place) for place in (teachers[family], folder))
    name = "unet" if family == "audioldm2" else "transformer"
    taught, learnt = (dict(getattr(pipe, name).named_parameters()) for pipe in (before, after))
    assert taught.keys() == learnt.keys()
    moved = [key for key in taught if not torch.equal(taught[key], learnt[key])]
    assert len(moved) > len(taught) / 2
    with pytest.raises(ValueError, match="holds a student, distilled with .*name its teacher"):
        load_script("train_audiolcm_distill").DistillationConfig(
            data_dir="data", output_dir="run", teacher_dir=str(folder)
        )


def test_a_student_of_ours_with_one_strength(trained, data_dir, tmp_path):
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        **distillation_options(trained, data_dir, tmp_path / "run"),
        max_train_steps=2,
        guidance="fixed",
        w=3.0,
    )
    folder = tmp_path / "run/model"
    pipe = AudioLCMPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    assert pipe.transformer.config.time_cond_proj_dim is None
    assert pipe.config.default_guidance_scale == 1.0 and pipe.config.default_num_inference_steps == 2
    # Guidance is off where nothing is asked for: the network runs once a step.
    rows = []
    pipe.transformer.register_forward_hook(lambda module, args, output: rows.append(len(output[0])))
    assert torch.isfinite(torch.as_tensor(pipe("a tone", audio_length_in_s=0.256).audios)).all()
    assert rows == [1, 1]
    with pytest.raises(ValueError, match="holds a student, distilled with .*'folded_in_guidance_scale': 4.0"):
        load_script("train_audiolcm_distill").DistillationConfig(
            data_dir="data", output_dir="run", teacher_dir=str(folder)
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_of_a_teacher(teachers, sounds, tmp_path, family):
    folder = distil(teachers[family], sounds, tmp_path / "run", lora_rank=2, lora_alpha=4, guidance="fixed", w=3.0)
    pipe = DiffusionPipeline.from_pretrained(teachers[family])
    pipe.set_progress_bar_config(disable=True)
    # What the card says, but for where things lie.
    card = (folder / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0].replace("'run'", repr(str(folder)))
    code = code.replace('BASE = "..."', f"BASE = {str(teachers[family])!r}").replace("=10.0", "=0.1")
    told = {}
    exec(code, told)
    adapted = told["pipe"]
    assert type(adapted) is type(pipe)
    assert torch.isfinite(torch.as_tensor(told["audio"])).all()
    name = "unet" if family == "audioldm2" else "transformer"
    before, after = (getattr(one, name) for one in (pipe, adapted))
    if family == "ace_step":  # its own format, which the pipeline has loaded beside the weights
        assert (folder / "pytorch_lora_weights.safetensors").is_file()
        adapted.fuse_lora()
        adapted.unload_lora_weights()
    else:
        assert (folder / "adapter_config.json").is_file() and (folder / "adapter_model.safetensors").is_file()
    before, after = dict(before.named_parameters()), dict(after.named_parameters())
    assert before.keys() == after.keys()
    moved = [key for key in before if not torch.allclose(before[key], after[key], atol=1e-7)]
    assert moved and all(key.endswith("weight") for key in moved)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lora_rank", [None, 2])
def test_fine_tuning(teachers, sounds, tmp_path, family, lora_rank):
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        pipeline_dir=str(teachers[family]),
        data_dir=str(sounds),
        output_dir=str(tmp_path / "run"),
        max_train_steps=2,
        warmup_steps=1,
        seconds_per_batch=0.2,
        durations_s="0.1",
        duration_shares="1.0",
        learning_rate=1e-3,
        **({} if lora_rank is None else {"lora_rank": lora_rank}),
        unconditional_share=0.5,
        report_to="none",
        # All of it is heard once: sounds, picture, card.
        validation_steps=2 if lora_rank is None else 0,
        validation_inference_steps=2,
        validation_prompts="rain;wind",
    )
    folder = tmp_path / "run/model"
    card = (folder / "README.md").read_text()
    if lora_rank is not None:
        assert "load_lora_weights" in card if family == "ace_step" else "PeftModel.from_pretrained" in card
        assert "scheduler" not in card.split("```python\n")[1].split("```")[0]
        return
    before, after = (DiffusionPipeline.from_pretrained(place) for place in (teachers[family], folder))
    name = "unet" if family == "audioldm2" else "transformer"
    taught, learnt = (dict(getattr(pipe, name).named_parameters()) for pipe in (before, after))
    assert taught.keys() == learnt.keys() and any(not torch.equal(taught[key], learnt[key]) for key in taught)
    assert type(after.scheduler) is type(before.scheduler)
    heard, _ = soundfile.read(folder / "samples/00.wav", always_2d=True)
    assert heard.shape[1] == (1 if family in ("audioldm2", "longcat") else 2)


def test_latents_of_a_family_are_cached(teachers, sounds, tmp_path):
    run_script(
        "cache_latents",
        "CacheConfig",
        pipeline_dir=str(teachers["stable_audio"]),
        data_dir=str(sounds),
        output_dir=str(tmp_path / "cache"),
        durations_s="0.05,0.1",
        duration_shares="0.5,0.5",
    )
    common = {"durations_s": "2.048,5.12", "data_dir": None, "duration_shares": "0.7,0.3", "mixture_share": 0.2}
    student = distil_cached(teachers["stable_audio"], tmp_path / "cache", tmp_path / "run", **common)
    assert (student / "model_index.json").is_file()
    with pytest.raises(ValueError, match="was made with another audio and vae"):
        distil_cached(teachers["longcat"], tmp_path / "cache", tmp_path / "other", **common)


def distil_cached(teacher, cache, output_dir, data_dir, **options):
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        teacher_dir=str(teacher),
        cache_dir=str(cache),
        output_dir=str(output_dir),
        report_to="none",
        max_train_steps=2,
        warmup_steps=1,
        seconds_per_batch=0.2,
        num_solver_timesteps=10,
        **options,
    )
    return output_dir / "model"


def test_lengths_that_are_not_chosen_are_those_that_the_pipeline_makes(teachers, sounds, tmp_path):
    # A tenth of a second at most, where the defaults are of seconds.
    run_script(
        "train_audiolcm_distill",
        "DistillationConfig",
        teacher_dir=str(teachers["stable_audio"]),
        data_dir=str(sounds),
        output_dir=str(tmp_path / "run"),
        report_to="none",
        max_train_steps=1,
        seconds_per_batch=0.2,
    )
    assert (tmp_path / "run/model/model_index.json").is_file()


@pytest.mark.parametrize("rate", [0, None, 0.5])
def test_a_rate_that_cannot_be_is_refused(teachers, sounds, tmp_path, rate):
    shutil.copytree(teachers["stable_audio_3"], tmp_path / "teacher")
    path = tmp_path / "teacher/vae/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sampling_rate": rate}))
    with pytest.raises(ValueError, match=f"sampling_rate that is a whole number above 0, got {rate}"):
        distil(tmp_path / "teacher", sounds, tmp_path / "run")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_is_resumed_bit_for_bit(teachers, sounds, tmp_path, family):
    common = {"max_train_steps": 4, "checkpointing_steps": 2, "logging_steps": 1, "warmup_steps": 1}
    whole = distil(teachers[family], sounds, tmp_path / "whole", **common)
    resume = {"resume_from_checkpoint": str(tmp_path / "whole/checkpoint-2")}
    resumed = distil(teachers[family], sounds, tmp_path / "resumed", **common, **resume)
    part = "unet" if family == "audioldm2" else "transformer"
    ends = [load_file(folder / part / "diffusion_pytorch_model.safetensors") for folder in (whole, resumed)]
    assert all(torch.equal(ends[1][name], weight) for name, weight in ends[0].items())


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "longcat"])
def test_activations_that_are_computed_twice_are_the_same(teachers, sounds, tmp_path, family):
    runs = [
        distil(teachers[family], sounds, tmp_path / name, gradient_checkpointing=name == "twice")
        for name in ("once", "twice")
    ]
    part = "unet" if family == "audioldm2" else "transformer"
    once, twice = (load_file(folder / part / "diffusion_pytorch_model.safetensors") for folder in runs)
    assert all(torch.allclose(twice[name], weight, atol=1e-5) for name, weight in once.items())


def test_a_network_with_idle_layers_on_two_processes(teachers, sounds, tmp_path):
    # Weights without gradients would let one process wait for the other.
    common = {
        "teacher_dir": str(teachers["stable_audio_3"]),
        "data_dir": str(sounds),
        "durations_s": "0.1",
        "duration_shares": "1",
        "report_to": "none",
        "max_train_steps": 3,
        "warmup_steps": 1,
        "logging_steps": 1,
    }
    one, two = ({**common, "output_dir": tmp_path / name} for name in ("one", "two"))
    run_script("train_audiolcm_distill", "DistillationConfig", **one, seconds_per_batch=0.4)
    distil_on_two_processes(tmp_path, {**two, "seconds_per_batch": 0.2})
    lines = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    # The same examples, shared out.
    assert lines[1] == pytest.approx(lines[0], rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_is_measured(teachers, family):
    report = benchmark_training(
        teacher_dir=str(teachers[family]), device="cpu", batch_size=2, duration_s=0.1, warmup=1, repeats=2
    )
    name = json.loads((teachers[family] / "model_index.json").read_text())["_class_name"]
    assert f"size {name}" in str(report)
    variants = report.document["variants"]
    assert list(variants) == ["ours"] and variants["ours"]["samples_per_s"] > 0
    # Steps of training, whose losses are numbers and not all the same.
    assert len(set(variants["ours"]["losses"])) == 3 and np.isfinite(variants["ours"]["losses"]).all()


def test_what_is_not_measured_of_a_teacher(teachers):
    with pytest.raises(ValueError, match="naive order of work is measured at sizes, not of 'folder'"):
        benchmark_training(teacher_dir="folder", variants=("naive",))
    with pytest.raises(ValueError, match="at most 0.1, the longest sound of StableAudioPipeline, got 10"):
        benchmark_training(teacher_dir=str(teachers["stable_audio"]), device="cpu")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"guidance": "embedded"}, "LongCatAudioDiTPipeline is none. Use guidance='fixed'"),
        ({"guidance": "loud"}, "to be 'embedded' or 'fixed', got 'loud'"),
        ({"w": 2.0}, "w=2.0 goes with guidance='fixed', got guidance=None"),
        ({"guidance": "fixed", "w": -1.0}, "a finite w >= 0, got -1.0"),
        ({"w_max": 9.0}, "w_max is of AudioLCM alone: leave it out for LongCatAudioDiTPipeline, got 9.0"),
        ({"timestep_power": 0.5}, "timestep_power is of AudioLCM alone: .*, got 0.5"),
        ({"vocoder_dir": "v"}, "vocoder_dir is of AudioLCM alone: .*, got 'v'"),
        ({"num_solver_timesteps": 0}, "from 1 to 1000, got 0"),
        ({"gradient_checkpointing": True}, "LongCatAudioDiTPipeline has no gradient checkpointing"),
    ],
)
def test_what_a_family_has_no_use_for_is_refused(teachers, tmp_path, options, told):
    config_class = load_script("train_audiolcm_distill").DistillationConfig
    with pytest.raises(ValueError, match=told):
        config_class(data_dir="d", output_dir=str(tmp_path / "run"), teacher_dir=str(teachers["longcat"]), **options)
    assert not (tmp_path / "run").exists()


def test_what_is_no_teacher_is_refused_by_name(teachers, sounds, tmp_path):
    config_class = load_script("train_audiolcm_distill").DistillationConfig
    common = {"data_dir": str(sounds), "output_dir": str(tmp_path / "run")}

    def folder_of(name, index=None, **parts):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableAudioPipeline", **(index or {})}))
        for part, config in parts.items():
            (folder / part).mkdir()
            file = "scheduler_config.json" if part == "scheduler" else "config.json"
            (folder / part / file).write_text(json.dumps(config))
        return str(folder)

    for folder, told in (
        (folder_of("video", {"_class_name": "WanPipeline"}), "a pipeline of one of AceStepPipeline, .*, got WanPipe"),
        (folder_of("nothing", {"_class_name": None}), "AudioLCMPipeline, .*, got None"),
        (folder_of("lcm", scheduler={"_class_name": "LCMScheduler"}), "a student, its scheduler is LCMScheduler"),
        (folder_of("flow", scheduler={"stochastic_sampling": True}), "a student, .* stochastic_sampling=True"),
        (folder_of("turbo", transformer={"is_turbo": True}), "a student, its network is a turbo model"),
    ):
        with pytest.raises(ValueError, match=told):
            config_class(teacher_dir=folder, **common)
    # Lengths that the pipeline does not make: a tenth of a second, at sizes of nothing.
    config_class = load_script("train_text_to_audio").TextToAudioConfig
    with pytest.raises(ValueError, match="text_gate is of AudioLCM alone: .*StableAudioPipeline, got 0.1"):
        config_class(pipeline_dir=str(teachers["stable_audio"]), text_gate=0.1, **common)
    with pytest.raises(ValueError, match=r"at most 0.1 s, the longest sound of StableAudioPipeline, got '0.1,0.2'"):
        distil(teachers["stable_audio"], sounds, tmp_path / "long", durations_s="0.1,0.2")

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What diffusers' scripts for LCM distillation get or got wrong, each a test that our scripts do not: ten points from
reading them, numbered, and what their users reported, named by the issue.
"""

import ast
import dataclasses
import inspect
import json
import shutil
import traceback
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from accelerate.tracking import TensorBoardTracker
from diffusers import DiffusionPipeline
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from script_runs import (
    TEXT_ENCODER,
    TRANSFORMER,
    VOCODER,
    WatchedRun,
    cache,
    distil,
    distil_on_two_processes,
    distillation_options,
    forbid,
    load_script,
    run_script,
    watch,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from transformers import T5EncoderModel

from audiolcm_diffusers import (
    AudioLCMPipeline,
    AutoencoderKLMel1D,
    LCMAudioScheduler,
    LLaMATransformer1DModel,
    trainer,
)
from audiolcm_diffusers.trainer import TrainingRun, parse_config


CONFIG_CLASSES = {
    "train_autoencoder": "AutoencoderConfig",
    "train_vocoder": "VocoderConfig",
    "train_text_to_audio": "TextToAudioConfig",
    "train_audiolcm_distill": "DistillationConfig",
    "cache_latents": "CacheConfig",
    "export_pipeline": "ExportConfig",
}
SHORT = {"durations_s": "0.256", "duration_shares": "1", "seconds_per_batch": 0.512, "max_train_steps": 2}


def distil_briefly(trained, data_dir, output_dir, prepare, **options):
    """A run of two steps on batches of two examples; `prepare` as in [`run_script`]."""
    options = {**distillation_options(trained, data_dir, output_dir), **SHORT, **options}
    run_script("train_audiolcm_distill", "DistillationConfig", prepare=prepare, **options)


def before_the_loss(look):
    """For `prepare`: let `look(student, target, teacher)` see the networks before each loss is computed."""

    def prepare(script):
        compute = script.distillation_loss

        def distillation_loss(student, target, teacher, *args, **kwargs):
            look(student, target, teacher)
            return compute(student, target, teacher, *args, **kwargs)

        script.distillation_loss = distillation_loss

    return prepare


@pytest.fixture(scope="module")
def pair(trained, data_dir, tmp_path_factory):
    """
    Four steps on two processes, with a checkpoint after the second, and the last two again from there: the folder with
    `whole` and `resumed`, and the notes of both ranks on both.
    """
    folder = tmp_path_factory.mktemp("pair")
    whole = {
        **distillation_options(trained, data_dir, folder / "whole"),
        **SHORT,
        "max_train_steps": 4,
        "warmup_steps": 2,
        "checkpointing_steps": 2,
        "ema_decay": 0.5,
    }
    resumed = {
        **whole,
        "output_dir": folder / "resumed",
        "resume_from_checkpoint": folder / "whole/checkpoint-2",
    }
    return folder, distil_on_two_processes(folder, whole, resumed)


def test_1_validation_reaches_every_tracker_with_its_step(trained, data_dir, tmp_path):
    """Point 1: validation returns after the first tracker, and no step is logged."""

    class TwiceTrackedRun(TrainingRun):
        def __init__(self, config):
            super().__init__(config)
            self.accelerator.trackers.append(TensorBoardTracker("second", tmp_path))
            self.accelerator.trackers[-1].start()

    def prepare(script):
        script.TrainingRun = TwiceTrackedRun

    options = {"validation_steps": 1, "validation_prompts": "a tone;a noise", "report_to": "tensorboard"}
    distil_briefly(trained, data_dir, tmp_path / "run", prepare, **options)
    for folder in (tmp_path / "run/audiolcm", tmp_path / "second"):
        events = EventAccumulator(str(folder)).Reload()
        shown = [events.Audio("a tone"), events.Audio("a noise"), events.Images("mels"), events.Scalars("loss")]
        assert [[event.step for event in events] for events in shown] == [[1, 2]] * 4


@pytest.fixture
def accelerator_of_its_own():
    """accelerate keeps one precision a process: for the test, and after it, it is to be chosen anew."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.mark.usefixtures("accelerator_of_its_own")
@pytest.mark.parametrize(("mixed_precision", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_2_teacher_student_and_target_compute_in_the_dtype_asked_for(
    trained, data_dir, tmp_path, mixed_precision, dtype
):
    """Point 2: the teacher runs under autocast without a dtype, and so in another than was asked for."""
    dtypes = {"student": set(), "target": set(), "teacher": set()}
    watched = []

    def look(*networks):
        if not watched:
            for seen, network in zip(dtypes.values(), networks):
                layers = [part for part in network.transformer_blocks.modules() if isinstance(part, torch.nn.Linear)]
                watched.extend(layers)
                for layer in layers:
                    layer.register_forward_hook(lambda layer, args, output, seen=seen: seen.add(output.dtype))

    distil_briefly(trained, data_dir, tmp_path / "run", before_the_loss(look), mixed_precision=mixed_precision)
    assert dtypes == {"student": {dtype}, "target": {dtype}, "teacher": {dtype}}
    # What is averaged and saved stays in float32.
    weights = load_file(tmp_path / "run/model/transformer/diffusion_pytorch_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_3_the_learning_rate_counts_steps_whatever_the_number_of_processes(pair, trained, data_dir, tmp_path):
    """Point 3: warm-up and total are not multiplied by the number of processes, by which the schedule is advanced."""
    folder, _ = pair
    accumulated = {**SHORT, "max_train_steps": 4, "warmup_steps": 2, "gradient_accumulation_steps": 2}
    # Two steps of warm-up from 0, then half a cosine over the other two: 0, 1/2, 1, (1 + cos(pi / 2)) / 2.
    assert distil(trained, data_dir, tmp_path / "run", **accumulated)[2] == [0.0, 0.0005, 0.001, 0.0005]
    for name, rates in (("whole", [0.0, 0.0005, 0.001, 0.0005]), ("resumed", [0.001, 0.0005])):
        lines = [json.loads(line) for line in (folder / name / "log.jsonl").read_text().splitlines()]
        assert [line["lr"] for line in lines] == rates


def names_read(tree, owners):
    """Attributes that a syntax tree reads of what is named so, in dots; by name too where `getattr` reads them."""
    read = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in owners:
            read.add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            owner, name = node.args[:2]
            if ast.unparse(owner) in owners and isinstance(name, ast.Constant):
                read.add(name.value)
    return read


def reached_from(script):
    """Syntax trees of what a script consists of, and of the functions and classes of `trainer` that it uses."""
    modules = [ast.parse(path.read_text()) for path in Path(trainer.__file__).parent.glob("*.py")]
    shared = {node.name: node for module in modules for node in module.body if hasattr(node, "name")}
    reached = ahead = ast.parse(inspect.getsource(script)).body
    while ahead:
        names = {name.id for node in ahead for name in ast.walk(node) if isinstance(name, ast.Name)}
        ahead = [shared.pop(name) for name in names & shared.keys()]
        reached = [*reached, *ahead]
    return reached


def reads_of_options(script, config_class):
    """
    What a script and the part of `trainer` that it uses read of its options. To check an option is not to use it:
    `__post_init__` and the methods that it calls do not count.
    """
    names = {each.__name__ for each in config_class.__mro__}
    read = set()
    for node in reached_from(script):
        if not isinstance(node, ast.ClassDef):
            read |= names_read(node, {"config"})
        elif node.name in names:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith(("__post_init__", "check_")):
                    read |= names_read(method, {"self"})
        elif node.name == "TrainingRun":
            read |= names_read(node, {"self.config", "config"})
    return read


@pytest.mark.parametrize("name", CONFIG_CLASSES)
def test_4_every_option_is_used(name):
    """Point 4: options are parsed and ignored, as `--scale_lr` and `--proportion_empty_prompts` are."""
    script = load_script(name)
    config_class = getattr(script, CONFIG_CLASSES[name])
    options = {field.name for field in dataclasses.fields(config_class)}
    assert options - reads_of_options(script, config_class) == set()
    # The check finds an option that nobody reads.
    more = dataclasses.make_dataclass("More", [("scale_lr", bool, False)], bases=(config_class,), frozen=True)
    fields = {field.name for field in dataclasses.fields(more)}
    assert fields - reads_of_options(script, more) == {"scale_lr"}


def test_5_a_checkpoint_brings_back_the_random_state_of_every_rank(pair):
    """Point 5: `save_state` runs on the main process alone, and the others' random states are lost."""
    _, ranks = pair
    for whole, resumed in ranks:
        assert list(whole["global_draws"]) == [1, 2, 3, 4]
        assert resumed["global_draws"] == {step: whole["global_draws"][step] for step in (3, 4)}


def test_6_ranks_draw_different_noise(pair):
    """Point 6: ranks are seeded alike and draw the same noise."""
    _, ranks = pair
    for kind in ("draws", "global_draws"):
        drawn = [value for whole, _ in ranks for values in whole[kind].values() for value in values]
        # Two ranks in four steps: two examples each, and a number of each rank's own state.
        assert len(drawn) == (16 if kind == "draws" else 8)
        assert len(set(drawn)) == len(drawn)


def test_7_a_resumed_run_goes_on_in_the_data_and_passes_over_other_folders(trained, data_dir, tmp_path):
    """Point 7: a resumed run begins again with the first batches, and crashes on a folder `checkpoint-final`."""
    notes = []
    options = {"max_train_steps": 4, "checkpointing_steps": 2}
    distil_briefly(trained, data_dir, tmp_path / "whole", watch(notes), **options)
    shutil.copytree(tmp_path / "whole/checkpoint-2", tmp_path / "run/checkpoint-2")
    (tmp_path / "run/checkpoint-final").mkdir()
    options |= {"resume_from_checkpoint": "latest", "checkpoints_total_limit": 1}
    distil_briefly(trained, data_dir, tmp_path / "run", watch(notes), **options)
    whole, resumed = notes
    for kind in ("names", "draws"):
        assert resumed[kind] == {step: whole[kind][step] for step in (3, 4)}
    assert whole["draws"][1] != whole["draws"][3]
    # The limit counts checkpoints, and takes none for one that is not.
    kept = sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*"))
    assert kept == ["checkpoint-4", "checkpoint-final"]


class DeviceWatch(TorchFunctionMode):
    """
    Finds where the host would wait for the device, on a machine that has none.

    Parameters, what is sent somewhere with `.to(device)` and all that is computed from these count as the device's. To
    read their values, or to choose by them where there are elements, is to wait for what computes them.
    """

    READS = {
        "item",
        "tolist",
        "numpy",
        "cpu",
        "nonzero",
        "is_nonzero",
        "equal",
        "allclose",
        "masked_select",
        "__bool__",
        "__float__",
        "__int__",
        "__index__",
        "__contains__",
        "__array__",
    }

    def __init__(self):
        super().__init__()
        self.watching, self.waits = False, []

    @staticmethod
    def _on_device(value):
        return isinstance(value, torch.nn.Parameter) or getattr(value, "on_device", False)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = list(tree_iter((args, kwargs)))
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        on_device = [tensor for tensor in tensors if self._on_device(tensor)]
        sent = function is torch.Tensor.to and any(isinstance(value, torch.device) for value in given)
        name = getattr(function, "__name__", "")
        chooses = name in ("__getitem__", "__setitem__") and any(
            tensor.dtype == torch.bool for tensor in on_device if tensor is not args[0]
        )
        if self.watching and on_device and (name in self.READS or chooses):
            calls = traceback.format_list(traceback.extract_stack(limit=6)[:-1])
            self.waits.append(f"{name} called by\n{''.join(calls)}")
        output = function(*args, **kwargs)
        if on_device or sent:
            for value in tree_iter(output):
                if isinstance(value, torch.Tensor):
                    value.on_device = True
        return output


SCRIPT_OPTIONS = {
    "train_autoencoder": {"crop_frames": 16, "channels": 128, "latent_channels": 4, "batch_size": 2},
    "train_vocoder": {"vocoder_config": json.dumps(VOCODER), "crop_frames": 16, "context_frames": 4, "batch_size": 2},
    "train_text_to_audio": {
        "vocab_size": 120,
        "transformer_config": json.dumps(TRANSFORMER),
        "text_encoder_config": json.dumps(TEXT_ENCODER),
        "snr_gamma": 5.0,
        **SHORT,
    },
    "train_audiolcm_distill": SHORT,
}


@pytest.mark.parametrize("name", SCRIPT_OPTIONS)
def test_8_no_step_between_two_lines_of_the_log_waits_for_the_device(trained, data_dir, tmp_path, name):
    """Point 8: `loss.item()` in every micro-step."""
    device = DeviceWatch()

    class Run(WatchedRun):
        def example_generators(self, batch_size):
            # From the first batch of the second step to the last one before the log's first line, after the fourth.
            device.watching = self.step in (1, 2)
            return super().example_generators(batch_size)

    def prepare(script):
        script.TrainingRun = Run

    options = {
        **SCRIPT_OPTIONS[name],
        "data_dir": data_dir,
        "output_dir": tmp_path / "run",
        "max_train_steps": 4,
        "logging_steps": 4,
        "gradient_accumulation_steps": 2,
    }
    if name in ("train_autoencoder", "train_vocoder"):
        options["discriminator_start"] = 1
    if name in ("train_vocoder", "train_text_to_audio"):
        options["vae_dir"] = trained / "vae/model"
    if name == "train_audiolcm_distill":
        options["teacher_dir"] = trained / "teacher/model"
        options["vocoder_dir"] = trained / "vocoder/model"
    with device:
        run_script(name, CONFIG_CLASSES[name], prepare=prepare, **options)
    assert device.waits == []


def test_8_the_check_for_waiting_finds_a_loss_that_is_read():
    with DeviceWatch() as device:
        device.watching = True
        on_host = torch.arange(3)
        assert int(on_host.sum()) == 3 and bool(on_host[on_host > 1].any())
        assert device.waits == []
        loss = (torch.nn.Linear(3, 1)(on_host.float()) - 1).square().mean().detach()
        for read in (loss.item, loss.tolist, lambda: float(loss), lambda: bool(loss > 1), lambda: on_host[loss > 1]):
            device.waits.clear()
            read()
            assert len(device.waits) == 1
        device.waits.clear()
        steps = on_host.to(torch.device("cpu"))
        assert (steps > 1).any() and len(device.waits) == 1


class OperationCount(TorchDispatchMode):
    """Counts what PyTorch is asked to compute, by name."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.removeprefix("aten::")
        self.counts[name] = self.counts.get(name, 0) + 1
        return function(*args, **(kwargs or {}))


def test_9_the_teacher_runs_once_a_solver_step_and_nothing_runs_that_is_cached(
    trained, data_dir, tmp_path, monkeypatch
):
    """Point 9: the teacher runs for each caption apart; autoencoder and text encoders run in the loop."""
    folder = cache(trained, data_dir, tmp_path / "cache", pipeline_dir=trained / "teacher/model")
    forbid(monkeypatch, (AutoencoderKLMel1D, "encode"), (T5EncoderModel, "forward"))
    calls, watched = {"student": [], "target": [], "teacher": []}, []

    def look(*networks):
        if not watched:
            watched.extend(networks)
            for sizes, network in zip(calls.values(), networks):
                network.register_forward_hook(lambda network, args, output, sizes=sizes: sizes.append(len(args[0])))

    options = {
        **distillation_options(trained, data_dir, tmp_path / "run"),
        **SHORT,
        "cache_dir": folder,
        "num_solver_steps": 3,
        "gradient_accumulation_steps": 2,
    }
    for name in ("data_dir", "durations_s", "duration_shares"):
        del options[name]
    run_script("train_audiolcm_distill", "DistillationConfig", prepare=before_the_loss(look), **options)
    # Two steps of two batches with two examples; the teacher takes three solver steps, with caption and without.
    assert calls == {"student": [2] * 4, "target": [2] * 4, "teacher": [4] * 12}


def test_9_averages_move_in_one_call_whatever_the_number_of_parameters(trained, data_dir, tmp_path):
    """Point 9: a Python loop over parameters moves the averages."""
    operations = OperationCount()

    class Run(TrainingRun):
        def after_step(self, names=(), **values):
            with operations:
                super().after_step(names, **values)

    def prepare(script):
        script.TrainingRun = Run

    distil_briefly(trained, data_dir, tmp_path / "run", prepare, logging_steps=9, report_to="none")
    assert operations.counts["_foreach_lerp_"] == 4  # target and averaged weights, in two steps
    assert not {"lerp_", "mul_", "add_", "copy_"} & operations.counts.keys()


def test_10_the_output_is_a_whole_pipeline(trained):
    """Point 10: what is saved are folders of networks, without scheduler, index or card."""
    folder = trained / "student/model"
    pipe = DiffusionPipeline.from_pretrained(folder)
    assert isinstance(pipe, AudioLCMPipeline) and isinstance(pipe.scheduler, LCMAudioScheduler)
    index = json.loads((folder / "model_index.json").read_text())
    assert index["transformer"] == ["audiolcm_diffusers", "LLaMATransformer1DModel"]
    parts = {name for name, part in index.items() if isinstance(part, list) and part[0] is not None}
    assert parts == {"vae", "text_encoder_2", "tokenizer_2", "transformer", "scheduler", "vocoder"}
    assert parts | {"README.md", "model_index.json", "samples"} == {path.name for path in folder.iterdir()}
    assert ModelCard.load(folder / "README.md").data.library_name == "diffusers"


def test_issue_6278_the_guidance_embedding_is_found_under_the_wrapper_of_several_processes(pair):
    """
    huggingface/diffusers#6278, mended by #6279: "'DistributedDataParallel' object has no attribute 'config'", where
    the width of the guidance embedding was asked of the wrapped student.
    """
    folder, ranks = pair
    assert {notes["wrapped"] for runs in ranks for notes in runs} == {"DistributedDataParallel"}
    student = LLaMATransformer1DModel.from_pretrained(folder / "whole/model", subfolder="transformer")
    assert student.config.time_cond_proj_dim == 256
    assert student.time_embedding.cond_proj.weight.abs().max() > 0


@pytest.mark.parametrize("guidance_embedding_dim", [32, 256])
def test_issue_6518_the_student_of_a_teacher_without_guidance_embedding_has_one(
    trained, data_dir, tmp_path, guidance_embedding_dim
):
    """
    huggingface/diffusers#6518, mended by #6523: the width that was asked for did not reach the student, whose teacher
    has none. Ours has it in its network, its configuration and after loading.
    """
    teacher = json.loads((trained / "teacher/model/transformer/config.json").read_text())
    assert teacher["time_cond_proj_dim"] is None
    options = {"guidance_embedding_dim": guidance_embedding_dim, "max_train_steps": 3, "ema_decay": 0.5}
    distil_briefly(trained, data_dir, tmp_path / "run", lambda script: None, **options)
    pipe = AudioLCMPipeline.from_pretrained(tmp_path / "run/model")
    embedding = pipe.transformer.time_embedding.cond_proj.weight
    assert pipe.is_student and pipe.transformer.config.time_cond_proj_dim == guidance_embedding_dim
    assert embedding.shape[1] == guidance_embedding_dim
    # It starts at zero: it has been trained, saved and loaded.
    saved = load_file(tmp_path / "run/model/transformer/diffusion_pytorch_model.safetensors")
    assert torch.equal(saved["time_embedding.cond_proj.weight"], embedding) and embedding.abs().max() > 0


@pytest.mark.parametrize("goes_on", [False, True])
def test_issue_6790_the_target_starts_as_the_student(trained, data_dir, tmp_path, goes_on):
    """
    huggingface/diffusers#6790, mended by #6848: the target was made from the teacher's configuration, without the
    guidance embedding of the student whose weights it is to hold.
    """
    starts = []

    def look(student, target, teacher):
        weights = [{name: weight.clone() for name, weight in part.state_dict().items()} for part in (student, target)]
        starts.append((*weights, teacher.state_dict()))

    options = {"student_dir": trained / "student/model"} if goes_on else {}
    distil_briefly(trained, data_dir, tmp_path / "run", before_the_loss(look), max_train_steps=3, **options)
    student, target, teacher = starts[0]
    assert target.keys() == student.keys() == teacher.keys() | {"time_embedding.cond_proj.weight"}
    assert all(torch.equal(weight, student[name]) for name, weight in target.items())
    # The student is its teacher with an embedding that says nothing yet, or the one that was to go on.
    as_teacher = [torch.equal(weight, student[name]) for name, weight in teacher.items()]
    assert all(as_teacher) != goes_on and bool(student["time_embedding.cond_proj.weight"].any()) == goes_on
    # The first step has a learning rate of 0; from the second on the target stays behind.
    student, target, _ = starts[2]
    assert not any(torch.equal(weight, student[name]) for name, weight in target.items() if weight.ndim > 1)


@pytest.mark.parametrize("name", CONFIG_CLASSES)
def test_issue_5829_every_option_that_a_script_reads_is_one(name):
    """
    huggingface/diffusers#5829, told in #5796 as well: a script read an option, the width of the guidance embedding,
    that its parser did not have, and so never ran.
    """
    script = load_script(name)
    config_class = getattr(script, CONFIG_CLASSES[name])
    known = {field.name for field in dataclasses.fields(config_class)} | set(dir(config_class))
    functions = [node for node in ast.parse(inspect.getsource(script)).body if isinstance(node, ast.FunctionDef)]
    assert set().union(*(names_read(function, {"config"}) for function in functions)) - known == set()
    with pytest.raises(SystemExit) as stop:
        parse_config(config_class, ["--help"])
    assert stop.value.code == 0


def test_issue_5815_timesteps_spread_evenly_over_the_whole_range(trained):
    """
    huggingface/diffusers#5815: 26 of 50 timesteps were the highest 26, 999 to 499, where 25 reached from 999 to 39.
    """
    scheduler = LCMAudioScheduler.from_pretrained(trained / "student/model", subfolder="scheduler")
    for num_inference_steps in range(1, 51):
        scheduler.set_timesteps(num_inference_steps)
        timesteps = scheduler.timesteps
        assert len(timesteps) == num_inference_steps and timesteps[0] == 999
        # Of the 50 points 20 apart, neighbours are the quotient apart, rounded down or up; so is the end from -1.
        skips = -torch.diff(timesteps, append=torch.tensor([-1])) / 20
        assert set(skips.tolist()) <= {50 // num_inference_steps, -(-50 // num_inference_steps)}
    scheduler.set_timesteps(26)
    assert scheduler.timesteps[-1] == 39

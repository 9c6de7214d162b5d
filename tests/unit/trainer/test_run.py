# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import importlib.util
import json
import os
import re
import signal

import pytest
import torch
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin
from huggingface_hub import ModelCard
from script_runs import load_script

from audiolcm_diffusers.data.captions import Example
from audiolcm_diffusers.data.hub_dataset import HubDataset
from audiolcm_diffusers.trainer.run import (
    CaptionedRunConfig,
    RunConfig,
    TrainingRun,
    check_sharding,
    checkpoint_names,
    checkpoints_to_remove,
    parse_config,
    prompt_of,
    save_folder,
    tokenize_prompts,
)


def options(tmp_path, **values):
    return RunConfig(**{"data_dir": "data", "output_dir": str(tmp_path / "run"), "logging_steps": 1, **values})


def train(config, after=lambda run: None):
    """Three numbers that run after random targets: everything that a checkpoint has to bring back takes part."""
    run = TrainingRun(config)
    model = torch.nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    optimizer = run.optimizer(model.parameters())
    averaged = run.averaged(model)
    model, optimizer = run.accelerator.prepare(model, optimizer)
    run.resume()
    while run.step < config.max_train_steps:
        target = torch.randn(3, generator=run.step_generator())
        loss = (model.weight - target).square().mean()
        run.accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        run.after_step(loss=loss)
        after(run)
    return model.weight.detach(), averaged.weight


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"data_dir": None}, "Expected one of data_dir, dataset_name, got none of them"),
        ({"dataset_name": "owner/sounds"}, "got data_dir='data', dataset_name='owner/sounds'"),
        ({"streaming": True}, "streaming=True goes with dataset_name; data_dir has none"),
        ({"dataset_config_name": "large"}, "dataset_config_name='large'"),
        ({"dataset_split": "test"}, "dataset_split='test'"),
        ({"audio_column": "sound"}, "audio_column='sound'"),
        ({"caption_column": "text"}, "caption_column='text'"),
        ({"max_clips": 0}, "max_clips >= 1, got 0"),
        ({"resampler": "sinc"}, "scipy, soxr, got 'sinc'"),
    ],
)
def test_data_that_are_not_clearly_named_are_refused(tmp_path, values, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        options(tmp_path, **values)


def test_options_name_a_dataset(tmp_path):
    assert options(tmp_path).data == "data"
    flags = "--output_dir o --dataset_name owner/sounds --dataset_config_name large --dataset_split train[:9] "
    flags += "--streaming --audio_column sound --caption_column caption_1 --max_clips 9"
    config = parse_config(RunConfig, flags.split())
    assert config.data == HubDataset("owner/sounds", "large", "train[:9]", True, "sound", "caption_1")
    assert config.max_clips == 9


def test_the_card_names_the_dataset_and_no_folder_of_the_machine(tmp_path):
    run = TrainingRun(options(tmp_path, data_dir=None, dataset_name="owner/sounds"))
    card = run.model_card("load(it)", {"base_model": "owner/base"}, ["lora"], with_samples=False)
    assert ModelCard(card).data.datasets == ["owner/sounds"]
    assert ModelCard(card).data.base_model == "owner/base" and "lora" in ModelCard(card).data.tags
    assert "```python\nload(it)\n```" in card
    assert "on `owner/sounds` for 0 steps" in card and "| dataset_name | owner/sounds |" in card

    (tmp_path / "sounds").mkdir()
    run = TrainingRun(options(tmp_path / "other", data_dir=None, dataset_name=str(tmp_path / "sounds")))
    card = run.model_card("load(it)", {"base_model": "owner/base"}, ["lora"], with_samples=False)
    assert ModelCard(card).data.datasets is None
    assert "on `sounds` for 0 steps" in card and str(tmp_path) not in card


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path):
    weight, averaged = train(options(tmp_path, max_train_steps=6, checkpointing_steps=2, checkpoints_total_limit=9))
    resumed, resumed_averaged = train(
        options(tmp_path, max_train_steps=6, resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    )
    assert torch.equal(resumed, weight) and torch.equal(resumed_averaged, averaged)
    assert not torch.equal(averaged, weight)


def test_the_log_tells_rates_and_speed(tmp_path):
    # Two steps of warm-up from 0, then half a cosine over the other two: 0, 1/2, 1, (1 + cos(pi / 2)) / 2.
    train(options(tmp_path, max_train_steps=4, warmup_steps=2, learning_rate=0.1))
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == [0.0, 0.05, 0.1, 0.05]
    assert "eta_s" not in lines[0] and lines[-1]["eta_s"] == 0 and lines[-1]["steps_per_s"] > 0


def test_latest_is_the_highest_step_and_old_checkpoints_go(tmp_path):
    train(options(tmp_path, max_train_steps=12, checkpointing_steps=2, checkpoints_total_limit=2))
    assert sorted(checkpoint_names(tmp_path / "run")) == ["checkpoint-10", "checkpoint-12"]
    config = options(tmp_path, max_train_steps=13, resume_from_checkpoint="latest")
    train(config)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [*range(1, 13), 13]


def test_latest_without_a_checkpoint_starts_anew(tmp_path):
    train(options(tmp_path, max_train_steps=1, resume_from_checkpoint="latest"))
    assert (tmp_path / "run" / "checkpoint-1").is_dir()


def test_a_folder_with_another_run_is_refused(tmp_path):
    train(options(tmp_path, max_train_steps=2))
    with pytest.raises(
        ValueError, match="no other run, got .*run' with checkpoint-2.*--resume_from_checkpoint latest"
    ):
        TrainingRun(options(tmp_path))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["max_train_steps"] == 2


def test_a_loss_that_is_not_finite_names_its_clips_and_keeps_the_last_checkpoint(tmp_path):
    run = TrainingRun(options(tmp_path, max_train_steps=9, checkpointing_steps=3, logging_steps=4))
    for _ in range(4):
        run.after_step(names=["good.wav"], loss=torch.tensor(1.0))
    run.after_step(names=["bad.wav", "loud.wav"], loss=torch.tensor(float("nan")))
    with pytest.raises(FloatingPointError, match="step 5 is nan. The batch: bad.wav, loud.wav. .* checkpoint-3"):
        run.after_step(names=["good.wav"], loss=torch.tensor(1.0))
    assert checkpoint_names(tmp_path / "run") == ["checkpoint-3"]


def test_sigterm_saves_and_the_run_goes_on_from_there(tmp_path):
    weight, averaged = train(options(tmp_path / "whole", max_train_steps=6))

    def terminate(run):
        if run.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        train(options(tmp_path, max_train_steps=6), after=terminate)
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == handler
    assert checkpoint_names(tmp_path / "run") == ["checkpoint-3"]
    resumed, resumed_averaged = train(options(tmp_path, max_train_steps=6, resume_from_checkpoint="latest"))
    assert torch.equal(resumed, weight) and torch.equal(resumed_averaged, averaged)


def test_a_run_stopped_before_its_first_checkpoint_starts_anew(tmp_path):
    (tmp_path / "run" / "checkpoint-final").mkdir(parents=True)
    (tmp_path / "run" / "log.jsonl").write_text('{"loss": 7.0, "step": 1}\n{"loss": 7.0, "st')
    train(options(tmp_path, max_train_steps=2, resume_from_checkpoint="latest"))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 2] and log[0]["loss"] != 7.0


@pytest.mark.parametrize("name", ["checkpoint-4", "checkpoint-final"])
def test_a_checkpoint_that_is_none_is_quoted(tmp_path, name):
    (tmp_path / "run" / "checkpoint-final").mkdir(parents=True)
    with pytest.raises(ValueError, match=f"got .*{name}"):
        train(options(tmp_path, resume_from_checkpoint=str(tmp_path / "run" / name)))


def test_checkpoints_to_remove_counts_by_number():
    names = ["checkpoint-900", "checkpoint-1000", "checkpoint-50"]
    assert checkpoints_to_remove(names, 2) == ["checkpoint-50"]
    assert checkpoints_to_remove(names, 3) == []


def test_a_failed_save_leaves_the_old_folder(tmp_path):
    save_folder(lambda path: (path / "weights").write_text("old"), tmp_path / "model")

    def fail(path):
        (path / "weights").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        save_folder(fail, tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "old"
    save_folder(lambda path: (path / "weights").write_text("new"), tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_draws_of_a_step_depend_on_seed_and_step_alone(tmp_path):
    def draws(seed, step):
        run = TrainingRun(options(tmp_path, seed=seed))
        run.step = step
        return torch.randn(4, generator=run.step_generator())

    assert torch.equal(draws(1, 5), draws(1, 5))
    assert not torch.equal(draws(1, 5), draws(1, 6)) and not torch.equal(draws(1, 5), draws(2, 5))


def test_the_average_follows_its_own_rate(tmp_path):
    run = TrainingRun(options(tmp_path, max_train_steps=9))
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    average = run.averaged(model, decay=0.75)
    with torch.no_grad():
        model.weight.fill_(1.0)
    run.after_step()
    assert average.weight.item() == 0.25


@pytest.mark.parametrize(
    ("name", "value"), [("max_train_steps", 0), ("logging_steps", -1), ("ema_decay", 1.5), ("learning_rate", 0.0)]
)
def test_impossible_options_are_quoted(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name}.*got {value}"):
        options(tmp_path, **{name: value})


def test_trackers_are_known_and_installed(tmp_path):
    with pytest.raises(ValueError, match="tensorboard, wandb or none, got 'tensorboard,mlfow'"):
        options(tmp_path, report_to="tensorboard,mlfow")
    if importlib.util.find_spec("wandb") is None:
        with pytest.raises(ValueError, match="wandb is not installed: `pip install wandb`"):
            options(tmp_path, report_to="wandb")


def test_without_trackers_there_is_the_log_alone(tmp_path):
    train(options(tmp_path, max_train_steps=1, report_to="none"))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["checkpoint-1", "config.json", "log.jsonl"]


def test_impossible_shares_are_quoted():
    with pytest.raises(ValueError, match="mixture_share <= 1, got 1.5"):
        CaptionedRunConfig(data_dir="data", output_dir="run", mixture_share=1.5)


def test_options_come_from_flags():
    config = parse_config(RunConfig, ["--data_dir", "d", "--output_dir", "o", "--learning_rate", "0.5"])
    assert (config.data_dir, config.learning_rate, config.max_train_steps) == ("d", 0.5, 10000)


def test_options_come_from_yaml_and_flags_win(tmp_path):
    (tmp_path / "run.yaml").write_text("data_dir: d\noutput_dir: o\nlearning_rate: 1e-4\nseed: 3\nhub_model_id:\n")
    config = parse_config(RunConfig, [str(tmp_path / "run.yaml"), "--seed", "4"])
    assert (config.data_dir, config.learning_rate, config.seed, config.hub_model_id) == ("d", 1e-4, 4, None)
    (tmp_path / "run.yaml").write_text("- data_dir")
    with pytest.raises(ValueError, match="object of options, got list"):
        parse_config(RunConfig, [str(tmp_path / "run.yaml")])
    with pytest.raises(ValueError, match="no file of options 'lost.json'"):
        parse_config(RunConfig, ["lost.json"])


def test_examples_are_read_as_the_pipeline_reads_prompts(make_tokenizer):
    tokenizer = make_tokenizer(model_max_length=24)
    waveform = torch.zeros(1)
    examples = [
        Example(waveform, "rain"),
        Example(waveform, "a and b", (("a", "start"), ("b", "end"))),
        Example(waveform, ""),
    ]
    input_ids = tokenize_prompts(tokenizer, [prompt_of(example) for example in examples])
    assert input_ids.shape == (3, 24)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in input_ids]
    assert texts == ["<rain& all>", "<a& start>@<b& end>", ""]


def test_tokens_are_cut_as_their_generator_says():
    tokenizer = load_script("train_text_to_audio").train_tokenizer(["a dog barking"] * 4, 200, 32)
    whole = tokenize_prompts(tokenizer, ["a dog barking", ""])
    numbers = {seed: torch.Generator().manual_seed(seed) for seed in range(20)}
    cut = tokenize_prompts(tokenizer, ["a dog barking"] * 20, 0.5, list(numbers.values()))
    lengths = (cut != tokenizer.pad_token_id).sum(dim=1)
    assert cut.shape == (20, 32) and len(set(lengths.tolist())) > 2 and int(lengths.min()) <= int((whole[0] > 0).sum())
    # The same text in other pieces, ended in the same way.
    text = tokenizer.decode(whole[0], skip_special_tokens=True)
    assert {tokenizer.decode(ids, skip_special_tokens=True) for ids in cut} == {text}
    assert all(ids[length - 1] == tokenizer.eos_token_id for ids, length in zip(cut, lengths))
    again = tokenize_prompts(tokenizer, ["a dog barking"], 0.5, [torch.Generator().manual_seed(7)])
    assert torch.equal(again[0], cut[7])
    # What is cut grows, and what no longer fits is left out; nothing is cut in nothing.
    long = tokenize_prompts(tokenizer, ["a dog barking " * 6, ""], 1.0, [numbers[0], numbers[1]])
    assert long.shape == (2, 32) and long[0, -1] == tokenizer.eos_token_id
    assert long[1].tolist() == whole[1].tolist()


@pytest.mark.parametrize(
    ("plugin", "values", "told"),
    [
        ({"fsdp_version": 1}, {}, "fsdp_version 2, got 1"),
        ({"activation_checkpointing": True}, {}, "fsdp_activation_checkpointing: false, got true"),
        ({"cpu_ram_efficient_loading": True}, {}, "fsdp_cpu_ram_efficient_loading: false, got true"),
        ({}, {"compile": True}, "compile=False under FSDP, got True"),
    ],
)
def test_what_fsdp_cannot_do_here_is_refused(tmp_path, monkeypatch, plugin, values, told):
    # The plugin sets it for transformers, to be put back after the test.
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "false")
    check_sharding(DistributedType.FSDP, FullyShardedDataParallelPlugin(fsdp_version=2), options(tmp_path))
    plugin = FullyShardedDataParallelPlugin(**{"fsdp_version": 2, **plugin})
    with pytest.raises(ValueError, match=told):
        check_sharding(DistributedType.FSDP, plugin, options(tmp_path, **values))


@pytest.mark.parametrize(
    ("plugin", "values", "told"),
    [
        ({"zero_stage": 3}, {}, "zero_stage 1 or 2, got 3"),
        ({}, {"mixed_precision": "bf16"}, "mixed_precision='no' under DEEPSPEED, got 'bf16'"),
        ({"gradient_accumulation_steps": 4}, {}, "gradient_accumulation_steps of .* auto or the script's 1, got 4"),
        ({"gradient_clipping": 0.5}, {"max_grad_norm": 2.0}, "gradient_clipping of .* the script's 2.0, got 0.5"),
    ],
)
def test_what_deepspeed_cannot_do_here_is_refused(tmp_path, plugin, values, told):
    check_sharding(DistributedType.DEEPSPEED, DeepSpeedPlugin(zero_stage=2), options(tmp_path))
    plugin = DeepSpeedPlugin(**{"zero_stage": 2, **plugin})
    with pytest.raises(ValueError, match=told):
        check_sharding(DistributedType.DEEPSPEED, plugin, options(tmp_path, **values))


def test_a_script_with_discriminators_does_not_shard(tmp_path):
    with pytest.raises(ValueError, match="does not run under FSDP"):
        check_sharding(DistributedType.FSDP, FullyShardedDataParallelPlugin(fsdp_version=2), options(tmp_path), True)


def test_fsdp_that_would_not_be_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="FSDP was asked for, .* this would be NO"):
        TrainingRun(options(tmp_path))


def test_accumulation_by_the_launcher_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    with pytest.raises(ValueError, match="got 4 from it and 1 as the option"):
        TrainingRun(options(tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_shards_is_not_mistaken_for_one(tmp_path):
    (tmp_path / "run" / "checkpoint-4" / "pytorch_model_fsdp_0").mkdir(parents=True)
    with pytest.raises(ValueError, match="saved without FSDP, got .*checkpoint-4"):
        train(options(tmp_path, resume_from_checkpoint="latest"))


def test_an_average_is_made_before_its_model_is_wrapped(tmp_path):
    run = TrainingRun(options(tmp_path))
    with pytest.raises(ValueError, match="before Accelerator.prepare, got DataParallel"):
        run.averaged(torch.nn.DataParallel(torch.nn.Linear(1, 1)))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from huggingface_hub import ModelCard

from audiolcm_diffusers import MINI_CHECKPOINT, MINI_TEACHER_CHECKPOINT, AutoencoderKLMel1D
from audiolcm_diffusers.trainer import CaptionedRunConfig
from audiolcm_diffusers.trainer.cards import (
    adapter_usage,
    losses_table,
    model_card,
    model_usage,
    settings_of,
    table_of,
)


def test_the_card_names_the_dataset_and_no_folder_of_the_machine(make_options, tmp_path):
    options = make_options(data_dir=None, dataset_name="owner/sounds")
    card = model_card(options, "run", 0, "load(it)", {"base_model": "owner/base"}, ["lora"])
    assert ModelCard(card).data.datasets == ["owner/sounds"]
    assert ModelCard(card).data.base_model == "owner/base" and "lora" in ModelCard(card).data.tags
    assert "```python\nload(it)\n```" in card
    assert "on `owner/sounds` for 0 steps" in card and "| dataset_name | owner/sounds |" in card

    (tmp_path / "sounds").mkdir()
    options = make_options(data_dir=None, dataset_name=str(tmp_path / "sounds"))
    card = model_card(options, "run", 0, "load(it)", {"base_model": "owner/base"}, ["lora"])
    assert ModelCard(card).data.datasets is None
    assert "on `sounds` for 0 steps" in card and str(tmp_path) not in card


def test_losses_and_samples_are_shown_where_there_are_some(make_options):
    card = model_card(make_options(), "owner/run", 4, "load(it)", {})
    assert "\n# owner/run\n" in card and "## Losses" not in card and "## Samples" not in card
    losses = [{"loss": 0.5, "step": 4, "lr": 0.1, "steps_per_s": 2.0}]
    card = model_card(make_options(), "owner/run", 4, "load(it)", {}, (), losses, ("rain", "a dog"))
    assert "| step | loss |\n| --- | --- |\n| 4 | 0.5 |" in card
    assert "- [rain](samples/00.wav)\n- [a dog](samples/01.wav)" in card


def test_settings_are_those_that_mattered(tmp_path):
    config = CaptionedRunConfig(cache_dir=str(tmp_path / "cache"), output_dir=str(tmp_path / "run"), max_gain_db=3.0)
    settings = settings_of(config)
    assert (settings["cache_dir"], settings["output_dir"], settings["seed"]) == ("cache", "run", 0)
    # The cache decided on examples, but for what is said again; there is no dataset to have columns.
    assert settings["max_gain_db"] == 3.0
    assert not {"durations_s", "mixture_share", "caption_column", "streaming", "data_dir"} & settings.keys()


def test_folders_are_named_without_where_they_lie(make_options):
    settings = settings_of(make_options(data_dir=["/home/me/sounds", "music"], excluded_licences=["none"]))
    assert (settings["data_dir"], settings["excluded_licences"]) == ("sounds, music", ["none"])


def test_of_many_lines_the_table_has_some_and_the_last():
    lines = [{"step": step, "lr": 0.1, "loss": step / 10} for step in range(1, 18)]
    rows = losses_table(lines).splitlines()
    # Of 17 every second, 1 to 17; of 18 the last besides.
    assert rows[:2] == ["| step | loss |", "| --- | --- |"] and len(rows) == 2 + 9 and rows[-1] == "| 17 | 1.7 |"
    rows = losses_table([*lines, {"step": 18, "late": 1.0}]).splitlines()
    assert rows[0] == "| step | late | loss |" and len(rows) == 2 + 10 and rows[-1] == "| 18 | 1.0 |  |"


def test_a_table_keeps_its_columns_whatever_stands_in_them():
    assert table_of(["a", "b"], [["x|y", None]]) == "| a | b |\n| --- | --- |\n| x\\|y | None |"


def test_the_code_that_loads_names_the_package_of_the_class():
    usage = model_usage(AutoencoderKLMel1D, "owner/vae")
    assert usage == (
        "from audiolcm_diffusers import AutoencoderKLMel1D\n\nmodel = AutoencoderKLMel1D.from_pretrained('owner/vae')"
    )


@pytest.mark.parametrize(
    ("base", "imported", "loaded"),
    [
        ("owner/teacher", "AudioLCMPipeline, LCMAudioScheduler\n\npipe", "'owner/teacher'"),
        (MINI_CHECKPOINT, "MINI_CHECKPOINT, AudioLCMPipeline, LCMAudioScheduler\n\npipe", "MINI_CHECKPOINT"),
        (MINI_TEACHER_CHECKPOINT, "MINI_TEACHER_CHECKPOINT, AudioLCMPipeline", "MINI_TEACHER_CHECKPOINT"),
    ],
)
def test_the_code_of_an_adapter_loads_its_base(base, imported, loaded):
    usage = adapter_usage(str(base), "owner/adapter", "play()")
    assert usage.startswith(f"from audiolcm_diffusers import {imported}")
    assert f"\npipe = AudioLCMPipeline.from_pretrained({loaded})\n" in usage
    assert usage.endswith("pipe.load_lora_weights('owner/adapter')\nplay()")


def test_a_folder_that_no_one_else_has_is_left_to_be_named(tmp_path):
    (tmp_path / "teacher/model").mkdir(parents=True)
    usage = adapter_usage(str(tmp_path / "teacher/model"), "owner/adapter", "play()")
    assert "# The pipeline that this was trained on, 'teacher/model' there" in usage
    assert '\nBASE = "..."\npipe = AudioLCMPipeline.from_pretrained(BASE)\n' in usage
    assert str(tmp_path) not in usage
    compile(usage, "card", "exec")

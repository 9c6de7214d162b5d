# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import importlib.util

import pytest

from audiolcm_diffusers.trainer import CaptionedRunConfig, CropRunConfig
from audiolcm_diffusers.trainer.run_options import trackers_named


@pytest.mark.parametrize(
    ("name", "value"), [("max_train_steps", 0), ("logging_steps", -1), ("ema_decay", 1.5), ("learning_rate", 0.0)]
)
def test_impossible_options_are_quoted(make_options, name, value):
    with pytest.raises(ValueError, match=f"{name}.*got {value}"):
        make_options(**{name: value})


def test_trackers_are_known_and_installed(make_options):
    with pytest.raises(ValueError, match="tensorboard, wandb or none, got 'tensorboard,mlfow'"):
        make_options(report_to="tensorboard,mlfow")
    if importlib.util.find_spec("wandb") is None:
        with pytest.raises(ValueError, match="wandb is not installed: `pip install wandb`"):
            make_options(report_to="wandb")


def test_several_trackers_or_none_are_named():
    assert trackers_named("none") == []
    assert trackers_named("tensorboard") == ["tensorboard"]


def test_impossible_shares_are_quoted():
    with pytest.raises(ValueError, match="mixture_share <= 1, got 1.5"):
        CaptionedRunConfig(data_dir="data", output_dir="run", mixture_share=1.5)


def test_a_batch_has_a_crop():
    with pytest.raises(ValueError, match="batch_size >= 1, got 0"):
        CropRunConfig(data_dir="data", output_dir="run", batch_size=0)


def test_a_cache_stands_in_for_data():
    config = CaptionedRunConfig(cache_dir="cache", output_dir="run")
    assert config.sources() == ("data_dir", "dataset_name", "cache_dir")
    with pytest.raises(ValueError, match="got data_dir='data', cache_dir='cache'"):
        CaptionedRunConfig(data_dir="data", cache_dir="cache", output_dir="run")
    with pytest.raises(ValueError, match="streaming=True goes with dataset_name; cache_dir has none"):
        CaptionedRunConfig(cache_dir="cache", output_dir="run", streaming=True)


def test_a_transformer_is_set_up_as_the_options_say(make_llama_transformer):
    transformer = make_llama_transformer()
    CaptionedRunConfig(data_dir="data", output_dir="run").set_up(transformer)
    assert not transformer.is_gradient_checkpointing
    CaptionedRunConfig(data_dir="data", output_dir="run", gradient_checkpointing=True).set_up(transformer)
    assert transformer.is_gradient_checkpointing

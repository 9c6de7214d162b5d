# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers.trainer import RunConfig, flags_of, parse_config


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


def test_flags_say_what_options_say():
    options = {"seed": 3, "compile": True, "hub_model_id": None, "transformer_config": {"num_layers": 2}}
    assert flags_of(options) == ["--seed", "3", "--compile", "True", "--transformer_config", '{"num_layers": 2}']
    assert flags_of({"data_dir": ["a", "b c"]}) == ["--data_dir", "a", "b c"]

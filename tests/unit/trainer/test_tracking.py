# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch

from audiolcm_diffusers.trainer.tracking import Losses, ProgressBar, Speed


def test_means_are_of_what_came_since_the_last_ones(accelerator):
    losses = Losses(accelerator)
    assert losses.means() == {}
    losses.add(1, ["a.wav"], {"loss": torch.tensor(1.0, requires_grad=True), "rare": 8})
    losses.add(1, ["b.wav"], {"loss": torch.tensor(2.0)})
    losses.add(2, (), {"loss": torch.tensor(6.0, dtype=torch.bfloat16)})
    # (1 + 2 + 6) / 3; what was there once is not divided by three.
    assert losses.means() == {"loss": 3.0, "rare": 8.0}
    assert losses.means() == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_bad_value_is_told_with_its_batch(accelerator, tmp_path, value):
    losses = Losses(accelerator)
    losses.add(4, ["good.wav"], {"loss": 1.0})
    losses.check_finite(tmp_path)
    losses.add(5, ["bad.wav", "loud.wav"], {"mel": 1.0, "kl": value})
    losses.add(6, ["worse.wav"], {"loss": math.nan})
    with pytest.raises(FloatingPointError, match=f"step 5 is {value}. The batch: bad.wav, loud.wav. There is no"):
        losses.check_finite(tmp_path)
    losses.check_finite(tmp_path)  # told once
    losses.add(7, (), {"loss": value})
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    with pytest.raises(FloatingPointError, match=f"step 7 is {value}. The last good checkpoint is checkpoint-10."):
        losses.check_finite(tmp_path)


def test_speed_counts_from_the_first_step_on():
    speed = Speed(max_train_steps=11, num_processes=2)
    speed.count(100)  # the first step, which compiles
    assert speed.after(1, now=50.0) == {"steps_per_s": 0.0, "samples_per_s": 0.0}
    for _ in range(2):
        speed.count(3)
    # Two steps and twice six examples in four seconds; eight steps are left at half a step a second.
    assert speed.after(3, now=54.0) == {"steps_per_s": 0.5, "samples_per_s": 3.0, "eta_s": 16}
    assert speed.after(11, now=58.0)["eta_s"] == 0


def test_a_run_that_goes_on_begins_its_speed_anew():
    speed = Speed(max_train_steps=104)
    speed.after(101, now=7.0)
    speed.count(4)
    assert speed.after(102, now=9.0) == {"steps_per_s": 0.5, "samples_per_s": 2.0, "eta_s": 4}


def test_a_file_shows_lines_and_no_bar(capsys):
    bar = ProgressBar(max_train_steps=5)
    bar.close()
    bar.move(3, {"loss": 0.5}, 1e-3, 2.0)
    bar.write('{"step": 3}')
    bar.close()
    told = capsys.readouterr()
    assert (told.out, told.err) == ('{"step": 3}\n', "")

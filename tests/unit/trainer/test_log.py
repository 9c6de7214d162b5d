# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import math

from audiolcm_diffusers.trainer.log import RunLog, log_line, step_of_line


def test_a_line_has_losses_of_five_digits_and_the_rate_of_six():
    line = log_line(3, {"loss": 0.1234567}, 0.00012345678, {"steps_per_s": 2.5})
    assert line == {"loss": 0.12346, "step": 3, "lr": 0.000123457, "steps_per_s": 2.5}


def test_half_a_line_is_of_no_step():
    assert step_of_line('{"loss": 7.0, "step": 4}') == 4
    assert [step_of_line(line) for line in ('{"loss": 7.0, "st', '{"loss": 7.0}', "4", "")] == [math.inf] * 4


def test_what_is_about_to_be_written_again_is_dropped(tmp_path):
    log = RunLog(tmp_path)
    log.forget_beyond(0)
    assert log.lines() == [] and not (tmp_path / "log.jsonl").exists()
    for step in range(1, 5):
        log.append({"step": step})
    with log.path.open("a") as file:
        file.write('{"step": 5, "lo')
    log.forget_beyond(2)
    assert log.lines() == [{"step": 1}, {"step": 2}] == RunLog(str(tmp_path)).lines()
    log.append({"step": 3})
    assert [line["step"] for line in log.lines()] == [1, 2, 3]

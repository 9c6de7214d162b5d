# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.benchmark.clock import Clock, Lap, median_ms, median_parts_ms, take_turns


def test_clock_tells_the_parts():
    clock = Clock(torch.device("cpu"), "processor")
    matrix = torch.ones(64, 64)
    start = clock.milliseconds()
    for name in ("one", "other", "one"):
        with clock.part(name):
            clock.timed("inner", torch.matmul)(matrix, matrix)
    total_ms, times = clock.milliseconds() - start, clock.read()
    assert set(times) == {"one", "other", "inner"}
    assert 0 < times["inner"] < times["one"] + times["other"] < total_ms
    assert clock.read() == {}


def test_a_lap_is_its_parts_and_what_they_leave():
    clock = Clock(torch.device("cpu"), "processor")
    matrix = torch.ones(64, 64)
    with clock.part("before"):
        pass

    def call(number):
        with clock.part("product"):
            matrix @ matrix
        sum(range(1000))
        return number

    lap = clock.lap(call, 3)
    assert lap.result == 3
    # What was marked before the call is not its part.
    assert set(lap.parts_ms) == {"product", "other"}
    assert min(lap.parts_ms.values()) > 0
    assert sum(lap.parts_ms.values()) == pytest.approx(lap.time_ms)


def test_calls_take_turns_with_what_was_prepared_for_the_round():
    order = []
    calls = {name: lambda given, name=name: order.append((name, given)) or given for name in ("one", "other")}
    laps = take_turns(Clock(torch.device("cpu")), calls, 3, prepare=lambda index: 10 * index)
    assert order == [("one", 0), ("other", 0), ("one", 10), ("other", 10), ("one", 20), ("other", 20)]
    assert {name: [lap.result for lap in timed] for name, timed in laps.items()} == {
        "one": [0, 10, 20],
        "other": [0, 10, 20],
    }


def test_preparing_is_not_timed():
    clock = Clock(torch.device("cpu"), "processor")
    prepare_ms = []

    def prepare(index):
        prepare_ms.append(clock.lap(lambda: sum(range(1_000_000))).time_ms)

    laps = take_turns(clock, {"nothing": lambda given: None}, 2, prepare)
    assert max(lap.time_ms for lap in laps["nothing"]) < min(prepare_ms)


def test_medians():
    laps = [Lap(None, 5.0, {"a": 1.0, "other": 4.0}), Lap(None, 90.0, {"a": 3.0, "other": 87.0}), Lap(None, 6.0, {})]
    assert median_ms(laps) == 6.0
    # 1, 3, 0 and 4, 87, 0; nobody has a "b".
    assert median_parts_ms(laps, ("b", "a", "other")) == {"b": 0.0, "a": 1.0, "other": 4.0}

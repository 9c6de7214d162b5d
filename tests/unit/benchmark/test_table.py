# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json

from audiolcm_diffusers.benchmark.table import Report, machine_line, markdown_table


class Speed(Report):
    def lines(self):
        return ["speed:", *markdown_table(["one", "other"], {"m/s": [str(value) for value in self.document["speed"]]})]


def test_report_for_people_and_for_programs():
    report = Speed({"speed": [1.5, 2]})
    assert str(report) == "speed:\n| | one | other |\n|---|---|---|\n| m/s | 1.5 | 2 |"
    assert json.loads(report.to_json()) == {"speed": [1.5, 2]} and "\n" not in report.to_json()


def test_machine():
    document = {
        "device": "cuda:1",
        "device_name": "A card",
        "threads": 1,
        "versions": {"python": "3.11", "torch": "2"},
    }
    assert machine_line(document) == "cuda:1: A card, 1 thread; python 3.11, torch 2"
    assert machine_line({**document, "threads": 2}) == "cuda:1: A card, 2 threads; python 3.11, torch 2"

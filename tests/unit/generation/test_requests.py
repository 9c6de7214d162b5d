# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import time

import pytest
from datasets import Dataset

from audiolcm_diffusers.generation.planning import batches, number_repeated, plan_sounds
from audiolcm_diffusers.generation.requests import Request, of_prompts, read_requests, requests_of_dataset


def read(folder, content, name="prompts.csv"):
    (folder / name).write_text(content, encoding="utf-8")
    return read_requests(folder / name)


def test_lines_of_text(tmp_path):
    requests = read(tmp_path, "\ufeffrain, heavy\n\n  a dog\u2028barking \r\n", "prompts.txt")
    assert requests == [Request("rain, heavy"), Request("a dog\u2028barking")]


CSV = 'prompt,id,seed,duration,steps,scale,negative_prompt\nrain,r1,7,2.5,4,3,wind\n"a dog, far",,,,,,\n'
TSV = CSV.replace('"a dog, far"', "a dog# far").replace(",", "\t").replace("#", ",")
JSONL = (
    '{"caption": "rain", "id": "r1", "seed": 7, "audio_length_in_s": 2.5, "num_inference_steps": 4, "scale": 3.0, '
    '"negative_prompt": "wind"}\n\n{"caption": "a dog, far", "id": null, "seed": ""}\n'
)


@pytest.mark.parametrize(("content", "name"), [(CSV, "a.csv"), (TSV, "a.tsv"), (JSONL, "a.jsonl")])
def test_settings_of_tables_and_json_lines(tmp_path, content, name):
    settings = {
        "audio_length_in_s": 2.5,
        "num_inference_steps": 4,
        "guidance_scale": 3.0,
        "negative_prompt": "wind",
    }
    assert read(tmp_path, content, name) == [Request("rain", "r1", 7, settings), Request("a dog, far")]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("prompt,sead\nrain,1\n", "a.csv", r"a\.csv, line 1: expected columns from prompt, caption, id.*got 'sead'"),
        ("id,seed\nr,1\n", "a.csv", r"expected a column prompt or caption, got \['id', 'seed'\]"),
        ("prompt,caption\na,b\n", "a.csv", "prompt is given by several columns"),
        ("prompt,seed\nrain,x\n", "a.csv", r"line 2: expected a whole number as seed, got 'x'"),
        ("prompt,seed\nrain,1.5\n", "a.csv", "a whole number as seed, got '1.5'"),
        ("prompt,seed\nrain,-1\n", "a.csv", "a seed from 0 to 4294967295, got -1"),
        ("prompt,duration\nrain,nan\n", "a.csv", "a number as audio_length_in_s, got 'nan'"),
        ("prompt,id\nrain,a/b\n", "a.csv", "an id that can be the name of a file, got 'a/b'"),
        ("prompt,id\nrain,..\n", "a.csv", "got '..'"),
        ("prompt,id\nrain,a\nwind,a\n", "a.csv", "line 3: the id 'a' is that of .*line 2, too"),
        ("prompt,id\n ,a\n", "a.csv", "line 2: Expected a prompt that says what is to be heard, got ''"),
        ("prompt\nrain,heavy\n", "a.csv", "A field that holds ',' needs quotes"),
        ("prompt\n", "a.csv", "holds no prompt"),
        ("{}\n", "a.jsonl", r"line 1: expected a column prompt or caption, got \[\]"),
        ("[1]\n", "a.jsonl", r"line 1: expected an object with a prompt, got '\[1\]'"),
        ("{\n", "a.jsonl", "line 1, is no JSON"),
        ('{"prompt": 3}\n', "a.jsonl", "a text as prompt, got 3"),
        ('{"prompt": "a", "seed": true}\n', "a.jsonl", "a whole number as seed, got True"),
        ('{"prompt": "a", "negative_prompt": 1}\n', "a.jsonl", "a text as negative_prompt, got 1"),
        ('{"prompt": "a", "id": {}}\n', "a.jsonl", "an id that can be the name of a file, got {}"),
        ("<a& never>\n", "a.txt", "order of an event"),
    ],
)
def test_lines_that_make_no_sense_are_named(tmp_path, content, name, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content, name)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.csv' cannot be read: No such file"):
        read_requests(tmp_path / "nowhere.csv")


def test_captions_of_a_dataset(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    columns = {"caption": ["rain", "wind"], "captions": [["a", "b"], ["c"]], "name": ["r", "w"], "size": [1, 2]}
    Dataset.from_dict(columns).to_parquet(folder / "train.parquet")
    for streaming in (False, True):
        assert requests_of_dataset(str(folder), streaming=streaming) == of_prompts(["rain", "wind"])
    options = {"caption_column": "captions", "id_column": "name"}
    assert requests_of_dataset(str(folder), **options) == [Request("a", "r"), Request("c", "w")]
    with pytest.raises(ValueError, match=r"has no column \['text'\]; it has"):
        requests_of_dataset(str(folder), caption_column="text")
    with pytest.raises(ValueError, match="row 0: expected a text as prompt, got 1"):
        requests_of_dataset(str(folder), caption_column="size")


class TestPlans:
    def test_ids_name_files_and_requests_have_settings_of_their_own(self, tmp_path):
        requests = [Request("rain", "r1", 7, {"num_inference_steps": 4}), Request("rain"), Request("rain")]
        sounds = plan_sounds(requests, f"{tmp_path}/", 2, settings={"num_inference_steps": 2, "guidance_scale": 5.0})
        assert [sound.path.stem for sound in sounds] == ["r1-1", "r1-2", "rain-1", "rain-2", "rain-3", "rain-4"]
        # Seeds of its own count up by themselves; the others as if it were not there.
        assert [sound.seed for sound in sounds] == [7, 8, 0, 1, 2, 3]
        assert [sound.settings["num_inference_steps"] for sound in sounds] == [4, 4, 2, 2, 2, 2]

    def test_names_that_differ_in_capitals_alone(self):
        assert number_repeated(["Rain", "rain", "wind"]) == ["Rain-1", "rain-2", "wind"]

    def test_batches_are_neighbours_of_one_kind(self):
        requests = [Request("a"), Request("b", settings={"guidance_scale": 2.0}), Request("c")]
        requests += [Request("d", settings={"audio_length_in_s": 2.0}), Request("e")]
        sounds = plan_sounds(requests, "")
        made = [[sound.prompt for sound in batch] for batch in batches(sounds, 2)]
        assert made == [["a", "b"], ["c"], ["d"], ["e"]]

    def test_a_hundred_thousand_prompts(self, tmp_path):
        """Promised in less than 5 seconds; here with room for a busy machine."""
        content = "".join(f"the sound of thing number {index % 70_000}\n" for index in range(100_000))
        start = time.perf_counter()
        sounds = plan_sounds(read(tmp_path, content, "many.txt"), f"{tmp_path}/out/")
        assert time.perf_counter() - start < 15
        assert len({sound.path for sound in sounds}) == 100_000

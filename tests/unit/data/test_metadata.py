# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What stands in a table reaches training whole, or an error names file and line."""

import csv
import json

import pytest
import torch

from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.data.captioned_audio import load_clips
from audiolcm_diffusers.data.metadata import captions_of, lines_of, read_metadata, read_table
from audiolcm_diffusers.evaluation import read_references
from audiolcm_diffusers.trainer.prompts import check_caption


def write(folder, text, name="metadata.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder if name.startswith("metadata") else folder / name


def rows(folder):
    return [(path.name, caption) for _, caption, path in read_metadata(folder)]


class TestTables:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('a.wav,"rain, heavy"\n', [("a.wav", "rain, heavy")]),
            ("a.wav,rain\n\nb.wav,wind\n", [("a.wav", "rain"), ("b.wav", "wind")]),
            ('a.wav,"he says ""go"""\r\nb.wav,\r\n', [("a.wav", 'he says "go"'), ("b.wav", "")]),
            ("a.wav,rain\u2028on leaves\nb.wav,wind\x0b\n", [("a.wav", "rain\u2028on leaves"), ("b.wav", "wind")]),
            ("a.wav\n", [("a.wav", "")]),
            ('a.wav,5" nails\n', [("a.wav", '5" nails')]),
            (" a.wav ,rain\nb.wav , wind \n", [(" a.wav ", "rain"), ("b.wav", "wind")]),
        ],
    )
    def test_what_is_read(self, tmp_path, text, expected):
        (tmp_path / " a.wav ").touch()
        assert rows(write(tmp_path, f"file_name,caption\n{text}")) == expected

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("a.wav,rain\nb.wav,rain, heavy\n", r"metadata.csv, line 3: expected 2 fields .* got 3: .*' heavy'"),
            ('a.wav,rain\nb.wav,"rain\nc.wav,wind\n', r"the row that begins in line 3: unexpected end of data"),
            ('a.wav,"rain\nb.wav,"wind, loud"\n', r"the row that begins in line 2: ',' expected after '\"'"),
        ],
    )
    def test_what_is_refused(self, tmp_path, text, told):
        with pytest.raises(ValueError, match=told):
            read_metadata(write(tmp_path, f"file_name,caption\n{text}"))

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("file_name,caption,caption\na.wav,rain,wind\n", "metadata.csv has several columns called 'caption'"),
            ("", "metadata.csv is empty"),
            ("file_name\na.wav\n", r"has no column \['caption'\]; it has \['file_name'\]"),
        ],
    )
    def test_columns_that_are_refused(self, tmp_path, text, told):
        with pytest.raises(ValueError, match=told):
            read_metadata(write(tmp_path, text))

    @pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "data.tsv"])
    def test_an_encoding_that_is_not_utf_8(self, tmp_path, name):
        text = {
            "metadata.csv": "file_name,caption\na.wav,rain\nb.wav,café\n",
            "metadata.jsonl": '\n{"file_name": "a.wav", "caption": "rain"}\n{"file_name": "b", "caption": "café"}\n',
            "data.tsv": "name\taudio_path\tcaption\na\ta.wav\train\nb\tb.wav\tcafé\n",
        }[name]
        with pytest.raises(ValueError, match=rf"{name}, line 3, holds bytes that are no UTF-8: b'\\xe9"):
            read_metadata(write(tmp_path, text, name, "latin-1"))

    def test_line_ends(self):
        assert lines_of("a\u2028b\r\nc\x85\rd\n") == ["a\u2028b", "c\x85", "d"]
        assert lines_of("a\n\nb") == ["a", "", "b"]

    def test_rows_are_numbered_by_their_last_line(self, tmp_path):
        write(tmp_path, 'x,y\n1,"a\nb"\n2\n')
        assert list(read_table(tmp_path / "metadata.csv")) == [
            (1, {"x": "", "y": ""}),
            (3, {"x": "1", "y": "a\nb"}),
            (4, {"x": "2", "y": ""}),
        ]


class TestJsonLines:
    def write(self, folder, *lines):
        text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
        return write(folder, text + "\n", "metadata.jsonl")

    def test_what_is_read(self, tmp_path):
        folder = self.write(
            tmp_path,
            {"file_name": "a.wav", "caption": ["rain", " heavy rain "]},
            {"file_name": "b.wav", "caption": "rain\u2028on leaves"},
            {"file_name": "c.wav"},
            {"file_name": "d.wav", "caption": None},
        )
        assert rows(folder) == [
            ("a.wav", ["rain", " heavy rain "]),
            ("b.wav", "rain\u2028on leaves"),
            ("c.wav", ""),
            ("d.wav", ""),
        ]

    @pytest.mark.parametrize("caption", [5, {"en": "rain"}, True, ["rain", 5], [["rain"]]])
    def test_captions_that_are_no_text(self, tmp_path, caption):
        folder = self.write(tmp_path, {"file_name": "a.wav", "caption": caption})
        [(_, read, _)] = read_metadata(folder)
        with pytest.raises(ValueError, match="'a.wav' has a caption that is no text"):
            captions_of(read, "a.wav")

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ({"file_name": 5, "caption": "rain"}, "line 1: expected an object with file_name"),
            (
                {"file_name": "a.wav", "caption": "x", "licence": ["CC0"]},
                r"line 1: expected a text as licence, got \['CC0",
            ),
            ("[" * 100_000, "metadata.jsonl, line 1, is no JSON"),
        ],
    )
    def test_lines_that_are_refused(self, tmp_path, line, told):
        with pytest.raises(ValueError, match=told):
            read_metadata(self.write(tmp_path, line), excluded_licences=["CC BY 4.0"])


class TestCaptions:
    @pytest.mark.parametrize("caption", ["", " ", None, "nan", "NaN", "None", "null", "n/a", "<NA>", [], ["", "nan"]])
    def test_none(self, caption):
        with pytest.raises(ValueError, match="'a.wav' has no caption"):
            captions_of(caption, "a.wav")

    def test_words_that_hold_such_words_are_captions(self):
        assert captions_of(["nan", "a nanny sings", "none of them barks"], "x") == [
            "a nanny sings",
            "none of them barks",
        ]

    @pytest.mark.parametrize(
        "caption", ["<a dog& never>", "half \ud800 of it", "<rain& end>@<wind& soon>", "<>", " < > "]
    )
    def test_what_no_tokenizer_takes_is_named_where_clips_are_read(self, tmp_path, caption):
        line = json.dumps({"file_name": "a.wav", "caption": caption})
        write(tmp_path, line + "\n", "metadata.jsonl")
        with pytest.raises(ValueError, match=r"1 of 1 clips .*\n'a\.wav' has a caption"):
            load_clips(tmp_path, check_caption=check_caption)

    def test_one_that_is_too_long_does_not_end_the_reading(self, tmp_path):
        limit = csv.field_size_limit()
        write_audio(tmp_path / "a.wav", torch.full((1000,), 0.5))
        write(tmp_path, f"file_name,caption\na.wav,{'x' * 131073}\na.wav,{'y' * 10_000}\n")
        bad = []
        assert [clip.caption for clip in load_clips(tmp_path, max_bad_fraction=0.5, bad_clips=bad)] == ["y" * 10_000]
        assert bad[0].reason == "'a.wav' has a caption of 131073 characters; at most 10000 are read."
        assert csv.field_size_limit() == limit


class TestPaths:
    @pytest.mark.parametrize(
        "name",
        ["../secret.wav", "a/../../secret.wav", "..", "ABSOLUTE", " ../secret.wav", " ABSOLUTE", "a/../good.wav"],
    )
    @pytest.mark.parametrize("layout", ["metadata.csv", "data.tsv"])
    def test_rows_that_lead_out_of_the_folder(self, tmp_path, name, layout):
        """Such files are not read, though the rest is."""
        (tmp_path / "data/a").mkdir(parents=True)
        for place in ("secret.wav", "data/good.wav"):
            write_audio(tmp_path / place, torch.full((1000,), 0.5))
        name = name.replace("ABSOLUTE", str(tmp_path / "secret.wav"))
        text = f"file_name,caption\n{name},rain\ngood.wav,wind\n"
        if layout == "data.tsv":
            text = f"name\taudio_path\tcaption\n{name}\t{name}\train\ntwo\tgood.wav\twind\n"
        data = write(tmp_path / "data", text, layout)
        bad = []
        assert [clip.caption for clip in load_clips(data, max_bad_fraction=0.5, bad_clips=bad)] == ["wind"]
        assert [clip.name for clip in bad] == [name] and "leads out of its folder" in bad[0].reason
        with pytest.raises(ValueError, match="leads out of its folder"):
            read_references(data)
        if name.endswith("secret.wav"):
            assert len(load_clips(data, outside_paths=True)) == 2

    @pytest.mark.parametrize("name", ["..rain.wav", "a..b/c.wav", "./a.wav"])
    def test_rows_that_do_not(self, tmp_path, name):
        assert read_metadata(write(tmp_path, f"file_name,caption\n{name},rain\n"))[0][2] == tmp_path / name

    @pytest.mark.parametrize("name", ["x" * 300 + ".wav", "a\0b.wav", "lost.wav", ""])
    def test_names_that_no_file_has_are_bad_clips(self, tmp_path, name):
        line = json.dumps({"file_name": name, "caption": "rain"})
        write(tmp_path, line + "\n", "metadata.jsonl")
        bad = []
        with pytest.raises(ValueError, match="names no clip"):
            load_clips(tmp_path, max_bad_fraction=1.0, bad_clips=bad)
        assert [clip.name for clip in bad] == [name] and "There is no audio file" in bad[0].reason

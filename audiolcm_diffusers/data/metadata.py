# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Which recordings a folder has and what is heard in them: `metadata.csv`, `metadata.jsonl` or a `.tsv` file."""

import csv
import json
from pathlib import Path


# More is no caption, but something else in its place.
MAX_CAPTION_LENGTH = 10_000
# What programs write where there is no text.
NO_TEXT = frozenset(("nan", "none", "null", "n/a", "<na>"))


def read_metadata(data, excluded_licences=(), outside_paths=False):
    r"""
    List the clips of a dataset without opening them, see [`iter_metadata`].

    Returns:
        `list[tuple[str, str | list[str], Path]]`: Its rows.
    """
    return list(iter_metadata(data, excluded_licences, outside_paths))


def iter_metadata(data, excluded_licences=(), outside_paths=False):
    r"""
    Go through the clips of a dataset without opening them; no more than a row is in memory.

    Args:
        data (`str`, `Path`, or a list of them):
            A folder in the `audiofolder` layout, with a `metadata.csv` or `metadata.jsonl` whose rows have `file_name`
            and `caption`, in JSON lines a text or a list of texts; or a `.tsv` file in the published layout, with
            columns `name`, `audio_path` and `caption`, whose paths are relative to the file's folder. Clips of several
            are named by their paths, because two folders may have files of one name.
        excluded_licences (`Sequence[str]`, defaults to `()`):
            Rows whose column `licence` says one of these are left out.
        outside_paths (`bool`, defaults to `False`):
            Whether rows may name files that are not in the folder, by absolute paths or with `..`. Otherwise their
            paths are [`OutsidePath`], which nothing opens.

    Yields:
        `tuple[str, str | list[str], Path]`:
            Name, caption or captions (empty where there is none) and path of every row.

    Raises:
        ValueError: If there is no such file, it lacks a column, or has a line that cannot be read.
    """
    if isinstance(data, (list, tuple)):
        for one in data:
            for _, caption, path in iter_metadata(one, excluded_licences, outside_paths):
                yield str(path), caption, path
        return
    data, rows = Path(data), _rows_of(Path(data), needed=("licence",) if excluded_licences else ())
    is_table = data.suffix.lower() == ".tsv"
    folder, name, path = (data.parent, "name", "audio_path") if is_table else (data, "file_name", "file_name")
    for row in rows:
        if not excluded_licences or row["licence"] not in excluded_licences:
            yield row[name], row["caption"], _path_of(folder, row[path], data, outside_paths)


class OutsidePath(type(Path())):
    r"""A path that a row names and that leads out of its dataset's folder. Whoever opens it is told its `refusal`."""

    refusal: str


def _path_of(folder, name, data, outside_paths):
    # Names may begin or end with spaces; more often a table has them behind its commas.
    path = folder / name
    if name != name.strip() and not _exists(path):
        name = name.strip()
        path = folder / name
    # A step up behind a link leads elsewhere than it reads.
    is_inside = ".." not in path.relative_to(folder).parts if path.is_relative_to(folder) else False
    if not outside_paths and not is_inside:
        path = OutsidePath(path)
        path.refusal = (
            f"{str(data)!r} names {name!r}, which leads out of its folder and is not read; `outside_paths` allows it "
            "for data that you trust."
        )
    return path


def _exists(path):
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def read_further_columns(data, columns):
    r"""
    Read columns of a dataset that it need not have.

    Args:
        data (`str` or `Path`): See [`read_metadata`].
        columns (`Sequence[str]`): Their names.

    Returns:
        `dict[str, list[str]]`: A text a row, empty where the row or the dataset has none.

    Raises:
        ValueError: As [`read_metadata`].
    """
    rows = list(_rows_of(Path(data), further=tuple(columns)))
    return {column: [row[column] for row in rows] for column in columns}


def _rows_of(data, needed=(), further=()):
    if data.suffix.lower() == ".tsv":
        if not data.is_file():
            raise ValueError(f"There is no file {str(data)!r}.")
        return _rows_of_table(data, ("name", "audio_path", "caption", *needed), "\t", further)
    if (data / "metadata.csv").is_file():
        return _rows_of_table(data / "metadata.csv", ("file_name", "caption", *needed), ",", further)
    if (data / "metadata.jsonl").is_file():
        return _rows_of_json_lines(data / "metadata.jsonl", ("file_name", "caption", *needed), further)
    raise ValueError(
        f"Expected a folder with `metadata.csv` or `metadata.jsonl` (file_name and caption), or a `.tsv` file "
        f"(name, audio_path and caption), got {str(data)!r}."
    )


def _rows_of_table(path, columns, delimiter, further=()):
    for number, row in read_table(path, delimiter):
        if number == 1:
            missing = set(columns) - set(row)
            if missing:
                raise ValueError(f"{path} has no column {sorted(missing)}; it has {list(row)}.")
            continue
        yield {column: _cell(column, row.get(column, "")) for column in (*columns, *further)}


def _cell(column, text):
    return text if column in ("file_name", "audio_path", "name") else text.strip()


def read_table(path, delimiter=","):
    r"""
    Read a table whose first line names its columns.

    Args:
        path (`Path`): UTF-8 text; fields with commas, quotes or line ends stand in double quotes (RFC 4180).
        delimiter (`str`, defaults to `","`): What separates fields.

    Yields:
        `tuple[int, dict[str, str]]`: Number of the row's last line, and its fields by column. The first is 1 with the
        columns themselves. A row with fewer fields has empty ones at its end.

    Raises:
        ValueError: Naming file and line of a row with more fields than there are columns, or with a quote that is not
            closed, or where a column is named twice.
    """
    columns, begins = None, 1
    # The module's limit is 131072 characters, in all of the process: whoever reads a caption says what is too long.
    limit = csv.field_size_limit(max(131072, Path(path).stat().st_size))
    try:
        reader = csv.reader(_lines(path), delimiter=delimiter, strict=True)
        for row in reader:
            begins, ends = reader.line_num + 1, reader.line_num
            if not row:
                continue
            if columns is None:
                columns = row
                doubled = sorted({name for name in columns if columns.count(name) > 1})
                if doubled:
                    raise ValueError(f"{path} has several columns called {doubled[0]!r}.")
                yield 1, dict.fromkeys(columns, "")
            elif len(row) > len(columns):
                raise ValueError(
                    f"{path}, line {ends}: expected {len(columns)} fields as in the first line, got {len(row)}: "
                    f"{row}. A field that holds {delimiter!r} needs quotes around it."
                )
            else:
                yield ends, dict(zip(columns, row + [""] * (len(columns) - len(row))))
    except csv.Error as error:
        raise ValueError(
            f"{path}, the row that begins in line {begins}: {error}. A quote within a quoted field is written twice, "
            "and each quoted field ends with one."
        ) from error
    finally:
        csv.field_size_limit(limit)
    if columns is None:
        raise ValueError(f"{path} is empty.")


def read_text(path):
    r"""
    Read a file of UTF-8 text.

    Raises:
        ValueError: If it holds bytes that are no UTF-8, naming file and line.
    """
    content = Path(path).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}, holds bytes that are no UTF-8: {content[error.start : error.start + 4]!r}. Save "
            "the file as UTF-8."
        ) from error


def _lines(path):
    """A file's lines with their ends, one by one: those of files alone, of which U+2028 and others are none."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError:
        read_text(path)  # which tells where
        raise


def lines_of(text):
    r"""`list[str]`: A text's lines without their ends, which are those of files alone: U+2028 and others are none."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _rows_of_json_lines(path, columns, further=()):
    for number, line in enumerate(_lines(path), start=1):
        line = line.removesuffix("\n")
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}, is no JSON: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
            raise ValueError(f"{path}, line {number}: expected an object with file_name and caption, got {line!r}.")
        yield {column: _json_cell(column, row, path, number) for column in (*columns, *further)}


def _json_cell(column, row, path, number):
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, str):
        return _cell(column, value)
    if column == "caption":
        return value  # several, or what read_clip refuses
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{path}, line {number}: expected a text as {column}, got {value!r}.")
    return str(value)


def captions_of(caption, name):
    r"""
    What a row says that is heard.

    Args:
        caption (`str` or `list[str]`): From [`read_metadata`] or a dataset.
        name (`str`): The row's, for messages.

    Returns:
        `list[str]`: At least one text, without outer spaces. Of several captions, the empty ones are left out.

    Raises:
        ValueError: If there is none, or one is no text, or holds halves of characters.
    """
    captions = caption if isinstance(caption, (list, tuple)) else [caption]
    for text in captions:
        if not isinstance(text, str | None):
            raise ValueError(f"{name!r} has a caption that is no text: {text!r}.")
    given = [text.strip() for text in captions if text and text.strip()]
    captions = [text for text in given if text.lower() not in NO_TEXT]
    if not captions:
        told = any(
            isinstance(text, str) and text.strip() for text in (caption if isinstance(caption, list) else [caption])
        )
        said = f": {caption!r} is what programs write for none" if told else ""
        raise ValueError(f"{name!r} has no caption{said}.")
    for text in captions:
        if len(text) > MAX_CAPTION_LENGTH:
            raise ValueError(
                f"{name!r} has a caption of {len(text)} characters; at most {MAX_CAPTION_LENGTH} are read."
            )
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"{name!r} has a caption with half of a character, which is no text: {text!r}.") from None
    return captions

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import os
import stat
from types import SimpleNamespace

import pytest

from audiolcm_diffusers import writable
from audiolcm_diffusers.writable import check_can_create, check_replaceable


def test_own_files_and_free_names_may_be_written(tmp_path):
    (tmp_path / "sound.wav").write_bytes(b"older")
    check_replaceable(tmp_path / "sound.wav")
    check_replaceable(tmp_path / "other.wav")
    assert (tmp_path / "sound.wav").read_bytes() == b"older"


def link(path):
    path.symlink_to(path.parent / "elsewhere.wav")


def read_only(path):
    path.write_bytes(b"kept")
    path.chmod(0o444)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (link, "is a link to .*elsewhere.wav"),
        (os.mkfifo, "is no file"),
        (os.mkdir, "is a folder"),
        (read_only, "is read-only"),
    ],
)
def test_what_is_no_file_of_ones_own_is_kept(make, told, tmp_path):
    make(tmp_path / "sound.wav")
    before = (tmp_path / "sound.wav").lstat()
    with pytest.raises(ValueError, match=f"sound.wav' {told}"):
        check_replaceable(tmp_path / "sound.wav")
    assert (tmp_path / "sound.wav").lstat() == before


@pytest.mark.parametrize(("user", "is_refused"), [(1000, True), (1001, False), (1002, False), (0, False)])
def test_sticky_folder_keeps_files_for_their_owners(user, is_refused, monkeypatch):
    # Of the folder 1001 is the owner, of the file 1002; 0 may do everything.
    file = SimpleNamespace(st_mode=stat.S_IFREG | 0o666, st_uid=1002)
    folder = SimpleNamespace(st_mode=stat.S_IFDIR | stat.S_ISVTX | 0o777, st_uid=1001)
    monkeypatch.setattr(writable.Path, "lstat", lambda path: file)
    monkeypatch.setattr(writable.Path, "stat", lambda path: folder)
    monkeypatch.setattr(writable.os, "access", lambda path, mode: True)
    monkeypatch.setattr(writable.os, "geteuid", lambda: user)
    if not is_refused:
        return check_replaceable("/shared/sound.wav")
    with pytest.raises(ValueError, match="'/shared/sound.wav' belongs to somebody else"):
        check_replaceable("/shared/sound.wav")


def test_trying_leaves_nothing(tmp_path):
    check_can_create(tmp_path / "a" / "b")
    check_can_create(tmp_path, "sound.wav")
    (tmp_path / "there.wav").write_bytes(b"older")
    check_can_create(tmp_path, "there.wav")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"there.wav": b"older"}


@pytest.mark.parametrize(
    ("folder", "name", "told"),
    [
        ("file", None, "is no folder"),
        ("file/below", None, "is no folder"),
        ("nowhere-link", None, "is no folder"),
        ("", "x" * 256, "File name too long"),
        ("y" * 256, None, "File name too long"),
        ("zero\0byte", None, "zero byte"),
    ],
)
def test_where_nothing_can_be_made(folder, name, told, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere-link").symlink_to("nowhere")
    with pytest.raises((ValueError, OSError), match=told):
        check_can_create(tmp_path / folder, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nowhere-link"]


@pytest.mark.parametrize("error", [PermissionError(1, "Operation not permitted"), OSError(28, "No space left")])
def test_refusal_that_only_trying_shows(error, tmp_path, monkeypatch):
    def refuse(*args):
        raise error

    monkeypatch.setattr(writable.os, "open", refuse)
    with pytest.raises(ValueError, match=error.strerror):
        check_can_create(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "rain.wav", "a-dog-barking-1.wav", "дождь.wav", "x" * 255])
def test_what_is_tried_is_hidden_and_as_long(name, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(writable.os, "open", lambda path, *args: opened.append(path.name) or os.dup(0))
    check_can_create(tmp_path, name)
    assert opened[0].startswith(".partial")
    assert len(os.fsencode(opened[0])) == max(len(os.fsencode(name)), len(".partial"))

# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import os
import threading
from pathlib import Path

import pytest

from audiolcm_diffusers import files
from audiolcm_diffusers.files import (
    clean_leftovers,
    put_in_place,
    recover_folder,
    remove_folder,
    replacing,
    save_folder,
)


def mode(path):
    return path.stat().st_mode & 0o777


def write(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text)


@pytest.fixture
def umask():
    """`umask(mask)`: sets the process's, until the end of the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_that_the_umask_leaves(tmp_path, umask, mask, expected):
    umask(mask)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("a")
        temporary.chmod(0o600)  # as some libraries make them
    assert mode(tmp_path / "a.txt") == expected

    def save(folder):
        (folder / "part").mkdir()
        (folder / "part/weights").touch(mode=0o600)

    save_folder(save, tmp_path / "model")
    assert mode(tmp_path / "model/part/weights") == expected


def test_the_umask_is_not_touched_by_threads(tmp_path, umask, monkeypatch):
    umask(0o027)
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("A process has one umask for all threads."))
    threads = [threading.Thread(target=write, args=(tmp_path / f"{index}.txt", "a")) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {mode(path) for path in tmp_path.iterdir()} == {0o640} and len(list(tmp_path.iterdir())) == 8


def test_a_file_system_that_refuses_modes_keeps_the_file(tmp_path, monkeypatch):
    def refuse(path, mode):
        raise PermissionError("not here")

    monkeypatch.setattr(Path, "chmod", refuse)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)
        temporary.write_text("sound")
    assert (tmp_path / "a.txt").read_text() == "sound"


def test_a_full_disk_is_called_so_whatever_a_library_says(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("before")
    monkeypatch.setattr(files, "_is_full", lambda path: True)
    with pytest.raises(OSError, match="No space left on device while writing.*a.txt"), replacing(tmp_path / "a.txt"):
        raise RuntimeError("Error : System error.")
    monkeypatch.setattr(files, "_is_full", lambda path: False)
    with pytest.raises(RuntimeError, match="Error : System error."), replacing(tmp_path / "a.txt"):
        raise RuntimeError("Error : System error.")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and (tmp_path / "a.txt").read_text() == "before"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_device_is_known():
    assert files._is_full(Path("/dev/full")) and not files._is_full(Path("/dev/null"))


def fill(text):
    return lambda folder: (folder / "weights").write_text(text)


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_folder_is_replaced_at_once(tmp_path, monkeypatch, can_swap):
    if not can_swap:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for text in ("old", "new"):
        save_folder(fill(text), tmp_path / "model")
        assert (tmp_path / "model/weights").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def fail(folder):
        raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        save_folder(fail, tmp_path / "model")
    assert (tmp_path / "model/weights").read_text() == "new"


def test_a_folder_is_in_place_at_every_moment(tmp_path, monkeypatch):
    save_folder(fill("old"), tmp_path / "model")
    (tmp_path / "next").mkdir()
    seen = []
    for name in ("replace", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *paths, real=real: (real(*paths), seen.append((tmp_path / "model").is_dir()))
        )
    put_in_place(tmp_path / "next", tmp_path / "model")
    assert all(seen) and (tmp_path / "model").is_dir()


def test_what_was_set_aside_for_nothing_comes_back(tmp_path, monkeypatch):
    save_folder(fill("old"), tmp_path / "model")
    (tmp_path / "model").rename(tmp_path / ".model.replaced")  # a process was killed here, where nothing can swap
    recover_folder(tmp_path / "model")
    assert (tmp_path / "model/weights").read_text() == "old"
    recover_folder(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    for name in (".model.replaced", ".checkpoint-4.replaced", ".checkpoint-8.partial", ".git", "checkpoint-6"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    for name in (".metadata-0a1b2c3d.partial.csv", ".lock", "a.partial.csv"):
        (tmp_path / name).touch()
    assert clean_leftovers(tmp_path) == [
        ".checkpoint-4.replaced",
        ".checkpoint-8.partial",
        ".metadata-0a1b2c3d.partial.csv",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".git",
        ".lock",
        "a.partial.csv",
        "checkpoint-6",
        "model",
    ]
    assert clean_leftovers(tmp_path) == [] == clean_leftovers(tmp_path / "nowhere")


def test_a_folder_that_goes_has_its_name_while_it_is_whole(tmp_path, monkeypatch):
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4/state").touch()
    monkeypatch.setattr(files.shutil, "rmtree", lambda path, ignore_errors: None)  # killed meanwhile
    remove_folder(tmp_path / "checkpoint-4")
    assert not (tmp_path / "checkpoint-4").exists() and (tmp_path / ".checkpoint-4.replaced/state").exists()

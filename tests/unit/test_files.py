"""Files are replaced whole or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pratique import files
from pratique.files import PRIVATE, locked, open_private, replace_file


def test_the_new_content_replaces_the_old(tmp_path):
    path = tmp_path / "new" / "folder" / "file.json"
    replace_file(path, "one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("fails", ["replace", "write"])
def test_after_a_failure_the_old_content_stays_and_no_draft_is_left(tmp_path, monkeypatch, durable, fails):
    path = tmp_path / "file.json"
    replace_file(path, "old")

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    if fails == "replace":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        monkeypatch.setattr(files.os, "fdopen", refuse)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, "new", durable=durable)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file.json"]


def test_permissions_follow_the_umask_unless_a_mode_is_given(tmp_path):
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", "")
        replace_file(tmp_path / "b", "", mode=0o604)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o640, 0o604]


def test_a_name_as_long_as_a_file_system_takes_can_be_replaced(tmp_path):
    path = tmp_path / ("ä" * 127)
    replace_file(path, "long")
    assert path.read_text() == "long"


def test_only_a_durable_write_waits_for_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, "fsync", synced.append)
    replace_file(tmp_path / "a", "", durable=False)
    assert synced == []
    replace_file(tmp_path / "a", "")
    assert len(synced) == 2


def test_a_folder_that_was_deleted_is_not_made_again_on_request(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "gone" / "status.json", "", make_folder=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_sync_a_folder_is_no_error(tmp_path, monkeypatch):
    sync = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", refuse_folders)
    replace_file(tmp_path / "a", "content")
    assert (tmp_path / "a").read_text() == "content"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_private_file_and_its_new_folders_are_for_the_owner_only(tmp_path, umask):
    before = os.umask(umask)
    try:
        with open_private(tmp_path / "a" / "b" / "file", "a", encoding="utf-8") as file:
            file.write("kept")
        replace_file(tmp_path / "c" / "file", "kept", mode=PRIVATE)
    finally:
        os.umask(before)
    for name, mode in {"a": 0o700, "a/b": 0o700, "a/b/file": 0o600, "c": 0o700, "c/file": 0o600}.items():
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode, name


COUNT = """
import pathlib, sys
from pratique.files import locked, replace_file
path = pathlib.Path(sys.argv[1])
for _ in range(50):
    with locked(path):
        replace_file(path, str(int(path.read_text()) + 1), durable=False)
"""


@pytest.mark.slow
def test_no_change_to_a_locked_file_is_lost(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    writers = [subprocess.Popen([sys.executable, "-c", COUNT, path]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert path.read_text() == "200"


def test_a_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="mine"), locked(tmp_path / "file"):
        raise ValueError("mine")
    with locked(tmp_path / "file"):
        pass


def test_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        replace_file(tmp_path / "pipe", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]

"""The file of rejected lines."""

import json
import os

import pytest

from pratique.errors import StorageError, UsageError
from pratique.telemetry import rejects
from pratique.telemetry.rejects import RejectsFile


def test_file_is_put_in_place_when_the_import_is_complete_only(tmp_path):
    path = tmp_path / "rejects" / "shop.jsonl"
    with RejectsFile(path) as file:
        file.add(path, [(1, "why", "x" * 5000)])
        assert not path.exists()
        assert file.keep() == path
    assert len(json.loads(path.read_text())["text"]) == rejects.MAX_LINE
    with RejectsFile(path) as file:
        file.add(path, [(2, "why", "y")])
    assert [entry.name for entry in path.parent.iterdir()] == ["shop.jsonl"]
    assert json.loads(path.read_text())["line"] == 1


def test_size_of_the_file_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(rejects, "MOST_BYTES", 1000)
    with RejectsFile(tmp_path / "a") as file:
        file.add(tmp_path, [(number, "why", "line") for number in range(1000)])
        file.keep()
    assert len((tmp_path / "a").read_text().splitlines()) == file.kept < 30


def test_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with RejectsFile(pipe) as file:
        file.add(tmp_path, [(1, "why", "x")])
        file.keep()
    assert json.loads(os.read(reader, 1000))["line"] == 1
    os.close(reader)
    assert pipe.is_fifo()
    with RejectsFile(pipe) as file, pytest.raises(StorageError, match="nothing was stored"):
        file.add(tmp_path, [(1, "why", "nobody reads")])


def test_full_disk_is_an_error_before_anything_is_stored(tmp_path):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with RejectsFile(full) as file, pytest.raises(StorageError, match=r"No space left.*nothing was stored"):
        file.add(tmp_path, [(1, "why", "x")])


def test_folder_and_input_are_refused(tmp_path):
    with pytest.raises(StorageError, match="is a folder"):
        RejectsFile(tmp_path)
    log = tmp_path / "log"
    log.write_text("x")
    (tmp_path / "link").symlink_to(log)
    with pytest.raises(UsageError, match="among the logs"):
        RejectsFile(tmp_path / "link", [log])

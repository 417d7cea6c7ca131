"""The log of an instance is bounded and keeps its end, and a full disk does not stop the instance."""

from pathlib import Path

import pytest

from pratique.runtime import supervise


@pytest.fixture
def log(tmp_path):
    (tmp_path / "x.log").write_text("of the one that had this port before\n")
    (tmp_path / "x.log.1").write_text("and what came before that\n")
    log = supervise.BoundedLog(tmp_path / "x.log")
    yield log
    log._file.close()


def test_a_growing_log_keeps_two_files(log, tmp_path, monkeypatch):
    monkeypatch.setattr(supervise, "LOG_MAX_BYTES", 1000)
    for number in range(1000):
        log.write(b"%09d\n" % number)
    kept = (tmp_path / "x.log.1").read_bytes() + (tmp_path / "x.log").read_bytes()
    assert kept == b"".join(b"%09d\n" % number for number in range(1000 - len(kept) // 10, 1000))
    assert 1000 <= len(kept) <= 2 * 1010


def test_a_new_instance_starts_a_new_log(log, tmp_path):
    log.write(b"listening\n")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x.log": "listening\n"}


def test_a_full_disk_loses_only_log_lines(log, tmp_path, monkeypatch):
    with Path("/dev/full").open("wb", buffering=0) as full, monkeypatch.context() as patch:
        patch.setattr(log, "_file", full)
        log.write(b"lost")
    log.write(b"kept")
    assert (tmp_path / "x.log").read_text() == "kept"

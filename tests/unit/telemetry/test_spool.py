"""The collector's write-ahead log: appended records are read back once, also after disk errors."""

import os

import pytest

from pratique.telemetry import spool
from pratique.telemetry.framing import LONGEST, Frames
from pratique.telemetry.spool import MAX_RECORD, Spool


@pytest.fixture
def written(tmp_path):
    found = Spool(tmp_path)
    found.rotate()
    yield found
    found.close()


def kept(spool):
    return [record for _, record in spool.replay()]


def test_longest_frame_and_later_records_are_read_back(written):
    (frame,) = Frames().feed(b"%d %b" % (LONGEST, b"<" + b"x" * (LONGEST - 1)))
    for record in (b"before", frame, b"after"):
        written.append(record)
    written.sync()
    assert kept(written) == [b"before", frame, b"after"]


def test_too_long_record_is_refused(written):
    with pytest.raises(ValueError, match="longer than"):
        written.append(b"x" * (MAX_RECORD + 1))


def test_temporarily_full_disk_loses_no_record(written, monkeypatch):
    written.append(b"a")
    written.sync()
    whole = spool._write

    def torn(file, content):
        file.write(content[: len(content) // 2])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(spool, "_write", torn)
    for number in range(3):
        written.append(b"b%d" % number)
        with pytest.raises(OSError, match="No space"):
            written.sync()
    monkeypatch.setattr(spool, "_write", whole)
    written.append(b"c")
    written.sync()
    assert kept(written) == [b"a", b"b0", b"b1", b"b2", b"c"]


def test_buffer_for_a_full_disk_is_bounded(written, monkeypatch):
    monkeypatch.setattr(spool, "MOST_PENDING", 100)
    assert not written.full
    written.append(b"x" * 200)
    assert written.full
    written.sync()
    assert not written.full

"""The position of a copy belongs to one copy, and a file that cannot be read is no position."""

from datetime import UTC, datetime

import pytest

from pratique.errors import StorageError
from pratique.store import copy_position
from pratique.store.copy_position import CopyPosition

T0 = datetime(2026, 3, 1, tzinfo=UTC)


def test_position_is_kept_for_the_same_copy_only(tmp_path):
    CopyPosition.of(tmp_path, {"to": "b"}).reached("shop", T0)
    assert CopyPosition.of(tmp_path, {"to": "b"}).end("shop") == T0
    assert CopyPosition.of(tmp_path, {"to": "b"}).end("till") is None
    assert CopyPosition.of(tmp_path, {"to": "c"}).end("shop") is None


@pytest.mark.parametrize(
    "text", ["", "{", '{"asked": {"to": "b"}, "ends": {"shop": "soon"}}', '{"asked": {}, "ends": {}}']
)
def test_a_damaged_file_is_no_position(tmp_path, text):
    position = CopyPosition.of(tmp_path, {"to": "b"})
    position.reached("shop", T0)
    position.path.write_text(text)
    assert CopyPosition.of(tmp_path, {"to": "b"}).end("shop") is None


def test_only_the_owner_reads_it(tmp_path):
    position = CopyPosition.of(tmp_path, {"to": "b"})
    position.reached("shop", T0)
    assert position.path.stat().st_mode & 0o077 == 0
    position.clear()
    position.clear()
    assert CopyPosition.of(tmp_path, {"to": "b"}).end("shop") is None


def test_a_full_disk_does_not_stop_the_copy(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copy_position, "replace_file", full)
    position = CopyPosition.of(tmp_path, {"to": "b"})
    position.reached("shop", T0)
    assert CopyPosition.of(tmp_path, {"to": "b"}).end("shop") is None


def test_a_file_that_cannot_be_removed_is_named(tmp_path):
    position = CopyPosition.of(tmp_path, {"to": "b"})
    position.path.mkdir(parents=True)
    with pytest.raises(StorageError, match=r"copies/.*json' cannot be removed"):
        position.clear()

"""What survives the process: counters and requests, together or not at all."""

import sqlite3

import numpy as np
import pytest

from contract.store_contract import rollups, row
from pratique.errors import DataError, StorageError
from pratique.export.remote_write import state as module
from pratique.export.remote_write.state import State

URL = "http://127.0.0.1:9/api/v1/write"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "collector" / "remote-write.sqlite"


def filled(path, *rows, requests=()):
    """A file that has taken rows, and then closed."""
    state = State(path, URL)
    totals = state.totals()
    list(totals.take(rollups(*rows), keep_ms=120_000))
    state.keep(totals, totals.windows, requests)
    state.close()
    return totals


def test_counters_and_requests_are_there_after_a_restart(path):
    kept = filled(path, row(n=3), row(1, "r2", n=2, source="collector:1"), requests=[(5, b"a"), (6, b"b")])
    state = State(path, URL)
    found = state.totals()
    assert found.end_ms == kept.end_ms
    assert found.closed == kept.closed
    assert found.windows.keys() == kept.windows.keys()
    for key, total in kept.totals.items():
        np.testing.assert_array_equal(found.totals[key].values, total.values)
        np.testing.assert_array_equal(found.totals[key].sent, total.sent)
        assert (found.totals[key].changed_ms, found.totals[key].sent_ms) == (total.changed_ms, total.sent_ms)
    assert state.waiting() == (2, 5)
    first = state.first()
    assert first.body == b"a"
    state.remove(first)
    assert state.first().body == b"b"
    state.close()


def test_the_file_is_for_its_owner_only(path):
    filled(path, row())
    assert path.stat().st_mode & 0o077 == 0


def test_another_server_begins_with_nothing_under_another_name(path):
    filled(path, row(), requests=[(5, b"a")])
    before = State(path, URL)
    name = before.instance
    before.close()
    other = State(path, "http://other/api/v1/write")
    assert other.totals().totals == {}
    assert other.waiting() == (0, 0)
    assert other.instance != name
    other.close()


def test_the_name_is_kept(path):
    names = set()
    for _ in range(2):
        state = State(path, URL)
        names.add(state.instance)
        state.close()
    assert len(names) == 1


def test_a_failure_changes_nothing(path, monkeypatch):
    filled(path, row(n=3), requests=[(5, b"a")])
    state = State(path, URL)
    totals = state.totals()
    list(totals.take(rollups(row(1, n=2)), keep_ms=120_000))
    monkeypatch.setattr(state, "_append", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk full")))
    with pytest.raises(StorageError, match="cannot be written: disk full"):
        state.keep(totals, totals.windows, [(6, b"b")])
    found = state.totals()
    (total,) = found.totals.values()
    assert total.values[0] == 3
    assert len(found.windows) == 1
    assert state.waiting() == (1, 5)
    state.close()


def test_too_many_requests_drop_the_oldest_and_are_counted(path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 25)
    state = State(path, URL)
    state.append([(number, b"x" * 10) for number in range(4)])
    assert state.waiting() == (2, 2)
    assert state.dropped == 2
    state.append([(9, b"x" * 10)])
    assert (state.waiting(), state.dropped) == ((2, 3), 3)
    state.close()


def test_a_damaged_file_is_named_with_what_to_do(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database, and long enough to be one" * 100)
    with pytest.raises(DataError, match="is damaged: remove it"):
        State(path, URL)

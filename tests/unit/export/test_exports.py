"""What the collector passes on: by the present settings, and by those before when the present ones cannot be used."""

from types import SimpleNamespace

import pytest

from contract.store_contract import rollups, row
from pratique.config import load
from pratique.errors import DataError, StorageError
from pratique.export.exports import Exports
from pratique.export.remote_write.remote import RemoteWrite
from pratique.export.remote_write.state import State

URL = "http://127.0.0.1:9/api/v1/write"


@pytest.fixture
def exports(monkeypatch):
    monkeypatch.setattr(RemoteWrite, "send", lambda self: None)
    found = Exports()
    yield found
    found.close()


@pytest.fixture
def config(tmp_path):
    def config(url=URL):
        remote = f'[export.remote_write]\nurl = "{url}"\n' if url else ""
        (tmp_path / "pratique.toml").write_text(f"[services.shop]\n{remote}")
        return load(tmp_path / "pratique.toml")

    return config


def kept(tmp_path):
    """The requests that the counters in the file have."""
    state = State(tmp_path / ".pratique/collector/remote-write.sqlite", URL)
    try:
        return sum(total.values[0] for total in state.totals().totals.values())
    finally:
        state.close()


def test_what_was_returned_before_still_counts_and_writes(exports, config, tmp_path):
    written = []
    store = SimpleNamespace(write=lambda rows, *, instead_of=(): written.append(len(rows)))
    sinks = [exports.follow(config(), store), exports.follow(config(), store)]
    for window, sink in enumerate(sinks):
        sink.write(rollups(row(window, n=3)))
    assert written == [1, 1]
    exports.close()
    assert kept(tmp_path) == 6


def test_settings_that_cannot_be_used_leave_those_before(exports, config, tmp_path, monkeypatch):
    store = SimpleNamespace(write=lambda rows, *, instead_of=(): None)
    sink = exports.follow(config(), store)
    begin = Exports._begin_remote_write

    def fails(self, found):
        if found.export.remote_write.url != URL:
            raise DataError("damaged")
        begin(self, found)

    monkeypatch.setattr(Exports, "_begin_remote_write", fails)
    with pytest.raises(DataError):
        exports.follow(config("http://127.0.0.1:9/other"), store)
    sink.write(rollups(row(n=3)))
    exports.close()
    assert kept(tmp_path) == 3


def test_without_remote_write_only_the_store_is_written(exports, config):
    written = []
    store = SimpleNamespace(write=lambda rows, *, instead_of=(): written.append(len(rows)))
    exports.follow(config(""), store).write(rollups(row()))
    assert written == [1]


def test_a_file_that_cannot_be_read_is_a_note(exports, config, monkeypatch):
    exports.follow(config(), SimpleNamespace())

    def fails(self):
        raise StorageError("disk I/O error")

    monkeypatch.setattr(State, "waiting", fails)
    assert exports.notes() == ["remote write: disk I/O error"]


def test_a_ledger_that_cannot_be_followed_stops_no_counters(exports, config, monkeypatch):
    sent, works = [], []
    monkeypatch.setattr(RemoteWrite, "send", lambda self: sent.append(1))
    monkeypatch.setattr(Exports, "_start", lambda self, name, work: works.append(work))
    exports.follow(config(), SimpleNamespace())
    monkeypatch.setattr(
        "pratique.export.ledger_follower.LedgerFollower.forward",
        lambda self: (_ for _ in ()).throw(StorageError("locked")),
    )
    with pytest.raises(StorageError, match="locked"):
        works[0]()
    assert sent == [1]

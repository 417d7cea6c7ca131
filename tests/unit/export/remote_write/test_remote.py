"""Remote write against a server that answers as a test wants: requests that wait, that are given up, and their order."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import requests

from contract.store_contract import rollups, row
from pratique.config import RemoteWriteSettings
from pratique.errors import DeniedError, StorageError, UnavailableError
from pratique.export.exports import CountedSink
from pratique.export.remote_write import client as client_module
from pratique.export.remote_write import remote as module
from pratique.export.remote_write.protocol import HEADERS, decoded
from pratique.export.remote_write.remote import RemoteWrite

URL = "http://metrics.example/api/v1/write"


def answer(status, body):
    raw = SimpleNamespace(read=lambda size, *, decode_content: body[:size])
    return nullcontext(SimpleNamespace(status_code=status, raw=raw))


class Server:
    """Answers with `status`, or loses the answer, and keeps what it has taken."""

    def __init__(self):
        self.status, self.got, self.lost, self.more = 204, [], False, b""

    def post(self, url, *, data, headers, timeout, allow_redirects, stream, auth, verify):
        assert (url, allow_redirects, stream, auth, verify) == (URL, False, True, None, None)
        assert headers.items() >= HEADERS.items()
        if self.status == 0:
            raise requests.exceptions.ConnectionError("refused")
        if self.status < 300:
            self.got.append(decoded(data))
        if self.lost:
            raise requests.exceptions.ReadTimeout("no answer")
        return answer(self.status, b"out of order\nsample" + self.more)

    def close(self):
        pass

    def requests(self):
        """The last value of each counter of requests."""
        return {
            tuple(one.labels[name] for name in ("revision", "code")): one.samples[-1][1]
            for part in self.got
            for one in part
            if one.labels["__name__"] == "pratique_requests_total"
        }


@pytest.fixture
def server(monkeypatch):
    found = Server()
    monkeypatch.setattr(client_module.requests, "Session", lambda: found)
    return found


@pytest.fixture
def opened(tmp_path):
    made = []

    def opened(**options):
        made.append(RemoteWrite(RemoteWriteSettings(url=URL, **options), tmp_path / "rw.sqlite", late_s=60))
        return made[-1]

    yield opened
    for one in made:
        one.close()


def test_windows_arrive_as_counters_with_the_labels_of_the_settings(server, opened):
    remote = opened(labels={"cluster": "east"})
    remote.take(rollups(row(n=3), row(n=1, code=500)))
    remote.take(rollups(row(1, n=2)))
    remote.send()
    assert server.requests() == {("r1", "200"): 5.0, ("r1", "500"): 1.0}
    labels = [one.labels for part in server.got for one in part]
    assert {one["cluster"] for one in labels} == {"east"}
    assert {one["job"] for one in labels} == {"pratique"}
    assert len({one["instance"] for one in labels}) == 1
    assert remote.notes() == []


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (0, UnavailableError, "does not answer: refused"),
        (500, UnavailableError, r"takes nothing now \(500\): out of order sample"),
        (429, UnavailableError, r"takes nothing now \(429\)"),
        (408, UnavailableError, r"takes nothing now \(408\)"),
        (425, UnavailableError, r"takes nothing now \(425\)"),
        (401, DeniedError, r"refuses remote write \(401\)"),
        (404, DeniedError, r"refuses remote write \(404\): .*: correct \[export.remote_write\]"),
        (302, DeniedError, r"refuses remote write \(302\)"),
    ],
)
def test_what_the_server_does_not_take_waits_in_order(server, opened, status, error, words):
    remote = opened()
    server.status = status
    for window in range(3):
        remote.take(rollups(row(window, n=1)))
        with pytest.raises(error, match=words):
            remote.send()
    assert remote.notes() == [f"3 requests to {URL} since 2026-03-01 23:59:40Z wait"]
    server.status = 204
    remote.send()
    values = [
        one.samples[-1][1] for part in server.got for one in part if one.labels["__name__"] == "pratique_requests_total"
    ]
    assert values == [1.0, 2.0, 3.0]


def test_what_the_server_will_never_take_is_given_up_and_stays_reported(server, opened):
    remote = opened()
    server.status = 400
    for window in range(2):
        remote.take(rollups(row(window, n=1)))
        remote.send()
    server.status = 204
    remote.take(rollups(row(2, n=2)))
    remote.send()
    assert server.requests() == {("r1", "200"): 4.0}
    remote.close()
    assert opened().notes() == [f"{URL} refused 2 requests for good, the last one because: out of order sample (400)"]


def test_of_a_long_answer_the_beginning_is_read(server, opened):
    remote = opened()
    server.status, server.more = 400, b" x" * 1_000_000
    remote.take(rollups(row(n=1)))
    remote.send()
    assert len(remote.notes()[0]) < 400


def test_a_lost_answer_sends_the_same_samples_again(server, opened):
    remote = opened()
    server.lost = True
    remote.take(rollups(row(n=1)))
    with pytest.raises(UnavailableError):
        remote.send()
    server.lost = False
    remote.send()
    assert server.got[0] == server.got[1]


def test_a_process_that_died_goes_on_where_it_was(server, opened):
    first = opened()
    first.take(rollups(row(n=3)))
    first.close()
    second = opened()
    # the collector writes what it has again
    second.take(rollups(row(n=3), row(1, n=1)))
    second.send()
    assert server.requests() == {("r1", "200"): 4.0}
    assert len({one.labels["instance"] for part in server.got for one in part}) == 1


def test_rows_that_could_not_be_kept_are_taken_again(server, opened, monkeypatch):
    remote = opened()
    keep = remote._state.keep

    def fail(*arguments):
        raise StorageError("no space")

    monkeypatch.setattr(remote._state, "keep", fail)
    with pytest.raises(StorageError):
        remote.take(rollups(row(n=3)))
    monkeypatch.setattr(remote._state, "keep", keep)
    remote.take(rollups(row(n=3)))
    remote.send()
    assert server.requests() == {("r1", "200"): 3.0}


def test_after_the_clock_was_set_back_other_series_begin(server, opened):
    remote = opened()
    remote.take(rollups(row(10_000, n=3)))
    remote.send()
    remote.take(rollups(row(0, n=1, source="collector:1")))
    remote.send()
    names = [part[0].labels["instance"] for part in server.got]
    assert names[0] != names[1]
    assert server.requests() == {("r1", "200"): 1.0}


def test_many_series_are_several_requests(server, opened, monkeypatch):
    monkeypatch.setattr(module, "MOST_SERIES", 20)
    remote = opened()
    remote.take(rollups(*(row(code=code) for code in range(200, 210))))
    remote.send()
    assert max(map(len, server.got)) == 20
    assert len(server.requests()) == 10


def test_the_store_gets_rows_after_they_are_counted(server, opened):
    written = []
    store = SimpleNamespace(write=lambda rows, *, instead_of=(): written.append((len(rows), tuple(instead_of))))
    remote = opened()
    CountedSink(lambda: remote, store).write(rollups(row(n=3)), instead_of=("log",))
    assert written == [(1, ("log",))]
    remote.send()
    assert server.requests() == {("r1", "200"): 3.0}


def test_a_store_that_is_away_does_not_count_anything_twice(server, opened):
    def away(rows, *, instead_of=()):
        raise UnavailableError("away")

    remote = opened()
    sink = CountedSink(lambda: remote, SimpleNamespace(write=away))
    for _ in range(3):
        with pytest.raises(UnavailableError):
            sink.write(rollups(row(n=3)))
    remote.take(rollups(row(1, n=1)))
    remote.send()
    assert server.requests() == {("r1", "200"): 4.0}

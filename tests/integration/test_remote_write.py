"""Remote write into real servers: what they have equals the rollups, through outages, lost answers and killed collectors."""

import contextlib
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pratique.config import MetricMapping, RemoteWriteSettings, StoreSettings, load
from pratique.export.ledger_follower import LedgerFollower
from pratique.export.remote_write.metrics import THRESHOLDS_MS
from pratique.export.remote_write.remote import RemoteWrite
from pratique.ledger import Ledger, open_ledger
from pratique.store import open_store
from pratique.telemetry.buckets import bucket_below
from support.collector_stack import Sender, Stack
from support.grafana import Dashboard
from support.ports import free_port
from support.prometheus_fixture import KINDS, metric_server
from support.scraped_traffic import Traffic
from support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
ARGUMENTS = {"prometheus": ("--web.enable-remote-write-receiver",), "victoria-metrics": ()}


@pytest.fixture(params=KINDS, scope="module")
def server(request, tmp_path_factory):
    with metric_server(request.param, tmp_path_factory.mktemp("remote"), arguments=ARGUMENTS[request.param]) as found:
        yield found


def store_of(server, **mapping):
    if server.kind != "prometheus":
        urllib.request.urlopen(f"{server.http}/internal/force_flush", timeout=60).close()
    return open_store(StoreSettings(url=server.address, metrics=MetricMapping(preset="pratique", **mapping)))


def counts(table):
    """The requests of each row, by everything but the source."""
    found = {}
    for row in table.to_pylist():
        key = tuple(row[name] for name in ("window", "revision", "action", "code", "host"))
        if row["n"]:
            found[key] = found.get(key, 0) + row["n"]
    return found


def under(table):
    """How many requests of each revision and code took less than each threshold, and how many have a duration."""
    found = {}
    for row in table.to_pylist():
        for bucket, n in zip(row["bucket"], row["count"], strict=True):
            for threshold in (*THRESHOLDS_MS, float("inf")):
                if bucket <= bucket_below(threshold):
                    key = row["revision"], row["code"], threshold
                    found[key] = found.get(key, 0) + n
    return found


def sums(table):
    found = {}
    for row in table.to_pylist():
        found[row["revision"]] = found.get(row["revision"], 0.0) + row["sum_ms"]
    return found


def test_what_the_server_has_equals_the_rollups_window_by_window(server, tmp_path):
    start = (int(time.time()) // 3600 - 1) * 3600
    rollups = Traffic(start, windows=45, history=20, errors={"r1": 0.02, "r2": 0.05}).rollups()
    window = rollups.table["window"]
    remote = RemoteWrite(RemoteWriteSettings(url=f"{server.http}/api/v1/write"), tmp_path / "rw.sqlite", late_s=60)
    for number, one in enumerate(sorted(set(window.to_pylist()))):
        remote.take(rollups.only(pc.equal(window, pa.scalar(one, window.type))))
        if number % 7 == 0:
            remote.send()
    remote.send()
    assert remote.notes() == []
    remote.close()
    first = datetime.fromtimestamp(start, UTC)
    read = store_of(server).read("shop", ["r1", "r2"], first, first + timedelta(minutes=45))
    assert counts(read.table) == counts(rollups.table)
    assert under(read.table) == under(rollups.table)
    assert sums(read.table) == pytest.approx(sums(rollups.table))
    assert read.limits.bounds_ms == THRESHOLDS_MS
    assert read.limits.notes == ()


class RemoteStack(Stack):
    """A collector that sends its counts to a server, through a proxy."""

    def __init__(self, folder, proxy):
        super().__init__(folder, free_port())
        text = (
            self.file.read_text()
            + f'[export.remote_write]\nurl = "http://127.0.0.1:{proxy.port}/api/v1/write"\ntimeout_s = 2\n'
        )
        self.file.write_text(text)
        self.config = load(self.file)


def total(server, service, start):
    rows = store_of(server, window_s=1).read(service, ["r1", "r2"], start, datetime.now(UTC)).table.to_pylist()
    found = {}
    for row in rows:
        key = row["revision"], row["code"]
        found[key] = found.get(key, 0) + row["n"]
    return {key: n for key, n in found.items() if n}


@pytest.mark.server
def test_a_collector_counts_every_request_once_whatever_happens(server, tmp_path):
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    with TcpProxy(server.port) as proxy, contextlib.ExitStack() as ends:
        stack = RemoteStack(tmp_path, proxy)
        stack.start()
        ends.callback(lambda: stack.process.poll() is None and stack.kill())
        sender = Sender(stack.port)
        ends.callback(sender.close)
        open_ledger(stack.config.state_dir).append("verdict", "shop", revision="r2", data={"decision": "promote"})
        sent = {("r1", 200): 0, ("r2", 500): 0}

        def send(count, *, since_start=0):
            for revision, code in sent:
                sender.send(count, revision=revision, code=code)
                sent[revision, code] += count
            stack.until_durable(since_start + len(sent) * count)

        send(50)
        proxy.refuse = proxy.lose_answers = True
        send(30, since_start=100)
        stack.until(lambda status: any("does not answer" in note for note in status.exports))
        stack.kill()
        stack.start()
        send(20)
        proxy.refuse = False
        send(10, since_start=40)
        stack.kill()
        proxy.lose_answers = False
        stack.start()
        send(5)
        deadline = time.monotonic() + 60
        while (found := total(server, "shop", start)) != sent:
            assert time.monotonic() < deadline, (found, sent, stack.until(lambda _: True).exports)
            time.sleep(0.5)
        stack.stop()
        time.sleep(1)
        assert total(server, "shop", start) == sent == stack.counts()
        (marker,) = server.query('last_over_time(pratique_event_timestamp_ms{service="shop"}[1h])')
        assert (marker["metric"]["title"], marker["metric"]["kind"]) == ("verdict on r2: promote", "verdict")


DASHBOARD = Dashboard("prometheus")
VALUES = {
    "service": "boutique",
    "requests": "pratique_requests_total",
    "latency": "pratique_request_duration_seconds",
    "revision_label": "revision",
    "__rate_interval": "1m",
}


@pytest.fixture(scope="module")
def shown(server, tmp_path_factory):
    """A server with half an hour of two revisions, and the events of a ledger; the time of its newest samples."""
    folder = tmp_path_factory.mktemp("shown")
    end = int(time.time()) // 60 * 60
    rollups = Traffic(end - 1800, windows=30, history=0, errors={"r1": 0.05, "r2": 0.05}).rollups()
    table = rollups.table.set_column(2, "service", pa.array([VALUES["service"]] * len(rollups)))
    window = table["window"]
    remote = RemoteWrite(RemoteWriteSettings(url=f"{server.http}/api/v1/write"), folder / "rw.sqlite", late_s=60)
    for one in sorted(set(window.to_pylist())):
        remote.take(type(rollups)(table.filter(pc.equal(window, pa.scalar(one, window.type)))))
    ledger = Ledger(folder / "ledger.sqlite")
    ledger.append("release", "boutique", who="ann", revision="r2", data={"event": "started", "baseline": "r1"})
    ledger.append("weight", "boutique", revision="r2", data={"shares": {"r1": 0.9, "r2": 0.1}})
    ledger.append("verdict", "boutique", revision="r2", data={"decision": "promote", "reason": 'all "met"\\'})
    LedgerFollower(ledger, folder / "events.json", remote).forward()
    remote.send()
    assert remote.notes() == []
    remote.close()
    store_of(server)
    return server, end


@pytest.mark.parametrize("title", sorted(DASHBOARD.panels.keys() - {"Weights"}))
def test_a_panel_shows_each_revision(shown, title):
    server, end = shown
    series = server.query(DASHBOARD.filled_in(DASHBOARD.target(title), **VALUES), time=end)
    assert {one["metric"]["revision"] for one in series} == {"r1", "r2"}
    assert all(float(one["value"][1]) >= 0 for one in series)


def test_the_weights_are_those_of_the_ledger(shown):
    server, _ = shown
    query = DASHBOARD.filled_in(DASHBOARD.target("Weights"), **VALUES)
    series = server.query(query, time=time.time() + 30)
    assert {one["metric"]["revision"]: float(one["value"][1]) for one in series} == {"r1": 0.9, "r2": 0.1}


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("Releases", "release of r2 against r1", "by ann"),
        ("Weights", "weights", "r1 90 %, r2 10 %"),
        ("Verdicts", "verdict on r2: promote", 'all "met"\\'),
    ],
)
def test_an_annotation_has_the_time_of_its_event(shown, name, title, text):
    server, _ = shown
    now = time.time()
    annotation = DASHBOARD.annotations[name]
    query = DASHBOARD.filled_in(annotation["expr"], **VALUES | {"__rate_interval": "10m"})
    (series,) = server.query(query, time=now + 30)
    assert (annotation["titleFormat"], annotation["textFormat"]) == ("{{title}}", "{{text}}")
    assert (series["metric"]["title"], series["metric"]["text"]) == (title, text)
    # with useValueForTime Grafana takes the value for the time, in milliseconds
    assert annotation["useValueForTime"]
    assert 0 <= now - float(series["value"][1]) / 1000 < 300

"""The store that reads what others write to InfluxDB: a real server, with points in the form in which Telegraf writes them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from pratique.config import PointMapping, Policy
from pratique.judge.compare import compare
from pratique.store import open_store
from support import telegraf_points as telegraf
from support.scraped_traffic import WINDOW_S, Traffic

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]
LONG = Policy(deadline_min=600)
TIMED = {"preset": "telegraf-access-log", "duration": "request_time"}
COUNTERS = {
    "telegraf-haproxy": telegraf.haproxy,
    "telegraf-nginx-vts": telegraf.nginx_upstreams,
    "telegraf-nginx-sts": lambda traffic: telegraf.nginx_upstreams(traffic, "sts"),
    "telegraf-nginx-plus": lambda traffic: telegraf.nginx_upstreams(traffic, "plus"),
    "telegraf-prometheus": telegraf.prometheus,
}


@pytest.fixture(scope="module")
def start():
    """A full hour, two hours ago: nothing of it is still to come."""
    return (int(time.time()) // 3600 - 2) * 3600


@pytest.fixture(scope="module")
def traffic(start):
    return Traffic(start - 3600)


@pytest.fixture(scope="module")
def bucket(influxdb_server, traffic):
    """A bucket with an hour of equal revisions, as each of the inputs writes it."""
    found = influxdb_server.new_bucket()
    for lines in (*(write(traffic) for write in COUNTERS.values()), telegraf.access_log(traffic)):
        telegraf.write(influxdb_server, found, list(lines))
    return found


def settings(server, bucket, **mapping):
    return server.settings(bucket, points=PointMapping(**mapping))


def store_of(server, bucket, **mapping):
    return open_store(settings(server, bucket, **mapping))


def counts(rollups, *columns):
    """Requests by window, revision and further columns."""
    names = ["window", "revision", *columns]
    table = rollups.table.group_by(names).aggregate([("n", "sum")])
    return {tuple(row[name] for name in names): row["n_sum"] for row in table.to_pylist() if row["n_sum"]}


def begin_of(traffic):
    return datetime.fromtimestamp(traffic.start_s, UTC)


@pytest.mark.parametrize("preset", COUNTERS)
def test_counters_have_the_counts_that_a_collector_would_have_stored(influxd, bucket, traffic, preset):
    found = store_of(influxd, bucket, preset=preset).read("shop", ["r1", "r2"], begin_of(traffic))
    columns = ("action", "code") if preset == "telegraf-prometheus" else ("code",)
    assert counts(found, *columns) == counts(traffic.rollups(), *columns)
    classes = "some codes are known by their class only"
    assert any(note.startswith(classes) for note in found.limits.notes) == (preset != "telegraf-prometheus")


def test_points_of_one_request_each_have_the_counts_and_durations_of_the_log(influxd, bucket, traffic):
    found = store_of(influxd, bucket, **TIMED).read("shop", ["r1", "r2"], begin_of(traffic))
    truth = traffic.rollups()
    assert counts(found, "action", "code") == counts(truth, "action", "code")
    assert sum(found.table["sum_ms"].to_pylist()) == pytest.approx(sum(truth.table["sum_ms"].to_pylist()), rel=1e-6)
    assert sum(map(sum, found.table["count"].to_pylist())) == sum(truth.table["n"].to_pylist())
    assert not found.limits.bounds_ms
    assert found.limits.notes == ()


@pytest.mark.parametrize("mapping", [TIMED, {"preset": "telegraf-haproxy"}], ids=["requests", "counters"])
def test_revisions_have_their_first_and_last_window(influxd, bucket, traffic, mapping):
    begin = begin_of(traffic)
    last = begin + timedelta(seconds=(traffic.windows - 1) * WINDOW_S)
    canary = begin + timedelta(seconds=traffic.history * WINDOW_S)
    assert [
        (seen.service, seen.revision, seen.first, seen.last, seen.requests)
        for seen in store_of(influxd, bucket, **mapping).revisions()
    ] == [
        ("shop", "r1", begin, last, len(traffic.parts[0]["time_ms"])),
        ("shop", "r2", canary, last, len(traffic.parts[1]["time_ms"])),
    ]


@pytest.mark.parametrize("mapping", [TIMED, {"preset": "telegraf-haproxy"}], ids=["requests", "counters"])
def test_a_part_of_the_range_has_the_same_counts(influxd, bucket, traffic, mapping):
    begin, end = (datetime.fromtimestamp(traffic.start_s + minutes * 60, UTC) for minutes in (35, 45))
    found = store_of(influxd, bucket, **mapping).read("shop", ["r2"], begin, end)
    assert counts(found, "code") == {
        key: n for key, n in counts(traffic.rollups(), "code").items() if begin <= key[0] < end and key[1] == "r2"
    }


def guards(verdict):
    return {(guard.guard, guard.action): (guard.bad, guard.requests, guard.threshold_ms) for guard in verdict.guards}


def guards_on_codes(verdict):
    return {key: found for key, found in guards(verdict).items() if not key[0].startswith("p") and key[1] == "*"}


@pytest.mark.parametrize(
    ("errors", "slower", "decision"),
    [
        ({"r1": 0.01, "r2": 0.01}, 1.0, "promote"),
        ({"r1": 0.01, "r2": 0.06}, 1.0, "rollback"),
        ({"r1": 0.01, "r2": 0.01}, 2.0, "rollback"),
    ],
    ids=["good", "failing", "slow"],
)
def test_the_same_traffic_has_the_same_counts_and_the_same_verdict_as_in_the_own_store(
    influxd, tmp_path, start, errors, slower, decision
):
    traffic = Traffic(start - 3600, history=30, windows=120, errors=errors, slower=slower, canary=0.5)
    delta, bucket = open_store(str(tmp_path / "delta")), influxd.new_bucket()
    delta.write(traffic.rollups())
    for lines in (telegraf.access_log(traffic), telegraf.haproxy(traffic)):
        telegraf.write(influxd, bucket, list(lines))
    expected = compare(delta, "shop", "r1", "r2", policy=LONG)
    assert expected.verdict == decision
    found = compare(settings(influxd, bucket, **TIMED), "shop", "r1", "r2", policy=LONG)
    assert (found.verdict, found.requests) == (decision, expected.requests)
    assert (found.start, found.end) == (expected.start, expected.end)
    assert guards(found) == guards(expected)
    counted = compare(settings(influxd, bucket, preset="telegraf-haproxy"), "shop", "r1", "r2", policy=LONG)
    assert counted.requests == expected.requests
    assert guards_on_codes(counted) == guards_on_codes(expected)
    # counters tell no durations, and what was not measured is never promoted
    assert counted.verdict == ("rollback" if slower == 1.0 and decision == "rollback" else "inconclusive")
    assert any("latency" in finding.message or "duration" in finding.message for finding in counted.findings)

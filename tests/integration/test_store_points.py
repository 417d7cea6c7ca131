"""The store that reads what others write to InfluxDB: a real server, with points in the form in which Telegraf writes them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from pratique.config import PointMapping, Policy, StoreSettings
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, UsageError
from pratique.judge.compare import compare, read_and_judge
from pratique.store import is_scraped, open_store
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
    truth = counts(traffic.rollups(), *columns)
    if preset == "telegraf-haproxy":
        # r1 was there before the first point
        assert counts(found, *columns) == truth
    else:
        first = {key: n for key, n in truth.items() if key[1] == "r1"}
        assert {key: n for key, n in counts(found, *columns).items() if key[1] == "r1"} == first
    assert sum(n for key, n in counts(found).items() if key[1] == "r2") == len(traffic.parts[1]["time_ms"])


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

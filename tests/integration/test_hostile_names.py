"""Names that would end a string, a line, a query or a page are names, wherever Pratique writes or reads them as labels of others."""

import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from contract.store_contract import rollups, row
from pratique.config import MetricMapping, PointMapping, RemoteWriteSettings, StoreSettings
from pratique.errors import DataError
from pratique.export.remote_write.remote import RemoteWrite
from pratique.store import open_store
from support.prometheus_fixture import KINDS, metric_server

pytestmark = pytest.mark.slow
NAMES = [
    '"',
    "'",
    "\\",
    "end\\",
    "|> drop()",
    '"} or vector(1) #',
    ".*",
    ".+|x",
    "$service",
    "`id`",
    "{{x}}",
    "%zz",
    "é🚢",
]
NAMES += [
    " ",
    "\t",
    "\x7f",
    "NaN",
    "null",
    "-1",
    "=1+1",
    ",",
    "{",
    "}",
    "'; drop table x; --",
    "#",
    "\\n",
    "\\u0041",
    "</script>",
]
CONTROLS = ["\n", "a\nb", "\r", "\x00x", "a\x1fb\x1ec", "\x85"]
ARGUMENTS = {"prometheus": ("--web.enable-remote-write-receiver",), "victoria-metrics": ()}


def requests_by(rows, column):
    found = {}
    for values in rows.table.to_pylist():
        found[values[column]] = found.get(values[column], 0) + values["n"]
    return found


@pytest.mark.prometheus
@pytest.mark.parametrize("kind", KINDS)
def test_names_come_back_from_a_server_by_remote_write(kind, tmp_path):
    now = datetime.fromtimestamp(int(time.time()) // 60 * 60 - 600, UTC)
    window, names = {"window": now, "window_s": 60}, [*NAMES, *CONTROLS, "x" * 500]
    rows = [
        {**row(n=number + 1, histogram=()), **window, column: name}
        for number, name in enumerate(names)
        for column in ("action", "host", "revision")
    ]
    with metric_server(kind, tmp_path, arguments=ARGUMENTS[kind]) as server:
        remote = RemoteWrite(RemoteWriteSettings(url=f"{server.http}/api/v1/write"), tmp_path / "rw.sqlite", late_s=60)
        remote.take(rollups(*rows))
        remote.send()
        assert remote.notes() == []
        if kind != "prometheus":
            urllib.request.urlopen(f"{server.http}/internal/force_flush", timeout=60).close()
        store = open_store(StoreSettings(url=server.address, metrics=MetricMapping(preset="pratique")))
        begin, expected = now - timedelta(minutes=1), {name: number + 1 for number, name in enumerate(names)}
        found = store.read("shop", ["r1"], begin)
        for column in ("action", "host"):
            assert {name: n for name, n in requests_by(found, column).items() if name in expected} == expected
        listed = {seen.revision: seen.requests for seen in store.revisions("shop", begin) if seen.revision != "r1"}
        assert listed == expected
        assert requests_by(store.read("shop", names, begin), "revision") == expected


@pytest.mark.influxdb
def test_names_in_the_points_of_others_are_names(influxd):
    """What line protocol cannot carry, the server refuses: a backslash at the end, and the end of a line."""
    bucket, now_ms = influxd.new_bucket(), (int(time.time()) // 60 * 60 - 600) * 1000
    stored = []
    for number, name in enumerate(NAMES):
        tag = name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")
        lines = [
            f"calls,svc=shop,rev={rev},route={route},code=200,host=h{at} took=0.01 {now_ms + at}"
            for at in range(number + 1)
            for rev, route in (("r1", tag), (tag, "a"))
        ]
        try:
            influxd.client.write(bucket.name, "\n".join(lines).encode())
        except DataError:
            assert name.endswith("\\")
            continue
        stored.append((name, number + 1))
    assert len(stored) == len(NAMES) - 2
    points = PointMapping(
        measurement="calls", service="svc", revision="rev", action=("route",), code="code", host="host", duration="took"
    )
    store, begin = open_store(influxd.settings(bucket, points=points)), datetime.fromtimestamp(now_ms / 1000 - 60, UTC)
    assert requests_by(store.read("shop", ["r1"], begin), "action") == dict(stored)
    for name, n in stored:
        assert requests_by(store.read("shop", [name], begin), "revision") == {name: n}

"""A store in InfluxDB 3, against answers in the form that its documentation of /api/v3/query_sql gives."""

from datetime import UTC, datetime, timedelta

import pytest

from contract.store_contract import T0, by_key, rollups, row
from pratique.errors import DataError, DeniedError, UnavailableError
from pratique.store import open_store
from support.recorded_answers import recorded_server

ROWS = [row(0, n=3, histogram=((-160, 1), (511, 2))), row(1, "r2", n=2**53 + 1, host="", action='a "b"\n')]
POINTS = (
    '{"time":"2026-03-01T23:59:30","hist":"3 1.5 10 -160 1 511 2","action":"GET /cart","code":"200","host":"h1",'
    '"revision":"r1","service":"shop","source":"collector"}\n'
    '{"time":"2026-03-01T23:59:40","hist":"9007199254740993 1.5 10 3 1","action":"a %22b%22%0A","code":"200","host":"%",'
    '"revision":"r2","service":"shop","source":"collector"}\n'
)
SEEN = (
    '{"service":"shop","revision":"r2","requests":9007199254740993,"first":"2026-03-01T23:59:40","last":"2026-03-01T23:59:40"}\n'
    '{"service":"shop","revision":"r1","requests":3,"first":"2026-03-01T23:59:30","last":"2026-03-01T23:59:30"}\n'
)
MARKS = '{"service":"shop","source":"collector","mark":"done 1772409570000 1772409580000 1795996685147 93e36deae6fb"}\n'
NO_TABLE = "datafusion error: Error during planning: table 'public.iox.pratique_writes' not found"


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "apiv3_secret")


@pytest.fixture
def server():
    with recorded_server("3.2.1") as recorded:
        recorded.answers = {
            "/api/v3/query_sql": lambda request: (200, answer(request.json["q"])),
            "/api/v2/write": (204, ""),
        }
        yield recorded


def answer(sql):
    return SEEN if "SUM(n)" in sql else MARKS if "mark" in sql else POINTS


@pytest.mark.slow
def test_rows_are_read_as_they_were_written(server):
    found = open_store(server.address()).read("shop", ["r1", "r2"]).table.to_pylist()
    assert by_key(found) == by_key(ROWS)


@pytest.mark.slow
def test_revisions_and_existence(server):
    store = open_store(server.address())
    assert store.exists()
    first, second = store.revisions("shop")
    assert (first.revision, first.requests, first.first, first.last) == ("r1", 3, T0, T0)
    assert (second.requests, second.last) == (2**53 + 1, T0 + timedelta(seconds=10))


@pytest.mark.slow
def test_values_are_bound_and_never_part_of_the_query(server):
    hostile = "x') OR 1=1 --"
    open_store(server.address()).read("shop", [hostile], T0, datetime(2026, 3, 2, tzinfo=UTC))
    (asked,) = [request.json for request in server.of("/api/v3/query_sql") if "hist" in request.json["q"]]
    assert "1=1" not in asked["q"]
    assert "time >= '2026-03-01T23:59:30.000000Z' AND time < '2026-03-02T00:00:00.000000Z'" in asked["q"]
    assert asked["params"] == {"service": "shop", "revision_0": hostile}
    assert (asked["db"], asked["format"]) == ("rollups", "jsonl")


@pytest.mark.slow
def test_a_database_without_a_write_is_empty(server):
    server.answers["/api/v3/query_sql"] = (500, NO_TABLE)
    store = open_store(server.address())
    assert not store.exists()
    assert store.revisions() == []
    assert len(store.read("shop", ["r1"])) == 0


@pytest.mark.slow
def test_rows_of_a_source_cannot_be_deleted(server):
    with pytest.raises(DataError, match="InfluxDB 3 cannot delete rows") as error:
        open_store(server.address()).write(rollups(row(0)), instead_of={"import:a.log"})
    assert "\n" not in str(error.value)
    assert server.of("/api/v2/write") == [], "nothing is begun that cannot be finished"


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (401, '{"error":"the request was not authenticated"}', DeniedError, "token is refused"),
        (500, "datafusion error: something", UnavailableError, "something"),
        (200, POINTS + '{"error":"query timed out"}\n', UnavailableError, "query timed out"),
        (200, POINTS[:-20], UnavailableError, "cut off"),
        (200, POINTS.replace("3 1.5 10", "three"), DataError, "points that are not Pratique's"),
    ],
)
@pytest.mark.slow
def test_errors_of_the_server_are_errors(server, status, text, kind, words):
    server.answers["/api/v3/query_sql"] = lambda request: (
        (status, text) if "hist" in request.json["q"] else (200, answer(request.json["q"]))
    )
    with pytest.raises(kind, match=words) as error:
        open_store(server.address()).read("shop", ["r1"])
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_times_with_fractions_and_zones_are_read(server):
    server.answers["/api/v3/query_sql"] = lambda request: (
        200,
        answer(request.json["q"]).replace("23:59:30", "23:59:30.250").replace('23:59:40"', '23:59:40Z"'),
    )
    windows = open_store(server.address()).read("shop", ["r1", "r2"]).table["window"].to_pylist()
    assert sorted(windows) == [T0 + timedelta(milliseconds=250), T0 + timedelta(seconds=10)]

"""Every query of the dashboard for InfluxDB shows each revision on a real server: points of the store, events of a ledger."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from pratique.export.influxdb_events import InfluxEvents
from pratique.export.ledger_follower import LedgerFollower
from pratique.ledger import Ledger
from pratique.store import open_store
from support.grafana import Dashboard, flux, flux_rows
from support.influxdb import TOKEN
from support.scraped_traffic import Traffic

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]
DASHBOARD = Dashboard("influxdb")
START = 1_772_406_000
WINDOWS = 60
FIRST = datetime.fromtimestamp(START, UTC)
LAST = FIRST + timedelta(minutes=WINDOWS)
HOSTILE = 'r3") |> drop() // \\ ${service}'


@pytest.fixture(scope="module")
def traffic():
    return Traffic(START, windows=WINDOWS, errors={"r1": 0.01, "r2": 0.05})


@pytest.fixture(scope="module")
def ask(influxdb_server, traffic, tmp_path_factory):
    """Ask a question of the dashboard over the whole range, as Grafana does."""
    folder = tmp_path_factory.mktemp("ledger")
    (folder / "token").write_text(TOKEN)
    bucket = influxdb_server.new_bucket()
    settings = influxdb_server.settings(bucket, token_file=str(folder / "token"))
    open_store(settings).write(traffic.rollups())
    ledger = Ledger(folder / "ledger.sqlite")
    ledger.append(
        "release", "shop", who="ann", why="faster", revision="r2", data={"event": "started", "baseline": "r1"}
    )
    ledger.append("weight", "shop", revision="r2", data={"shares": {"r1": 0.9, "r2": 0.1}})
    ledger.append("weight", "other", revision="r2", data={"shares": {"r1": 0.5, "r2": 0.5}})
    ledger.append(
        "verdict", "shop", revision=HOSTILE, data={"decision": "rollback", "reason": 'more "5xx"\n\\ | than r1'}
    )
    ledger.append("step", "shop", data={"step": "check", "event": "done"})
    ledger.append("release", "shop", revision="r2", data={"event": "ended", "outcome": "rolled back", "reason": "5xx"})
    LedgerFollower(ledger, folder / "events.json", InfluxEvents(settings)).forward()
    now = datetime.now(UTC)

    def ask(query, *, recent=False, **values):
        text = DASHBOARD.filled_in(query, **values)
        start, stop = (now - timedelta(hours=1), now + timedelta(hours=1)) if recent else (FIRST, LAST)
        filled_in = flux(text, start=start, stop=stop, bucket=bucket.name, interval="1m0s")
        return flux_rows(influxdb_server.client, filled_in)

    return ask


@pytest.mark.parametrize("title", sorted(DASHBOARD.panels.keys() - {"Weights", "Requests per second by code"}))
def test_a_panel_shows_each_revision(ask, title):
    rows = ask(DASHBOARD.target(title))
    assert {row["_field"] for row in rows} == {"r1", "r2"}
    assert sum(row["_field"] == "r1" for row in rows) == WINDOWS
    assert all(float(row["_value"]) >= 0 for row in rows)


def totals(rows):
    found = {}
    for row in rows:
        found[row["_field"]] = found.get(row["_field"], 0.0) + float(row["_value"])
    return found


def test_the_rates_sum_to_the_requests(ask, traffic):
    table = traffic.rollups().table
    rates = totals(ask(DASHBOARD.target("Requests per second by code")))
    for revision in ("r1", "r2"):
        for code in (200, 500):
            chosen = table.filter(pc.and_(pc.equal(table["revision"], revision), pc.equal(table["code"], code)))
            assert rates[f"{revision} {code}"] * 60 == pytest.approx(pc.sum(chosen["n"]).as_py())


def test_the_shares_of_a_time_sum_to_one(ask):
    by_time = {}
    for row in ask(DASHBOARD.target("Share of the requests")):
        by_time[row["_time"]] = by_time.get(row["_time"], 0.0) + float(row["_value"])
    assert len(by_time) == WINDOWS
    assert all(share == pytest.approx(1.0) for share in by_time.values())


def test_the_failed_requests_are_those_of_the_rollups(ask, traffic):
    mean = {name: value / WINDOWS for name, value in totals(ask(DASHBOARD.target("Share of failed requests"))).items()}
    assert mean["r1"] == pytest.approx(0.01, abs=0.004)
    assert mean["r2"] * WINDOWS / (WINDOWS - traffic.history) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    "slower_ms", [option["value"] for option in DASHBOARD.content["templating"]["list"][2]["options"]]
)
def test_the_share_of_slow_requests_is_exact_at_every_threshold(ask, traffic, slower_ms):
    durations = np.concatenate([part["duration_ms"] for part in traffic.parts if part["revision"][0] == "r1"])
    rows = [
        row for row in ask(DASHBOARD.target("Share of slow requests"), slower_ms=slower_ms) if row["_field"] == "r1"
    ]
    n = [row for row in ask(DASHBOARD.target("Requests per second")) if row["_field"] == "r1"]
    slow = sum(float(row["_value"]) * float(each["_value"]) * 60 for row, each in zip(rows, n, strict=True))
    assert slow == pytest.approx(np.sum(durations >= float(slower_ms)), abs=1e-6)


def test_the_p95_is_within_its_thresholds(ask, traffic):
    durations = np.concatenate([part["duration_ms"] for part in traffic.parts if part["revision"][0] == "r1"])
    real = float(np.quantile(durations, 0.95))
    shown = [float(row["_value"]) for row in ask(DASHBOARD.target("p95 of the durations")) if row["_field"] == "r1"]
    assert 0.5 * real < np.median(shown) < 2 * real


def test_the_weights_are_those_of_the_service(ask):
    rows = ask(DASHBOARD.target("Weights"), recent=True)
    assert {(row["_field"], row["_value"]) for row in rows} == {("r1", "0.9"), ("r2", "0.1")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "Releases",
            [
                ("release of r2 against r1", "by ann: faster", "release,r2"),
                ("r2 rolled back", "5xx", "release,r2"),
            ],
        ),
        ("Weights", [("weights", "r1 90 %, r2 10 %", "weight,r2")]),
        (
            "Verdicts",
            [
                (
                    f"verdict on {HOSTILE}: rollback",
                    'more "5xx" \\ | than r1',
                    "verdict,r3%22) |> drop() // %5C ${service}",
                )
            ],
        ),
    ],
)
def test_an_annotation_tells_what_happened(ask, name, expected):
    rows = ask(DASHBOARD.annotations[name]["target"]["query"], recent=True)
    assert [(row["title"], row["text"], row["tags"]) for row in rows] == expected
    assert all(row["_time"] for row in rows)


def test_the_services_of_the_bucket_can_be_chosen(ask):
    (variable,) = (one for one in DASHBOARD.content["templating"]["list"] if one["type"] == "query")
    assert [row["_value"] for row in ask(variable["query"])] == ["shop"]


def test_every_variable_of_a_query_is_defined():
    assert DASHBOARD.names() <= DASHBOARD.variables.keys()

"""The store that reads Prometheus and VictoriaMetrics: real servers, with samples as they would have been scraped."""

import re
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from pratique.config import MetricMapping, Policy, StoreSettings
from pratique.config.metric_presets import PRESETS
from pratique.errors import UsageError
from pratique.judge.compare import compare, read_and_judge
from pratique.store import open_store
from pratique.telemetry.rollups import Rollups
from support.prometheus_fixture import KINDS, metric_server
from support.scraped_traffic import BOUNDS_MS, WINDOW_S, Traffic

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
EXPOSITIONS = Path(__file__).parents[1] / "data" / "expositions"
LONG = Policy(deadline_min=600)
LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
def start():
    """A full hour, two hours ago: nothing of it is still to come."""
    return (int(time.time()) // 3600 - 2) * 3600


def settings(server, **mapping):
    return StoreSettings(url=server.address, metrics=MetricMapping(**{"preset": "go", **mapping}))


def store_of(server, **mapping):
    return open_store(settings(server, **mapping))


def counts(rollups):
    """Requests by window, revision, action and code."""
    table = rollups.table.group_by(["window", "revision", "action", "code"]).aggregate([("n", "sum")])
    return {
        tuple(row[name] for name in ("window", "revision", "action", "code")): row["n_sum"]
        for row in table.to_pylist()
        if row["n_sum"]
    }


def durations(rollups):
    """Timed requests by bucket."""
    found = {}
    for row in rollups.table.to_pylist():
        for bucket, count in zip(row["bucket"], row["count"], strict=True):
            found[bucket] = found.get(bucket, 0) + count
    return found


@pytest.fixture(scope="module", params=KINDS)
def filled(request, tmp_path_factory, start):
    """A server with an hour of equal revisions, and that traffic."""
    traffic = Traffic(start - 3600)
    with metric_server(request.param, tmp_path_factory.mktemp("metrics"), traffic.samples()) as server:
        yield server, traffic


def test_every_window_has_the_counts_that_a_collector_would_have_stored(filled):
    server, traffic = filled
    found = store_of(server).read("shop", ["r1", "r2"], datetime.fromtimestamp(traffic.start_s, UTC))
    assert counts(found) == counts(traffic.rollups())


def test_the_histogram_is_at_its_own_bounds(filled):
    server, traffic = filled
    found = store_of(server).read("shop", ["r1", "r2"], datetime.fromtimestamp(traffic.start_s, UTC))
    assert found.limits.bounds_ms == BOUNDS_MS
    sent = pa.concat_arrays([pa.array(part["duration_ms"]) for part in traffic.parts]).to_numpy()
    edges = [0, *BOUNDS_MS, float("inf")]
    wanted = [int(((sent > low) & (sent <= high)).sum()) for low, high in pairwise(edges)]
    assert [count for _, count in sorted(durations(found).items())] == [count for count in wanted if count]
    assert sum(found.table["sum_ms"].to_pylist()) == pytest.approx(float(sent.sum()), rel=1e-6)


def test_revisions_have_their_first_and_last_window(filled):
    server, traffic = filled
    begin = datetime.fromtimestamp(traffic.start_s, UTC)
    last = begin + timedelta(seconds=(traffic.windows - 1) * WINDOW_S)
    assert [
        (seen.service, seen.revision, seen.first, seen.last, seen.requests) for seen in store_of(server).revisions()
    ] == [
        ("shop", "r1", begin, last, len(traffic.parts[0]["time_ms"])),
        ("shop", "r2", begin + timedelta(seconds=30 * WINDOW_S), last, len(traffic.parts[1]["time_ms"])),
    ]


def test_a_part_of_the_range_has_the_same_counts(filled):
    server, traffic = filled
    begin, end = (datetime.fromtimestamp(traffic.start_s + minutes * 60, UTC) for minutes in (35, 45))
    found = counts(store_of(server).read("shop", ["r2"], begin, end))
    assert found == {key: n for key, n in counts(traffic.rollups()).items() if begin <= key[0] < end and key[1] == "r2"}


def test_counts_are_those_of_the_rows_that_it_reads(filled):
    server, traffic = filled
    begin = datetime.fromtimestamp(traffic.start_s, UTC)
    found = store_of(server).counts("shop", begin, None, by=("revision", "action", "code"), step_s=WINDOW_S)
    assert {(r["step"], r["revision"], r["action"], r["code"]): r["n"] for r in found.to_pylist() if r["n"]} == counts(
        traffic.rollups()
    )
    slow = store_of(server).counts(None, begin, None, by=("service",), step_s=0, slower_than_ms=BOUNDS_MS[1])
    sent = pa.concat_arrays([pa.array(part["duration_ms"]) for part in traffic.parts]).to_numpy()
    assert slow.to_pylist() == [
        {"step": begin, "service": "shop", "n": len(sent), "timed": len(sent), "slow": int((sent > BOUNDS_MS[1]).sum())}
    ]


def test_a_store_without_such_a_metric_does_not_exist(filled):
    server, _ = filled
    assert store_of(server).exists()
    assert not store_of(server, requests="nothing_total").exists()


def test_writing_is_refused_in_one_line(filled):
    server, traffic = filled
    with pytest.raises(UsageError, match="is only read: its server scrapes the services itself"):
        store_of(server).write(traffic.rollups())


def test_a_hostile_name_is_only_a_name(filled):
    server, _ = filled
    for name in ('"} or up{x="', "shop|.*", "\\", "\n", "é" * 200, ".*"):
        assert len(store_of(server).read(name, [name, "r1"])) == 0


def guards_on_codes(verdict):
    return {
        guard.guard: (guard.bad, guard.requests)
        for guard in verdict.guards
        if guard.action == "*" and guard.threshold_ms is None
    }


@pytest.mark.parametrize(
    ("errors", "slower", "decision"),
    [
        ({"r1": 0.01, "r2": 0.01}, 1.0, "promote"),
        ({"r1": 0.01, "r2": 0.06}, 1.0, "rollback"),
        ({"r1": 0.01, "r2": 0.01}, 2.0, "rollback"),
    ],
    ids=["good", "failing", "slow"],
)
def test_the_same_traffic_has_the_same_counts_and_the_same_verdict_in_every_store(
    tmp_path, start, errors, slower, decision
):
    traffic = Traffic(start - 7200, history=60, windows=180, errors=errors, slower=slower, canary=0.5)
    delta = open_store(str(tmp_path / "delta"))
    delta.write(traffic.rollups())
    expected = compare(delta, "shop", "r1", "r2", policy=LONG)
    assert expected.verdict == decision
    samples = traffic.samples()
    for kind in KINDS:
        with metric_server(kind, tmp_path, samples) as server:
            found = compare(settings(server), "shop", "r1", "r2", policy=LONG)
        assert found.verdict == decision
        assert found.requests == expected.requests
        assert (found.start, found.end) == (expected.start, expected.end)
        assert guards_on_codes(found) == guards_on_codes(expected)
        assert {guard.threshold_ms for guard in found.guards if guard.threshold_ms} <= set(BOUNDS_MS)
        assert any("durations are known at the histogram's bounds only" in note.message for note in found.findings)


def test_scrapes_beside_the_bounds_of_windows_move_requests_and_lose_none(tmp_path, start):
    """What differs from a collector: a request counts when it is scraped, at most one interval later."""
    traffic = Traffic(start - 3600, offset_s=7.0)
    with metric_server("victoria-metrics", tmp_path, traffic.samples()) as server:
        found = store_of(server).read("shop", ["r1", "r2"], datetime.fromtimestamp(traffic.start_s, UTC))
    sent = len(traffic.parts[0]["time_ms"])
    # the first scrape of r1 was 7 s after its start, which the server knows from the process
    assert sum(n for key, n in counts(found).items() if key[1] == "r1") == sent
    assert sum(n for key, n in counts(found).items() if key[1] == "r2") == len(traffic.parts[1]["time_ms"])
    assert counts(found) != counts(traffic.rollups())


def test_a_histogram_without_a_code_is_judged_too(tmp_path, start):
    traffic = Traffic(start - 3600)
    with metric_server("victoria-metrics", tmp_path, traffic.samples(coded=False)) as server:
        judged = read_and_judge(settings(server), "shop", "r1", "r2")
    assert counts(judged.rollups) == counts(traffic.rollups())
    (p95,) = [guard for guard in judged.verdict.guards if guard.guard == "p95" and guard.action == "*"]
    assert sum(p95.requests.values()) > 10_000
    assert p95.at_bound


def test_missing_scrapes_are_reported_and_lose_nothing(tmp_path, start):
    traffic = Traffic(start - 3600)
    gap = (traffic.start_s + 40 * 60, traffic.start_s + 43 * 60)
    samples = [sample for sample in traffic.samples() if not gap[0] < sample[2] < gap[1]]
    with metric_server("prometheus", tmp_path, samples) as server:
        found = store_of(server).read("shop", ["r1", "r2"], datetime.fromtimestamp(traffic.start_s, UTC))
    assert sum(counts(found).values()) == sum(counts(traffic.rollups()).values())
    assert any(note.startswith("no scrape of shop/r1:8000 from ") for note in found.limits.notes)


def test_windows_that_are_not_a_multiple_of_the_scrapes_are_reported(filled):
    server, _ = filled
    notes = store_of(server, window_s=10).read("shop", ["r1"]).limits.notes
    assert any("scrapes come every 15 s, and windows of 10 s are no multiple" in note for note in notes)


def parsed(text):
    """(name, labels, value) of each line of an exposition."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = LINE.fullmatch(line).groups()
            yield name, dict(LABEL.findall(labels or "")), float(value)


@pytest.fixture(scope="module")
def exposed(tmp_path_factory, start):
    """A server that scraped every exposition of tests/data three times: zeros, then the values, then twice the values."""
    samples = []
    for name in PRESETS:
        for family, labels, value in parsed((EXPOSITIONS / f"{name}.txt").read_text()):
            target = {"job": "shop", "instance": f"{name}:9100", **labels}
            gauge = family.endswith("start_time_seconds")
            samples += [(family, target, start + 60 * at, value if gauge else value * at) for at in (0, 1, 2)]
    with metric_server("victoria-metrics", tmp_path_factory.mktemp("presets"), samples) as server:
        yield server


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_reads_the_real_exposition_of_its_program(exposed, start, preset):
    # two programs expose http_requests_total here, so their targets are told apart
    mapping = {"preset": preset, "match": {**PRESETS[preset].get("match", {}), "instance": f"{preset}:9100"}}
    store = open_store(StoreSettings(url=exposed.address, metrics=MetricMapping(**mapping)))
    found = store.read("shop", ["r1", "r2"], datetime.fromtimestamp(start, UTC))
    by_code = {}
    for (_, revision, _, code), n in counts(found).items():
        by_code.setdefault(revision, {}).setdefault(code, []).append(n)
    assert {revision: sum(map(sum, codes.values())) for revision, codes in by_code.items()} == {"r1": 1820, "r2": 186}
    assert sum(map(sum, (n for code, n in by_code["r1"].items() if code >= 500 or code < 100))) == 20
    assert sum(durations(found).values()) == (0 if preset == "haproxy" else 186)
    if preset != "haproxy":
        assert found.limits.bounds_ms[-1] in (10.0, 75.0, 90.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 10000.0, 16384.0)
    actions = {row["action"] for row in Rollups(found.table).table.to_pylist()}
    expected = {
        "haproxy": "other",
        "envoy": "other",
        "istio": "other",
        "traefik": "GET",
        "spring": "GET /product/{id}",
        "django": "GET cart",
        "go": "get /cart",
    }
    assert actions == {expected.get(preset, "GET /cart")}

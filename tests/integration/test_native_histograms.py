"""Native histograms on a real Prometheus: read like classic ones, at their own bounds, and without another counter too."""

import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from pratique.config import MetricMapping, Policy, StoreSettings
from pratique.judge.compare import compare
from pratique.store import open_store
from support import native_histograms
from support.prometheus_fixture import metric_server
from support.scraped_traffic import Traffic

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
COUNT = "http_request_duration_seconds_count"


@pytest.fixture
def prometheus(tmp_path):
    with metric_server("prometheus", tmp_path, arguments=native_histograms.ARGUMENTS) as server:
        yield server


@pytest.fixture
def traffic():
    """An hour that has just ended, within what a server still takes; the canary is slow."""
    return Traffic((int(time.time()) // 60 - 61) * 60, slower=2.0, canary=0.5)


def settings(server, **mapping):
    return StoreSettings(url=server.address, metrics=MetricMapping(**{"preset": "go", **mapping}))


def counts(rollups):
    table = rollups.table.group_by(["window", "revision", "action", "code"]).aggregate([("n", "sum")])
    names = ("window", "revision", "action", "code")
    return {tuple(row[name] for name in names): row["n_sum"] for row in table.to_pylist() if row["n_sum"]}


@pytest.mark.parametrize("both", [False, True])
def test_a_service_with_native_histograms_alone_is_counted_and_judged(prometheus, traffic, both):
    """both: the service exposes the classic form of the histogram too, which must not count again."""
    classic = [sample for sample in traffic.samples() if sample[0] != "http_requests_total"]
    others = classic if both else [sample for sample in classic if "duration" not in sample[0]]
    native_histograms.send(prometheus, traffic, also=others)
    asked = settings(prometheus, requests=COUNT)
    store, begin = open_store(asked), datetime.fromtimestamp(traffic.start_s, UTC)
    assert store.exists()
    assert store.newest() is not None
    found = store.read("shop", ["r1", "r2"], begin)
    assert counts(found) == counts(traffic.rollups())
    sent = pa.concat_arrays([pa.array(part["duration_ms"]) for part in traffic.parts]).to_numpy()
    assert sum(found.table["sum_ms"].to_pylist()) == pytest.approx(float(sent.sum()), rel=1e-6)
    assert sum(sum(row) for row in found.table["count"].to_pylist()) == len(sent)
    for bound in found.limits.bounds_ms:
        under = sum(
            count
            for row in found.table.select(["bucket", "count"]).to_pylist()
            for bucket, count in zip(row["bucket"], row["count"], strict=True)
            if 2 ** (bucket / 16) < bound * 0.999
        )
        assert under == int((sent <= bound).sum()), bound
    if not both:
        assert len(found.limits.bounds_ms) > 30, "the bounds are those of the native histogram"
    verdict = compare(asked, "shop", "r1", "r2", policy=Policy(deadline_min=600))
    assert verdict.verdict == "rollback"
    assert {seen.revision: seen.requests for seen in store.revisions("shop")} == {
        part["revision"][0]: len(part["time_ms"]) for part in traffic.parts
    }

"""Requests of a selection add up to those of the store."""

from datetime import timedelta

import pytest

from pratique.report.incident_slices import Selection, sliced, values_of
from pratique.store import open_store
from support.report_samples import MINUTES, START, sample_rollups

END = START + timedelta(minutes=MINUTES)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = open_store(str(tmp_path_factory.mktemp("store")))
    found.write(sample_rollups())
    return found


def test_two_revisions_add_up_to_all(store):
    parts = [sliced(store, "shop", "5xx", Selection(START, END, revision), "action") for revision in ("r2", "r3")]
    whole = sliced(store, "shop", "5xx", Selection(START, END), "action")
    assert {name: sum(part.n[name] for part in parts) for name in whole.n} == whole.n
    assert {name: sum(part.bad[name] for part in parts) for name in whole.bad} == whole.bad
    assert parts[1].bad["POST /checkout"] / parts[1].n["POST /checkout"] > 0.03


def test_codes_share_one_denominator(store):
    found = sliced(store, "shop", "4xx", Selection(START, END), "code")
    assert len(set(found.n.values())) == 1
    assert found.bad["404"] > 0
    assert found.bad["503"] == 0


def test_one_action_and_host_are_selected(store):
    found = sliced(store, "shop", "5xx", Selection(START, END, action="GET /", host="web1"), "host")
    assert list(found.n) == ["web1"]
    assert found.name == "all revisions, GET /, web1 14:00–14:30"


def test_slow_requests_are_the_bad_ones_of_a_latency_outcome(store):
    found = sliced(store, "shop", "p95", Selection(START, END), "revision", slower_than_ms=120.0)
    assert 0 < found.bad["r2"] < found.n["r2"]


def test_values_are_listed_by_requests(store):
    found = values_of(store, "shop", START, END)
    assert found["revision"] == ["r2", "r3"]
    assert found["action"][0] == "GET /product/{id}"
    assert sorted(found["host"]) == ["web0", "web1"]

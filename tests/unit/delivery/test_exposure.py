"""What a revision that escaped its canary served from its promotion until users were well again."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pratique.config import GuardPolicy, Policy
from pratique.delivery.history import history_of, series
from pratique.delivery.text import history_lines
from pratique.errors import UnavailableError
from pratique.ledger import open_ledger
from pratique.store import open_store
from pratique.telemetry.rollups import Rollups
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 2, tzinfo=UTC)
NOW = START + timedelta(days=10)
NAMES = ("time_ms", "service", "revision", "action", "code", "host", "source", "duration_ms")


@pytest.fixture
def story(tmp_path):
    story = LedgerStory(open_ledger(tmp_path / "state"), START)
    story.first("r1")
    return story


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def traffic(store, hours, revision, counts, *, service="shop"):
    """Write requests at one moment. counts: code → number."""
    at = int((START + timedelta(hours=hours)).timestamp() * 1000)
    rows = [
        (at, service, revision, "GET /", code, "h", f"{revision}{hours}", 5.0)
        for code, n in counts.items()
        for _ in range(n)
    ]
    columns = {name: list(values) for name, values in zip(NAMES, zip(*rows, strict=True), strict=True)}
    columns["code"] = pa.array(columns["code"], pa.int16())
    store.write(Rollups.from_events(pa.table(columns), window_s=10))


def trial(store, *, baseline_bad=9):
    """The canary of a release that ended at hour 2: r1 has 1 % errors, or another number."""
    traffic(store, 1.7, "r1", {200: 900 - baseline_bad, 500: baseline_bad})
    traffic(store, 1.7, "r2", {200: 100})


def exposures(story, store, now=NOW, policy=None):
    def opened(since):
        return store

    found = history_of(
        "shop",
        story.ledger.entries("shop"),
        None,
        start=START,
        end=now,
        now=now,
        open_store=None if store is None else opened,
        policy=policy,
    )
    return found, [one.after for one in found.metrics.canaries.exposure]


@pytest.mark.slow
def test_requests_from_the_promotion_to_the_recovery_count_and_bad_ones_beyond_the_baseline(story, store):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=5)
    trial(store)
    traffic(store, 2.5, "r2", {200: 500})
    traffic(store, 4, "r2", {200: 300, 500: 200})
    traffic(store, 5, "r2", {500: 77})  # restored: no longer
    traffic(store, 4, "r2", {500: 99}, service="till")
    found, (after,) = exposures(story, store)
    # 1000 requests, 200 bad; the baseline's share was 9 of 900
    assert (after.requests, after.bad, after.is_over) == (1000, pytest.approx(190.0), True)
    assert (after.start, after.end) == (story.at(2), story.at(5))
    assert any(
        "exposure after promotion" in line and "1,000 requests, 190 of them bad" in line
        for line in history_lines(found)
    )
    (kept,) = found.to_json()["metrics"]["canaries"]["exposure"]
    assert (kept["after"]["requests"], kept["after"]["is_over"]) == (1000, True)


@pytest.mark.parametrize(
    ("rolled_back", "incident", "end", "over"),
    [(4, False, 4, True), (4, True, 240, False), (None, True, 240, False)],
)
def test_a_rollback_ends_it_without_an_incident_and_an_open_incident_does_not(
    story, store, rolled_back, incident, end, over
):
    story.release("r2", 2)
    trial(store)
    traffic(store, 3, "r2", {200: 50})
    if incident:
        story.incident("I1", 3, cause="r2")
    if rolled_back:
        story.rollback("r1", rolled_back)
    _, (after,) = exposures(story, store)
    assert (after.end, after.is_over, after.requests) == (story.at(end), over, 50)


def test_users_who_were_well_before_the_promotion_met_nothing_after_it(story, store):
    story.release("r2", 2)
    story.incident("I1", 1.6, cause="r2", restored=1.8)
    _, (after,) = exposures(story, store)
    assert (after.requests, after.bad) == (0, 0.0)


def test_the_guard_that_differs_most_clearly_counts_and_no_other(story, store):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=5)
    # 404s vary from 4 % to 6 %, and 503s rise from nothing to 1 %
    traffic(store, 1.7, "r1", {200: 864, 404: 36})
    traffic(store, 1.7, "r2", {200: 100})
    traffic(store, 3, "r2", {200: 1860, 404: 120, 503: 20})
    _, (after,) = exposures(story, store)
    assert after.bad == pytest.approx(20.0)
    own = Policy(guards={"gone": GuardPolicy(outcome="404", tolerated_ratio=2.0)})
    _, (after,) = exposures(story, store, policy=own)
    assert after.bad == pytest.approx(20.0)  # 5xx is watched all the same


@pytest.mark.parametrize("lacking", ["store", "past", "server"])
def test_what_the_store_cannot_tell_is_not_known_and_never_nothing(story, store, lacking):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=5)
    traffic(store, 4, "r2", {200: 10})
    if lacking == "server":
        store.counts = lambda *_, **__: (_ for _ in ()).throw(UnavailableError("the store is down"))
    found, (after,) = exposures(story, None if lacking == "store" else store)
    assert after.requests is None
    assert after.why == {
        "store": "there is no store", "past": "the store does not reach back to its canary", "server": "the store is down"
    }[lacking]  # fmt: skip
    assert any(
        "exposure after promotion" in line and "not known" in line and after.why in line
        for line in history_lines(found)
    )


def test_without_an_escape_no_store_is_opened(story):
    story.release("r2", 2, verdict="rollback")
    story.release("r3", 4)

    def refused(since):
        raise AssertionError

    found = history_of("shop", story.ledger.entries("shop"), None, start=START, end=NOW, now=NOW, open_store=refused)
    assert [one.after for one in found.metrics.canaries.exposure] == [None]


def test_an_escape_belongs_to_the_period_of_its_canary(story, store):
    story.release("r2", 2)
    story.incident("I1", 30, cause="r2", restored=31)
    trial(store)
    traffic(store, 30, "r2", {200: 40})
    found, _ = exposures(story, store)
    weeks = [[one.after.requests for one in each.canaries.exposure] for each in series(found, "week", 2)]
    assert weeks == [[40], []]

"""What canaries caught, what escaped, and what was a false alarm."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.delivery.canaries import canaries_of, overturned_of
from pratique.delivery.deployments import record_of
from pratique.delivery.metrics import Period, failures_of
from pratique.delivery.overturn import overturn
from pratique.errors import MissingError, UsageError
from pratique.ledger import open_ledger
from pratique.ledger.incidents import incidents_of
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 2, tzinfo=UTC)
MONTH = Period(START, START + timedelta(days=30))
GUARDS = {"5xx": {"bad": {"r1": 9, "r2": 31}, "requests": {"r1": 9000, "r2": 1000}}}


@pytest.fixture
def story(tmp_path):
    story = LedgerStory(open_ledger(tmp_path), START)
    story.first("r1")
    return story


def found(story, now=MONTH.end):
    entries = story.ledger.entries("shop")
    record = record_of("shop", entries)
    return canaries_of(record, failures_of(record, incidents_of(entries)), overturned_of(entries), MONTH, now)


@pytest.mark.slow
def test_a_stopped_canary_is_caught_and_its_exposure_is_what_users_met_beyond_the_baseline(story):
    run = story.release("r2", 2, verdict="rollback", requests={"r1": 9000, "r2": 1000}, guards=GUARDS)
    canaries = found(story)
    assert (canaries.caught.count, canaries.caught.of) == (1, 1)
    assert canaries.unreviewed == (run,)
    assert [(e.revision, e.requests, e.bad) for e in canaries.exposure] == [("r2", 1000, 30.0)]


def test_a_promoted_canary_that_failed_escaped(story):
    run = story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=4)
    canaries = found(story)
    assert (canaries.escaped, canaries.caught.count, canaries.caught.of) == ((run,), 0, 1)


def test_an_overturned_stop_is_no_catch(story):
    run = story.release("r2", 2, verdict="rollback")
    overturn(story.ledger, run, "the load test hit the canary")
    canaries = found(story)
    assert (canaries.overturned, canaries.false_alarms, canaries.unreviewed) == ((run,), (run,), ())
    assert (canaries.caught.of, canaries.exposure) == (0, ())


@pytest.mark.parametrize(
    ("fails_after_h", "now", "alarms"), [(None, 30, 1), (None, 5, 0), (24, 30, 0), (24 * 8, 30, 1)]
)
def test_the_same_content_that_served_well_for_a_week_makes_the_stop_a_false_alarm(story, fails_after_h, now, alarms):
    run = story.release("r2", 2, verdict="rollback")
    story.release("r2b", 4, digest="sha256:r2")
    if fails_after_h:
        story.incident("I1", 4 + fails_after_h, cause="r2b", restored=5 + fails_after_h)
    assert found(story, START + timedelta(days=now)).promoted_later == (run,) * alarms


def test_a_verdict_that_was_not_reached_is_not_over(story):
    story.release("r2", 2, took=1.0)
    story.release("r3", 5, took=2.0, verdict="inconclusive")
    times = found(story).to_verdict
    assert (times.ended, times.waiting, times.median) == (1, 1, pytest.approx(54.0))


def test_a_run_without_traffic_is_no_trial(story):
    story.ledger.append("release", "shop", revision="r9", run="early", data={"event": "started", "baseline": "r1"})
    assert found(story).trials == ()


def test_entries_of_an_older_version_have_no_exposure_in_bad_requests(story):
    story.release("r2", 2, verdict="rollback", requests={"r2": 50}, guards={"5xx": "?"})
    assert [(e.requests, e.bad) for e in found(story).exposure] == [(50, None)]


def test_an_escaped_canary_counts_for_what_it_served_before_its_promotion(story):
    story.release("r2", 2, requests={"r1": 9000, "r2": 1000}, guards=GUARDS)
    story.incident("I1", 3, cause="r2", restored=4)
    assert [(e.requests, e.bad, e.escaped) for e in found(story).exposure] == [(1000, 30.0, True)]


def test_a_verdict_without_counts_has_an_unknown_exposure(story):
    story.release("r2", 2, verdict="rollback", requests=None)
    assert [e.requests for e in found(story).exposure] == [None]


def test_only_a_stop_with_a_reason_can_be_overturned_and_only_once(story):
    stopped = story.release("r2", 2, verdict="rollback")
    promoted = story.release("r3", 4)
    with pytest.raises(UsageError, match="needs a reason"):
        overturn(story.ledger, stopped, " ")
    with pytest.raises(UsageError, match="was not stopped by the judge"):
        overturn(story.ledger, promoted, "why")
    with pytest.raises(MissingError, match="no run 'other'"):
        overturn(story.ledger, "other", "why")
    first = overturn(story.ledger, stopped, "load test")
    assert overturn(story.ledger, stopped, "again") == first

"""The five delivery metrics on stories whose numbers are calculated by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.delivery.deployments import record_of
from pratique.delivery.intervals import Interval
from pratique.delivery.metrics import Period, fail_rate, failures_of, frequency, recovery, rework
from pratique.ledger import open_ledger
from pratique.ledger.incidents import incidents_of
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = Period(START, START + timedelta(days=7))
NOW = START + timedelta(days=30)


@pytest.fixture
def story(tmp_path):
    return LedgerStory(open_ledger(tmp_path), START)


def measured(story, period=WEEK, now=NOW):
    """Deployments, failed deployments, at most failed ones, recoveries in minutes, those still open, rework."""
    entries = story.ledger.entries("shop")
    record, incidents = record_of("shop", entries), incidents_of(entries)
    failing = fail_rate(record, failures_of(record, incidents), incidents, period)
    found = recovery(failing.failures, now)
    return {
        "deployments": frequency(record, period).count,
        "failed": failing.share.count,
        "at most": failing.at_most.count,
        "minutes": found.minutes,
        "open": found.open,
        "unknown": found.unknown,
        "rework": rework(record, period).count,
    }


def counted(deployments=0, failed=0, most=None, minutes=(), still=(), unknown=0, reworked=0):
    most = failed if most is None else most
    values = {"deployments": deployments, "failed": failed, "at most": most}
    return values | {"minutes": minutes, "open": still, "unknown": unknown, "rework": reworked}


def test_a_rollback_and_a_fix_forward(story):
    story.first("r3")
    story.release("r4", 10.5)
    story.incident("I7", 11, cause="r4", closed=40)
    story.rollback("r3", 11.5, incident="I7")
    story.release("r5", 14, incident="I7")
    assert measured(story) == counted(2, failed=1, minutes=(30.0,), reworked=1)


def test_without_the_name_of_the_incident_the_fix_ends_it_and_not_the_rollback(story):
    story.first("r3")
    story.release("r4", 10.5)
    story.incident("I7", 11, cause="r4")
    story.rollback("r3", 11.5)
    story.release("r5", 14, incident="I7")
    assert measured(story) == counted(2, failed=1, minutes=(180.0,), reworked=1)


def test_the_recorded_end_counts_and_not_the_closing(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=3.25, closed=50)
    assert measured(story) == counted(1, failed=1, minutes=(15.0,))


def test_two_incidents_of_one_deployment_count_once_from_the_first_to_the_last(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 4, cause="r2", restored=6)
    story.incident("I2", 3, cause="r2", restored=5)
    assert measured(story) == counted(1, failed=1, minutes=(180.0,))


def test_an_incident_without_a_deployment_raises_only_the_upper_bound(story):
    story.first("r1")
    story.incident("I1", 3)
    assert measured(story) == counted(0)
    story.release("r2", 5)
    story.incident("I2", 6)
    story.incident("I3", 7, cause="none")
    assert measured(story) == counted(1, failed=0, most=1)


def test_two_deployments_that_name_one_incident_are_both_rework(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2")
    story.release("r3", 4, incident="I1")
    story.release("r4", 6, incident="I1")
    assert measured(story) == counted(3, failed=1, minutes=(60.0,), reworked=2)


def test_a_fix_that_caused_the_incident_does_not_end_it(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 3, cause="r3")
    story.release("r3", 4, incident="I1")
    story.release("r4", 6, incident="I1")
    # users met r3 from the first share of its canary, at 3:33
    assert measured(story) == counted(3, failed=1, minutes=(pytest.approx(147.0),), reworked=2)


def test_an_open_incident_lasts_until_now(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2")
    assert measured(story, now=START + timedelta(hours=5)) == counted(1, failed=1, still=(120.0,))


def test_one_open_incident_of_two_keeps_the_deployment_open(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=4)
    story.incident("I2", 4, cause="r2")
    assert measured(story, now=START + timedelta(hours=5)) == counted(1, failed=1, still=(120.0,))


def test_a_rollback_without_an_incident_fails_with_an_unknown_recovery(story):
    story.first("r1")
    story.release("r2", 2)
    story.rollback("r1", 3)
    assert measured(story) == counted(1, failed=1, unknown=1)


def test_a_drill_is_no_failure(story):
    story.first("r1")
    story.release("r2", 2)
    story.rollback("r1", 3, drill=True)
    story.rollback("r2", 4)
    assert measured(story) == counted(1)


def test_a_return_to_the_newer_release_does_not_blame_the_older_one(story):
    story.first("r1")
    story.release("r2", 2)
    story.release("r3", 4)
    story.rollback("r2", 5)
    story.rollback("r3", 6)
    assert measured(story) == counted(2, failed=1, unknown=1)


def test_two_rollbacks_in_a_row_fail_both_deployments(story):
    story.first("r1")
    story.release("r2", 2)
    story.release("r3", 4)
    story.rollback("r2", 5)
    story.rollback("r1", 6)
    assert measured(story) == counted(2, failed=2, unknown=2)


def test_a_stopped_canary_is_no_deployment(story):
    story.first("r1")
    story.release("r2", 2, verdict="rollback")
    story.release("r3", 4, verdict="inconclusive")
    assert measured(story) == counted(0)


def test_a_redeployment_is_counted_apart(story):
    story.first("r1")
    story.release("r2", 2)
    story.rollback("r1", 3)
    story.release("r2", 5)
    record = record_of("shop", story.ledger.entries("shop"))
    assert measured(story) == counted(1, failed=1, unknown=1)
    assert [found.revision for found in record.redeployments] == ["r2"]


def test_a_first_revision_after_a_reboot_is_no_deployment(story):
    story.first("r1")
    story.release("r2", 2)
    story.first("r2", 4)
    story.first("r1", 5)
    record = record_of("shop", story.ledger.entries("shop"))
    assert measured(story) == counted(1)
    assert record.firsts == 2


def test_no_deployment_is_a_rate_of_0_with_an_upper_limit(story):
    story.first("r1")
    found = frequency(record_of("shop", story.ledger.entries("shop")), WEEK)
    assert (found.count, found.per_week, found.days, found.gap_days) == (0, 0.0, 0, None)
    assert found.interval.high == pytest.approx(3.6889, abs=1e-4)
    assert measured(story) == counted(0)
    assert fail_rate(record_of("shop", []), (), (), WEEK).share.share is None


def test_frequency_counts_days_and_gaps(story):
    story.first("r1")
    for number, hours in enumerate((10, 12, 36, 84), start=2):
        story.release(f"r{number}", hours)
    found = frequency(record_of("shop", story.ledger.entries("shop")), WEEK)
    assert (found.count, found.per_week, found.days) == (4, 4.0, 3)
    assert found.gap_days == 1.0
    assert found.interval == Interval(pytest.approx(1.0899, abs=1e-4), pytest.approx(10.2416, abs=1e-4))


@pytest.mark.slow
def test_six_incidents_over_four_of_23_deployments(story):
    story.first("r0")
    for number in range(1, 24):
        story.release(f"r{number}", 5 * number)
    for unique, cause in enumerate(("r3", "r3", "r9", "r9", "r12", "r20")):
        story.incident(f"I{unique}", 6 * 23, cause=cause, restored=6 * 23 + 1)
    entries = story.ledger.entries("shop")
    record, incidents = record_of("shop", entries), incidents_of(entries)
    found = fail_rate(record, failures_of(record, incidents), incidents, WEEK).share
    assert (found.count, found.of, found.share) == (4, 23, pytest.approx(0.174, abs=1e-3))
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.050, abs=1e-3), pytest.approx(0.388, abs=1e-3))
    assert len(recovery(fail_rate(record, failures_of(record, incidents), incidents, WEEK).failures, NOW).minutes) == 4


def test_a_failure_counts_in_the_period_of_its_deployment(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 200, cause="r2", restored=201)
    later = Period(WEEK.end, WEEK.end + timedelta(days=7))
    assert measured(story) == counted(1, failed=1, minutes=(60.0,))
    assert measured(story, later) == counted(0)


def test_a_promotion_that_its_own_run_took_back_is_no_deployment(story):
    story.first("r1")
    run = story.release("r2", 2)
    story._share(2.1, "r2", run, {"r1": 1.0})
    assert measured(story) == counted(0)


def test_the_baseline_of_a_run_that_began_before_the_ledger_is_no_deployment(story):
    story.serving = "r1"
    story.release("r2", 2, verdict="rollback")
    assert measured(story) == counted(0)
    story.release("r3", 4)
    assert measured(story) == counted(1)


def test_a_rollback_to_a_revision_from_before_the_ledger_is_a_failure(story):
    story.serving = "r4"
    story.release("r5", 2)
    story.rollback("r4", 3)
    assert measured(story) == counted(1, failed=1, unknown=1)


def test_an_incident_whose_cause_no_revision_has_is_not_lost(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2-typo")
    assert measured(story) == counted(1, failed=0, most=1)


def test_a_time_without_a_zone_is_utc(story):
    story.first("r1")
    story.release("r2", 2)
    data = {"event": "opened", "id": "I1", "source": "x", "title": "x", "cause": "r2", "began": "2026-03-02T03:00:00"}
    story.ledger.append("incident", "shop", data=data | {"restored": "2026-03-02T03:30:00"})
    assert measured(story) == counted(1, failed=1, minutes=(30.0,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", [{"event": ["ended"]}, {"event": {"a": 1}}, {"event": "started", "digest": 7, "commit": []}]
)
def test_entries_of_other_types_are_passed_over(story, data):
    story.first("r1")
    story.ledger.append("release", "shop", revision="r9", run="odd", data=data, time=story.at(1))
    story.ledger.append("weight", "shop", revision="r9", run="odd", data={"shares": {"r9": True}}, time=story.at(1))
    story.release("r2", 2)
    assert measured(story) == counted(1)
    assert story.ledger.releases("shop")


def test_a_clock_that_was_set_back_does_not_make_gaps_negative(story):
    story.first("r1")
    for number, hours in enumerate((15.5, 13.5, 16.5), start=2):
        story.release(f"r{number}", hours)
    assert frequency(record_of("shop", story.ledger.entries("shop")), WEEK).gap_days == pytest.approx(1.5 / 24)


def test_an_id_that_two_programs_use_ends_no_incident(story):
    story.first("r1")
    story.release("r2", 2)
    story.incident("12", 3, cause="r2")
    story.ledger.append("incident", "shop", data={"event": "opened", "id": "12", "source": "gitlab", "title": "x",
                        "began": "2026-03-02T03:00:00Z", "cause": "none"})  # fmt: skip
    story.release("r3", 4, incident="12")
    assert measured(story, now=START + timedelta(hours=5)) == counted(2, failed=1, still=(120.0,), reworked=1)

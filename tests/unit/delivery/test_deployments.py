"""Stories that are easy to count wrongly, with numbers that are calculated by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.delivery.deployments import BY_HAND
from pratique.delivery.history import history_of
from pratique.delivery.overturn import overturn
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=28)


@pytest.fixture
def ledger(tmp_path):
    return open_ledger(tmp_path)


@pytest.fixture
def story(ledger):
    story = LedgerStory(ledger, START)
    story.first("r1")
    return story


def metrics(story, now=END, **given):
    service = story.service
    return history_of(service, story.ledger.entries(service), None, start=START, end=END, now=now, **given).metrics


@pytest.mark.parametrize(
    "recorded",
    [{"by": "person"}, {"by": "", "reason": "ann rolled it back at 5 %: 300 more requests"}],
    ids=["now", "older"],
)
def test_a_canary_that_a_person_stopped_is_no_catch_and_its_verdict_was_not_reached(story, recorded):
    run = story.release("r2", 2, verdict="rollback", took=1.0, **recorded)
    story.release("r3", 4, verdict="rollback", took=1.0)
    canaries = metrics(story).canaries
    assert [trial.verdict for trial in canaries.trials] == [BY_HAND, "rollback"]
    assert (len(canaries.stopped), canaries.caught.count, canaries.caught.of) == (1, 1, 1)
    assert (canaries.to_verdict.ended, canaries.to_verdict.waiting) == (1, 1)
    assert [one.revision for one in canaries.exposure] == ["r3"]
    with pytest.raises(UsageError, match="was not stopped by the judge"):
        overturn(story.ledger, run, "nothing was wrong")


def test_a_health_check_that_stops_a_canary_is_a_catch(story):
    story.release("r2", 2, verdict="rollback", by="health")
    assert metrics(story).canaries.caught.count == 1


def test_a_service_that_came_later_had_no_deployment_before_and_the_ledger_knows_it(ledger, story):
    story.release("r2", 24)
    till = LedgerStory(ledger, START, "till")
    till.first("t1", 14 * 24)
    till.release("t2", 15 * 24)
    till.release("t3", 16 * 24)
    since = ledger.after(0, 1)[0].time
    # 2 in 4 weeks, and not 2 in the 2 weeks since its first entry; the other service is not among them
    found = metrics(till, since=since)
    assert (found.frequency.count, found.frequency.per_week) == (2, pytest.approx(0.5))
    assert metrics(story, since=since).frequency.count == 1


def test_an_incident_of_one_service_does_not_blame_a_revision_of_the_same_name_of_another(ledger, story):
    till = LedgerStory(ledger, START, "till")
    till.first("r1")
    story.release("r2", 24)
    till.release("r2", 24)
    story.incident("I1", 25, cause="r2", restored=26)
    assert (metrics(story).fail_rate.share.count, metrics(till).fail_rate.share.count) == (1, 0)


def test_a_redeployment_of_the_cause_during_its_incident_ends_nothing(story):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2")
    story.rollback("r1", 4)
    story.release("r2", 5, incident="I1")  # the cause again
    story.rollback("r1", 6, incident="I1")
    found = metrics(story)
    # one deployment, one failed, from 3:00 to 6:00; a redeployment is no rework
    assert (found.frequency.count, found.fail_rate.share.count, found.recovery.minutes) == (1, 1, (180.0,))
    assert (found.rework.count, found.rework.of) == (0, 1)


def test_a_redeployment_of_another_revision_ends_the_incident_that_it_names(story):
    story.release("r2", 2)
    story.release("r3", 4)
    story.incident("I1", 5, cause="r3")
    story.release("r2", 6, incident="I1")
    found = metrics(story)
    assert (found.frequency.count, found.recovery.minutes, found.rework.count) == (2, (60.0,), 0)


@pytest.mark.parametrize(("restored", "minutes"), [(1.0, 0.0), (3.0, 0.0), (3.5, 30.0)])
def test_an_incident_that_was_over_before_it_began_took_no_time(story, restored, minutes):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", restored=restored, closed=1.0)
    assert metrics(story).recovery.minutes == (minutes,)


def test_closing_an_incident_ends_nothing(story):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2", closed=3.5)
    found = metrics(story, now=START + timedelta(hours=5)).recovery
    assert (found.minutes, found.open) == ((), (120.0,))


def test_an_incident_that_began_before_the_canary_counts_from_its_first_share(story):
    story.release("r2", 2, took=0.5)  # first share at 1:33
    story.incident("I1", 1, cause="r2", restored=2.55)
    assert metrics(story).recovery.minutes == (pytest.approx(60.0),)


def test_the_first_mend_that_names_the_incident_ends_it_and_not_a_later_one(story):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2")
    story.rollback("r1", 4, incident="I1")
    story.release("r3", 8, incident="I1")
    story.release("r4", 9, incident="I1")
    found = metrics(story)
    assert found.recovery.minutes == (60.0,)
    assert (found.rework.count, found.rework.of) == (2, 3)


def test_a_drill_neither_fails_a_deployment_nor_ends_its_incident_by_itself(story):
    story.release("r2", 2)
    story.incident("I1", 3, cause="r2")
    story.rollback("r1", 4, drill=True)
    found = metrics(story, now=START + timedelta(hours=5))
    assert (found.fail_rate.share.count, found.recovery.open) == (1, (120.0,))


def test_a_canary_that_was_the_cause_of_an_incident_is_no_failed_deployment(story):
    story.release("r2", 2, verdict="rollback")
    story.incident("I1", 1.8, cause="r2", restored=2)
    story.release("r3", 4)
    found = metrics(story).fail_rate
    assert (found.share.count, found.at_most.count, found.unexplained) == (0, 0, ())


def test_nothing_at_all_has_no_share_and_a_rate_of_zero_with_a_limit(story):
    found = metrics(story)
    assert (found.frequency.count, found.frequency.per_week, found.frequency.gap_days) == (0, 0.0, None)
    assert found.frequency.interval.high == pytest.approx(3.689 / 4, abs=1e-3)
    for share in (found.fail_rate.share, found.rework, found.canaries.caught):
        assert (share.count, share.of, share.share, share.interval) == (0, 0, None, None)
    assert (found.recovery.survival.median, found.canaries.to_verdict.median) == (None, None)

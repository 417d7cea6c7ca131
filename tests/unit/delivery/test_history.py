"""A history: its period, the period before, a series, and what a person should confirm."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.history import history_of, series
from pratique.delivery.text import history_lines, series_lines
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def story(tmp_path):
    return LedgerStory(open_ledger(tmp_path), START)


def history(story, **period):
    return history_of("shop", story.ledger.entries("shop"), None, **period)


def days(number):
    return START + timedelta(days=number)


def test_the_period_is_cut_to_what_the_ledger_covers(story):
    story.first("r1", 24 * 10)
    story.release("r2", 24 * 12)
    found = history(story, start=days(0), end=days(24), now=days(30))
    assert (found.metrics.period.start, found.before) == (days(10), None)
    assert found.metrics.frequency.per_week == 0.5
    assert any("the ledger begins at 2026-03-11" in line for line in history_lines(found))


def test_a_difference_is_named_only_if_it_is_more_than_chance(story):
    story.first("r0")
    for number in range(20):
        story.release(f"a{number}", 24 * 10 + 6 * number)
    few = history(story, start=days(20), end=days(30), now=days(40))
    assert (few.metrics.frequency.count, few.before.frequency.count) == (0, 20)
    assert few.changed == ("deployment frequency",)
    same = history(story, start=days(12), end=days(14), now=days(40))
    assert same.changed == ()


def test_an_incident_without_a_cause_is_a_question_and_no_blame(story):
    story.first("r1")
    story.release("r2", 24)
    story.incident("I7", 30)
    found = history(story, start=days(0), end=days(20), now=days(20))
    assert found.metrics.fail_rate.share.count == 0
    assert found.suggestions == (
        (
            "incident I7 has no known cause, and r2 served when it began: record it with: pratique incident cause I7 r2; "
            "if no revision caused it: pratique incident cause I7 none"
        ),
    )


def test_a_series_has_calendar_months_and_weeks_to_the_end(story):
    story.first("r1")
    for number, day in enumerate((3, 33, 35, 62), start=2):
        story.release(f"r{number}", 24 * day)
    found = history(story, start=days(0), end=datetime(2026, 5, 10, tzinfo=UTC), now=days(90))
    months = series(found, "month", 3)
    assert [m.asked.start.month for m in months] == [3, 4, 5]
    assert [m.frequency.count for m in months] == [1, 2, 1]
    assert [m.asked.end for m in series(found, "week", 2)] == [
        datetime(2026, 5, 3, tzinfo=UTC),
        datetime(2026, 5, 10, tzinfo=UTC),
    ]
    assert len(series_lines(months)) == 4


def test_an_empty_period_is_refused(story):
    story.first("r1")
    with pytest.raises(UsageError, match="is empty"):
        history(story, start=days(5), end=days(5), now=days(9))
    with pytest.raises(UsageError, match="is empty"):
        history(story, start=days(10), now=days(9))


def test_a_ledger_of_an_older_version_is_read_as_before(story):
    story.ledger.append("release", "shop", revision="r1", data={"event": "first"}, time=days(0))
    story.ledger.append("weight", "shop", revision="r1", data={"shares": {"r1": 1.0}}, time=days(0))
    story.ledger.append(
        "release", "shop", revision="r2", run="one", data={"event": "started", "baseline": "r1"}, time=days(1)
    )
    story.ledger.append("weight", "shop", revision="r2", run="one", data={"shares": {"r2": 1.0}}, time=days(1))
    story.ledger.append("verdict", "shop", revision="r2", run="one", data={"decision": "promote"}, time=days(1))
    found = history(story, start=days(0), end=days(20), now=days(20))
    assert (found.metrics.frequency.count, found.metrics.lead_time.unknown) == (1, 1)
    assert json.loads(json.dumps(found.to_json()))["metrics"]["frequency"]["count"] == 1


EVENTS = st.lists(
    st.tuples(st.sampled_from(["promote", "rollback", "inconclusive", "back", "first", "incident"]), st.integers(1, 6)),
    max_size=25,
)


@given(EVENTS)
def test_counts_of_any_story_agree_with_each_other(tmp_path_factory, events):
    story = LedgerStory(open_ledger(tmp_path_factory.mktemp("ledger")), START)
    story.first("r0")
    for hours, (event, number) in enumerate(events, start=1):
        if event == "incident":
            story.incident(f"I{hours}", hours, cause=f"r{number}")
        elif event == "back":
            story.rollback(f"r{number}", hours)
        elif event == "first":
            story.first(f"r{number}", hours)
        else:
            story.release(f"r{number}", hours, verdict=event)
    metrics = history(story, start=days(0), end=days(10), now=days(10)).metrics
    assert metrics.frequency.count <= sum(event == "promote" for event, _ in events)
    assert metrics.fail_rate.share.count <= metrics.fail_rate.at_most.count <= metrics.frequency.count
    assert metrics.rework.count == 0
    recovered = metrics.recovery
    assert len(recovered.minutes) + len(recovered.open) + recovered.unknown == metrics.fail_rate.share.count
    assert metrics.canaries.caught.count <= len(metrics.canaries.stopped) <= len(metrics.canaries.trials)


def test_stops_that_nobody_reviewed_are_named_until_somebody_does(story):
    story.first("r1")
    run = story.release("r2", 24, verdict="rollback", requests={"r1": 900, "r2": 100})
    found = history(story, start=days(0), end=days(20), now=days(20))
    assert found.suggestions == (
        f"1 stop of canaries that nobody reviewed: {run}: if nothing was wrong with one: pratique overturn RUN --why TEXT",
    )
    story.ledger.append("overturned", "shop", who="ann", run=run, why="load test", time=days(2))
    assert history(story, start=days(0), end=days(20), now=days(20)).suggestions == ()

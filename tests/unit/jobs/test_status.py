"""The state of a job from its outcomes, its due times and its flag."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.config import JobSettings
from pratique.jobs.backoff import Backoff
from pratique.jobs.status import bad_in_a_row, missed_of, p95_of, state_of
from pratique.outcomes import OutcomeRecord

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SETTINGS = JobSettings(grace_s=300)
FLAG = Backoff("on", "ann", "release", "2026-11-20T11:00:00.000000Z")


def record(outcome, number=0, planned="2026-11-20T02:30:00.000000Z", **details):
    at = NOW - timedelta(hours=20 - number)
    return OutcomeRecord(at, "job", "job@nightly", f"k{number}", outcome, details={"planned": planned, **details})


def records(*outcomes):
    return [record(outcome, number) for number, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "given", "state"),
    [
        ([], {}, "new"),
        (["ok"], {}, "up"),
        (["failed", "ok"], {}, "up"),
        (["ok", "failed"], {}, "failed"),
        (["ok", "timed out"], {}, "timed out"),
        (["ok", "lost"], {}, "lost"),
        (["ok", "missed"], {}, "missed"),
        (["failed", "skipped"], {}, "failed"),
        (["failed", "backed off"], {}, "failed"),
        (["ok", "stopped"], {}, "stopped"),
        (["ok"], {"due": NOW - timedelta(seconds=200)}, "late"),
        (["ok"], {"due": NOW - timedelta(seconds=400)}, "up"),
        (["failed"], {"due": NOW - timedelta(seconds=200)}, "failed"),
        ([], {"due": NOW - timedelta(seconds=200)}, "late"),
        (["failed"], {"backoff": FLAG}, "backed off"),
    ],
)
def test_states(outcomes, given, state):
    assert state_of(SETTINGS, records(*outcomes), NOW, **given) == state


def test_runs_that_nobody_planned_are_reported_when_they_are_many():
    planned = record("ok", 0)
    by_hand = [record("ok", number, planned="") for number in range(1, 11)]
    assert state_of(SETTINGS, [planned, *by_hand[:9]], NOW) == "up"
    assert state_of(SETTINGS, [planned, *by_hand], NOW) == "too often"


def test_missed_due_times_are_counted_since_the_last_run():
    found = [record("missed", 0, count=9), record("ok", 1), record("missed", 2, count=3), record("missed", 3)]
    assert missed_of(found) == 4
    assert [one.key for one in bad_in_a_row([*found, record("skipped", 4)])] == ["k2", "k3"]


def test_the_usual_duration_is_that_of_good_runs():
    good = [OutcomeRecord(NOW, "job", "j", str(ms), "ok", duration_ms=ms) for ms in range(1, 101)]
    slow = OutcomeRecord(NOW, "job", "j", "slow", "timed out", duration_ms=10**9)
    assert p95_of([*good, slow]) == 96
    assert p95_of([slow]) is None

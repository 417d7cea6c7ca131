"""Events of a job: after enough bad ends, repeated while they last, and the all-clear. All follow from the records alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pratique.config import Config, JobSettings, ServiceSettings
from pratique.jobs.alerts import events_of
from pratique.jobs.job import Job, find_job
from pratique.outcomes import OutcomeRecord

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def job_with(**settings):
    given = {"command": ["true"], "schedule": "30 2 * * *", "timezone": "UTC", **settings}
    config = Config(services={"shop": ServiceSettings()}, jobs={"nightly": JobSettings(**given)}, file="p.toml")
    return find_job(config, "nightly")


def records(*outcomes, before=None, **details):
    """The last one ended an hour ago, each other one an hour earlier."""
    first = NOW - timedelta(hours=len(outcomes))
    return [
        OutcomeRecord(
            first + timedelta(hours=number), "job", "job@nightly", f"k{number}", outcome, host="web1",
            details={"reason": "exit status 3", **details},
        )
        for number, outcome in enumerate(outcomes)
    ]  # fmt: skip


def events(job, found, now=NOW, due=None):
    return [(event.kind, event.key) for event in events_of(job, found, now, due)]


def test_a_failure_is_sent_once_and_says_what_to_do():
    job = job_with()
    (event,) = events_of(job, records("ok", "failed", log="T-exit-3.log", last_lines=["disk full"]), NOW, None)
    assert event.what == "Job nightly failed: exit status 3"
    assert (event.kind, event.subject, event.key, event.where) == ("job.failed", "job@nightly", "k1", "web1")
    assert (event.command, tuple(event.last_lines)) == ("pratique job nightly", ("disk full",))
    assert event.report.endswith("jobs/nightly/logs/T-exit-3.log")


@pytest.mark.parametrize(
    ("settings", "outcomes", "sent"),
    [
        ({}, ["ok"], []),
        ({}, ["ok", "failed", "failed"], [("job.failed", "k1")]),
        ({"alert_after": 3}, ["failed", "failed"], []),
        ({"alert_after": 3}, ["failed", "missed", "failed", "failed"], [("job.failed", "k2")]),
        ({"alert_each": True}, ["failed", "failed"], [("job.failed", "k0"), ("job.failed", "k1")]),
        ({}, ["timed out"], [("job.failed", "k0")]),
        ({}, ["lost"], [("job.failed", "k0")]),
        ({}, ["ok", "missed"], [("job.missed", "k1")]),
        ({}, ["failed", "skipped", "backed off"], [("job.failed", "k0")]),
        ({}, ["failed", "ok"], [("job.recovered", "k1")]),
        ({"alert_after": 2}, ["failed", "ok"], []),
        ({}, ["failed", "ok", "ok"], []),
        ({"alert_repeat_h": 1}, ["failed", "failed", "failed"], [("job.failed", "k0"), ("job.failed", "k0/3")]),
        ({"alert_repeat_h": 0}, ["failed"] * 3, [("job.failed", "k0")]),
    ],
)
def test_which_events_hold(settings, outcomes, sent):
    assert events(job_with(**settings), records(*outcomes)) == sent


def test_missed_due_times_of_one_record_count_each():
    found = records("missed")
    found = [replace(found[0], details={"count": 5, "reason": "nothing began it"})]
    (event,) = events_of(job_with(alert_after=4), found, NOW, None)
    assert event.what == "Job nightly missed 5 due times, 5 times in a row: nothing began it"


def test_the_all_clear_says_what_was_missed():
    found = records("failed", "missed", "ok", count=3)
    (event,) = events_of(job_with(), found, NOW, None)
    assert event.what == "Job nightly is well again after 1 failed and 3 missed runs."


def test_a_job_is_late_after_half_of_its_grace():
    job = job_with(grace_s=100)
    assert events(job, [], NOW, NOW - timedelta(seconds=49)) == []
    assert events(job, [], NOW, NOW - timedelta(seconds=51)) == [("job.late", "2026-11-20T11:59:09.000000Z")]
    assert events(job, [], NOW, NOW - timedelta(seconds=101)) == []


def test_a_job_has_a_folder_in_the_state_folder():
    assert isinstance(job_with(), Job)
    assert job_with().folder == Path(".pratique/jobs/nightly").resolve()

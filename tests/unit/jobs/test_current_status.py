"""What a look at a job sees when there are more outcomes than it reads."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from pratique.config import load
from pratique.jobs import current_status as module
from pratique.jobs.current_status import Watch, current_status
from pratique.jobs.job import find_job
from pratique.outcomes import OutcomeRecord, open_outcomes

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SERVICE_FILE = f"""
[services.shop.runtime]
command = ["true"]
[jobs.nightly]
command = [{sys.executable!r}]
schedule = "0 0 1 1 *"
alert_repeat_h = 0
"""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "pratique.toml").write_text(SERVICE_FILE)
    return find_job(load(tmp_path / "pratique.toml"), "nightly")


@pytest.fixture
def ended(job, monkeypatch):
    """Record ends, one a minute; the look sees the last five at once."""
    monkeypatch.setattr(module, "LOOKED_AT", 5)
    outcomes, count = open_outcomes(job.target.state_dir), iter(range(1000))

    def end(*words, at=None):
        for word in words:
            number = next(count)
            when = at or NOW - timedelta(hours=12) + timedelta(minutes=number)
            outcomes.add(OutcomeRecord(when, "job", job.subject, f"run-{number}", word))

    return end


@pytest.fixture
def sent(monkeypatch):
    found = []
    monkeypatch.setattr(module, "notify", lambda _config, _folder, event: found.append((event.kind, event.key)))
    return found


def test_a_long_row_of_failures_is_one_event(job, ended, sent):
    ended("ok", *["failed"] * 4)
    current_status(job, NOW)
    ended(*["failed"] * 12)
    current_status(job, NOW)
    assert set(sent) == {("job.failed", "run-1")}


def test_a_job_that_never_ended_well_has_one_event_too(job, ended, sent):
    ended(*["failed"] * 20)
    current_status(job, NOW)
    assert sent == [("job.failed", "run-0")]


@pytest.mark.parametrize("word", ["skipped", "backed off"])
def test_due_times_that_were_left_out_hide_no_failure(job, ended, sent, word):
    ended("failed", *[word] * 20)
    status = current_status(job, NOW)
    assert (status.state, status.last.key, sent) == ("failed", "run-0", [("job.failed", "run-0")])


def test_an_end_of_a_clock_that_was_ahead_hides_no_later_one(job, ended, sent):
    ended("ok", at=NOW + timedelta(days=3000))
    ended("failed")
    assert current_status(job, NOW).state == "failed"


def test_a_watch_goes_on_and_says_once_what_it_cannot_look_at(job, ended, sent):
    said = []
    ended("failed")
    watch = Watch(said.append)

    def find(name):
        if name == "broken":
            raise ValueError("whatever\x1b[2J")
        return job

    for _ in range(3):
        watch.look(["broken", "nightly"], find)
    assert said == ["job broken cannot be looked at: ValueError: whatever [2J"]
    assert ("job.failed", "run-0") in sent

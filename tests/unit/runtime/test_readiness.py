"""The readiness loop: it returns when the instance is ready and otherwise fails with the evidence."""

from datetime import UTC, datetime

import pytest

from pratique.errors import UnavailableError
from pratique.runtime.base import Instance
from pratique.runtime.readiness import EXCERPT_MAX_CHARS, Check, log_excerpt, wait_ready

INSTANCE = Instance("1", "shop", "r2", "run-1", "canary", "h:1", datetime(2026, 11, 21, tzinfo=UTC))


def wait(*checks, logs=(), deadline_s=10.0, **given):
    following = iter(checks)
    wait_ready(INSTANCE, lambda: next(following), lambda: logs, deadline_s=deadline_s, poll_s=0, **given)


def failing(*checks, **given):
    with pytest.raises(UnavailableError) as error:
        wait(*checks, **given)
    return str(error.value)


def test_an_instance_is_named_by_service_revision_and_address():
    assert str(INSTANCE) == "shop r2 at h:1"


def test_it_checks_until_the_instance_is_ready():
    wait(Check(answer="503"), Check(answer="503"), Check(ready=True))


def test_an_exit_is_reported_with_status_and_last_log_lines_before_it_is_cleaned_up():
    cleaned = []
    found = failing(
        Check(),
        Check(exited=True, exit_code=3),
        logs=["", " starting ", "no such table: carts"],
        on_exit=lambda: cleaned.append(True),
    )
    assert found == (
        "shop r2 at h:1 exited with status 3 before it was ready: last log lines: starting | no such table: carts"
    )
    assert cleaned == [True]


def test_an_exit_counts_even_if_the_probe_was_answered():
    assert failing(Check(ready=True, exited=True)) == "shop r2 at h:1 exited before it was ready: no output"


def test_the_deadline_is_reported_with_the_last_answer_and_the_details():
    check = Check(answer="503", expected="/healthz with 200", details="health check log: cart service is away")
    assert failing(check, deadline_s=-1.0) == (
        "shop r2 at h:1 did not answer /healthz with 200 (last answer: 503): no output; "
        "health check log: cart service is away"
    )


def test_the_deadline_is_part_of_the_error(monkeypatch):
    times = iter([0.0, 0.4, 0.6])
    monkeypatch.setattr("pratique.runtime.readiness.time.monotonic", lambda: next(times))
    check = Check(answer="TimeoutError", expected="its HEALTHCHECK")
    assert "did not answer its HEALTHCHECK within 0.5 s (last answer" in failing(check, check, deadline_s=0.5)


def test_a_long_log_keeps_its_end():
    excerpt = log_excerpt(["x" * 1000, "the end"])
    assert excerpt.startswith("last log lines: xxx")
    assert excerpt.endswith(" | the end")
    assert len(excerpt) == len("last log lines: ") + EXCERPT_MAX_CHARS

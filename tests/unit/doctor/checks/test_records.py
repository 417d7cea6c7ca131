"""Checks from Pratique's records."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.config.notify import NotifySettings
from pratique.notify.outbox import RouteState
from pratique.notify.overview import RouteOverview
from pratique.outcomes import OutcomeRecord
from pratique.telemetry.collector_status import CollectorStatus
from support.host_facts import NOW, container, found, look, result


def record(kind, outcome, days=0.0, subject="job@nightly"):
    return {subject: [OutcomeRecord(NOW - timedelta(days=days), kind, subject, "k", outcome)]}


@pytest.mark.parametrize(
    ("check", "outcomes", "objects"),
    [
        ("job-missed", {"job": record("job", "missed")}, {"job@nightly"}),
        ("job-missed", {"job": record("job", "ok")}, set()),
        ("job-missed", {"job": record("job", "skipped")}, set()),
        ("job-missed", {"job": {"job@nightly": record("job", "lost", 1)["job@nightly"] + record("job", "skipped")["job@nightly"]}}, {"job@nightly"}),
        ("backup-old", {"backup": record("backup", "ok", 3, "backup@db")}, {"backup@db"}),
        ("backup-old", {"backup": record("backup", "failed", 0, "backup@db")}, {"backup@db"}),
        ("backup-old", {"backup": record("backup", "ok", 1, "backup@db")}, set()),
        ("never-drilled", {"backup": record("backup", "ok", 0, "backup@db")}, {"backup@db"}),
        ("never-drilled", {"backup": record("backup", "ok", 0, "backup@db"), "drill": record("drill", "ok", 9, "backup@db")}, set()),
    ],
)  # fmt: skip
def test_a_check_of_our_records(check, outcomes, objects):
    assert found(check, look(outcomes=outcomes)) == objects


def test_a_route_that_fails_is_found_at_once_and_one_that_works_is_not():
    settings = NotifySettings(to="env:HOOK", name="desk")
    state = RouteState(settings, 3, NOW, 0, 0, None, NOW - timedelta(minutes=5), 1, "HTTP 500")
    (finding,) = result("notification-failed", look(notify_routes=[RouteOverview(settings, state)])).findings
    assert (finding.found.object, finding.found.remedy) == ("desk", "pratique notify --test")
    assert finding.found.what == "it fails since 2026-11-30 14:55 UTC: HTTP 500"
    works = RouteOverview(settings, replace(state, failing_since=None))
    assert found("notification-failed", look(notify_routes=[works, RouteOverview(settings, None)])) == set()


def test_a_collector_that_died_is_found_and_one_that_was_stopped_is_not():
    dead = CollectorStatus(updated_at=NOW - timedelta(hours=1), pid=1 << 22)
    assert found("collector-dead", look(collector=dead)) == {"collector"}
    assert found("collector-dead", look(collector=replace(dead, ended=True))) == set()


def test_orphans_are_found_and_a_silent_engine_is_not_looked_at():
    assert found("orphans", look(orphans={"shop": ["r2 at 127.0.0.1:8000"]})) == {"shop"}
    assert result("orphans", look(orphans={"shop": "the balancer does not answer"})).state == "not looked at"


def test_the_rights_of_the_container_of_pratique_are_found():
    own = container(
        Config={"Hostname": "lab", "Env": ["SSH_AUTH_SOCK=/agent"]},
        Mounts=[{"Source": "/var/run/docker.sock"}],
        HostConfig={"NetworkMode": "host"},
    )
    (finding,) = result("suite-itself", look(containers=[own])).findings
    assert "the engine's socket" in finding.found.what
    assert "an SSH agent" in finding.found.what
    assert "the host's network" in finding.found.what

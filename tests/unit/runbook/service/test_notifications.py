"""People are reported how a run ended, that it waits for them, and that a lease expired: once each, with what to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pratique.clock import utc_now
from pratique.config import parse
from pratique.notify import courier
from pratique.runbook.service.lapse import Lapse
from pratique.runbook.service.notifications import notify_end, notify_lapse, notify_waiting

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RESULT = {
    "run": "k12",
    "runbook": "release",
    "revision": "r2",
    "outcome": "promoted",
    "reason": "all guards are within tolerance",
    "start": "2026-11-20T12:00:00.000000Z",
    "report": "/reports/k12.html",
}


@pytest.fixture
def reported(tmp_path, monkeypatch):
    """Call a function with the settings of a shop that has one route, and return the events that wait."""
    monkeypatch.setattr(courier, "start_courier", lambda _: True)
    config = parse('[[notify]]\nto = "env:HOOK"\n[services.shop.runtime]\ncommand = ["x"]', tmp_path / "p.toml")

    def tell(function, *arguments, times=1):
        for _ in range(times):
            function(config, "shop", *arguments)
        return [event for batch in courier.outbox_of(config.state_dir).take(utc_now()) for event in batch.events]

    return tell


@pytest.mark.parametrize(
    ("outcome", "kind", "risk"),
    [
        ("promoted", "release.promoted", "low"),
        ("rolled back", "release.rolled_back", "high"),
        ("reverted", "release.rolled_back", "high"),
        ("inconclusive", "release.inconclusive", "medium"),
        ("failed", "release.failed", "high"),
    ],
)
def test_every_end_of_a_run_is_reported_once(reported, tmp_path, outcome, kind, risk):
    (event,) = reported(notify_end, RESULT | {"outcome": outcome}, times=2)
    assert (event.kind, event.subject, event.risk, event.since) == (kind, "shop", risk, NOON)
    assert event.what == f"release of shop r2: {outcome}: all guards are within tolerance"
    assert event.command == f"pratique status shop --config {tmp_path / 'p.toml'}"
    assert event.report == "/reports/k12.html"
    assert event.where


def test_a_run_without_a_report_is_reported_too(reported):
    (event,) = reported(notify_end, RESULT | {"runbook": "rollback", "outcome": "reverted", "report": None})
    assert event.report == ""


def test_each_stage_that_waits_is_reported_with_the_command_that_approves_it(reported, tmp_path):
    (event,) = reported(notify_waiting, "k12", "r2", 25.0, "no guard is worse", times=2)
    assert event.kind == "release.waiting"
    assert event.what == "release of shop r2 waits for approval at 25 %: no guard is worse"
    assert event.command == f"pratique approve k12 25 --config {tmp_path / 'p.toml'}"


def test_a_lapse_is_reported(reported):
    lapse = Lapse(("r2",), {"r1": 1.0}, NOON, NOON, NOON + timedelta(seconds=5))
    (event,) = reported(notify_lapse, "k12", lapse, times=2)
    assert (event.kind, event.risk, event.since) == ("lease.lapsed", "high", NOON)
    assert event.what == "r2 of shop lost the traffic: the lease expired at 12:00:00, noticed at 12:00:05"


def test_nothing_is_written_without_a_route(tmp_path):
    notify_end(parse('state = "s"', Path(tmp_path, "p.toml")), "shop", RESULT)
    assert list(tmp_path.iterdir()) == []

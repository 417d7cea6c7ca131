"""A start time that moved: the engine restarted the instance, or the clock was set."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from pratique.runbook.canary.health import HealthMonitor
from pratique.runtime.base import Instance

KNOWN = Instance("7", "shop", "r2", "run", "canary", "127.0.0.1:1", datetime(2026, 11, 20, tzinfo=UTC))


@pytest.mark.parametrize(
    ("later_s", "clock_s", "failed"),
    [(0, 0, False), (5, 0, True), (3600, 3600, False), (3600.4, 3600, False), (3605, 3600, True), (0, 3600, False), (-3600, -3600, False), (5, -3600, True)],
)  # fmt: skip
def test_a_later_start_is_a_restart_unless_the_clock_moved_as_far(monkeypatch, later_s, clock_s, failed):
    runtime = SimpleNamespace(
        list=lambda _: [replace(KNOWN, started=KNOWN.started + timedelta(seconds=later_s))],
        logs=lambda *_, **__: [],
        wait_ready=lambda *_, **__: None,
    )
    monitor = HealthMonitor(runtime, "shop", [KNOWN.address])
    monkeypatch.setattr(monitor._clock, "shift_s", lambda: float(clock_s))
    failure = monitor._check([KNOWN])
    assert bool(failure) == failed
    assert not failed or "its engine restarted it" in failure

"""What people are reported about a run that changes a service: how it ended, that it waits for them, that a lease expired."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pratique.clock import stamp, utc_now
from pratique.config import Config
from pratique.config.notify import Risk
from pratique.notify import Event, notify
from pratique.runbook.service.lapse import Lapse

ENDS: Mapping[str, tuple[str, Risk]] = {
    "promoted": ("release.promoted", "low"),
    "rolled back": ("release.rolled_back", "high"),
    "reverted": ("release.rolled_back", "high"),
    "inconclusive": ("release.inconclusive", "medium"),
    "failed": ("release.failed", "high"),
}
"""The kind and the risk of each outcome of a run."""


def notify_end(config: Config, service: str, result: Mapping[str, Any]) -> None:
    """Tell how a run ended. result: the content of its result.json."""
    kind, risk = ENDS.get(result["outcome"], ENDS["failed"])
    what = f"{result['runbook']} of {service} {result['revision']}: {result['outcome']}: {result['reason']}"
    event = Event(
        kind=kind,
        subject=service,
        key=f"{result['run']} ended",
        risk=risk,
        what=what,
        where=platform.node(),
        since=datetime.fromisoformat(result["start"]),
        command=config.command("status", service),
        report=str(result.get("report") or ""),
    )
    notify(config, config.state_dir, event)


def notify_waiting(config: Config, service: str, run_id: str, revision: str, percent: float, status: str) -> None:
    """Tell that a run waits for approval at a stage. status: what the judge says so far."""
    event = Event(
        kind="release.waiting",
        subject=service,
        key=f"{run_id} {percent:g}",
        risk="medium",
        what=f"release of {service} {revision} waits for approval at {percent:g} %: {status}",
        where=platform.node(),
        since=utc_now(),
        command=config.command("approve", run_id, f"{percent:g}"),
    )
    notify(config, config.state_dir, event)


def notify_lapse(config: Config, service: str, run_id: str, lapse: Lapse) -> None:
    """Tell that a lease expired, so that its revision lost its traffic."""
    event = Event(
        kind="lease.lapsed",
        subject=service,
        key=f"{run_id} {stamp(lapse.until)}",
        risk="high",
        what=f"{' and '.join(lapse.revisions)} of {service} lost the traffic: {lapse}",
        where=platform.node(),
        since=lapse.since,
        command=config.command("status", service),
    )
    notify(config, config.state_dir, event)

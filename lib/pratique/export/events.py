"""Entries of the ledger as events on a time axis: releases, changes of weights, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pratique.ledger import Entry
from pratique.ledger.history import shares_of
from pratique.printable_text import printable

RELEASE, WEIGHT, VERDICT = "release", "weight", "verdict"
"""The kinds of events."""
LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Event:
    """What happened to a service at one time, UTC.

    title, text: for people, printable and at most LONGEST_TEXT characters long. shares: the weights from now on, revision → share
    from 0 to 1; empty where they did not change. number: of the entry in the ledger.
    """

    time: datetime
    service: str
    kind: str
    revision: str
    title: str
    text: str
    number: int
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def time_us(self) -> int:
        """The time in microseconds since 1970."""
        return round(self.time.timestamp() * 1_000_000)


def event_of(entry: Entry) -> Event | None:
    """Return the event of an entry; None for one that changes nothing that a chart shows."""
    title = _title(entry)
    if title is None:
        return None
    kind, text, shares = entry.kind, str(entry.data.get("reason") or ""), shares_of(entry)
    if "shares" in entry.data:
        kind = WEIGHT
        text = ", ".join(f"{name} {share * 100:.4g} %" for name, share in shares.items())
    elif not text:
        text = f"by {entry.who}" + (f": {entry.why}" if entry.why else "")
    return Event(
        entry.time,
        entry.service,
        kind,
        entry.revision or "",
        printable(title, LONGEST_TEXT),
        printable(text, LONGEST_TEXT),
        entry.number,
        shares,
    )


def _title(entry: Entry) -> str | None:
    data, revision = entry.data, entry.revision
    if entry.kind == RELEASE:
        return _of_release(entry)
    if entry.kind == VERDICT:
        return f"verdict on {revision}: {data.get('decision')}"
    return {"weight": "weights", "lapse": "the lease has expired", "clock": "the clock was set"}.get(entry.kind)


def _of_release(entry: Entry) -> str | None:
    data, revision = entry.data, entry.revision
    runbook = data.get("runbook", "release")
    return {
        "first": f"first revision {revision}",
        "started": f"{runbook} of {revision}" + (f" against {data['baseline']}" if data.get("baseline") else ""),
        "resumed": f"release of {revision} goes on",
        "ended": f"{revision} {data.get('outcome')}",
    }.get(str(data.get("event")))

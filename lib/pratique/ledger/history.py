"""Derive the releases, and the shares of traffic over time, from the entries of the ledger.

Entries of kind "release" record a release: `event` in their data is "started", "resumed" or "ended" (with `outcome`,
`verdict`, `reason`, `exit_status`), or "first" for a revision put in place without a comparison. Entries of kind
"weight" and "lapse" record shares: `shares` in their data, revision → share from 0 to 1. A change has the time when it
was `asked` for and the time when the balancer `confirmed` it; entries of older versions have only their own time. A lapse
has the time `since` which the lease had expired and the time `until` which nobody noticed. Entries of kind "clock" have no
shares: the clock was set by `jump_s` seconds, and from then on shares are unknown until the next change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pratique.clock import EPOCH, stamp
from pratique.ledger.entry import Entry
from pratique.weight_changes import WeightChange


@dataclass(frozen=True)
class ReleaseRecord:
    """One release, as recorded in the ledger.

    outcome: "promoted", "rolled back", "inconclusive", "failed", "first", or "unfinished" until it ends.
    baseline: None for a first revision. run: id of the run. digest: of the release's content.
    verdict, reason: the last ones of the judge. report: path of the HTML report. start, end: UTC.
    """

    service: str
    revision: str
    baseline: str | None
    run: str | None
    digest: str
    who: str
    why: str
    start: datetime
    end: datetime | None = None
    outcome: str = "unfinished"
    verdict: str | None = None
    reason: str = ""
    report: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the release as plain JSON values."""
        return {**asdict(self), "start": stamp(self.start), "end": stamp(self.end) if self.end else None}


def releases_of(entries: Sequence[Entry]) -> list[ReleaseRecord]:
    """Return the releases that entries record, oldest first."""
    found: dict[str, ReleaseRecord] = {}
    for entry in entries:
        key = entry.run or f"entry {entry.number}"
        event = entry.data.get("event") if entry.kind == "release" else None
        event = event if isinstance(event, str) else None
        if event in {"started", "first"} and key not in found:
            found[key] = _started(entry)
        elif event in {"started", "resumed"} and key in found:
            found[key] = replace(found[key], end=None, outcome="unfinished")
        elif event == "ended" and key in found:
            found[key] = _ended(found[key], entry)
        elif entry.kind == "report" and key in found:
            found[key] = replace(found[key], report=entry.data.get("html"))
    return list(found.values())


def _started(entry: Entry) -> ReleaseRecord:
    first = entry.data["event"] == "first"
    return ReleaseRecord(
        service=entry.service,
        revision=entry.revision or "",
        baseline=entry.data.get("baseline"),
        run=entry.run,
        digest=entry.data.get("digest", ""),
        who=entry.who,
        why=entry.why,
        start=entry.time,
        end=entry.time if first else None,
        outcome="first" if first else "unfinished",
    )


def _ended(release: ReleaseRecord, entry: Entry) -> ReleaseRecord:
    return replace(
        release,
        end=entry.time,
        outcome=entry.data.get("outcome", "failed"),
        verdict=entry.data.get("verdict"),
        reason=entry.data.get("reason", ""),
    )


def weights_of(entries: Sequence[Entry], start: datetime | None, end: datetime | None) -> list[WeightChange]:
    """Return the changes of shares in [start, end), preceded by the one in force at `start`. entries: by number."""
    changes: list[WeightChange] = []
    written = EPOCH
    for entry in entries:
        if "shares" not in entry.data:
            continue
        change = _change(entry)
        if entry.time < written:
            # the clock was set back: the times of the entries before come again, with the shares of this one
            changes = [earlier for earlier in changes if earlier.time < change.time]
        written = entry.time
        changes.append(change)
    changes.sort(key=lambda change: change.time)
    before = [change for change in changes if start is not None and change.time < start]
    inside = [
        change for change in changes if (start is None or change.time >= start) and (end is None or change.time < end)
    ]
    return before[-1:] + inside


def shares_of(entry: Entry) -> dict[str, float]:
    """Return the weights of an entry, which another version may have written; only numbers from 0 to 1 are taken."""
    shares = entry.data.get("shares")
    given = shares.items() if isinstance(shares, Mapping) else ()
    return {str(name): float(share) for name, share in given if type(share) in (int, float) and 0 <= share <= 1}


def changed_at(entry: Entry) -> datetime:
    """Return when what an entry records happened: it may have been written later."""
    return _time(entry, "asked") or _time(entry, "since") or entry.time


def _change(entry: Entry) -> WeightChange:
    since = _time(entry, "since") or entry.time
    note = ""
    if entry.kind == "clock":
        jump_s = float(entry.data["jump_s"])
        note = (
            f"the clock was set {'back' if jump_s < 0 else 'forward'} by {abs(jump_s):,.0f} s at {entry.time:%H:%M:%S}"
        )
    if entry.kind == "lapse":
        until = _time(entry, "until") or entry.time
        note = f"the lease expired at {since:%H:%M:%S} and nobody noticed until {until:%H:%M:%S}"
    return WeightChange(
        _time(entry, "asked") or since, dict(entry.data["shares"]), _time(entry, "confirmed"), entry.kind, note
    )


def _time(entry: Entry, name: str) -> datetime | None:
    return datetime.fromisoformat(entry.data[name]) if name in entry.data else None

"""What can be gone back to: every revision that had all of the traffic once, when, and by which run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pratique.errors import MissingError
from pratique.ledger import Entry, Ledger

WHOLE = 1.0 - 1e-9


@dataclass(frozen=True)
class Served:
    """A time in which a revision had all of the traffic. Times are UTC; end: None while it still has.

    run: what gave it the traffic, "" for the first revision of all. back: whether that was a going back.
    """

    revision: str
    start: datetime
    end: datetime | None
    run: str
    back: bool


@dataclass(frozen=True)
class Earlier:
    """A revision that can be gone back to. digest, configuration: what it was released with."""

    revision: str
    digest: str
    configuration: str
    served: tuple[Served, ...]

    def __str__(self) -> str:
        """One line: when it served, and by which run."""
        last = self.served[-1]
        until = f"{last.end:%Y-%m-%d %H:%M:%S}" if last.end else "now"
        by = f"by run {last.run}" if last.run else "as the first"
        more = f", and {len(self.served) - 1} x before" if len(self.served) > 1 else ""
        return f"{self.revision}  {self.digest[:19]}…  {last.start:%Y-%m-%d %H:%M:%S} to {until} {by}{more}"


def served_of(entries: Iterable[Entry]) -> list[Served]:
    """The times of all entries of a service, oldest first; shares in between belong to the one before."""
    back = {e.run for e in entries if e.kind == "release" and e.data.get("runbook") == "rollback"}
    found: list[Served] = []
    for entry in entries:
        whole = [name for name, share in entry.data.get("shares", {}).items() if share >= WHOLE]
        if not whole or (found and found[-1].revision == whole[0]):
            continue
        if len(found) > 1 and entry.run and entry.run == found[-1].run and found[-2].revision == whole[0]:
            # a run that took back what it had given: that release never was one
            found.pop()
            found[-1] = replace(found[-1], end=None)
            continue
        if found:
            found[-1] = Served(found[-1].revision, found[-1].start, entry.time, found[-1].run, found[-1].back)
        found.append(Served(whole[0], entry.time, None, entry.run or "", entry.run in back))
    return found


def earlier_of(ledger: Ledger, service: str) -> list[Earlier]:
    """The revisions that had all of the traffic once, the one that had it last at the end."""
    entries = ledger.entries(service)
    times = served_of(entries)
    bound = {entry.revision: entry.data for entry in entries if entry.kind == "bind"}
    names = list(dict.fromkeys(time.revision for time in reversed(times)))[::-1]
    return [
        Earlier(
            name,
            bound[name]["digest"],
            bound[name].get("configuration", ""),
            tuple(time for time in times if time.revision == name),
        )
        for name in names
        if name in bound
    ]


def before(served: Sequence[Served], now: str) -> str:
    """The revision that served before `now` was released.

    A revision that was gone back from does not count, so that going back twice goes two back and not
    forth again.
    Raises: MissingError when there is none.
    """
    line: list[str] = []
    for time in served:
        if time.back and time.revision in line:
            del line[line.index(time.revision) + 1 :]
        else:
            line.append(time.revision)
    if now in line:
        line = line[: len(line) - 1 - line[::-1].index(now)]
    line = [name for name in line if name != now]
    if not line:
        raise MissingError(f"nothing served before {now!r}, as far as the ledger knows: name a revision")
    return line[-1]

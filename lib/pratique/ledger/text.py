"""The ledger as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pratique.clock import iso
from pratique.ledger.history import ReleaseRecord
from pratique.ledger.incidents import OWN, IncidentRecord
from pratique.printable_text import printable

HEADER = ("revision", "start (UTC)", "took", "outcome", "who", "why", "reason")
LONGEST = 200
"""Characters of a cell."""
OUTCOME = HEADER.index("outcome")
VERDICTS = {"promoted": "promote", "rolled back": "rollback"}
"""Outcomes that are verdicts carried out: shown by the verdict's name, as `compare` and `report` write it."""


def releases_table(releases: Sequence[ReleaseRecord], *, paint: Callable[[str], str] = str) -> str:
    """Return one line for each release, oldest first, columns aligned. paint: applied to each outcome in its column."""
    rows = [HEADER, *(_row(release) for release in releases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    table = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    for row in table[1:]:
        row[OUTCOME] = paint(row[OUTCOME])
    return "\n".join("  ".join(row).rstrip() for row in table)


def incident_line(record: IncidentRecord) -> str:
    """Return an incident in one line: its id, service, beginning, state, severity, cause, source and title."""
    state: str = record.state
    if record.restored:
        state = f"restored {iso(record.restored)}" + (", closed" if record.closed else "")
    parts = [record.id, record.service, f"since {iso(record.began)}", state, record.severity]
    cause = f"cause: {record.cause}" if record.cause else "cause unknown"
    source = "" if record.source == OWN else f"({record.source})"
    return "  ".join(filter(None, [*parts, cause, source, record.title]))


def _row(release: ReleaseRecord) -> tuple[str, ...]:
    took = f"{(release.end - release.start).total_seconds() / 60:.1f} min" if release.end else "-"
    return (
        release.revision,
        release.start.strftime("%Y-%m-%d %H:%M:%S"),
        took,
        VERDICTS.get(release.outcome, release.outcome),
        printable(release.who, LONGEST),
        printable(release.why, LONGEST) or "-",
        printable(release.reason, LONGEST) or "-",
    )

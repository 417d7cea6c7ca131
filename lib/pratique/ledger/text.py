"""The ledger as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.ledger.history import ReleaseRecord

HEADER = ("revision", "start (UTC)", "took", "outcome", "who", "why", "reason")


def releases_table(releases: Sequence[ReleaseRecord]) -> str:
    """One line a release, oldest first, columns aligned."""
    rows = [HEADER, *(_row(release) for release in releases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(release: ReleaseRecord) -> tuple[str, ...]:
    took = f"{(release.end - release.start).total_seconds() / 60:.1f} min" if release.end else "-"
    return (
        release.revision,
        release.start.strftime("%Y-%m-%d %H:%M:%S"),
        took,
        release.outcome,
        _plain(release.who),
        _plain(release.why) or "-",
        _plain(release.reason) or "-",
    )


def _plain(text: str) -> str:
    """Text without control characters, so that a reason cannot move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)[:200]

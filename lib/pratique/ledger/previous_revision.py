"""The revision before the one that runs, as the ledger tells it."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.errors import MissingError
from pratique.ledger.serving_periods import ServingPeriod


def previous_revision(periods: Sequence[ServingPeriod], current: str) -> str:
    """Return the revision that served before `current` was released.

    A revision that was rolled back does not count: two rollbacks go two releases back, and not back and forth.
    Raises: MissingError when there is none.
    """
    line: list[str] = []
    for period in periods:
        if period.by_rollback and period.revision in line:
            del line[line.index(period.revision) + 1 :]
        else:
            line.append(period.revision)
    if current in line:
        line = line[: len(line) - 1 - line[::-1].index(current)]
    line = [name for name in line if name != current]
    if not line:
        raise MissingError(f"the ledger has no revision that served before {current!r}: name a revision")
    return line[-1]

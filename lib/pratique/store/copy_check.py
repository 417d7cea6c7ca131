"""Compare a copy with its source: by counts, and by rows where others write to the target too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pratique.clock import iso
from pratique.errors import DataError
from pratique.store.base import Seen, Store
from pratique.store.ranges import Part
from pratique.store.row_keys import among, codes, last_of_each
from pratique.store.rows import normal

_VALUES = ("window_s", "n", "sum_ms", "bucket", "count")


def requests_beyond(source: Store, target: Store, part: Part) -> int:
    """Compare a part of both stores; return the requests that only the target has.

    Raises: DataError naming the first revision or row that the target does not have as the source does.
    """
    there, read = part.seen(target), _requests_read(target, part)
    own = []
    for revision, seen in part.seen(source).items():
        copy = there.get(revision)
        if copy is None or copy.requests < seen.requests:
            raise DataError(_fewer(seen, copy.requests if copy else 0))
        if read.get(revision, 0) < seen.requests:
            raise DataError(_fewer(seen, read.get(revision, 0)))
        if (copy.first, copy.last, copy.requests) != (seen.first, seen.last, seen.requests):
            own.append((revision, copy.requests - seen.requests))
    if own:
        _compare_rows(source, target, Part(part.service, [revision for revision, _ in own], part.start, part.end))
    return sum(beyond for _, beyond in own)


def _requests_read(store: Store, part: Part) -> dict[str, int]:
    """The requests by revision that a store gives when it is read: one may list its revisions from elsewhere."""
    found = store.counts(part.service, part.start, part.end, by=["revision"], step_s=0)
    return dict(zip(found["revision"].to_pylist(), found["n"].to_pylist(), strict=True))


def _fewer(seen: Seen, copied: int) -> str:
    return (
        f"service {seen.service!r}, revision {seen.revision[:80]!r}: {seen.requests:,} requests in the store to copy from, "
        f"{copied:,} in the copy: something else writes to one of them; stop it, or give --until a "
        "time before it began, and run the same command again"
    )


def _compare_rows(source: Store, target: Store, part: Part) -> None:
    """Raises: DataError naming the first row of the source that the target does not have with the same values."""
    start = part.start
    for end, read in part.read(source):
        theirs = normal(target.read(part.service, part.revisions, start, end))
        missing = _first_missing(normal(read), theirs)
        if missing is not None:
            raise DataError(
                f"service {part.service!r}, revision {missing['revision'][:80]!r}: the row of {iso(missing['window'])}, "
                f"{missing['action'][:80]!r}, code {missing['code']}, differs in the copy: something else writes to one of "
                "the stores; stop it, and run the same command again"
            )
        start = end


def _first_missing(rows: pa.Table, others: pa.Table) -> dict[str, Any] | None:
    """The first row, by KEY, that is not among the others with the same values; None: all are."""
    mine, theirs = codes([rows, others])
    order, other_order = last_of_each(mine), last_of_each(theirs)
    here, there = mine[order], theirs[other_order]
    found = among(here, there)
    if not found.all():
        first: dict[str, Any] = rows.slice(int(order[np.argmin(found)]), 1).to_pylist()[0]
        return first
    ours = rows.take(pa.array(order))
    same = others.take(pa.array(other_order[among(there, here)])).select(_VALUES)
    if ours.select(_VALUES).equals(same):
        return None
    pairs = zip(ours.to_pylist(), same.to_pylist(), strict=True)
    return next((mine for mine, other in pairs if any(mine[name] != other[name] for name in _VALUES)), None)

"""Copy rollups from one store to another: service by service, in order of time, in bounded memory.

A row replaces the row with the same KEY, so a copy that is interrupted at any moment and run again neither loses nor
doubles a row. At the end the counts of both stores are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow.compute as pc

from pratique.errors import MissingError
from pratique.store.base import Seen, Store
from pratique.store.copy_check import requests_beyond
from pratique.store.copy_position import CopyPosition
from pratique.store.ranges import Part, parts_of


@dataclass(frozen=True)
class Selection:
    """The part of a store to copy. services: () for all. since, until: [since, until) over window starts, UTC; None: unbounded."""

    services: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def seen(self, store: Store) -> list[Seen]:
        """List the revisions of a store in the selection, by service and age. Raises: as `Store.revisions`."""
        found = store.revisions(None, self.since, self.until)
        mine = [seen for seen in found if not self.services or seen.service in self.services]
        return sorted(mine, key=lambda seen: (seen.service, seen.first, seen.revision))


@dataclass(frozen=True)
class CopySummary:
    """The result of a copy. rows, requests: written by this run. resumed: whether it continued an interrupted copy.

    revisions: those that were copied and compared. beyond: requests of these revisions that only the target has.
    """

    revisions: Sequence[Seen]
    rows: int
    requests: int
    resumed: bool
    beyond: int


def what_to_copy(source: Store, selection: Selection) -> list[Seen]:
    """List the revisions of the source in a selection, by service and age.

    Raises: MissingError (the source does not exist, or has nothing of the selection); as `Store.revisions`.
    """
    if not source.exists():
        raise MissingError("the store to copy from does not exist: check its address")
    found = selection.seen(source)
    missing = [name for name in selection.services if name not in {seen.service for seen in found}]
    if missing:
        known = sorted({seen.service for seen in source.revisions(None, selection.since, selection.until)})
        raise MissingError.unknown("service", missing[0], known, where="with windows to copy in this time range")
    if not found:
        raise MissingError("the store to copy from has no windows in this time range: check --since and --until")
    return found


def copy_store(
    source: Store,
    target: Store,
    selection: Selection,
    *,
    position: CopyPosition | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CopySummary:
    """Copy a selection of rollups, and compare the counts of both stores.

    position: where an interrupted copy continues. progress: called with the requests copied so far and in total.
    Raises: MissingError (nothing to copy); DataError naming the first difference; as `Store.read` and `Store.write`.
    """
    found = what_to_copy(source, selection)
    parts = parts_of(found)
    total, skipped, rows, requests = _requests(found), 0, 0, 0
    for part in parts:
        rest = _rest(source, target, part, position)
        skipped += _requests(part.before(rest.start).seen(source).values())
        for end, read in rest.read(source):
            target.write(read)
            rows, requests = rows + len(read), requests + int(pc.sum(read.table["n"]).as_py())
            if position:
                position.reached(part.service, end)
            if progress:
                progress(min(skipped + requests, total), total)
    if position:
        # a difference is not mended by continuing: then the next run starts at the beginning
        position.clear()
    beyond = sum(requests_beyond(source, target, part) for part in parts)
    return CopySummary(found, rows, requests, skipped > 0, beyond)


def _rest(source: Store, target: Store, part: Part, position: CopyPosition | None) -> Part:
    """The rest that is still to be copied: all of it, when the target no longer has what an earlier run copied."""
    end = position.end(part.service) if position else None
    if end is None:
        return part
    done = part.before(end)
    there = done.seen(target)
    kept = all(
        revision in there and there[revision].requests >= seen.requests for revision, seen in done.seen(source).items()
    )
    return part.after(end) if kept else part


def _requests(found: Iterable[Seen]) -> int:
    return sum(seen.requests for seen in found)

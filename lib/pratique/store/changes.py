"""Plan a write: the files to add, and the files to replace because they hold a key of the new rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import fs

from pratique.store import datafile, scan
from pratique.store.row_keys import ORDER, Codes, among, codes, last_of_each, rising
from pratique.store.snapshot import Bounds, Snapshot, StoredFile, epoch_ms

_LOOKED_AT = ("window", "revision", "code", "host", "source")
_VALUES = ("window_s", "n", "sum_ms", "bucket", "count")


@dataclass(frozen=True)
class Part:
    """The rows of a write for one service and day: sorted, each key once."""

    service: str
    day: int
    rows: pa.Table
    bounds: Bounds

    def concerns(self, file: StoredFile) -> bool:
        """Whether a file may hold one of the keys."""
        return file.partition == (self.service, self.day) and file.may_hold(self.bounds)


@dataclass
class Change:
    """Files to add and to remove in one commit, planned on the snapshot `basis`.

    kept: per service and day, rows of removed files that the new file of that day takes over.
    """

    basis: Snapshot
    adds: list[AddAction] = field(default_factory=list)
    removed: list[StoredFile] = field(default_factory=list)
    kept: dict[tuple[str, int], list[pa.Table]] = field(default_factory=dict)

    def removals(self, now_ms: int) -> list[RemoveAction]:
        """Return the log's entries for the files that are replaced."""
        return [file.removal(now_ms, changed=True) for file in self.removed]

    def holds_on(self, now: Snapshot, parts: Sequence[Part]) -> bool:
        """Whether the plan still holds after commits of others: its files are there, and no new file concerns it."""
        there, before = now.paths(), self.basis.paths()
        if any(file.path not in there for file in self.removed):
            return False
        fresh = [
            file
            for service in {part.service for part in parts}
            for file in now.files(service)
            if file.path not in before
        ]
        return not any(part.concerns(file) for part in parts for file in fresh)


def parts_of(table: pa.Table) -> list[Part]:
    """Split rows by service and UTC day. Of rows with the same key the last one is kept."""
    return [_part(service, day, rows) for service, day, rows in _split(table)]


def _split(table: pa.Table) -> Iterator[tuple[str, int, pa.Table]]:
    services = table["service"].unify_dictionaries()
    names = services.chunk(0).dictionary.to_pylist()
    which = np.concatenate([np.asarray(chunk.indices) for chunk in services.chunks]).astype(np.int64)
    days = np.asarray(table["window"].cast(pa.int64())) // datafile.DAY_MS
    first = int(days.min())
    group = (days - first) * len(names) + which
    found = np.flatnonzero(np.bincount(group))
    for value in found:
        rows = table if len(found) == 1 else table.filter(pa.array(group == value))
        yield names[int(value) % len(names)], first + int(value) // len(names), rows


def _part(service: str, day: int, rows: pa.Table) -> Part:
    (code,) = codes([rows])
    if not rising(code):
        rows = rows.take(pa.array(last_of_each(code)))
    bounds = {name: datafile.bounds(rows[name]) for name in _LOOKED_AT}
    bounds["window"] = (epoch_ms(bounds["window"][0]), epoch_ms(bounds["window"][1]))
    return Part(service, day, rows, bounds)


def plan(
    where: fs.FileSystem, basis: Snapshot, parts: Sequence[Part], now_ms: int, instead_of: frozenset[str] = frozenset()
) -> Change:
    """Plan the changes of a write, and write the files that it adds.

    Rows with new keys are appended. Files that hold one of the keys are rewritten without those rows. Rows that are
    already stored with the same values change nothing. instead_of: sources whose rows are removed from the same services.
    """
    change = Change(basis)
    try:
        for file in _holding(where, basis, {part.service for part in parts}, instead_of):
            stored = scan.rows(where, [file])
            kept = stored.filter(pc.invert(pc.is_in(stored["source"], value_set=pa.array(sorted(instead_of)))))
            others = [part for part in parts if part.concerns(file)]
            change.removed.append(file)
            if others:
                # a file is replaced once: its rows go on with the new ones of its day
                change.kept.setdefault((file.service, file.day), []).append(kept)
            elif kept.num_rows:
                change.adds += datafile.write(where, file.service, file.day, sorted_rows([kept]), now_ms)
        for part in parts:
            _plan_part(where, change, part, now_ms)
    except BaseException:
        datafile.discard(where, [add.path for add in change.adds])
        raise
    return change


def _plan_part(where: fs.FileSystem, change: Change, part: Part, now_ms: int) -> None:
    files = [file for file in change.basis.files(part.service, days=[part.day]) if part.concerns(file)]
    gone = {file.path for file in change.removed}
    touched = _touched(where, [file for file in files if file.path not in gone], part)
    rows = part.rows
    freed = [table for table in change.kept.get((part.service, part.day), []) if table.num_rows]
    if touched or freed:
        stored = pa.concat_tables([scan.rows(where, touched), *freed]).unify_dictionaries()
        new, old = codes([rows, stored])
        hit = among(old, new)
        if not freed and int(hit.sum()) == len(new) and _same(rows, stored.filter(pa.array(hit)), new, old[hit]):
            return
        rows = sorted_rows([stored.filter(pa.array(~hit)), rows])
    change.adds += datafile.write(where, part.service, part.day, rows, now_ms)
    change.removed += touched


def _holding(
    where: fs.FileSystem, basis: Snapshot, services: set[str], sources: frozenset[str]
) -> Iterator[StoredFile]:
    """The files of some services that hold rows of some sources."""
    if not sources:
        return
    names = pa.array(sorted(sources), pa.string())
    for service in sorted(services):
        for file in basis.files(service):
            if file.may_hold({"source": (min(sources), max(sources))}):
                stored = scan.rows(where, [file], columns=("source",))
                if pc.any(pc.is_in(stored["source"], value_set=names)).as_py():
                    yield file


def _touched(where: fs.FileSystem, files: Sequence[StoredFile], part: Part) -> list[StoredFile]:
    """The files that do hold one of the keys."""
    first_ms, last_ms = part.bounds["window"]
    keys = [
        scan.rows(
            where,
            [file],
            first_ms=first_ms,
            last_ms=last_ms,
            columns=ORDER,
        )
        for file in files
    ]
    new, *stored = codes([part.rows, *keys])
    return [file for file, old in zip(files, stored, strict=True) if among(old, new).any()]


def sorted_rows(tables: Sequence[pa.Table]) -> pa.Table:
    """Return rows of one service in storage order. Of rows with the same key the last one is kept."""
    table = pa.concat_tables(table for table in tables if table.num_rows).unify_dictionaries()
    (code,) = codes([table])
    return table.take(pa.array(last_of_each(code)))


def _same(rows: pa.Table, stored: pa.Table, new: Codes, old: Codes) -> bool:
    """Whether rows (sorted by their keys `new`) equal stored rows (keys `old`, all of them among `new`)."""
    if len(old) != len(new):
        return False
    if not rising(old):
        stored = stored.take(pa.array(np.argsort(old)))
    return bool(rows.select(_VALUES).equals(stored.select(_VALUES)))

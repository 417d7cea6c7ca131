"""One version of the table: its data files, and which of them may hold given rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction

Bounds = dict[str, tuple[Any, Any]]
Partition = tuple[str, int]
"""A service and a day, in days since 1970."""

_UNBOUNDED = (None, None)


@dataclass(frozen=True)
class StoredFile:
    """A data file of a snapshot.

    day: days since 1970. rows, size: number of rows and bytes. written_ms: time of arrival of its newest row, epoch ms.
    bounds: the least and greatest values of its columns, where known; those of `window` in epoch ms.
    """

    path: str
    service: str
    day: int
    rows: int
    size: int
    written_ms: int
    bounds: Bounds

    @property
    def partition(self) -> Partition:
        """The service and day of its rows."""
        return self.service, self.day

    def may_hold(self, asked: Bounds) -> bool:
        """Whether the file may hold rows within closed bounds of each given column."""
        for name, (low, high) in asked.items():
            least, greatest = self.bounds.get(name, _UNBOUNDED)
            if low is not None and greatest is not None and greatest < low:
                return False
            if high is not None and least is not None and least > high:
                return False
        return True

    def within(self, first_ms: int | None, last_ms: int | None) -> bool:
        """Whether all windows are known to be between two starts, both included."""
        least, greatest = self.bounds.get("window", _UNBOUNDED)
        starts = first_ms is None or (least is not None and least >= first_ms)
        return starts and (last_ms is None or (greatest is not None and greatest <= last_ms))

    def removal(self, now_ms: int, *, changed: bool) -> RemoveAction:
        """Return the log's entry that removes the file. changed: False when another file has its rows."""
        day = date.fromordinal(date(1970, 1, 1).toordinal() + self.day).isoformat()
        return RemoveAction(self.path, changed, now_ms, self.size, {"service": self.service, "day": day})


class Snapshot:
    """The files of one version of the table."""

    def __init__(self, table: DeltaTable) -> None:
        self.version = int(table.version())
        self._actions = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()

    def files(self, service: str | None = None, *, days: Collection[int] | None = None) -> list[StoredFile]:
        """Return the files of a service and of some days, oldest first. None: of all."""
        actions = self._actions
        if service is not None:
            actions = actions.filter(pc.equal(actions["partition.service"], service))
        if days is not None:
            wanted = pa.array(sorted(days), pa.int32()).cast(pa.date32())
            actions = actions.filter(pc.is_in(actions["partition.day"], value_set=wanted))
        found = [_stored(row) for row in actions.to_pylist()]
        return sorted(
            found, key=lambda file: (file.service, file.day, file.bounds.get("window", (0, 0))[0] or 0, file.path)
        )

    def paths(self) -> set[str]:
        """Return the paths of all files."""
        return set(self._actions["path"].to_pylist())


def _stored(action: dict[str, Any]) -> StoredFile:
    lowest = {name[4:]: value for name, value in action.items() if name.startswith("min.")}
    limits = {
        name: (_epoch_or_value(low), _epoch_or_value(action.get(f"max.{name}")))
        for name, low in lowest.items()
        if low is not None
    }
    return StoredFile(
        path=action["path"],
        service=action["partition.service"],
        day=action["partition.day"].toordinal() - date(1970, 1, 1).toordinal(),
        rows=action["num_records"] or 0,
        size=action["size_bytes"],
        written_ms=action["modification_time"],
        bounds=limits,
    )


def _epoch_or_value(value: Any) -> Any:
    return epoch_ms(value) if isinstance(value, datetime) else value


def epoch_ms(time: datetime) -> int:
    """Return a time as milliseconds since 1970, rounded up, which preserves the meaning of [start, end)."""
    since = time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return -((-(since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds)) // 1000)

"""A store in memory, of one data frame: what a comparison reads where nothing was imported."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import from_ms
from pratique.config.service import FieldNames
from pratique.config.telemetry import TelemetrySettings
from pratique.errors import DataError, StorageError, UsageError
from pratique.number_text import plural
from pratique.store.base import Seen, Upkeep
from pratique.store.counts import CountedByReading
from pratique.telemetry.actions import Actions
from pratique.telemetry.lost_lines import LostCount, LostLines
from pratique.telemetry.request_counter import RequestCounter
from pratique.telemetry.rollups import Rollups
from pratique.telemetry.tables import frames
from pratique.telemetry.tables.parser import TableOptions, TableParser
from pratique.telemetry.windows import starts_ms

SERVICE = "frame"
"""The service of the rows of a frame."""


def as_arguments(message: str) -> str:
    """Return a message of an import with the arguments of a comparison in place of its options.

    >>> as_arguments("give it as --timezone UTC, or --field duration=took:s (or ms)")
    'give it as timezone="UTC", or fields={"duration": "took:s"} (or ms)'
    """
    message = re.sub(r"--field (\w+)=([^\s,;()]+)", r'fields={"\1": "\2"}', message)
    message = re.sub(
        r"--timezone (?:of the log's host|(\w+))", lambda found: f'timezone="{found[1] or "UTC"}"', message
    )
    message = re.sub(r"--revision \w+ or --revision-from NAME\[:REGEX\]", "a revision column", message)
    return message.replace("--interval SECONDS", "interval=SECONDS").replace("--", "")


class FrameStore(CountedByReading):
    """The rollups of a data frame; it cannot be written to.

    lost: rows that are no requests. notes: what a reader must know of how the frame was read.
    """

    def __init__(self, rollups: Rollups, lost: LostLines, notes: Sequence[str]) -> None:
        self._rollups = rollups
        self.lost = lost
        self.notes = list(notes)

    @classmethod
    def of(
        cls,
        frame: Any,
        *,
        window_s: int | None = None,
        fields: Mapping[str, str] | None = None,
        timezone: str | None = None,
        interval_s: int | None = None,
    ) -> FrameStore:
        """Add the rows of a frame up. The arguments are those of `pratique.compare`.

        Messages name these arguments, where those of an import name options.
        Raises: UsageError (no frame, an unknown meaning or zone), DataError (a column that is missing or cannot be what it
        is named as, times without a zone, a duration without a unit, more than half of the rows unreadable).
        """
        try:
            return cls._of(frame, window_s=window_s, fields=fields, timezone=timezone, interval_s=interval_s)
        except (UsageError, DataError) as error:
            raise type(error)(as_arguments(str(error))) from error

    @classmethod
    def _of(
        cls,
        frame: Any,
        *,
        window_s: int | None,
        fields: Mapping[str, str] | None,
        timezone: str | None,
        interval_s: int | None,
    ) -> FrameStore:
        usual = TelemetrySettings()
        options = TableOptions(
            service=SERVICE,
            fields=FieldNames(),
            ignore_paths=(),
            default_host=usual.host,
            revision=None,
            revision_from=None,
            timezone=timezone,
            field_names=tuple(f"{meaning}={name}" for meaning, name in (fields or {}).items()),
            window_s=window_s or usual.window_s,
            interval_s=interval_s,
        )
        parser, counter, lost = (
            TableParser(options, "frame"),
            RequestCounter(SERVICE, Actions(), options.window_s),
            LostCount(),
        )
        opened, rollups, number = frames.opened(frame), Rollups.empty(), 1
        for batch in opened.batches(parser.begin(opened.names)):
            parsed = parser.parse(batch, number)
            number += len(batch)
            lost.take(parsed)
            rollups = rollups.merge(counter.take(parsed, SERVICE, back_ms=1 << 60, window_s=parser.window_s))
            if parsed.rejects and counter.summary.rejected * 2 > counter.summary.lines:
                row, reason, _ = parsed.rejects[0]
                raise DataError(
                    f"{counter.summary.rejected:,} of the first {plural(counter.summary.lines, 'row')} of the frame cannot be read, row {row}: {reason}"
                )
        if not len(rollups):
            raise DataError(f"no row of the frame is a request: it has {plural(counter.summary.lines, 'row')}")
        notes = [as_arguments(note) for note in (*parser.findings.warnings(), *counter.summary.warnings())]
        return cls(rollups, lost.of(SERVICE, ""), notes)

    def exists(self) -> bool:
        """See Store."""
        return True

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Raises: StorageError, always."""
        del rollups, instead_of
        raise StorageError("a data frame cannot be written to: import the rows into a store")

    def read(
        self, service: str, revisions: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Rollups:
        """See Store."""
        table = self._between(start, end)
        chosen = pc.and_(
            pc.equal(table["service"], service), pc.is_in(table["revision"], pa.array(revisions, pa.string()))
        )
        return Rollups(table.filter(chosen))

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """See Store."""
        del service
        table = self._between(start, end)
        times = table.append_column("ms", starts_ms(table)).group_by("revision")
        found = times.aggregate([("ms", "min"), ("ms", "max"), ("n", "sum")]).sort_by("ms_min").to_pylist()
        return [
            Seen(SERVICE, row["revision"], from_ms(row["ms_min"]), from_ms(row["ms_max"]), row["n_sum"])
            for row in found
        ]

    def maintain(self) -> Upkeep:
        """See Store: there is nothing to do."""
        return Upkeep()

    def _between(self, start: datetime | None, end: datetime | None) -> pa.Table:
        table = self._rollups.table
        if start is not None:
            table = table.filter(pc.greater_equal(starts_ms(table), start.timestamp() * 1000))
        if end is not None:
            table = table.filter(pc.less(starts_ms(table), end.timestamp() * 1000))
        return table

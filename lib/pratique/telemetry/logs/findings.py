"""What a person must know of how a log was read: which field was taken for what, and what looks wrong about it."""

from __future__ import annotations

import re
from collections import Counter

import polars as pl

from pratique.telemetry.logs.events import Events
from pratique.telemetry.logs.fields import UNIT_WORDS
from pratique.telemetry.logs.zones import NEAR_MS, QUARTER_MS

SHORT_MS = 0.01
"""Requests that are all shorter have a wrong unit."""
LONG_MS = 9 * 86_400_000
"""A request of nine days is a wrong unit."""
_OLD_HEADER = (
    r"^(?:<[0-9]{1,3}>)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3][0-9] ([0-9]{2}:[0-9]{2}:[0-9]{2}) "
)
SHOWN = 40
"""Characters of a value that are shown."""
_DAY_MS = 86_400_000


class Findings:
    """Collect notes and warnings over the blocks of an import."""

    def __init__(self, zone: str | None) -> None:
        """zone: the configured time zone; None when none is configured."""
        self._zone = zone
        self._notes: dict[str, None] = {}
        self._warnings: dict[str, None] = {}
        self._assumed = ""
        self._duration = ""
        self._events = self._timed = self._zero = self._long = self._unread = 0
        self._unread_text = ""
        self.failed_attempts: Counter[str] = Counter()

    def note(self, sentence: str) -> None:
        """Add a note on how the log was read."""
        self._notes[sentence] = None

    def warn(self, sentence: str) -> None:
        """Add a warning."""
        self._warnings[sentence] = None

    def begin(self, events: Events, why: str, sample: pl.DataFrame) -> None:
        """Note how a log is read. sample: the texts of its first lines."""
        if why:
            self._notes[why] = None
        self._notes["; ".join(events.taken(sample))] = None
        if events.duration is not None:
            unit = UNIT_WORDS.get(events.duration.kind, "")
            self._duration = f"{events.duration.source}, {unit}"
            self._assumed = events.duration.assumed
            if self._assumed:
                self._notes[f"{events.duration.source} is taken as {unit}, {self._assumed}"] = None
        if events.is_local and len(sample):
            self._look_at_zone(events, sample)

    def _look_at_zone(self, events: Events, sample: pl.DataFrame) -> None:
        frame = events.read(sample).with_columns(local=events.local_times(sample)).filter(pl.col("local").is_not_null())
        if not len(frame):
            return
        offsets = ((frame["local"] - frame["time_ms"]) // 60_000).drop_nulls().unique().to_list()
        shown = ", ".join(_offset(minutes) for minutes in sorted(offsets))
        header = frame["header"] if "header" in frame.columns else pl.Series([], dtype=pl.String)
        told = header.str.extract(r"(Z|[+-][0-9]{2}:?[0-9]{2})$").drop_nulls().unique().to_list()
        if told:
            self._notes[f"times have no zone: taken as {shown} by the header of the lines"] = None
            if any(_minutes(zone) not in offsets for zone in told):
                self._warnings[
                    f"local time and header ({', '.join(sorted(told))}) differ by whole quarters of an hour: the times are taken as {shown}"
                ] = None
        elif self._zone is None:
            self._warnings["times have no zone and are taken as UTC: give --timezone of the log's host"] = None
        else:
            self._notes[f"times have no zone: taken as {self._zone}"] = None
        self._compare_old_header(frame)

    def _compare_old_header(self, frame: pl.DataFrame) -> None:
        """A header without a zone may have another zone than the line: the clocks of one host must agree."""
        clock = frame["line"].str.extract(_OLD_HEADER)
        if not clock.count():
            return
        shown = clock.str.to_time("%H:%M:%S", strict=False).cast(pl.Int64) // 1_000_000
        ended = (frame["local"] + frame["took_ms"].fill_null(0.0).cast(pl.Int64)) % _DAY_MS
        quarters = ((ended - shown + NEAR_MS) % _DAY_MS // QUARTER_MS).drop_nulls()
        if len(quarters) and quarters.mode().item(0) not in {0, 96}:
            minutes = quarters.mode().item(0) * 15
            minutes -= 1440 if minutes > 720 else 0
            self._warnings[
                f"the time of the line and that of its header differ by {_offset(minutes)}: check the zone (--timezone)"
            ] = None

    def count_events(self, events: pl.DataFrame) -> None:
        """Count what the durations of events tell. events: with the column took_ms."""
        if not len(events) or "n" in events.columns:
            return  # rows of counts have no single duration
        self._events += len(events)
        took = events["took_ms"].drop_nulls().drop_nans()
        self._timed += len(took)
        self._zero += int((took < SHORT_MS).sum())
        self._long += int((took >= LONG_MS).sum())
        unread = events["unread_duration"].drop_nulls()
        self._unread += len(unread)
        self._unread_text = self._unread_text or (unread[0][:SHOWN] if len(unread) else "")
        failed = events.filter(pl.col("failed_attempts") > 0)
        for revision, count in failed.group_by("revision").agg(pl.col("failed_attempts").sum()).iter_rows():
            self.failed_attempts[revision] += count

    def notes(self) -> list[str]:
        """Return how the log was read, a line each."""
        return list(self._notes)

    def warnings(self) -> list[str]:
        """Return what looks wrong, a line each."""
        found = list(self._warnings)
        unit = f" ({self._duration})" if self._duration else ""
        if self._unread:
            found.append(
                f"{self._unread:,} of {self._events:,} durations cannot be read, such as {self._unread_text!r}{unit}: these requests count untimed"
            )
        elif self._events and not self._timed:
            found.append(
                f"none of {self._events:,} requests has a duration; if the lines hold one, give the server's format string (--log-format) or --field"
            )
        if self._timed > 1 and self._zero == self._timed:
            found.append(
                f"all {self._timed:,} durations are below {SHORT_MS} ms{unit}: check the unit, or log a finer time"
            )
        if self._long:
            found.append(f"{self._long:,} durations reach nine days{unit}: check the unit")
        return found


def _offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _minutes(zone: str) -> int:
    found = re.fullmatch(r"([+-])([0-9]{2}):?([0-9]{2})", zone)
    return 0 if found is None else int(f"{found[1]}1") * (int(found[2]) * 60 + int(found[3]))
